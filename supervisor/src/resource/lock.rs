//! Locks on files: POSIX record locks and OFD locks (fcntl_locking(2)), flock(2), leases (F_SETLEASE of fcntl(2)).
//!
//! /proc/PID/fdinfo lists the locks made through a description. POSIX locks belong to the process and are taken again by calls
//! in it; OFD locks and flock belong to the description, and are taken by the engine, which shares it. A lease has its holder told by
//! a signal with the holder's descriptor number, so it is taken in a process too.
use super::descriptor::Seen;
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    pub holder: Holder,
    pub kind: Kind,
    /// F_RDLCK, F_WRLCK
    pub mode: i16,
    pub start: u64,
    /// The last byte; `None`: to the end of the file.
    pub end: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Holder {
    /// A process, and a descriptor of it through which the lock was made.
    Process(Vpid, i32),
    /// An open file description.
    Description(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    Posix,
    Description,
    Flock,
    Lease,
}

/// A line such as `1: POSIX  ADVISORY  WRITE 1234 08:01:123 0 EOF` (proc_locks(5)).
pub(super) fn parse(line: &str) -> Option<(Kind, i16, u64, Option<u64>)> {
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

/// Remembers the locks of an open file description, of which fdinfo tells through any descriptor.
pub(super) fn note(description: u32, seen: &Seen, cx: &mut Capture) -> Result<()> {
    for line in seen.info.all("lock") {
        let (kind, mode, start, end) = parse(line).ok_or_else(|| unknown(&seen.title(), line))?;
        if kind != Kind::Posix && mode != libc::F_UNLCK as i16 {
            let record = Record { holder: Holder::Description(description), kind, mode, start, end };
            cx.remembered::<Vec<Record>>(KEY).push(record);
        }
    }
    Ok(())
}

const KEY: &str = "locks of descriptions";

fn unknown(object: &str, line: &str) -> Error {
    Error::Refused {
        object: object.into(),
        reason: format!("it has a lock of a kind that AutoPod does not know ({line})"),
        way_out: "let the program release it first".into(),
    }
}

/// Comes after the descriptors.
pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = std::mem::take(cx.remembered::<Vec<Record>>(KEY));
    let mut seen = HashSet::new();
    for process in cx.processes.iter().filter(|process| !process.zombie) {
        let doing = || format!("read the locks of {}", process.title());
        for fd in cx.proc.numbers(&format!("{}/fd", process.handle)).doing(doing)? {
            let info = cx.proc.fdinfo(process.handle, fd).doing(doing)?;
            for line in info.all("lock") {
                let (kind, mode, start, end) =
                    parse(line).ok_or_else(|| unknown(&format!("descriptor {fd} of {}", process.title()), line))?;
                // it shows under every duplicate; with a shared table, in every process
                let file = line.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ");
                if kind == Kind::Posix && seen.insert((file, mode, start, end)) {
                    let holder = Holder::Process(process.vpid, fd);
                    records.push(Record { holder, kind, mode, start, end });
                }
            }
        }
    }
    cx.section("locks", &records)
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
    let (process, fd) = match record.holder {
        Holder::Process(process, fd) => (process, fd),
        Holder::Description(id) => cx.descriptions.holder(id).unwrap_or((0, -1)),
    };
    let host = cx.processes.iter().find(|other| other.vpid == process).map_or(-1, |process| process.pid);
    let path = cx.proc.read_link(&format!("{host}/fd/{fd}"));
    let path = path.map_or_else(|_| format!("descriptor {fd}"), |path| path.display().to_string());
    Error::NotHere(format!(
        "process {process} held a lock on {path} that a program outside the pod holds now; end that program, then restart"
    ))
}

fn restore_one(record: &Record, cx: &mut Nascent) -> Result<()> {
    let id = match record.holder {
        Holder::Process(process, fd) => return take_record_lock(record, process, fd, cx),
        Holder::Description(id) => id,
    };
    let doing = || format!("take a lock of open file {id} again");
    match record.kind {
        Kind::Posix => Err(Error::Inconsistent(format!("a record lock belongs to open file {id}, and to no process"))),
        Kind::Description => {
            let lock = flock(record);
            nix::fcntl::fcntl(cx.descriptions.fd(id)?, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).doing(doing).map(drop)
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
            let told = holders.iter().find(|(vpid, _)| Some(*vpid) == owner).or(holders.first());
            let Some((vpid, fd)) = told.copied() else { return Ok(()) };
            let arguments = [fd as u64, libc::F_SETLEASE as u64, record.mode as u64];
            cx.process_mut(vpid)?.call("take a lease", libc::SYS_fcntl, arguments).map(drop)
        }
    }
}

fn take_record_lock(record: &Record, process: Vpid, fd: i32, cx: &mut Nascent) -> Result<()> {
    let lock = flock(record);
    let mut raw = Vec::with_capacity(32);
    raw.extend_from_slice(&lock.l_type.to_le_bytes());
    raw.extend_from_slice(&lock.l_whence.to_le_bytes());
    raw.extend_from_slice(&[0; 4]);
    raw.extend_from_slice(&lock.l_start.to_le_bytes());
    raw.extend_from_slice(&lock.l_len.to_le_bytes());
    raw.extend_from_slice(&[0; 8]);
    let process = cx.process_mut(process)?;
    let address = process.write_data(0, &raw)?;
    process.call("take a record lock", libc::SYS_fcntl, [fd as u64, libc::F_SETLK as u64, address]).map(drop)
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
        let record = Record {
            holder: Holder::Description(0),
            kind: Kind::Description,
            mode: libc::F_WRLCK as i16,
            start: 10,
            end: Some(19),
        };
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
        let lock = |kind, mode: i32, start, end| {
            let holder = if kind == Kind::Posix { Holder::Process(2, number) } else { Holder::Description(0) };
            Record { holder, kind, mode: mode as i16, start, end }
        };
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
        let mut restored = into_child(vec![file.into()]);
        crate::sys::files::flock(ours.as_fd(), libc::LOCK_EX).unwrap();
        let record =
            Record { holder: Holder::Description(0), kind: Kind::Flock, mode: libc::F_WRLCK as i16, start: 0, end: None };
        let error = restore_one(&record, &mut restored.cx).unwrap_err();
        let text = explain(error, &record, &restored.cx).to_string();
        assert!(text.contains("taken") && text.contains("process 2"), "{text}");
    }
}
