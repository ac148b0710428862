//! The table itself: a pointer to the mapping, and the settings in its header.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering::*};

use crate::Error;
use crate::layout::{FILE_SIZE, Header, Layout, MAGIC, VERSION};
use crate::path::PathText;

/// A pod's namespace table, mapped. A copy of a `Table` is the same mapping; the mapping lasts as long as the process
/// unless it is [`unmap`](Table::unmap)ped.
#[derive(Clone, Copy, Debug)]
pub struct Table(NonNull<Layout>);

// SAFETY: every field of the layout is an atomic.
unsafe impl Send for Table {}
// SAFETY: every field of the layout is an atomic.
unsafe impl Sync for Table {}

/// What happens when a program that no preloaded library can reach (static, or set-uid) is executed in a pod whose names
/// the shim realizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// exec fails with EACCES and a line on standard error.
    Refuse,
    /// It runs, with host names, after a line on standard error.
    Warn,
}

impl Table {
    /// The table whose mapping begins at `address`.
    ///
    /// # Safety
    /// `FILE_SIZE` bytes from `address` are mapped shared, readable and writable, for as long as any copy of the result is
    /// used, and hold a file that [`Table::create`] made.
    pub unsafe fn at(address: *mut c_void) -> Result<Table, Error> {
        let layout = NonNull::new(address.cast::<Layout>()).ok_or(Error::NotATable)?;
        let table = Table(layout);
        if table.header().magic.load(Acquire) != MAGIC {
            return Err(Error::NotATable);
        }
        match table.header().version.load(Relaxed) {
            VERSION => Ok(table),
            found => Err(Error::Version { found }),
        }
    }

    /// The table at an address that is known to hold one, without looking.
    ///
    /// # Safety
    /// As for [`Table::at`], which has said yes to this address before.
    #[inline(always)]
    pub unsafe fn at_known(address: *mut c_void) -> Table {
        // SAFETY: the caller's promise includes that it is not null.
        Table(unsafe { NonNull::new_unchecked(address.cast()) })
    }

    #[inline]
    pub fn address(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// # Safety
    /// No copy of this table is used afterwards.
    pub unsafe fn unmap(self) {
        // SAFETY: the mapping is FILE_SIZE bytes long (Table::at) and no longer used.
        unsafe { libc::munmap(self.address(), FILE_SIZE) };
    }

    #[inline(always)]
    pub(crate) fn layout(&self) -> &Layout {
        // SAFETY: Table::at's promise.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        &self.layout().header.0
    }

    /// Random, and another one in each table that is made: a hook that saw it change was restarted meanwhile.
    #[inline]
    pub fn stamp(&self) -> u64 {
        self.header().stamp.load(Relaxed)
    }

    /// Names the pod's POSIX objects (names.rs).
    pub fn pod_id(&self) -> u64 {
        self.header().pod_id.load(Relaxed)
    }

    pub fn pod_name(&self) -> PathText {
        read_text(&self.header().pod_name)
    }

    /// Where the file of this table is: what a program executed in the pod gets as AUTOPOD_TABLE.
    pub fn path(&self) -> PathText {
        read_text(&self.header().path)
    }

    /// Whether the pod's names are realized by the kernel now: it was restarted under `--names kernel`.
    pub fn is_dormant(&self) -> bool {
        self.header().dormant.load(Relaxed) != 0
    }

    pub fn set_dormant(&self) {
        self.header().dormant.store(1, Relaxed);
    }

    pub fn unreachable(&self) -> Unreachable {
        match self.header().policy.load(Relaxed) {
            1 => Unreachable::Warn,
            _ => Unreachable::Refuse,
        }
    }

    pub fn set_unreachable(&self, policy: Unreachable) {
        self.header().policy.store((policy == Unreachable::Warn).into(), Relaxed);
    }
}

pub(crate) fn read_text(from: &[AtomicU8]) -> PathText {
    let mut text = PathText::new();
    for byte in from {
        match byte.load(Relaxed) {
            0 => break,
            byte => text.push(&[byte]),
        };
    }
    text
}

/// Stores `text` with a NUL. False, and nothing stored, when it does not fit.
pub(crate) fn write_text(to: &[AtomicU8], text: &[u8]) -> bool {
    if text.len() >= to.len() || text.contains(&0) {
        return false;
    }
    for (slot, byte) in to.iter().zip(text.iter().chain(core::iter::repeat(&0))) {
        slot.store(*byte, Relaxed);
    }
    true
}
