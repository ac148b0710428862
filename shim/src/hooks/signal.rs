//! Sending signals, and learning who sent one.

use core::sync::atomic::{AtomicUsize, Ordering::*};

use libc::{c_int, c_uint, c_void, pid_t, sigaction as Action, siginfo_t, sigset_t, sigval, timespec};

use autopod_namespace::Table;

use crate::init::{in_pod, pod};
use crate::sys::call::{call, syscall};
use crate::sys::errno::{fail, result};
use crate::sys::next::next;
use crate::sys::tls;
use crate::{cache, translate};

/// pid_namespaces(7): from inside, only signals that init handles reach it, which are none; sending succeeds.
fn spare_init(id: i32, signal: i32) -> i32 {
    if id == 1 && (1..SIGNALS as i32).contains(&signal) { 0 } else { signal }
}

/// kill(2).
pub fn raw_kill(id: i32, signal: i32) -> isize {
    let Some(table) = pod() else {
        // SAFETY: kill touches no memory.
        return unsafe { call!(libc::SYS_kill, id, signal) };
    };
    match translate::task_or_group(table, id) {
        Ok(-1) => kill_all(table, signal),
        // SAFETY: as above.
        Ok(host) => unsafe { call!(libc::SYS_kill, host, spare_init(id, signal)) },
        Err(errno) => -errno as isize,
    }
}

