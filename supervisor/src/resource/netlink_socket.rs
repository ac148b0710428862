//! Netlink sockets (netlink(7)) that are idle: what the kernel remembers is the protocol, the port, the groups and options.
//!
//! Answers and events that wait in the queue are about the host as it was: a socket that has any is refused.
use super::descriptor::{InFlight, Seen};
use super::socket::options::{self, Family, Options, When};
use super::socket::set_flags;
use super::{Capture, Context, Error, Nascent, Result};
use crate::sys::socket;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

const SOL_NETLINK: i32 = 270;
/// NETLINK_PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, LISTEN_ALL_NSID, CAP_ACK, EXT_ACK, GET_STRICT_CHK
const OPTIONS: [i32; 7] = [3, 4, 5, 8, 10, 11, 12];
const ADD_MEMBERSHIP: i32 = 1;
const LIST_MEMBERSHIPS: i32 = 9;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub family: Family,
    /// The raw address (struct sockaddr_nl); its port is 0 for a socket that is not bound.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// Bit mask of the groups that it listens to.
    pub groups: Vec<u32>,
    /// (option, value) of SOL_NETLINK
    pub netlink_options: Vec<(i32, i32)>,
    pub flags: i32,
    pub options: Options,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_ne_bytes(word.try_into().expect("four bytes")))
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.kind() == libc::S_IFSOCK && Family::of(seen.fd.as_fd()).is_ok_and(|family| family.domain == libc::AF_NETLINK)
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let fd = seen.fd.as_fd();
    let doing = || format!("read the state of {}", seen.title());
    if socket::events(fd, libc::POLLIN).doing(doing)? & (libc::POLLIN | libc::POLLERR) != 0 {
        return Err(seen.refuse(
            "it is a netlink socket with answers or events that the program has not read, which are about this host",
            "try again when it has read them",
        ));
    }
    let family = Family::of(fd).doing(doing)?;
    let groups = socket::option(fd, SOL_NETLINK, LIST_MEMBERSHIPS, 256).unwrap_or_default();
    let option = |option: &i32| socket::option_int(fd, SOL_NETLINK, *option).ok().map(|value| (*option, value));
    Ok(Record {
        family,
        name: socket::name(fd).doing(doing)?,
        peer: socket::peer_name(fd).ok().filter(|peer| word(peer, 4) != 0 || word(peer, 8) != 0).unwrap_or_default(),
        groups: (0..groups.len() / 4).map(|at| word(&groups, at * 4)).collect(),
        netlink_options: OPTIONS.iter().filter_map(option).filter(|(_, value)| *value != 0).collect(),
        flags: seen.status_flags(),
        options: options::of(seen, family)?,
    })
}

pub(super) fn open(record: &Record, _: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let what = "a netlink socket";
    let fd = socket::socket(record.family.domain, record.family.kind, record.family.protocol)
        .doing(|| format!("make {what} of protocol {}", record.family.protocol))?;
    record.options.restore(fd.as_fd(), When::Early, what)?;
    let port = word(&record.name, 4);
    if port != 0 {
        // the groups are joined one by one: there may be more than the address has room for
        let mut name = record.name.clone();
        name.truncate(8);
        name.resize(12, 0);
        match socket::bind(fd.as_fd(), &name) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                return Err(Error::NotHere(format!(
                    "{what} of the pod has the port {port}, which another program has here; end that program"
                )));
            }
            other => other.doing(|| format!("bind {what} to port {port}"))?,
        }
    }
    for (index, mask) in record.groups.iter().enumerate() {
        for bit in (0..32).filter(|bit| mask & (1 << bit) != 0) {
            let group = index as i32 * 32 + bit + 1;
            socket::set_option_int(fd.as_fd(), SOL_NETLINK, ADD_MEMBERSHIP, group)
                .doing(|| format!("join group {group} with {what}"))?;
        }
    }
    if !record.peer.is_empty() {
        socket::connect(fd.as_fd(), &record.peer).doing(|| format!("connect {what}"))?;
    }
    for (option, value) in &record.netlink_options {
        socket::set_option_int(fd.as_fd(), SOL_NETLINK, *option, *value).doing(|| format!("set option {option} of {what}"))?;
    }
    record.options.restore(fd.as_fd(), When::Open, what)?;
    record.options.restore(fd.as_fd(), When::Late, what)?;
    set_flags(fd.as_fd(), record.flags, what)?;
    Ok(fd)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{refusal, round_trip};
    use super::*;

    fn bound(groups: u32) -> OwnedFd {
        let fd = socket::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).unwrap();
        let mut name = (libc::AF_NETLINK as u16).to_ne_bytes().to_vec();
        name.extend_from_slice(&[0; 6]);
        name.extend_from_slice(&groups.to_ne_bytes());
        socket::bind(fd.as_fd(), &name).unwrap();
        fd
    }

    /// RTM_GETLINK of all
    fn ask(fd: &OwnedFd) {
        let mut request = Vec::new();
        request.extend_from_slice(&20u32.to_ne_bytes());
        request.extend_from_slice(&18u16.to_ne_bytes());
        request.extend_from_slice(&0x301u16.to_ne_bytes());
        request.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        socket::send(fd.as_fd(), &request, &[], &[], None, 0).unwrap();
    }

    #[test]
    fn an_idle_socket_keeps_port_and_groups() {
        let fd = bound(1 | 1 << 4);
        socket::set_option_int(fd.as_fd(), SOL_NETLINK, 11, 1).unwrap();
        let name = socket::name(fd.as_fd()).unwrap();
        let again = round_trip(vec![fd], || ());
        assert_eq!(socket::name(again[0].as_fd()).unwrap(), name);
        assert_eq!(socket::option_int(again[0].as_fd(), SOL_NETLINK, 11).unwrap(), 1);
        ask(&again[0]);
        let answer = socket::receive(again[0].as_fd(), 32768, 0).unwrap().data;
        assert_eq!((word(&answer, 8), word(&answer, 12)), (9, word(&name, 4)));
    }

    #[test]
    fn unread_answers_are_refused() {
        let fd = bound(0);
        ask(&fd);
        assert!(refusal(fd.as_fd()).contains("netlink"));
    }
}
