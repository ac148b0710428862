//! stat(2) and its relatives: paths as in proc_files.rs, and the device numbers of terminals in what they say.

use core::ffi::{c_char, c_void};

use libc::{c_int, c_uint, stat as Stat};

use super::proc_files::path_of;
use crate::procfs;
use crate::sys::next::next;
use crate::terminals::{after_stat, after_statx};

macro_rules! by_path {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(path: *const c_char, buffer: *mut Stat) -> c_int {
            // SAFETY: the caller's. On 64 bit both structures are one.
            unsafe {
                let found = procfs::find(libc::AT_FDCWD, path);
                let done = next!($text, fn(*const c_char, *mut Stat) -> c_int)(path_of(&found, path), buffer);
                if done == 0 {
                    after_stat(buffer);
                }
                done
            }
        }
    )*};
}

by_path! {
    "stat" stat;
    "stat64" stat64;
    "lstat" lstat;
    "lstat64" lstat64;
}

macro_rules! by_descriptor {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fd: c_int, buffer: *mut Stat) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                let done = next!($text, fn(c_int, *mut Stat) -> c_int)(fd, buffer);
                if done == 0 {
                    after_stat(buffer);
                }
                done
            }
        }
    )*};
}

by_descriptor! {
    "fstat" fstat;
    "fstat64" fstat64;
}

macro_rules! by_path_at {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(directory: c_int, path: *const c_char, buffer: *mut Stat, flags: c_int) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                let found = procfs::find(directory, path);
                let done = next!($text, fn(c_int, *const c_char, *mut Stat, c_int) -> c_int)(directory, path_of(&found, path), buffer, flags);
                if done == 0 {
                    after_stat(buffer);
                }
                done
            }
        }
    )*};
}

by_path_at! {
    "fstatat" fstatat;
    "fstatat64" fstatat64;
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn statx(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    buffer: *mut libc::statx,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let found = procfs::find(directory, path);
        let real = next!("statx", fn(c_int, *const c_char, c_int, c_uint, *mut c_void) -> c_int);
        let done = real(directory, path_of(&found, path), flags, mask, buffer.cast());
        if done == 0 {
            after_statx(buffer);
        }
        done
    }
}

/// As programs linked before glibc 2.33 call them, with a version in front.
macro_rules! versioned {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(version: c_int, path: *const c_char, buffer: *mut Stat) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                let found = procfs::find(libc::AT_FDCWD, path);
                let done = next!($text, fn(c_int, *const c_char, *mut Stat) -> c_int)(version, path_of(&found, path), buffer);
                if done == 0 {
                    after_stat(buffer);
                }
                done
            }
        }
    )*};
}

versioned! {
    "__xstat" __xstat;
    "__xstat64" __xstat64;
    "__lxstat" __lxstat;
    "__lxstat64" __lxstat64;
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __fxstat(version: c_int, fd: c_int, buffer: *mut Stat) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let done = next!("__fxstat", fn(c_int, c_int, *mut Stat) -> c_int)(version, fd, buffer);
        if done == 0 {
            after_stat(buffer);
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __fxstat64(version: c_int, fd: c_int, buffer: *mut Stat) -> c_int {
    // SAFETY: the caller's; the structures are the same on 64 bit.
    unsafe { __fxstat(version, fd, buffer) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __fxstatat(
    version: c_int,
    directory: c_int,
    path: *const c_char,
    buffer: *mut Stat,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let found = procfs::find(directory, path);
        let real = next!("__fxstatat", fn(c_int, c_int, *const c_char, *mut Stat, c_int) -> c_int);
        let done = real(version, directory, path_of(&found, path), buffer, flags);
        if done == 0 {
            after_stat(buffer);
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __fxstatat64(
    version: c_int,
    directory: c_int,
    path: *const c_char,
    buffer: *mut Stat,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's; the structures are the same on 64 bit.
    unsafe { __fxstatat(version, directory, path, buffer, flags) }
}
