//! The function that would have been called without the shim, where libc keeps state of its own.

use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicPtr, Ordering::*};

pub struct Next {
    name: &'static str,
    found: AtomicPtr<c_void>,
}

impl Next {
    /// `name` ends with a NUL.
    pub const fn new(name: &'static str) -> Next {
        Next { name, found: AtomicPtr::new(core::ptr::null_mut()) }
    }

    #[inline(always)]
    pub fn get(&self) -> *mut c_void {
        let found = self.found.load(Relaxed);
        if found.is_null() { self.find() } else { found }
    }

    #[cold]
    fn find(&self) -> *mut c_void {
        // SAFETY: the name ends with a NUL.
        let mut found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr().cast::<c_char>()) };
        if found.is_null() {
            found = missing as *const () as *mut c_void;
        }
        self.found.store(found, Relaxed);
        found
    }
}

/// Stands in for a function that this libc does not have.
extern "C-unwind" fn missing() -> isize {
    super::errno::fail(libc::ENOSYS) as isize
}

/// `next!("fork", fn() -> pid_t)`: the next definition of the symbol, as a function of that type.
macro_rules! next {
    ($name:literal, fn($($argument:ty),*) $(-> $result:ty)?) => {{
        static NEXT: $crate::sys::next::Next = $crate::sys::next::Next::new(concat!($name, "\0"));
        #[allow(unused_unsafe)]
        // SAFETY: the symbol is libc's function of this name, whose C type this is; its pointer is never null.
        let function = unsafe { core::mem::transmute::<*mut core::ffi::c_void, unsafe extern "C-unwind" fn($($argument),*) $(-> $result)?>(NEXT.get()) };
        function
    }};
}
pub(crate) use next;
