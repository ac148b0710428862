//! Making sockets: bound, listening, connected. Queues are filled when all exist ([`super::settle`]).
//!
//! SO_PEERCRED is who called socketpair(2), connect(2) or listen(2). So that it is right afterwards, these calls are made in the
//! process that made them first, when that still exists.
use super::name::{self, Place};
use super::plan::{End, Link, Plan, plan};
use super::{Credentials, Peer, Record, State};
use crate::resource::socket::inconsistent;
use crate::resource::socket::options::When;
use crate::resource::{Context, Nascent, Result};
use crate::sys::process::{pidfd_getfd, pidfd_open};
use crate::sys::socket;
use crate::tracee::Call;
use crate::walls::Profile;
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

pub(super) fn open(record: &Record, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let shared = plan(cx);
    let what = record.what();
    if record.peer() == Some(&Peer::Null) {
        let null = std::fs::File::options().read(true).write(true).open("/dev/null");
        return null.map(OwnedFd::from).doing(|| "open /dev/null for a standard stream".into());
    }
    let fd = match (&record.state, record.is_datagram()) {
        (State::Listening { .. }, _) => listening(record, id, &shared, cx)?,
        (State::Connected(Peer::Socket(_) | Peer::Gone(_)), false) => connected(id, &shared, cx)?,
        (State::Connected(peer), true) if record.name.is_empty() => datagram(record, id, peer, &shared, cx)?,
        _ => {
            let fd = lone(record.kind, cx)?;
            bind(fd.as_fd(), record, id, &shared)?;
            fd
        }
    };
    record.options.restore(fd.as_fd(), When::Early, &what)?;
    record.options.restore(fd.as_fd(), When::Open, &what)?;
    Ok(fd)
}

fn bind(fd: BorrowedFd<'_>, record: &Record, id: u32, shared: &RefCell<Plan>) -> Result<()> {
    if record.name.is_empty() {
        return Ok(());
    }
    let mut plan = shared.borrow_mut();
    if let Some(file) = name::bind(fd, &record.name, &record.place, &mut plan.scratch)? {
        plan.reach.insert(id, file);
    }
    Ok(())
}

/// A datagram socket without a name that sends to a peer: half of a pair when the peer sends back.
fn datagram(record: &Record, id: u32, peer: &Peer, shared: &RefCell<Plan>, cx: &mut Nascent) -> Result<OwnedFd> {
    let other = match peer {
        Peer::Socket(number) => shared.borrow().by_number.get(number).copied(),
        _ => None,
    };
    let mutual = match other {
        Some(other) => match cx.descriptions.record(other)? {
            crate::resource::descriptor::Description::UnixSocket(peer) if other != id => {
                peer.name.is_empty() && peer.peer() == Some(&Peer::Socket(record.number))
            }
            _ => false,
        },
        None => matches!(peer, Peer::Gone(name) if name.is_empty()),
    };
    if !mutual {
        return lone(record.kind, cx);
    }
    let (a, b) = pair(record.kind, record.credentials, cx)?;
    match other {
        Some(other) => cx.descriptions.set_open(other, b),
        None => drop(shared.borrow_mut().gone.insert(id, b)),
    }
    Ok(a)
}

/// A socket whose maker does not matter. It is made in a process of the pod all the same: a pod's Landlock domain lets nobody connect to an
/// abstract name of a socket that was made outside of it.
fn lone(kind: i32, cx: &mut Nascent) -> Result<OwnedFd> {
    let what = || "make a unix socket".to_string();
    let walled = cx.walls.profile != Profile::None;
    let Some(process) = cx.processes.first_mut().filter(|_| walled) else {
        return socket::socket(libc::AF_UNIX, kind, 0).doing(what);
    };
    let flags = (kind | libc::SOCK_CLOEXEC) as u64;
    let number = process.call("make a socket", libc::SYS_socket, [libc::AF_UNIX as u64, flags, 0])? as i32;
    let host = pidfd_open(process.pid).doing(what)?;
    let fd = pidfd_getfd(host.as_fd(), number).doing(what)?;
    process.call("close a socket", libc::SYS_close, [number as u64])?;
    Ok(fd)
}

