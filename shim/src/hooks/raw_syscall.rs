//! syscall(2): system calls by number, which libc does not look at. Those that name anything of the pod are answered as by
//! the hooks of their libc functions; all others go to the kernel without a detour.

use core::arch::naked_asm;
use core::ffi::{c_int, c_long};

use libc::timespec;

use autopod_namespace::IpcKind;

use super::{directories, exec, files, proc_files, process, signal, spawn, sysv_ipc, terminal, time, users, uts, wait};
use crate::cache;
use crate::environment::Vector;
use crate::init::{in_pod, pod};
use crate::procfs;
use crate::sys::call::{RESTARTED, restarted, syscall as kernel};
use crate::sys::errno::result;
use crate::terminals;
use crate::translate;

/// One byte for each number that `named` answers.
static NAMED: [u8; 512] = {
    let mut named = [0; 512];
    let mut at = 0;
    while at < NUMBERS.len() {
        named[NUMBERS[at] as usize] = 1;
        at += 1;
    }
    named
};

const NUMBERS: &[c_long] = &[
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getpgrp,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_getparam,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getattr,
    libc::SYS_prlimit64,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_get_robust_list,
    libc::SYS_perf_event_open,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_ptrace,
    libc::SYS_kcmp,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_signalfd,
    libc::SYS_signalfd4,
    libc::SYS_fork,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_shmget,
    libc::SYS_shmctl,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_uname,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_futex,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_read,
    libc::SYS_set_tid_address,
    libc::SYS_pidfd_send_signal,
    libc::SYS_timerfd_settime,
    libc::SYS_getdents64,
    libc::SYS_setuid,
    libc::SYS_setreuid,
    libc::SYS_setresuid,
    libc::SYS_getsockopt,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_timer_create,
    libc::SYS_fstat,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_truncate,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
];

/// Variadic in C; the arguments are where a function with seven has them. A number that is not in NAMED, and a clone that
/// shares memory, go on as in libc's syscall: the child of such a clone comes back on another stack, or on its parent's,
/// where no frame of ours may be.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C-unwind" fn syscall(number: c_long) -> c_long {
    naked_asm!(
        "cmp rdi, 511",
        "ja 2f",
        "lea rax, [rip + {named}]",
        "movzx eax, byte ptr [rax + rdi]",
        "test eax, eax",
        "jz 2f",
        "cmp edi, 435",
        "je 6f",
        "cmp edi, 56",
        "jne 4f",
        // clone: with CLONE_VM, or on a stack of its own.
        "test esi, 0x100",
        "jnz 5f",
        "test rdx, rdx",
        "jnz 5f",
        "jmp 4f",
        // clone3: the flags are the first field of the structure, the stack the sixth.
        "6:",
        "test rsi, rsi",
        "jz 2f",
        "test dword ptr [rsi], 0x100",
        "jnz 5f",
        "cmp qword ptr [rsi + 40], 0",
        "jne 5f",
        "4:",
        // The seventh argument to where the callee has it, behind its return address.
        "mov rax, [rsp + 8]",
        "push rax",
        "call {named_call}",
        "add rsp, 8",
        "ret",
        "2:",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, [rsp + 8]",
        "syscall",
        "cmp rax, -4095",
        "jae 3f",
        "ret",
        "3:",
        "mov rdi, rax",
        "sub rsp, 8",
        "call {failed}",
        "add rsp, 8",
        "ret",
        "5:",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "call {before}",
        "pop r8",
        "pop r10",
        "pop rdx",
        "pop rsi",
        "pop rax",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, r10",
        "mov r10, r8",
        "mov r8, r9",
        "syscall",
        "test rax, rax",
        "jg 7f",
        "js 3b",
        "ret",
        "7:",
        "mov rdi, rax",
        "sub rsp, 8",
        "call {cloned}",
        "add rsp, 8",
        "ret",
        before = sym before_clone,
        cloned = sym cloned,
        named = sym NAMED,
        named_call = sym named_call,
        failed = sym failed,
    )
}

/// Before a clone whose child is not ours to begin: it finds its id by itself, when it asks.
unsafe extern "C" fn before_clone(number: c_long, first: usize) {
    // SAFETY: the flags are the first argument of clone, and the first field of the structure of clone3.
    let flags = if number == libc::SYS_clone { first } else { unsafe { (first as *const u64).read() as usize } };
    if in_pod() && flags & libc::CLONE_VM as usize != 0 && flags & libc::CLONE_THREAD as usize == 0 {
        cache::share_memory();
    }
}

extern "C" fn cloned(child: c_long) -> c_long {
    pod().map_or(child, |table| translate::back_own(table, child as i32).into())
}

extern "C" fn failed(raw: isize) -> c_long {
    result(raw) as c_long
}

