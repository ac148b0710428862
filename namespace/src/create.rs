//! Making and opening a table, for the supervisor and the engine. The shim maps the file itself, because libc's open and
//! mmap are among its hooks.

use core::ffi::CStr;
use core::fmt;
use core::sync::atomic::Ordering::*;

use crate::id::ID_SPACE;
use crate::layout::{FILE_SIZE, MAGIC, VERSION};
use crate::path::PathText;
use crate::table::{Table, Unreachable, write_text};

/// What a new table starts with. Hostname and domain name are at most 64 bytes, the pod's name at most 255.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub pod_name: &'a str,
    /// Names the pod's POSIX shared memory, semaphores and queues on the host. 0: choose a random one.
    pub pod_id: u64,
    pub hostname: &'a [u8],
    pub domainname: &'a [u8],
    pub unreachable: Unreachable,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A system call on the file failed with this errno.
    File {
        doing: &'static str,
        errno: i32,
    },
    NotATable,
    Version {
        found: u32,
    },
    TooLong {
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { doing, errno } => write!(f, "cannot {doing} the namespace table (errno {errno})"),
            Error::NotATable => f.write_str("the file is not a namespace table, or was cut off"),
            Error::Version { found } => {
                write!(
                    f,
                    "the namespace table has version {found}, this build understands {VERSION}; use the same AutoPod for a pod and its commands"
                )
            }
            Error::TooLong { what } => write!(f, "the {what} is too long for the namespace table, or has a NUL in it"),
        }
    }
}

impl core::error::Error for Error {}

fn failed(doing: &'static str) -> Error {
    // SAFETY: errno's address is always valid.
    Error::File { doing, errno: unsafe { *libc::__errno_location() } }
}

impl Table {
    /// Makes a table under `path`, replacing a file that is there: the name appears when the table is complete.
    /// No id is given yet; the supervisor inserts the pod's init as [`VirtualId::INIT`](crate::VirtualId::INIT).
    pub fn create(path: &CStr, settings: &Settings<'_>) -> Result<Table, Error> {
        let mut draft = PathText::new();
        if !(draft.push(path.to_bytes()) && draft.push(b".new")) {
            return Err(Error::TooLong { what: "path" });
        }
        let draft = draft.as_c_str();
        // SAFETY: plain system calls on a NUL-terminated path.
        let fd = unsafe {
            libc::unlink(draft.as_ptr());
            libc::open(draft.as_ptr(), libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC, 0o600)
        };
        if fd < 0 {
            return Err(failed("create"));
        }
        let result = fill(fd, path, settings);
        // SAFETY: fd is ours; the paths are NUL-terminated.
        unsafe { libc::close(fd) };
        let table = result?;
        // SAFETY: as above.
        if unsafe { libc::rename(draft.as_ptr(), path.as_ptr()) } != 0 {
            let error = failed("name");
            // SAFETY: nobody else has this table.
            unsafe { table.unmap() };
            return Err(error);
        }
        Ok(table)
    }

    /// Opens the table of a running pod.
    pub fn open(path: &CStr) -> Result<Table, Error> {
        // SAFETY: a plain system call on a NUL-terminated path.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(failed("open"));
        }
        let result = Table::from_fd(fd);
        // SAFETY: fd is ours.
        unsafe { libc::close(fd) };
        result
    }

    /// Maps the table that the descriptor `fd` refers to.
    pub fn from_fd(fd: i32) -> Result<Table, Error> {
        // A file shorter than its mapping is a SIGBUS when touched: look first.
        // SAFETY: lseek touches no memory.
        if unsafe { libc::lseek(fd, 0, libc::SEEK_END) } < FILE_SIZE as i64 {
            return Err(Error::NotATable);
        }
        let address = map(fd)?;
        // SAFETY: FILE_SIZE bytes were just mapped from a file that is long enough.
        unsafe { Table::at(address) }.inspect_err(|_| {
            // SAFETY: mapped above, used by nobody.
            unsafe { libc::munmap(address, FILE_SIZE) };
        })
    }
}

fn map(fd: i32) -> Result<*mut libc::c_void, Error> {
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let address = unsafe { libc::mmap(core::ptr::null_mut(), FILE_SIZE, prot, libc::MAP_SHARED, fd, 0) };
    if address == libc::MAP_FAILED { Err(failed("map")) } else { Ok(address) }
}

fn fill(fd: i32, path: &CStr, settings: &Settings<'_>) -> Result<Table, Error> {
    // SAFETY: ftruncate touches no memory.
    if unsafe { libc::ftruncate(fd, FILE_SIZE as i64) } != 0 {
        return Err(failed("size"));
    }
    // SAFETY: FILE_SIZE bytes are mapped; an all-zero file is a valid layout, only not yet marked as one.
    let table = unsafe { Table::at_known(map(fd)?) };
    let header = table.header();
    let texts = [
        (write_text(&header.pod_name, settings.pod_name.as_bytes()), "pod's name"),
        (write_text(&header.path, path.to_bytes()), "path"),
        (table.set_hostname(settings.hostname), "hostname"),
        (table.set_domainname(settings.domainname), "domain name"),
    ];
    for (fits, what) in texts {
        if !fits {
            return Err(Error::TooLong { what });
        }
    }
    let pod_id = if settings.pod_id != 0 { settings.pod_id } else { random() };
    header.pod_id.store(pod_id, Relaxed);
    header.stamp.store(random(), Relaxed);
    header.ipc_seed.store(random() as u32, Relaxed);
    header.id_limit.store(pid_max(), Relaxed);
    header.next_id.store(2, Relaxed);
    table.set_unreachable(settings.unreachable);
    header.version.store(VERSION, Relaxed);
    header.magic.store(MAGIC, Release);
    Ok(table)
}

fn random() -> u64 {
    let mut number = [0u8; 8];
    // SAFETY: 8 bytes are ours to write.
    unsafe { libc::getrandom(number.as_mut_ptr().cast(), number.len(), 0) };
    u64::from_ne_bytes(number) | 1
}

/// Virtual ids stay below the host's pid_max, so that kernel namespaces could give out the same ones (clone3's set_tid).
fn pid_max() -> u32 {
    let mut text = [0u8; 16];
    // SAFETY: a plain read into our buffer.
    let read = unsafe {
        let fd = libc::open(c"/proc/sys/kernel/pid_max".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let read = libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
        read
    };
    let digits = &text[..read.max(0) as usize];
    let number = digits.iter().take_while(|c| c.is_ascii_digit()).fold(0u32, |n, c| n.saturating_mul(10) + u32::from(c - b'0'));
    if (1024..=ID_SPACE as u32).contains(&number) { number } else { 32768 }
}
