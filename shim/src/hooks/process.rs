//! Who one is, and calls that name one other task.

use libc::{c_int, c_uint, c_ulong, c_void, cpu_set_t, iovec, pid_t, rlimit, rlimit64, sched_param, size_t, ssize_t, timespec};

use autopod_namespace::VirtualId;

use crate::cache;
use crate::init::pod;
use crate::sys::call::{call, syscall};
use crate::sys::errno::result;
use crate::translate;

#[unsafe(no_mangle)]
pub extern "C-unwind" fn getpid() -> pid_t {
    cache::pid()
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn gettid() -> pid_t {
    cache::tid()
}

/// A call that takes no id and returns one.
pub fn raw_own(number: libc::c_long) -> isize {
    // SAFETY: getppid, getpgrp and the like have no arguments.
    let host = unsafe { call!(number) };
    pod().map_or(host, |table| translate::back(table, host as i32) as isize)
}

/// A call that takes a task and returns an id: getpgid(2), getsid(2).
pub fn raw_of_task(number: libc::c_long, id: i32) -> isize {
    let Some(table) = pod() else {
        // SAFETY: these calls touch no memory.
        return unsafe { call!(number, id) };
    };
    match translate::task(table, id) {
        Ok(host) => {
            // SAFETY: as above.
            let host = unsafe { call!(number, host) };
            if host > 0 { translate::back(table, host as i32) as isize } else { host }
        }
        Err(errno) => -errno as isize,
    }
}

/// A call whose argument at `index` is a task.
///
/// # Safety
/// As for the system call itself.
pub unsafe fn raw_with_task(number: libc::c_long, mut arguments: [usize; 6], index: usize) -> isize {
    if let Some(table) = pod() {
        match translate::task(table, arguments[index] as i32) {
            Ok(host) => arguments[index] = host as usize,
            Err(errno) => return -errno as isize,
        }
    }
    // SAFETY: the caller's.
    unsafe { syscall(number, arguments) }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn getppid() -> pid_t {
    raw_own(libc::SYS_getppid) as pid_t
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn getpgrp() -> pid_t {
    raw_own(libc::SYS_getpgrp) as pid_t
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn getpgid(id: pid_t) -> pid_t {
    result(raw_of_task(libc::SYS_getpgid, id)) as pid_t
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn __getpgid(id: pid_t) -> pid_t {
    getpgid(id)
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn getsid(id: pid_t) -> pid_t {
    result(raw_of_task(libc::SYS_getsid, id)) as pid_t
}

pub fn raw_setpgid(id: i32, group: i32) -> isize {
    let Some(table) = pod() else {
        // SAFETY: setpgid touches no memory.
        return unsafe { call!(libc::SYS_setpgid, id, group) };
    };
    if group < 0 {
        return -libc::EINVAL as isize;
    }
    // A group that does not exist is EPERM (setpgid(2)), the task of that id not being there yet or not the leader.
    match (translate::task(table, id), translate::group(table, group)) {
        (Err(errno), _) => -errno as isize,
        (_, Err(_)) => -libc::EPERM as isize,
        // SAFETY: as above.
        (Ok(id), Ok(group)) => unsafe { call!(libc::SYS_setpgid, id, group) },
    }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn setpgid(id: pid_t, group: pid_t) -> c_int {
    result(raw_setpgid(id, group)) as c_int
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn __setpgid(id: pid_t, group: pid_t) -> c_int {
    setpgid(id, group)
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn setpgrp() -> c_int {
    setpgid(0, 0)
}

pub fn raw_setsid() -> isize {
    // SAFETY: no arguments.
    let made = unsafe { call!(libc::SYS_setsid) };
    let Some(table) = pod().filter(|_| made > 0) else { return made };
    let id = cache::pid();
    if let Some(id) = VirtualId::new(id) {
        table.mark_session(id);
    }
    id as isize
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn setsid() -> pid_t {
    result(raw_setsid()) as pid_t
}

/// getpriority(2), setpriority(2): the meaning of `who` depends on `which`.
pub fn raw_priority(number: libc::c_long, which: u32, who: i32, value: i32) -> isize {
    let host = match (pod(), which) {
        (Some(table), libc::PRIO_PROCESS) => translate::task(table, who),
        (Some(table), libc::PRIO_PGRP) => translate::group(table, who),
        _ => Ok(who),
    };
    // SAFETY: these calls touch no memory.
    host.map_or_else(|errno| -errno as isize, |who| unsafe { call!(number, which, who, value) })
}

redhook::hook! {
    unsafe fn getpriority(which: c_uint, who: c_int) -> c_int => hooked_getpriority {
        // The kernel's answer is 20 - nice, because a negative one would look like an errno (getpriority(2)).
        let raw = raw_priority(libc::SYS_getpriority, which, who, 0);
        if raw < 0 { result(raw) as c_int } else { 20 - raw as c_int }
    }
}

redhook::hook! {
    unsafe fn setpriority(which: c_uint, who: c_int, value: c_int) -> c_int => hooked_setpriority {
        result(raw_priority(libc::SYS_setpriority, which, who, value)) as c_int
    }
}

/// Hooks for libc functions that only wrap a system call with one task among its arguments.
macro_rules! with_task {
    ($($number:ident[$index:literal] $name:ident => $hooked:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        redhook::hook! {
            unsafe fn $name($($argument: $type),*) -> $result => $hooked {
                let mut arguments = [0usize; 6];
                for (slot, given) in arguments.iter_mut().zip([$($argument as usize),*]) {
                    *slot = given;
                }
                // SAFETY: the arguments are the caller's, as for the system call.
                result(unsafe { raw_with_task(libc::$number, arguments, $index) }) as $result
            }
        }
    )*};
}

with_task! {
    SYS_sched_setscheduler[0] sched_setscheduler => hooked_setscheduler(id: pid_t, policy: c_int, param: *const sched_param) -> c_int;
    SYS_sched_getscheduler[0] sched_getscheduler => hooked_getscheduler(id: pid_t) -> c_int;
    SYS_sched_setparam[0] sched_setparam => hooked_setparam(id: pid_t, param: *const sched_param) -> c_int;
    SYS_sched_getparam[0] sched_getparam => hooked_getparam(id: pid_t, param: *mut sched_param) -> c_int;
    SYS_sched_rr_get_interval[0] sched_rr_get_interval => hooked_rr_get_interval(id: pid_t, time: *mut timespec) -> c_int;
    SYS_sched_setaffinity[0] sched_setaffinity => hooked_setaffinity(id: pid_t, len: size_t, set: *const cpu_set_t) -> c_int;
    SYS_prlimit64[0] prlimit => hooked_prlimit(id: pid_t, what: c_uint, new: *const rlimit, old: *mut rlimit) -> c_int;
    SYS_prlimit64[0] prlimit64 => hooked_prlimit64(id: pid_t, what: c_uint, new: *const rlimit64, old: *mut rlimit64) -> c_int;
    SYS_process_vm_readv[0] process_vm_readv => hooked_vm_readv(id: pid_t, local: *const iovec, locals: c_ulong, remote: *const iovec, remotes: c_ulong, flags: c_ulong) -> ssize_t;
    SYS_process_vm_writev[0] process_vm_writev => hooked_vm_writev(id: pid_t, local: *const iovec, locals: c_ulong, remote: *const iovec, remotes: c_ulong, flags: c_ulong) -> ssize_t;
    SYS_pidfd_open[0] pidfd_open => hooked_pidfd_open(id: pid_t, flags: c_uint) -> c_int;
}

/// libc's returns 0 and clears what the kernel did not fill; the kernel returns how much it filled (sched_getaffinity(2)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sched_getaffinity(id: pid_t, len: size_t, set: *mut cpu_set_t) -> c_int {
    // SAFETY: the caller's set of `len` bytes.
    unsafe {
        let filled =
            raw_with_task(libc::SYS_sched_getaffinity, [id as usize, len.min(i32::MAX as usize), set as usize, 0, 0, 0], 0);
        if filled < 0 {
            return result(filled) as c_int;
        }
        core::ptr::write_bytes(set.cast::<u8>().add(filled as usize), 0, len - filled as usize);
    }
    0
}

/// capget(2), capset(2): the task is in the header.
pub unsafe fn raw_capabilities(number: libc::c_long, header: *mut [i32; 2], data: *mut c_void) -> isize {
    // SAFETY: the caller's header and data.
    unsafe {
        let Some(table) = pod().filter(|_| !header.is_null()) else { return call!(number, header, data) };
        let [version, id] = *header;
        match translate::task(table, id) {
            Ok(host) => {
                let mut translated = [version, host];
                let done = call!(number, &raw mut translated, data);
                // The kernel writes the version it prefers.
                (*header)[0] = translated[0];
                done
            }
            Err(errno) => -errno as isize,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn capget(header: *mut [i32; 2], data: *mut c_void) -> c_int {
    // SAFETY: the caller's header and data.
    result(unsafe { raw_capabilities(libc::SYS_capget, header, data) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn capset(header: *mut [i32; 2], data: *mut c_void) -> c_int {
    // SAFETY: the caller's header and data.
    result(unsafe { raw_capabilities(libc::SYS_capset, header, data) }) as c_int
}

/// ptrace(2). What a tracer is told of (a new child's id, the sender of a signal) is translated as well.
pub unsafe fn raw_ptrace(request: usize, id: i32, address: usize, data: usize) -> isize {
    let Some(table) = pod().filter(|_| request != libc::PTRACE_TRACEME as usize) else {
        // SAFETY: the caller's.
        return unsafe { call!(libc::SYS_ptrace, request, id, address, data) };
    };
    let host = match translate::task(table, id) {
        Ok(host) => host,
        Err(errno) => return -errno as isize,
    };
    // SAFETY: the caller's; what the kernel filled in is of the type that the request says.
    unsafe {
        let done = call!(libc::SYS_ptrace, request, host, address, data);
        if done >= 0 && request == libc::PTRACE_GETEVENTMSG as usize {
            let message = data as *mut c_ulong;
            // An exit status or a cookie of seccomp has the range of ids, too: only ids of children are the pod's.
            let child = translate::back(table, *message as i32);
            if child > 0 {
                *message = child as c_ulong;
            }
        }
        if done >= 0 && request == libc::PTRACE_GETSIGINFO as usize {
            super::signal::translate_info(table, data as *mut libc::siginfo_t);
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ptrace(request: c_uint, id: pid_t, address: *mut c_void, data: *mut c_void) -> libc::c_long {
    // PEEK requests return the word in memory at the kernel's interface, and as the result at libc's (ptrace(2)).
    if (libc::PTRACE_PEEKTEXT..=libc::PTRACE_PEEKUSER).contains(&request) {
        let mut word = 0usize;
        // SAFETY: the kernel writes one word.
        let done = unsafe { raw_ptrace(request as usize, id, address as usize, &raw mut word as usize) };
        if done < 0 {
            return result(done) as libc::c_long;
        }
        crate::sys::errno::set(0);
        return word as libc::c_long;
    }
    // SAFETY: the caller's.
    result(unsafe { raw_ptrace(request as usize, id, address as usize, data as usize) }) as libc::c_long
}
