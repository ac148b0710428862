//! Errors that wait at a socket for the program: they can be read only by taking them, and are brought about again by a refusal of
//! this host's own.
use super::address;
use crate::resource::Error;
use crate::resource::descriptor::Seen;
use crate::resource::socket::options::Family;
use crate::sys::socket;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The refusal of a socket whose error queue only the program may read.
pub(super) fn unread_errors(seen: &Seen) -> Error {
    seen.refuse(
        "errors or time stamps wait there that the program has not read (MSG_ERRQUEUE), and reading takes them",
        "try again when the program has read them",
    )
}

/// Whether what a socket reports by POLLERR may be in its error queue, and not just a number.
pub(super) fn has_error_queue(fd: BorrowedFd<'_>) -> bool {
    const SO_ZEROCOPY: i32 = 60;
    const TIMESTAMPING: [i32; 2] = [37, 65];
    let set = |level, option| socket::option_int(fd, level, option).is_ok_and(|value| value != 0);
    set(libc::IPPROTO_IP, libc::IP_RECVERR)
        || set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        || set(libc::SOL_SOCKET, SO_ZEROCOPY)
        || TIMESTAMPING.iter().any(|option| set(libc::SOL_SOCKET, *option))
}

/// An address that a socket reaches and that refuses everything, as long as the descriptor is open.
fn closed_door(fd: BorrowedFd<'_>, family: Family) -> io::Result<(OwnedFd, Vec<u8>)> {
    let own = address::parse(&socket::name(fd)?).map(|own| own.ip()).filter(|ip| !ip.is_unspecified());
    let place = own.map_or_else(|| address::loopback(family.domain, 0), |ip| address::raw(SocketAddr::new(ip, 0), family.domain));
    let door = socket::socket(family.domain, family.kind, family.protocol)?;
    socket::bind(door.as_fd(), &place)?;
    let name = socket::name(door.as_fd())?;
    if family.kind == libc::SOCK_DGRAM {
        // connected to itself it has the port, and takes nothing from others
        socket::connect(door.as_fd(), &name)?;
    }
    Ok((door, name))
}

/// Makes a nonblocking connect(2) of a new socket fail.
pub(super) fn refuse_connection(fd: BorrowedFd<'_>, family: Family, told: bool) -> io::Result<()> {
    let (_door, name) = closed_door(fd, family)?;
    match socket::connect(fd, &name) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        other => return other,
    }
    socket::wait_events(fd, 0, 1000)?;
    if told {
        socket::option_int(fd, libc::SOL_SOCKET, libc::SO_ERROR)?;
    }
    Ok(())
}

/// Has a datagram of a connected socket refused, and connects it to its peer again.
pub(super) fn refuse_datagram(fd: BorrowedFd<'_>, family: Family, peer: &[u8]) -> io::Result<()> {
    let (_door, name) = closed_door(fd, family)?;
    socket::connect(fd, &name)?;
    let sent = socket::send(fd, &[], &[], &[], None, libc::MSG_DONTWAIT);
    let waited = socket::wait_events(fd, 0, 100);
    socket::connect(fd, peer)?;
    sent.and(waited).map(drop)
}