/// socketpair(2), in the process that made it.
fn pair(kind: i32, credentials: Option<Credentials>, cx: &mut Nascent) -> Result<(OwnedFd, OwnedFd)> {
    if let Some(who) = credentials.filter(|who| cx.processes.iter().any(|process| process.vpid == who.pid)) {
        return as_process(cx, who, |host, process| {
            let room = process.injector.data(0);
            let flags = kind | libc::SOCK_CLOEXEC;
            process.call("make a socket pair", libc::SYS_socketpair, [libc::AF_UNIX as u64, flags as u64, 0, room])?;
            let mut numbers = [0u8; 8];
            process.read_data(0, &mut numbers)?;
            let number = |at: usize| i32::from_ne_bytes(numbers[at..at + 4].try_into().expect("four bytes"));
            let fetch = |fd| pidfd_getfd(host.as_fd(), fd).doing(|| "fetch a socket".into());
            let fds = (fetch(number(0))?, fetch(number(4))?);
            for at in [0, 4] {
                process.call("close a socket", libc::SYS_close, [number(at) as u64])?;
            }
            Ok(fds)
        });
    }
    socket::pair(kind).doing(|| "make a socket pair".into())
}

/// Acts in a process, under the user and group that did so first.
fn as_process<T>(
    cx: &mut Nascent,
    who: Credentials,
    act: impl FnOnce(&OwnedFd, &mut crate::resource::NascentProcess) -> Result<T>,
) -> Result<T> {
    let process = cx.process_mut(who.pid)?;
    let host = pidfd_open(process.pid).doing(|| format!("open process {}", who.pid))?;
    let uid = process.call("ask for the user", libc::SYS_geteuid, [])? as u32;
    let gid = process.call("ask for the group", libc::SYS_getegid, [])? as u32;
    let keep = u64::from(u32::MAX);
    let become_ = |process: &mut crate::resource::NascentProcess, uid: u32, gid: u32, group_first: bool| {
        let group = Call::new(libc::SYS_setresgid, [keep, gid.into(), keep]);
        let user = Call::new(libc::SYS_setresuid, [keep, uid.into(), keep]);
        let mut calls = if group_first { [group, user] } else { [user, group] };
        process.sequence("change the user for a moment", &mut calls)
    };
    // without privilege it is that user already, or cannot become it
    let changed = (uid, gid) != (who.uid, who.gid) && uid == 0 && become_(process, who.uid, who.gid, true).is_ok();
    let result = act(&host, process);
    if changed {
        become_(process, uid, gid, false)?;
    }
    result
}

/// A new socket, and its number in the process that shall act on it, when that exists.
fn born(kind: i32, who: Option<Credentials>, cx: &mut Nascent) -> Result<(OwnedFd, Option<(Credentials, i32)>)> {
    let Some(who) = who.filter(|who| cx.processes.iter().any(|process| process.vpid == who.pid)) else {
        return Ok((lone(kind, cx)?, None));
    };
    as_process(cx, who, |host, process| {
        let flags = kind | libc::SOCK_CLOEXEC;
        let fd = process.call("make a socket", libc::SYS_socket, [libc::AF_UNIX as u64, flags as u64, 0])? as i32;
        Ok((pidfd_getfd(host.as_fd(), fd).doing(|| "fetch a socket".into())?, Some((who, fd))))
    })
}

fn leave(at: Option<(Credentials, i32)>, cx: &mut Nascent) -> Result<()> {
    match at {
        Some((who, fd)) => cx.process_mut(who.pid)?.call("close a socket", libc::SYS_close, [fd as u64]).map(drop),
        None => Ok(()),
    }
}

fn listen(fd: &OwnedFd, at: Option<(Credentials, i32)>, backlog: u32, cx: &mut Nascent) -> Result<()> {
    let backlog = backlog.min(i32::MAX as u32);
    match at {
        Some((who, number)) => as_process(cx, who, |_, process| {
            process.call("listen on a socket", libc::SYS_listen, [number as u64, backlog.into()]).map(drop)
        }),
        None => socket::listen(fd.as_fd(), backlog as i32).doing(|| "listen on a socket".into()),
    }
}

