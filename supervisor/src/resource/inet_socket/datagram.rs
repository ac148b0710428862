//! UDP: datagrams with their senders. At restart they are sent again, from the restored socket that sent them, or from one made
//! for the purpose and bound to the sender's address.
use super::multicast::{self, Membership};
use super::{Record, State, address, bind, records, refusal};
use crate::resource::descriptor::{InFlight, Seen};
use crate::resource::socket::options::{Family, When, widen};
use crate::resource::socket::{Bytes, set_flags};
use crate::resource::{Capture, Context, Nascent, Result};
use crate::sys::socket::{self, MSG_PEEK_NOW, SO_PEEK_OFF};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    pub data: Bytes,
    /// Raw address.
    #[serde(with = "serde_bytes")]
    pub sender: Vec<u8>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Datagram {
    pub queue: Vec<Message>,
    pub peek_offset: i32,
    /// RCV_SHUTDOWN (1), SEND_SHUTDOWN (2)
    pub shutdown: u8,
    pub memberships: Vec<Membership>,
    /// The peer refused a datagram: the next call fails with ECONNREFUSED.
    #[serde(default)]
    pub refused: bool,
}

pub(super) fn capture(seen: &Seen, family: Family, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Datagram> {
    let fd = seen.fd.as_fd();
    if socket::count(fd, libc::TIOCOUTQ).unwrap_or(0) > 0 {
        return Err(seen.refuse(
            "it has a datagram that is written in part (UDP_CORK or MSG_MORE)",
            "try again when the program has sent it",
        ));
    }
    let doing = || format!("read the queue of {}", seen.title());
    if socket::events(fd, 0).doing(doing)? & libc::POLLERR != 0 && refusal::has_error_queue(fd) {
        return Err(refusal::unread_errors(seen));
    }
    let peek_offset = socket::option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF).unwrap_or(-1);
    if ping(family) && !matches!(socket::receive(fd, 1, MSG_PEEK_NOW), Err(error) if error.raw_os_error() == Some(libc::EAGAIN)) {
        return Err(seen.refuse("it has unread ICMP replies, of which only the first can be seen", "try again in a moment"));
    }
    let queue = if ping(family) { Ok(Default::default()) } else { peek(fd).doing(doing) };
    let _ = socket::set_option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF, peek_offset);
    let (queue, refused) = queue?;
    if refused {
        let again = socket::peer_name(fd).and_then(|peer| refusal::refuse_datagram(fd, family, &peer));
        if let Err(error) = again {
            tracing::warn!("the refusal of a datagram that waited at {} is lost: {error}", seen.title());
        }
    }
    let queue = queue.into_iter().map(|(data, sender)| Ok(Message { data: Bytes::new(data, cx)?, sender }));
    let queue = queue.collect::<Result<_>>()?;
    let deaf = socket::events(fd, libc::POLLRDHUP).doing(doing)? & libc::POLLRDHUP != 0;
    let shutdown = flight.sockets.udp_shutdown(seen.stat.st_ino as u32) | u8::from(deaf);
    let memberships = multicast::capture(fd, family, &cx.proc);
    Ok(Datagram { queue, peek_offset, shutdown, memberships, refused })
}

/// ICMP echo without privilege (icmp(7)).
fn ping(family: Family) -> bool {
    matches!(family.protocol, libc::IPPROTO_ICMP | libc::IPPROTO_ICMPV6)
}

/// The datagrams with their senders, and whether an error waited that was taken.
#[allow(clippy::type_complexity)]
fn peek(fd: BorrowedFd<'_>) -> io::Result<(Vec<(Vec<u8>, Vec<u8>)>, bool)> {
    socket::set_option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF, 0)?;
    let (mut found, mut refused) = (Vec::new(), false);
    loop {
        // with SO_PEEK_OFF every peek goes on after the last; no datagram is longer than 64 KiB
        match socket::receive(fd, 1 << 16, MSG_PEEK_NOW) {
            Ok(received) => found.push((received.data, received.name)),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return Ok((found, refused)),
            // an error that waited (the other end refused a datagram): what was queued comes after it
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => refused = true,
            Err(error) => return Err(error),
        }
    }
}

/// A socket that has its address, if it has one.
pub(super) fn bound(record: &Record) -> Result<OwnedFd> {
    let what = record.what();
    let fd = socket::socket(record.family.domain, record.family.kind, record.family.protocol).doing(|| format!("make {what}"))?;
    record.options.restore(fd.as_fd(), When::Early, &what)?;
    if record.options.int(libc::SOL_SOCKET, libc::SO_REUSEADDR) == Some(1) {
        socket::set_option_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).doing(|| format!("set options of {what}"))?;
    }
    if record.is_bound() {
        bind(&fd, &record.local, &what)?;
    }
    Ok(fd)
}

