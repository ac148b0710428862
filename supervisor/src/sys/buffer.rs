//! Page aligned memory, which `O_DIRECT` needs (open(2), NOTES): the device reads and writes it without a copy.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of address, length and file offset that every file system's `O_DIRECT` accepts here.
pub const PAGE: usize = 4096;

/// A fixed number of bytes at a page aligned address. Untouched pages cost nothing: the allocator maps a large block
/// lazily.
#[derive(Debug)]
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to this value alone; nothing in it depends on the thread.
unsafe impl Send for AlignedBuf {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// `len` zero bytes; rounded up to whole pages, at least one.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let layout = Self::layout(len.max(1).next_multiple_of(PAGE));
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        match NonNull::new(start) {
            Some(start) => Self { start, len: layout.size() },
            None => handle_alloc_error(layout),
        }
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, PAGE).expect("a buffer length below isize::MAX")
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is valid and initialised (alloc_zeroed) for `len` bytes as long as self lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.len)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_zero_and_writable() {
        let mut buf = AlignedBuf::new(PAGE + 1);
        assert_eq!(buf.len(), 2 * PAGE);
        assert_eq!(buf.as_ptr().align_offset(PAGE), 0);
        assert!(buf.iter().all(|&b| b == 0));
        buf[PAGE] = 7;
        assert_eq!(buf[PAGE], 7);
    }
}
