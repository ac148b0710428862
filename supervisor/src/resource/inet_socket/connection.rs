//! TCP connections as pairs of ends: what one end received and did not read, and what the other sent and this one has not received.
//!
//! What was sent and not yet acknowledged is in a queue that only TCP_REPAIR shows, which needs CAP_NET_ADMIN. Without it the
//! data is read at the other end, which lets the rest flow, and sent again in the same order: to the programs nothing happened.
use super::stream::Content;
use super::tcp::{
    self, CLOSE, CLOSE_WAIT, CLOSING, Connection, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, LAST_ACK, Peer, Pending, Tcp, Waiting,
};
use super::{State, address, records};
use crate::resource::capture::OutsideConnections;
use crate::resource::descriptor::{Description, Section, Seen};
use crate::resource::socket::options::{When, narrow, widen};
use crate::resource::socket::put_back::{renew, reset};
use crate::resource::socket::{Observed, set_flags};
use crate::resource::{Capture, Context, Error, Result};
use crate::sys::socket;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// One end of a connection that is not over.
struct End {
    /// None for a connection that waits to be accepted, and has nothing to be read.
    fd: Option<OwnedFd>,
    local: SocketAddr,
    remote: SocketAddr,
    remote_raw: Vec<u8>,
    state: u8,
    /// The record of the socket; none for a connection that waited to be accepted by `listener`.
    id: Option<u32>,
    number: u32,
    listener: u32,
    title: String,
    /// What it received, and what of its own the other end did not.
    queue: Content,
    unsent: Content,
    peer: Peer,
}

pub(super) fn conclude(section: &mut Section, seen: &mut [Seen], observed: &mut Observed, cx: &mut Capture) -> Result<()> {
    let mut ends = collect(section, seen, observed)?;
    let places: HashMap<(SocketAddr, SocketAddr), usize> =
        ends.iter().enumerate().map(|(index, end)| ((end.local, end.remote), index)).collect();
    for index in 0..ends.len() {
        match places.get(&(ends[index].remote, ends[index].local)) {
            Some(other) => {
                let (received, unsent) = transfer(&ends[index], &ends[*other], cx)?;
                ends[*other].queue = received;
                ends[index].unsent = unsent;
                let (number, listener, known) = (ends[*other].number, ends[*other].listener, ends[*other].id.is_some());
                ends[index].peer = if known { Peer::Socket(number) } else { Peer::WaitingAt(listener) };
            }
            None => {
                ends[index].peer = alone(&ends[index], observed, cx)?;
                let state = ends[index].state;
                if let Some(fd) = ends[index].fd.as_ref().filter(|_| state != CLOSE) {
                    ends[index].queue = tcp::received(fd.as_fd(), &ends[index].title)?;
                }
            }
        }
    }
    for end in &ends {
        record(section, end, cx)?;
    }
    if cx.leave_running {
        return put_back(section, seen, ends, cx);
    }
    tcp::keep(ends.into_iter().filter_map(|end| end.fd).collect(), cx);
    Ok(())
}

