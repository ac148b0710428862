//! Locks on files: POSIX record locks and OFD locks (fcntl_locking(2)), flock(2), leases (F_SETLEASE of fcntl(2)).
//!
//! /proc/PID/fdinfo lists the locks made through a description. POSIX locks belong to the process and are taken again by calls
//! in it; OFD locks and flock belong to the description, and are taken by the engine, which shares it. A lease has its holder told by
//! a signal with the holder's descriptor number, so it is taken in a process too.
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::tracee::Call;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A lock, by one descriptor through which it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    pub process: Vpid,
    pub fd: i32,
    pub kind: Kind,
    /// F_RDLCK, F_WRLCK
    pub mode: i16,
    pub start: u64,
    /// The last byte; `None`: to the end of the file.
    pub end: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    Posix,
    Description,
    Flock,
    Lease,
}

/// A line such as `1: POSIX  ADVISORY  WRITE 1234 08:01:123 0 EOF` (proc_locks(5)).
fn parse(line: &str) -> Option<(Kind, i16, u64, Option<u64>)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, kind, state, mode, _, _, start, end] = words[..] else { return None };
    let kind = match kind {
        "POSIX" => Kind::Posix,
        "OFDLCK" => Kind::Description,
        "FLOCK" => Kind::Flock,
        "LEASE" if state != "BREAKER" => Kind::Lease,
        _ => return None,
    };
    let mode = match mode {
        "READ" => libc::F_RDLCK,
        "WRITE" => libc::F_WRLCK,
        "UNLCK" if kind == Kind::Lease => libc::F_UNLCK,
        _ => return None,
    };
    let end = if end == "EOF" { None } else { Some(end.parse().ok()?) };
    Some((kind, mode as i16, start.parse().ok()?, end))
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    for process in cx.processes.iter().filter(|process| !process.zombie) {
        let doing = || format!("read the locks of {}", process.title());
        for fd in cx.proc.numbers(&format!("{}/fd", process.pid)).doing(doing)? {
            let info = cx.proc.fdinfo(process.pid, fd).doing(doing)?;
            for line in info.all("lock") {
                let Some((kind, mode, start, end)) = parse(line) else {
                    return Err(Error::Refused {
                        object: format!("descriptor {fd} of {}", process.title()),
                        reason: format!("it has a lock of a kind that AutoPod does not know ({line})"),
                        way_out: "let the program release it first".into(),
                    });
                };
                // the same lock shows under every duplicate, and, unless it is the process's, in every holder
                let owner = if kind == Kind::Posix { process.vpid } else { 0 };
                let file = line.split_ascii_whitespace().nth(5).unwrap_or("").to_string();
                let description = description(cx, process.pid, fd, kind);
                if mode != libc::F_UNLCK as i16 && seen.insert((owner, file, description, kind, mode, start, end)) {
                    records.push(Record { process: process.vpid, fd, kind, mode, start, end });
                }
            }
        }
    }
    cx.section("locks", &records)
}

/// Something that is equal for equal descriptions among those that have locks: the first descriptor that is the same.
fn description(cx: &Capture, pid: i32, fd: i32, kind: Kind) -> Option<(i32, i32)> {
    if kind == Kind::Posix {
        return None;
    }
    use crate::sys::process::{Kcmp, kcmp};
    let link = cx.proc.read_link(&format!("{pid}/fd/{fd}")).ok();
    for process in cx.processes.iter().filter(|process| !process.zombie) {
        for other in cx.proc.numbers(&format!("{}/fd", process.pid)).unwrap_or_default() {
            if cx.proc.read_link(&format!("{}/fd/{other}", process.pid)).ok() == link
                && kcmp(pid, process.pid, Kcmp::File, fd as u64, other as u64).is_ok_and(|order| order.is_eq())
            {
                return Some((process.pid, other));
            }
        }
    }
    Some((pid, fd))
}

/// struct flock of fcntl(2), for the whole or a part of a file.
fn flock(record: &Record) -> libc::flock {
    libc::flock {
        l_type: record.mode,
        l_whence: libc::SEEK_SET as i16,
        l_start: record.start as i64,
        l_len: record.end.map_or(0, |end| (end - record.start + 1) as i64),
        l_pid: 0,
    }
}

/// Takes the locks again. The descriptor tables must be complete and final: closing any descriptor of a file drops the POSIX
/// locks of the process on it.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("locks")?;
    for record in &records {
        restore_one(record, cx).map_err(|error| explain(error, record, cx))?;
    }
    Ok(())
}

/// Says who is in the way when a lock is taken.
fn explain(error: Error, record: &Record, cx: &Nascent) -> Error {
    let errno = match &error {
        Error::Io { source, .. } => source.raw_os_error(),
        Error::Tracee { source, .. } => source.errno(),
        _ => None,
    };
    if !matches!(errno, Some(libc::EAGAIN | libc::EACCES)) {
        return error;
    }
    let path = cx
        .processes
        .iter()
        .find(|process| process.vpid == record.process)
        .and_then(|process| cx.proc.read_link(&format!("{}/fd/{}", process.pid, record.fd)).ok());
    let path = path.map_or_else(|| format!("descriptor {}", record.fd), |path| path.display().to_string());
    Error::NotHere(format!(
        "process {} held a lock on {path} that a program outside the pod holds now; end that program, then restart",
        record.process
    ))
}

