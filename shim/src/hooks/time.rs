//! Clocks that go on where they were after a restart, and CPU clocks of tasks.

use core::ffi::c_void;

use libc::{
    c_int, clockid_t, itimerspec, pid_t, pthread_cond_t, pthread_mutex_t, pthread_rwlock_t, pthread_t, sem_t, sigevent, timer_t,
    timespec,
};

use autopod_namespace::{Clock, PathText, Table};

use crate::init::{in_pod, pod};
use crate::sys::call::{RESTARTED, call, cancellable};
use crate::sys::errno::fail;
use crate::sys::next::next;
use crate::translate;

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds that the pod's `clock` is ahead of the host's.
#[inline]
pub fn offset(table: Table, clock: clockid_t) -> i64 {
    match clock {
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => table.clock_offset(Clock::Monotonic),
        libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => table.clock_offset(Clock::Boottime),
        _ => 0,
    }
}

/// `time` moved by so many nanoseconds; not before 0, which the kernel would refuse.
pub fn moved(time: timespec, nanoseconds: i64) -> timespec {
    let sum = time.tv_nsec + nanoseconds.rem_euclid(SECOND);
    let seconds = time.tv_sec.saturating_add(nanoseconds.div_euclid(SECOND)).saturating_add(sum.div_euclid(SECOND));
    if seconds < 0 { timespec { tv_sec: 0, tv_nsec: 0 } } else { timespec { tv_sec: seconds, tv_nsec: sum.rem_euclid(SECOND) } }
}

/// A deadline of the pod's clock, for the host. What the kernel would refuse, and 0 (which disarms), stay as they are.
pub fn to_host(time: timespec, offset: i64) -> timespec {
    let valid = time.tv_sec >= 0 && (0..SECOND).contains(&time.tv_nsec) && (time.tv_sec, time.tv_nsec) != (0, 0);
    if !valid || offset == 0 {
        return time;
    }
    let host = moved(time, -offset);
    // A deadline long past is still a deadline.
    if (host.tv_sec, host.tv_nsec) == (0, 0) { timespec { tv_sec: 0, tv_nsec: 1 } } else { host }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let real = next!("clock_gettime", fn(clockid_t, *mut timespec) -> c_int);
    if let Some(table) = pod().filter(|_| clock < 0) {
        return match translate::clock(table, clock, translate::task) {
            // SAFETY: the caller's.
            Ok(clock) => unsafe { real(clock, time) },
            Err(errno) => fail(errno),
        };
    }
    loop {
        let stamp = pod().map(|table| table.stamp());
        // SAFETY: the caller's.
        let done = unsafe { real(clock, time) };
        let table = pod();
        // What was the time on the host of before must not be moved by the offset of this one.
        if table.map(|table| table.stamp()) != stamp {
            continue;
        }
        let offset = table.map_or(0, |table| offset(table, clock));
        if offset != 0 && done == 0 {
            // SAFETY: libc filled it in.
            unsafe { *time = moved(*time, offset) };
        }
        return done;
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn clock_getres(clock: clockid_t, time: *mut timespec) -> c_int {
    let real = next!("clock_getres", fn(clockid_t, *mut timespec) -> c_int);
    match pod().map_or(Ok(clock), |table| translate::clock(table, clock, translate::task)) {
        // SAFETY: the caller's.
        Ok(clock) => unsafe { real(clock, time) },
        Err(errno) => fail(errno),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    rest: *mut timespec,
) -> c_int {
    let real = next!("clock_nanosleep", fn(clockid_t, c_int, *const timespec, *mut timespec) -> c_int);
    let absolute = flags & libc::TIMER_ABSTIME != 0;
    // SAFETY: the caller's.
    unsafe {
        let (Some(table), false) = (pod(), time.is_null()) else {
            if absolute && !time.is_null() && in_pod() {
                // a restart under the shim's names moves the deadline in this copy, not in the program's
                let own = *time;
                return real(clock, flags, &own, rest);
            }
            return real(clock, flags, time, rest);
        };
        if clock < 0 {
            return match translate::clock(table, clock, translate::task) {
                Ok(clock) => real(clock, flags, time, rest),
                Err(errno) => errno,
            };
        }
        if !absolute || !matches!(clock, libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM) {
            return real(clock, flags, time, rest);
        }
        -raw_sleep_until(table, clock, flags, time) as c_int
    }
}

/// clock_nanosleep(2) until a time of the pod's clock.
///
/// # Safety
/// `time` is valid.
pub unsafe fn raw_sleep_until(table: Table, clock: clockid_t, flags: c_int, time: *const timespec) -> isize {
    loop {
        let stamp = table.stamp();
        // SAFETY: the caller's.
        let deadline = to_host(unsafe { *time }, offset(table, clock));
        // SAFETY: a deadline of ours.
        let done = unsafe { cancellable(|| call!(libc::SYS_clock_nanosleep, clock, flags, &raw const deadline, 0)) };
        // One that ended on time by another host's clock sleeps on.
        if done != RESTARTED && (done != 0 || table.stamp() == stamp) {
            return done;
        }
    }
}

/// Functions of libc that wait until an absolute time: `$time` of `$clock` is given to them as the host's, on our stack.
macro_rules! until {
    ($($text:literal $name:ident($($argument:ident: $type:ty),*) at $time:ident of $clock:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($($argument: $type),*) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                let host;
                let mut $time = $time;
                // a copy also where the kernel keeps the pod's clock: a restart the other way moves it
                if !$time.is_null() && in_pod() {
                    host = pod().map_or(*$time, |table| to_host(*$time, offset(table, $clock)));
                    $time = &raw const host;
                }
                next!($text, fn($($type),*) -> c_int)($($argument),*)
            }
        }
    )*};
}

until! {
    "pthread_cond_timedwait" pthread_cond_timedwait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, time: *const timespec) at time of clock_of(cond);
    "pthread_cond_clockwait" pthread_cond_clockwait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, clock: clockid_t, time: *const timespec) at time of clock;
    "sem_clockwait" sem_clockwait(sem: *mut sem_t, clock: clockid_t, time: *const timespec) at time of clock;
    "pthread_mutex_clocklock" pthread_mutex_clocklock(mutex: *mut pthread_mutex_t, clock: clockid_t, time: *const timespec) at time of clock;
    "pthread_rwlock_clockrdlock" pthread_rwlock_clockrdlock(lock: *mut pthread_rwlock_t, clock: clockid_t, time: *const timespec) at time of clock;
    "pthread_rwlock_clockwrlock" pthread_rwlock_clockwrlock(lock: *mut pthread_rwlock_t, clock: clockid_t, time: *const timespec) at time of clock;
    "pthread_clockjoin_np" pthread_clockjoin_np(thread: pthread_t, value: *mut *mut c_void, clock: clockid_t, time: *const timespec) at time of clock;
}

