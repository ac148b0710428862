//! Raw system calls that nix does not wrap, each behind a safe function. With `tracee`, the one place of the supervisor
//! that may use `unsafe`.
#![allow(unsafe_code)]

pub mod buffer;
pub mod confine;
pub mod events;
pub mod files;
pub mod ipc;
pub mod launch;
pub mod memory;
pub mod passing;
pub mod process;
pub mod socket;
pub mod terminal;
pub mod xattr;

use std::io;

/// Turns the result of a libc call into `io::Result`.
pub(crate) fn check(ret: libc::c_long) -> io::Result<i64> {
    if ret == -1 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}
