//! Making and naming pseudo terminals, which libc does without going through the hooks: ptsname(3), ttyname(3), openpty(3).

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_void};

use libc::{c_int, size_t};

use autopod_namespace::PathText;

use crate::init::pod;
use crate::procfs;
use crate::sys::call::call;
use crate::sys::errno::set;
use crate::sys::next::next;
use crate::terminals;

/// What ptsname and ttyname return points here, until the next call (they are MT-Unsafe, attributes(7)).
struct Shared(UnsafeCell<[u8; 32]>);

// SAFETY: written by functions of which the program may have one call at a time only.
unsafe impl Sync for Shared {}

static MASTERS: Shared = Shared(UnsafeCell::new([0; 32]));
static SLAVES: Shared = Shared(UnsafeCell::new([0; 32]));

impl Shared {
    fn hold(&self, name: &PathText) -> *mut c_char {
        let bytes = name.as_c_str().to_bytes_with_nul();
        // SAFETY: the name of a terminal is shorter; see above.
        unsafe { (&mut (*self.0.get()))[..bytes.len()].copy_from_slice(bytes) };
        self.0.get().cast()
    }
}

/// Copies a name as the *_r functions do, which return their errno.
unsafe fn give(name: &PathText, buffer: *mut c_char, size: size_t) -> c_int {
    let bytes = name.as_c_str().to_bytes_with_nul();
    if size < bytes.len() {
        set(libc::ERANGE);
        return libc::ERANGE;
    }
    // SAFETY: the caller's buffer of `size` bytes.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), buffer, bytes.len()) };
    0
}

/// The name of a master's slave, or an errno; `None` outside of a pod.
fn slave_of(master: c_int) -> Option<Result<PathText, c_int>> {
    let number = terminals::of_master(pod()?, master);
    Some(number.map(terminals::path).map_err(|raw| -raw as c_int))
}

/// The name of the terminal that `fd` is; `None`: libc finds out what it is.
fn terminal(fd: c_int) -> Option<PathText> {
    let table = pod()?;
    let host = terminals::in_path(procfs::descriptor(fd).as_bytes())?;
    let mut settings = [0u8; 64];
    // SAFETY: the kernel writes a struct termios of its own, 36 bytes.
    let is_terminal = unsafe { call!(libc::SYS_ioctl, fd, libc::TCGETS, settings.as_mut_ptr()) } == 0;
    is_terminal.then(|| terminals::path(terminals::number(table, host)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ptsname(fd: c_int) -> *mut c_char {
    match slave_of(fd) {
        // SAFETY: it takes no memory.
        None => unsafe { next!("ptsname", fn(c_int) -> *mut c_char)(fd) },
        Some(Ok(name)) => MASTERS.hold(&name),
        Some(Err(errno)) => {
            set(errno);
            core::ptr::null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ptsname_r(fd: c_int, buffer: *mut c_char, size: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match slave_of(fd) {
            Some(Ok(name)) if !buffer.is_null() => give(&name, buffer, size),
            Some(Err(errno)) if !buffer.is_null() => {
                set(errno);
                errno
            }
            _ => next!("ptsname_r", fn(c_int, *mut c_char, size_t) -> c_int)(fd, buffer, size),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __ptsname_r_chk(fd: c_int, buffer: *mut c_char, size: size_t, _room: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { ptsname_r(fd, buffer, size) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ttyname(fd: c_int) -> *mut c_char {
    // SAFETY: the caller's.
    unsafe { terminal(fd).map_or_else(|| next!("ttyname", fn(c_int) -> *mut c_char)(fd), |name| SLAVES.hold(&name)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ttyname_r(fd: c_int, buffer: *mut c_char, size: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match terminal(fd).filter(|_| !buffer.is_null()) {
            Some(name) => give(&name, buffer, size),
            None => next!("ttyname_r", fn(c_int, *mut c_char, size_t) -> c_int)(fd, buffer, size),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn __ttyname_r_chk(fd: c_int, buffer: *mut c_char, size: size_t, _room: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { ttyname_r(fd, buffer, size) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn posix_openpt(flags: c_int) -> c_int {
    // SAFETY: it takes no memory.
    let fd = unsafe { next!("posix_openpt", fn(c_int) -> c_int)(flags) };
    terminals::notice(fd);
    fd
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn getpt() -> c_int {
    // SAFETY: it takes no memory.
    let fd = unsafe { next!("getpt", fn() -> c_int)() };
    terminals::notice(fd);
    fd
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn openpty(
    master: *mut c_int,
    slave: *mut c_int,
    name: *mut c_char,
    settings: *const c_void,
    size: *const c_void,
) -> c_int {
    let real = next!("openpty", fn(*mut c_int, *mut c_int, *mut c_char, *const c_void, *const c_void) -> c_int);
    // SAFETY: the caller's; a buffer for a name is long enough for one (openpty(3)).
    unsafe {
        let done = real(master, slave, name, settings, size);
        if let Some(Ok(own)) = (done == 0).then(|| slave_of(*master)).flatten()
            && !name.is_null()
        {
            let bytes = own.as_c_str().to_bytes_with_nul();
            core::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), name, bytes.len());
        }
        done
    }
}
