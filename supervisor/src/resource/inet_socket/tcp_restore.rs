//! Making TCP sockets: connections are made between the recorded addresses, in the order in which the kernel allows it, and
//! filled when all exist.
use super::stream::{self, Content};
use super::tcp::{self, CLOSE, CLOSING, Connection, FIN_WAIT1, FIN_WAIT2, LAST_ACK, Peer, TIME_WAIT, Tcp, Waiting};
use super::{Record, State, address, bind, records, taken};
use crate::resource::descriptor::Description;
use crate::resource::socket::options::{When, widen};
use crate::resource::socket::{inconsistent, set_flags};
use crate::resource::{Context, Error, Nascent, Result};
use crate::sys::socket;
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What TCP sockets share during a restart.
#[derive(Default)]
struct Plan {
    by_number: HashMap<u32, u32>,
    /// Listening sockets by port.
    listeners: HashMap<u16, Vec<u32>>,
    /// Stand-ins for ends that are closed, by the description of the other end.
    gone: HashMap<u32, OwnedFd>,
    settled: bool,
}

const KEY: &str = "tcp sockets";

fn plan(cx: &mut Nascent) -> Rc<RefCell<Plan>> {
    if let Some(plan) = cx.stash.get(KEY).and_then(|any| any.downcast_ref::<Rc<RefCell<Plan>>>()) {
        return plan.clone();
    }
    let mut plan = Plan::default();
    for (id, record) in records(cx.descriptions.section()) {
        plan.by_number.insert(record.number, id);
        if let (State::Tcp(Tcp::Listening { .. }), Some(local)) = (&record.state, address::parse(&record.local)) {
            plan.listeners.entry(local.port()).or_default().push(id);
        }
    }
    let plan = Rc::new(RefCell::new(plan));
    cx.stash.insert(KEY.into(), Box::new(plan.clone()));
    plan
}

fn find(id: u32, cx: &Nascent) -> Result<Record> {
    match cx.descriptions.record(id)? {
        Description::InetSocket(record) => Ok(record.clone()),
        _ => Err(inconsistent(format!("open file {id} is no internet socket"))),
    }
}

/// A socket with the options that count before it gets a name.
fn fresh(record: &Record) -> Result<OwnedFd> {
    let what = record.what();
    let fd = socket::socket(record.family.domain, record.family.kind, 0).doing(|| format!("make {what}"))?;
    record.options.restore(fd.as_fd(), When::Early, &what)?;
    // what is left of the pod's own former connections must not be in the way; the recorded value comes last
    socket::set_option_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).doing(|| format!("set options of {what}"))?;
    Ok(fd)
}

/// A socket that has its address.
pub(super) fn bound(record: &Record) -> Result<OwnedFd> {
    let fd = fresh(record)?;
    bind(&fd, &record.local, &record.what())?;
    Ok(fd)
}

pub(super) fn open(record: &Record, tcp: &Tcp, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let what = record.what();
    let fd = match tcp {
        Tcp::Connected(connection) if !matches!(connection.peer, Peer::WaitingAt(_)) => connected(record, connection, id, cx)?,
        _ => {
            let fd = fresh(record)?;
            match tcp {
                // the port of a refused connection may be another's by now, unless the program chose it
                Tcp::Refused { .. } if record.is_bound() => drop(socket::bind(fd.as_fd(), &record.local)),
                _ if record.is_bound() => bind(&fd, &record.local, &what)?,
                _ => {}
            }
            if let Tcp::Refused { told } = tcp {
                set_flags(fd.as_fd(), libc::O_NONBLOCK, &what)?;
                super::refusal::refuse_connection(fd.as_fd(), record.family, *told)
                    .doing(|| format!("have a connection of {what} refused again"))?;
            }
            if let Tcp::Listening { backlog, .. } = tcp {
                match socket::listen(fd.as_fd(), (*backlog).min(i32::MAX as u32) as i32) {
                    Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => return Err(taken(&record.local, &what)),
                    other => other.doing(|| format!("listen on {what}"))?,
                }
            }
            fd
        }
    };
    record.options.restore(fd.as_fd(), When::Open, &what)?;
    Ok(fd)
}

