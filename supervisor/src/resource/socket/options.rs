//! Options of sockets (socket(7), ip(7), ipv6(7), tcp(7), udp(7)): one table for all families.
//!
//! What getsockopt(2) gives is recorded as it is. At restart an option is set only where the new socket has another value: most
//! are at their default, and some may be set only by root, to any value.
use super::{Context, Result};
use crate::resource::Error;
use crate::resource::descriptor::Seen;
use crate::sys::socket::{self, SO_BUF_LOCK};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd};

/// When an option is set during a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before bind(2).
    Early,
    /// When the socket is bound and connected.
    Open,
    /// When its queue is filled and all other sockets exist.
    Late,
}

/// Which sockets have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Any,
    Unix,
    Ip,
    Ip6,
    Tcp,
    Udp,
    Udp6,
    UdpLite,
}

struct Entry {
    name: &'static str,
    level: i32,
    option: i32,
    of: Of,
    when: When,
}

impl Entry {
    /// Whether a kernel that does not know the option does what this value asks for: most of what is newer is off there.
    fn same_without(&self, value: &[u8]) -> bool {
        let number = value.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        value.iter().all(|byte| *byte == 0) || WITHOUT.contains(&(self.name, number))
    }
}

/// What kernels do that lack an option, where that is not 0.
const WITHOUT: &[(&str, i32)] = &[
    // another path is chosen when a connection stalls
    ("SO_TXREHASH", 1),
    ("SO_TXREHASH", 255),
    // descriptors may be sent
    ("SO_PASSRIGHTS", 1),
    // constants
    ("TCP_RTO_MAX_MS", 120_000),
    ("TCP_RTO_MIN_US", 200_000),
    ("TCP_DELACK_MAX_US", 40_000),
];

macro_rules! table {
    ($($when:ident $of:ident $level:expr; $($name:ident = $option:expr),+ $(,)?;)*) => {
        [$($(Entry { name: stringify!($name), level: $level, option: $option, of: Of::$of, when: When::$when },)+)*]
    };
}

const SOCKET: i32 = libc::SOL_SOCKET;
const IP: i32 = libc::IPPROTO_IP;
const IPV6: i32 = libc::IPPROTO_IPV6;
const TCP: i32 = libc::IPPROTO_TCP;
const UDP: i32 = libc::IPPROTO_UDP;
pub(crate) const UDPLITE: i32 = 136;

