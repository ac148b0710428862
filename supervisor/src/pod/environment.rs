//! What a program finds when it starts in a pod: users, and a clean environment of its own.
use super::Error;
use super::init_protocol::UserIds;
use super::record::{Names, PodRecord};
use nix::unistd::{Gid, Uid, User, geteuid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where programs are looked for unless the pod or the request says otherwise.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment as the kernel takes it, one byte string per variable.
pub type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

/// The user that the request names, by name or number; `None` when that is the pod's owner anyway.
pub fn find_user(pod: &str, program: &str, name: &str) -> Result<(User, Option<UserIds>), Error> {
    let refuse = |reason: String| Error::Program { pod: pod.to_owned(), program: program.to_owned(), reason };
    let found = match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    let user = found
        .map_err(|e| refuse(format!("looking up user \"{name}\" failed ({})", e.desc())))?
        .ok_or_else(|| refuse(format!("there is no user \"{name}\" on this host")))?;
    if user.uid == geteuid() {
        return Ok((user, None));
    }
    if !geteuid().is_root() {
        return Err(refuse(format!(
            "only root's pods can run programs as another user; leave --user {name} out, or make the pod as root"
        )));
    }
    let c_name = std::ffi::CString::new(user.name.as_bytes()).map_err(|e| refuse(e.to_string()))?;
    let groups = nix::unistd::getgrouplist(&c_name, user.gid)
        .map_err(|e| refuse(format!("looking up the groups of \"{name}\" failed ({})", e.desc())))?;
    let ids = UserIds { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups: groups.into_iter().map(Gid::as_raw).collect() };
    Ok((user, Some(ids)))
}

/// The user whose pod this is; a stand-in where the host does not know him.
pub fn owner() -> User {
    User::from_uid(geteuid()).ok().flatten().unwrap_or_else(|| {
        let mut user = User::from_uid(Uid::from_raw(0)).ok().flatten().unwrap_or_else(|| nobody(geteuid()));
        user.name = geteuid().to_string();
        user.uid = geteuid();
        user.dir = "/".into();
        user
    })
}

fn nobody(uid: Uid) -> User {
    User {
        name: uid.to_string(),
        passwd: Default::default(),
        uid,
        gid: nix::unistd::getegid(),
        gecos: Default::default(),
        dir: "/".into(),
        shell: "/bin/sh".into(),
    }
}

/// The environment that every program of the pod gets. Nothing of the caller's is inherited: what a program sees must
/// not depend on who started it from where.
pub fn standard(record: &PodRecord, user: &User) -> Environment {
    use std::os::unix::ffi::OsStrExt;
    let mut env = Environment::new();
    let mut set = |key: &str, value: &[u8]| drop(env.insert(key.into(), value.into()));
    set("PATH", DEFAULT_PATH.as_bytes());
    set("HOME", user.dir.as_os_str().as_bytes());
    set("USER", user.name.as_bytes());
    set("LOGNAME", user.name.as_bytes());
    set("SHELL", user.shell.as_os_str().as_bytes());
    set("LANG", b"C.UTF-8");
    for (key, value) in &record.env {
        set(key, value.as_bytes());
    }
    env
}

/// Takes out what the host says of the user: in a tree of its own the pod may say otherwise.
pub fn leave_user_out(env: &mut Environment, record: &PodRecord) {
    for name in ["HOME", "USER", "LOGNAME", "SHELL"] {
        if !record.env.iter().any(|(key, _)| key == name) {
            env.remove(name.as_bytes());
        }
    }
}

/// Adds what makes the shim translate for this pod, or, under names of the kernel's, wait for a restart in which it will.
pub fn add_shim(env: &mut Environment, record: &PodRecord, shim: &Path, table: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let mut preload = shim.as_os_str().as_bytes().to_vec();
    if let Some(own) = env.get(b"LD_PRELOAD".as_slice()).filter(|own| !own.is_empty()) {
        preload.push(b':');
        preload.extend_from_slice(own);
    }
    env.insert(b"LD_PRELOAD".to_vec(), preload);
    env.insert(b"AUTOPOD_POD".to_vec(), record.name.as_bytes().to_vec());
    let table = match record.names {
        Names::Shim => table.as_os_str().as_bytes(),
        Names::Kernel => b"kernel",
    };
    env.insert(b"AUTOPOD_TABLE".to_vec(), table.to_vec());
}

/// The preloaded library: `AUTOPOD_SHIM`, else beside this program (as cargo builds it), else installed with it.
pub fn find_shim() -> Option<PathBuf> {
    const FILE: &str = "libautopod_shim.so";
    if let Some(path) = std::env::var_os("AUTOPOD_SHIM") {
        return Some(path.into());
    }
    let program = std::env::current_exe().ok()?;
    let dir = program.parent()?;
    [dir.join(FILE), dir.join("../lib/autopod").join(FILE)].into_iter().find_map(|path| path.canonicalize().ok())
}

/// Whether LD_PRELOAD can name a file: blanks and colons end a name there (ld.so(8)).
pub fn is_preloadable(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    !path.as_os_str().as_bytes().iter().any(|byte| byte.is_ascii_whitespace() || *byte == b':')
}

/// Whether every user can read a file: the dynamic linker complains of a preloaded library that is out of reach.
pub fn is_public(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.mode());
    mode(path) & 0o004 != 0 && path.ancestors().skip(1).all(|dir| mode(dir) & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_name_cannot_be_in_it() {
        assert!(is_preloadable(Path::new("/usr/lib/autopod/libautopod_shim.so")));
        assert!(!is_preloadable(Path::new("/my tools/shim.so")) && !is_preloadable(Path::new("/a:b/shim.so")));
    }

    #[test]
    fn the_pods_variables_win_and_a_preload_of_its_own_is_kept() {
        let mut record = PodRecord::new("web", Names::Shim);
        record.env = vec![("PATH".into(), "/x".into()), ("LD_PRELOAD".into(), "/own.so".into())];
        let mut env = standard(&record, &owner());
        assert_eq!(env[b"PATH".as_slice()], b"/x");
        add_shim(&mut env, &record, Path::new("/s.so"), Path::new("/t"));
        assert_eq!(env[b"LD_PRELOAD".as_slice()], b"/s.so:/own.so");
        assert_eq!(env[b"AUTOPOD_TABLE".as_slice()], b"/t");
        assert!(!env.contains_key(b"AUTOPOD_HOME".as_slice()));
    }
}
