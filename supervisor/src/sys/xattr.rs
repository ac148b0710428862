//! Extended attributes (xattr(7)): of open files, and of names in the working directory, links not followed. A name is what can be asked of files that
//! cannot be opened; no call takes a directory's descriptor with it (before Linux 6.13).
use super::check;
use std::ffi::{CStr, CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Whose attributes.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    Open(BorrowedFd<'a>),
    /// In the working directory.
    Name(&'a CStr),
}

/// Calls with growing room until the answer fits: it can change between two calls.
fn sized(mut call: impl FnMut(*mut u8, usize) -> isize) -> io::Result<Vec<u8>> {
    loop {
        let length = check(call(std::ptr::null_mut(), 0) as libc::c_long)? as usize;
        let mut bytes = vec![0u8; length];
        if length == 0 {
            return Ok(bytes);
        }
        match check(call(bytes.as_mut_ptr(), length) as libc::c_long) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) => {}
            other => {
                bytes.truncate(other? as usize);
                return Ok(bytes);
            }
        }
    }
}

/// The names of all attributes; none where the file system has no such thing.
pub fn list(of: Of<'_>) -> io::Result<Vec<CString>> {
    let names = sized(|room, size| {
        let room = room.cast::<c_char>();
        match of {
            // SAFETY: `room` is `size` bytes long, or null and 0.
            Of::Open(fd) => unsafe { libc::flistxattr(fd.as_raw_fd(), room, size) },
            // SAFETY: as above; the name is a string.
            Of::Name(name) => unsafe { libc::llistxattr(name.as_ptr(), room, size) },
        }
    });
    match names {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(Vec::new()),
        other => {
            let bytes = other?;
            let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            Ok(names.map(|name| CString::new(name).expect("split at zero bytes")).collect())
        }
    }
}

pub fn get(of: Of<'_>, attribute: &CStr) -> io::Result<Vec<u8>> {
    sized(|room, size| {
        let room = room.cast::<c_void>();
        match of {
            // SAFETY: `room` is `size` bytes long, or null and 0; the attribute is a string.
            Of::Open(fd) => unsafe { libc::fgetxattr(fd.as_raw_fd(), attribute.as_ptr(), room, size) },
            // SAFETY: as above; the name is a string, too.
            Of::Name(name) => unsafe { libc::lgetxattr(name.as_ptr(), attribute.as_ptr(), room, size) },
        }
    })
}

pub fn set(of: Of<'_>, attribute: &CStr, value: &[u8]) -> io::Result<()> {
    let (data, size) = (value.as_ptr().cast::<c_void>(), value.len());
    let done = match of {
        // SAFETY: the value is `size` bytes long; the attribute is a string.
        Of::Open(fd) => unsafe { libc::fsetxattr(fd.as_raw_fd(), attribute.as_ptr(), data, size, 0) },
        // SAFETY: as above; the name is a string, too.
        Of::Name(name) => unsafe { libc::lsetxattr(name.as_ptr(), attribute.as_ptr(), data, size, 0) },
    };
    check(done.into()).map(drop)
}
