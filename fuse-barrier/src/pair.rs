//! Two processes that serve one connection, each of which replaces the other when that is killed. What the kernel has asked and got no answer for
//! is asked again (FUSE_NOTIFY_RESEND, Linux 6.9; before, who waits for such an answer waits until it is killed). Both have to be killed at
//! the same moment for the file system to be lost.
use crate::keeper::{greeting, resend};
use crate::sys;
use anyhow::Context;
use fuser::{Config, Filesystem, Session, SessionACL};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getppid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A process that ends sooner than this has an error of its own, and must not be started all the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which of the two we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first that serves the connection.
    First,
    /// Started by the other, our parent.
    Next,
}

fn is_unmounted(connection: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(connection, PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO)
        .is_ok_and(|_| polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR)))
}

/// Our parent, held; nothing if it has ended.
fn parent() -> Option<OwnedFd> {
    let parent = getppid();
    let held = sys::pidfd_open(parent.as_raw()).ok()?;
    (getppid() == parent && parent.as_raw() > 1).then_some(held)
}

/// Serves until the file system is unmounted. `start` starts another process that does the same as [`Part::Next`].
pub fn serve(
    filesystem: impl Filesystem,
    connection: OwnedFd,
    part: Part,
    start: impl Fn() -> io::Result<i32> + Send + 'static,
) -> anyhow::Result<()> {
    let other = if part == Part::Next { parent() } else { None };
    let session = match part {
        Part::First => {
            let device = connection.try_clone().context("cannot duplicate a descriptor")?;
            Session::from_fd(filesystem, device, SessionACL::All, Config::default()).context("cannot agree with the kernel")?
        }
        Part::Next => {
            // The kernel asks once only. The library is asked the same over a socket, which then is replaced.
            let (theirs, ours) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
            nix::unistd::write(&ours, &greeting(0))?;
            let session = Session::from_fd(filesystem, theirs, SessionACL::All, Config::default()).context("cannot take over")?;
            sys::replace(connection.as_fd(), session.as_fd())?;
            resend(&connection);
            session
        }
    };
    let connection = Arc::new(connection);
    std::thread::spawn(move || watch(other, &connection, start));
    session.run().context("the connection to the kernel broke")
}

/// Replaces the other each time that it ends.
fn watch(mut other: Option<OwnedFd>, connection: &OwnedFd, start: impl Fn() -> io::Result<i32>) {
    let mut begun = Instant::now().checked_sub(PATIENCE).unwrap_or_else(Instant::now);
    loop {
        if let Some(other) = other.take() {
            while poll(&mut [PollFd::new(other.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).is_err() {}
        }
        while waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
        if is_unmounted(connection.as_fd()) {
            return;
        }
        resend(connection);
        std::thread::sleep(PATIENCE.saturating_sub(begun.elapsed()));
        begun = Instant::now();
        other = start().and_then(|pid| Ok(sys::pidfd_open(pid)?)).map_err(|e| eprintln!("cannot start another server: {e}")).ok();
    }
}
