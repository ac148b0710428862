//! Reading queues without changing them.
use super::name::{self, Place};
use super::{Credentials, Message, Record, State, Waiting, named};
use crate::proc::diag::UnixEntry;
use crate::resource::descriptor::{Description, InFlight, Section, Seen};
use crate::resource::socket::options::{Family, When};
use crate::resource::socket::put_back::{connect, renew};
use crate::resource::socket::{Bytes, set_flags};
use crate::resource::{Capture, Context, Result};
use crate::sys::socket::{self, MSG_PEEK_NOW, Received, SO_PEEK_OFF};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const SO_PASSRIGHTS: i32 = 83;

/// Options that make a peek show everything; put back on drop.
struct Shown<'a> {
    fd: BorrowedFd<'a>,
    before: Vec<(i32, i32)>,
}

impl<'a> Shown<'a> {
    fn new(fd: BorrowedFd<'a>) -> Shown<'a> {
        let mut shown = Shown { fd, before: Vec::new() };
        // the peek offset last: setting it is what makes peeks advance
        for (option, value) in [(libc::SO_PASSCRED, 1), (SO_PASSRIGHTS, 1), (SO_PEEK_OFF, 0)] {
            if let Ok(before) = socket::option_int(fd, libc::SOL_SOCKET, option) {
                if socket::set_option_int(fd, libc::SOL_SOCKET, option, value).is_ok() {
                    shown.before.push((option, before));
                }
            }
        }
        shown
    }

    fn seek(&self, position: usize) -> io::Result<()> {
        socket::set_option_int(self.fd, libc::SOL_SOCKET, SO_PEEK_OFF, position as i32)
    }

    /// The next piece; `None` at the end of the queue.
    fn next(&self, room: usize) -> io::Result<Option<Received>> {
        match socket::receive(self.fd, room, MSG_PEEK_NOW | libc::MSG_TRUNC) {
            Ok(received) => Ok(Some(received)),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        for (option, before) in self.before.drain(..).rev() {
            let _ = socket::set_option_int(self.fd, libc::SOL_SOCKET, option, before);
        }
    }
}

/// Every message of a queue.
pub(super) fn peek(
    fd: BorrowedFd<'_>,
    kind: i32,
    title: &str,
    cx: &mut Capture,
    flight: &mut InFlight<'_>,
) -> Result<Vec<Message>> {
    let shown = Shown::new(fd);
    let pieces = if kind == libc::SOCK_STREAM { stream(&shown) } else { messages(&shown) };
    let pieces = pieces.doing(|| format!("read the queue of {title}"))?;
    drop(shown);
    pieces.into_iter().map(|piece| message(piece, cx, flight)).collect()
}

/// Makes connections that were accepted here wait again: from new sockets of their clients, or stand-ins for closed clients.
pub(in crate::resource) fn put_back(
    section: &Section,
    seen: &mut [Seen],
    accepted: Vec<(u32, OwnedFd)>,
    cx: &mut Capture,
) -> Result<()> {
    let ids: HashMap<u32, u32> = super::records(section).map(|(id, record)| (record.number, id)).collect();
    let mut turns: HashMap<u32, usize> = HashMap::new();
    for (listener, end) in accepted {
        let Some(record) = ids.get(&listener).and_then(|id| record_of(section, *id)) else { continue };
        let State::Listening { waiting, .. } = &record.state else { continue };
        let turn = turns.entry(listener).or_default();
        let Some(one) = waiting.get(*turn) else { continue };
        *turn += 1;
        let address = match &record.place {
            Place::File { path, .. } => name::address(path),
            _ => Some(record.name.clone()),
        };
        let Some(address) = address else { continue };
        let what = record.what();
        let doing = || format!("let a connection wait at {what} again");
        let shown = Shown::new(end.as_fd());
        let pieces = if record.kind == libc::SOCK_STREAM { stream(&shown) } else { messages(&shown) }.doing(doing)?;
        drop(shown);
        let client = one.client.and_then(|number| ids.get(&number)).copied();
        let stand_in;
        let fd = match client {
            Some(id) => {
                let family = Family { domain: libc::AF_UNIX, kind: record.kind, protocol: 0 };
                let (process, number) = renew(&mut seen[id as usize], family, cx)?;
                connect(process, number, &address, cx)?;
                seen[id as usize].fd.as_fd()
            }
            None => {
                stand_in = socket::socket(libc::AF_UNIX, record.kind, 0).doing(doing)?;
                socket::connect(stand_in.as_fd(), &address).doing(doing)?;
                stand_in.as_fd()
            }
        };
        for piece in &pieces {
            let fds: Vec<BorrowedFd<'_>> = piece.fds.iter().map(AsFd::as_fd).collect();
            let credentials = piece.credentials.filter(|(pid, ..)| *pid != 0);
            let whose = [credentials, None];
            let sent =
                whose.iter().map(|c| socket::send(fd, &piece.data, &[], &fds, *c, libc::MSG_DONTWAIT)).find(|sent| sent.is_ok());
            if sent.is_none() {
                socket::send(fd, &piece.data, &[], &fds, None, libc::MSG_DONTWAIT).doing(doing)?;
            }
        }
        if let Some(record) = client.and_then(|id| record_of(section, id)) {
            record.options.restore(fd, When::Early, &what)?;
            record.options.restore(fd, When::Open, &what)?;
            if record.shutdown & 3 != 0 {
                let _ = socket::shutdown(fd, i32::from(record.shutdown & 3) - 1);
            }
            record.options.restore(fd, When::Late, &what)?;
            set_flags(fd, record.flags, &what)?;
        }
    }
    Ok(())
}

fn record_of(section: &Section, id: u32) -> Option<&Record> {
    match &section.descriptions.get(id as usize)?.description {
        Description::UnixSocket(record) => Some(record),
        _ => None,
    }
}

fn message(piece: Received, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Message> {
    // a message sent while neither side asked for credentials has none
    let credentials = piece.credentials.filter(|(pid, ..)| *pid != 0);
    Ok(Message {
        data: Bytes::new(piece.data, cx)?,
        sender: named(piece.name),
        files: piece.fds.into_iter().map(|fd| flight.describe(fd)).collect::<Result<_>>()?,
        credentials: credentials.map(|(pid, uid, gid)| Credentials { pid: cx.virtual_id(pid), uid, gid }),
    })
}

/// Datagrams and packets: a peek gives one.
fn messages(shown: &Shown<'_>) -> io::Result<Vec<Received>> {
    let (mut found, mut position, mut room) = (Vec::new(), 0, 256 * 1024);
    while let Some(received) = shown.next(room)? {
        if received.len > received.data.capacity().max(room) || received.flags & libc::MSG_TRUNC != 0 {
            room = received.len.next_power_of_two().max(room * 2);
            shown.seek(position)?;
            continue;
        }
        // the end of a shut down connection looks like an empty packet, but has no sender
        if received.len == 0 && received.credentials.is_none() {
            break;
        }
        position += received.len;
        found.push(received);
    }
    Ok(found)
}

/// A stream: a peek goes on through the queue up to the first piece that carries descriptors, or comes from another process.
fn stream(shown: &Shown<'_>) -> io::Result<Vec<Received>> {
    // not beyond: at the end of the queue recvmsg(2) takes a pending error away
    let total = socket::count(shown.fd, libc::FIONREAD)?;
    let (mut found, mut position) = (Vec::new(), 0);
    while position < total {
        let Some(mut received) = shown.next(total - position)? else { break };
        if received.len == 0 {
            break;
        }
        if !received.fds.is_empty() {
            // descriptors belong to the piece that comes last in what this peek gave; what is before it stands alone
            shown.seek(position)?;
            let before = socket::peek_whole_pieces(shown.fd, received.len - 1)?;
            if before > 0 {
                let plain: Vec<u8> = received.data.drain(..before).collect();
                found.push(Received { len: plain.len(), data: plain, credentials: received.credentials, ..Received::default() });
            }
        }
        position += received.len;
        shown.seek(position)?;
        received.len = received.data.len();
        found.push(received);
    }
    Ok(found)
}

/// The connections that wait at a listening socket, in their order.
///
/// What a client has sent already waits at a socket that only accept(2) can reach. If the pod goes on, see [`put_back`].
pub(super) fn waiting(seen: &Seen, entry: &UnixEntry, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Vec<Waiting>> {
    if entry.waiting.is_empty() {
        return Ok(Vec::new());
    }
    // the server's end is not listed; but its data counts as sent by the client until it is read
    let mut plain = true;
    for client in &entry.waiting {
        plain &= flight.sockets.unix_socket(*client)?.is_some_and(|client| client.sent == 0);
    }
    if plain {
        let waits = |client: &u32| Waiting { client: Some(*client), client_name: Vec::new(), queue: Vec::new() };
        return Ok(entry.waiting.iter().map(waits).collect());
    }
    let mut can_go_back = !matches!(
        name::capture(seen, &named(socket::name(seen.fd.as_fd()).unwrap_or_default()), entry.file, cx)?,
        Place::Unlinked
    );
    for client in &entry.waiting {
        let nameless = flight.sockets.unix_socket(*client)?.is_none_or(|client| client.name.is_empty());
        can_go_back &= *client == 0 || (nameless && flight.is_replaceable_socket((*client).into(), cx));
    }
    if cx.leave_running && !can_go_back {
        return Err(seen.refuse(
            "a connection waits there to be accepted, with data that cannot be read before",
            "try again in a moment, or stop the pod with the checkpoint",
        ));
    }
    let title = seen.title();
    let doing = || format!("read a waiting connection of {title}");
    let mut found = Vec::new();
    for client in &entry.waiting {
        if socket::events(seen.fd.as_fd(), libc::POLLIN).doing(doing)? & libc::POLLIN == 0 {
            break;
        }
        let end = socket::accept(seen.fd.as_fd()).doing(doing)?;
        let client_name = socket::peer_name(end.as_fd()).map(named).unwrap_or_default();
        let queue = peek(end.as_fd(), i32::from(entry.kind), &title, cx, flight)?;
        found.push(Waiting { client: (*client != 0).then_some(*client), client_name, queue });
        // closing it would show at the client, which goes on if the checkpoint fails
        flight.sockets.accepted.push((seen.stat.st_ino as u32, end));
    }
    Ok(found)
}
