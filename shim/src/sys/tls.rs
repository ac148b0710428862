//! The shim's words of each thread. A preloaded library has its thread-local storage in the static block of every thread,
//! so that an access is two instructions and never allocates; Rust's own thread_local! would call __tls_get_addr.

use core::arch::{asm, global_asm};
use core::cell::Cell;

#[repr(C)]
pub struct Words {
    /// The virtual id of this thread, believed while `tid_of` is the process's.
    pub tid: Cell<i32>,
    pub tid_of: Cell<i32>,
    /// Over 0 while a child made by vfork runs on this thread's memory: what is cached is the parent's.
    pub shares: Cell<i32>,
    /// The virtual id reserved for the child that this thread is about to make (hooks/spawn.rs) ...
    pub reserved: Cell<i32>,
    /// ... the host id of the process that reserved it ...
    pub reserver: Cell<i32>,
    /// ... and of the table that it is from, the lower half of the stamp.
    pub reserved_in: Cell<u32>,
    /// Over 0 while a function of libc makes a task, whose id of the host it holds. The engine lets this thread run on.
    pub making: Cell<i32>,
    unused: [i32; 9],
}

global_asm!(
    ".section .tbss,\"awT\",@nobits",
    ".balign 16",
    ".globl autopod_thread",
    ".hidden autopod_thread",
    ".type autopod_thread,@object",
    ".size autopod_thread,64",
    "autopod_thread:",
    ".zero 64",
    ".text"
);

const _: () = assert!(size_of::<Words>() == 64);

/// Where the words are, from the address that the register fs has: the same in all threads of a process.
pub fn offset() -> isize {
    let thread: isize;
    // SAFETY: the first word of the thread's block is its own address (x86-64 ABI).
    unsafe { asm!("mov {0}, qword ptr fs:[0]", out(reg) thread, options(pure, readonly, nostack)) };
    core::ptr::from_ref(get() as &Words).addr() as isize - thread
}

#[inline(always)]
pub fn get() -> &'static Words {
    let address: *const Words;
    // SAFETY: the initial-exec model of the x86-64 ABI. The words are zeroed, of this thread alone, and live as long as it;
    // the reference does not leave the thread.
    unsafe {
        asm!("mov {0}, qword ptr fs:[0]", "add {0}, qword ptr [rip + autopod_thread@GOTTPOFF]",
             out(reg) address, options(pure, readonly, nostack));
        &*address
    }
}