unsafe extern "C" fn named_call(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    let arguments = [a, b, c, d, e, f];
    loop {
        // SAFETY: the caller's.
        let raw = unsafe { if pod().is_some() { named(number, arguments) } else { kernel(number, arguments) } };
        // the pod may be one of the other kind now
        if raw != RESTARTED {
            return result(raw) as c_long;
        }
    }
}

unsafe fn named(number: c_long, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, _] = arguments;
    // SAFETY: the caller's arguments, each as the system call has them.
    unsafe {
        match number {
            libc::SYS_getpid => cache::pid() as isize,
            libc::SYS_gettid => cache::tid() as isize,
            libc::SYS_set_tid_address => {
                kernel(number, arguments);
                cache::tid() as isize
            }
            libc::SYS_getppid | libc::SYS_getpgrp => process::raw_own(number),
            libc::SYS_getpgid | libc::SYS_getsid => process::raw_of_task(number, a as i32),
            libc::SYS_setpgid => process::raw_setpgid(a as i32, b as i32),
            libc::SYS_setsid => process::raw_setsid(),
            libc::SYS_getpriority | libc::SYS_setpriority => process::raw_priority(number, a as u32, b as i32, c as i32),
            // IOPRIO_WHO_PROCESS and IOPRIO_WHO_PGRP are one more than PRIO_PROCESS and PRIO_PGRP.
            libc::SYS_ioprio_get | libc::SYS_ioprio_set => io_priority(number, arguments),
            libc::SYS_perf_event_open if b as i32 > 0 => process::raw_with_task(number, arguments, 1),
            libc::SYS_perf_event_open => kernel(number, arguments),
            libc::SYS_sched_setscheduler
            | libc::SYS_sched_getscheduler
            | libc::SYS_sched_setparam
            | libc::SYS_sched_getparam
            | libc::SYS_sched_rr_get_interval
            | libc::SYS_sched_setaffinity
            | libc::SYS_sched_getaffinity
            | libc::SYS_sched_setattr
            | libc::SYS_sched_getattr
            | libc::SYS_prlimit64
            | libc::SYS_process_vm_readv
            | libc::SYS_process_vm_writev
            | libc::SYS_pidfd_open
            | libc::SYS_move_pages
            | libc::SYS_migrate_pages
            | libc::SYS_get_robust_list
            | libc::SYS_tkill => process::raw_with_task(number, arguments, 0),
            libc::SYS_capget | libc::SYS_capset => process::raw_capabilities(number, a as *mut _, b as *mut _),
            libc::SYS_ptrace => process::raw_ptrace(a, b as i32, c, d),
            libc::SYS_kcmp => kcmp(arguments),
            libc::SYS_wait4 => wait::raw_wait4(a as i32, b as *mut c_int, c as i32, d as *mut _),
            libc::SYS_waitid => wait::raw_waitid(a as u32, b as u32, c as *mut _, d as i32, e as *mut _),
            libc::SYS_kill => signal::raw_kill(a as i32, b as i32),
            libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => signal::raw_with_thread(number, arguments),
            libc::SYS_rt_sigqueueinfo => signal::raw_sigqueueinfo(a as i32, b as i32, c as *const _),
            libc::SYS_pidfd_send_signal => {
                signal::with_host_info(c as *const _, |info| kernel(number, [a, b, info as usize, d, 0, 0]))
            }
            libc::SYS_rt_sigtimedwait => {
                let signal = kernel(number, arguments);
                if let Some(table) = pod().filter(|_| signal > 0 && b != 0) {
                    signal::translate_info(table, b as *mut _);
                }
                signal
            }
            libc::SYS_signalfd | libc::SYS_signalfd4 => {
                files::notice_signalfd();
                kernel(number, arguments)
            }
            libc::SYS_read => {
                let count = kernel(number, arguments);
                files::after_read(a as i32, b as *mut _, count);
                count
            }
            libc::SYS_fork | libc::SYS_clone | libc::SYS_clone3 => spawn::raw_forking(number, arguments),
            libc::SYS_execve => exec::raw_execveat(libc::AT_FDCWD, a as *const _, b as Vector, c as Vector, 0),
            libc::SYS_execveat => exec::raw_execveat(a as i32, b as *const _, c as Vector, d as Vector, e as i32),
            libc::SYS_shmget => sysv_ipc::raw_get(IpcKind::Shm, number, a as i32, b, c),
            libc::SYS_semget => sysv_ipc::raw_get(IpcKind::Sem, number, a as i32, b, c),
            libc::SYS_msgget => sysv_ipc::raw_get(IpcKind::Msg, number, a as i32, b, 0),
            libc::SYS_shmctl => sysv_ipc::raw_shmctl(a as i32, b as i32, c as *mut _),
            libc::SYS_semctl => sysv_ipc::raw_semctl(a as i32, b as i32, c as i32, d),
            libc::SYS_msgctl => sysv_ipc::raw_msgctl(a as i32, b as i32, c as *mut _),
            libc::SYS_shmat | libc::SYS_semop | libc::SYS_semtimedop | libc::SYS_msgsnd | libc::SYS_msgrcv => {
                sysv_ipc::raw_on(number, arguments)
            }
            libc::SYS_mq_open | libc::SYS_mq_unlink => message_queue(number, arguments),
            libc::SYS_uname => uts::raw_uname(a as *mut _),
            libc::SYS_sethostname | libc::SYS_setdomainname => uts::raw_set(number, a as *const _, b),
            libc::SYS_fcntl => files::raw_fcntl(a as i32, b as i32, c).unwrap_or_else(|| kernel(number, arguments)),
            libc::SYS_ioctl => terminal::raw_ioctl(a as i32, b as _, c).unwrap_or_else(|| kernel(number, arguments)),
            libc::SYS_clock_gettime | libc::SYS_clock_getres | libc::SYS_clock_nanosleep => clock(number, arguments),
            libc::SYS_getdents64 => directories::raw_getdents64(a as i32, b as *mut u8, c),
            libc::SYS_fstat => after_stat(number, arguments, kernel(number, arguments)),
            libc::SYS_setuid => {
                users::before(&[a as u32]);
                kernel(number, arguments)
            }
            libc::SYS_setreuid | libc::SYS_setresuid => {
                users::before(&[a as u32, b as u32]);
                kernel(number, arguments)
            }
            libc::SYS_futex => futex(arguments),
            libc::SYS_timer_create => timer(arguments),
            _ => with_path(number, arguments),
        }
    }
}