/// Makes connections that were accepted here wait again: from new sockets of their clients, or stand-ins for closed clients.
fn put_back(section: &Section, seen: &mut [Seen], mut ends: Vec<End>, cx: &mut Capture) -> Result<()> {
    let ids: HashMap<u32, u32> = ends.iter().filter_map(|end| Some((end.number, end.id?))).collect();
    for index in 0..ends.len() {
        if ends[index].id.is_some() || ends[index].peer == Peer::Reset {
            continue;
        }
        let Some(accepted) = ends[index].fd.take() else { continue };
        let title = ends[index].title.clone();
        let doing = || format!("let {title} wait again");
        let (local, remote) = (ends[index].local, ends[index].remote);
        // both ends go without a trace, so that their addresses are free
        reset(accepted.as_fd());
        drop(accepted);
        let client = match ends[index].peer {
            Peer::Socket(number) => ids.get(&number).copied(),
            _ => None,
        };
        let stand_in;
        let (fd, domain) = match client {
            Some(id) => {
                ends.iter_mut().filter(|end| end.id == Some(id)).for_each(|end| end.fd = None);
                let Description::InetSocket(record) = &section.descriptions[id as usize].description else { continue };
                renew(&mut seen[id as usize], record.family, cx)?;
                let fd = seen[id as usize].fd.as_fd();
                record.options.restore(fd, When::Early, &title)?;
                (fd, record.family.domain)
            }
            None => {
                let domain = if remote.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
                stand_in = socket::socket(domain, libc::SOCK_STREAM, 0).doing(doing)?;
                (stand_in.as_fd(), domain)
            }
        };
        socket::set_option_int(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).doing(doing)?;
        socket::bind(fd, &address::raw(remote, domain)).doing(doing)?;
        socket::connect(fd, &address::raw(local, domain)).doing(doing)?;
        super::stream::send(fd, &ends[index].queue, 0).doing(doing)?;
        if let Some(id) = client {
            let Description::InetSocket(record) = &section.descriptions[id as usize].description else { continue };
            record.options.restore(fd, When::Open, &title)?;
            if let State::Tcp(Tcp::Connected(Connection { state: FIN_WAIT1 | FIN_WAIT2, .. })) = &record.state {
                socket::shutdown(fd, libc::SHUT_WR).doing(doing)?;
            }
            record.options.restore(fd, When::Late, &title)?;
            set_flags(fd, record.flags, &title)?;
        }
    }
    Ok(())
}

fn collect(section: &Section, seen: &[Seen], observed: &mut Observed) -> Result<Vec<End>> {
    let mut ends = Vec::new();
    for (id, record) in records(section) {
        let State::Tcp(Tcp::Connected(Connection { state, .. })) = &record.state else { continue };
        let (Some(local), Some(remote)) = (address::parse(&record.local), address::parse(&record.remote)) else { continue };
        let Some(seen) = seen.get(id as usize) else { continue };
        ends.push(End {
            fd: Some(seen.fd.try_clone().doing(|| "duplicate a socket".into())?),
            local,
            remote,
            remote_raw: record.remote.clone(),
            state: *state,
            id: Some(id),
            number: record.number,
            listener: 0,
            title: seen.title(),
            queue: Content::default(),
            unsent: Content::default(),
            peer: Peer::Closed,
        });
    }
    for Pending { listener, local, remote, fd } in std::mem::take(&mut observed.tcp_pending) {
        let domain = if remote.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let state = match &fd {
            Some(fd) => tcp::info(fd.as_fd()).doing(|| "read a waiting connection".into())?.0,
            None => ESTABLISHED,
        };
        ends.push(End {
            title: format!("a connection from {remote} that waits to be accepted at {local}"),
            fd,
            local,
            remote,
            remote_raw: address::raw(remote, domain),
            state,
            id: None,
            number: 0,
            listener,
            queue: Content::default(),
            unsent: Content::default(),
            peer: Peer::Closed,
        });
    }
    Ok(ends)
}

/// The other end of a connection is not of the pod: closed, or outside.
fn alone(end: &End, observed: &mut Observed, cx: &mut Capture) -> Result<Peer> {
    let other = observed.tcp()?.iter().find(|entry| (entry.local, entry.remote) == (end.remote, end.local));
    let outside = match other {
        Some(entry) => entry.inode != 0 || matches!(entry.state, ESTABLISHED | CLOSE_WAIT),
        None => !address::is_local(end.remote.ip()),
    };
    if !outside {
        return Ok(if end.state == ESTABLISHED { Peer::Reset } else { Peer::Closed });
    }
    let connection = format!("a TCP connection of {} to {}, which is outside the pod", end.local, end.remote);
    if cx.outside == OutsideConnections::Refuse {
        return Err(Error::Refused {
            object: end.title.clone(),
            reason: format!("it is {connection}"),
            way_out: "close the connection, or checkpoint with --tcp close: the program then finds it reset".into(),
        });
    }
    cx.closed_connections.push(format!("{}: {connection}", end.title));
    Ok(Peer::Reset)
}

