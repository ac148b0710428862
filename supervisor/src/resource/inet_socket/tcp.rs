//! TCP sockets: what one tells of itself. What goes on between two is in [`super::connection`].
use super::address;
use super::stream::{self, Content, Stream};
use crate::proc::diag::InetEntry;
use crate::resource::capture::Stash;
use crate::resource::descriptor::{InFlight, Seen};
use crate::resource::socket::options::Family;
use crate::resource::{Capture, Context, Result};
use crate::sys::socket;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// States of RFC 9293, as the kernel numbers them.
pub(super) const ESTABLISHED: u8 = 1;
pub(super) const SYN_SENT: u8 = 2;
pub(super) const FIN_WAIT1: u8 = 4;
pub(super) const FIN_WAIT2: u8 = 5;
pub(super) const TIME_WAIT: u8 = 6;
pub(super) const CLOSE: u8 = 7;
pub(super) const CLOSE_WAIT: u8 = 8;
pub(super) const LAST_ACK: u8 = 9;
pub(super) const LISTEN: u8 = 10;
pub(super) const CLOSING: u8 = 11;

/// A connection that waits to be accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Number of the connecting socket; `None` when that is closed already.
    pub client: Option<u32>,
    /// The client's raw address.
    #[serde(with = "serde_bytes")]
    pub remote: Vec<u8>,
    pub queue: Stream,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    Socket(u32),
    /// It closed, or closed its sending half and is gone.
    Closed,
    /// It broke the connection, or will have: the program finds ECONNRESET.
    Reset,
    /// It closed, and broke the connection when something was sent to it: the program finds the end, and EPIPE.
    Broken,
    /// The connection waits to be accepted by this listening socket.
    WaitingAt(u32),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    pub peer: Peer,
    pub state: u8,
    pub queue: Stream,
    /// Sent, and not yet received by the other end.
    pub unsent: Stream,
    /// The program shut its receiving half.
    pub deaf: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Tcp {
    Unconnected,
    Listening {
        backlog: u32,
        waiting: Vec<Waiting>,
    },
    Connecting(#[serde(with = "serde_bytes")] Vec<u8>),
    /// It was refused; whether the program has been told.
    Refused {
        told: bool,
    },
    Connected(Connection),
}

/// `tcpi_state`, `tcpi_unacked`, `tcpi_sacked` of TCP_INFO: of a listening socket, the connections that wait and the backlog.
pub(super) fn info(fd: BorrowedFd<'_>) -> std::io::Result<(u8, u32, u32)> {
    let info = socket::option(fd, libc::IPPROTO_TCP, libc::TCP_INFO, 104)?;
    let word = |at: usize| info.get(at..at + 4).map_or(0, |w| u32::from_ne_bytes(w.try_into().expect("four bytes")));
    Ok((info.first().copied().unwrap_or(CLOSE), word(24), word(28)))
}

/// Whether a connection that is over had come about: then the SYN, which counts as a byte, was acknowledged.
fn was_connected(fd: BorrowedFd<'_>) -> std::io::Result<bool> {
    let info = socket::option(fd, libc::IPPROTO_TCP, libc::TCP_INFO, 136)?;
    // tcpi_bytes_acked, tcpi_bytes_received
    Ok(info.get(120..136).is_none_or(|counts| counts.iter().any(|byte| *byte != 0)))
}

/// Whether the end of the stream is all that is to be read, at a connection whose error nobody has taken yet. TCP_ZEROCOPY_RECEIVE
/// says so by EIO; asked for its first four members only, it leaves the error.
fn had_ended(fd: BorrowedFd<'_>) -> bool {
    const TCP_ZEROCOPY_RECEIVE: i32 = 35;
    let asked = socket::option(fd, libc::IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, 16);
    asked.is_err_and(|error| error.raw_os_error() == Some(libc::EIO))
}

pub(super) fn capture(seen: &Seen, _: Family, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Tcp> {
    let fd = seen.fd.as_fd();
    let doing = || format!("read the state of {}", seen.title());
    let (state, pending, backlog) = info(fd).doing(doing)?;
    const TCP_ULP: i32 = 31;
    if let Some(protocol) =
        socket::option(fd, libc::IPPROTO_TCP, TCP_ULP, 16).ok().filter(|name| name.first().is_some_and(|c| *c != 0))
    {
        let name = String::from_utf8_lossy(&protocol).trim_end_matches('\0').to_string();
        return Err(seen.refuse(format!("the kernel runs {name} on the connection"), "turn that off in the program"));
    }
    match state {
        LISTEN => {
            waiting(seen, pending, cx, flight)?;
            Ok(Tcp::Listening { backlog, waiting: Vec::new() })
        }
        SYN_SENT => Ok(Tcp::Connecting(socket::peer_name(fd).or_else(|_| remote_of(seen, flight)).doing(doing)?)),
        CLOSE => {
            let events = socket::events(fd, libc::POLLIN | libc::POLLRDHUP).doing(doing)?;
            if events & libc::POLLRDHUP == 0 {
                return Ok(Tcp::Unconnected);
            }
            if !was_connected(fd).doing(doing)? {
                return Ok(Tcp::Refused { told: events & libc::POLLERR == 0 });
            }
            let queue = stream::peek(fd, true).doing(doing)?.store(cx)?;
            let peer = match events & libc::POLLERR != 0 {
                true if had_ended(fd) => Peer::Broken,
                true => Peer::Reset,
                false => Peer::Closed,
            };
            Ok(Tcp::Connected(Connection { peer, state, queue, unsent: Stream::default(), deaf: true }))
        }
        // the queues are read when both ends are known
        _ => {
            let events = socket::events(fd, libc::POLLRDHUP).doing(doing)?;
            if events & libc::POLLERR != 0 {
                return Err(super::refusal::unread_errors(seen));
            }
            let finished = matches!(state, CLOSE_WAIT | LAST_ACK | CLOSING | TIME_WAIT);
            let deaf = events & libc::POLLRDHUP != 0 && !finished;
            let (queue, unsent) = (Stream::default(), Stream::default());
            Ok(Tcp::Connected(Connection { peer: Peer::Closed, state, queue, unsent, deaf }))
        }
    }
}

/// The address that a socket is connecting to: getpeername(2) does not tell it, sock_diag(7) does.
fn remote_of(seen: &Seen, flight: &mut InFlight<'_>) -> std::io::Result<Vec<u8>> {
    let missing = || std::io::Error::from_raw_os_error(libc::ENOTCONN);
    let family = Family::of(seen.fd.as_fd())?;
    let number = seen.stat.st_ino as u32;
    let all = flight.sockets.tcp().map_err(|_| missing())?;
    let entry = all.iter().find(|entry| entry.inode == number).ok_or_else(missing)?;
    Ok(super::address::raw(entry.remote, family.domain))
}

/// A connection that waits at a listening socket.
pub(crate) struct Pending {
    pub listener: u32,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// It had to be accepted to be read.
    pub fd: Option<OwnedFd>,
}

/// Finds the connections that wait at a listening socket.
///
/// What a client has sent already waits at a socket that only accept(2) can reach. So when one of them has data or an end, they are
/// accepted here, all of them in their order. If the pod goes on, see [`super::connection`] for how they come back.
fn waiting(seen: &Seen, pending: u32, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<()> {
    if pending == 0 {
        return Ok(());
    }
    let doing = || format!("read a waiting connection of {}", seen.title());
    let listener = seen.stat.st_ino as u32;
    let place = address::parse(&socket::name(seen.fd.as_fd()).doing(doing)?);
    let here = |local: SocketAddr| {
        place.is_some_and(|place| place.port() == local.port() && (place.ip() == local.ip() || place.ip().is_unspecified()))
    };
    let all = flight.sockets.tcp()?.to_vec();
    let theirs = all.iter().filter(|e| e.inode == 0 && here(e.local) && matches!(e.state, ESTABLISHED | CLOSE_WAIT));
    let theirs: Vec<_> = theirs.cloned().collect();
    // of several listeners on one port nobody can tell whose they are
    if theirs.len() == pending as usize && theirs.iter().all(|entry| entry.queued == 0 && entry.state == ESTABLISHED) {
        let found = theirs.iter().map(|entry| Pending { listener, local: entry.local, remote: entry.remote, fd: None });
        flight.sockets.tcp_pending.extend(found);
        return Ok(());
    }
    let clients: Vec<_> =
        theirs.iter().map(|entry| all.iter().find(|c| (c.local, c.remote) == (entry.remote, entry.local))).collect();
    let closed = |client: &InetEntry| client.inode == 0;
    let mut can_go_back = theirs.len() == pending as usize;
    for (entry, client) in theirs.iter().zip(clients) {
        can_go_back &= match client {
            Some(client) => closed(client) || flight.is_replaceable_socket(client.inode.into(), cx),
            None => address::is_local(entry.remote.ip()),
        };
    }
    if cx.leave_running && !can_go_back {
        return Err(seen.refuse(
            "a connection waits there to be accepted, with data that cannot be read before",
            "try again in a moment, or stop the pod with the checkpoint",
        ));
    }
    for _ in 0..pending {
        if socket::events(seen.fd.as_fd(), libc::POLLIN).doing(doing)? & libc::POLLIN == 0 {
            break;
        }
        let fd = socket::accept(seen.fd.as_fd()).doing(doing)?;
        let local = address::parse(&socket::name(fd.as_fd()).doing(doing)?);
        // it broke while it waited
        let Some(remote) = socket::peer_name(fd.as_fd()).ok().and_then(|raw| address::parse(&raw)) else { continue };
        let Some(local) = local else { continue };
        flight.sockets.tcp_pending.push(Pending { listener, local, remote, fd: Some(fd) });
    }
    Ok(())
}

const KEY: &str = "tcp connections";

/// Keeps duplicates of connected sockets, and of what was accepted, to the end of the checkpoint.
pub(super) fn keep(fds: Vec<OwnedFd>, cx: &mut Capture) {
    cx.stash.insert(KEY.into(), Box::new(fds));
}

/// Makes the connections of a pod vanish with it: closed with SO_LINGER at zero they leave no TIME_WAIT that would keep
/// their addresses from a restart, and no end that still sends. To be called when the image is complete, before the pod is killed.
pub(crate) fn silence(stash: &Stash) {
    let Some(fds) = stash.get(KEY).and_then(|any| any.downcast_ref::<Vec<OwnedFd>>()) else { return };
    for fd in fds {
        let now = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
        let _ = socket::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &now);
    }
}

/// The content of a receive queue.
pub(super) fn received(fd: BorrowedFd<'_>, title: &str) -> Result<Content> {
    stream::peek(fd, false).doing(|| format!("read the queue of {title}"))
}
