//! /proc as the pod's programs see it: its processes only, under the pod's names; and /dev/shm and /dev/mqueue, which list
//! the pod's objects only, and /dev/pts.

pub mod content;
pub mod listing;
pub mod path;

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicBool, Ordering::*};

use autopod_namespace::{PathText, Table};

use crate::init::pod;
use crate::sys::call::call;
use path::{Leads, Translated};

/// Whether a relative path may lead into /proc or /dev/pts: the process has had a descriptor or its working directory there.
static RELATIVE: AtomicBool = AtomicBool::new(false);

/// At the start of a program: whether it inherited a working directory there.
pub fn notice_cwd() {
    if relative_base(working_directory().as_bytes()) {
        RELATIVE.store(true, Relaxed);
    }
}

fn relative_base(directory: &[u8]) -> bool {
    directory == b"/proc" || directory.starts_with(b"/proc/") || directory == b"/dev/pts"
}

pub fn notice_directory() {
    RELATIVE.store(true, Relaxed);
}

pub fn relative() -> bool {
    RELATIVE.load(Relaxed)
}

fn working_directory() -> PathText {
    let mut buffer = [0u8; 512];
    // SAFETY: the kernel writes into our buffer.
    let len = unsafe { call!(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    text(&buffer, len - 1)
}

fn text(buffer: &[u8], len: isize) -> PathText {
    let mut text = PathText::new();
    text.push(usize::try_from(len).ok().and_then(|len| buffer.get(..len)).unwrap_or(b""));
    text
}

/// Where the kernel says a descriptor leads.
pub fn descriptor(fd: i32) -> PathText {
    let mut path = PathText::new();
    path.push(b"/proc/self/fd/");
    path.push_number(fd.max(0) as u64);
    link(path.as_c_str())
}

/// What a link of the host says; empty when it is none.
pub fn link(path: &CStr) -> PathText {
    let mut buffer = [0u8; 512];
    // SAFETY: the kernel writes into our buffer.
    let len = unsafe { call!(libc::SYS_readlinkat, libc::AT_FDCWD, path.as_ptr(), buffer.as_mut_ptr(), buffer.len()) };
    text(&buffer, len)
}

/// The host's path for a path of the pod; `None`: the path stays as it is, `directory` too.
///
/// # Safety
/// `path` is a C string, or an address that nothing is mapped at in the first page.
#[inline(always)]
pub unsafe fn find(directory: i32, path: *const c_char) -> Option<Translated> {
    // SAFETY: the caller's.
    unsafe {
        if path::special(path) {
            return path::translate(pod()?, CStr::from_ptr(path).to_bytes());
        }
        if RELATIVE.load(Relaxed) && path.addr() >= 4096 && *path != b'/' as c_char {
            return find_relative(pod()?, directory, CStr::from_ptr(path).to_bytes());
        }
    }
    None
}

#[cold]
fn find_relative(table: Table, directory: i32, path: &[u8]) -> Option<Translated> {
    let base = if directory == libc::AT_FDCWD { working_directory() } else { descriptor(directory) };
    if path.is_empty() || !relative_base(base.as_bytes()) {
        return None;
    }
    let mut whole = path::from_host(table, base.as_bytes()).unwrap_or(base);
    if whole.push(b"/") && whole.push(path) { path::translate(table, whole.as_bytes()) } else { None }
}

/// What a program reads from the links /proc/self and /proc/thread-self.
pub fn own_link(thread: bool) -> PathText {
    let mut link = PathText::new();
    link.push_number(crate::cache::pid() as u64);
    if thread {
        link.push(b"/task/");
        link.push_number(crate::cache::tid() as u64);
    }
    link
}

/// After an open(2) that succeeded: puts a translated copy in the place of a file that holds names.
pub fn opened(found: &Translated, fd: i32, flags: i32) {
    match (found.leads, pod()) {
        (Leads::Content(kind), Some(table)) if flags & (libc::O_ACCMODE | libc::O_PATH | libc::O_DIRECTORY) == libc::O_RDONLY => {
            content::replace(table, kind, fd, flags);
        }
        (Leads::Master, _) if flags & libc::O_PATH == 0 => crate::terminals::notice(fd),
        _ if flags & (libc::O_DIRECTORY | libc::O_PATH) != 0 => notice_directory(),
        _ => {}
    }
}
