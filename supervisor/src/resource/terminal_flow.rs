//! Output of a terminal that is stopped: by tcflow(3), or by the stop character that was typed (termios(3), IXON).
//!
//! The kernel tells nobody. But a slave whose output is stopped takes nothing, though there is room, and TCOON starts it only if tcflow(3)
//! stopped it.
use super::terminal::{Settings, polled};
use crate::sys::terminal::{self as tty, Termios};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What stopped it, and so what starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopped {
    Call,
    Character,
}

fn becomes(slave: BorrowedFd<'_>, writable: bool, within: Duration) -> bool {
    let begun = Instant::now();
    while (polled(slave, libc::POLLOUT) & libc::POLLOUT != 0) != writable {
        if begun.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    true
}

/// Starts the output of a slave, of which all has been read. After a stop character it starts only when IXON is turned off.
pub(super) fn start(slave: BorrowedFd<'_>, settings: &Termios) -> io::Result<Option<Stopped>> {
    // a worker of the kernel frees what was read, in its own time
    const FREED: Duration = Duration::from_millis(20);
    if becomes(slave, true, FREED) {
        return Ok(None);
    }
    tty::set_flow(slave, true)?;
    if becomes(slave, true, Duration::ZERO) {
        return Ok(Some(Stopped::Call));
    }
    let character = settings.input & libc::IXON != 0 && settings.characters[libc::VSTOP] != 0;
    Ok(character.then_some(Stopped::Character))
}

/// Stops it again. The terminal must have its settings.
pub(super) fn stop(master: BorrowedFd<'_>, slave: BorrowedFd<'_>, how: Stopped, settings: &Settings) -> io::Result<()> {
    match how {
        Stopped::Call => return tty::set_flow(slave, false),
        Stopped::Character => match nix::unistd::write(master, &[settings.characters[libc::VSTOP]]) {
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        },
    }
    match becomes(slave, false, Duration::from_secs(2)) {
        true => Ok(()),
        false => Err(io::Error::other("the line discipline does not take the stop character")),
    }
}
