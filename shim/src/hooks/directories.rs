//! Reading directories: /proc, task directories, /dev/shm, /dev/mqueue and /dev/pts list what is the pod's.

use core::ffi::{c_char, c_void};

use libc::{DIR, c_int, dirent64, size_t, ssize_t};

use super::proc_files::path_of;
use crate::init::pod;
use crate::procfs::path::{Leads, Translated};
use crate::procfs::{self, listing};
use crate::sys::call::call;
use crate::sys::errno::{fail, get, result, set};
use crate::sys::next::next;
use crate::sys::scratch::Scratch;

unsafe fn listed(dir: *mut DIR, found: Option<Translated>) -> *mut DIR {
    let Some(Leads::Listing(kind)) = found.map(|found| found.leads).filter(|_| !dir.is_null()) else { return dir };
    procfs::notice_directory();
    if !listing::register(dir, kind) {
        // SAFETY: the stream that was just opened.
        unsafe { libc::closedir(dir) };
        fail(libc::EMFILE);
        return core::ptr::null_mut();
    }
    dir
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: the caller's.
    unsafe {
        let found = procfs::find(libc::AT_FDCWD, path);
        let dir = next!("opendir", fn(*const c_char) -> *mut DIR)(path_of(&found, path));
        listed(dir, found)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn fdopendir(fd: c_int) -> *mut DIR {
    // SAFETY: the caller's.
    unsafe {
        let dir = next!("fdopendir", fn(c_int) -> *mut DIR)(fd);
        let Some(table) = pod().filter(|_| !dir.is_null() && procfs::relative()) else { return dir };
        let host = procfs::descriptor(fd);
        let own = procfs::path::from_host(table, host.as_bytes()).unwrap_or(host);
        listed(dir, procfs::path::translate(table, own.as_bytes()))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn closedir(dir: *mut DIR) -> c_int {
    listing::forget(dir);
    // SAFETY: the caller's.
    unsafe { next!("closedir", fn(*mut DIR) -> c_int)(dir) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rewinddir(dir: *mut DIR) {
    listing::rewind(dir);
    // SAFETY: the caller's.
    unsafe { next!("rewinddir", fn(*mut DIR))(dir) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readdir(dir: *mut DIR) -> *mut dirent64 {
    // SAFETY: the caller's. On 64 bit both functions have one structure.
    listing::next(dir, || unsafe { next!("readdir64", fn(*mut DIR) -> *mut dirent64)(dir) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readdir64(dir: *mut DIR) -> *mut dirent64 {
    // SAFETY: the caller's.
    unsafe { readdir(dir) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readdir64_r(dir: *mut DIR, entry: *mut dirent64, found: *mut *mut dirent64) -> c_int {
    // SAFETY: the caller's, with room for an entry.
    unsafe {
        let before = get();
        set(0);
        let next = readdir(dir);
        let errno = get();
        set(before);
        if !next.is_null() {
            core::ptr::copy_nonoverlapping(
                next.cast::<u8>(),
                entry.cast(),
                usize::from((*next).d_reclen).min(size_of::<dirent64>()),
            );
        }
        found.write(if next.is_null() { next } else { entry });
        if next.is_null() { errno } else { 0 }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readdir_r(dir: *mut DIR, entry: *mut dirent64, found: *mut *mut dirent64) -> c_int {
    // SAFETY: the caller's.
    unsafe { readdir64_r(dir, entry, found) }
}

type Entries = *mut *mut dirent64;
type Select = unsafe extern "C-unwind" fn(*const dirent64) -> c_int;
type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

/// scandir(3), which in libc reads without the hooks. As there, the entries are allocated: they are the caller's to free.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn scandir(
    path: *const c_char,
    list: *mut Entries,
    select: Option<Select>,
    compare: Option<Compare>,
) -> c_int {
    // SAFETY: the caller's; allocations of our own until they are handed over.
    unsafe {
        if procfs::find(libc::AT_FDCWD, path).is_none() {
            return next!("scandir", fn(*const c_char, *mut Entries, Option<Select>, Option<Compare>) -> c_int)(
                path, list, select, compare,
            );
        }
        let dir = opendir(path);
        if dir.is_null() {
            return -1;
        }
        let (mut entries, mut count, mut room): (Entries, usize, usize) = (core::ptr::null_mut(), 0, 0);
        loop {
            let entry = readdir(dir);
            if entry.is_null() {
                break;
            }
            if select.is_some_and(|select| select(entry) == 0) {
                continue;
            }
            if count == room {
                room = room * 2 + 16;
                entries = libc::realloc(entries.cast(), room * size_of::<*mut dirent64>()).cast();
            }
            let len = usize::from((*entry).d_reclen);
            let copy: *mut u8 = libc::malloc(len).cast();
            if entries.is_null() || copy.is_null() {
                closedir(dir);
                return fail(libc::ENOMEM);
            }
            core::ptr::copy_nonoverlapping(entry.cast(), copy, len);
            entries.add(count).write(copy.cast());
            count += 1;
        }
        closedir(dir);
        if let Some(compare) = compare.filter(|_| count > 0) {
            libc::qsort(entries.cast(), count, size_of::<*mut dirent64>(), Some(compare));
        }
        list.write(entries);
        count as c_int
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn scandir64(
    path: *const c_char,
    list: *mut Entries,
    select: Option<Select>,
    compare: Option<Compare>,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { scandir(path, list, select, compare) }
}

/// glob_t of glibc, whose last five fields are the functions for GLOB_ALTDIRFUNC.
#[repr(C)]
pub struct Glob {
    count: size_t,
    paths: *mut *mut c_char,
    offset: size_t,
    flags: c_int,
    functions: [*const (); 5],
}

const _: () = assert!(size_of::<Glob>() == size_of::<libc::glob_t>());

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn glob(pattern: *const c_char, flags: c_int, failed: *const c_void, found: *mut Glob) -> c_int {
    let real = next!("glob", fn(*const c_char, c_int, *const c_void, *mut Glob) -> c_int);
    // SAFETY: the caller's.
    unsafe {
        if pod().is_none() || flags & libc::GLOB_ALTDIRFUNC != 0 || !procfs::path::special(pattern) {
            return real(pattern, flags, failed, found);
        }
        (*found).functions = [
            closedir as *const (),
            readdir as *const (),
            opendir as *const (),
            super::stat::lstat as *const (),
            super::stat::stat as *const (),
        ];
        let done = real(pattern, flags | libc::GLOB_ALTDIRFUNC, failed, found);
        (*found).flags &= !libc::GLOB_ALTDIRFUNC;
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn glob64(pattern: *const c_char, flags: c_int, failed: *const c_void, found: *mut Glob) -> c_int {
    // SAFETY: the caller's.
    unsafe { glob(pattern, flags, failed, found) }
}

/// getdents64(2).
///
/// # Safety
/// As for the system call.
pub unsafe fn raw_getdents64(fd: c_int, buffer: *mut u8, len: usize) -> isize {
    // SAFETY: the caller's buffer; our own scratch memory.
    unsafe {
        let kind = pod().filter(|_| procfs::relative()).and_then(|table| {
            let host = procfs::descriptor(fd);
            let own = procfs::path::from_host(table, host.as_bytes()).unwrap_or(host);
            match procfs::path::translate(table, own.as_bytes())?.leads {
                Leads::Listing(kind) => Some((table, kind)),
                _ => None,
            }
        });
        let Some((table, kind)) = kind else { return call!(libc::SYS_getdents64, fd, buffer, len) };
        // A name may become longer by so much that its entry takes 32 bytes and not 24.
        let room = len / 4 * 3;
        let Some(mut scratch) = Scratch::new(room.max(1)) else { return -libc::ENOMEM as isize };
        loop {
            let read = call!(libc::SYS_getdents64, fd, scratch.bytes().as_mut_ptr(), room);
            if read <= 0 {
                return read;
            }
            let used =
                listing::rewrite(table, kind, &scratch.bytes()[..read as usize], core::slice::from_raw_parts_mut(buffer, len));
            // Nothing of this part was the pod's: 0 would say that the directory has ended.
            if used > 0 {
                return used as isize;
            }
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn getdents64(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's.
    result(unsafe { raw_getdents64(fd, buffer.cast(), len) })
}
