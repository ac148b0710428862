//! Making processes. A child's virtual id is reserved before the child exists, so that parent and child agree on it
//! whoever is first, and so that a checkpoint in between changes nothing.

use core::arch::naked_asm;

use libc::{c_int, c_void, pid_t};

use autopod_namespace::{HostId, Reservation, Table, VirtualId};

use crate::cache;
use crate::init::{in_pod, pod};
use crate::sys::call::{call, syscall};
use crate::sys::errno::{fail, result};
use crate::sys::next::next;
use crate::sys::tls;

/// Binds the reserved id in the parent and returns it. When the pod was restarted meanwhile (another table), the child may have been made
/// before: then `host` means nothing any more, and the engine has bound the id.
fn made(table: Table, reservation: Reservation, stamp: u64, host: i32) -> i32 {
    let now = table.stamp() == stamp || is_child(host);
    if now && pod().is_none() {
        // Restarted where the kernel realizes the names.
        return host;
    }
    if let Some(host) = HostId::new(host).filter(|_| now) {
        table.bind(reservation, host);
    }
    reservation.id().raw()
}

/// The name of a child that was made by a call which began while the kernel realized the names. They may be the shim's by now; then the id is
/// one of the host, unless the restart came after the child.
pub fn made_at_rest(child: isize) -> isize {
    match pod() {
        Some(table) if child > 0 && is_child(child as i32) => crate::translate::back_own(table, child as i32) as isize,
        _ => child,
    }
}

/// Whether a process of the host is a child of this one.
#[cold]
fn is_child(host: i32) -> bool {
    let how = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: without a place for what it finds, waitid touches no memory.
    unsafe { call!(libc::SYS_waitid, libc::P_PID, host, 0, how, 0) == 0 }
}

/// Marks this thread as one that makes a task within libc, for as long as it lives.
pub struct Making;

impl Making {
    pub fn begin() -> Making {
        let making = &tls::get().making;
        making.set(making.get() + 1);
        Making
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let making = &tls::get().making;
        making.set(making.get() - 1);
    }
}

/// A child that gets a copy of the memory; `make` is the call, with libc's or the kernel's result: 0 in the child,
/// negative on failure. Returns what `make` did, with the id in place of the host's.
pub fn forking(table: Table, make: impl FnOnce() -> isize) -> isize {
    // The parent must know its own id by now: a lookup later might take the child's.
    cache::pid();
    let Some(reservation) = cache::reserve(table) else { return -libc::EAGAIN as isize };
    let stamp = table.stamp();
    let child = make();
    match child {
        0 => {
            // A copy of a vfork child's memory is nobody's but the copy's.
            tls::get().shares.set(0);
            tls::get().making.set(0);
            cache::adopt(table, reservation);
        }
        ..0 => {
            tls::get().reserved.set(0);
            table.release(reservation);
        }
        _ => {
            tls::get().reserved.set(0);
            return made(table, reservation, stamp, child as i32) as isize;
        }
    }
    child
}

/// libc's fork runs the handlers of pthread_atfork and puts its locks in order.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn fork() -> pid_t {
    // SAFETY: as fork itself.
    let real = || unsafe { next!("fork", fn() -> pid_t)() };
    let Some(table) = pod() else { return made_at_rest(real() as isize) as pid_t };
    libc_result(forking(table, || real() as isize))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn _Fork() -> pid_t {
    // SAFETY: as _Fork itself.
    let real = || unsafe { next!("_Fork", fn() -> pid_t)() };
    let Some(table) = pod() else { return made_at_rest(real() as isize) as pid_t };
    libc_result(forking(table, || real() as isize))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __fork() -> pid_t {
    // SAFETY: as fork itself.
    unsafe { fork() }
}

/// libc has set errno when it says -1.
fn libc_result(child: isize) -> pid_t {
    if child == -libc::EAGAIN as isize { fail(libc::EAGAIN) } else { child as pid_t }
}

/// vfork(2) returns twice on one stack: what the child pushes destroys our frame and the return address. So the address
/// and what the parent needs afterwards stay in registers, which the kernel preserves for parent and child alike.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C-unwind" fn vfork() -> pid_t {
    naked_asm!(
        "sub rsp, 8",
        "call {prepare}",
        "add rsp, 8",
        "test rax, rax",
        "js 3f",
        "mov r8, rax",
        "mov r9, rdx",
        "pop r10",
        "mov eax, 58",
        "syscall",
        "push r10",
        "test rax, rax",
        "jz 2f",
        "mov rdi, rax",
        "mov rsi, r8",
        "mov rdx, r9",
        "sub rsp, 8",
        "call {parent}",
        "add rsp, 8",
        "ret",
        "2:",
        "mov rdi, r8",
        "sub rsp, 8",
        "call {child}",
        "add rsp, 8",
        "xor eax, eax",
        "3:",
        "ret",
        prepare = sym vfork_prepare,
        parent = sym vfork_parent,
        child = sym vfork_child,
    )
}

#[repr(C)]
struct Prepared {
    /// The reserved id, 0 outside of a pod, negative on failure.
    id: i64,
    stamp: u64,
}

