//! Socket calls with addresses and options as raw bytes: an image holds them as the kernel gave them (socket(7), unix(7), ip(7)).
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub const SO_PEEK_OFF: i32 = 42;
pub const SO_BUF_LOCK: i32 = 72;
pub const MSG_PEEK_NOW: i32 = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;

/// getsockopt(2); at most `room` bytes.
pub fn option(fd: BorrowedFd<'_>, level: i32, name: i32, room: usize) -> io::Result<Vec<u8>> {
    option_from(fd, level, name, vec![0u8; room])
}

/// getsockopt(2) of an option that is asked a question: `value` is that before, and the answer after.
pub fn option_from(fd: BorrowedFd<'_>, level: i32, name: i32, mut value: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `value`.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &mut len) }.into())?;
    value.truncate(len as usize);
    Ok(value)
}

/// getsockopt(2) of an int, also of options that answer with one byte.
pub fn option_int(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let value = option(fd, level, name, 4)?;
    match value.len() {
        4 => Ok(i32::from_ne_bytes(value.try_into().expect("four bytes"))),
        1 => Ok(value[0].into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// setsockopt(2).
pub fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `value.len()` bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), value.len() as u32) }.into()).map(drop)
}

pub fn set_option_int(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_option(fd, level, name, &value.to_ne_bytes())
}

/// The classic filter of a socket (SO_GET_FILTER), as raw `struct sock_filter`s; empty when there is none.
pub fn filter(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let get = |buffer: *mut u8, count: &mut u32| {
        // SAFETY: the kernel writes at most `count` instructions of 8 bytes; a null buffer with count 0 asks for their number.
        check(unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, buffer.cast(), count) }.into())
    };
    let mut count = 0u32;
    get(std::ptr::null_mut(), &mut count)?;
    let mut program = vec![0u8; count as usize * 8];
    if count > 0 {
        get(program.as_mut_ptr(), &mut count)?;
    }
    program.truncate(count as usize * 8);
    Ok(program)
}

/// SO_ATTACH_FILTER with raw `struct sock_filter`s.
pub fn attach_filter(fd: BorrowedFd<'_>, program: &[u8]) -> io::Result<()> {
    let fprog = libc::sock_fprog { len: (program.len() / 8) as u16, filter: program.as_ptr().cast_mut().cast() };
    let len = size_of::<libc::sock_fprog>() as u32;
    // SAFETY: `fprog` describes `program`, which the kernel only reads.
    check(
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, (&raw const fprog).cast(), len) }
            .into(),
    )
    .map(drop)
}

fn own(fd: i64) -> OwnedFd {
    // SAFETY: the callers pass a descriptor that the kernel just gave us.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// socket(2), close-on-exec.
pub fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) }.into()).map(own)
}

/// socketpair(2) of unix sockets, close-on-exec.
pub fn pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) }.into())?;
    Ok((own(fds[0].into()), own(fds[1].into())))
}

pub fn bind(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `address.len()` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr().cast(), address.len() as u32) }.into()).map(drop)
}

pub fn connect(fd: BorrowedFd<'_>, address: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `address.len()` bytes.
    check(unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr().cast(), address.len() as u32) }.into()).map(drop)
}

pub fn listen(fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }.into()).map(drop)
}

/// accept4(2), close-on-exec.
pub fn accept(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let none = std::ptr::null_mut();
    // SAFETY: null pointers ask for no address.
    check(unsafe { libc::accept4(fd.as_raw_fd(), none, none.cast(), libc::SOCK_CLOEXEC) }.into()).map(own)
}

pub fn shutdown(fd: BorrowedFd<'_>, how: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), how) }.into()).map(drop)
}

fn address_of(fd: BorrowedFd<'_>, peer: bool) -> io::Result<Vec<u8>> {
    let mut address = [0u8; 128];
    let mut len = 128u32;
    let call = if peer { libc::getpeername } else { libc::getsockname };
    // SAFETY: the kernel writes at most `len` bytes.
    let result = unsafe { call(fd.as_raw_fd(), address.as_mut_ptr().cast(), &mut len) };
    check(result.into())?;
    Ok(address[..(len as usize).min(128)].to_vec())
}

/// getsockname(2): the raw address.
pub fn name(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    address_of(fd, false)
}

/// getpeername(2): the raw address.
pub fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    address_of(fd, true)
}

/// An ioctl that gives an int: SIOCINQ, SIOCOUTQ, SIOCATMARK.
pub fn count(fd: BorrowedFd<'_>, request: libc::c_ulong) -> io::Result<usize> {
    let mut value = 0i32;
    // SAFETY: the requests that callers pass write one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &mut value) }.into())?;
    Ok(value.max(0) as usize)
}

/// SIOCUNIXFILE: an O_PATH descriptor of the file that a socket is bound to. Needs CAP_NET_ADMIN.
pub fn bound_file(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const SIOCUNIXFILE: libc::c_ulong = 0x89e0;
    // SAFETY: no pointers; the result is a descriptor of ours.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), SIOCUNIXFILE, 0) }.into()).map(own)
}

/// poll(2) without waiting.
pub fn events(fd: BorrowedFd<'_>, wanted: i16) -> io::Result<i16> {
    wait_events(fd, wanted, 0)
}

/// poll(2) for at most `milliseconds`.
pub fn wait_events(fd: BorrowedFd<'_>, wanted: i16, milliseconds: i32) -> io::Result<i16> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: wanted, revents: 0 };
    // SAFETY: one live pollfd.
    check(unsafe { libc::poll(&mut poll, 1, milliseconds) }.into())?;
    Ok(poll.revents)
}

