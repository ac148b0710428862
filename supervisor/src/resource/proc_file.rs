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
    let (mount, process, task, rest) = split(&seen.link);
    let name = |id: Option<i32>| match id {
        // the pod's own /proc shows virtual ids already
        Some(id) if cx.kernel_names => Ok(Some(id as Vpid)),
        Some(id) => match cx.virtual_ids.get(&id) {
            Some(virtual_id) => Ok(Some(*virtual_id)),
            None => Err(seen.refuse(format!("process {id} is not in the pod, or has ended"), "let the program close it first")),
        },
        None => Ok(None),
    };
    let (process, task) = (name(process)?, name(task)?);
    if let Some(process) = process.filter(|process| cx.kernel_names && !cx.virtual_ids.values().any(|known| known == process)) {
        return Err(seen.refuse(format!("process {process} has ended"), "let the program close it first"));
    }
    Ok(Record { mount, process, task, rest, flags: seen.status_flags(), position: seen.info.position })
}

pub(super) fn open(record: &Record, _: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let mut path = record.mount.clone();
    let host = |id: Vpid| if cx.kernel_names { Ok(id as i32) } else { cx.host_id(id) };
    if let Some(process) = record.process {
        path.push(host(process)?.to_string());
    }
    if let Some(task) = record.task {
        path.push("task");
        path.push(host(task)?.to_string());
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
