//! Connections that had to be accepted to be read, put back: the pod goes on after the checkpoint.
//!
//! Nothing can put an accepted connection back into the queue of its listener. But its client can connect again: a new socket
//! takes the place of the client's old one, under the same numbers, and sends what the old one had sent. That is possible when
//! the numbers are those of one process, and no epoll set watches them.
use crate::resource::descriptor::Seen;
use crate::resource::{Capture, Context, Error, Result};
use crate::sys::process::pidfd_getfd;
use crate::sys::socket;
use crate::tracee::Call;
use std::os::fd::{AsFd, BorrowedFd};

use super::options::Family;

/// Puts a new socket in the place of one of the pod, whose last reference goes with it. Gives its process and a number there.
pub(crate) fn renew(seen: &mut Seen, family: Family, cx: &mut Capture) -> Result<(u32, i32)> {
    let title = seen.title();
    let doing = || format!("put a new socket in the place of {title}");
    let Some(first) = seen.holders.first() else {
        return Err(Error::Inconsistent(format!("nobody has {title}")));
    };
    let flags = |fd: i32| cx.proc.fdinfo(first.pid, fd).map(|info| info.flags & libc::O_CLOEXEC);
    let numbers = seen.holders.iter().map(|holder| Ok((holder.fd, flags(holder.fd)?)));
    let numbers: Vec<(i32, i32)> = numbers.collect::<std::io::Result<_>>().doing(doing)?;
    let process = cx.process_mut(first.vpid).ok_or_else(|| Error::Inconsistent(format!("{title} is of no process")))?;
    let kind = (family.kind | libc::SOCK_CLOEXEC) as u64;
    let mut make = [Call::new(libc::SYS_socket, [family.domain as u64, kind, family.protocol as u64])];
    process.batch(&mut make)?;
    let new = make[0].result().doing(doing)?;
    seen.fd = pidfd_getfd(process.pidfd.as_fd(), new as i32).doing(doing)?;
    let mut calls: Vec<Call> =
        numbers.iter().map(|(fd, flags)| Call::new(libc::SYS_dup3, [new as u64, *fd as u64, *flags as u64])).collect();
    calls.push(Call::new(libc::SYS_close, [new as u64]));
    process.batch(&mut calls)?;
    for call in &calls {
        call.result().doing(doing)?;
    }
    Ok((first.vpid, first.fd))
}

/// connect(2) in the process, whose credentials the other end sees.
pub(crate) fn connect(vpid: u32, fd: i32, address: &[u8], cx: &mut Capture) -> Result<()> {
    let process = cx.process_mut(vpid).ok_or_else(|| Error::Inconsistent(format!("process {vpid} is not there")))?;
    let place = process.write_data(0, address)?;
    let mut call = [Call::new(libc::SYS_connect, [fd as u64, place, address.len() as u64])];
    process.batch(&mut call)?;
    call[0].result().map(drop).doing(|| format!("connect descriptor {fd} of process {vpid} again"))
}

/// Closes a TCP connection at once, with nothing left of it.
pub(crate) fn reset(fd: BorrowedFd<'_>) {
    let now = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
    let _ = socket::set_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, &now);
}
