//! Sockets as the kernel lists them: the netlink protocol of sock_diag(7). Parsers take bytes.
use crate::sys::socket;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// One unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixEntry {
    pub kind: u8,
    /// TCP_ESTABLISHED (1), TCP_CLOSE (7), TCP_LISTEN (10)
    pub state: u8,
    /// Never 0: what no descriptor refers to is not listed, as the server's ends of connections that nobody has accepted yet.
    pub inode: u32,
    /// `sun_path`, without a terminating NUL; abstract names begin with NUL.
    pub name: Vec<u8>,
    /// Inode of the file that the socket is bound to.
    pub file: Option<u32>,
    /// 0 when the peer is a socket that no descriptor refers to.
    pub peer: Option<u32>,
    /// Of a listening socket: the sockets whose connections wait to be accepted; 0 for one that is closed already.
    pub waiting: Vec<u32>,
    /// Bytes queued; of a listening socket the number of waiting connections.
    pub queued: u32,
    /// Bytes of kernel memory that wait at receivers; of a listening socket its backlog.
    pub sent: u32,
    /// RCV_SHUTDOWN (1) and SEND_SHUTDOWN (2)
    pub shutdown: u8,
}

impl UnixEntry {
    fn parse(body: &[u8]) -> Option<UnixEntry> {
        let mut entry = UnixEntry { kind: *body.get(1)?, state: *body.get(2)?, inode: u32_at(body, 4)?, ..UnixEntry::default() };
        for (kind, value) in attributes(body.get(16..)?) {
            match kind {
                0 => {
                    let end = if value.first() == Some(&0) { None } else { value.iter().position(|byte| *byte == 0) };
                    entry.name = value[..end.unwrap_or(value.len())].to_vec();
                }
                1 => entry.file = u32_at(value, 0),
                2 => entry.peer = u32_at(value, 0),
                3 => entry.waiting = (0..value.len() / 4).filter_map(|index| u32_at(value, index * 4)).collect(),
                4 => (entry.queued, entry.sent) = (u32_at(value, 0)?, u32_at(value, 4)?),
                6 => entry.shutdown = *value.first()?,
                _ => {}
            }
        }
        Some(entry)
    }
}

/// One TCP or UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InetEntry {
    /// As in the kernel's enum: 1 established, 10 listening ...
    pub state: u8,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// 0 for one that no descriptor refers to: not yet accepted, or closed and not yet gone.
    pub inode: u32,
    /// Bytes received and not read.
    pub queued: u32,
    /// RCV_SHUTDOWN (1) and SEND_SHUTDOWN (2)
    pub shutdown: u8,
}

/// INET_DIAG_SHUTDOWN
const SHUTDOWN: u16 = 8;

impl InetEntry {
    fn parse(body: &[u8]) -> Option<InetEntry> {
        let address = |port: usize, at: usize| -> Option<SocketAddr> {
            let port = u16::from_be_bytes(body.get(port..port + 2)?.try_into().ok()?);
            let ip = match i32::from(*body.first()?) {
                libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(body.get(at..at + 4)?).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(body.get(at..at + 16)?).ok()?).to_canonical(),
            };
            Some(SocketAddr::new(ip, port))
        };
        Some(InetEntry {
            state: *body.get(1)?,
            local: address(4, 8)?,
            remote: address(6, 24)?,
            inode: u32_at(body, 68)?,
            queued: u32_at(body, 56)?,
            shutdown: attributes(body.get(72..).unwrap_or_default())
                .into_iter()
                .find(|(kind, _)| *kind == SHUTDOWN)
                .and_then(|(_, value)| value.first().copied())
                .unwrap_or(0),
        })
    }
}

