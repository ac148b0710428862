//! timerfd_create(2): a clock, the next expiration, an interval, and expirations not yet read.
//!
//! Timers of the clocks that stand still while a pod does not exist (monotonic, boottime) go on with the time they had left; a
//! timer set to a wall-clock time expires at that time.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Context, Nascent, Result};
use crate::sys::events::{self, Time};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub clock: i32,
    /// As last given to timerfd_settime(2).
    pub settings: i32,
    pub interval: Time,
    /// Time left; (0, 0) when disarmed or expired for good.
    pub left: Time,
    /// When it expires, for a wall-clock time.
    pub due: Option<Time>,
    pub ticks: u64,
    pub flags: i32,
}

/// TFD_TIMER_ABSTIME
const ABSOLUTE: i32 = 1;

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.label() == "anon_inode:[timerfd]"
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let doing = || format!("read {}", seen.title());
    // asking for the time makes the kernel count the expirations that are due
    let (interval, left) = events::timerfd_time(seen.fd.as_fd()).doing(doing)?;
    let info = cx.proc.fdinfo(crate::sys::process::own_pid(), seen.fd.as_raw_fd()).doing(doing)?;
    let clock = info.get("clockid").and_then(|clock| clock.parse::<i32>().ok());
    let settings = info.get("settime").and_then(|line| i32::from_str_radix(line.rsplit(' ').next()?, 8).ok());
    let ticks = info.get("ticks").and_then(|ticks| ticks.parse().ok());
    let (Some(clock), Some(settings), Some(ticks)) = (clock, settings, ticks) else {
        return Err(seen.refuse("this kernel does not tell its clock", "restart the pod on Linux 3.17 or newer"));
    };
    let wall = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_ALARM);
    let due = if wall && settings & ABSOLUTE != 0 && left != (0, 0) {
        Some(sum(events::clock(libc::CLOCK_REALTIME).doing(doing)?, left))
    } else {
        None
    };
    Ok(Record { clock, settings, interval, left, due, ticks, flags: seen.status_flags() })
}

fn sum(a: Time, b: Time) -> Time {
    let nanoseconds = a.1 + b.1;
    (a.0 + b.0 + nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

pub(super) fn open(record: &Record, id: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let doing = || format!("make the timer of open file {id} (clock {})", record.clock);
    let fd = events::timerfd(record.clock, libc::TFD_CLOEXEC).doing(doing)?;
    let value = match (record.left, record.due) {
        ((0, 0), _) => (0, 0),
        (_, Some(due)) => due,
        (left, None) if record.settings & ABSOLUTE != 0 => sum(events::clock(record.clock).doing(doing)?, left),
        (left, None) => left,
    };
    events::set_timerfd(fd.as_fd(), record.settings, record.interval, value).doing(doing)?;
    if record.ticks > 0 {
        events::set_timerfd_ticks(fd.as_fd(), record.ticks).doing(doing)?;
    }
    super::file_object::set_status(&fd, record.flags & !libc::O_ASYNC).doing(doing)?;
    Ok(fd)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::round_trip;
    use super::*;

    fn armed(clock: i32, flags: i32, interval: Time, value: Time) -> OwnedFd {
        let fd = events::timerfd(clock, libc::TFD_NONBLOCK).unwrap();
        events::set_timerfd(fd.as_fd(), flags, interval, value).unwrap();
        fd
    }

    #[test]
    fn time_left_and_ticks_come_back() {
        let now = events::clock(libc::CLOCK_MONOTONIC).unwrap();
        let fds = vec![
            armed(libc::CLOCK_MONOTONIC, 0, (50, 7), (2000, 0)),
            armed(libc::CLOCK_MONOTONIC, ABSOLUTE, (0, 0), (now.0 + 3000, 0)),
            armed(libc::CLOCK_REALTIME, 0, (0, 0), (0, 0)),
            armed(libc::CLOCK_MONOTONIC, 0, (0, 1_000_000), (0, 1)),
            armed(libc::CLOCK_BOOTTIME, 0, (0, 0), (0, 1)),
        ];
        std::thread::sleep(std::time::Duration::from_millis(20));
        let again = round_trip(fds, || ());
        let time = |n: usize| events::timerfd_time(again[n].as_fd()).unwrap();
        let ticks = |n: usize| {
            let mut buffer = [0u8; 8];
            nix::unistd::read(&again[n], &mut buffer).ok().map(|_| u64::from_ne_bytes(buffer))
        };
        assert_eq!(time(0).0, (50, 7));
        assert!((1998..2000).contains(&time(0).1.0) && ticks(0).is_none());
        assert!((2998..3000).contains(&time(1).1.0));
        assert_eq!((time(2), ticks(2)), (((0, 0), (0, 0)), None));
        assert!(ticks(3).is_some_and(|n| n >= 20));
        assert_eq!((ticks(4), ticks(4)), (Some(1), None));
    }
}
