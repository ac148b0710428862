//! Unix sockets (unix(7)).
//!
//! The kernel remembers of one: its type, its name (as text, and the file it is bound to, which may be renamed or unlinked), its
//! peer, who that peer was when it connected or listened (SO_PEERCRED), which halves are shut down, options, and the messages
//! that wait at it, with senders' names, credentials and descriptors. The peer is found by sock_diag(7). Queues are read by peeking, which
//! changes nothing (SO_PEEK_OFF).
mod name;
mod plan;
mod queue;
mod restore;
mod settle;
#[cfg(test)]
mod tests;

pub(super) use queue::put_back;

use super::descriptor::{Description, InFlight, Section, Seen};
use super::socket::Bytes;
use super::socket::options::{self, Family, Options};
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::needs::Need;
use crate::sys::socket;
use name::Place;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// One message of a queue; of a stream, a piece that must stay apart from others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Message {
    pub data: Bytes,
    /// Raw address of the sender of a datagram; empty for a nameless one.
    #[serde(with = "serde_bytes")]
    pub sender: Vec<u8>,
    /// Descriptions in flight.
    pub files: Vec<u32>,
    pub credentials: Option<Credentials>,
}

/// Process, user and group, as SO_PEERCRED and SCM_CREDENTIALS give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credentials {
    /// 0 for a process that is gone or not of the pod.
    pub pid: Vpid,
    pub uid: u32,
    pub gid: u32,
}

/// A connection that waits to be accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Number of the connecting socket; `None` when that is closed already.
    pub client: Option<u32>,
    #[serde(with = "serde_bytes")]
    pub client_name: Vec<u8>,
    pub queue: Vec<Message>,
}

