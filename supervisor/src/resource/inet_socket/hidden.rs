//! State that the kernel keeps for a socket and shows to nobody: it shows by the memory that the socket is charged for.
//!
//! SO_MEMINFO counts what options take (`sk_omem_alloc`): filters, headers of IPv6, lists of sources; also keys for signed segments,
//! anycast addresses and storage of bpf programs. A new socket with what was recorded takes as much, if that was everything.
use super::multicast::{self, Membership};
use crate::resource::descriptor::Seen;
use crate::resource::socket::options::{Family, Options};
use crate::resource::{Context, Result};
use crate::sys::socket;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

const SO_MEMINFO: i32 = 55;
/// SK_MEMINFO_OPTMEM
const OPTION_MEMORY: usize = 6;
/// Sources that are added one by one have room for ten more.
const SPARE_SOURCES: u32 = 10 * 16;

fn charged(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let words = socket::option(fd, libc::SOL_SOCKET, SO_MEMINFO, 64)?;
    let at = OPTION_MEMORY * 4;
    Ok(words.get(at..at + 4).map_or(0, |word| u32::from_ne_bytes(word.try_into().expect("four bytes"))))
}

/// Refuses a socket that has more than was recorded.
pub(super) fn check(seen: &Seen, family: Family, options: &Options, memberships: &[Membership]) -> Result<()> {
    let doing = || format!("read the state of {}", seen.title());
    // kernels before 4.12 do not tell
    let Ok(found) = charged(seen.fd.as_fd()) else { return Ok(()) };
    if found == 0 {
        return Ok(());
    }
    let model = socket::socket(family.domain, family.kind, family.protocol).doing(doing)?;
    // what cannot be set here is reported at the restart
    let _ = options.restore_charged(model.as_fd(), "a socket to compare with");
    let _ = multicast::restore(model.as_fd(), memberships, "a socket to compare with");
    let spare = memberships.iter().filter(|membership| !membership.sources.is_empty()).count() as u32 * SPARE_SOURCES;
    if found <= charged(model.as_fd()).doing(doing)? + spare {
        return Ok(());
    }
    Err(if family.is_tcp() {
        seen.refuse(
            "it has keys for signed segments (TCP_MD5SIG), or other state that the kernel does not show",
            "let the program remove the keys or close it before the checkpoint",
        )
    } else {
        seen.refuse(
            "it has state that the kernel does not show, such as an anycast address (IPV6_JOIN_ANYCAST)",
            "let the program leave that address or close it before the checkpoint",
        )
    })
}