/// What recvmsg(2) gave.
#[derive(Debug, Default)]
pub struct Received {
    pub data: Vec<u8>,
    /// Length of the message, which may be more than was asked for (MSG_TRUNC).
    pub len: usize,
    /// The raw address of the sender; empty when the kernel gave none.
    pub name: Vec<u8>,
    pub fds: Vec<OwnedFd>,
    /// pid, uid, gid of SCM_CREDENTIALS.
    pub credentials: Option<(i32, u32, u32)>,
    pub flags: i32,
}

/// recvmsg(2) of at most `room` bytes.
pub fn receive(fd: BorrowedFd<'_>, room: usize, flags: i32) -> io::Result<Received> {
    let mut data = vec![0u8; room];
    let mut name = [0u8; 128];
    // SCM_MAX_FD descriptors and everything else that any option adds
    let mut control = vec![0u64; 512];
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: room };
    // SAFETY: an all-zero msghdr is a valid one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = name.len() as u32;
    message.msg_iov = &mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.len() * 8;
    // SAFETY: every pointer of `message` is to a live buffer of the length given.
    let len = check(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, flags | libc::MSG_CMSG_CLOEXEC) } as libc::c_long)?;
    data.truncate(len as usize);
    let mut received = Received {
        data,
        len: len as usize,
        name: name[..(message.msg_namelen as usize).min(128)].to_vec(),
        flags: message.msg_flags,
        ..Received::default()
    };
    // SAFETY: the kernel filled `control` and set its length; the macros stay within it.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&message) };
    while !header.is_null() {
        // SAFETY: `header` points into `control`, and its length was set by the kernel.
        let (kind, body) = unsafe {
            let len = (*header).cmsg_len - libc::CMSG_LEN(0) as usize;
            (((*header).cmsg_level, (*header).cmsg_type), std::slice::from_raw_parts(libc::CMSG_DATA(header), len))
        };
        let word = |at: usize| u32::from_ne_bytes(body[at..at + 4].try_into().expect("four bytes"));
        match kind {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                received.fds.extend((0..body.len() / 4).map(|index| own(i64::from(word(index * 4) as i32))));
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                received.credentials = Some((word(0) as i32, word(4), word(8)));
            }
            // SCM_PIDFD: a descriptor that must not stay open here
            (libc::SOL_SOCKET, 4) => drop(own(i64::from(word(0) as i32))),
            _ => {}
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(&message, header) };
    }
    Ok(received)
}

/// Peeks at a stream of unix sockets for at most `room` bytes, and gives how many of them are in *whole* pieces of the queue: the
/// room beyond cannot be written to, so the kernel gives up at the first piece that does not fit, before it looks at what comes
/// with it.
pub fn peek_whole_pieces(fd: BorrowedFd<'_>, room: usize) -> io::Result<usize> {
    let mut data = vec![0u8; room];
    let mut iov = [
        libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: room },
        libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 1 << 20 },
    ];
    // SAFETY: an all-zero msghdr is a valid one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = iov.as_mut_ptr();
    message.msg_iovlen = 2;
    // SAFETY: the first iovec is a live buffer, the second makes the kernel fail where it would write there. Without room for
    // control messages no descriptor is installed.
    match check(unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, MSG_PEEK_NOW) } as libc::c_long) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(0),
        other => other.map(|n| n as usize),
    }
}

/// sendmsg(2), without a signal on a broken connection. `name` may be empty.
pub fn send(
    fd: BorrowedFd<'_>,
    data: &[u8],
    name: &[u8],
    fds: &[BorrowedFd<'_>],
    credentials: Option<(i32, u32, u32)>,
    flags: i32,
) -> io::Result<usize> {
    let control = control_data(&fds.iter().map(|fd| fd.as_raw_fd()).collect::<Vec<_>>(), credentials);
    let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    // SAFETY: an all-zero msghdr is a valid one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    if !name.is_empty() {
        message.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_namelen = name.len() as u32;
    }
    message.msg_iov = &mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.as_ptr().cast_mut().cast();
    message.msg_controllen = control.len();
    // SAFETY: every pointer of `message` is to a live buffer, and the kernel only reads them.
    check(unsafe { libc::sendmsg(fd.as_raw_fd(), &message, flags | libc::MSG_NOSIGNAL) } as libc::c_long).map(|n| n as usize)
}

/// Control messages SCM_RIGHTS and SCM_CREDENTIALS (cmsg(3)) as bytes.
pub fn control_data(fds: &[i32], credentials: Option<(i32, u32, u32)>) -> Vec<u8> {
    let mut control = Vec::new();
    let mut push = |kind: i32, words: &[u32]| {
        control.extend_from_slice(&(16 + 4 * words.len() as u64).to_ne_bytes());
        control.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control.extend_from_slice(&kind.to_ne_bytes());
        words.iter().for_each(|word| control.extend_from_slice(&word.to_ne_bytes()));
        control.resize(control.len().next_multiple_of(8), 0);
    };
    if !fds.is_empty() {
        push(libc::SCM_RIGHTS, &fds.iter().map(|fd| *fd as u32).collect::<Vec<_>>());
    }
    if let Some((pid, uid, gid)) = credentials {
        push(libc::SCM_CREDENTIALS, &[pid as u32, uid, gid]);
    }
    control
}