/// Numbers are those of the kernel's headers where libc lacks a name. The order matters: IP_TOS changes SO_PRIORITY.
/// IPV6_2292... are those of RFC 2292, which are flags of their own.
#[rustfmt::skip]
const TABLE: &[Entry] = &table! {
    Early Any SOCKET; SO_REUSEPORT = 15, SO_BINDTODEVICE = 25, SO_MARK = 36, SO_DONTROUTE = 5;
    Early Ip IP; IP_FREEBIND = 15, IP_TRANSPARENT = 19, IP_BIND_ADDRESS_NO_PORT = 24, IP_LOCAL_PORT_RANGE = 51;
    Early Ip6 IPV6; IPV6_V6ONLY = 26, IPV6_TRANSPARENT = 75, IPV6_FREEBIND = 78;
    Early Tcp TCP; TCP_MAXSEG = 2;
    Open Ip IP; IP_TOS = 1, IP_TTL = 2, IP_OPTIONS = 4, IP_RECVOPTS = 6, IP_RETOPTS = 7, IP_PKTINFO = 8, IP_MTU_DISCOVER = 10, IP_RECVERR = 11,
        IP_RECVTTL = 12, IP_RECVTOS = 13, IP_PASSSEC = 18, IP_RECVORIGDSTADDR = 20, IP_MINTTL = 21, IP_CHECKSUM = 23,
        IP_RECVFRAGSIZE = 25, IP_RECVERR_RFC4884 = 26,
        IP_UNICAST_IF = 50;
    Open Udp IP; IP_MULTICAST_TTL = 33, IP_MULTICAST_LOOP = 34, IP_MULTICAST_ALL = 49;
    Open Udp6 IPV6; IPV6_MULTICAST_IF = 17, IPV6_MULTICAST_HOPS = 18, IPV6_MULTICAST_LOOP = 19, IPV6_MULTICAST_ALL = 29;
    Open Ip6 IPV6; IPV6_2292PKTINFO = 2, IPV6_2292HOPOPTS = 3, IPV6_2292DSTOPTS = 4, IPV6_2292RTHDR = 5, IPV6_2292HOPLIMIT = 8,
        IPV6_FLOWINFO = 11, IPV6_UNICAST_HOPS = 16, IPV6_MTU_DISCOVER = 23, IPV6_RECVERR = 25, IPV6_RECVERR_RFC4884 = 31, IPV6_FLOWINFO_SEND = 33,
        IPV6_RECVPKTINFO = 49, IPV6_RECVHOPLIMIT = 51, IPV6_RECVHOPOPTS = 53, IPV6_HOPOPTS = 54,
        IPV6_RTHDRDSTOPTS = 55, IPV6_RECVRTHDR = 56, IPV6_RTHDR = 57, IPV6_RECVDSTOPTS = 58, IPV6_DSTOPTS = 59, IPV6_RECVPATHMTU = 60, IPV6_DONTFRAG = 62, IPV6_RECVTCLASS = 66, IPV6_TCLASS = 67, IPV6_AUTOFLOWLABEL = 70,
        IPV6_ADDR_PREFERENCES = 72, IPV6_MINHOPCOUNT = 73, IPV6_RECVORIGDSTADDR = 74, IPV6_UNICAST_IF = 76,
        IPV6_RECVFRAGSIZE = 77;
    Open Tcp TCP; TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6, TCP_SYNCNT = 7, TCP_LINGER2 = 8,
        TCP_CONGESTION = 13, TCP_THIN_LINEAR_TIMEOUTS = 16, TCP_USER_TIMEOUT = 18, TCP_NOTSENT_LOWAT = 25, TCP_SAVE_SYN = 27,
        TCP_FASTOPEN_CONNECT = 30, TCP_FASTOPEN_NO_COOKIE = 34, TCP_FASTOPEN_KEY = 33,
        TCP_INQ = 36, TCP_TX_DELAY = 37, TCP_RTO_MAX_MS = 44, TCP_RTO_MIN_US = 45, TCP_DELACK_MAX_US = 46;
    Open Udp UDP; UDP_ENCAP = 100, UDP_NO_CHECK6_TX = 101, UDP_NO_CHECK6_RX = 102, UDP_SEGMENT = 103, UDP_GRO = 104;
    Open UdpLite UDPLITE; UDPLITE_SEND_CSCOV = 10, UDPLITE_RECV_CSCOV = 11;
    Open Tcp SOCKET; SO_TXREHASH = 74;
    Open Any SOCKET; SO_DEBUG = 1, SO_KEEPALIVE = 9, SO_BROADCAST = 6, SO_OOBINLINE = 10, SO_NO_CHECK = 11, SO_PRIORITY = 12, SO_LINGER = 13,
        SO_RCVTIMEO = 66, SO_SNDTIMEO = 67, SO_TIMESTAMP_OLD = 29, SO_TIMESTAMPNS_OLD = 35, SO_TIMESTAMP_NEW = 63,
        SO_TIMESTAMPNS_NEW = 64, SO_RXQ_OVFL = 40, SO_WIFI_STATUS = 41, SO_NOFCS = 43, SO_SELECT_ERR_QUEUE = 45,
        SO_BUSY_POLL = 46, SO_MAX_PACING_RATE = 47, SO_INCOMING_CPU = 49, SO_ZEROCOPY = 60, SO_TXTIME = 61, SO_PREFER_BUSY_POLL = 69,
        SO_RESERVE_MEM = 73, SO_RCVMARK = 75, SO_RCVPRIORITY = 82;
    Late Any SOCKET; SO_REUSEADDR = 2, SO_RCVLOWAT = 18, SO_TIMESTAMPING_OLD = 37, SO_TIMESTAMPING_NEW = 65;
    Late Unix SOCKET; SO_PASSCRED = 16, SO_PASSSEC = 34, SO_PASSPIDFD = 76, SO_PASSRIGHTS = 83;
    Late Tcp SOCKET; SO_PEEK_OFF = 42;
    Late Tcp TCP; TCP_DEFER_ACCEPT = 9, TCP_WINDOW_CLAMP = 10, TCP_QUICKACK = 12, TCP_FASTOPEN = 23, TCP_CORK = 3;
    Late Udp UDP; UDP_CORK = 1;
};

