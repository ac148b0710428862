//! inotify(7): watches with numbers and masks, and events not yet read.
//!
//! The kernel tells of a watch its number, mask and the watched inode (device, number, file handle). The path is found through the
//! handle where we may (open_by_handle_at(2)), else among what the pod has open, else by looking through the file tree. A watched file
//! without a name is one that the pod holds open.
//!
//! Events can only be read, and a read takes them. They are read, and then put back by having them happen again: see
//! [`super::inotify_events`].
use super::descriptor::{InFlight, Seen};
use super::file_object::path_bytes;
use super::inotify_events::{self, Event};
use super::{Capture, Context, Error, Nascent, Result};
use crate::proc::Proc;
use crate::sys::events;
use nix::sys::stat::{lstat, makedev};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub flags: i32,
    pub watches: Vec<Watch>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    pub number: i32,
    pub mask: u32,
    pub file: Watched,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watched {
    Path(#[serde(with = "path_bytes")] PathBuf),
    /// An open file description of the pod; the file has no name.
    Description(u32),
}

/// What a line of fdinfo tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    number: i32,
    inode: u64,
    device: u64,
    mask: u32,
    handle: Option<(i32, Vec<u8>)>,
}

/// `wd:1 ino:3c4a7 sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:a7c4030000000000`, all hexadecimal
pub(super) fn parse(line: &str) -> Option<Line> {
    let field = |key: &str| line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix(':'));
    let hex = |key: &str| u64::from_str_radix(field(key)?, 16).ok();
    let device = hex("sdev")?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let handle = field("f_handle").and_then(|text| {
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        Some((hex("fhandle-type")? as i32, bytes?))
    });
    Some(Line {
        number: hex("wd")? as i32,
        inode: hex("ino")?,
        device: makedev(device >> 20, device & 0xf_ffff),
        mask: hex("mask")? as u32,
        handle,
    })
}

