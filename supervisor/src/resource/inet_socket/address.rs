//! Internet addresses as the kernel lays them out (ip(7), ipv6(7)).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address in a raw one; an IPv4 address in IPv6 clothes is the IPv4 address.
pub(super) fn parse(raw: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(raw.get(..2)?.try_into().ok()?));
    let port = u16::from_be_bytes(raw.get(2..4)?.try_into().ok()?);
    let ip = match family {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(raw.get(4..8)?).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(raw.get(8..24)?).ok()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// A raw address for a socket of a domain.
pub(super) fn raw(address: SocketAddr, domain: i32) -> Vec<u8> {
    let mut raw = Vec::with_capacity(28);
    raw.extend_from_slice(&(domain as u16).to_ne_bytes());
    raw.extend_from_slice(&address.port().to_be_bytes());
    match (domain, address.ip()) {
        (libc::AF_INET, IpAddr::V4(ip)) => {
            raw.extend_from_slice(&ip.octets());
            raw.extend_from_slice(&[0; 8]);
        }
        (_, ip) => {
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            raw.extend_from_slice(&[0; 4]);
            raw.extend_from_slice(&ip.octets());
            raw.extend_from_slice(&[0; 4]);
        }
    }
    raw
}

pub(super) fn show(raw: &[u8]) -> String {
    parse(raw).map_or("an unknown address".into(), |address| address.to_string())
}

/// The loopback address, with a port, for a socket of a domain.
pub(super) fn loopback(domain: i32, port: u16) -> Vec<u8> {
    let ip: IpAddr = if domain == libc::AF_INET { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    raw(SocketAddr::new(ip, port), domain)
}

/// Where a socket bound to an address is reached from this host.
pub(super) fn reach(raw_address: &[u8], domain: i32) -> Vec<u8> {
    match parse(raw_address) {
        Some(address) if address.ip().is_unspecified() => loopback(domain, address.port()),
        _ => raw_address.to_vec(),
    }
}

/// Whether an address is of this host.
pub(super) fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families() {
        let four: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let six: SocketAddr = "[::1]:8080".parse().unwrap();
        for (address, domain) in [(four, libc::AF_INET), (four, libc::AF_INET6), (six, libc::AF_INET6)] {
            assert_eq!(parse(&raw(address, domain)), Some(address));
        }
        assert_eq!(parse(&[1, 0]), None);
        assert_eq!(parse(&raw(four, libc::AF_INET)[..6]), None);
        assert_eq!(
            parse(&reach(&raw("0.0.0.0:5".parse().unwrap(), libc::AF_INET), libc::AF_INET)).unwrap().to_string(),
            "127.0.0.1:5"
        );
    }
}