/// The listening sockets of the image at which a connection to an address arrives.
fn listeners(local: &[u8], shared: &RefCell<Plan>, cx: &Nascent) -> Vec<u32> {
    let Some(local) = address::parse(local) else { return Vec::new() };
    let ids = shared.borrow().listeners.get(&local.port()).cloned().unwrap_or_default();
    let listens = |id: &u32| {
        let at = find(*id, cx).ok().and_then(|record| address::parse(&record.local));
        at.is_some_and(|at| at.ip() == local.ip() || at.ip().is_unspecified())
    };
    ids.into_iter().filter(listens).collect()
}

fn connected(record: &Record, connection: &Connection, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let shared = plan(cx);
    let other = match connection.peer {
        Peer::Socket(number) => {
            let other = shared.borrow().by_number.get(&number).copied();
            Some(other.ok_or_else(|| inconsistent(format!("{} lacks its other end", record.what())))?)
        }
        _ => None,
    };
    let Some(other_id) = other else { return half(record, id, &shared, cx) };
    if other_id == id {
        // connected to itself
        let fd = fresh(record)?;
        bind(&fd, &record.local, &record.what())?;
        socket::connect(fd.as_fd(), &record.remote).doing(|| format!("connect {}", record.what()))?;
        return Ok(fd);
    }
    let other = find(other_id, cx)?;
    let server_is_me = !listeners(&record.local, &shared, cx).is_empty() || listeners(&other.local, &shared, cx).is_empty();
    let (server, client) = if server_is_me { (record, &other) } else { (&other, record) };
    let (server_fd, client_fd) = connect(server, client, &shared, cx)?;
    let (mine, theirs) = if server_is_me { (server_fd, client_fd) } else { (client_fd, server_fd) };
    other.options.restore(theirs.as_fd(), When::Open, &other.what())?;
    cx.descriptions.set_open(other_id, theirs);
    Ok(mine)
}

/// Has connect(2) take a port which bind(2) does not give, as others are connected from it to elsewhere (ip(7), IP_LOCAL_PORT_RANGE:
/// Linux 6.3).
pub(super) fn share_port(end: &OwnedFd, local: &[u8]) -> std::io::Result<()> {
    const IP_BIND_ADDRESS_NO_PORT: i32 = 24;
    const IP_LOCAL_PORT_RANGE: i32 = 51;
    let address = address::parse(local).ok_or(std::io::ErrorKind::InvalidInput)?;
    let port = i32::from(address.port());
    socket::set_option_int(end.as_fd(), libc::SOL_IP, IP_LOCAL_PORT_RANGE, port << 16 | port)?;
    socket::set_option_int(end.as_fd(), libc::SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)?;
    let mut anywhere = local.to_vec();
    anywhere[2..4].fill(0);
    socket::bind(end.as_fd(), &anywhere)
}

/// Connects two ends of the pod.
fn connect(server: &Record, client: &Record, shared: &RefCell<Plan>, cx: &mut Nascent) -> Result<(OwnedFd, OwnedFd)> {
    let what = client.what();
    let end = fresh(client)?;
    let bound = bind(&end, &client.local, &what);
    let port_shared = bound.is_err() && share_port(&end, &client.local).is_ok();
    if !port_shared {
        bound?;
    }
    let doors = doors(server, shared, cx)?;
    match socket::connect(end.as_fd(), &client.remote) {
        Err(error) if port_shared && error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
            return Err(taken(&client.local, &what));
        }
        other => other.doing(|| format!("connect {what}"))?,
    }
    if port_shared {
        if socket::name(end.as_fd()).doing(|| format!("read the address of {what}"))? != client.local {
            return Err(taken(&client.local, &what));
        }
        client.options.restore(end.as_fd(), When::Early, &what)?;
    }
    Ok((accept(&doors, &client.local, &what)?, end))
}

