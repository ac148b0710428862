//! Terminals of programs that are started with one (pty(7)). Init makes them, in the pod's /dev/pts, and holds their masters as well as
//! the command that is attached: they are then hung up neither by a checkpoint nor by a restart, and can be attached to again.
use super::namespaces::Refused;
use crate::sys::{passing, terminal as tty};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, fchown};
use std::os::fd::{AsFd, OwnedFd};

/// The masters that init holds.
#[derive(Debug, Default)]
pub struct Terminals(Vec<OwnedFd>);

impl Terminals {
    /// Makes a terminal like the caller's own, `stdio[0]` if that is one, hands its master over through `stdio[1]`, a socket, and gives
    /// the program's standard descriptors. Without a socket there, the descriptors given are the terminal.
    pub fn make(&mut self, stdio: Vec<OwnedFd>, owner: Option<u32>) -> Result<Vec<OwnedFd>, Refused> {
        let doing = || "making a terminal; is /dev/pts mounted?";
        let [like, socket, _] = stdio.as_slice() else { return Ok(stdio) };
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = open("/dev/ptmx", flags, Mode::empty()).map_err(Refused::at(doing()))?;
        tty::set_locked(master.as_fd(), false).map_err(Refused::io(doing()))?;
        let slave = tty::peer(master.as_fd(), libc::O_RDWR).map_err(Refused::io(doing()))?;
        if let Ok(settings) = tty::termios(like.as_fd()) {
            tty::set_termios(slave.as_fd(), &settings).map_err(Refused::io(doing()))?;
        }
        if let Ok(size) = tty::size(like.as_fd()) {
            tty::set_size(slave.as_fd(), size).map_err(Refused::io(doing()))?;
        }
        if let Some(uid) = owner {
            fchown(&slave, Some(Uid::from_raw(uid)), None).map_err(Refused::at("giving the terminal to the user"))?;
        }
        match passing::send(socket.as_fd(), &[0], &[master.as_fd()], None) {
            Ok(_) => {}
            Err(Errno::ENOTSOCK) => return Ok(stdio),
            Err(errno) => return Err(Refused::at("handing out the terminal")(errno)),
        }
        self.0.push(master);
        let again = || slave.try_clone().map_err(Refused::io(doing()));
        Ok(vec![again()?, again()?, slave])
    }

    /// Holds a terminal that was restored.
    pub fn keep(&mut self, master: OwnedFd) {
        self.0.push(master);
    }

    /// Lets go of those that no program has open any more.
    pub fn forget_left(&mut self) {
        self.0.retain(|master| {
            let events = crate::sys::socket::events(master.as_fd(), libc::POLLIN);
            events.is_ok_and(|events| events & libc::POLLHUP == 0)
        });
    }
}
