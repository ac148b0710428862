//! POSIX shared memory, named semaphores and message queues: the pod's id is part of the name on the host.

use core::ffi::{CStr, c_char, c_void};

use libc::{c_int, c_uint, mode_t};

use autopod_namespace::PathText;

use crate::init::pod;
use crate::sys::errno::fail;
use crate::sys::next::next;

/// The host's name for "/name", with the slash; `None` when libc is to judge the name as it is.
unsafe fn host_name(name: *const c_char) -> Result<Option<PathText>, i32> {
    let Some(table) = pod().filter(|_| !name.is_null()) else { return Ok(None) };
    // SAFETY: the caller's name.
    let own = unsafe { CStr::from_ptr(name) }.to_bytes();
    let bare = own.iter().position(|c| *c != b'/').map_or(&b""[..], |at| &own[at..]);
    if bare.is_empty() || bare.contains(&b'/') {
        return Ok(None);
    }
    let mut host = PathText::new();
    if own.starts_with(b"/") {
        host.push(b"/");
    }
    match table.host_posix_name(bare) {
        Some(name) if host.push(name.as_bytes()) => Ok(Some(host)),
        _ => Err(libc::ENAMETOOLONG),
    }
}

macro_rules! named {
    ($($text:literal $name:ident($($argument:ident: $type:ty),*) -> $result:ty, $failed:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(name: *const c_char $(, $argument: $type)*) -> $result {
            // SAFETY: the caller's.
            unsafe {
                match host_name(name) {
                    Ok(host) => {
                        let name = host.as_ref().map_or(name, |host| host.as_c_str().as_ptr());
                        next!($text, fn(*const c_char $(, $type)*) -> $result)(name $(, $argument)*)
                    }
                    Err(errno) => {
                        fail(errno);
                        $failed
                    }
                }
            }
        }
    )*};
}

named! {
    "shm_open" shm_open(flags: c_int, mode: mode_t) -> c_int, -1;
    "shm_unlink" shm_unlink() -> c_int, -1;
    "sem_open" sem_open(flags: c_int, mode: mode_t, value: c_uint) -> *mut c_void, core::ptr::null_mut();
    "sem_unlink" sem_unlink() -> c_int, -1;
    "mq_open" mq_open(flags: c_int, mode: mode_t, attributes: *mut c_void) -> c_int, -1;
    "__mq_open_2" __mq_open_2(flags: c_int) -> c_int, -1;
    "mq_unlink" mq_unlink() -> c_int, -1;
}