/// The clock of a condition variable: the second bit of __wrefs, at 36 in glibc's structure since 2.25
/// (sysdeps/nptl/bits/thread-shared-types.h).
unsafe fn clock_of(cond: *mut pthread_cond_t) -> clockid_t {
    // SAFETY: the caller's condition variable.
    let flags = unsafe { cond.cast::<u32>().add(9).read_volatile() };
    if flags & 2 != 0 { libc::CLOCK_MONOTONIC } else { libc::CLOCK_REALTIME }
}

fn continues(table: Table) -> bool {
    table.clock_offset(Clock::Monotonic) != 0 || table.clock_offset(Clock::Boottime) != 0
}

/// An itimerspec whose first expiry is absolute; `clock` is looked for only when the pod's clocks differ from the host's.
unsafe fn settime<R>(
    absolute: bool,
    new: *const itimerspec,
    clock: impl FnOnce() -> Option<clockid_t>,
    set: impl FnOnce(*const itimerspec) -> R,
) -> R {
    if let Some(table) = pod().filter(|table| absolute && !new.is_null() && continues(*table)) {
        // SAFETY: the caller's.
        let mut host = unsafe { *new };
        host.it_value = to_host(host.it_value, clock().map_or(0, |clock| offset(table, clock)));
        return set(&host);
    }
    set(new)
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn timerfd_settime(fd: c_int, flags: c_int, new: *const itimerspec, old: *mut itimerspec) -> c_int {
    let clock = || {
        let mut path = PathText::new();
        path.push(b"/proc/self/fdinfo/");
        path.push_number(u64::try_from(fd).ok()?);
        number_after(&path, b"clockid: ", None)
    };
    let real = next!("timerfd_settime", fn(c_int, c_int, *const itimerspec, *mut itimerspec) -> c_int);
    // SAFETY: the caller's.
    unsafe { settime(flags & libc::TFD_TIMER_ABSTIME != 0, new, clock, |new| real(fd, flags, new, old)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn timer_settime(
    timer: timer_t,
    flags: c_int,
    new: *const itimerspec,
    old: *mut itimerspec,
) -> c_int {
    let clock = || {
        // A timer with SIGEV_THREAD is libc's structure, its address halved, with the kernel's id first.
        let raw = timer.addr() as isize;
        // SAFETY: timer_create gave it.
        let id = if raw < 0 { unsafe { timer.with_addr((raw << 1) as usize).cast::<i32>().read() } } else { raw as i32 };
        let mut path = PathText::new();
        path.push(b"/proc/self/timers");
        number_after(&path, b"ClockID: ", Some((b"ID: ", id)))
    };
    let real = next!("timer_settime", fn(timer_t, c_int, *const itimerspec, *mut itimerspec) -> c_int);
    // SAFETY: the caller's.
    unsafe { settime(flags & libc::TIMER_ABSTIME != 0, new, clock, |new| real(timer, flags, new, old)) }
}

/// The number after `label` at the start of a line of a small file of /proc, from the line `from` on.
fn number_after(path: &PathText, label: &[u8], from: Option<(&[u8], i32)>) -> Option<i32> {
    let mut content = [0u8; 2048];
    // SAFETY: reads into our buffer.
    let read = unsafe {
        let fd = call!(libc::SYS_openat, libc::AT_FDCWD, path.as_c_str().as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0);
        let read = call!(libc::SYS_read, fd, content.as_mut_ptr(), content.len());
        call!(libc::SYS_close, fd);
        read
    };
    let value = |line: &[u8], label: &[u8]| line.strip_prefix(label).map(|rest| crate::text::leading_number(rest) as i32);
    let mut lines = content.get(..usize::try_from(read).ok()?)?.split(|c| *c == b'\n');
    if let Some((label, wanted)) = from {
        lines.find(|line| value(line, label) == Some(wanted))?;
    }
    lines.find_map(|line| value(line, label))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn timer_create(clock: clockid_t, event: *mut sigevent, timer: *mut timer_t) -> c_int {
    let real = next!("timer_create", fn(clockid_t, *mut sigevent, *mut timer_t) -> c_int);
    // SAFETY: the caller's.
    unsafe {
        let Some(table) = pod() else { return real(clock, event, timer) };
        let clock = match translate::clock(table, clock, translate::task) {
            Ok(clock) => clock,
            Err(errno) => return fail(errno),
        };
        if event.is_null() || (*event).sigev_notify != libc::SIGEV_THREAD_ID {
            return real(clock, event, timer);
        }
        let mut host = *event;
        match translate::task(table, host.sigev_notify_thread_id) {
            Ok(thread) => host.sigev_notify_thread_id = thread,
            Err(_) => return fail(libc::EINVAL),
        }
        real(clock, &mut host, timer)
    }
}

/// `CPUCLOCK_SCHED`, and of a single thread.
const OF_PROCESS: i32 = 2;

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn clock_getcpuclockid(id: pid_t, clock: *mut clockid_t) -> c_int {
    let Some(table) = pod() else {
        // SAFETY: the caller's.
        return unsafe { next!("clock_getcpuclockid", fn(pid_t, *mut clockid_t) -> c_int)(id, clock) };
    };
    let Ok(host) = translate::task(table, id) else { return libc::ESRCH };
    // SAFETY: asks whether there is such a clock; the caller's `clock`.
    unsafe {
        match call!(libc::SYS_clock_getres, !host << 3 | OF_PROCESS, 0) {
            0 => {
                *clock = !id << 3 | OF_PROCESS;
                0
            }
            _ => libc::ESRCH,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pthread_getcpuclockid(thread: pthread_t, clock: *mut clockid_t) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let done = next!("pthread_getcpuclockid", fn(pthread_t, *mut clockid_t) -> c_int)(thread, clock);
        if let Some(table) = pod().filter(|_| done == 0) {
            let of_pod = translate::clock(table, *clock, |table, host| Ok(translate::back_own(table, host)));
            *clock = of_pod.unwrap_or(*clock);
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sysinfo(info: *mut libc::sysinfo) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let done = next!("sysinfo", fn(*mut libc::sysinfo) -> c_int)(info);
        if let Some(table) = pod().filter(|_| done == 0) {
            (*info).uptime = ((*info).uptime + table.clock_offset(Clock::Boottime) / SECOND).max(0);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: i64) -> timespec {
        timespec { tv_sec: seconds, tv_nsec: nanoseconds }
    }

    fn pair(time: timespec) -> (i64, i64) {
        (time.tv_sec, time.tv_nsec)
    }

    #[test]
    fn times_move_over_seconds_and_not_before_zero() {
        assert_eq!(pair(moved(at(5, 900_000_000), 200_000_000)), (6, 100_000_000));
        assert_eq!(pair(moved(at(5, 100_000_000), -200_000_000)), (4, 900_000_000));
        assert_eq!(pair(moved(at(5, 0), -SECOND * 9)), (0, 0));
        assert_eq!(pair(moved(at(i64::MAX, 0), SECOND)), (i64::MAX, 0));
    }

    #[test]
    fn deadlines_that_mean_something_else_stay() {
        assert_eq!(pair(to_host(at(0, 0), 7 * SECOND)), (0, 0));
        assert_eq!(pair(to_host(at(1, -1), 7 * SECOND)), (1, -1));
        assert_eq!(pair(to_host(at(1, SECOND), 7 * SECOND)), (1, SECOND));
        assert_eq!(pair(to_host(at(1, 5), 7 * SECOND)), (0, 1));
        assert_eq!(pair(to_host(at(8, 5), 7 * SECOND)), (1, 5));
    }
}