const LOCK_FILTER: i32 = 44;
const SNDBUF_LOCKED: i32 = 1;
const RCVBUF_LOCKED: i32 = 2;

/// One option: level, number, value as getsockopt(2) gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    level: i32,
    option: i32,
    #[serde(with = "serde_bytes")]
    value: Vec<u8>,
}

/// The options of a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    values: Vec<Value>,
    /// SO_SNDBUF and SO_RCVBUF, in the kernel's doubled count.
    buffers: (i32, i32),
    /// Which of the two the program chose itself (SO_BUF_LOCK): the kernel adapts the others.
    locked: i32,
    /// IPv4 interface of outgoing multicast: (address, as IP_MULTICAST_IF gives it).
    multicast_from: Option<[u8; 4]>,
    #[serde(with = "serde_bytes")]
    filter: Vec<u8>,
    filter_locked: bool,
    /// User and group of the socket: the kernel asks them for SO_REUSEPORT, and packet filters do.
    owner: (u32, u32),
}

/// Domain, type and protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    pub domain: i32,
    pub kind: i32,
    pub protocol: i32,
}

impl Family {
    pub fn of(fd: BorrowedFd<'_>) -> std::io::Result<Family> {
        Ok(Family {
            domain: socket::option_int(fd, SOCKET, libc::SO_DOMAIN)?,
            kind: socket::option_int(fd, SOCKET, libc::SO_TYPE)?,
            protocol: socket::option_int(fd, SOCKET, libc::SO_PROTOCOL)?,
        })
    }

    pub fn is_inet(&self) -> bool {
        self.domain == libc::AF_INET || self.domain == libc::AF_INET6
    }

    pub fn is_tcp(&self) -> bool {
        self.is_inet() && self.kind == libc::SOCK_STREAM
    }

    fn has(&self, of: Of) -> bool {
        match of {
            Of::Any => true,
            Of::Unix => self.domain == libc::AF_UNIX,
            Of::Ip => self.is_inet(),
            Of::Ip6 => self.domain == libc::AF_INET6,
            Of::Tcp => self.is_tcp(),
            Of::Udp => self.is_inet() && self.kind == libc::SOCK_DGRAM,
            Of::Udp6 => self.domain == libc::AF_INET6 && self.kind == libc::SOCK_DGRAM,
            Of::UdpLite => self.is_inet() && self.protocol == UDPLITE,
        }
    }
}

/// Reads every option. One that this kernel does not know, or that is not for this protocol, is not recorded.
pub fn capture(fd: BorrowedFd<'_>, family: Family) -> std::io::Result<Options> {
    let stat = nix::sys::stat::fstat(fd)?;
    let mut options = Options {
        owner: (stat.st_uid, stat.st_gid),
        buffers: (socket::option_int(fd, SOCKET, libc::SO_SNDBUF)?, socket::option_int(fd, SOCKET, libc::SO_RCVBUF)?),
        locked: socket::option_int(fd, SOCKET, SO_BUF_LOCK).unwrap_or(SNDBUF_LOCKED | RCVBUF_LOCKED),
        filter: socket::filter(fd)?,
        filter_locked: socket::option_int(fd, SOCKET, LOCK_FILTER).unwrap_or(0) != 0,
        ..Options::default()
    };
    for entry in TABLE.iter().filter(|entry| family.has(entry.of)) {
        if let Some(value) = read(fd, entry.level, entry.option).ok().and_then(|value| chosen(fd, family, entry, value)) {
            options.values.push(Value { level: entry.level, option: entry.option, value });
        }
    }
    if family.is_inet() && family.kind != libc::SOCK_STREAM {
        let from = socket::option(fd, IP, libc::IP_MULTICAST_IF, 4).ok().and_then(|value| value.try_into().ok());
        options.multicast_from = from.filter(|from| *from != [0; 4]);
    }
    Ok(options)
}

