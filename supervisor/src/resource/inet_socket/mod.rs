//! Sockets of IPv4 and IPv6: TCP (tcp(7)) and UDP (udp(7)).
//!
//! The kernel remembers of one: addresses, options, queues. A UDP queue is read by peeking and filled again from sockets bound to the
//! senders' addresses. A TCP connection whose both ends are in the pod is made anew between the same addresses, and what was
//! under way is sent again; one whose other end is outside is refused, or closed. No packet leaves the host for any of this.
mod address;
mod connection;
mod datagram;
mod hidden;
pub(super) mod multicast;
mod refusal;
mod stream;
mod tcp;
mod tcp_restore;
#[cfg(test)]
mod tests;

use super::descriptor::{Description, InFlight, Section, Seen};
use super::socket::options::{self, Family, Options};
use super::{Capture, Context, Error, Nascent, Result};
use crate::needs::Need;
use crate::sys::socket;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

pub(crate) use tcp::{Pending, silence};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum State {
    Datagram(datagram::Datagram),
    Tcp(tcp::Tcp),
}

impl State {
    fn memberships(&self) -> &[multicast::Membership] {
        match self {
            State::Datagram(state) => &state.memberships,
            State::Tcp(_) => &[],
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Tells the sockets of an image apart.
    pub number: u32,
    pub family: Family,
    /// Raw addresses; `remote` is empty when there is none.
    #[serde(with = "serde_bytes")]
    pub local: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub remote: Vec<u8>,
    pub state: State,
    pub flags: i32,
    pub options: Options,
}

impl Record {
    pub(super) fn what(&self) -> String {
        let name = if self.family.is_tcp() { "TCP" } else { "UDP" };
        match (self.is_bound(), self.remote.is_empty()) {
            (false, _) => format!("a {name} socket"),
            (true, true) => format!("the {name} socket of {}", address::show(&self.local)),
            (true, false) => {
                format!("the {name} socket of {} connected to {}", address::show(&self.local), address::show(&self.remote))
            }
        }
    }

    /// For [`super::summary`].
    pub(super) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Datagram(_) if self.remote.is_empty() => "unconnected",
            State::Datagram(_) | State::Tcp(tcp::Tcp::Connected(_)) => "connected",
            State::Tcp(tcp::Tcp::Unconnected) => "unconnected",
            State::Tcp(tcp::Tcp::Listening { .. }) => "listening",
            State::Tcp(tcp::Tcp::Connecting(_)) => "connecting",
            State::Tcp(tcp::Tcp::Refused { .. }) => "refused",
        }
    }

    /// The address and port that it occupies, if any.
    pub(super) fn bound_to(&self) -> Option<String> {
        self.is_bound().then(|| {
            let name = if self.family.is_tcp() { "tcp" } else { "udp" };
            format!("{name} {}", address::show(&self.local))
        })
    }

    /// Whether it can have its address here: tried by a socket that is closed at once. Connections within the pod have ports in common, and one to
    /// nowhere needs none.
    pub(crate) fn need(&self) -> Option<Need> {
        let address = self.bound_to()?;
        let tried = match &self.state {
            State::Datagram(_) => datagram::bound(self).map(drop),
            State::Tcp(tcp::Tcp::Unconnected | tcp::Tcp::Listening { .. }) => tcp_restore::bound(self).map(drop),
            State::Tcp(_) => return None,
        };
        Some(Need::new("address", address, tried))
    }

    fn is_bound(&self) -> bool {
        address::parse(&self.local).is_some_and(|address| address.port() != 0)
    }
}

fn family(seen: &Seen) -> Option<Family> {
    (seen.kind() == libc::S_IFSOCK).then(|| Family::of(seen.fd.as_fd()).ok()).flatten()
}

pub(super) fn recognise(seen: &Seen) -> bool {
    family(seen).is_some_and(|family| {
        let known = match family.kind {
            libc::SOCK_STREAM => family.protocol == libc::IPPROTO_TCP,
            libc::SOCK_DGRAM => {
                [libc::IPPROTO_UDP, options::UDPLITE, libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6].contains(&family.protocol)
            }
            _ => false,
        };
        family.is_inet() && known
    })
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Record> {
    let fd = seen.fd.as_fd();
    let doing = || format!("read the state of {}", seen.title());
    let family = Family::of(fd).doing(doing)?;
    let options = options::of(seen, family)?;
    let state = if family.is_tcp() {
        State::Tcp(tcp::capture(seen, family, cx, flight)?)
    } else {
        State::Datagram(datagram::capture(seen, family, cx, flight)?)
    };
    hidden::check(seen, family, &options, state.memberships())?;
    Ok(Record {
        number: seen.stat.st_ino as u32,
        family,
        local: socket::name(fd).doing(doing)?,
        remote: socket::peer_name(fd).unwrap_or_default(),
        state,
        flags: seen.status_flags(),
        options,
    })
}

/// When every description is known: which connections have both ends in the pod, and what is under way between them.
pub(super) fn conclude(
    section: &mut Section,
    seen: &mut [Seen],
    observed: &mut super::socket::Observed,
    cx: &mut Capture,
) -> Result<()> {
    connection::conclude(section, seen, observed, cx)
}

/// The sockets of an image, by the ids of their descriptions.
fn records(section: &Section) -> impl Iterator<Item = (u32, &Record)> {
    section.descriptions.iter().filter_map(|record| match &record.description {
        Description::InetSocket(socket) => Some((record.id, socket)),
        _ => None,
    })
}

/// Binds to a recorded address; the port may be taken here, the address may not be of this host.
fn bind(fd: &OwnedFd, local: &[u8], what: &str) -> Result<()> {
    match socket::bind(fd.as_fd(), local) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Err(taken(local, what)),
        Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Err(Error::NotHere(format!(
            "{what} cannot be made: this host does not have the address {}; give it to an interface first",
            address::show(local)
        ))),
        other => other.doing(|| format!("bind {what}")),
    }
}

fn taken(local: &[u8], what: &str) -> Error {
    let port = address::parse(local).map_or(0, |address| address.port());
    Error::NotHere(format!("{what} cannot be made: port {port} is taken here; end the program that has it (ss -ap shows it)"))
}

pub(super) fn open(record: &Record, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    match &record.state {
        State::Datagram(state) => datagram::open(record, state),
        State::Tcp(tcp) => tcp_restore::open(record, tcp, id, cx),
    }
}

pub(super) fn settle(record: &Record, id: u32, cx: &mut Nascent) -> Result<()> {
    match &record.state {
        State::Datagram(state) => datagram::settle(record, state, id, cx),
        State::Tcp(_) => tcp_restore::settle(cx),
    }
}
