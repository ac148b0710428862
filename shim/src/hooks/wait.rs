//! Waiting for children. A child that was waited for gives its id back.

use libc::{c_int, id_t, idtype_t, pid_t, rusage, siginfo_t};

use autopod_namespace::{HostId, Table};

use crate::init::pod;
use crate::sys::call::{RESTARTED, call, cancellable, restarted};
use crate::sys::errno::result;
use crate::translate;

/// A child `host` is no more.
fn forget(table: Table, host: i32) {
    if let Some(host) = HostId::new(host) {
        table.reaped(host);
    }
}

/// # Safety
/// As for wait4(2).
pub unsafe fn raw_wait4(id: i32, status: *mut c_int, options: c_int, usage: *mut rusage) -> isize {
    let Some(table) = pod() else {
        // SAFETY: the caller's.
        let child = unsafe { cancellable(|| call!(libc::SYS_wait4, id, status, options, usage)) };
        // the pod may be one of the shim's now
        // SAFETY: the caller's.
        return if child == RESTARTED { unsafe { raw_wait4(id, status, options, usage) } } else { child };
    };
    let mut own_status = 0;
    loop {
        let stamp = table.stamp();
        let Ok(host) = translate::task_or_group(table, id) else { return -libc::ECHILD as isize };
        // SAFETY: the caller's usage, our status.
        let child = unsafe { cancellable(|| call!(libc::SYS_wait4, host, &raw mut own_status, options, usage)) };
        if restarted(table, stamp, child) {
            continue;
        }
        if child <= 0 {
            return child;
        }
        let id = translate::back_own(table, child as i32);
        if libc::WIFEXITED(own_status) || libc::WIFSIGNALED(own_status) {
            forget(table, child as i32);
        }
        if !status.is_null() {
            // SAFETY: the caller's status.
            unsafe { *status = own_status };
        }
        return id as isize;
    }
}

/// # Safety
/// As for waitid(2).
pub unsafe fn raw_waitid(kind: u32, id: u32, info: *mut siginfo_t, options: c_int, usage: *mut rusage) -> isize {
    let Some(table) = pod() else {
        // SAFETY: the caller's.
        let done = unsafe { cancellable(|| call!(libc::SYS_waitid, kind, id, info, options, usage)) };
        // SAFETY: the caller's.
        return if done == RESTARTED { unsafe { raw_waitid(kind, id, info, options, usage) } } else { done };
    };
    // SAFETY: all zeroes is a siginfo that says nothing.
    let mut own_info: siginfo_t = unsafe { core::mem::zeroed() };
    loop {
        let stamp = table.stamp();
        let host = match kind {
            libc::P_PID => translate::task(table, id as i32),
            libc::P_PGID => translate::group(table, id as i32),
            _ => Ok(id as i32),
        };
        let Ok(host) = host else { return -libc::ECHILD as isize };
        // SAFETY: the caller's usage, our info.
        let done = unsafe { cancellable(|| call!(libc::SYS_waitid, kind, host, &raw mut own_info, options, usage)) };
        if restarted(table, stamp, done) {
            continue;
        }
        if done == 0 {
            // SAFETY: the kernel filled in a child's siginfo, or left the zeroes.
            unsafe {
                let child = own_info.si_pid();
                if child > 0 {
                    set_pid(&mut own_info, translate::back_own(table, child));
                    let gone = matches!(own_info.si_code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED);
                    if gone && options & libc::WNOWAIT == 0 {
                        forget(table, child);
                    }
                }
                if !info.is_null() {
                    // waitid fills in the fields of SIGCHLD and leaves the rest of the caller's structure alone.
                    core::ptr::copy_nonoverlapping((&raw const own_info).cast::<u8>(), info.cast(), CHILD_INFO);
                }
            }
        }
        return done;
    }
}

/// si_signo to si_status (include/uapi/asm-generic/siginfo.h).
const CHILD_INFO: usize = 28;

/// Writes si_pid: the first word after the three that every siginfo has, at 16 on 64 bit.
///
/// # Safety
/// `info` is one whose si_code says that it has a si_pid.
pub unsafe fn set_pid(info: *mut siginfo_t, id: i32) {
    // SAFETY: offset 16 is inside of the 128 bytes.
    unsafe { info.cast::<i32>().add(4).write(id) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn wait(status: *mut c_int) -> pid_t {
    // SAFETY: the caller's.
    result(unsafe { raw_wait4(-1, status, 0, core::ptr::null_mut()) }) as pid_t
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn waitpid(id: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: the caller's.
    result(unsafe { raw_wait4(id, status, options, core::ptr::null_mut()) }) as pid_t
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __waitpid(id: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: the caller's.
    unsafe { waitpid(id, status, options) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn wait3(status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: the caller's.
    result(unsafe { raw_wait4(-1, status, options, usage) }) as pid_t
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn wait4(id: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: the caller's.
    result(unsafe { raw_wait4(id, status, options, usage) }) as pid_t
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn waitid(kind: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_waitid(kind, id, info, options, core::ptr::null_mut()) }) as c_int
}
