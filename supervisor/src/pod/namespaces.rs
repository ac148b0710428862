//! The kernel namespaces of a pod under `--names kernel` (namespaces(7), time_namespaces(7)).
use crate::sys::launch::{self, Fork};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// What was being done when the kernel refused.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{doing}: {}", Errno::from_raw(*errno).desc())]
pub struct Refused {
    /// What was being done.
    pub doing: String,
    /// The error number.
    pub errno: i32,
}

impl Refused {
    /// Names what was being done.
    pub fn at(doing: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let doing = doing.into();
        move |errno| Self { doing, errno: errno as i32 }
    }

    /// The same for errors of the standard library.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |e| Self { doing, errno: e.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// What a pod's clocks are ahead of the host's; negative if behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffsets {
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub monotonic: i64,
    /// CLOCK_BOOTTIME, in nanoseconds.
    pub boottime: i64,
}

fn unshare_users() -> Result<(), Refused> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| {
        // user_namespaces(7) on ENOSPC; the text of the error alone leads astray.
        let limit = if errno == Errno::ENOSPC { " (/proc/sys/user/max_user_namespaces limits them)" } else { "" };
        Refused::at(format!("making a user namespace{limit}"))(errno)
    })
}

/// Puts this (single-threaded) process of the host's root into a user namespace. `map` has somebody outside write its maps; after `last`,
/// which may still open what is root's, it is the namespace's root and nobody outside.
pub fn enter_users(map: impl FnOnce() -> Result<(), Refused>, last: impl FnOnce() -> Result<(), Refused>) -> Result<(), Refused> {
    unshare_users()?;
    map()?;
    last()?;
    become_root().map_err(Refused::at("becoming the root of the pod"))
}

/// Takes on the ids of the root of this process's user namespace.
pub fn become_root() -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // else our files in /proc are not ours, nor can an engine trace what init forks. Programs may not trace us for that: they lack
    // capabilities that we have (ptrace(2))
    nix::sys::prctl::set_dumpable(true)
}

/// Puts the *next child* of this (single-threaded) process into namespaces of its own: as process 1, with its own
/// clocks. What the kernel unshares at once for this process, too, does not matter: it forks and ends.
pub fn unshare_for_child(clocks: ClockOffsets) -> Result<(), Refused> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if !uid.is_root() {
        unshare_users()?;
        // user_namespaces(7): without privilege outside, one's own ids can be mapped, and the group
        // only once setgroups(2) is given up.
        for (file, line) in [
            ("/proc/self/setgroups", "deny".to_owned()),
            ("/proc/self/uid_map", format!("{uid} {uid} 1")),
            ("/proc/self/gid_map", format!("{gid} {gid} 1")),
        ] {
            std::fs::write(file, line).map_err(Refused::io(format!("mapping ids in {file}")))?;
        }
    }
    // nix has no name for CLONE_NEWTIME.
    unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)).map_err(Refused::at("making a time namespace"))?;
    if clocks != ClockOffsets::default() {
        let line = |clock: &str, ns: i64| format!("{clock} {} {}\n", ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
        // Must be complete before the first process enters.
        let text = line("monotonic", clocks.monotonic) + &line("boottime", clocks.boottime);
        std::fs::write("/proc/self/timens_offsets", text).map_err(Refused::io("setting the pod's clocks"))?;
    }
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNS;
    unshare(flags).map_err(Refused::at("making pid, ipc, uts and mount namespaces"))
}

/// Why this host gives the caller no kernel namespaces, if it does not; tried in a child.
pub fn refused() -> Result<Option<Refused>, super::Error> {
    let fail = |errno: Errno| super::Error::Refused(format!("cannot try kernel namespaces: {}", errno.desc()));
    let (answer, tell) = nix::unistd::pipe().map_err(fail)?;
    match launch::fork().map_err(fail)? {
        Fork::Child => {
            let outcome = unshare_for_child(ClockOffsets::default()).err();
            let text = serde_json::to_vec(&outcome).unwrap_or_default();
            launch::exit_now(i32::from(nix::unistd::write(&tell, &text).is_err()))
        }
        Fork::Parent(child) => {
            drop(tell);
            let mut text = Vec::new();
            let read = std::fs::File::from(answer).read_to_end(&mut text);
            let _ = nix::sys::wait::waitpid(child, None);
            let outcome = read.and_then(|_| serde_json::from_slice(&text).map_err(Into::into));
            outcome.map_err(|e| super::Error::Refused(format!("cannot try kernel namespaces: {e}")))
        }
    }
}

/// Terminals of the pod's own, numbered from zero (devpts of the kernel's documentation).
fn terminals() -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let none = None::<&str>;
    // the group tty is not known in every user namespace
    let with_group = mount(Some("devpts"), "/dev/pts", Some("devpts"), flags, Some("newinstance,ptmxmode=0666,mode=0620,gid=5"));
    with_group
        .or_else(|_| mount(Some("devpts"), "/dev/pts", Some("devpts"), flags, Some("newinstance,ptmxmode=0666,mode=0620")))?;
    if std::fs::symlink_metadata("/dev/ptmx").is_ok_and(|meta| !meta.is_symlink()) {
        mount(Some("/dev/pts/ptmx"), "/dev/ptmx", none, MsFlags::MS_BIND, none)?;
    }
    Ok(())
}

/// In process 1 of the new namespaces, on the host's tree: its own /proc, /dev/mqueue and /dev/shm.
pub fn furnish() -> Result<(), Refused> {
    let none = None::<&str>;
    // Mounts of the host still arrive, ours do not leave. In a user namespace the tree is a slave already,
    // and must not become less.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).map_err(Refused::at("separating the mounts"))?;
    let barrier = super::paths::Roots::of_caller().barrier();
    if crate::barrier::state(&barrier) != crate::barrier::State::Absent {
        // nobody here could pass it; in a user namespace, what came from outside has to stay
        let _ = nix::mount::umount2(&barrier, nix::mount::MntFlags::MNT_DETACH);
    }
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, none).map_err(Refused::at("mounting /proc"))?;
    let optional = [("/dev/mqueue", "mqueue", none), ("/dev/shm", "tmpfs", Some("mode=1777"))];
    for (target, kind, options) in optional.into_iter().filter(|(target, ..)| Path::new(target).is_dir()) {
        let flags = if kind == "tmpfs" { MsFlags::MS_NOSUID | MsFlags::MS_NODEV } else { plain };
        mount(Some(kind), target, Some(kind), flags, options).map_err(Refused::at(format!("mounting {target}")))?;
    }
    if Path::new("/dev/pts").is_dir() {
        terminals().map_err(Refused::at("mounting /dev/pts"))?;
    }
    Ok(())
}

/// The pod's names, as uname(2) tells them.
pub fn set_names(hostname: &str, domainname: &str) -> Result<(), Refused> {
    nix::unistd::sethostname(hostname).map_err(Refused::at("setting the host name"))?;
    crate::sys::launch::set_domain_name(domainname).map_err(Refused::at("setting the domain name"))
}
