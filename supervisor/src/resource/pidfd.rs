//! pidfd_open(2): a descriptor that means a process, a task (PIDFD_THREAD), or one that is no more.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Context, Nascent, Result, Vpid};
use crate::sys::events;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `None`: it has ended and been reaped.
    pub process: Option<Vpid>,
    pub flags: i32,
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.label().starts_with("anon_inode:[pidfd]") || seen.label().starts_with("pidfd:")
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let flags = seen.status_flags();
    match seen.info.get("Pid").and_then(|pid| pid.parse::<i32>().ok()) {
        Some(-1) => Ok(Record { process: None, flags }),
        Some(pid) => match cx.virtual_ids.get(&pid) {
            Some(process) => Ok(Record { process: Some(*process), flags }),
            None => Err(seen.refuse("it means a process outside the pod", "let the program close it first")),
        },
        None => Err(seen.refuse("this kernel does not tell its process", "restart the pod on Linux 5.3 or newer")),
    }
}

pub(super) fn open(record: &Record, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let doing = || format!("make the pidfd of open file {id}");
    // PIDFD_NONBLOCK and PIDFD_THREAD
    let flags = record.flags & (libc::O_NONBLOCK | libc::O_EXCL);
    let Some(process) = record.process else {
        // of the pod's own: to its processes the kernel denies to know others
        return super::tree::with_passing_process(cx, 0, |_, host| events::pidfd(host, flags).doing(doing));
    };
    let host = cx.host_id(process)?;
    events::pidfd(host, flags).doing(doing)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{refusal, round_trip};
    use super::*;
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn a_living_process() {
        let own = events::pidfd(std::process::id() as i32, libc::O_NONBLOCK).unwrap();
        let again = round_trip(vec![own], || ());
        let proc = crate::proc::Proc::open().unwrap();
        let info = proc.fdinfo(std::process::id() as i32, again[0].as_raw_fd()).unwrap();
        assert_eq!(info.get("Pid"), Some(std::process::id().to_string().as_str()));
    }

    #[test]
    fn a_stranger_is_refused() {
        let message = refusal(events::pidfd(1, 0).unwrap().as_fd());
        assert!(message.contains("outside the pod"), "{message}");
    }
}
