//! System calls by instruction: libc's own functions are among the hooks.

use core::arch::asm;

use libc::{c_int, c_long};

use autopod_namespace::Table;

use super::tls;

/// What the kernel never lets a program see (ERESTARTSYS, include/linux/errno.h). The engine returns it from a call that
/// a restart interrupted, so that the hook translates its arguments again for the new host (docs/names.md).
pub const RESTARTED: isize = -512;

/// Whether a hook is to translate its arguments again and repeat a call: the engine says so, or the call failed while the
/// pod got another table, so that it may have failed over a host id of before.
#[inline]
pub fn restarted(table: Table, stamp: u64, result: isize) -> bool {
    result == RESTARTED || result < 0 && result != -libc::EINTR as isize && table.stamp() != stamp
}

#[inline(always)]
pub unsafe fn syscall6(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize {
    let result;
    // SAFETY: the caller's, as for any system call; the kernel changes rax, rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
             in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// `call!(SYS_kill, pid, signal)`: the raw result, an errno negated.
macro_rules! call {
    ($n:expr) => { $crate::sys::call::syscall6($n, 0, 0, 0, 0, 0, 0) };
    ($n:expr, $a:expr) => { $crate::sys::call::syscall6($n, $a as usize, 0, 0, 0, 0, 0) };
    ($n:expr, $a:expr, $b:expr) => { $crate::sys::call::syscall6($n, $a as usize, $b as usize, 0, 0, 0, 0) };
    ($n:expr, $a:expr, $b:expr, $c:expr) => {
        $crate::sys::call::syscall6($n, $a as usize, $b as usize, $c as usize, 0, 0, 0)
    };
    ($n:expr, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::sys::call::syscall6($n, $a as usize, $b as usize, $c as usize, $d as usize, 0, 0)
    };
    ($n:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::sys::call::syscall6($n, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize, 0)
    };
    ($n:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::sys::call::syscall6($n, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize, $f as usize)
    };
}
pub(crate) use call;

/// The system call `number` with these arguments.
#[inline(always)]
pub unsafe fn syscall(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    // SAFETY: the caller's.
    unsafe { syscall6(number, a, b, c, d, e, f) }
}

unsafe extern "C-unwind" {
    static __libc_single_threaded: u8;
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
}

/// A blocking call that is a cancellation point (pthreads(7)): cancellable while it blocks, as in libc.
#[inline(always)]
pub unsafe fn cancellable(call: impl FnOnce() -> isize) -> isize {
    // SAFETY: a byte that libc only ever clears. In a vfork child the thread is not alone, but it is not to be cancelled.
    if unsafe { __libc_single_threaded } != 0 || tls::get().shares.get() != 0 {
        return call();
    }
    let mut old = 0;
    // SAFETY: plain libc calls; the closure holds nothing that an unwinding thread would leave behind.
    unsafe {
        pthread_setcanceltype(1, &mut old);
        let result = call();
        pthread_setcanceltype(old, core::ptr::null_mut());
        result
    }
}
