//! Messages over unix sockets together with descriptors and process ids (unix(7)).
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What one receive gave.
#[derive(Debug)]
pub struct Received {
    /// How much of the buffer was filled; 0 means that the peer closed.
    pub len: usize,
    /// The descriptors that came along, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
    /// A process named by the sender, translated by the kernel to the receiver's pid namespace.
    /// Only where the receiving socket has SO_PASSCRED.
    pub process: Option<i32>,
}

/// Sends `bytes` with `descriptors`; `process` (an id in the sender's pid namespace) goes along as
/// SCM_CREDENTIALS, for which naming another process takes CAP_SYS_ADMIN over the pid namespace.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>], process: Option<i32>) -> Result<usize, Errno> {
    let raw: Vec<RawFd> = descriptors.iter().map(|d| d.as_raw_fd()).collect();
    let credentials = process.map(|pid| {
        UnixCredentials::from(libc::ucred { pid, uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() })
    });
    let mut control = Vec::new();
    if !raw.is_empty() {
        control.push(ControlMessage::ScmRights(&raw));
    }
    if let Some(credentials) = &credentials {
        control.push(ControlMessage::ScmCredentials(credentials));
    }
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => continue,
            other => return other,
        }
    }
}

/// Receives into `buffer`.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], flags: MsgFlags) -> Result<Received, Errno> {
    let mut control = cmsg_space!([RawFd; 16], UnixCredentials);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags | MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => continue,
            other => break other?,
        }
    };
    let mut received = Received { len: message.bytes, descriptors: Vec::new(), process: None };
    for item in message.cmsgs()? {
        match item {
            ControlMessageOwned::ScmRights(raw) => {
                // SAFETY: the kernel has just installed these descriptors for this message; nothing
                // else owns them.
                received.descriptors.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
            ControlMessageOwned::ScmCredentials(credentials) => received.process = Some(credentials.pid()),
            _ => {}
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(Errno::EMSGSIZE);
    }
    Ok(received)
}

/// accept4(2), close-on-exec.
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let fd = nix::sys::socket::accept4(listener.as_raw_fd(), nix::sys::socket::SockFlag::SOCK_CLOEXEC)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
