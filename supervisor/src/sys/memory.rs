//! Reading and writing the memory of other processes, and finding which of their pages hold data.
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// process_vm_readv(2) of one range; short reads end in an error.
pub fn read(pid: i32, address: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let local = libc::iovec { iov_base: buffer[done..].as_mut_ptr().cast(), iov_len: buffer.len() - done };
        let remote = libc::iovec { iov_base: (address + done as u64) as *mut _, iov_len: buffer.len() - done };
        // SAFETY: `local` describes the live rest of `buffer`; the kernel checks the remote side.
        let n = check(unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) } as libc::c_long)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        done += n as usize;
    }
    Ok(())
}

/// process_vm_writev(2) of one range.
pub fn write(pid: i32, address: u64, buffer: &[u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let local = libc::iovec { iov_base: buffer[done..].as_ptr() as *mut _, iov_len: buffer.len() - done };
        let remote = libc::iovec { iov_base: (address + done as u64) as *mut _, iov_len: buffer.len() - done };
        // SAFETY: the kernel only reads from `local`, which describes the live rest of `buffer`.
        let n = check(unsafe { libc::process_vm_writev(pid, &local, 1, &remote, 1, 0) } as libc::c_long)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        done += n as usize;
    }
    Ok(())
}

/// Writes into a file whose pages, of the size `page`, can be written through mappings only (hugetlbfs).
pub fn write_mapped(file: BorrowedFd<'_>, offset: u64, data: &[u8], page: u64) -> io::Result<()> {
    let start = offset / page * page;
    let len = (offset + data.len() as u64).next_multiple_of(page) - start;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: the kernel chooses the place of a new mapping.
    let map =
        unsafe { libc::mmap(std::ptr::null_mut(), len as usize, protection, flags, file.as_raw_fd(), start as libc::off_t) };
    if map == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `[offset, offset + data.len())` of the file is within the mapping, which was made just now and nobody else knows of; it has
    // pages for all of it, or making it would have failed.
    unsafe {
        std::ptr::copy_nonoverlapping(data.as_ptr(), map.cast::<u8>().add((offset - start) as usize), data.len());
        libc::munmap(map, len as usize);
    }
    Ok(())
}

/// A range of pages that PAGEMAP_SCAN reports.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRegion {
    pub start: u64,
    pub end: u64,
    pub categories: u64,
}

pub const PAGE_IS_WRITTEN: u64 = 1 << 1;
pub const PAGE_IS_FILE: u64 = 1 << 2;
pub const PAGE_IS_PRESENT: u64 = 1 << 3;
pub const PAGE_IS_SWAPPED: u64 = 1 << 4;
pub const PAGE_IS_PFNZERO: u64 = 1 << 5;
/// Since Linux 6.15: a guard page of MADV_GUARD_INSTALL (madvise(2)).
pub const PAGE_IS_GUARD: u64 = 1 << 8;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PmScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// The PAGEMAP_SCAN ioctl (Linux 6.7, ioctl_pagemap_scan documentation of the kernel): the populated page ranges of
/// `[start, end)` that are not the zero page, with their categories. `pagemap` is /proc/PID/pagemap.
pub fn pagemap_scan(pagemap: BorrowedFd<'_>, start: u64, end: u64, out: &mut Vec<PageRegion>) -> io::Result<()> {
    let wanted = PmScanArg {
        category_inverted: PAGE_IS_PFNZERO,
        category_mask: PAGE_IS_PFNZERO,
        category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        return_mask: PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        ..PmScanArg::default()
    };
    scan(pagemap, start, end, wanted, out)
}

/// The guard pages of `[start, end)`; an error (EINVAL) where the kernel cannot tell.
pub fn pagemap_guards(pagemap: BorrowedFd<'_>, start: u64, end: u64, out: &mut Vec<PageRegion>) -> io::Result<()> {
    let wanted = PmScanArg { category_mask: PAGE_IS_GUARD, return_mask: PAGE_IS_GUARD, ..PmScanArg::default() };
    scan(pagemap, start, end, wanted, out)
}

fn scan(pagemap: BorrowedFd<'_>, start: u64, end: u64, wanted: PmScanArg, out: &mut Vec<PageRegion>) -> io::Result<()> {
    const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
    let mut regions = [PageRegion::default(); 512];
    let mut at = start;
    while at < end {
        let mut arg = PmScanArg {
            size: size_of::<PmScanArg>() as u64,
            start: at,
            end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            ..wanted
        };
        // SAFETY: `arg` has the kernel's layout and `vec` points to `vec_len` live regions.
        let n = check(unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut arg) }.into())?;
        out.extend_from_slice(&regions[..n as usize]);
        if arg.walk_end <= at {
            break;
        }
        at = arg.walk_end;
    }
    Ok(())
}

/// The populated pages by /proc/PID/pagemap itself, for kernels without PAGEMAP_SCAN (pagemap.rst of the kernel).
pub fn pagemap_read(pagemap: BorrowedFd<'_>, start: u64, end: u64, out: &mut Vec<PageRegion>) -> io::Result<()> {
    let mut buffer = vec![0u8; 64 * 1024];
    let mut at = start;
    while at < end {
        let want = (((end - at) / 4096) as usize * 8).min(buffer.len());
        let got = nix::sys::uio::pread(pagemap, &mut buffer[..want], (at / 4096 * 8) as i64)?;
        if got < 8 {
            break;
        }
        for word in buffer[..got].chunks_exact(8) {
            let entry = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            if entry >> 62 != 0 {
                let categories = if entry >> 61 & 1 == 1 { PAGE_IS_FILE } else { 0 };
                match out.last_mut() {
                    Some(last) if last.end == at && last.categories == categories => last.end = at + 4096,
                    _ => out.push(PageRegion { start: at, end: at + 4096, categories }),
                }
            }
            at += 4096;
        }
    }
    Ok(())
}