/// kill(-1): every process but the caller and init (kill(2)); here, of the pod.
fn kill_all(table: Table, signal: i32) -> isize {
    let own = cache::pid();
    let mut result = -libc::ESRCH as isize;
    for ids in table.pairs() {
        let (id, host) = (ids.virtual_id.raw(), ids.host.raw());
        if id == 1 || id == own || ids.reaped {
            continue;
        }
        // A thread that is not a process is passed over: kill on its id would reach its process once more.
        // SAFETY: these calls touch no memory.
        unsafe {
            if call!(libc::SYS_tgkill, host, host, 0) == -libc::ESRCH as isize {
                continue;
            }
            let sent = call!(libc::SYS_kill, host, signal);
            if result != 0 && sent != -libc::ESRCH as isize {
                result = sent;
            }
        }
    }
    result
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn kill(id: pid_t, signal: c_int) -> c_int {
    result(raw_kill(id, signal)) as c_int
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn killpg(group: pid_t, signal: c_int) -> c_int {
    match group {
        i32::MIN..=-1 => fail(libc::EINVAL),
        // A group with the number 1 cannot be written as -1.
        1 => match pod().map(|table| translate::group(table, 1)) {
            // SAFETY: kill touches no memory.
            Some(Ok(host)) if host > 1 => result(unsafe { call!(libc::SYS_kill, -host as isize, signal) }) as c_int,
            Some(_) => fail(libc::ESRCH),
            None => kill(-1, signal),
        },
        _ => kill(-group, signal),
    }
}

/// tgkill(2) and rt_tgsigqueueinfo(2): a thread of a process. tkill(2) is `raw_with_task`.
///
/// # Safety
/// As for the system call.
pub unsafe fn raw_with_thread(number: libc::c_long, mut arguments: [usize; 6]) -> isize {
    if let Some(table) = pod() {
        arguments[2] = spare_init(arguments[0] as i32, arguments[2] as i32) as usize;
        for argument in &mut arguments[..2] {
            match *argument as i32 {
                ..=0 => return -libc::EINVAL as isize,
                id => match translate::task(table, id) {
                    Ok(host) => *argument = host as usize,
                    Err(errno) => return -errno as isize,
                },
            }
        }
    }
    // SAFETY: the caller's.
    unsafe {
        if number != libc::SYS_rt_tgsigqueueinfo {
            return syscall(number, arguments);
        }
        with_host_info(arguments[3] as *const siginfo_t, |info| {
            arguments[3] = info as usize;
            syscall(number, arguments)
        })
    }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn tgkill(process: pid_t, thread: pid_t, signal: c_int) -> c_int {
    // SAFETY: tgkill touches no memory.
    result(unsafe { raw_with_thread(libc::SYS_tgkill, [process as usize, thread as usize, signal as usize, 0, 0, 0]) }) as c_int
}

/// The kernel's siginfo for sigqueue(3).
#[repr(C)]
struct Queued {
    signo: c_int,
    errno: c_int,
    code: c_int,
    pad: c_int,
    pid: pid_t,
    uid: u32,
    value: sigval,
    rest: [u64; 12],
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sigqueue(id: pid_t, signal: c_int, value: sigval) -> c_int {
    // SAFETY: no arguments.
    let (pid, uid) = unsafe { (cache::pid(), call!(libc::SYS_getuid) as u32) };
    let info = Queued { signo: signal, errno: 0, code: libc::SI_QUEUE, pad: 0, pid, uid, value, rest: [0; 12] };
    // SAFETY: a whole siginfo of ours.
    result(unsafe { raw_sigqueueinfo(id, signal, (&raw const info).cast()) }) as c_int
}

/// rt_sigqueueinfo(2).
///
/// # Safety
/// `info` is a whole siginfo.
pub unsafe fn raw_sigqueueinfo(id: i32, signal: c_int, info: *const siginfo_t) -> isize {
    let host = pod().map_or(Ok(id), |table| if id <= 0 { Err(libc::ESRCH) } else { translate::task(table, id) });
    let signal = if pod().is_some() { spare_init(id, signal) } else { signal };
    let send = |info| {
        // SAFETY: the caller's, or our copy.
        host.map_or_else(|errno| -errno as isize, |host| unsafe { call!(libc::SYS_rt_sigqueueinfo, host, signal, info) })
    };
    // SAFETY: the caller's.
    unsafe { with_host_info(info, send) }
}

/// Calls `send` with a copy of `info` in which the sender is the host's: the kernel passes on what it is given, and the
/// receiver's hook takes that for a host id.
///
/// # Safety
/// `info` is null or a whole siginfo.
pub unsafe fn with_host_info<R>(info: *const siginfo_t, send: impl FnOnce(*const siginfo_t) -> R) -> R {
    let Some(table) = pod().filter(|_| !info.is_null()) else { return send(info) };
    // SAFETY: the caller's.
    unsafe {
        let mut copy = *info;
        if names_sender(copy.si_signo, copy.si_code) {
            let host = translate::task(table, copy.si_pid()).unwrap_or(0);
            super::wait::set_pid(&mut copy, host);
        }
        send(&copy)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pidfd_send_signal(fd: c_int, signal: c_int, info: *mut siginfo_t, flags: c_uint) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { with_host_info(info, |info| call!(libc::SYS_pidfd_send_signal, fd, signal, info, flags)) }) as c_int
}

/// Puts the pod's name for the sender where the kernel put the host's.
///
/// # Safety
/// `info` is a whole siginfo that the kernel filled in.
pub unsafe fn translate_info(table: Table, info: *mut siginfo_t) {
    // SAFETY: the caller's; the code says whether there is a si_pid.
    unsafe {
        if names_sender((*info).si_signo, (*info).si_code) {
            super::wait::set_pid(info, sender(table, (*info).si_signo, (*info).si_code, (*info).si_pid()));
        }
    }
}

/// Whether a signal's siginfo holds an id (sigaction(2)): those that a process sent, and SIGCHLD from the kernel.
pub fn names_sender(signal: c_int, code: c_int) -> bool {
    matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ)
        || signal == libc::SIGCHLD && code > 0 && code < 0x80
}

/// The kernel's SIGCHLD may come before anybody named the child.
pub fn sender(table: Table, signal: c_int, code: c_int, host: i32) -> i32 {
    if signal == libc::SIGCHLD && code > 0 { translate::back_own(table, host) } else { translate::back(table, host) }
}

const SIGNALS: usize = 65;

/// The program's three-argument handlers. The kernel is given `deliver` instead.
static HANDLERS: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];

type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

unsafe extern "C" fn deliver(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if let Some(table) = pod() {
        // SAFETY: the kernel's siginfo on our stack.
        unsafe { translate_info(table, info) };
    }
    let handler = HANDLERS.get(signal as usize).map_or(0, |handler| handler.load(Acquire));
    if handler > 1 {
        // SAFETY: the program gave it as a handler of this type.
        unsafe { core::mem::transmute::<usize, Handler>(handler)(signal, info, context) };
    }
}

/// sigaction(2). Only handlers that look at the siginfo need ours in front of them.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    let real = next!("sigaction", fn(c_int, *const Action, *mut Action) -> c_int);
    let known = HANDLERS.get(signal as usize).filter(|_| in_pod());
    // SAFETY: the caller's structures.
    unsafe {
        let Some(slot) = known else { return real(signal, new, old) };
        let before = slot.load(Acquire);
        let mut wrapped;
        let mut given = new;
        // A vfork child has handlers of its own, but our memory of them is its parent's.
        if !new.is_null() && (*new).sa_flags & libc::SA_SIGINFO != 0 && (*new).sa_sigaction > 1 && tls::get().shares.get() == 0 {
            wrapped = *new;
            slot.store(wrapped.sa_sigaction, Release);
            wrapped.sa_sigaction = deliver as *const () as usize;
            given = &raw const wrapped;
        }
        let done = real(signal, given, old);
        if done != 0 {
            slot.store(before, Release);
        } else if !old.is_null() && (*old).sa_sigaction == deliver as *const () as usize {
            (*old).sa_sigaction = before;
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    // SAFETY: the caller's.
    unsafe { sigaction(signal, new, old) }
}

/// signal(3) and its relatives say what the handler was before: the program's, not ours.
fn before(signal: c_int, raw: usize) -> usize {
    if raw == deliver as *const () as usize {
        HANDLERS.get(signal as usize).map_or(raw, |handler| handler.load(Acquire))
    } else {
        raw
    }
}

macro_rules! like_signal {
    ($($name:ident $text:literal;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(signal: c_int, handler: usize) -> usize {
            // SAFETY: the caller's handler.
            before(signal, unsafe { next!($text, fn(c_int, usize) -> usize)(signal, handler) })
        }
    )*};
}

like_signal! {
    signal "signal";
    bsd_signal "bsd_signal";
    sysv_signal "sysv_signal";
    __sysv_signal "__sysv_signal";
    ssignal "ssignal";
    sigset "sigset";
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { told(next!("sigwaitinfo", fn(*const sigset_t, *mut siginfo_t) -> c_int)(set, info), info) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, timeout: *const timespec) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        told(next!("sigtimedwait", fn(*const sigset_t, *mut siginfo_t, *const timespec) -> c_int)(set, info, timeout), info)
    }
}

unsafe fn told(signal: c_int, info: *mut siginfo_t) -> c_int {
    if let Some(table) = pod().filter(|_| signal > 0 && !info.is_null()) {
        // SAFETY: the call succeeded, so that the kernel filled it in.
        unsafe { translate_info(table, info) };
    }
    signal
}