/// Listening sockets at the server's address: those of the pod, or one made for the purpose.
fn doors(server: &Record, shared: &RefCell<Plan>, cx: &mut Nascent) -> Result<Vec<OwnedFd>> {
    let mut doors = Vec::new();
    for id in listeners(&server.local, shared, cx) {
        doors.push(cx.description(id)?.try_clone_to_owned().doing(|| "duplicate a socket".into())?);
    }
    if doors.is_empty() {
        let door = fresh(server)?;
        bind(&door, &server.local, &server.what())?;
        socket::listen(door.as_fd(), 1).doing(|| format!("listen for {}", server.what()))?;
        doors.push(door);
    }
    Ok(doors)
}

/// Accepts the connection that has just been made from `client`.
fn accept(doors: &[OwnedFd], client: &[u8], what: &str) -> Result<OwnedFd> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        for door in doors {
            let ready = socket::wait_events(door.as_fd(), libc::POLLIN, if doors.len() == 1 { 100 } else { 0 });
            if ready.doing(|| "wait for a connection".into())? & libc::POLLIN == 0 {
                continue;
            }
            let fd = socket::accept(door.as_fd()).doing(|| format!("accept {what}"))?;
            let from = socket::peer_name(fd.as_fd()).ok().and_then(|raw| address::parse(&raw));
            // another program of this host may have connected to a port of the pod: it finds its connection closed
            if client.is_empty() || from == address::parse(client) {
                return Ok(fd);
            }
        }
    }
    Err(Error::NotHere(format!(
        "{what} could not be made anew: no connection arrived, as if this host filtered its loopback traffic"
    )))
}

