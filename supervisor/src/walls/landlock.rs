//! The Landlock domain of a pod (landlock(7)): no signal and no connection to an abstract unix socket leaves it, nor may anything in it
//! trace what is outside (ptrace(2), /proc/PID/mem and the like). From outside, supervisor and engine reach in as before.
//!
//! For a pod with a file tree of its own the domain has one rule about files, too: everything that the kernel can hold is allowed beneath
//! the pod's root, in what is mounted there as well (the kernel goes up through mount points), and nowhere else. Paths lead nowhere else
//! anyway; a descriptor of a directory of the host's would. What has no place in any tree (pipes, sockets, memory) is not asked about.
//!
//! A domain can neither be joined nor left, and two processes that each entered one are strangers: it is therefore the pod's init that
//! enters, of which all processes of the pod descend, also those of a restart.
use crate::sys::confine;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::AsFd;

/// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
const SCOPES: u64 = 1 | 2;
/// The first version of the interface that has scopes (Linux 6.12).
pub const WITH_SCOPES: i32 = 6;
/// The first with which files can be moved between directories at all (LANDLOCK_ACCESS_FS_REFER, Linux 5.19).
pub const WITH_FILES: i32 = 2;

/// All rights on files (LANDLOCK_ACCESS_FS_...) that a version of the interface can hold; none if moving files is not among them.
fn rights(version: i32) -> u64 {
    let bits = match version {
        ..WITH_FILES => 0,
        // up to LANDLOCK_ACCESS_FS_REFER
        2 => 14,
        // LANDLOCK_ACCESS_FS_TRUNCATE, Linux 6.2
        3..5 => 15,
        // LANDLOCK_ACCESS_FS_IOCTL_DEV, Linux 6.10
        5..9 => 16,
        // LANDLOCK_ACCESS_FS_RESOLVE_UNIX, Linux 7.1
        9.. => 17,
    };
    (1 << bits) - 1
}

/// Enters a new domain for ever; tells whether there is one here. After the mounts are made and before any program runs. `own_tree` tells
/// whether the root directory is the pod's own.
pub fn enter(own_tree: bool) -> Result<bool, Errno> {
    // not in this kernel, or not for us
    let version = confine::landlock_version().unwrap_or(0);
    let scopes = if version >= WITH_SCOPES { SCOPES } else { 0 };
    let files = if own_tree { rights(version) } else { 0 };
    if scopes == 0 && files == 0 {
        return Ok(false);
    }
    let directory = |path: &str| open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let mut beneath = Vec::new();
    if files != 0 {
        // mq_open(2) goes to the same files by a mount of the kernel's own, above which there is no root
        beneath = vec![directory("/")?, directory("/dev/mqueue")?];
    }
    let beneath: Vec<_> = beneath.iter().map(AsFd::as_fd).collect();
    confine::enter_landlock_domain(scopes, files, &beneath).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::launch::{pidfd_open, pidfd_send_signal};
    use nix::unistd::Pid;
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    #[test]
    fn a_domain_holds_signals_and_abstract_sockets() {
        let version = confine::landlock_version().unwrap_or(0);
        assert!(
            version >= WITH_SCOPES,
            "this kernel has no Landlock with scopes; the walls stand without it, and this cannot be tested"
        );
        let address = SocketAddr::from_abstract_name(format!("autopod-walls-{}", std::process::id())).unwrap();
        let _listener = UnixListener::bind_addr(&address).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_raw(child.id() as i32)).unwrap();
        let outcome = std::thread::spawn(move || {
            let before = (UnixStream::connect_addr(&address).is_ok(), pidfd_send_signal(pidfd.as_fd(), 0));
            nix::sys::prctl::set_no_new_privs().unwrap();
            let entered = enter(false);
            let after = UnixStream::connect_addr(&address).map_err(|e| e.raw_os_error());
            (before, entered, after.err().flatten(), pidfd_send_signal(pidfd.as_fd(), 0))
        });
        let outcome = outcome.join().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(outcome, ((true, Ok(())), Ok(true), Some(libc::EPERM), Err(Errno::EPERM)));
    }
}
