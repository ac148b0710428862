//! A pod of a test: its own state directory, removed with everything in it when dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{Identity, Place, Seen, processes_of};
use crate::matrix::case::{Names, User};
use crate::matrix::occupy::Occupants;

const COMMAND: Duration = Duration::from_secs(60);

/// A running (or checkpointed) pod named "p".
#[derive(Debug)]
pub struct Live {
    pub place: Place,
    /// The test's files; writable by its user.
    pub directory: PathBuf,
    pub names: Names,
    autopod: PathBuf,
    rounds: usize,
}

impl Live {
    /// Makes a pod for a user; `label` tells tests apart.
    pub fn new(label: &str, names: Names, user: User) -> Result<Self> {
        Self::with_options(label, names, user, &[])
    }

    /// As [`Self::new`], held by walls.
    pub fn walled(label: &str, names: Names, user: User) -> Result<Self> {
        Self::with_options(label, names, user, &["--profile", "default"])
    }

    /// As [`Self::new`], with more options of `autopod add`.
    pub fn with_options(label: &str, names: Names, user: User, options: &[&str]) -> Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = Identity::own()?;
        let identity = if user == User::Root { own } else { Identity::unprivileged()? };
        let directory = std::env::temp_dir().join(format!("apl{}-{number}-{label}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let binaries = directory.join("b");
        std::fs::create_dir(&binaries)?;
        // The build directory may be closed to the test user, so the binaries are copied.
        let exe = std::env::current_exe()?;
        // a test runs in target/debug/deps, a binary in target/debug
        let built =
            exe.ancestors().skip(1).find(|dir| dir.join("autopod").is_file()).context("run cargo build --workspace first")?;
        for name in ["autopod", "autopod-run", "libautopod_shim.so"] {
            std::fs::copy(built.join(name), binaries.join(name))
                .with_context(|| format!("{} is missing: run cargo build --workspace first", built.join(name).display()))?;
        }
        if identity != own {
            std::os::unix::fs::chown(&directory, Some(identity.uid), Some(identity.gid))?;
        }
        let home = directory.join("h").to_string_lossy().into_owned();
        let place = Place { identity, directory: directory.clone(), environment: vec![("AUTOPOD_HOME".into(), home)] };
        let live = Self { place, directory, names, autopod: binaries.join("autopod"), rounds: 0 };
        let names = names.to_string();
        live.autopod(&[&["add", "p", "--names", &names][..], options].concat())?;
        Ok(live)
    }

    /// Runs `autopod` with these arguments; it must succeed.
    pub fn autopod(&self, arguments: &[&str]) -> Result<String> {
        self.place.succeed(&self.autopod, arguments, COMMAND)
    }

    /// `autopod` with these arguments, to be run by the caller.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.place.command(&self.autopod);
        command.args(arguments);
        command
    }

    /// Starts a program in the pod and returns its virtual id.
    pub fn start(&self, command: &[&str]) -> Result<u32> {
        let directory = self.directory.to_string_lossy();
        let mut arguments = vec!["addproc", "p", "--cwd", &*directory, "--"];
        arguments.extend(command);
        let printed = self.autopod(&arguments)?;
        printed.trim().parse().with_context(|| format!("addproc printed \"{}\", not an id", printed.trim()))
    }

    /// Runs an ordinary command beside the pod, as its user.
    pub fn beside(&self, command: &[&str]) -> Result<String> {
        let (program, arguments) = command.split_first().context("no command")?;
        self.place.succeed(Path::new(program), arguments, COMMAND)
    }

    /// A file of the test, written by us, readable by its user.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.directory.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }

    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read(self.directory.join(name)).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    /// The processes of the pod's programs, on the host.
    #[must_use]
    pub fn programs(&self) -> Vec<Seen> {
        let ours = |pid: u32| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| !exe.to_string_lossy().contains("/autopod"))
        };
        processes_of(&self.directory).into_iter().filter(|p| ours(p.pid)).collect()
    }

    /// A checkpoint, every process gone, a restart; the second time with all old host ids taken by others.
    pub fn round(&mut self) -> Result<()> {
        let image = self.path(&format!("image{}", self.rounds));
        let before = self.programs();
        if before.is_empty() {
            bail!("the pod has no process to checkpoint");
        }
        self.autopod(&["checkpoint", "p", "-o", &image])?;
        let left = self.programs();
        if !left.is_empty() {
            bail!("still there after the checkpoint: {left:?}");
        }
        let ids: Vec<u32> = before.into_iter().flat_map(|p| p.tasks).collect();
        let occupy = self.rounds == 1 && Identity::own()?.is_root();
        let _occupants = if occupy { Occupants::take(&ids)? } else { Occupants::default() };
        self.autopod(&["restart", "p", "-i", &image])?;
        self.rounds += 1;
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A pod that is gone already has nothing to be removed; what else goes wrong shows in the check below.
        let _ = self.place.run(&self.autopod, &["rm", "p", "-f"], COMMAND);
        for process in processes_of(&self.directory) {
            eprintln!("left behind: {}", process.line);
            let _ = std::process::Command::new("/bin/kill").args(["-KILL", &process.pid.to_string()]).status();
        }
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.directory).ok();
        } else {
            eprintln!("files of the failed test: {}", self.directory.display());
        }
    }
}

/// Waits until something holds; says what when it does not within ten seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if holds() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("not within 10 s: {what}")
}

/// A TCP port of the loopback nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
