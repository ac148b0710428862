//! The files of /proc that the engine reads, and their parsers. Every parser takes text, so that it can be fuzzed.
//!
//! Formats: proc(5) and Documentation/filesystems/proc.rst of the kernel.
mod cpuinfo;
pub mod diag;
mod fdinfo;
mod maps;
mod stat;
mod status;

pub use cpuinfo::parse_features;
pub use fdinfo::FdInfo;
pub use maps::{Mapping, parse_maps, parse_smaps};
pub use stat::Stat;
pub use status::Status;

use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

/// A view of some /proc, held by descriptor: the engine joins the pod's mount namespace, where /proc shows the pod's
/// virtual ids, and goes on reading the host's through this.
#[derive(Debug)]
pub struct Proc {
    dir: OwnedFd,
}

fn malformed(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected content of /proc/{path}"))
}

impl Proc {
    /// The /proc of the mount namespace that the caller is in now.
    pub fn open() -> io::Result<Proc> {
        let dir = nix::fcntl::open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Proc { dir })
    }

    /// Another handle on the same /proc.
    pub fn duplicate(other: &Proc) -> io::Result<Proc> {
        Ok(Proc { dir: other.dir.try_clone()? })
    }

    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Opens a file below this /proc.
    pub fn open_file(&self, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
        Ok(openat(&self.dir, path, flags | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// The whole content of a file below this /proc.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::from(self.open_file(path, OFlag::O_RDONLY)?);
        let mut content = Vec::with_capacity(4096);
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    pub fn read_text(&self, path: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    pub fn read_link(&self, path: &str) -> io::Result<PathBuf> {
        Ok(PathBuf::from(readlinkat(&self.dir, path)?))
    }

    /// The numeric entries of a directory: processes, tasks, descriptors.
    pub fn numbers(&self, path: &str) -> io::Result<Vec<i32>> {
        let dir = self.open_file(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let mut dir = nix::dir::Dir::from_fd(dir)?;
        let mut numbers = Vec::new();
        for entry in dir.iter() {
            if let Some(number) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok()) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub fn tasks(&self, pid: i32) -> io::Result<Vec<i32>> {
        self.numbers(&format!("{pid}/task"))
    }

    /// The child processes of every task of a process.
    pub fn children(&self, pid: i32) -> io::Result<Vec<i32>> {
        let mut children = Vec::new();
        for tid in self.tasks(pid)? {
            match self.read_text(&format!("{pid}/task/{tid}/children")) {
                Ok(text) => children.extend(text.split_ascii_whitespace().filter_map(|n| n.parse::<i32>().ok())),
                Err(error) if gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        children.sort_unstable();
        Ok(children)
    }

    /// Every descendant of `pid`, parents before children; `pid` itself is not among them.
    pub fn descendants(&self, pid: i32) -> io::Result<Vec<i32>> {
        let mut found = self.children(pid)?;
        let mut next = 0;
        while next < found.len() {
            match self.children(found[next]) {
                Ok(children) => {
                    let new: Vec<i32> = children.into_iter().filter(|child| !found.contains(child)).collect();
                    found.extend(new);
                }
                Err(error) if gone(&error) => {}
                Err(error) => return Err(error),
            }
            next += 1;
        }
        Ok(found)
    }

    pub fn stat(&self, pid: i32, tid: i32) -> io::Result<Stat> {
        let path = format!("{pid}/task/{tid}/stat");
        Stat::parse(&self.read_text(&path)?).ok_or_else(|| malformed(&path))
    }

    pub fn status(&self, pid: i32, tid: i32) -> io::Result<Status> {
        let path = format!("{pid}/task/{tid}/status");
        Status::parse(&self.read_text(&path)?).ok_or_else(|| malformed(&path))
    }

    pub fn maps(&self, pid: i32) -> io::Result<Vec<Mapping>> {
        let path = format!("{pid}/smaps");
        parse_smaps(&self.read(&path)?).ok_or_else(|| malformed(&path))
    }

    pub fn fdinfo(&self, pid: i32, fd: i32) -> io::Result<FdInfo> {
        let path = format!("{pid}/fdinfo/{fd}");
        FdInfo::parse(&self.read_text(&path)?).ok_or_else(|| malformed(&path))
    }

    /// The comm of a task, as raw bytes without the newline.
    pub fn comm(&self, pid: i32, tid: i32) -> io::Result<Vec<u8>> {
        let mut comm = self.read(&format!("{pid}/task/{tid}/comm"))?;
        if comm.last() == Some(&b'\n') {
            comm.pop();
        }
        Ok(comm)
    }

    /// Writes a small file below this /proc.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let fd = self.open_file(path, OFlag::O_WRONLY)?;
        let n = nix::unistd::write(&fd, content)?;
        if n == content.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// Whether an error only says that the process is no longer there.
pub fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// Undoes the octal escapes (`\040`) of paths in /proc files.
pub fn unescape(text: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let octal = text.get(at + 1..at + 4).filter(|d| text[at] == b'\\' && d.iter().all(|c| (b'0'..=b'7').contains(c)));
        match octal {
            Some(d) => {
                out.push(((d[0] - b'0') << 6) | ((d[1] - b'0') << 3) | (d[2] - b'0'));
                at += 4;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// A C string from bytes that must not contain NUL.
pub fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
