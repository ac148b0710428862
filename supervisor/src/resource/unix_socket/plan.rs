//! Which connections a restart makes, and how: worked out once, before the first.
use super::name::Scratch;
use super::{Credentials, Peer, Record, State, records};
use crate::resource::Nascent;
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The socket of this description.
    Socket(u32),
    /// The closed peer of the socket of this description.
    Gone(u32),
}

/// A connection of stream or packet sockets.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub kind: i32,
    pub client: End,
    pub server: End,
    /// Raw addresses.
    pub client_name: Vec<u8>,
    pub server_name: Vec<u8>,
    /// Who the client finds as its peer: who called listen(2).
    pub listened: Option<Credentials>,
    /// Who the server finds as its peer: who called connect(2).
    pub connected: Option<Credentials>,
}

/// What unix sockets share during a restart.
#[derive(Default)]
pub(super) struct Plan {
    pub links: Vec<Link>,
    /// By the id of a description.
    pub link_of: HashMap<u32, usize>,
    /// Listening sockets by type and name.
    pub listeners: HashMap<(i32, Vec<u8>), u32>,
    pub by_number: HashMap<u32, u32>,
    /// Where bound sockets are reached during the restart.
    pub reach: HashMap<u32, PathBuf>,
    /// Stand-ins for closed peers, by the description of the socket that had it.
    pub gone: HashMap<u32, OwnedFd>,
    pub scratch: Scratch,
    pub settled: bool,
}

const KEY: &str = "unix sockets";

/// The plan of this restart, made at the first call.
pub(super) fn plan(cx: &mut Nascent) -> Rc<RefCell<Plan>> {
    if let Some(plan) = cx.stash.get(KEY).and_then(|any| any.downcast_ref::<Rc<RefCell<Plan>>>()) {
        return plan.clone();
    }
    let plan = Rc::new(RefCell::new(make(records(cx.descriptions.section()))));
    cx.stash.insert(KEY.into(), Box::new(plan.clone()));
    plan
}

fn make<'a>(all: impl Iterator<Item = (u32, &'a Record)>) -> Plan {
    let all: HashMap<u32, &Record> = all.collect();
    let mut ids: Vec<u32> = all.keys().copied().collect();
    ids.sort_unstable();
    let mut plan = Plan { by_number: all.iter().map(|(id, record)| (record.number, *id)).collect(), ..Plan::default() };
    for id in &ids {
        if let State::Listening { .. } = all[id].state {
            plan.listeners.insert((all[id].kind, all[id].name.clone()), *id);
        }
    }
    for id in ids {
        let record = all[&id];
        if record.is_datagram() || plan.link_of.contains_key(&id) {
            continue;
        }
        let (other, other_name, other_credentials) = match record.peer() {
            Some(Peer::Socket(number)) => match plan.by_number.get(number) {
                Some(other) => (End::Socket(*other), all[other].name.clone(), all[other].credentials),
                None => continue,
            },
            Some(Peer::Gone(name)) => (End::Gone(id), name.clone(), None),
            _ => continue,
        };
        let listens = |name: &Vec<u8>| !name.is_empty() && plan.listeners.contains_key(&(record.kind, name.clone()));
        let is_server = match (record.name.is_empty(), other_name.is_empty()) {
            (false, true) => true,
            (true, _) => false,
            _ => listens(&record.name) || !listens(&other_name),
        };
        let mine = (End::Socket(id), record.name.clone(), record.credentials);
        let theirs = (other, other_name, other_credentials);
        let (server, client) = if is_server { (mine, theirs) } else { (theirs, mine) };
        let index = plan.links.len();
        for end in [server.0, client.0] {
            if let End::Socket(id) = end {
                plan.link_of.insert(id, index);
            }
        }
        plan.links.push(Link {
            kind: record.kind,
            client: client.0,
            server: server.0,
            client_name: client.1,
            server_name: server.1,
            listened: client.2,
            connected: server.2,
        });
    }
    plan
}
