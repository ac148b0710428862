//! Functions that take a path. All but those into /proc, /dev/shm, /dev/mqueue and /dev/pts go straight on to libc.

use core::ffi::{CStr, c_char, c_void};

use libc::{FILE, c_int, dev_t, gid_t, mode_t, off_t, size_t, ssize_t, timespec, uid_t};

use autopod_namespace::PathText;

use crate::init::pod;
use crate::procfs;
use crate::procfs::path::{Leads, Translated};
use crate::sys::errno::fail;
use crate::sys::next::next;
use crate::terminals;

pub fn path_of(found: &Option<Translated>, given: *const c_char) -> *const c_char {
    found.as_ref().map_or(given, |found| found.path.as_c_str().as_ptr())
}

/// Functions with a path after what is before the bar, and `result` untouched.
macro_rules! with_path {
    ($($text:literal $name:ident($path:ident $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($path: *const c_char $(, $argument: $type)*) -> $result {
            // SAFETY: the caller's.
            unsafe {
                let found = procfs::find(libc::AT_FDCWD, $path);
                next!($text, fn(*const c_char $(, $type)*) -> $result)(path_of(&found, $path) $(, $argument)*)
            }
        }
    )*};
}

/// The same behind a directory's descriptor.
macro_rules! with_path_at {
    ($($text:literal $name:ident($directory:ident, $path:ident $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($directory: c_int, $path: *const c_char $(, $argument: $type)*) -> $result {
            // SAFETY: the caller's. A translated path is absolute, so that the directory does not matter.
            unsafe {
                let found = procfs::find($directory, $path);
                next!($text, fn(c_int, *const c_char $(, $type)*) -> $result)($directory, path_of(&found, $path) $(, $argument)*)
            }
        }
    )*};
}

with_path! {
    "access" access(path, mode: c_int) -> c_int;
    "eaccess" eaccess(path, mode: c_int) -> c_int;
    "euidaccess" euidaccess(path, mode: c_int) -> c_int;
    "statfs" statfs(path, buffer: *mut c_void) -> c_int;
    "statfs64" statfs64(path, buffer: *mut c_void) -> c_int;
    "statvfs" statvfs(path, buffer: *mut c_void) -> c_int;
    "statvfs64" statvfs64(path, buffer: *mut c_void) -> c_int;
    "truncate" truncate(path, len: off_t) -> c_int;
    "truncate64" truncate64(path, len: off_t) -> c_int;
    "unlink" unlink(path) -> c_int;
    "remove" remove(path) -> c_int;
    "rmdir" rmdir(path) -> c_int;
    "mkdir" mkdir(path, mode: mode_t) -> c_int;
    "mkfifo" mkfifo(path, mode: mode_t) -> c_int;
    "mknod" mknod(path, mode: mode_t, device: dev_t) -> c_int;
    "chmod" chmod(path, mode: mode_t) -> c_int;
    "chown" chown(path, user: uid_t, group: gid_t) -> c_int;
    "lchown" lchown(path, user: uid_t, group: gid_t) -> c_int;
    "utimes" utimes(path, times: *const c_void) -> c_int;
    "getxattr" getxattr(path, name: *const c_char, value: *mut c_void, size: size_t) -> ssize_t;
    "lgetxattr" lgetxattr(path, name: *const c_char, value: *mut c_void, size: size_t) -> ssize_t;
}

with_path_at! {
    "faccessat" faccessat(directory, path, mode: c_int, flags: c_int) -> c_int;
    "unlinkat" unlinkat(directory, path, flags: c_int) -> c_int;
    "mkdirat" mkdirat(directory, path, mode: mode_t) -> c_int;
    "fchmodat" fchmodat(directory, path, mode: mode_t, flags: c_int) -> c_int;
    "fchownat" fchownat(directory, path, user: uid_t, group: gid_t, flags: c_int) -> c_int;
    "utimensat" utimensat(directory, path, times: *const timespec, flags: c_int) -> c_int;
    "inotify_add_watch" inotify_add_watch(directory, path, mask: u32) -> c_int;
}

/// Functions with two paths.
macro_rules! with_paths {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(from: *const c_char, to: *const c_char) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                let (old, new) = (procfs::find(libc::AT_FDCWD, from), procfs::find(libc::AT_FDCWD, to));
                next!($text, fn(*const c_char, *const c_char) -> c_int)(path_of(&old, from), path_of(&new, to))
            }
        }
    )*};
}

with_paths! {
    "rename" rename;
    "link" link;
}

/// open(2) and its relatives. (Variadic; on x86-64 a fixed arity reads the same places.)
macro_rules! open {
    ($($text:literal $name:ident($($directory:ident)?);)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($($directory: c_int,)? path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                #[allow(unused_mut, unused_assignments)]
                let mut base = libc::AT_FDCWD;
                $(base = $directory;)?
                let found = procfs::find(base, path);
                let fd = next!($text, fn($(open!(@ $directory),)? *const c_char, c_int, mode_t) -> c_int)($($directory,)? path_of(&found, path), flags, mode);
                if let Some(found) = found.filter(|_| fd >= 0) {
                    procfs::opened(&found, fd, flags);
                }
                fd
            }
        }
    )*};
    (@ $directory:ident) => { c_int };
}