pub(super) fn open(record: &Record, state: &Datagram) -> Result<OwnedFd> {
    let what = record.what();
    let fd = bound(record)?;
    record.options.restore(fd.as_fd(), When::Open, &what)?;
    multicast::restore(fd.as_fd(), &state.memberships, &what)?;
    Ok(fd)
}

/// The queue is filled before the socket is connected: a connected one takes datagrams of its peer only.
pub(super) fn settle(record: &Record, state: &Datagram, id: u32, cx: &mut Nascent) -> Result<()> {
    let what = record.what();
    for message in &state.queue {
        let data = message.data.load(cx)?;
        send(record, &message.sender, &data, cx).doing(|| format!("put a datagram back into the queue of {what}"))?;
    }
    let fd = cx.descriptions.fd(id)?;
    if !record.remote.is_empty() {
        socket::connect(fd, &record.remote).doing(|| format!("connect {what}"))?;
        if state.refused {
            refusal::refuse_datagram(fd, record.family, &record.remote)
                .doing(|| format!("have a datagram of {what} refused again"))?;
        }
    }
    if state.shutdown & 3 != 0 {
        // an unconnected one has nothing to be shut
        let _ = socket::shutdown(fd, i32::from(state.shutdown & 3) - 1);
    }
    record.options.restore(fd, When::Late, &what)?;
    if state.peek_offset >= 0 {
        socket::set_option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF, state.peek_offset)
            .doing(|| format!("set the peek offset of {what}"))?;
    }
    set_flags(fd, record.flags, &what)
}

/// Where a datagram of a sender reaches the socket, for a sending socket of a domain. A socket of every address is reached at the
/// sender's own, if that is of this host: then the datagram comes from there.
fn target(record: &Record, from: Option<SocketAddr>, domain: i32) -> Vec<u8> {
    match (address::parse(&record.local), from) {
        (Some(local), Some(from)) if local.ip().is_unspecified() => {
            let loopback = address::parse(&address::loopback(if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }, 0));
            let ip = if address::is_local(from.ip()) { Some(from.ip()) } else { loopback.map(|address| address.ip()) };
            address::raw(SocketAddr::new(ip.unwrap_or(local.ip()), local.port()), domain)
        }
        // a scope, which only the raw address has, matters for IPv6 alone
        (Some(local), _) if domain != record.family.domain => address::raw(local, domain),
        _ => address::reach(&record.local, domain),
    }
}

/// The restored socket that sent from an address: it has that, or every address with its port.
fn sender_of(record: &Record, from: SocketAddr, cx: &Nascent) -> Option<(u32, i32)> {
    let sent = |other: &Record| {
        let domain = other.family.domain;
        let reaches = domain == libc::AF_INET6 || from.is_ipv4();
        matches!(other.state, State::Datagram(_))
            && other.family.protocol == record.family.protocol
            && reaches
            && address::parse(&other.local)
                .is_some_and(|local| local.port() == from.port() && (local.ip() == from.ip() || local.ip().is_unspecified()))
    };
    let found = records(cx.descriptions.section()).filter(|(_, other)| sent(other));
    // of two that share the port, that of the same kind of address
    let kind = |domain: i32| (domain == libc::AF_INET) != from.is_ipv4();
    found.map(|(id, other)| (id, other.family.domain)).min_by_key(|(_, domain)| kind(*domain))
}

fn send(record: &Record, sender: &[u8], data: &[u8], cx: &Nascent) -> io::Result<()> {
    let from = address::parse(sender);
    if let Some((id, domain)) = from.and_then(|from| sender_of(record, from, cx)) {
        if let Ok(fd) = cx.descriptions.fd(id) {
            widen(fd, libc::SO_SNDBUF);
            return socket::send(fd, data, &target(record, from, domain), &[], None, libc::MSG_DONTWAIT).map(drop);
        }
    }
    let target = target(record, from, record.family.domain);
    let stranger = socket::socket(record.family.domain, record.family.kind, record.family.protocol)?;
    let one = |level, option| drop(socket::set_option_int(stranger.as_fd(), level, option, 1));
    one(libc::SOL_SOCKET, libc::SO_REUSEADDR);
    // an address of another host: the datagram can be given back only where the kernel lets us claim that
    one(libc::IPPROTO_IP, libc::IP_TRANSPARENT);
    one(libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT);
    let sent = socket::bind(stranger.as_fd(), sender)
        .and_then(|()| socket::send(stranger.as_fd(), data, &target, &[], None, libc::MSG_DONTWAIT).map(drop));
    // a datagram of a sender that is gone or elsewhere may get lost on any network
    match sent {
        Err(error) if from.is_some_and(|from| !address::is_local(from.ip())) => {
            tracing::warn!("a datagram of {} is lost: {error}", address::show(sender));
            Ok(())
        }
        other => other,
    }
}
