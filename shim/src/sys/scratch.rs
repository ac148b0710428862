//! Memory for the length of one hook, from the kernel: a hook does not allocate, and its stack may be a small one.

use super::call::call;

pub struct Scratch {
    address: *mut u8,
    len: usize,
}

impl Scratch {
    pub fn new(len: usize) -> Option<Scratch> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe { call!(libc::SYS_mmap, 0, len, prot, flags, -1i32 as isize, 0) };
        (address > 0).then_some(Scratch { address: address as *mut u8, len })
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: our own mapping of this length.
        unsafe { core::slice::from_raw_parts_mut(self.address, self.len) }
    }

    pub fn words(&mut self) -> &mut [usize] {
        // SAFETY: our own mapping of this length, page aligned.
        unsafe { core::slice::from_raw_parts_mut(self.address.cast(), self.len / size_of::<usize>()) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: our own mapping, no longer used.
        unsafe { call!(libc::SYS_munmap, self.address, self.len) };
    }
}