fn restore_one(record: &Record, cx: &mut Nascent) -> Result<()> {
    let tables = &cx.descriptions.section().tables;
    let table = tables.iter().find(|table| table.process == record.process);
    let row = table.and_then(|table| table.descriptors.iter().find(|row| row.fd == record.fd));
    let id = row.map(|row| row.description).ok_or_else(|| {
        Error::Inconsistent(format!("a lock on descriptor {} of process {}, which is not open", record.fd, record.process))
    })?;
    let doing = || format!("take the lock on descriptor {} of process {} again", record.fd, record.process);
    match record.kind {
        Kind::Posix => {
            let lock = flock(record);
            let mut raw = Vec::with_capacity(32);
            raw.extend_from_slice(&lock.l_type.to_le_bytes());
            raw.extend_from_slice(&lock.l_whence.to_le_bytes());
            raw.extend_from_slice(&[0; 4]);
            raw.extend_from_slice(&lock.l_start.to_le_bytes());
            raw.extend_from_slice(&lock.l_len.to_le_bytes());
            raw.extend_from_slice(&[0; 8]);
            let process = cx.process_mut(record.process)?;
            let address = process.write_data(0, &raw)?;
            let mut calls = [Call::new(libc::SYS_fcntl, [record.fd as u64, libc::F_SETLK as u64, address])];
            process.sequence("take a record lock", &mut calls)
        }
        Kind::Description => {
            let lock = flock(record);
            let fd = cx.descriptions.fd(id)?;
            nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).doing(doing).map(drop)
        }
        Kind::Flock => {
            let shared = record.mode == libc::F_RDLCK as i16;
            let operation = if shared { libc::LOCK_SH } else { libc::LOCK_EX } | libc::LOCK_NB;
            crate::sys::files::flock(cx.descriptions.fd(id)?, operation).doing(doing)
        }
        Kind::Lease => {
            // the process that is told, if it holds the file
            let owner = cx.descriptions.section().descriptions.get(id as usize).and_then(|d| d.owner.as_ref()).map(|o| o.id);
            let holders = cx.descriptions.holders(id);
            let (vpid, fd) =
                holders.iter().find(|(vpid, _)| Some(*vpid) == owner).copied().unwrap_or((record.process, record.fd));
            let arguments = [fd as u64, libc::F_SETLEASE as u64, record.mode as u64];
            cx.process_mut(vpid)?.call("take a lease", libc::SYS_fcntl, arguments).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn lines_of_proc() {
        let parsed = |line| parse(line).unwrap();
        assert_eq!(parsed("1: POSIX  ADVISORY  WRITE 12 08:01:123 0 EOF"), (Kind::Posix, libc::F_WRLCK as i16, 0, None));
        assert_eq!(parsed("2: OFDLCK ADVISORY  READ -1 08:01:123 5 9"), (Kind::Description, libc::F_RDLCK as i16, 5, Some(9)));
        assert_eq!(parsed("1: LEASE  ACTIVE    READ 12 08:01:123 0 EOF"), (Kind::Lease, libc::F_RDLCK as i16, 0, None));
        assert_eq!(parse("1: DELEG  ACTIVE    READ 12 08:01:123 0 EOF"), None);
    }

    #[test]
    fn the_kernel_writes_what_we_parse() {
        let file = tempfile::tempfile().unwrap();
        let record = Record { process: 2, fd: 3, kind: Kind::Description, mode: libc::F_WRLCK as i16, start: 10, end: Some(19) };
        nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_OFD_SETLK(&flock(&record))).unwrap();
        crate::sys::files::flock(file.as_fd(), libc::LOCK_SH | libc::LOCK_NB).unwrap();
        let proc = crate::proc::Proc::open().unwrap();
        let info = proc.fdinfo(std::process::id() as i32, file.as_raw_fd()).unwrap();
        let mut found: Vec<_> = info.all("lock").map(|line| parse(line).unwrap()).collect();
        found.sort_by_key(|lock| lock.2);
        assert_eq!(
            found,
            [(Kind::Flock, libc::F_RDLCK as i16, 0, None), (Kind::Description, libc::F_WRLCK as i16, 10, Some(19))]
        );
    }

    #[test]
    fn locks_are_taken_again() {
        use super::super::descriptor::tests::into_child;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locked");
        std::fs::write(&path, "0123456789").unwrap();
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let number = file.as_raw_fd();
        let mut restored = into_child(vec![file.into()]);
        let lock = |kind, mode: i32, start, end| Record { process: 2, fd: number, kind, mode: mode as i16, start, end };
        let records = vec![
            lock(Kind::Posix, libc::F_WRLCK, 0, Some(4)),
            lock(Kind::Posix, libc::F_RDLCK, 5, None),
            lock(Kind::Description, libc::F_RDLCK, 7, Some(8)),
            lock(Kind::Flock, libc::F_WRLCK, 0, None),
        ];
        for record in &records {
            restore_one(record, &mut restored.cx).unwrap();
        }
        let mut found: Vec<_> = restored.info(number).all("lock").map(|line| parse(line).unwrap()).collect();
        found.sort_by_key(|lock| (lock.0 as i32, lock.2));
        let wanted: Vec<_> = records.iter().map(|r| (r.kind, r.mode, r.start, r.end)).collect();
        assert_eq!(found, wanted);
        let stranger = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        assert!(crate::sys::files::flock(stranger.as_fd(), libc::LOCK_EX | libc::LOCK_NB).is_err());
    }

    #[test]
    fn who_is_in_the_way_is_told() {
        use super::super::descriptor::tests::into_child;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        std::fs::write(&path, "x").unwrap();
        let ours = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let number = file.as_raw_fd();
        let mut restored = into_child(vec![file.into()]);
        crate::sys::files::flock(ours.as_fd(), libc::LOCK_EX).unwrap();
        let record = Record { process: 2, fd: number, kind: Kind::Flock, mode: libc::F_WRLCK as i16, start: 0, end: None };
        let error = restore_one(&record, &mut restored.cx).unwrap_err();
        let text = explain(error, &record, &restored.cx).to_string();
        assert!(text.contains("taken") && text.contains("process 2"), "{text}");
    }
}