/// A connection whose other end is closed or outside: that gets a stand-in, which closes when the queue is filled.
fn half(record: &Record, id: u32, shared: &RefCell<Plan>, cx: &mut Nascent) -> Result<OwnedFd> {
    let what = record.what();
    let domain = record.family.domain;
    if !listeners(&record.local, shared, cx).is_empty() {
        let doors = doors(record, shared, cx)?;
        let stand_in = socket::socket(domain, libc::SOCK_STREAM, 0).doing(|| format!("make {what}"))?;
        let _ = socket::set_option_int(stand_in.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
        if !record.remote.is_empty() {
            let _ = socket::bind(stand_in.as_fd(), &record.remote);
        }
        socket::connect(stand_in.as_fd(), &record.local).doing(|| format!("connect to {what}"))?;
        let from = socket::name(stand_in.as_fd()).doing(|| "name a socket".into())?;
        let fd = accept(&doors, &from, &what)?;
        shared.borrow_mut().gone.insert(id, stand_in);
        return Ok(fd);
    }
    let door = socket::socket(domain, libc::SOCK_STREAM, 0).doing(|| format!("make {what}"))?;
    let _ = socket::set_option_int(door.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
    if record.remote.is_empty() || socket::bind(door.as_fd(), &record.remote).is_err() {
        socket::bind(door.as_fd(), &address::loopback(domain, 0)).doing(|| "bind a socket to the loopback interface".into())?;
    }
    if socket::listen(door.as_fd(), 1).is_err() {
        // another program listens there
        return half_elsewhere(record, id, shared);
    }
    let place = socket::name(door.as_fd()).doing(|| "name a socket".into())?;
    let fd = fresh(record)?;
    // the address may belong to another host by now: the connection is over anyway
    let bound = record.is_bound() && socket::bind(fd.as_fd(), &record.local).is_ok();
    let fd = match socket::connect(fd.as_fd(), &place) {
        Err(_) if bound => {
            let fd = fresh(record)?;
            socket::connect(fd.as_fd(), &place).doing(|| format!("connect {what}"))?;
            fd
        }
        other => other.map(|()| fd).doing(|| format!("connect {what}"))?,
    };
    let from = socket::name(fd.as_fd()).doing(|| "name a socket".into())?;
    let stand_in = accept(&[door], &from, &what)?;
    shared.borrow_mut().gone.insert(id, stand_in);
    Ok(fd)
}

fn half_elsewhere(record: &Record, id: u32, shared: &RefCell<Plan>) -> Result<OwnedFd> {
    let what = record.what();
    let domain = record.family.domain;
    let door = socket::socket(domain, libc::SOCK_STREAM, 0).doing(|| format!("make {what}"))?;
    socket::bind(door.as_fd(), &address::loopback(domain, 0)).doing(|| "bind a socket to the loopback interface".into())?;
    socket::listen(door.as_fd(), 1).doing(|| "listen on a socket".into())?;
    let place = socket::name(door.as_fd()).doing(|| "name a socket".into())?;
    let fd = fresh(record)?;
    socket::connect(fd.as_fd(), &place).doing(|| format!("connect {what}"))?;
    let from = socket::name(fd.as_fd()).doing(|| "name a socket".into())?;
    shared.borrow_mut().gone.insert(id, accept(&[door], &from, &what)?);
    Ok(fd)
}

/// All TCP sockets are settled with the first: data before ends of streams.
pub(super) fn settle(cx: &mut Nascent) -> Result<()> {
    let shared = plan(cx);
    if std::mem::replace(&mut shared.borrow_mut().settled, true) {
        return Ok(());
    }
    let all: Vec<(u32, Record, Tcp)> = records(cx.descriptions.section())
        .filter_map(|(id, record)| match &record.state {
            State::Tcp(tcp) => Some((id, record.clone(), tcp.clone())),
            State::Datagram(_) => None,
        })
        .collect();
    for (_, record, tcp) in &all {
        if let Tcp::Listening { waiting, .. } = tcp {
            for one in waiting {
                wait(record, one, &shared, cx)?;
            }
        }
    }
    for (id, record, tcp) in &all {
        if let Tcp::Connected(connection) = tcp {
            fill(*id, record, connection, &shared, cx)?;
        }
    }
    for (id, record, tcp) in &all {
        finish(*id, record, tcp, &shared, cx)?;
    }
    settle_ends(&all, cx)?;
    for (id, record, tcp) in &all {
        let (fd, what) = (cx.descriptions.fd(*id)?, record.what());
        record.options.restore(fd, When::Late, &what)?;
        set_flags(fd, record.flags, &what)?;
        if let Tcp::Connecting(remote) = tcp {
            set_flags(fd, libc::O_NONBLOCK, &what)?;
            let started = socket::connect(fd, remote);
            set_flags(fd, record.flags, &what)?;
            // whatever becomes of it, the program learns it as it would have: from the call it makes again, or from SO_ERROR
            drop(started);
        }
    }
    Ok(())
}

/// Waits for the ends of streams to be acknowledged.
fn settle_ends(all: &[(u32, Record, Tcp)], cx: &Nascent) -> Result<()> {
    // the end of a stream may be acknowledged late, by 40 ms; until then the state is another
    let deadline = Instant::now() + Duration::from_millis(200);
    for (id, _, tcp) in all {
        if let Tcp::Connected(Connection { state: FIN_WAIT2, peer: Peer::Socket(_), .. }) = tcp {
            let fd = cx.descriptions.fd(*id)?;
            while tcp::info(fd).is_ok_and(|(state, ..)| state == FIN_WAIT1) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    Ok(())
}

fn joined(first: &stream::Stream, then: Option<&stream::Stream>, cx: &Nascent) -> Result<Content> {
    let mut content = first.load(cx)?;
    if let Some(then) = then {
        content.data.extend_from_slice(&then.load(cx)?.data);
    }
    Ok(content)
}

/// Fills the queue of a socket from its other end.
fn fill(id: u32, record: &Record, connection: &Connection, shared: &RefCell<Plan>, cx: &Nascent) -> Result<()> {
    let what = record.what();
    let (from, unsent) = match connection.peer {
        Peer::Socket(number) => {
            let other = shared.borrow().by_number.get(&number).copied().ok_or_else(|| inconsistent("a lost end"))?;
            let unsent = match find(other, cx)?.state {
                State::Tcp(Tcp::Connected(Connection { unsent, .. })) => Some(unsent),
                _ => None,
            };
            (cx.descriptions.fd(other)?.try_clone_to_owned(), unsent)
        }
        Peer::WaitingAt(_) => return Ok(()),
        Peer::Closed | Peer::Reset | Peer::Broken => match shared.borrow().gone.get(&id) {
            Some(fd) => (fd.try_clone(), None),
            None => return Err(inconsistent(format!("{what} lacks its closed end"))),
        },
    };
    let from = from.doing(|| "duplicate a socket".into())?;
    let content = joined(&connection.queue, unsent.as_ref(), cx)?;
    send_all(from.as_fd(), &content, &what)
}

fn send_all(from: BorrowedFd<'_>, content: &Content, what: &str) -> Result<()> {
    let doing = || format!("put data back into the queue of {what}");
    let deadline = || Instant::now() + Duration::from_millis(200);
    let (mut at, mut until, mut widened) = (0, deadline(), false);
    while at < content.data.len() {
        let before = at;
        at = stream::send(from, content, at).doing(doing)?;
        if at > before {
            until = deadline();
        } else if Instant::now() < until {
            // the receiver's window opens by and by
            std::thread::sleep(Duration::from_millis(1));
        } else if !widened {
            widen(from, libc::SO_SNDBUF);
            (widened, until) = (true, deadline());
        } else {
            return Err(Error::NotHere(format!(
                "{} bytes do not fit into the queue of {what}; raise net.core.wmem_max on this host",
                content.data.len()
            )));
        }
    }
    Ok(())
}

/// A connection that waits to be accepted.
fn wait(record: &Record, waiting: &Waiting, shared: &RefCell<Plan>, cx: &mut Nascent) -> Result<()> {
    let what = record.what();
    let domain = record.family.domain;
    let known = waiting.client.and_then(|number| shared.borrow().by_number.get(&number).copied());
    let (fd, unsent) = match known {
        Some(client) => {
            let client_record = find(client, cx)?;
            let fd = cx.descriptions.fd(client)?.try_clone_to_owned().doing(|| "duplicate a socket".into())?;
            socket::connect(fd.as_fd(), &client_record.remote).doing(|| format!("connect to {what} again"))?;
            match client_record.state {
                State::Tcp(Tcp::Connected(connection)) => (fd, Some(connection.unsent)),
                _ => (fd, None),
            }
        }
        None => {
            let fd = socket::socket(domain, libc::SOCK_STREAM, 0).doing(|| "make a socket".into())?;
            let _ = socket::set_option_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
            if let Some(remote) = address::parse(&waiting.remote) {
                let _ = socket::bind(fd.as_fd(), &address::raw(remote, domain));
            }
            let place = address::reach(&record.local, domain);
            socket::connect(fd.as_fd(), &place).doing(|| format!("connect to {what} again"))?;
            (fd, None)
        }
    };
    send_all(fd.as_fd(), &joined(&waiting.queue, unsent.as_ref(), cx)?, &what)
}

fn finish(id: u32, record: &Record, tcp: &Tcp, shared: &RefCell<Plan>, cx: &Nascent) -> Result<()> {
    let what = record.what();
    let fd = cx.descriptions.fd(id)?;
    if let Tcp::Connected(connection) = tcp {
        let over = connection.state == CLOSE && connection.peer == Peer::Closed;
        if over || matches!(connection.state, FIN_WAIT1 | FIN_WAIT2 | CLOSING | LAST_ACK | TIME_WAIT) {
            socket::shutdown(fd, libc::SHUT_WR).doing(|| format!("shut {what} down"))?;
        }
        if let Some(stand_in) = shared.borrow_mut().gone.remove(&id) {
            if connection.peer == Peer::Broken {
                socket::shutdown(stand_in.as_fd(), libc::SHUT_WR).doing(|| format!("end {what}"))?;
                socket::wait_events(fd, libc::POLLRDHUP, 1000).doing(|| format!("wait for the end of {what}"))?;
            }
            if matches!(connection.peer, Peer::Reset | Peer::Broken) {
                let now = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
                socket::set_option(stand_in.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &now)
                    .doing(|| format!("reset {what}"))?;
            }
            drop(stand_in);
        }
        if connection.deaf && connection.state != CLOSE {
            let _ = socket::shutdown(fd, libc::SHUT_RD);
        }
    }
    Ok(())
}