unsafe fn io_priority(number: c_long, mut arguments: [usize; 6]) -> isize {
    let Some(table) = pod() else { return -libc::ENOSYS as isize };
    let who = arguments[1] as i32;
    let host = match arguments[0] {
        1 => translate::task(table, who),
        2 => translate::group(table, who),
        _ => Ok(who),
    };
    match host {
        Ok(host) => {
            arguments[1] = host as usize;
            // SAFETY: these calls touch no memory.
            unsafe { kernel(number, arguments) }
        }
        Err(errno) => -errno as isize,
    }
}

unsafe fn kcmp(mut arguments: [usize; 6]) -> isize {
    let Some(table) = pod() else { return -libc::ENOSYS as isize };
    for argument in &mut arguments[..2] {
        match translate::task(table, *argument as i32) {
            Ok(host) if host > 0 => *argument = host as usize,
            _ => return -libc::ESRCH as isize,
        }
    }
    // SAFETY: kcmp touches no memory, but for KCMP_EPOLL_TFD the caller's.
    unsafe { kernel(libc::SYS_kcmp, arguments) }
}

unsafe fn message_queue(number: c_long, mut arguments: [usize; 6]) -> isize {
    let Some(table) = pod() else { return -libc::ENOSYS as isize };
    // The system call's name has no slash (mq_open(2), C library/kernel differences).
    // SAFETY: the caller's name.
    unsafe {
        let name = core::ffi::CStr::from_ptr(arguments[0] as *const _).to_bytes();
        match table.host_posix_name(name) {
            Some(host) => {
                arguments[0] = host.as_c_str().as_ptr() as usize;
                kernel(number, arguments)
            }
            None => -libc::ENAMETOOLONG as isize,
        }
    }
}

unsafe fn clock(number: c_long, mut arguments: [usize; 6]) -> isize {
    let Some(table) = pod() else { return -libc::ENOSYS as isize };
    let id = arguments[0] as i32;
    match translate::clock(table, id, translate::task) {
        Ok(host) => arguments[0] = host as usize,
        Err(errno) => return -errno as isize,
    }
    // SAFETY: the caller's timespecs.
    unsafe {
        match number {
            libc::SYS_clock_nanosleep if arguments[1] as i32 & libc::TIMER_ABSTIME != 0 && id >= 0 && arguments[2] != 0 => {
                time::raw_sleep_until(table, id, arguments[1] as i32, arguments[2] as *const timespec)
            }
            libc::SYS_clock_gettime => {
                let done = kernel(number, arguments);
                let given = arguments[1] as *mut timespec;
                if done == 0 && time::offset(table, id) != 0 {
                    *given = time::moved(*given, time::offset(table, id));
                }
                done
            }
            _ => kernel(number, arguments),
        }
    }
}