extern "C" fn vfork_prepare() -> Prepared {
    let words = tls::get();
    let Some(table) = pod() else {
        if in_pod() {
            words.shares.set(words.shares.get() + 1);
        }
        return Prepared { id: 0, stamp: 0 };
    };
    cache::pid();
    let Some(reservation) = cache::reserve(table) else {
        return Prepared { id: fail(libc::EAGAIN).into(), stamp: 0 };
    };
    // The child runs on this thread's words while this thread waits for it.
    words.reserved.set(0);
    words.shares.set(words.shares.get() + 1);
    Prepared { id: reservation.id().raw().into(), stamp: table.stamp() }
}

extern "C" fn vfork_child(id: i64) {
    if let (Some(table), Some(id)) = (pod(), VirtualId::new(id as i32)) {
        let words = tls::get();
        let cached = (words.tid.get(), words.tid_of.get());
        cache::adopt(table, Reservation::of(id));
        // These are the parent's.
        words.tid.set(cached.0);
        words.tid_of.set(cached.1);
    }
}

extern "C" fn vfork_parent(child: isize, id: i64, stamp: u64) -> i32 {
    let words = tls::get();
    if in_pod() {
        words.shares.set(words.shares.get() - 1);
    }
    let Some(id) = VirtualId::new(id as i32) else { return result(made_at_rest(child)) as i32 };
    let Some(table) = pod() else { return result(child) as i32 };
    let reservation = Reservation::of(id);
    if child < 0 {
        table.release(reservation);
        return result(child) as i32;
    }
    made(table, reservation, stamp, child as i32)
}

type Start = extern "C-unwind" fn(*mut c_void) -> c_int;

/// What the child of clone() needs to begin with, at the top of its stack.
#[repr(C, align(16))]
struct Beginning {
    start: Start,
    argument: *mut c_void,
    id: i32,
    flags: c_int,
    set_tid: *mut pid_t,
}

extern "C-unwind" fn begin(beginning: *mut c_void) -> c_int {
    // SAFETY: `clone` put it there, for us alone.
    let Beginning { start, argument, id, flags, set_tid } = unsafe { beginning.cast::<Beginning>().read() };
    if let Some(table) = pod() {
        match VirtualId::new(id) {
            Some(id) => {
                cache::adopt(table, Reservation::of(id));
                if flags & libc::CLONE_VM == 0 {
                    tls::get().making.set(0);
                }
            }
            None => tls::get().tid_of.set(0),
        }
        if flags & libc::CLONE_CHILD_SETTID != 0 && !set_tid.is_null() {
            // SAFETY: the kernel wrote the host's id there already.
            unsafe { set_tid.write(cache::tid()) };
        }
    }
    start(argument)
}

/// clone(2) as libc has it, with a function. (It is variadic; on x86-64 a fixed arity reads the same places.)
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn clone(
    start: Option<Start>,
    stack: *mut c_void,
    flags: c_int,
    argument: *mut c_void,
    parent_tid: *mut pid_t,
    area: *mut c_void,
    child_tid: *mut pid_t,
) -> c_int {
    let real = next!("clone", fn(Option<Start>, *mut c_void, c_int, *mut c_void, *mut pid_t, *mut c_void, *mut pid_t) -> c_int);
    let thread = flags & libc::CLONE_THREAD != 0;
    if !thread && flags & libc::CLONE_VM != 0 && in_pod() {
        cache::share_memory();
    }
    let (Some(table), Some(function), false) = (pod(), start, stack.is_null()) else {
        // SAFETY: the caller's.
        return unsafe { made_at_rest(real(start, stack, flags, argument, parent_tid, area, child_tid) as isize) as c_int };
    };
    let mut id = 0;
    if !thread {
        cache::pid();
        let Some(reservation) = cache::reserve(table) else { return fail(libc::EAGAIN) };
        id = reservation.id().raw();
    }
    let _making = Making::begin();
    let stamp = table.stamp();
    // SAFETY: the caller's stack grows down from `stack`; libc's clone keeps below what it is given.
    let child = unsafe {
        let top = (stack.addr() - size_of::<Beginning>()) & !15;
        let top = stack.with_addr(top);
        top.cast::<Beginning>().write(Beginning { start: function, argument, id, flags, set_tid: child_tid });
        real(Some(begin), top, flags, top, parent_tid, area, child_tid)
    };
    tls::get().reserved.set(0);
    let Some(reservation) = VirtualId::new(id).map(Reservation::of) else {
        return if child > 0 { named(flags, parent_tid, crate::translate::back_own(table, child)) } else { child };
    };
    if child < 0 {
        table.release(reservation);
        return child;
    }
    named(flags, parent_tid, made(table, reservation, stamp, child))
}

fn named(flags: c_int, parent_tid: *mut pid_t, id: i32) -> i32 {
    if flags & libc::CLONE_PARENT_SETTID != 0 && flags & libc::CLONE_PIDFD == 0 && !parent_tid.is_null() {
        // SAFETY: the kernel wrote the host's id there already.
        unsafe { parent_tid.write(id) };
    }
    id
}

/// The system calls fork, clone and clone3, when they copy the memory (raw_syscall.rs).
///
/// # Safety
/// As for the system call, which goes on in the child where it is.
pub unsafe fn raw_forking(number: libc::c_long, arguments: [usize; 6]) -> isize {
    // SAFETY: the caller's.
    let make = || unsafe { syscall(number, arguments) };
    match pod() {
        Some(table) => forking(table, make),
        None => made_at_rest(make()),
    }
}