/// The largest option is a header of IPv6.
fn read(fd: BorrowedFd<'_>, level: i32, option: i32) -> std::io::Result<Vec<u8>> {
    socket::option(fd, level, option, 2048)
}

/// What of an option's value is the program's, where the kernel answers with something else.
fn chosen(fd: BorrowedFd<'_>, family: Family, entry: &Entry, value: Vec<u8>) -> Option<Vec<u8>> {
    match (entry.level, entry.option) {
        (TCP, TCP_MAXSEG) => {
            let info = socket::option(fd, TCP, libc::TCP_INFO, 104).ok()?;
            const CLOSE: u8 = 7;
            const LISTEN: u8 = 10;
            // a connection tells the size it uses; it offered its peer the size that the program chose, or more than may be chosen
            let chosen = if [CLOSE, LISTEN].contains(info.first()?) { &value[..] } else { info.get(84..88)? };
            (88..=32767).contains(&i32::from_ne_bytes(chosen.try_into().ok()?)).then(|| chosen.to_vec())
        }
        // that of a socket without a key is the system's
        (TCP, TCP_FASTOPEN_KEY) => {
            let fresh = socket::socket(family.domain, family.kind, family.protocol).ok()?;
            let same = value.is_empty() || read(fresh.as_fd(), TCP, TCP_FASTOPEN_KEY).is_ok_and(|system| system == value);
            (!same).then_some(value)
        }
        _ => Some(value),
    }
}

const TCP_MAXSEG: i32 = 2;
const TCP_WINDOW_CLAMP: i32 = 10;
const TCP_FASTOPEN_KEY: i32 = 33;

/// The options of a socket, or why they cannot be had.
pub(crate) fn of(seen: &Seen, family: Family) -> Result<Options> {
    match capture(seen.fd.as_fd(), family) {
        // SO_GET_FILTER of a filter without a classic program
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => Err(seen.refuse(
            "an eBPF program filters what it receives (SO_ATTACH_BPF), which belongs to this kernel",
            "let the program detach it, or use a classic filter (SO_ATTACH_FILTER)",
        )),
        other => other.doing(|| format!("read the options of {}", seen.title())),
    }
}

/// Whether this is how a kernel answers that does not know an option (getsockopt(2)).
fn unknown(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP))
}

/// Whether a value is the kernel's to choose now.
fn moved(value: &Value, now: &[u8]) -> bool {
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, i32::from_ne_bytes);
    // the clamp of a connection follows its buffer, which grows by itself
    (value.level, value.option) == (TCP, TCP_WINDOW_CLAMP) && word(now) != 0 && !(1..word(now)).contains(&word(&value.value))
}

impl Options {
    /// Sets the options of one moment, where the socket's differ.
    pub fn restore(&self, fd: BorrowedFd<'_>, when: When, what: &str) -> Result<()> {
        for recorded @ Value { level, option, value } in &self.values {
            let Some(entry) = TABLE.iter().find(|entry| entry.level == *level && entry.option == *option) else {
                return Err(Error::Inconsistent(format!("unknown option {level}.{option} of {what}")));
            };
            if entry.when != when {
                continue;
            }
            match read(fd, *level, *option) {
                Ok(now) if now == *value || moved(recorded, &now) => continue,
                Err(error) if unknown(&error) && entry.same_without(value) => continue,
                Err(error) if unknown(&error) => {
                    return Err(Error::NotHere(format!(
                        "{what} uses the option {}, which this kernel does not have; restart on one that has it",
                        entry.name
                    )));
                }
                _ => {
                    socket::set_option(fd, *level, *option, value).doing(|| format!("set the option {} of {what}", entry.name))?
                }
            }
        }
        if when != When::Late {
            let now = nix::sys::stat::fstat(fd).doing(|| format!("stat {what}"))?;
            if (now.st_uid, now.st_gid) != self.owner {
                // without privilege the socket stays the restarting user's, as everything else does
                let _ = std::os::unix::fs::fchown(fd, Some(self.owner.0), Some(self.owner.1));
            }
        }
        if when == When::Late {
            self.restore_filter(fd, what)?;
        }
        if let (When::Open, Some(from)) = (when, self.multicast_from) {
            socket::set_option(fd, IP, libc::IP_MULTICAST_IF, &from)
                .doing(|| format!("choose the interface for multicast of {what}"))?;
        }
        if when != When::Open {
            self.restore_buffers(fd, what)?;
        }
        Ok(())
    }