open! {
    "open" open();
    "open64" open64();
    "__open_2" __open_2();
    "__open64_2" __open64_2();
    "openat" openat(directory);
    "openat64" openat64(directory);
    "__openat_2" __openat_2(directory);
    "__openat64_2" __openat64_2(directory);
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn creat64(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { creat(path, mode) }
}

macro_rules! fopen {
    ($($text:literal $name:ident;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(path: *const c_char, mode: *const c_char) -> *mut FILE {
            let real = next!($text, fn(*const c_char, *const c_char) -> *mut FILE);
            // SAFETY: the caller's.
            unsafe {
                let Some(found) = procfs::find(libc::AT_FDCWD, path) else { return real(path, mode) };
                let stream = real(found.path.as_c_str().as_ptr(), mode);
                // Nothing is read yet: the stream's descriptor may still become another file.
                let kind = CStr::from_ptr(mode).to_bytes();
                if !stream.is_null() && kind.first() == Some(&b'r') && !kind.contains(&b'+') {
                    let cloexec = if kind.contains(&b'e') { libc::O_CLOEXEC } else { 0 };
                    procfs::opened(&found, libc::fileno(stream), libc::O_RDONLY | cloexec);
                }
                stream
            }
        }
    )*};
}

fopen! {
    "fopen" fopen;
    "fopen64" fopen64;
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn chdir(path: *const c_char) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let found = procfs::find(libc::AT_FDCWD, path);
        if found.is_some() {
            procfs::notice_directory();
        }
        next!("chdir", fn(*const c_char) -> c_int)(path_of(&found, path))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn getcwd(buffer: *mut c_char, size: size_t) -> *mut c_char {
    // SAFETY: the caller's buffer of `size` bytes, or one that libc allocated with room for the path only.
    unsafe {
        let path = next!("getcwd", fn(*mut c_char, size_t) -> *mut c_char)(buffer, size);
        if path.is_null() || !procfs::relative() {
            return path;
        }
        let own = pod().and_then(|table| procfs::path::from_host(table, CStr::from_ptr(path).to_bytes()));
        let Some(own) = own else { return path };
        give_path(&own, path, if buffer.is_null() { None } else { Some(size) }, libc::ERANGE)
    }
}

/// Returns `own` in place of `path`, which is the caller's of that size or was allocated by libc.
unsafe fn give_path(own: &PathText, path: *mut c_char, size: Option<usize>, short: c_int) -> *mut c_char {
    let bytes = own.as_c_str().to_bytes_with_nul();
    // SAFETY: the caller's.
    unsafe {
        let to = match size {
            Some(size) if size < bytes.len() => {
                fail(short);
                return core::ptr::null_mut();
            }
            Some(_) => path,
            None => libc::realloc(path.cast(), bytes.len()).cast(),
        };
        if !to.is_null() {
            core::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len());
        }
        to
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char {
    let real = next!("realpath", fn(*const c_char, *mut c_char) -> *mut c_char);
    // SAFETY: the caller's; a buffer has PATH_MAX bytes (realpath(3)).
    unsafe {
        let found = procfs::find(libc::AT_FDCWD, path);
        let path = real(path_of(&found, path), resolved);
        // A link may lead to a terminal from anywhere (/dev/stdin).
        if path.is_null() || found.is_none() && terminals::in_path(CStr::from_ptr(path).to_bytes()).is_none() {
            return path;
        }
        let own = pod().and_then(|table| procfs::path::from_host(table, CStr::from_ptr(path).to_bytes()));
        let Some(own) = own else { return path };
        give_path(&own, path, (!resolved.is_null()).then_some(4096), libc::ENAMETOOLONG)
    }
}

/// readlink(2): what a link of /proc says, in the pod's names.
pub unsafe fn link_of(
    found: Translated,
    buffer: *mut c_char,
    size: size_t,
    real: impl FnOnce(*const c_char) -> ssize_t,
) -> ssize_t {
    if let Leads::Own { thread } = found.leads {
        return copy_link(&procfs::own_link(thread), buffer, size);
    }
    // Into memory of ours first: what is behind a link in the program's buffer has to stay as it was.
    let host = procfs::link(found.path.as_c_str());
    match pod().and_then(|table| procfs::path::from_host(table, host.as_bytes())) {
        Some(own) if size > 0 => copy_link(&own, buffer, size),
        _ => real(found.path.as_c_str().as_ptr()),
    }
}

fn copy_link(link: &PathText, buffer: *mut c_char, size: size_t) -> ssize_t {
    let len = link.as_bytes().len().min(size);
    // SAFETY: the caller's buffer of `size` bytes.
    unsafe { core::ptr::copy_nonoverlapping(link.as_bytes().as_ptr().cast(), buffer, len) };
    len as ssize_t
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readlink(path: *const c_char, buffer: *mut c_char, size: size_t) -> ssize_t {
    let real = next!("readlink", fn(*const c_char, *mut c_char, size_t) -> ssize_t);
    // SAFETY: the caller's.
    unsafe {
        match procfs::find(libc::AT_FDCWD, path) {
            Some(found) => link_of(found, buffer, size, |path| real(path, buffer, size)),
            None => real(path, buffer, size),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn readlinkat(directory: c_int, path: *const c_char, buffer: *mut c_char, size: size_t) -> ssize_t {
    let real = next!("readlinkat", fn(c_int, *const c_char, *mut c_char, size_t) -> ssize_t);
    // SAFETY: the caller's.
    unsafe {
        match procfs::find(directory, path) {
            Some(found) => link_of(found, buffer, size, |path| real(directory, path, buffer, size)),
            None => real(directory, path, buffer, size),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __readlink_chk(path: *const c_char, buffer: *mut c_char, size: size_t, _room: size_t) -> ssize_t {
    // SAFETY: the caller's.
    unsafe { readlink(path, buffer, size) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __readlinkat_chk(
    directory: c_int,
    path: *const c_char,
    buffer: *mut c_char,
    size: size_t,
    _room: size_t,
) -> ssize_t {
    // SAFETY: the caller's.
    unsafe { readlinkat(directory, path, buffer, size) }
}
