//! Results as libc returns them.

#[inline]
pub fn set(errno: i32) {
    // SAFETY: errno of this thread is always valid.
    unsafe { *libc::__errno_location() = errno };
}

#[inline]
pub fn get() -> i32 {
    // SAFETY: errno of this thread is always valid.
    unsafe { *libc::__errno_location() }
}

/// -1 with errno set, or the result.
#[inline(always)]
pub fn result(raw: isize) -> isize {
    if raw as usize > -4096isize as usize { fail(-raw as i32) as isize } else { raw }
}

#[cold]
pub fn fail(errno: i32) -> i32 {
    set(errno);
    -1
}