    /// Sets what the kernel charges a socket memory for, whatever the moment.
    pub(crate) fn restore_charged(&self, fd: BorrowedFd<'_>, what: &str) -> Result<()> {
        const HEADERS: [i32; 4] = [54, 55, 57, 59];
        for Value { option, value, .. } in self.values.iter().filter(|v| v.level == IPV6 && HEADERS.contains(&v.option)) {
            if !value.is_empty() {
                socket::set_option(fd, IPV6, *option, value).doing(|| format!("set the option {option} of {what}"))?;
            }
        }
        self.restore_filter(fd, what)
    }

    /// The filter is for what comes from now on, and not for what makes the connection and fills the queue.
    fn restore_filter(&self, fd: BorrowedFd<'_>, what: &str) -> Result<()> {
        // a connection has that of its listening socket, which may be locked
        if !self.filter.is_empty() && !socket::filter(fd).is_ok_and(|now| now == self.filter) {
            socket::attach_filter(fd, &self.filter).doing(|| format!("attach the packet filter of {what}"))?;
        }
        if self.filter_locked {
            socket::set_option_int(fd, SOCKET, LOCK_FILTER, 1).doing(|| format!("lock the packet filter of {what}"))?;
        }
        Ok(())
    }

    /// Buffer sizes: a receive buffer counts when a connection is made, and queues are filled with larger ones. What neither the
    /// program nor [`widen`] chose is the kernel's matter.
    fn restore_buffers(&self, fd: BorrowedFd<'_>, what: &str) -> Result<()> {
        let chosen = self.locked | socket::option_int(fd, SOCKET, SO_BUF_LOCK).unwrap_or(0);
        for (size, option, force, lock) in [
            (self.buffers.0, libc::SO_SNDBUF, libc::SO_SNDBUFFORCE, SNDBUF_LOCKED),
            (self.buffers.1, libc::SO_RCVBUF, libc::SO_RCVBUFFORCE, RCVBUF_LOCKED),
        ] {
            let read = || socket::option_int(fd, SOCKET, option);
            if chosen & lock == 0 || read().is_ok_and(|now| now == size) {
                continue;
            }
            socket::set_option_int(fd, SOCKET, option, size / 2).doing(|| format!("set a buffer size of {what}"))?;
            if read().is_ok_and(|now| now < size) {
                // above the system's maximum; without privilege the socket has to do with that
                let _ = socket::set_option_int(fd, SOCKET, force, size / 2);
            }
        }
        let locked = socket::option_int(fd, SOCKET, SO_BUF_LOCK).unwrap_or(self.locked);
        if locked != self.locked {
            let _ = socket::set_option_int(fd, SOCKET, SO_BUF_LOCK, self.locked);
        }
        Ok(())
    }

    /// The recorded value of an option that is an int.
    pub fn int(&self, level: i32, option: i32) -> Option<i32> {
        let found = self.values.iter().find(|value| value.level == level && value.option == option)?;
        Some(i32::from_ne_bytes(found.value.get(..4)?.try_into().ok()?))
    }
}

/// Makes room for filling a queue; [`When::Late`] brings the recorded size back.
pub fn widen(fd: BorrowedFd<'_>, option: i32) -> (i32, i32) {
    let before = socket::option_int(fd, SOCKET, option).unwrap_or(0);
    let locked = socket::option_int(fd, SOCKET, SO_BUF_LOCK).unwrap_or(0);
    let force = if option == libc::SO_SNDBUF { libc::SO_SNDBUFFORCE } else { libc::SO_RCVBUFFORCE };
    if socket::set_option_int(fd, SOCKET, force, 1 << 28).is_err() {
        let _ = socket::set_option_int(fd, SOCKET, option, 1 << 28);
        if socket::option_int(fd, SOCKET, option).is_ok_and(|now| now < before) {
            let _ = socket::set_option_int(fd, SOCKET, option, before / 2);
        }
    }
    (before, locked)
}

