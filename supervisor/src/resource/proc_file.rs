//! Files of /proc (proc(5)). Their names contain ids: the image holds virtual ones, and a restart opens the files of the processes
//! that have them then.
use super::descriptor::{InFlight, Seen};
use super::file_object::path_bytes;
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::{Whence, lseek};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where /proc is mounted.
    #[serde(with = "path_bytes")]
    pub mount: PathBuf,
    pub process: Option<Vpid>,
    /// The process has ended and been waited for: reading gives ESRCH.
    pub ended: bool,
    pub task: Option<Vpid>,
    /// What follows the ids.
    #[serde(with = "path_bytes")]
    pub rest: PathBuf,
    pub flags: i32,
    pub position: i64,
}

const PROC_SUPER_MAGIC: i64 = 0x9fa0;

pub(super) fn recognise(seen: &Seen) -> bool {
    matches!(seen.kind(), libc::S_IFREG | libc::S_IFDIR | libc::S_IFLNK)
        && seen.link.is_absolute()
        && nix::sys::statfs::fstatfs(&seen.fd).is_ok_and(|fs| fs.filesystem_type().0 == PROC_SUPER_MAGIC)
}

/// Splits a path into the mount point, the ids of process and task, and the rest. The mount point is what stands before
/// the first number, or `/proc`.
fn split(path: &Path) -> (PathBuf, Option<i32>, Option<i32>, PathBuf) {
    let number = |part: &OsStr| part.to_str().and_then(|text| text.parse::<i32>().ok());
    let parts: Vec<&OsStr> = path.iter().collect();
    let Some(at) = parts.iter().position(|part| number(part).is_some()) else {
        let (mount, rest) = parts.split_at(parts.len().min(2));
        return (mount.iter().collect(), None, None, rest.iter().collect());
    };
    let mount = parts[..at].iter().collect();
    let process = number(parts[at]);
    let task = (parts.get(at + 1).is_some_and(|part| part.as_bytes() == b"task")).then(|| parts.get(at + 2)).flatten();
    match task.and_then(|part| number(part)) {
        Some(task) => (mount, process, Some(task), parts[at + 3..].iter().collect()),
        None => (mount, process, None, parts[at + 1..].iter().collect()),
    }
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let link = seen.link.as_os_str().as_bytes();
    let link = Path::new(OsStr::from_bytes(link.strip_suffix(b" (deleted)").unwrap_or(link)));
    let (mount, process, task, rest) = split(link);
    let there = |id: i32, cx: &Capture| match cx.kernel_names {
        // the pod's own /proc shows virtual ids already
        true => cx.virtual_ids.values().any(|known| *known == id as Vpid).then_some(id as Vpid),
        false => cx.virtual_ids.get(&id).copied(),
    };
    let (mut name, mut ended) = ((None, None), false);
    for (id, name) in [(process, &mut name.0), (task, &mut name.1)] {
        let Some(id) = id else { continue };
        *name = there(id, cx);
        if name.is_some() {
            continue;
        }
        if !has_ended(seen) {
            return Err(seen.refuse(format!("process {id} is not in the pod"), "let the program close it first"));
        }
        (*name, ended) = (Some(id as Vpid), true);
    }
    Ok(Record { mount, process: name.0, ended, task: name.1, rest, flags: seen.status_flags(), position: seen.info.position })
}

/// Whether the process behind a file of /proc is no more. Its directory is empty then; below it nothing is found either.
fn has_ended(seen: &Seen) -> bool {
    let directory = seen.kind() == libc::S_IFDIR;
    let name = if directory { "status" } else { "" };
    let flags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
    let found = nix::sys::stat::fstatat(&seen.fd, name, flags);
    // what is left of a file can be looked at, but not read
    found.is_err() || (!directory && nix::sys::uio::pread(&seen.fd, &mut [0], 0) == Err(nix::errno::Errno::ESRCH))
}

pub(super) fn open(record: &Record, _: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    if record.ended {
        let process = record.process.unwrap_or(0);
        return super::tree::with_passing_process(cx, process, |process, _| {
            open_of(record, Some(process), record.task.and(Some(process)))
        });
    }
    let here = |id: Option<Vpid>| id.map(|id| cx.kernel_id(id)).transpose();
    open_of(record, here(record.process)?, here(record.task)?)
}

fn open_of(record: &Record, process: Option<i32>, task: Option<i32>) -> Result<OwnedFd> {
    let mut path = record.mount.clone();
    if let Some(process) = process {
        path.push(process.to_string());
    }
    if let Some(task) = task {
        path.push("task");
        path.push(task.to_string());
    }
    path.extend(record.rest.iter());
    let flags = OFlag::from_bits_retain(record.flags & !libc::O_ASYNC | libc::O_CLOEXEC);
    let fd = nix::fcntl::open(&path, flags, Mode::empty()).map_err(|errno| Error::Io {
        what: format!("open {}, which a process had open", path.display()),
        source: errno.into(),
    })?;
    if record.position != 0 && record.flags & libc::O_PATH == 0 {
        // files that cannot be positioned were not
        match lseek(&fd, record.position, Whence::SeekSet) {
            Ok(_) | Err(nix::errno::Errno::ESPIPE | nix::errno::Errno::EINVAL) => {}
            Err(errno) => return Err(errno).doing(|| format!("set the position in {}", path.display())),
        }
    }
    Ok(fd)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{refusal, round_trip};
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn paths_are_split_at_ids() {
        let of = |path: &str| split(Path::new(path));
        assert_eq!(of("/proc/12/status"), ("/proc".into(), Some(12), None, "status".into()));
        assert_eq!(of("/proc/12/task/13/stat"), ("/proc".into(), Some(12), Some(13), "stat".into()));
        assert_eq!(of("/proc/12"), ("/proc".into(), Some(12), None, "".into()));
        assert_eq!(of("/proc/12/task"), ("/proc".into(), Some(12), None, "task".into()));
        assert_eq!(of("/proc/sys/kernel/pid_max"), ("/proc".into(), None, None, "sys/kernel/pid_max".into()));
        assert_eq!(of("/proc"), ("/proc".into(), None, None, "".into()));
        assert_eq!(of("/srv/x/proc/7/fd"), ("/srv/x/proc".into(), Some(7), None, "fd".into()));
    }

    #[test]
    fn files_of_the_process_come_back() {
        let stat = std::fs::File::open("/proc/self/stat").unwrap();
        let uptime = std::fs::File::open("/proc/uptime").unwrap();
        let again = round_trip(vec![stat.into(), uptime.into()], || ());
        let mut buffer = [0u8; 512];
        let n = nix::unistd::read(&again[0], &mut buffer).unwrap();
        assert!(String::from_utf8_lossy(&buffer[..n]).starts_with(&format!("{} ", std::process::id())));
        assert!(nix::unistd::read(&again[1], &mut buffer).unwrap() > 3);
    }

    #[test]
    fn strangers_are_refused() {
        let message = refusal(std::fs::File::open("/proc/1/stat").unwrap().as_fd());
        assert!(message.contains("process 1"), "{message}");
    }
}
