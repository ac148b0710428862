//! Paths into /proc (and /dev/shm) from the pod's names to the host's.

use core::ffi::c_char;

use autopod_namespace::{PathText, Table};

/// # Safety
/// `path` is a C string.
pub unsafe fn translate_c(_table: Table, _path: *const c_char) -> Option<PathText> {
    None
}