/// Where a listening socket is reached: a file, or its abstract name.
fn connect(fd: &OwnedFd, at: Option<(Credentials, i32)>, file: Option<&Path>, address: &[u8], cx: &mut Nascent) -> Result<()> {
    let raw = match file {
        Some(file) => name::address(file),
        None => Some(address.to_vec()),
    };
    match (at, raw) {
        (Some((who, number)), Some(raw)) => as_process(cx, who, |_, process| {
            let place = process.write_data(0, &raw)?;
            process.call("connect a socket", libc::SYS_connect, [number as u64, place, raw.len() as u64]).map(drop)
        }),
        (_, _) => match file {
            Some(file) => name::connect_to_file(fd.as_fd(), file),
            None => socket::connect(fd.as_fd(), address),
        }
        .doing(|| format!("connect to {}", name::show(address).unwrap_or_default())),
    }
}

fn listening(record: &Record, id: u32, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<OwnedFd> {
    let State::Listening { backlog, .. } = &record.state else { return Err(inconsistent("a listening socket does not listen")) };
    let (fd, at) = born(record.kind, record.credentials, cx)?;
    bind(fd.as_fd(), record, id, shared)?;
    listen(&fd, at, *backlog, cx)?;
    leave(at, cx)?;
    let links: Vec<Link> = {
        let plan = shared.borrow();
        let own = |link: &&Link| {
            link.kind == record.kind
                && link.server_name == record.name
                && plan.listeners.get(&(link.kind, link.server_name.clone())) == Some(&id)
        };
        plan.links.iter().filter(own).cloned().collect()
    };
    let file = shared.borrow().reach.get(&id).cloned();
    for link in links {
        make(&link, &fd, file.as_deref(), shared, cx)?;
    }
    Ok(fd)
}

fn connected(id: u32, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<OwnedFd> {
    let (link, listener) = {
        let plan = shared.borrow();
        let index = plan.link_of.get(&id).ok_or_else(|| inconsistent("a connected socket without a peer"))?;
        let link = plan.links[*index].clone();
        let listener = plan.listeners.get(&(link.kind, link.server_name.clone())).copied();
        (link, listener.filter(|_| plan.links[*index].server_name.len() > 2))
    };
    if link.server_name.is_empty() {
        let (server, client) = pair(link.kind, link.connected.or(link.listened), cx)?;
        place(link.server, server, shared, cx);
        place(link.client, client, shared, cx);
    } else if let Some(listener) = listener {
        cx.description(listener)?;
    } else {
        let (fd, at) = born(link.kind, link.listened, cx)?;
        let file = name::bind(fd.as_fd(), &link.server_name, &Place::Unlinked, &mut shared.borrow_mut().scratch)?;
        listen(&fd, at, 1, cx)?;
        leave(at, cx)?;
        make(&link, &fd, file.as_deref(), shared, cx)?;
    }
    cx.descriptions.fd(id)?.try_clone_to_owned().doing(|| "duplicate a socket".into())
}

/// Makes one connection through a listening socket at which no other waits.
fn make(link: &Link, listener: &OwnedFd, file: Option<&Path>, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) -> Result<()> {
    let (client, at) = born(link.kind, link.connected, cx)?;
    if !link.client_name.is_empty() {
        match link.client {
            End::Socket(id) => {
                let record = super::find(id, cx)?.clone();
                bind(client.as_fd(), &record, id, shared)?;
            }
            End::Gone(_) => {
                let scratch = &mut shared.borrow_mut().scratch;
                name::bind(client.as_fd(), &link.client_name, &Place::Unlinked, scratch)?;
            }
        }
    }
    connect(&client, at, file, &link.server_name, cx)?;
    leave(at, cx)?;
    let server = socket::accept(listener.as_fd()).doing(|| "accept a connection of the pod's own".into())?;
    place(link.client, client, shared, cx);
    place(link.server, server, shared, cx);
    Ok(())
}

fn place(end: End, fd: OwnedFd, shared: &Rc<RefCell<Plan>>, cx: &mut Nascent) {
    match end {
        End::Socket(id) => cx.descriptions.set_open(id, fd),
        End::Gone(id) => drop(shared.borrow_mut().gone.insert(id, fd)),
    }
}
