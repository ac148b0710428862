//! Filling queues, shutting halves down, and what else must wait until every socket and every description in flight exists.
use super::name;
use super::plan::{Plan, plan};
use super::{Message, Peer, Record, State, find, records};
use crate::resource::socket::options::{When, widen};
use crate::resource::socket::{inconsistent, set_flags};
use crate::resource::{Context, Nascent, Result};
use crate::sys::socket;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// All unix sockets are settled with the first: the order among them matters.
pub(super) fn settle(_: &Record, _: u32, cx: &mut Nascent) -> Result<()> {
    let shared = plan(cx);
    if std::mem::replace(&mut shared.borrow_mut().settled, true) {
        return Ok(());
    }
    let all = records(cx.descriptions.section()).filter(|(_, record)| record.peer() != Some(&Peer::Null));
    let all: Vec<(u32, Record)> = all.map(|(id, record)| (id, record.clone())).collect();
    let names: HashMap<&[u8], u32> =
        all.iter().filter(|(_, r)| r.is_datagram() && !r.name.is_empty()).map(|(id, r)| (&r.name[..], *id)).collect();
    for (id, record) in all.iter().filter(|(_, record)| record.is_datagram()) {
        datagrams(*id, record, &names, &shared, cx)?;
    }
    for (id, record) in all.iter().filter(|(_, record)| record.is_datagram()) {
        connect(*id, record, &shared, cx)?;
    }
    for (id, record) in all.iter().filter(|(_, record)| !record.is_datagram()) {
        match &record.state {
            State::Connected(peer @ (Peer::Socket(_) | Peer::Gone(_))) => stream(*id, record, peer, &shared, cx)?,
            State::Listening { waiting, .. } => wait(*id, record, waiting, &shared, cx)?,
            _ => {}
        }
    }
    // closed peers close: a connection then ends, a datagram socket refuses
    for (id, record) in &all {
        if let Some(gone) = shared.borrow_mut().gone.remove(id) {
            if record.reset {
                let _ = socket::send(cx.descriptions.fd(*id)?, b"x", &[], &[], None, libc::MSG_DONTWAIT);
            }
            drop(gone);
        }
    }
    for (id, record) in &all {
        finish(*id, record, cx)?;
    }
    Ok(())
}

fn finish(id: u32, record: &Record, cx: &Nascent) -> Result<()> {
    let fd = cx.descriptions.fd(id)?;
    let what = record.what();
    match record.shutdown & 3 {
        0 => {}
        mask => match socket::shutdown(fd, i32::from(mask) - 1) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {}
            other => other.doing(|| format!("shut {what} down"))?,
        },
    }
    record.options.restore(fd, When::Late, &what)?;
    if record.peek_offset >= 0 {
        socket::set_option_int(fd, libc::SOL_SOCKET, socket::SO_PEEK_OFF, record.peek_offset)
            .doing(|| format!("set the peek offset of {what}"))?;
    }
    set_flags(fd, record.flags, &what)
}

/// Sends one recorded message from `from`. Credentials are given explicitly; without the privilege to do so they are the engine's
/// unless the process that has them sends itself.
fn send(from: BorrowedFd<'_>, message: &Message, data: &[u8], address: &[u8], cx: &mut Nascent) -> io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = match message.files.iter().map(|id| cx.descriptions.fd(*id)).collect::<Result<_>>() {
        Ok(fds) => fds,
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    let credentials = message.credentials.map(|c| {
        let host = if c.pid == 0 { 0 } else { cx.host_ids.get(&c.pid).copied().unwrap_or(0) };
        (if host == 0 { crate::sys::process::own_pid() } else { host }, c.uid, c.gid)
    });
    match socket::send(from, data, address, &fds, credentials, libc::MSG_DONTWAIT) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && credentials.is_some() => {}
        other => return other.map(drop),
    }
    let vpid = message.credentials.map_or(0, |c| c.pid);
    let sent = if address.is_empty() && message.files.is_empty() { send_in_process(from, vpid, data, cx) } else { None };
    match sent {
        Some(result) => result,
        None => {
            let fds: Vec<_> = message.files.iter().filter_map(|id| cx.descriptions.fd(*id).ok()).collect();
            socket::send(from, data, address, &fds, None, libc::MSG_DONTWAIT).map(drop)
        }
    }
}

