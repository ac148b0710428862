//! The process's and the thread's own virtual ids, remembered. Only virtual ids are ever kept in the program's memory:
//! they are the same after a restart, host ids are not.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::*};

use autopod_namespace::{HostId, Reservation, Table, VirtualId};

use crate::init::pod;
use crate::sys::call::call;
use crate::sys::tls;

/// A page that the kernel empties in a forked child (MADV_WIPEONFORK, madvise(2)), where the parent's id would be wrong.
#[repr(C, align(4096))]
struct Page {
    pid: AtomicI32,
    unused: [AtomicU32; 1023],
}

static PAGE: Page = Page { pid: AtomicI32::new(0), unused: [const { AtomicU32::new(0) }; 1023] };

/// 1 when the page is wiped on fork and no process shares this memory; 0 when nothing may be remembered.
static REMEMBERS: AtomicU32 = AtomicU32::new(0);

pub fn prepare() {
    // The page is in .bss, past the last page of the file: private and anonymous, as madvise asks.
    // SAFETY: wiping a page of ours that holds nothing yet.
    let wiped = unsafe { call!(libc::SYS_madvise, &raw const PAGE, 4096, libc::MADV_WIPEONFORK) };
    REMEMBERS.store((wiped == 0).into(), Relaxed);
}

/// From now on another process runs in this memory.
pub fn share_memory() {
    REMEMBERS.store(0, Relaxed);
    PAGE.pid.store(0, Relaxed);
}

fn raw_pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call!(libc::SYS_getpid) as i32 }
}

fn raw_tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { call!(libc::SYS_gettid) as i32 }
}

/// getpid(2), in the pod's names; the host's outside of a pod.
#[inline(always)]
pub fn pid() -> i32 {
    let known = PAGE.pid.load(Relaxed);
    if known != 0 && tls::get().shares.get() == 0 { known } else { find_pid() }
}

#[cold]
#[inline(never)]
fn find_pid() -> i32 {
    let host = raw_pid();
    let Some(table) = pod() else { return host };
    let id = own(table, host);
    if REMEMBERS.load(Relaxed) != 0 && tls::get().shares.get() == 0 {
        PAGE.pid.store(id, Relaxed);
    }
    id
}

/// gettid(2), in the pod's names.
#[inline(always)]
pub fn tid() -> i32 {
    let words = tls::get();
    let process = PAGE.pid.load(Relaxed);
    if process != 0 && words.tid_of.get() == process && words.shares.get() == 0 { words.tid.get() } else { find_tid() }
}

#[cold]
#[inline(never)]
fn find_tid() -> i32 {
    let host = raw_tid();
    let Some(table) = pod() else { return host };
    let process = pid();
    // Threads come and go without a word; each new one pays for two that may be gone.
    sweep(table);
    let id = own(table, host);
    let words = tls::get();
    if PAGE.pid.load(Relaxed) == process && words.shares.get() == 0 {
        words.tid.set(id);
        words.tid_of.set(process);
    }
    id
}

/// The name of the calling task, whose host id is `host`. A forked child takes the one its parent reserved for it.
fn own(table: Table, host: i32) -> i32 {
    let Some(host) = HostId::new(host) else { return host };
    let words = tls::get();
    // After a restart the parent has another id of the host, too, and would be taken for the child.
    let reserved = VirtualId::new(words.reserved.get()).filter(|_| words.reserved_in.get() == table.stamp() as u32);
    if let Some(id) = reserved.filter(|_| words.reserver.get() != host.raw()) {
        table.bind(Reservation::of(id), host);
    }
    table.virtual_for_task(host).map_or(host.raw(), VirtualId::raw)
}

/// In a new child, before anything else of it runs.
pub fn adopt(table: Table, reservation: Reservation) {
    if let Some(host) = HostId::new(raw_tid()) {
        table.bind(reservation, host);
    }
    let words = tls::get();
    words.reserved.set(0);
    words.tid_of.set(0);
}

/// Has the table forget a few ids that are no longer in use.
fn sweep(table: Table) {
    table.sweep(2, |ids| {
        let host = ids.host.raw();
        // SAFETY: signal 0 only asks; ESRCH is the answer when no task, or no group, has the id.
        let there = |id: isize| unsafe { call!(libc::SYS_kill, id, 0) } != -libc::ESRCH as isize;
        if ids.session { names_anything(host) } else { !ids.reaped && there(host as isize) || there(-host as isize) }
    });
}

/// Whether an id names a task, a group or a session. F_SETOWN takes any id that the kernel has in use, for whatever
/// (f_setown in fs/fcntl.c), and is the only call that finds a session without a leader.
#[cold]
fn names_anything(host: i32) -> bool {
    // SAFETY: these calls touch no memory; the descriptor is ours.
    unsafe {
        let fd = call!(libc::SYS_eventfd2, 0, libc::EFD_CLOEXEC);
        if fd < 0 {
            return true;
        }
        let owned = call!(libc::SYS_fcntl, fd, libc::F_SETOWN, host);
        call!(libc::SYS_close, fd);
        owned != -libc::ESRCH as isize
    }
}

/// Takes an id for a child, and has the table forget a few that are no longer in use.
pub fn reserve(table: Table) -> Option<Reservation> {
    let reservation = table.reserve()?;
    sweep(table);
    let words = tls::get();
    words.reserver.set(raw_pid());
    words.reserved_in.set(table.stamp() as u32);
    words.reserved.set(reservation.id().raw());
    Some(reservation)
}