pub(super) fn recognise(seen: &Seen) -> bool {
    matches!(seen.label(), "anon_inode:inotify" | "anon_inode:[inotify]")
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Record> {
    let mut watches = Vec::new();
    for text in seen.info.all("inotify") {
        let Some(line) = parse(text) else {
            return Err(Error::Inconsistent(format!("unexpected line in /proc about {}: {text}", seen.title())));
        };
        let Some(file) = find(&line, cx, flight) else {
            return Err(seen.refuse(
                format!("the file of its watch {} (inode {}) was not found", line.number, line.inode),
                "let the program remove the watch first",
            ));
        };
        watches.push(Watch { number: line.number, mask: line.mask, file });
    }
    watches.sort_by_key(|watch| watch.number);
    let doing = || format!("read the events of {}", seen.title());
    let mut record = Record { flags: seen.status_flags(), watches, events: Vec::new() };
    if events::readable_bytes(seen.fd.as_fd()).doing(doing)? > 0 {
        // from here on the pod's own descriptor is changed, and made as it was
        for watch in &record.watches {
            events::remove_watch(seen.fd.as_fd(), watch.number).doing(doing)?;
        }
        record.events = inotify_events::read_all(seen.fd.as_fd()).doing(doing)?;
        // those that our removing caused
        for watch in record.watches.iter().rev() {
            let last = record.events.iter().rposition(|event| event.watch == watch.number && event.mask & libc::IN_IGNORED != 0);
            last.map(|at| record.events.remove(at));
        }
        let targets = targets(&record.watches, |id| flight.fd(id).map(|fd| fd.as_raw_fd()));
        rebuild(seen.fd.as_fd(), &record, &targets, &cx.proc).doing(|| format!("put the events of {} back", seen.title()))?;
    }
    Ok(record)
}

/// The path that a watched file has, seen from the /proc of the engine where it starts with no slash.
fn targets(watches: &[Watch], fd: impl Fn(u32) -> Option<i32>) -> Vec<PathBuf> {
    let own = crate::sys::process::own_pid();
    let target = |watch: &Watch| match &watch.file {
        Watched::Path(path) => path.clone(),
        Watched::Description(id) => PathBuf::from(format!("{own}/fd/{}", fd(*id).unwrap_or(-1))),
    };
    watches.iter().map(target).collect()
}

/// Gives an inotify instance without watches and events the recorded ones.
fn rebuild(fd: BorrowedFd<'_>, record: &Record, targets: &[PathBuf], proc: &Proc) -> std::io::Result<()> {
    let highest = record.watches.iter().map(|watch| watch.number).chain(record.events.iter().map(|e| e.watch)).max().unwrap_or(0);
    if !record.events.is_empty() {
        inotify_events::put_back(fd, &record.events, highest + 1)?;
    }
    for (watch, target) in record.watches.iter().zip(targets) {
        events::set_next_watch(fd, watch.number)?;
        let number = add(fd, target, watch.mask, proc)?;
        if number != watch.number {
            return Err(std::io::Error::other(format!("watch {} came back as {number}", watch.number)));
        }
    }
    // numbers are not used again soon
    if highest > 0 && highest < i32::MAX {
        events::set_next_watch(fd, highest + 1)?;
    }
    Ok(())
}

fn add(fd: BorrowedFd<'_>, target: &Path, mask: u32, proc: &Proc) -> std::io::Result<i32> {
    let path = CString::new(target.as_os_str().as_bytes())?;
    if target.is_absolute() {
        return events::add_watch(fd, &path, mask | libc::IN_DONT_FOLLOW);
    }
    // below the host's /proc, which has no path here
    let before = nix::fcntl::open(".", nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty());
    nix::unistd::fchdir(proc.dir())?;
    let added = events::add_watch(fd, &path, mask);
    match before {
        Ok(before) => nix::unistd::fchdir(before)?,
        Err(_) => nix::unistd::chdir("/")?,
    }
    added
}

pub(super) fn open(record: &Record, id: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let flags = record.flags & libc::O_NONBLOCK | libc::IN_CLOEXEC;
    events::inotify(flags).doing(|| format!("make the inotify instance of open file {id}"))
}

/// Watches come late: what the restart itself does to files is nothing that the pod should hear of.
pub(super) fn settle(record: &Record, id: u32, cx: &mut Nascent) -> Result<()> {
    let targets = targets(&record.watches, |id| cx.descriptions.fd(id).ok().map(|fd| fd.as_raw_fd()));
    let doing = || format!("give the inotify instance of open file {id} its watches and events");
    rebuild(cx.descriptions.fd(id)?, record, &targets, &cx.proc).doing(doing)
}

/// Finds the watched file.
fn find(line: &Line, cx: &Capture, flight: &InFlight<'_>) -> Option<Watched> {
    let is_it =
        |path: &Path| path.is_absolute() && lstat(path).is_ok_and(|stat| stat.st_ino == line.inode && stat.st_dev == line.device);
    if let Some(path) = by_handle(line, cx).filter(|path| is_it(path)) {
        return Some(Watched::Path(path));
    }
    let held = flight.with_inode(line.device, line.inode);
    for id in &held {
        let link = cx.proc.read_link(&super::file_object::own_fd(flight.fd(*id)?)).ok()?;
        if is_it(&link) {
            return Some(Watched::Path(link));
        }
    }
    if let Some(id) = held.first() {
        return Some(Watched::Description(*id));
    }
    let mut near = Vec::new();
    for process in &cx.processes {
        near.extend(cx.proc.read_link(&format!("{}/cwd", process.handle)));
        for fd in cx.proc.numbers(&format!("{}/fd", process.handle)).unwrap_or_default() {
            near.extend(cx.proc.read_link(&format!("{}/fd/{fd}", process.handle)).ok().filter(|link| link.is_absolute()));
        }
    }
    for path in near.iter().flat_map(|path| path.ancestors()) {
        if is_it(path) {
            return Some(Watched::Path(path.into()));
        }
    }
    near.retain(|path| path.is_dir() && path != Path::new("/"));
    near.extend(["/tmp", "/etc", "/var", "/run", "/dev/shm", "/home", "/"].map(PathBuf::from));
    search(near, line).map(Watched::Path)
}

fn by_handle(line: &Line, cx: &Capture) -> Option<PathBuf> {
    let (kind, bytes) = line.handle.as_ref()?;
    let own = crate::sys::process::own_pid();
    let mounts = cx.proc.read_text(&format!("{own}/mountinfo")).ok()?;
    let number = format!("{}:{}", nix::sys::stat::major(line.device), nix::sys::stat::minor(line.device));
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        if fields.get(2) != Some(&number.as_str()) {
            continue;
        }
        let point = crate::proc::unescape(fields.get(4)?.as_bytes());
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK;
        let Ok(point) = nix::fcntl::open(&point, flags, nix::sys::stat::Mode::empty()) else { continue };
        if let Ok(fd) = crate::sys::files::open_by_handle(point.as_fd(), *kind, bytes) {
            return cx.proc.read_link(&super::file_object::own_fd(fd.as_fd())).ok();
        }
    }
    None
}