/// Has the process that sent a message send it again: its pid can be given to nobody else without privilege.
fn send_in_process(from: BorrowedFd<'_>, vpid: u32, data: &[u8], cx: &mut Nascent) -> Option<io::Result<()>> {
    let sender = cx.channel_sender().ok()?;
    let process = cx.process_mut(vpid).ok()?;
    if data.len() > crate::tracee::Injector::ROOM - 4096 {
        return None;
    }
    let number = *crate::resource::descriptor::hand_over(process, sender.as_fd(), &[from]).ok()?.first()?;
    let place = process.write_data(2048, data).ok()?;
    let mut head = Vec::new();
    let header = process.injector.data(0);
    // struct msghdr with one iovec and SCM_CREDENTIALS of its own; the user is the sender's by then
    for word in [0u64, 0, header + 64, 1, header + 80, 32, 0, 0, place, data.len() as u64] {
        head.extend_from_slice(&word.to_ne_bytes());
    }
    let ids =
        [libc::SYS_getpid, libc::SYS_geteuid, libc::SYS_getegid].map(|nr| process.call("ask for an id", nr, []).unwrap_or(0));
    head.extend_from_slice(&socket::control_data(&[], Some((ids[0] as i32, ids[1] as u32, ids[2] as u32))));
    process.write_data(0, &head).ok()?;
    let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u64;
    let result = process.call("send a message", libc::SYS_sendmsg, [number as u64, header, flags]);
    let _ = process.call("close a socket", libc::SYS_close, [number as u64]);
    Some(match result {
        Ok(_) => Ok(()),
        Err(crate::resource::Error::Tracee { source, .. }) => {
            Err(io::Error::from_raw_os_error(source.errno().unwrap_or(libc::EIO)))
        }
        Err(error) => Err(io::Error::other(error.to_string())),
    })
}

/// The raw address under which a bound socket is reached now, if it can be.
fn address_of(id: u32, record: &Record, plan: &Plan) -> Option<Vec<u8>> {
    match plan.reach.get(&id) {
        Some(file) => name::address(file),
        None => (!record.name.is_empty()).then(|| record.name.clone()),
    }
}

fn datagrams(id: u32, record: &Record, names: &HashMap<&[u8], u32>, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<()> {
    let what = record.what();
    let address = address_of(id, record, &shared.borrow());
    let peer = match record.peer() {
        Some(Peer::Socket(number)) => shared.borrow().by_number.get(number).copied(),
        _ => None,
    };
    let stand_in = shared.borrow_mut().gone.remove(&id);
    let mut strangers: HashMap<Vec<u8>, OwnedFd> = HashMap::new();
    for message in &record.queue {
        let data = message.data.load(cx)?;
        let known = names.get(&message.sender[..]).copied();
        let from = match (&address, &stand_in) {
            (None, Some(stand_in)) => stand_in.as_fd().try_clone_to_owned(),
            (None, None) => match peer {
                Some(peer) => cx.descriptions.fd(peer)?.try_clone_to_owned(),
                None => return Err(inconsistent(format!("messages wait at {what}, which nobody can reach"))),
            },
            (Some(_), _) => match known {
                Some(known) => cx.descriptions.fd(known)?.try_clone_to_owned(),
                None => {
                    if !strangers.contains_key(&message.sender) {
                        let fd = socket::socket(libc::AF_UNIX, record.kind, 0).doing(|| "make a unix socket".into())?;
                        if !message.sender.is_empty() {
                            name::bind(fd.as_fd(), &message.sender, &name::Place::Unlinked, &mut shared.borrow_mut().scratch)?;
                        }
                        strangers.insert(message.sender.clone(), fd);
                    }
                    strangers[&message.sender].as_fd().try_clone_to_owned()
                }
            },
        }
        .doing(|| "duplicate a socket".into())?;
        let to = address.as_deref().unwrap_or_default();
        let _ = widen(from.as_fd(), libc::SO_SNDBUF);
        let mut result = send(from.as_fd(), message, &data, to, cx);
        if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EAGAIN)) && peer == known && peer.is_some() {
            // a queue is not limited for the peer that it sends to
            connect(id, record, shared, cx)?;
            result = send(from.as_fd(), message, &data, to, cx);
        }
        result.doing(|| format!("put a message back into the queue of {what}"))?;
    }
    if let Some(stand_in) = stand_in {
        shared.borrow_mut().gone.insert(id, stand_in);
    }
    Ok(())
}

