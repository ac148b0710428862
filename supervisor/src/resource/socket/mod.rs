//! What the families of sockets share: options, queued bytes, what is known of sockets that are not in the pod.
pub mod options;
pub(crate) mod put_back;

use super::capture::Stash;
use super::{Capture, Context, Error, Nascent, Result};
use crate::image::RunRef;
use crate::proc::diag::{InetEntry, UnixEntry, inet_sockets};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Bytes of a queue: small ones in the record, large ones in the image's bulk data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Bytes {
    Here(serde_bytes::ByteBuf),
    Stored(RunRef),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Here(serde_bytes::ByteBuf::new())
    }
}

impl Bytes {
    const SMALL: usize = 4096;

    pub fn new(data: Vec<u8>, cx: &mut Capture) -> Result<Bytes> {
        Ok(if data.len() <= Bytes::SMALL { Bytes::Here(data.into()) } else { Bytes::Stored(cx.blob(&data)?) })
    }

    pub fn load(&self, cx: &Nascent) -> Result<Vec<u8>> {
        match self {
            Bytes::Here(data) => Ok(data.to_vec()),
            Bytes::Stored(run) => cx.blob(run),
        }
    }
}

/// The kernel's lists of sockets, read when first needed: the pod stands still meanwhile.
#[derive(Default)]
pub struct Observed {
    unix: Option<Vec<UnixEntry>>,
    by_inode: HashMap<u32, usize>,
    tcp: Option<Vec<InetEntry>>,
    udp: Option<HashMap<u32, u8>>,
    /// Connections that had to be accepted to be read: they stay open while the checkpoint can fail.
    /// With the number of the listening socket.
    pub accepted: Vec<(u32, std::os::fd::OwnedFd)>,
    pub(crate) tcp_pending: Vec<super::inet_socket::Pending>,
}

impl Observed {
    pub fn unix(&mut self) -> Result<&[UnixEntry]> {
        if self.unix.is_none() {
            let list = crate::proc::diag::unix_sockets()
                .doing(|| "list the unix sockets (sock_diag(7); the kernel needs its module unix_diag)".into())?;
            self.by_inode = list.iter().enumerate().map(|(index, entry)| (entry.inode, index)).collect();
            self.unix = Some(list);
        }
        Ok(self.unix.as_deref().unwrap_or_default())
    }

    pub fn unix_socket(&mut self, inode: u32) -> Result<Option<&UnixEntry>> {
        self.unix()?;
        let index = self.by_inode.get(&inode).filter(|_| inode != 0);
        Ok(index.and_then(|index| self.unix.as_ref()?.get(*index)))
    }

    /// Which halves of a UDP socket are shut down: RCV_SHUTDOWN (1), SEND_SHUTDOWN (2).
    pub fn udp_shutdown(&mut self, inode: u32) -> u8 {
        // a kernel without udp_diag or without UDP-Lite tells nobody
        let list = || [libc::IPPROTO_UDP, options::UDPLITE].into_iter().flat_map(|kind| inet_sockets(kind).unwrap_or_default());
        let known = self.udp.get_or_insert_with(|| list().map(|entry| (entry.inode, entry.shutdown)).collect());
        known.get(&inode).copied().unwrap_or(0)
    }

    pub fn tcp(&mut self) -> Result<&[InetEntry]> {
        if self.tcp.is_none() {
            self.tcp = Some(inet_sockets(libc::IPPROTO_TCP).doing(|| "list the TCP sockets (sock_diag(7))".into())?);
        }
        Ok(self.tcp.as_deref().unwrap_or_default())
    }
}

/// Sets O_NONBLOCK, the one status flag that sockets have beside O_ASYNC.
pub fn set_flags(fd: std::os::fd::BorrowedFd<'_>, flags: i32, what: &str) -> Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(flags & libc::O_NONBLOCK);
    fcntl(fd, FcntlArg::F_SETFL(flags)).map(drop).doing(|| format!("set the flags of {what}"))
}

pub fn inconsistent(text: impl Into<String>) -> Error {
    Error::Inconsistent(text.into())
}

/// When every description is known: connections whose ends must be looked at together, and those with an end outside the pod.
pub(super) fn conclude(
    section: &mut super::descriptor::Section,
    seen: &mut [super::descriptor::Seen],
    mut observed: Observed,
    cx: &mut Capture,
) -> Result<()> {
    super::unix_socket::conclude(section, cx)?;
    if cx.leave_running {
        super::unix_socket::put_back(section, seen, std::mem::take(&mut observed.accepted), cx)?;
    }
    super::inet_socket::conclude(section, seen, &mut observed, cx)?;
    cx.stash.insert("unix connections".into(), Box::new(observed.accepted));
    Ok(())
}

/// Makes the connections of a pod vanish with it. To be called when the image is complete, right before the pod is killed.
pub fn silence(stash: &Stash) {
    super::inet_socket::silence(stash);
}
