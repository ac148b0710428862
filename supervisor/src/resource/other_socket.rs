//! Sockets of other families: refused by name.
use super::descriptor::{InFlight, Seen};
use super::socket::options::Family;
use super::{Capture, Nascent, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

/// Never constructed: all that are not of another kind are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {}

/// (family, what it is, way out)
const FAMILIES: [(i32, &str, &str); 10] = [
    (libc::AF_PACKET, "a packet socket, which sees the traffic of this host's interfaces", "end the capture of packets first"),
    (libc::AF_VSOCK, "a vsock socket, which belongs to a virtual machine", "close it first"),
    (libc::AF_ALG, "a socket of the kernel's cryptography, whose keys cannot be read back", "let the program use a library"),
    (libc::AF_BLUETOOTH, "a Bluetooth socket", "close it first"),
    (libc::AF_CAN, "a socket of a CAN bus", "close it first"),
    (libc::AF_XDP, "an XDP socket, which is tied to a network card", "let the program use ordinary sockets"),
    (libc::AF_TIPC, "a TIPC socket", "close it first"),
    (libc::AF_RXRPC, "a socket of the kernel's RPC", "close it first"),
    (41, "a kernel connection multiplexer", "close it first"),
    (43, "a socket of SMC, which shares memory with its peer", "let the program use TCP"),
];

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.kind() == libc::S_IFSOCK && Family::of(seen.fd.as_fd()).is_ok()
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let family = Family::of(seen.fd.as_fd()).unwrap_or(Family { domain: 0, kind: 0, protocol: 0 });
    const SCTP: i32 = 132;
    const MPTCP: i32 = 262;
    if family.is_inet() {
        return Err(match (family.kind, family.protocol) {
            (libc::SOCK_RAW, protocol) => seen.refuse(
                format!("it is a raw socket (protocol {protocol}), which sees packets of this host"),
                "let the program close it before the checkpoint",
            ),
            (_, SCTP) => seen.refuse("it is an SCTP socket", "let the program use TCP"),
            (_, MPTCP) => seen.refuse("it is a socket of multipath TCP", "let the program use plain TCP"),
            (_, protocol) => seen.refuse(format!("it is a socket of protocol {protocol}"), "let the program use TCP or UDP"),
        });
    }
    Err(match FAMILIES.iter().find(|(domain, ..)| *domain == family.domain) {
        Some((_, what, way_out)) => seen.refuse(format!("it is {what}"), *way_out),
        None => seen.refuse(format!("it is a socket of address family {}", family.domain), "close it before the checkpoint"),
    })
}

pub(super) fn open(record: &Record, _: u32, _: &mut Nascent) -> Result<OwnedFd> {
    match *record {}
}

pub(super) fn settle(record: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    match *record {}
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::refusal;
    use crate::sys::socket;
    use std::os::fd::AsFd;

    #[test]
    fn they_are_refused_by_name() {
        // needs root; other families may be missing from the kernel
        let raw = socket::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
        let packet = socket::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        let mut seen = 0;
        for (fd, word) in [(raw, "raw"), (packet, "packet"), (socket::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0), "vsock")] {
            if let Ok(fd) = fd {
                assert!(refusal(fd.as_fd()).contains(word));
                seen += 1;
            }
        }
        let root = nix::unistd::geteuid().is_root();
        assert!(seen >= 2 || !root, "no socket could be made to be refused");
    }
}
