//! Where a pod keeps what: a runtime directory (sockets, the namespace table; gone after a reboot) and a
//! state directory (record, logs; kept).
use super::Error;
use crate::walls::own_files::OwnFiles;
use nix::unistd::{Uid, geteuid};
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The two directories below which all pods of one user live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// One runtime directory per pod.
    pub runtime: PathBuf,
    /// One state directory per pod.
    pub state: PathBuf,
}

impl Roots {
    /// The directories of the calling user: root's in /run and /var/lib, others' in their XDG directories;
    /// `AUTOPOD_HOME` overrides both.
    pub fn of_caller() -> Self {
        Self::choose(geteuid(), |name| std::env::var_os(name).map(PathBuf::from))
    }

    fn choose(uid: Uid, variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        // A relative path would mean another pod after every cd; XDG asks to ignore it, too.
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        if let Some(home) = variable("AUTOPOD_HOME").filter(|path| !path.as_os_str().is_empty()) {
            let home = std::path::absolute(&home).unwrap_or(home);
            return Self { runtime: home.join("run"), state: home.join("state") };
        }
        if uid.is_root() {
            return Self { runtime: "/run/autopod".into(), state: "/var/lib/autopod".into() };
        }
        let runtime = match absolute("XDG_RUNTIME_DIR") {
            Some(dir) => dir.join("autopod"),
            None => PathBuf::from(format!("/tmp/autopod-{uid}")),
        };
        let state = match (absolute("XDG_STATE_HOME"), absolute("HOME")) {
            (Some(dir), _) => dir.join("autopod"),
            (None, Some(home)) => home.join(".local/state/autopod"),
            (None, None) => runtime.join("state"),
        };
        Self { runtime, state }
    }

    /// Makes both directories, private to the caller, and refuses those that somebody else owns: the
    /// runtime directory may lie in /tmp.
    pub fn make(&self) -> Result<(), Error> {
        for dir in [&self.runtime, &self.state] {
            make_private(dir)?;
            let meta = std::fs::symlink_metadata(dir).map_err(|e| Error::file("look at", dir, e))?;
            if !meta.is_dir() || (meta.uid() != geteuid().as_raw() && !geteuid().is_root()) {
                return Err(Error::ForeignDirectory { path: dir.clone(), owner: meta.uid() });
            }
        }
        Ok(())
    }

    /// The barrier directory: root's is where administrators look for it, others' is beside the runtime directory.
    pub fn barrier(&self) -> PathBuf {
        match self.runtime.to_str() {
            Some("/run/autopod") => "/autopod".into(),
            _ => self.runtime.with_extension("barrier"),
        }
    }

    /// The paths of the pod `name`.
    pub fn pod(&self, name: &str) -> Paths {
        Paths { runtime: self.runtime.join(name), state: self.state.join(name) }
    }
}

/// The paths of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The pod's runtime directory.
    pub runtime: PathBuf,
    /// The pod's state directory.
    pub state: PathBuf,
}

impl Paths {
    /// Makes both directories.
    pub fn make(&self) -> Result<(), Error> {
        make_private(&self.runtime)?;
        make_private(&self.state)
    }

    /// What programs of the pod must not reach of AutoPod's own.
    pub fn own_files(&self) -> OwnFiles {
        let own = [&self.runtime, &self.state];
        OwnFiles {
            all: own.into_iter().filter_map(|dir| dir.parent()).map(Path::to_owned).collect(),
            pods: own.into_iter().cloned().collect(),
        }
    }

    /// The socket on which the supervisor takes requests.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The socket on which init takes requests of the supervisor and the engine.
    pub fn init_socket(&self) -> PathBuf {
        self.runtime.join("init.sock")
    }

    /// Who init is: [`super::registry::InitRecord`].
    pub fn init_record(&self) -> PathBuf {
        self.runtime.join("init.json")
    }

    /// Locked by the pod's one supervisor as long as it lives.
    pub fn supervisor_lock(&self) -> PathBuf {
        self.runtime.join("supervisor.lock")
    }

    /// Locked by an engine as long as it lives.
    pub fn engine_lock(&self) -> PathBuf {
        self.runtime.join("engine.lock")
    }

    /// Exists while a restart has begun and is not complete.
    pub fn restarting(&self) -> PathBuf {
        self.runtime.join("restarting")
    }

    /// What init had mounted when it was let go, under `--names kernel`.
    pub fn mounts(&self) -> PathBuf {
        self.runtime.join("mounts")
    }

    /// Locked as long as somebody serves the pod's view.
    pub fn view_lock(&self) -> PathBuf {
        self.runtime.join("view.lock")
    }

    /// What belongs to the pod's view: where it is mounted, and what is changed in it.
    pub fn view(&self) -> PathBuf {
        self.state.join("view")
    }

    /// The pod's namespace table, under `--names shim`.
    pub fn table(&self) -> PathBuf {
        self.runtime.join("table")
    }

    /// The pod's record: [`super::record::PodRecord`].
    pub fn record(&self) -> PathBuf {
        self.state.join("pod.json")
    }

    /// What detached programs print.
    pub fn log(&self) -> PathBuf {
        self.state.join("log")
    }

    /// What the supervisor and the engine have to tell.
    pub fn supervisor_log(&self) -> PathBuf {
        self.state.join("supervisor.log")
    }
}

fn make_private(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| Error::file("make the directory", dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(uid: u32, variables: &[(&str, &str)]) -> Roots {
        let variables: Vec<(String, PathBuf)> = variables.iter().map(|(n, v)| (n.to_string(), PathBuf::from(v))).collect();
        Roots::choose(Uid::from_raw(uid), |name| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn root_lives_in_the_system_directories() {
        let roots = choose(0, &[("XDG_RUNTIME_DIR", "/run/user/0"), ("HOME", "/root")]);
        assert_eq!(roots.pod("web").runtime, Path::new("/run/autopod/web"));
        assert_eq!(roots.pod("web").state, Path::new("/var/lib/autopod/web"));
    }

    #[test]
    fn others_live_in_their_xdg_directories() {
        let roots = choose(1000, &[("XDG_RUNTIME_DIR", "/run/user/1000"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")]);
        assert_eq!(roots, Roots { runtime: "/run/user/1000/autopod".into(), state: "/s/autopod".into() });
        let roots = choose(1000, &[("XDG_RUNTIME_DIR", "relative"), ("HOME", "/h")]);
        assert_eq!(roots, Roots { runtime: "/tmp/autopod-1000".into(), state: "/h/.local/state/autopod".into() });
    }

    #[test]
    fn the_barrier_is_outside_of_what_pods_have() {
        assert_eq!(choose(0, &[]).barrier(), Path::new("/autopod"));
        assert_eq!(choose(0, &[("AUTOPOD_HOME", "/x")]).barrier(), Path::new("/x/run.barrier"));
        assert_eq!(choose(1000, &[("XDG_RUNTIME_DIR", "/run/user/1000")]).barrier(), Path::new("/run/user/1000/autopod.barrier"));
    }

    #[test]
    fn autopod_home_overrides_both() {
        for uid in [0, 1000] {
            let roots = choose(uid, &[("AUTOPOD_HOME", "/x"), ("XDG_RUNTIME_DIR", "/run/user/1")]);
            assert_eq!(roots, Roots { runtime: "/x/run".into(), state: "/x/state".into() });
        }
    }
}