fn record(section: &mut Section, end: &End, cx: &mut Capture) -> Result<()> {
    let queue = end.queue.clone().store(cx)?;
    if let Some(id) = end.id {
        let unsent = end.unsent.clone().store(cx)?;
        if let Description::InetSocket(record) = &mut section.descriptions[id as usize].description {
            if let State::Tcp(Tcp::Connected(connection)) = &mut record.state {
                (connection.queue, connection.unsent, connection.peer) = (queue, unsent, end.peer);
            }
        }
        return Ok(());
    }
    if end.peer == Peer::Reset {
        return Ok(());
    }
    let client = match end.peer {
        Peer::Socket(number) => Some(number),
        _ => None,
    };
    let listener = section.descriptions.iter_mut().find_map(|record| match &mut record.description {
        Description::InetSocket(socket) if socket.number == end.listener => Some(socket),
        _ => None,
    });
    if let Some(State::Tcp(Tcp::Listening { waiting, .. })) = listener.map(|socket| &mut socket.state) {
        waiting.push(Waiting { client, remote: end.remote_raw.clone(), queue });
    }
    Ok(())
}

fn outstanding(fd: BorrowedFd<'_>) -> io::Result<usize> {
    socket::count(fd, libc::TIOCOUTQ)
}

/// What `to` has received of what `from` sent, and the rest.
fn transfer(from: &End, to: &End, cx: &Capture) -> Result<(Content, Content)> {
    let doing = || format!("read what is under way to {}", to.title);
    let (Some(from_fd), Some(to_fd)) = (&from.fd, &to.fd) else {
        // nothing had arrived when the kernel listed it, and nothing was sent since: the pod stands still
        return Ok((Content::default(), Content::default()));
    };
    // acknowledgements may be late by 40 ms, corked data by 200 ms
    let corked = socket::option_int(from_fd.as_fd(), libc::IPPROTO_TCP, libc::TCP_CORK).unwrap_or(0) != 0;
    let patience = Duration::from_millis(if corked { 260 } else { 60 });
    let (mut left, mut since) = (outstanding(from_fd.as_fd()).doing(doing)?, Instant::now());
    while left > 0 && since.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(1));
        let now = outstanding(from_fd.as_fd()).doing(doing)?;
        if now != left {
            (left, since) = (now, Instant::now());
        }
    }
    if left == 0 {
        return Ok((tcp::received(to_fd.as_fd(), &to.title)?, Content::default()));
    }
    match repaired(from_fd.as_fd(), from.state, to_fd.as_fd(), to.state) {
        Ok(both) => return Ok(both),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        Err(error) => return Err(error).doing(doing),
    }
    let finished = matches!(from.state, FIN_WAIT1 | LAST_ACK | CLOSING);
    if finished && cx.leave_running {
        return Err(Error::Refused {
            object: from.title.clone(),
            reason: "it is closing a connection while data is under way, which only root can read".into(),
            way_out: "try again in a moment, or stop the pod with the checkpoint".into(),
        });
    }
    let content = drain(from_fd.as_fd(), to_fd.as_fd()).doing(doing)?;
    if !finished {
        send_again(from_fd.as_fd(), &content.data).doing(|| format!("send again what was under way to {}", to.title))?;
    }
    Ok((content, Content::default()))
}

/// TCP_REPAIR of both ends; off on drop, as if nothing had been.
struct Repair<'a> {
    fd: BorrowedFd<'a>,
    reuse: i32,
}