/// Where a socket's messages go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    Socket(u32),
    /// It is closed; its raw address remains.
    Gone(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A datagram socket of another program, by its raw address.
    Outside(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The connection waits to be accepted by this listening socket.
    WaitingAt(u32),
    /// A standard stream to another program, a logger say: it becomes /dev/null.
    Null,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum State {
    Unconnected,
    Listening { backlog: u32, waiting: Vec<Waiting> },
    Connected(Peer),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Tells the sockets of an image apart.
    pub number: u32,
    pub kind: i32,
    pub state: State,
    /// The raw address; empty for a nameless socket.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    pub place: Place,
    pub queue: Vec<Message>,
    /// Kernel memory of what this socket sent and nobody received: a full queue must be full again.
    pub sent: usize,
    /// RCV_SHUTDOWN (1), SEND_SHUTDOWN (2)
    pub shutdown: u8,
    pub peek_offset: i32,
    /// The peer closed without reading everything: the next call fails with ECONNRESET.
    pub reset: bool,
    pub credentials: Option<Credentials>,
    pub flags: i32,
    pub options: Options,
}

impl Record {
    pub fn is_datagram(&self) -> bool {
        self.kind == libc::SOCK_DGRAM
    }

    /// Whether it can have its name here. An accepted socket shows the name of the one that listened.
    pub(crate) fn need(&self) -> Option<Need> {
        let own = self.is_datagram() || !matches!(self.state, State::Connected(_));
        own.then(|| name::need(self.kind, &self.name, &self.place)).flatten()
    }

    pub fn peer(&self) -> Option<&Peer> {
        match &self.state {
            State::Connected(peer) => Some(peer),
            _ => None,
        }
    }

    pub(super) fn what(&self) -> String {
        match name::show(&self.name) {
            Some(name) => format!("the unix socket {name}"),
            None => "a unix socket".into(),
        }
    }
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.kind() == libc::S_IFSOCK && Family::of(seen.fd.as_fd()).is_ok_and(|family| family.domain == libc::AF_UNIX)
}

/// A raw address without a name counts as none.
fn named(address: Vec<u8>) -> Vec<u8> {
    if address.len() <= 2 { Vec::new() } else { address }
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Record> {
    let fd = seen.fd.as_fd();
    let doing = || format!("read the state of {}", seen.title());
    let family = Family::of(fd).doing(doing)?;
    let number = seen.stat.st_ino as u32;
    let Some(entry) = flight.sockets.unix_socket(number)?.cloned() else {
        return Err(seen.refuse("it is of another network namespace", "close it before the checkpoint"));
    };
    let name = named(socket::name(fd).doing(doing)?);
    let state = if entry.state == 10 {
        let waiting = queue::waiting(seen, &entry, cx, flight)?;
        State::Listening { backlog: entry.sent, waiting }
    } else {
        peer_of(seen, &entry, family, flight)?.map_or(State::Unconnected, State::Connected)
    };
    let reset = socket::events(fd, 0).doing(doing)? & libc::POLLERR != 0;
    if family.kind == libc::SOCK_STREAM && socket::receive(fd, 1, socket::MSG_PEEK_NOW | libc::MSG_OOB).is_ok() {
        return Err(
            seen.refuse("urgent data waits there, whose place in the queue cannot be found out", "let the program read it")
        );
    }
    let queue = match &state {
        State::Listening { .. } => Vec::new(),
        State::Unconnected if family.kind != libc::SOCK_DGRAM => Vec::new(),
        _ => queue::peek(seen.fd.as_fd(), family.kind, &seen.title(), cx, flight)?,
    };
    let credentials = socket::option(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, 12).doing(doing)?;
    let word = |at: usize| u32::from_ne_bytes(credentials[at..at + 4].try_into().expect("four bytes"));
    let credentials = Credentials { pid: cx.virtual_id(word(0) as i32), uid: word(4), gid: word(8) };
    Ok(Record {
        number,
        kind: family.kind,
        place: name::capture(seen, &name, entry.file, cx)?,
        name,
        state,
        queue,
        sent: socket::count(fd, libc::TIOCOUTQ).unwrap_or(0),
        shutdown: entry.shutdown,
        peek_offset: socket::option_int(fd, libc::SOL_SOCKET, socket::SO_PEEK_OFF).unwrap_or(-1),
        reset,
        credentials: (word(4) != u32::MAX).then_some(credentials),
        flags: seen.status_flags(),
        options: options::of(seen, family)?,
    })
}

fn peer_of(seen: &Seen, entry: &crate::proc::diag::UnixEntry, family: Family, flight: &mut InFlight<'_>) -> Result<Option<Peer>> {
    let gone = || Peer::Gone(socket::peer_name(seen.fd.as_fd()).map(named).unwrap_or_default());
    Ok(match entry.peer {
        None if family.kind != libc::SOCK_DGRAM && entry.state == 1 => Some(gone()),
        None => None,
        Some(0) if family.kind == libc::SOCK_DGRAM || entry.shutdown == 3 => Some(gone()),
        Some(0) => {
            let listener = flight.sockets.unix()?.iter().find(|other| other.waiting.contains(&entry.inode));
            Some(listener.map_or_else(gone, |listener| Peer::WaitingAt(listener.inode)))
        }
        Some(peer) => Some(Peer::Socket(peer)),
    })
}

/// When every description is known: which peers are not in the pod.
pub(super) fn conclude(section: &mut Section, cx: &mut Capture) -> Result<()> {
    let known: HashMap<u32, u32> = records(section).map(|(id, record)| (record.number, id)).collect();
    let title = |section: &Section, id: u32, what: String| {
        let row =
            section.tables.iter().find_map(|t| t.descriptors.iter().find(|d| d.description == id).map(|d| (t.process, d.fd)));
        match row {
            Some((process, fd)) => format!("descriptor {fd} of process {process} ({what})"),
            None => format!("a descriptor in flight ({what})"),
        }
    };
    let mut replaced = Vec::new();
    for (id, record) in records(section) {
        let peer_name = match record.peer() {
            Some(Peer::Socket(number) | Peer::WaitingAt(number)) if !known.contains_key(number) => {
                let all = crate::proc::diag::unix_sockets()
                    .doing(|| "list the unix sockets (sock_diag(7); the kernel needs its module unix_diag)".into())?;
                let entry = all.into_iter().find(|entry| entry.inode == *number);
                let mut name = entry.map(|entry| entry.name).unwrap_or_default();
                if !name.is_empty() {
                    name.splice(0..0, (libc::AF_UNIX as u16).to_ne_bytes());
                }
                name
            }
            _ => continue,
        };
        if record.is_datagram() && !peer_name.is_empty() {
            replaced.push((id, Peer::Outside(peer_name)));
            continue;
        }
        if is_standard_stream(section, id) {
            replaced.push((id, Peer::Null));
            continue;
        }
        let whom = name::show(&peer_name).map_or("a nameless socket".to_string(), |name| format!("the socket {name}"));
        let object = title(section, id, record.what());
        if cx.outside == super::capture::OutsideConnections::Refuse {
            return Err(Error::Refused {
                object,
                reason: format!("it is connected to {whom} of a program outside the pod"),
                way_out: "close the connection, or checkpoint with --tcp close: the program then finds it closed".into(),
            });
        }
        cx.closed_connections.push(format!("{object} to {whom}"));
        replaced.push((id, Peer::Gone(peer_name)));
    }
    for (id, peer) in replaced {
        if let Description::UnixSocket(record) = &mut section.descriptions[id as usize].description {
            if let Peer::Gone(_) = &peer {
                record.shutdown = 3;
            }
            record.state = State::Connected(peer);
        }
    }
    Ok(())
}

/// Whether processes have a description as standard input, output or error, and as nothing else.
fn is_standard_stream(section: &Section, id: u32) -> bool {
    let rows = section.tables.iter().flat_map(|table| &table.descriptors).filter(|row| row.description == id);
    let numbers: Vec<i32> = rows.map(|row| row.fd).collect();
    !numbers.is_empty() && numbers.iter().all(|fd| (0..=2).contains(fd))
}

/// The unix sockets of an image, by the ids of their descriptions.
fn records(section: &Section) -> impl Iterator<Item = (u32, &Record)> {
    section.descriptions.iter().filter_map(|record| match &record.description {
        Description::UnixSocket(socket) => Some((record.id, socket)),
        _ => None,
    })
}

fn find(id: u32, cx: &Nascent) -> Result<&Record> {
    match cx.descriptions.record(id)? {
        Description::UnixSocket(record) => Ok(record),
        _ => Err(super::socket::inconsistent(format!("open file {id} is no unix socket"))),
    }
}

pub(super) fn open(record: &Record, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    restore::open(record, id, cx)
}

pub(super) fn settle(record: &Record, id: u32, cx: &mut Nascent) -> Result<()> {
    settle::settle(record, id, cx)
}