/// Undoes [`widen`].
pub fn narrow(fd: BorrowedFd<'_>, option: i32, (size, locked): (i32, i32)) {
    let _ = socket::set_option_int(fd, SOCKET, option, size / 2);
    if socket::option_int(fd, SOCKET, option).is_ok_and(|now| now < size) {
        let force = if option == libc::SO_SNDBUF { libc::SO_SNDBUFFORCE } else { libc::SO_RCVBUFFORCE };
        let _ = socket::set_option_int(fd, SOCKET, force, size / 2);
    }
    let _ = socket::set_option_int(fd, SOCKET, SO_BUF_LOCK, locked);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(domain: i32, kind: i32, set: &[(i32, i32, i32)]) {
        let old = socket::socket(domain, kind, 0).unwrap();
        for (level, option, value) in set {
            socket::set_option_int(old.as_fd(), *level, *option, *value).unwrap();
        }
        let options = capture(old.as_fd(), Family::of(old.as_fd()).unwrap()).unwrap();
        let new = socket::socket(domain, kind, 0).unwrap();
        for when in [When::Early, When::Open, When::Late] {
            options.restore(new.as_fd(), when, "the test's socket").unwrap();
        }
        for (level, option, _) in set {
            let read = |fd: &std::os::fd::OwnedFd| socket::option_int(fd.as_fd(), *level, *option).unwrap();
            assert_eq!(read(&old), read(&new), "option {level}.{option}");
        }
        assert_eq!(capture(new.as_fd(), Family::of(new.as_fd()).unwrap()).unwrap(), options);
    }

    #[test]
    fn options_of_every_family_come_back() {
        let buffers = [(SOCKET, libc::SO_SNDBUF, 40000), (SOCKET, libc::SO_RCVBUF, 50000)];
        round_trip(libc::AF_UNIX, libc::SOCK_STREAM, &[&buffers[..], &[(SOCKET, libc::SO_PASSCRED, 1)]].concat());
        let tcp = [(TCP, libc::TCP_NODELAY, 1), (TCP, libc::TCP_KEEPIDLE, 77), (IP, libc::IP_TOS, 0x10), (IP, libc::IP_TTL, 33)];
        round_trip(libc::AF_INET, libc::SOCK_STREAM, &[&buffers[..], &tcp, &[(SOCKET, libc::SO_PRIORITY, 3)]].concat());
        let udp = [(IP, libc::IP_MULTICAST_TTL, 7), (IP, libc::IP_MULTICAST_LOOP, 0), (SOCKET, libc::SO_TIMESTAMP, 1)];
        round_trip(libc::AF_INET, libc::SOCK_DGRAM, &udp);
        round_trip(libc::AF_INET6, libc::SOCK_DGRAM, &[(IPV6, libc::IPV6_V6ONLY, 1), (IPV6, libc::IPV6_TCLASS, 0x20)]);
    }

    #[test]
    fn a_classic_filter_comes_back() {
        let old = socket::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        // ret 0xffff
        let program = [6u8, 0, 0, 0, 0xff, 0xff, 0, 0];
        socket::attach_filter(old.as_fd(), &program).unwrap();
        let family = Family::of(old.as_fd()).unwrap();
        let options = capture(old.as_fd(), family).unwrap();
        let new = socket::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        options.restore(new.as_fd(), When::Late, "the test's socket").unwrap();
        assert_eq!(socket::filter(new.as_fd()).unwrap(), program);
    }

    #[test]
    fn an_option_that_the_kernel_lacks_is_missed_only_if_it_makes_a_difference() {
        assert!(WITHOUT.iter().all(|(name, _)| TABLE.iter().any(|entry| entry.name == *name)));
        // as on a kernel without it: sockets of this family have no option of TCP
        let unix = socket::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        let restore = |number: i32| {
            let values = vec![Value { level: TCP, option: 44, value: number.to_ne_bytes().to_vec() }];
            Options { values, ..Options::default() }.restore(unix.as_fd(), When::Open, "the test's socket")
        };
        assert!(restore(0).is_ok() && restore(120_000).is_ok());
        let message = restore(60_000).unwrap_err().to_string();
        assert!(message.contains("the test's socket") && message.contains("TCP_RTO_MAX_MS"), "{message}");
    }
}
