//! Descriptors of events: signalfd, timerfd, epoll and inotify, where nix hides what we need.
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: the caller passes the result of a call that makes a descriptor, which is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// eventfd2(2).
pub fn eventfd(flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_eventfd2, 0, flags) })
}

/// signalfd4(2) with the kernel's own mask, bit `n - 1` for signal `n`.
pub fn signalfd(mask: u64, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: `mask` outlives the call and has the size that we pass.
    owned(unsafe { libc::syscall(libc::SYS_signalfd4, -1, &mask, 8, flags) })
}

/// How an epoll set polls network cards by itself (struct epoll_params): microseconds, packets, and whether it prefers that.
pub type BusyPoll = (u32, u16, bool);

/// The ioctl EPIOCGPARAMS (ioctl_eventpoll(2), Linux 6.9).
pub fn busy_poll(epoll: BorrowedFd<'_>) -> io::Result<BusyPoll> {
    const EPIOCGPARAMS: libc::c_ulong = 0x8008_8a02;
    let mut params = [0u8; 8];
    // SAFETY: `params` has the size of struct epoll_params.
    check(unsafe { libc::ioctl(epoll.as_raw_fd(), EPIOCGPARAMS, params.as_mut_ptr()) }.into())?;
    let [a, b, c, d, e, f, preferred, _] = params;
    Ok((u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]), preferred != 0))
}

/// The ioctl EPIOCSPARAMS.
pub fn set_busy_poll(epoll: BorrowedFd<'_>, (time, packets, preferred): BusyPoll) -> io::Result<()> {
    const EPIOCSPARAMS: libc::c_ulong = 0x4008_8a01;
    let params = [&time.to_ne_bytes()[..], &packets.to_ne_bytes(), &[u8::from(preferred), 0]].concat();
    // SAFETY: `params` has the size of struct epoll_params and outlives the call.
    check(unsafe { libc::ioctl(epoll.as_raw_fd(), EPIOCSPARAMS, params.as_ptr()) }.into()).map(drop)
}

/// timerfd_create(2).
pub fn timerfd(clock: i32, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_timerfd_create, clock, flags) })
}

/// A time or a duration: seconds and nanoseconds.
pub type Time = (i64, i64);

/// timerfd_gettime(2): (interval, time left).
pub fn timerfd_time(fd: BorrowedFd<'_>) -> io::Result<(Time, Time)> {
    let mut spec = [0i64; 4];
    // SAFETY: `spec` has the layout of struct itimerspec.
    check(unsafe { libc::syscall(libc::SYS_timerfd_gettime, fd.as_raw_fd(), spec.as_mut_ptr()) })?;
    Ok(((spec[0], spec[1]), (spec[2], spec[3])))
}

/// timerfd_settime(2).
pub fn set_timerfd(fd: BorrowedFd<'_>, flags: i32, interval: Time, value: Time) -> io::Result<()> {
    let spec = [interval.0, interval.1, value.0, value.1];
    // SAFETY: `spec` has the layout of struct itimerspec and outlives the call; no old value is asked for.
    check(unsafe { libc::syscall(libc::SYS_timerfd_settime, fd.as_raw_fd(), flags, spec.as_ptr(), 0usize) }).map(drop)
}

/// The ioctl TFD_IOC_SET_TICKS (timerfd_create(2)): expirations not yet read; not zero.
pub fn set_timerfd_ticks(fd: BorrowedFd<'_>, ticks: u64) -> io::Result<()> {
    const TFD_IOC_SET_TICKS: libc::c_ulong = 0x4008_5400;
    // SAFETY: the kernel reads the u64.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), TFD_IOC_SET_TICKS, &ticks) }.into()).map(drop)
}

/// clock_gettime(2).
pub fn clock(clock: i32) -> io::Result<Time> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live struct.
    check(unsafe { libc::clock_gettime(clock, &mut now) }.into())?;
    Ok((now.tv_sec, now.tv_nsec))
}

/// pidfd_open(2) with flags.
pub fn pidfd(pid: i32, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })
}

/// struct epoll_event, as it lies in memory.
pub fn epoll_event(events: u32, data: u64) -> [u8; 12] {
    let mut raw = [0u8; 12];
    raw[..4].copy_from_slice(&events.to_le_bytes());
    raw[4..].copy_from_slice(&data.to_le_bytes());
    raw
}

/// epoll_wait(2) without waiting: the data of the entries that are ready.
pub fn epoll_ready(fd: BorrowedFd<'_>, at_most: usize) -> io::Result<Vec<u64>> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; at_most.max(1)];
    // SAFETY: the kernel writes at most `events.len()` elements.
    let n = check(unsafe { libc::epoll_wait(fd.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, 0) }.into())?;
    Ok(events[..n as usize].iter().map(|event| event.u64).collect())
}

/// epoll_ctl(2) on descriptors of ours.
pub fn epoll_control(epoll: BorrowedFd<'_>, operation: i32, fd: BorrowedFd<'_>, events: u32, data: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: `event` outlives the call.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd.as_raw_fd(), &mut event) }.into()).map(drop)
}

/// inotify_init1(2).
pub fn inotify(flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_inotify_init1, flags) })
}

/// The ioctl INOTIFY_IOC_SETNEXTWD (Linux 4.16): the number that the next watch gets.
pub fn set_next_watch(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    const INOTIFY_IOC_SETNEXTWD: libc::c_ulong = 0x4004_4900;
    // SAFETY: no pointers; the argument is the number itself.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), INOTIFY_IOC_SETNEXTWD, number) }.into()).map(drop)
}

/// inotify_add_watch(2).
pub fn add_watch(fd: BorrowedFd<'_>, path: &std::ffi::CStr, mask: u32) -> io::Result<i32> {
    // SAFETY: `path` outlives the call.
    check(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), mask) }.into()).map(|wd| wd as i32)
}

/// inotify_rm_watch(2).
pub fn remove_watch(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::inotify_rm_watch(fd.as_raw_fd(), number) }.into()).map(drop)
}

/// FIONREAD: bytes that can be read now.
pub fn readable_bytes(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut n = 0i32;
    // SAFETY: the kernel writes an int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &mut n) }.into())?;
    Ok(n as usize)
}
