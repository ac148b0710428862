//! ioctl(2): the foreground group, session and number of a terminal, and owners of sockets.

use core::ffi::c_ulong;

use libc::{c_int, pid_t};

use crate::init::pod;
use crate::sys::call::call;
use crate::sys::errno::result;
use crate::sys::next::next;
use crate::terminals::{self, TIOCGPTN};
use crate::translate;

const FIOSETOWN: c_ulong = 0x8901;
const SIOCSPGRP: c_ulong = 0x8902;
const FIOGETOWN: c_ulong = 0x8903;
const SIOCGPGRP: c_ulong = 0x8904;
const TIOCGDEV: c_ulong = 0x8004_5432;

/// Those requests that name a task, a group or a terminal; `None` for all others.
///
/// # Safety
/// As for ioctl(2).
pub unsafe fn raw_ioctl(fd: c_int, request: c_ulong, argument: usize) -> Option<isize> {
    let given = argument as *mut pid_t;
    // The kernel looks at 32 bits of the request.
    let request = request & 0xffff_ffff;
    match request {
        libc::TIOCGPGRP | libc::TIOCGSID | FIOGETOWN | SIOCGPGRP => {
            let table = pod()?;
            let mut host: pid_t = 0;
            // SAFETY: the kernel writes one id; the caller's memory for it.
            unsafe {
                let done = call!(libc::SYS_ioctl, fd, request, &raw mut host);
                if done == 0 {
                    // An owner below 0 is a group.
                    *given = if host < 0 { -translate::back(table, -host) } else { translate::back(table, host) };
                }
                Some(done)
            }
        }
        libc::TIOCSPGRP | FIOSETOWN | SIOCSPGRP => {
            let table = pod().filter(|_| !given.is_null())?;
            // SAFETY: the caller's.
            let id = unsafe { *given };
            let host = if request == libc::TIOCSPGRP { translate::group(table, id) } else { owner(table, id) };
            // SAFETY: the kernel reads one id.
            Some(
                host.map_or_else(|errno| -errno as isize, |host| unsafe { call!(libc::SYS_ioctl, fd, request, &raw const host) }),
            )
        }
        TIOCGPTN | TIOCGDEV => {
            let table = pod()?;
            let mut host = 0u32;
            // SAFETY: the kernel writes one number; the caller's memory for it.
            unsafe {
                let done = call!(libc::SYS_ioctl, fd, request, &raw mut host);
                if done == 0 {
                    *given.cast() =
                        if request == TIOCGPTN { terminals::number(table, host) } else { terminals::short_device(table, host) };
                }
                Some(done)
            }
        }
        _ => None,
    }
}

/// A task, or a group as a negative number (F_SETOWN, fcntl(2)).
pub fn owner(table: autopod_namespace::Table, id: i32) -> Result<i32, i32> {
    if id >= 0 {
        translate::task(table, id)
    } else {
        translate::group(table, id.checked_neg().ok_or(libc::ESRCH)?).map(|host| -host)
    }
}

/// (Variadic; on x86-64 a fixed arity reads the same places.)
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match raw_ioctl(fd, request, argument) {
            Some(done) => result(done) as c_int,
            None => next!("ioctl", fn(c_int, c_ulong, usize) -> c_int)(fd, request, argument),
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn tcgetpgrp(fd: c_int) -> pid_t {
    let mut group: pid_t = -1;
    // SAFETY: one id is written.
    if unsafe { ioctl(fd, libc::TIOCGPGRP, &raw mut group as usize) } < 0 { -1 } else { group }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn tcsetpgrp(fd: c_int, group: pid_t) -> c_int {
    // SAFETY: one id is read.
    unsafe { ioctl(fd, libc::TIOCSPGRP, &raw const group as usize) }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn tcgetsid(fd: c_int) -> pid_t {
    let mut session: pid_t = -1;
    // SAFETY: one id is written.
    if unsafe { ioctl(fd, libc::TIOCGSID, &raw mut session as usize) } < 0 { -1 } else { session }
}