/// timer_create(2): the kernel's, whose timer ids are numbers.
unsafe fn timer(mut arguments: [usize; 6]) -> isize {
    let Some(table) = pod() else { return -libc::ENOSYS as isize };
    // SAFETY: the caller's sigevent.
    unsafe {
        match translate::clock(table, arguments[0] as i32, translate::task) {
            Ok(host) => arguments[0] = host as usize,
            Err(errno) => return -errno as isize,
        }
        let given = arguments[1] as *const libc::sigevent;
        if given.is_null() || (*given).sigev_notify != libc::SIGEV_THREAD_ID {
            return kernel(libc::SYS_timer_create, arguments);
        }
        let mut host = *given;
        match translate::task(table, host.sigev_notify_thread_id) {
            Ok(thread) => host.sigev_notify_thread_id = thread,
            Err(_) => return -libc::EINVAL as isize,
        }
        arguments[1] = &raw const host as usize;
        kernel(libc::SYS_timer_create, arguments)
    }
}

/// futex(2): the operations whose timeout is absolute, on the monotonic clock unless they say otherwise.
unsafe fn futex(mut arguments: [usize; 6]) -> isize {
    let operation = arguments[1] as c_int;
    let absolute = matches!(operation & 127, libc::FUTEX_WAIT_BITSET | libc::FUTEX_WAIT_REQUEUE_PI | 13);
    let given = arguments[3] as *const timespec;
    // SAFETY: the caller's.
    unsafe {
        let Some(table) = pod().filter(|_| absolute && operation & libc::FUTEX_CLOCK_REALTIME == 0 && !given.is_null()) else {
            return kernel(libc::SYS_futex, arguments);
        };
        loop {
            let stamp = table.stamp();
            let deadline = time::to_host(*given, time::offset(table, libc::CLOCK_MONOTONIC));
            arguments[3] = &raw const deadline as usize;
            let done = kernel(libc::SYS_futex, arguments);
            if !restarted(table, stamp, done) {
                return done;
            }
        }
    }
}

/// Calls with a path: which argument it is, and whether a directory's descriptor is before it.
unsafe fn with_path(number: c_long, mut arguments: [usize; 6]) -> isize {
    let at = match number {
        libc::SYS_open
        | libc::SYS_readlink
        | libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_access
        | libc::SYS_chmod
        | libc::SYS_chown
        | libc::SYS_lchown
        | libc::SYS_truncate
        | libc::SYS_unlink => 0,
        libc::SYS_openat
        | libc::SYS_readlinkat
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_fchmodat
        | libc::SYS_fchownat
        | libc::SYS_utimensat
        | libc::SYS_unlinkat => 1,
        // SAFETY: the caller's.
        _ => return unsafe { other(number, arguments) },
    };
    // SAFETY: the caller's.
    unsafe {
        let directory = if at == 0 { libc::AT_FDCWD } else { arguments[0] as i32 };
        let Some(found) = procfs::find(directory, arguments[at] as *const _) else {
            return after_stat(number, arguments, kernel(number, arguments));
        };
        arguments[at] = found.path.as_c_str().as_ptr() as usize;
        match number {
            libc::SYS_open | libc::SYS_openat => {
                let fd = kernel(number, arguments);
                if fd >= 0 {
                    procfs::opened(&found, fd as i32, arguments[at + 1] as i32);
                }
                fd
            }
            libc::SYS_readlink | libc::SYS_readlinkat => {
                proc_files::link_of(found, arguments[at + 1] as *mut _, arguments[at + 2], |_| kernel(number, arguments))
            }
            _ => after_stat(number, arguments, kernel(number, arguments)),
        }
    }
}

/// Puts what a call told of a terminal into the pod's names, if it is one that tells such things.
unsafe fn after_stat(number: c_long, arguments: [usize; 6], done: isize) -> isize {
    if done == 0 {
        // SAFETY: the kernel filled in the caller's structures.
        unsafe {
            match number {
                libc::SYS_stat | libc::SYS_lstat | libc::SYS_fstat => terminals::after_stat(arguments[1] as *mut _),
                libc::SYS_newfstatat => terminals::after_stat(arguments[2] as *mut _),
                libc::SYS_statx => terminals::after_statx(arguments[4] as *mut _),
                _ => {}
            }
        }
    }
    done
}

/// Calls whose libc functions have no form below them here: through those, and back to the kernel's way of failing.
unsafe fn other(number: c_long, [a, b, c, d, e, _]: [usize; 6]) -> isize {
    // SAFETY: the caller's.
    let done = unsafe {
        match number {
            libc::SYS_getsockopt => super::network::getsockopt(a as i32, b as i32, c as i32, d as *mut _, e as *mut _) as isize,
            libc::SYS_timerfd_settime => time::timerfd_settime(a as i32, b as i32, c as *const _, d as *mut _) as isize,
            libc::SYS_sendmsg => super::network::sendmsg(a as i32, b as *const _, c as i32),
            libc::SYS_recvmsg => super::network::recvmsg(a as i32, b as *mut _, c as i32),
            _ => return kernel(number, [a, b, c, d, e, 0]),
        }
    };
    if done == -1 { -crate::sys::errno::get() as isize } else { done }
}