/// Netlink attributes: (type, value), as long as they are well formed.
fn attributes(mut rest: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let (Some(len), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let Some(value) = rest.get(4..usize::from(len)) else { break };
        found.push((kind, value));
        rest = rest.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// Splits what one recv(2) gave: bodies of answers, and whether that was the last.
fn messages(mut rest: &[u8]) -> io::Result<(Vec<&[u8]>, bool)> {
    let mut found = Vec::new();
    while let (Some(len), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
        let Some(body) = rest.get(16..len as usize) else { break };
        match kind {
            NLMSG_DONE => return Ok((found, true)),
            NLMSG_ERROR => {
                let code = u32_at(body, 0).unwrap_or(0) as i32;
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => found.push(body),
        }
        rest = rest.get((len as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok((found, false))
}

/// The sockets in one answer of the kernel's, and whether it is the last.
pub fn unix_answer(data: &[u8]) -> io::Result<(Vec<UnixEntry>, bool)> {
    let (bodies, last) = messages(data)?;
    Ok((bodies.into_iter().filter_map(UnixEntry::parse).collect(), last))
}

/// Likewise for TCP and UDP.
pub fn inet_answer(data: &[u8]) -> io::Result<(Vec<InetEntry>, bool)> {
    let (bodies, last) = messages(data)?;
    Ok((bodies.into_iter().filter_map(InetEntry::parse).collect(), last))
}

fn dump<T>(request: &[u8], parse: impl Fn(&[u8]) -> io::Result<(Vec<T>, bool)>) -> io::Result<Vec<T>> {
    const REQUEST_DUMP: u16 = 0x301;
    let fd = socket::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG)?;
    let mut message = Vec::with_capacity(16 + request.len());
    message.extend_from_slice(&(16 + request.len() as u32).to_ne_bytes());
    message.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(request);
    socket::send(fd.as_fd(), &message, &[], &[], None, 0)?;
    let mut entries = Vec::new();
    loop {
        let answer = socket::receive(fd.as_fd(), 64 * 1024, 0)?;
        let (some, last) = parse(&answer.data)?;
        entries.extend(some);
        if last {
            return Ok(entries);
        }
    }
}

/// Every unix socket of the net namespace that the caller is in.
pub fn unix_sockets() -> io::Result<Vec<UnixEntry>> {
    // name, file, peer, waiting connections, queue lengths
    const SHOW: u32 = 1 | 2 | 4 | 8 | 16;
    let mut request = vec![libc::AF_UNIX as u8, 0, 0, 0];
    for word in [u32::MAX, 0, SHOW, u32::MAX, u32::MAX] {
        request.extend_from_slice(&word.to_ne_bytes());
    }
    dump(&request, unix_answer)
}

/// Every TCP or UDP socket (`protocol`) of the net namespace that the caller is in.
pub fn inet_sockets(protocol: i32) -> io::Result<Vec<InetEntry>> {
    let mut entries = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut request = vec![0u8; 56];
        request[0] = family as u8;
        request[1] = protocol as u8;
        request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        entries.extend(dump(&request, inet_answer)?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn inode(fd: impl AsFd) -> u32 {
        std::fs::File::from(fd.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap().ino() as u32
    }

    #[test]
    fn a_pair_names_each_other_as_peers() {
        let (a, b) = socket::pair(libc::SOCK_STREAM).unwrap();
        let all = unix_sockets().unwrap();
        let of_a = all.iter().find(|entry| entry.inode == inode(&a)).unwrap();
        assert_eq!(of_a.peer, Some(inode(&b)));
    }

    #[test]
    fn a_tcp_listener_is_listed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let all = inet_sockets(libc::IPPROTO_TCP).unwrap();
        let entry = all.iter().find(|entry| entry.inode == inode(&listener)).unwrap();
        assert_eq!((entry.state, entry.local), (10, listener.local_addr().unwrap()));
    }

    #[test]
    fn cut_off_answers_are_no_panic() {
        let body = [1u8; 200];
        for len in 0..body.len() {
            let _ = (UnixEntry::parse(&body[..len]), InetEntry::parse(&body[..len]), messages(&body[..len]).is_ok());
        }
    }
}
