//! signalfd(2): a set of signals. Whose signals are read is decided by who reads.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Context, Nascent, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Bit `n - 1` for signal `n`.
    pub mask: u64,
    pub flags: i32,
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.label() == "anon_inode:[signalfd]"
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    match seen.info.get("sigmask").and_then(|mask| u64::from_str_radix(mask, 16).ok()) {
        Some(mask) => Ok(Record { mask, flags: seen.status_flags() }),
        None => Err(seen.refuse("this kernel does not tell its signals", "restart the pod on Linux 3.8 or newer")),
    }
}

pub(super) fn open(record: &Record, id: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let doing = || format!("make the signalfd of open file {id}");
    let fd = crate::sys::events::signalfd(record.mask, libc::SFD_CLOEXEC).doing(doing)?;
    super::file_object::set_status(&fd, record.flags & !libc::O_ASYNC).doing(doing)?;
    Ok(fd)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::round_trip;

    #[test]
    fn the_set_of_signals_comes_back() {
        let mask = 1 << (libc::SIGUSR1 - 1) | 1 << 40;
        let fd = crate::sys::events::signalfd(mask, libc::SFD_NONBLOCK).unwrap();
        let again = round_trip(vec![fd], || ());
        let proc = crate::proc::Proc::open().unwrap();
        let info = proc.fdinfo(std::process::id() as i32, std::os::fd::AsRawFd::as_raw_fd(&again[0])).unwrap();
        assert_eq!(info.get("sigmask"), Some(format!("{mask:016x}").as_str()));
        assert!(info.flags & libc::O_NONBLOCK != 0);
    }
}