/// Looks through directories, breadth first, for an inode; gives up after many entries.
fn search(tops: Vec<PathBuf>, line: &Line) -> Option<PathBuf> {
    use std::os::unix::fs::DirEntryExt;
    const AT_MOST: usize = 500_000;
    let mut queue: VecDeque<PathBuf> = tops.into();
    let mut visited = std::collections::HashSet::new();
    let mut seen = 0;
    while let Some(directory) = queue.pop_front() {
        let Ok(stat) = lstat(&directory) else { continue };
        if (stat.st_dev, stat.st_ino) == (line.device, line.inode) {
            return Some(directory);
        }
        if !visited.insert((stat.st_dev, stat.st_ino)) {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > AT_MOST {
                return None;
            }
            let path = entry.path();
            if entry.ino() == line.inode && lstat(&path).is_ok_and(|stat| stat.st_dev == line.device) {
                return Some(path);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !path.starts_with("/proc") && !path.starts_with("/sys") {
                queue.push_back(path);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{capture_own, empty_capture, nascent};
    use super::*;

    #[test]
    fn lines_of_proc() {
        let line =
            parse("wd:1a ino:3c4a7 sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:a7c4").unwrap();
        assert_eq!((line.number, line.inode, line.mask), (26, 0x3c4a7, 0xfff));
        assert_eq!(line.device, makedev(254, 0));
        assert_eq!(line.handle, Some((1, vec![0xa7, 0xc4])));
        assert_eq!(parse("wd:1 ino:zz"), None);
    }

    /// Captures an instance and opens it again; gives the original (still open) and the new one.
    fn twice(fd: OwnedFd, others: &[OwnedFd]) -> (OwnedFd, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        let mut cx = empty_capture(&image);
        let mut fds = vec![fd.as_fd()];
        fds.extend(others.iter().map(AsFd::as_fd));
        let (_, records) = capture_own(&mut cx, &fds).unwrap();
        let count = records.len() as u32;
        let record = records[0].description.clone();
        let mut cx = nascent(cx, &image, records);
        for id in 0..count {
            cx.description(id).unwrap();
        }
        record.settle(0, &mut cx).unwrap();
        let again = cx.description(0).unwrap().try_clone_to_owned().unwrap();
        (fd, again)
    }

    fn watch(fd: &OwnedFd, path: &Path, mask: u32) -> i32 {
        events::add_watch(fd.as_fd(), &CString::new(path.as_os_str().as_bytes()).unwrap(), mask).unwrap()
    }

    fn all(fd: &OwnedFd) -> Vec<(i32, u32, String)> {
        let events = inotify_events::read_all(fd.as_fd()).unwrap();
        events.into_iter().map(|e| (e.watch, e.mask, String::from_utf8(e.name).unwrap())).collect()
    }

    #[test]
    fn watches_keep_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::write(path.join("file"), "x").unwrap();
        let fd = events::inotify(libc::IN_NONBLOCK).unwrap();
        let gone = watch(&fd, Path::new("/tmp"), libc::IN_CREATE);
        let on_dir = watch(&fd, path, libc::IN_CREATE | libc::IN_DELETE);
        let on_file = watch(&fd, &path.join("file"), libc::IN_MODIFY);
        events::remove_watch(fd.as_fd(), gone).unwrap();
        all(&fd);
        let nameless = std::fs::File::create_new(path.join("nameless")).unwrap();
        let on_nameless = watch(&fd, &path.join("nameless"), libc::IN_MODIFY);
        std::fs::remove_file(path.join("nameless")).unwrap();
        all(&fd);
        let held: OwnedFd = nameless.try_clone().unwrap().into();
        let (_fd, again) = twice(fd, &[held]);
        std::fs::write(path.join("file"), "y").unwrap();
        std::fs::write(path.join("new"), "").unwrap();
        let seen = all(&again);
        assert!(seen.contains(&(on_file, libc::IN_MODIFY, String::new())), "{seen:?}");
        assert!(seen.contains(&(on_dir, libc::IN_CREATE, "new".into())), "{seen:?}");
        assert_eq!(watch(&again, Path::new("/tmp"), libc::IN_CREATE), on_nameless + 1);
    }

    #[test]
    fn events_not_read_are_there_afterwards_on_both_sides() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::write(path.join("file"), "x").unwrap();
        let fd = events::inotify(libc::IN_NONBLOCK).unwrap();
        let on_dir = watch(&fd, path, libc::IN_ALL_EVENTS);
        let on_file = watch(&fd, &path.join("file"), libc::IN_ALL_EVENTS);
        std::fs::write(path.join("a"), "hello").unwrap();
        std::fs::rename(path.join("a"), path.join("bb")).unwrap();
        std::fs::create_dir(path.join("sub")).unwrap();
        std::fs::read(path.join("file")).unwrap();
        std::fs::rename(path.join("bb"), path.join("sub").join("c")).unwrap();
        std::fs::remove_file(path.join("file")).unwrap();
        let before = inotify_events::read_all(fd.as_fd()).unwrap();
        // the same again on an instance that nobody reads before the capture
        let fd = {
            std::fs::remove_dir_all(path.join("sub")).unwrap();
            std::fs::write(path.join("file"), "x").unwrap();
            let fd = events::inotify(libc::IN_NONBLOCK).unwrap();
            assert_eq!(
                (watch(&fd, path, libc::IN_ALL_EVENTS), watch(&fd, &path.join("file"), libc::IN_ALL_EVENTS)),
                (on_dir, on_file)
            );
            std::fs::write(path.join("a"), "hello").unwrap();
            std::fs::rename(path.join("a"), path.join("bb")).unwrap();
            std::fs::create_dir(path.join("sub")).unwrap();
            std::fs::read(path.join("file")).unwrap();
            std::fs::rename(path.join("bb"), path.join("sub").join("c")).unwrap();
            std::fs::remove_file(path.join("file")).unwrap();
            fd
        };
        let plain = |events: &[Event]| events.iter().map(|e| (e.watch, e.mask, e.name.clone())).collect::<Vec<_>>();
        let (original, again) = twice(fd, &[]);
        let both = [&original, &again].map(|side| inotify_events::read_all(side.as_fd()).unwrap());
        for after in both {
            assert_eq!(plain(&after), plain(&before));
            let cookie = |mask: u32| after.iter().filter(move |e| e.mask == mask).map(|e| e.cookie).next().unwrap();
            assert_ne!(cookie(libc::IN_MOVED_FROM), 0);
            assert_eq!(cookie(libc::IN_MOVED_FROM), cookie(libc::IN_MOVED_TO));
        }
        std::fs::write(path.join("after"), "").unwrap();
        assert_eq!(
            [&original, &again].map(|side| all(side)[0].clone()),
            [0, 1].map(|_| (on_dir, libc::IN_CREATE, "after".to_string()))
        );
    }
}