/// Connects a datagram socket to its peer, if it is not already.
fn connect(id: u32, record: &Record, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<()> {
    let fd = cx.descriptions.fd(id)?;
    let Some(peer) = record.peer() else { return Ok(()) };
    if socket::peer_name(fd).is_ok() {
        return Ok(());
    }
    let what = record.what();
    let dead = |name: &[u8]| -> Result<()> {
        let stand_in = socket::socket(libc::AF_UNIX, record.kind, 0).doing(|| "make a unix socket".into())?;
        let mut plan = shared.borrow_mut();
        let name = if name.is_empty() { (libc::AF_UNIX as u16).to_ne_bytes().to_vec() } else { name.to_vec() };
        if name.len() == 2 {
            socket::bind(stand_in.as_fd(), &name).doing(|| "bind a unix socket".into())?;
            let name = socket::name(stand_in.as_fd()).doing(|| "name a unix socket".into())?;
            return socket::connect(fd, &name).doing(|| format!("connect {what}"));
        }
        match name::bind(stand_in.as_fd(), &name, &name::Place::Unlinked, &mut plan.scratch)? {
            Some(file) => name::connect_to_file(fd, &file),
            None => socket::connect(fd, &name),
        }
        .doing(|| format!("connect {what}"))
    };
    match peer {
        Peer::Socket(number) => {
            let plan = shared.borrow();
            let other =
                *plan.by_number.get(number).ok_or_else(|| inconsistent(format!("{what} has a peer that is not there")))?;
            match plan.reach.get(&other) {
                Some(file) => name::connect_to_file(fd, file),
                None => match find(other, cx)? {
                    other if !other.name.is_empty() => socket::connect(fd, &other.name),
                    // it was connected by a name that it has no more, or from a pair taken apart
                    _ => return dead(&[]),
                },
            }
            .doing(|| format!("connect {what} to its peer"))
        }
        Peer::Outside(name) => match socket::connect(fd, name) {
            Ok(()) => Ok(()),
            Err(_) => dead(name),
        },
        Peer::Gone(name) => dead(name),
        Peer::WaitingAt(_) | Peer::Null => Err(inconsistent(format!("{what} waits to be accepted"))),
    }
}

/// Fills the queue of a connected socket from its other end.
fn stream(id: u32, record: &Record, peer: &Peer, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<()> {
    if record.queue.is_empty() {
        return Ok(());
    }
    let (other, sent) = match peer {
        Peer::Socket(number) => {
            let other = shared.borrow().by_number.get(number).copied();
            let other = other.ok_or_else(|| inconsistent("a socket without its peer"))?;
            let sent = find(other, cx)?.sent;
            (cx.descriptions.fd(other)?.try_clone_to_owned(), sent)
        }
        _ => match shared.borrow().gone.get(&id) {
            Some(fd) => (fd.try_clone(), 0),
            None => return Err(inconsistent("a socket without its closed peer")),
        },
    };
    let other = other.doing(|| "duplicate a socket".into())?;
    fill(other.as_fd(), record.kind, &record.queue, sent, &record.what(), cx)
}

/// Sends recorded messages into a connection. `charged` is the kernel memory that they took.
fn fill(from: BorrowedFd<'_>, kind: i32, queue: &[Message], charged: usize, what: &str, cx: &mut Nascent) -> Result<()> {
    widen(from, libc::SO_SNDBUF);
    let total: usize = queue.iter().map(|message| message.data.load(cx).map(|data| data.len())).sum::<Result<usize>>()?;
    let piece = if kind == libc::SOCK_STREAM { piece_size(total, charged) } else { usize::MAX };
    for message in queue {
        let data = message.data.load(cx)?;
        if kind != libc::SOCK_STREAM {
            send(from, message, &data, &[], cx).doing(|| format!("put a packet back into the queue of {what}"))?;
            continue;
        }
        // what carries descriptors stays whole
        let piece = if message.files.is_empty() { piece } else { usize::MAX };
        for part in data.chunks(piece.clamp(1, 32 * 1024)) {
            send(from, message, part, &[], cx).doing(|| format!("put data back into the queue of {what}"))?;
        }
    }
    Ok(())
}

/// The size of the writes that would have taken as much kernel memory: measured on a pair of our own.
fn piece_size(total: usize, charged: usize) -> usize {
    let Ok((a, _b)) = socket::pair(libc::SOCK_STREAM) else { return usize::MAX };
    let mut best = (usize::MAX, usize::MAX);
    let mut before = 0;
    for piece in [32768usize, 16384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 16, 1] {
        let _ = socket::send(a.as_fd(), &vec![0; piece], &[], &[], None, libc::MSG_DONTWAIT);
        let Ok(now) = socket::count(a.as_fd(), libc::TIOCOUTQ) else { break };
        let cost = now.saturating_sub(before) * total.div_ceil(piece);
        before = now;
        let distance = cost.abs_diff(charged);
        if distance < best.0 {
            best = (distance, piece);
        }
    }
    best.1
}

/// Connections that wait to be accepted, in their order.
fn wait(id: u32, record: &Record, waiting: &[super::Waiting], shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<()> {
    let what = record.what();
    let file = shared.borrow().reach.get(&id).cloned();
    for connection in waiting {
        let known = connection.client.and_then(|number| shared.borrow().by_number.get(&number).copied());
        let fd = match known {
            Some(known) => cx.descriptions.fd(known)?.try_clone_to_owned(),
            None => socket::socket(libc::AF_UNIX, record.kind, 0),
        }
        .doing(|| "make a unix socket".into())?;
        if known.is_none() && !connection.client_name.is_empty() {
            name::bind(fd.as_fd(), &connection.client_name, &name::Place::Unlinked, &mut shared.borrow_mut().scratch)?;
        }
        match &file {
            Some(file) => name::connect_to_file(fd.as_fd(), file),
            None => socket::connect(fd.as_fd(), &record.name),
        }
        .doing(|| format!("connect to {what} again"))?;
        fill(fd.as_fd(), record.kind, &connection.queue, 0, &what, cx)?;
    }
    Ok(())
}