const REPAIR: i32 = 19;
const REPAIR_QUEUE: i32 = 20;
const QUEUE_SEQ: i32 = 21;
const NO_QUEUE: i32 = 0;
const RECEIVED: i32 = 1;
const SENT: i32 = 2;
/// Without the probe of the window that would go out otherwise.
const REPAIR_OFF: i32 = -1;

impl<'a> Repair<'a> {
    fn new(fd: BorrowedFd<'a>) -> io::Result<Repair<'a>> {
        let reuse = socket::option_int(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        socket::set_option_int(fd, libc::IPPROTO_TCP, REPAIR, 1)?;
        Ok(Repair { fd, reuse })
    }

    fn queue(&self, which: i32) -> io::Result<()> {
        socket::set_option_int(self.fd, libc::IPPROTO_TCP, REPAIR_QUEUE, which)
    }

    fn sequence(&self, which: i32) -> io::Result<u32> {
        self.queue(which)?;
        socket::option_int(self.fd, libc::IPPROTO_TCP, QUEUE_SEQ).map(|sequence| sequence as u32)
    }
}

impl Drop for Repair<'_> {
    fn drop(&mut self) {
        let _ = self.queue(NO_QUEUE);
        let _ = socket::set_option_int(self.fd, libc::IPPROTO_TCP, REPAIR, REPAIR_OFF);
        // repair mode took SO_REUSEADDR for itself
        let _ = socket::set_option_int(self.fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, self.reuse);
    }
}

fn repaired(from: BorrowedFd<'_>, from_state: u8, to: BorrowedFd<'_>, to_state: u8) -> io::Result<(Content, Content)> {
    loop {
        let sender = Repair::new(from)?;
        let next = {
            let receiver = Repair::new(to)?;
            receiver.sequence(RECEIVED)?
        };
        let end = sender.sequence(SENT)?;
        let room = outstanding(from)?;
        let sent = socket::receive(from, room.max(1), socket::MSG_PEEK_NOW)?.data;
        drop(sender);
        let content = super::stream::peek(to, to_state == CLOSE)?;
        let again = Repair::new(to)?.sequence(RECEIVED)?;
        if again != next {
            // something arrived in between
            continue;
        }
        let mut missing = end.wrapping_sub(next) as usize;
        if matches!(from_state, FIN_WAIT1 | LAST_ACK | CLOSING) {
            // the end of the stream counts as a byte
            missing = missing.saturating_sub(1);
        }
        let data = sent[sent.len() - missing.min(sent.len())..].to_vec();
        return Ok((content, Content { data, mark: None }));
    }
}

/// Reads everything that is under way, which takes it away.
fn drain(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<Content> {
    let urgent = super::stream::peek(to, false)?.mark;
    if urgent.is_some() {
        return Err(io::Error::other("urgent data waits there"));
    }
    let mut data = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let last = outstanding(from)? == 0;
        match socket::receive(to, 1 << 20, libc::MSG_DONTWAIT) {
            Ok(received) if received.data.is_empty() => break,
            Ok(received) => data.extend_from_slice(&received.data),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
                if last {
                    break;
                }
                if Instant::now() > deadline {
                    send_again(from, &data)?;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Content { data, mark: None })
}

fn send_again(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<()> {
    let mut before = None;
    let (mut at, mut deadline) = (0, Instant::now() + Duration::from_millis(300));
    let result = loop {
        if at == data.len() {
            break Ok(());
        }
        match socket::send(fd, &data[at..], &[], &[], None, libc::MSG_DONTWAIT) {
            Ok(n) => {
                at += n;
                deadline = Instant::now() + Duration::from_millis(300);
            }
            Err(error) if error.raw_os_error() != Some(libc::EAGAIN) => break Err(error),
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            Err(_) if before.is_none() => {
                before = Some(widen(fd, libc::SO_SNDBUF));
                deadline = Instant::now() + Duration::from_millis(300);
            }
            Err(error) => break Err(error),
        }
    };
    if let Some(before) = before {
        narrow(fd, libc::SO_SNDBUF, before);
    }
    result
}
