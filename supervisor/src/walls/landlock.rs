//! The Landlock domain of a pod (landlock(7)): no signal and no connection to an abstract unix socket leaves it, nor may anything in it
//! trace what is outside (ptrace(2), /proc/PID/mem and the like). From outside, supervisor and engine reach in as before.
//!
//! A domain can neither be joined nor left, and two processes that each entered one are strangers: it is therefore the pod's init that
//! enters, of which all processes of the pod descend, also those of a restart.
use crate::sys::confine;
use nix::errno::Errno;

/// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
const SCOPES: u64 = 1 | 2;
/// The first version of the interface that has scopes (Linux 6.12).
pub const WITH_SCOPES: i32 = 6;

/// Whether this kernel, as it was started and as far as a container lets us, has domains with scopes.
pub fn is_available() -> bool {
    confine::landlock_version().is_ok_and(|version| version >= WITH_SCOPES)
}

/// Enters a new domain for ever; tells whether there is one here. After the mounts are made and before any program runs.
pub fn enter() -> Result<bool, Errno> {
    if !is_available() {
        return Ok(false);
    }
    confine::enter_landlock_domain(SCOPES).map(|()| true)
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
        assert!(is_available(), "this kernel has no Landlock with scopes; the walls stand without it, and this cannot be tested");
        let address = SocketAddr::from_abstract_name(format!("autopod-walls-{}", std::process::id())).unwrap();
        let _listener = UnixListener::bind_addr(&address).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_raw(child.id() as i32)).unwrap();
        let outcome = std::thread::spawn(move || {
            let before = (UnixStream::connect_addr(&address).is_ok(), pidfd_send_signal(pidfd.as_fd(), 0));
            nix::sys::prctl::set_no_new_privs().unwrap();
            let entered = enter();
            let after = UnixStream::connect_addr(&address).map_err(|e| e.raw_os_error());
            (before, entered, after.err().flatten(), pidfd_send_signal(pidfd.as_fd(), 0))
        });
        let outcome = outcome.join().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(outcome, ((true, Ok(())), Ok(true), Some(libc::EPERM), Err(Errno::EPERM)));
    }
}
