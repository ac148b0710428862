//! Multicast memberships (IP_ADD_MEMBERSHIP of ip(7)).
//!
//! No call lists those of a socket; but /proc/net/igmp lists those of the host, and MCAST_MSFILTER tells of each whether the
//! socket takes part, and from whom it wants to hear.
use crate::proc::Proc;
use crate::resource::socket::options::Family;
use crate::resource::{Context, Error, Result};
use crate::sys::socket;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

const MCAST_JOIN_GROUP: i32 = 42;
const MCAST_MSFILTER: i32 = 48;
/// struct group_filter up to its list: interface, group, mode, number of sources.
const HEAD: usize = 8 + 128 + 8;
/// MCAST_EXCLUDE: everything but the sources listed.
const EXCLUDE: u32 = 0;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub interface: String,
    pub group: IpAddr,
    pub mode: u32,
    /// The list of sources, as the kernel gave it.
    #[serde(with = "serde_bytes")]
    pub sources: Vec<u8>,
}

/// (interface, group) pairs of /proc/net/igmp.
pub(in crate::resource) fn parse_igmp(text: &str) -> Vec<(String, IpAddr)> {
    let mut interface = String::new();
    let mut found = Vec::new();
    for line in text.lines().skip(1) {
        let mut words = line.split_whitespace();
        if line.starts_with('\t') {
            if let Some(group) = words.next().and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                found.push((interface.clone(), IpAddr::from(group.to_ne_bytes())));
            }
        } else if let Some(name) = words.nth(1) {
            interface = name.trim_end_matches(':').to_string();
        }
    }
    found
}

/// (interface, group) pairs of /proc/net/igmp6.
pub(in crate::resource) fn parse_igmp6(text: &str) -> Vec<(String, IpAddr)> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.nth(1)?.to_string();
        let group = u128::from_str_radix(words.next()?, 16).ok()?;
        Some((interface, IpAddr::from(group.to_be_bytes())))
    };
    text.lines().filter_map(parse).collect()
}

fn index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

fn level(group: IpAddr) -> i32 {
    if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 }
}

/// An interface and a group as struct group_req, which is how struct group_filter begins, too.
fn request(interface: u32, group: IpAddr) -> Vec<u8> {
    let domain = if group.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut request = interface.to_ne_bytes().to_vec();
    request.resize(8, 0);
    request.extend(super::address::raw(SocketAddr::new(group, 0), domain));
    request.resize(8 + 128, 0);
    request
}

/// Mode and list of sources of a group that the socket has joined; the number of the sources when there are more than `room`.
fn filter(fd: BorrowedFd<'_>, interface: u32, group: IpAddr, room: usize) -> Option<(u32, std::result::Result<Vec<u8>, usize>)> {
    let mut question = request(interface, group);
    question.resize(HEAD + room * 128, 0);
    question[8 + 128 + 4..HEAD].copy_from_slice(&(room as u32).to_ne_bytes());
    let answer = socket::option_from(fd, level(group), MCAST_MSFILTER, question).ok()?;
    let word = |at: usize| answer.get(at..at + 4).map_or(0, |w| u32::from_ne_bytes(w.try_into().expect("four bytes")));
    let (mode, count) = (word(8 + 128), word(8 + 128 + 4) as usize);
    Some((mode, answer.get(HEAD..HEAD + count * 128).map(<[u8]>::to_vec).filter(|_| count <= room).ok_or(count)))
}

pub(super) fn capture(fd: BorrowedFd<'_>, family: Family, proc: &Proc) -> Vec<Membership> {
    let mut known = parse_igmp(&proc.read_text("self/net/igmp").unwrap_or_default());
    if family.domain == libc::AF_INET6 {
        known.extend(parse_igmp6(&proc.read_text("self/net/igmp6").unwrap_or_default()));
    }
    let ask = |(interface, group): (String, IpAddr)| {
        let (mut mode, mut sources) = filter(fd, index(&interface)?, group, 64)?;
        if let Err(count) = sources {
            (mode, sources) = filter(fd, index(&interface)?, group, count)?;
        }
        Some(Membership { interface, group, mode, sources: sources.ok()? })
    };
    known.into_iter().filter_map(ask).collect()
}

pub(super) fn restore(fd: BorrowedFd<'_>, memberships: &[Membership], what: &str) -> Result<()> {
    for Membership { interface, group, mode, sources } in memberships {
        let Some(index) = index(interface) else {
            return Err(Error::NotHere(format!(
                "{what} listens to the multicast group {group} on the interface {interface}, which this host does not have"
            )));
        };
        let doing = || format!("join the multicast group {group} on {interface} with {what}");
        let mut filter = request(index, *group);
        socket::set_option(fd, level(*group), MCAST_JOIN_GROUP, &filter).doing(doing)?;
        if *mode != EXCLUDE || !sources.is_empty() {
            filter.extend_from_slice(&mode.to_ne_bytes());
            filter.extend_from_slice(&((sources.len() / 128) as u32).to_ne_bytes());
            filter.extend_from_slice(sources);
            socket::set_option(fd, level(*group), MCAST_MSFILTER, &filter).doing(doing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::descriptor::tests::round_trip;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::fd::AsFd;

    #[test]
    fn the_kernels_lists_are_read() {
        let igmp = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
        assert_eq!(parse_igmp(igmp), [("lo".to_string(), "224.0.0.1".parse().unwrap())]);
        let igmp6 = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n";
        assert_eq!(parse_igmp6(igmp6), [("lo".to_string(), "ff02::1".parse().unwrap())]);
        assert_eq!(parse_igmp("nonsense\n\tzz\n"), []);
    }

    #[test]
    fn memberships_come_back() {
        let old = UdpSocket::bind("0.0.0.0:0").unwrap();
        let other = UdpSocket::bind("0.0.0.0:0").unwrap();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        old.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let again = round_trip(vec![old.into(), other.into()], || ());
        let proc = Proc::open().unwrap();
        let of = |fd: &std::os::fd::OwnedFd| capture(fd.as_fd(), Family::of(fd.as_fd()).unwrap(), &proc);
        let found = of(&again[0]);
        assert_eq!((found.len(), found[0].group, &found[0].interface[..]), (1, group.into(), "lo"));
        assert_eq!(of(&again[1]), []);
    }
}
