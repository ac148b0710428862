//! The pod's host name and domain name.

use core::ffi::c_char;

use libc::{c_int, size_t, utsname};

use autopod_namespace::{Table, Text};

use crate::init::pod;
use crate::sys::call::call;
use crate::sys::errno::{fail, result};
use crate::sys::next::next;

/// Fills a field of utsname.
fn fill(field: &mut [c_char], text: &Text) {
    let room = field.len() - 1;
    let bytes = text.as_bytes().iter().take(room).map(|byte| *byte as c_char);
    for (slot, byte) in field.iter_mut().zip(bytes.chain(core::iter::repeat(0))) {
        *slot = byte;
    }
}

/// # Safety
/// As for uname(2).
pub unsafe fn raw_uname(name: *mut utsname) -> isize {
    // SAFETY: the caller's; the kernel filled it in.
    unsafe {
        let done = call!(libc::SYS_uname, name);
        if let Some(table) = pod().filter(|_| done == 0) {
            fill(&mut (*name).nodename, &table.hostname());
            fill(&mut (*name).domainname, &table.domainname());
        }
        done
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn uname(name: *mut utsname) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_uname(name) }) as c_int
}

/// gethostname(2) as libc has it: what fits is copied, and ENAMETOOLONG said when that was not all.
unsafe fn get(text: Text, to: *mut c_char, len: size_t, short: c_int) -> c_int {
    let bytes = text.as_c_str().to_bytes_with_nul();
    // SAFETY: the caller's buffer of `len` bytes.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len().min(len)) };
    if bytes.len() > len { fail(short) } else { 0 }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn gethostname(name: *mut c_char, len: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match pod() {
            Some(table) => get(table.hostname(), name, len, libc::ENAMETOOLONG),
            None => next!("gethostname", fn(*mut c_char, size_t) -> c_int)(name, len),
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn getdomainname(name: *mut c_char, len: size_t) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match pod() {
            Some(table) => get(table.domainname(), name, len, libc::EINVAL),
            None => next!("getdomainname", fn(*mut c_char, size_t) -> c_int)(name, len),
        }
    }
}

/// sethostname(2), setdomainname(2): the pod's, for whom the kernel would let change the host's.
///
/// # Safety
/// As for the system call.
pub unsafe fn raw_set(number: libc::c_long, name: *const c_char, len: usize) -> isize {
    // SAFETY: the caller's name of `len` bytes.
    unsafe {
        let Some(table) = pod() else { return call!(number, name, len) };
        if call!(libc::SYS_geteuid) != 0 {
            return -libc::EPERM as isize;
        }
        if len > 64 {
            return -libc::EINVAL as isize;
        }
        let set = if number == libc::SYS_sethostname { Table::set_hostname } else { Table::set_domainname };
        if set(&table, core::slice::from_raw_parts(name.cast(), len)) { 0 } else { -libc::EINVAL as isize }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sethostname(name: *const c_char, len: size_t) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_set(libc::SYS_sethostname, name, len) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn setdomainname(name: *const c_char, len: size_t) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_set(libc::SYS_setdomainname, name, len) }) as c_int
}
