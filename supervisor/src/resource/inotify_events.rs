//! Putting events back into the queue of an inotify instance (inotify(7)).
//!
//! The kernel has no call for that, so the events are made to happen again: on files of ours, watched under the numbers that the
//! events carry. Removing such a watch would queue an event of its own (IN_IGNORED) - unless the queue is full and already holds
//! the event that says so (IN_Q_OVERFLOW), of which there is only one. So:
//!
//! 1. fill the queue with events of two files of ours until it overflows;
//! 2. read as many as are to be put back, and one more: the queue has room, the overflow event is still in it;
//! 3. let the events happen, each with a mask that lets nothing else through: the queue is full again;
//! 4. remove our watches: the kernel drops what it would tell of that;
//! 5. read the rest of the filling, and the overflow event. What remains is what was to be put back.
use crate::sys::events;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// struct inotify_event
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub watch: i32,
    pub mask: u32,
    pub cookie: u32,
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
}

const HEADER: usize = 16;
/// IN_UNMOUNT is never sent about a file of ours: a mask that lets nothing through.
const NOTHING: u32 = libc::IN_UNMOUNT;

fn decode(mut bytes: &[u8]) -> Option<Vec<Event>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let len = word(12)? as usize;
        let name = bytes.get(HEADER..HEADER + len)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(len);
        all.push(Event { watch: word(0)? as i32, mask: word(4)?, cookie: word(8)?, name: name[..end].to_vec() });
        bytes = &bytes[HEADER + len..];
    }
    Some(all)
}

/// Reads all events there are.
pub(super) fn read_all(fd: BorrowedFd<'_>) -> io::Result<Vec<Event>> {
    let mut all = Vec::new();
    while events::readable_bytes(fd)? > 0 {
        let mut buffer = vec![0u8; 1 << 16];
        let n = nix::unistd::read(fd, &mut buffer)?;
        all.extend(decode(&buffer[..n]).ok_or_else(|| io::Error::other("an event of an unknown form"))?);
    }
    Ok(all)
}

/// Reads exactly this many events that have no name.
fn drop_nameless(fd: BorrowedFd<'_>, mut count: usize) -> io::Result<()> {
    while count > 0 {
        let mut buffer = vec![0u8; HEADER * count.min(4096)];
        let n = nix::unistd::read(fd, &mut buffer)?;
        if n == 0 || n % HEADER != 0 {
            return Err(io::Error::other("events with names among those without"));
        }
        count -= n / HEADER;
    }
    Ok(())
}

/// Puts events into the queue of an instance that has neither watches nor events. `free`: a watch number from which on none
/// is in use.
pub(super) fn put_back(fd: BorrowedFd<'_>, recorded: &[Event], free: i32) -> io::Result<()> {
    if let Some(event) = recorded.iter().find(|event| event.mask & libc::IN_UNMOUNT != 0) {
        let text = format!("watch {} has an unread event of an unmounted file system, which cannot be made again", event.watch);
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let overflowed = recorded.iter().any(|event| event.mask & libc::IN_Q_OVERFLOW != 0);
    let list: Vec<&Event> = recorded.iter().filter(|event| event.mask & libc::IN_Q_OVERFLOW == 0).collect();
    let stage = Stage::new(fd, &list, free)?;
    if overflowed {
        // the queue was full, so it fills up again by itself
        stage.perform(&list)?;
        stage.fill()?;
        return stage.remove_watches();
    }
    let capacity = stage.fill()?;
    drop_nameless(fd, (list.len() + 1).min(capacity + 1))?;
    stage.perform(&list)?;
    stage.remove_watches()?;
    drop_nameless(fd, capacity.saturating_sub(list.len()))?;
    let expected: usize = list.iter().map(|event| HEADER + padded(event.name.len())).sum();
    let found = events::readable_bytes(fd)?;
    if found != expected {
        return Err(io::Error::other(format!("{found} bytes of events instead of {expected}")));
    }
    Ok(())
}

/// Names end in at least one NUL and fill whole headers.
fn padded(len: usize) -> usize {
    if len == 0 { 0 } else { (len + 1).next_multiple_of(HEADER) }
}

/// Files of ours on which the events happen.
struct Stage<'a> {
    fd: BorrowedFd<'a>,
    top: PathBuf,
    fillers: [(PathBuf, i32); 2],
    /// The object of each watch, and whether it is a directory.
    objects: HashMap<i32, (PathBuf, bool)>,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

impl<'a> Stage<'a> {
    fn new(fd: BorrowedFd<'a>, list: &[&Event], free: i32) -> io::Result<Stage<'a>> {
        let made = ["/dev/shm", "/tmp", "/var/tmp", "."].iter().find_map(|directory| {
            let template = Path::new(directory).join("autopod-events-XXXXXX");
            nix::unistd::mkdtemp(&template).ok()
        });
        let top = made.ok_or_else(|| io::Error::other("no directory for temporary files can be written to"))?;
        let mut stage = Stage { fd, fillers: [(top.join("a"), 0), (top.join("b"), 0)], objects: HashMap::new(), top };
        fs::create_dir(stage.top.join("aside"))?;
        for event in list {
            let directory = list
                .iter()
                .any(|other| other.watch == event.watch && (!other.name.is_empty() || other.mask & libc::IN_ISDIR != 0));
            if stage.objects.contains_key(&event.watch) {
                continue;
            }
            let path = stage.top.join(format!("watch{}", event.watch));
            if directory {
                fs::create_dir(&path)?
            } else {
                fs::write(&path, "x")?
            }
            events::set_next_watch(fd, event.watch)?;
            if events::add_watch(fd, &c_path(&path)?, NOTHING)? != event.watch {
                return Err(io::Error::other(format!("watch number {} is in use", event.watch)));
            }
            stage.objects.insert(event.watch, (path, directory));
        }
        events::set_next_watch(fd, free)?;
        for (path, number) in &mut stage.fillers {
            fs::write(&*path, "")?;
            *number = events::add_watch(fd, &c_path(path)?, libc::IN_ATTRIB)?;
        }
        Ok(stage)
    }

    /// Fills the queue until it has overflowed, and gives the number of events that it takes.
    fn fill(&self) -> io::Result<usize> {
        let mut before = 0;
        loop {
            // events of two files in turn: equal ones in a row would be merged
            for _ in 0..256 {
                for (path, _) in &self.fillers {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                }
            }
            let bytes = events::readable_bytes(self.fd)?;
            if bytes == before {
                return Ok((bytes / HEADER).saturating_sub(1));
            }
            before = bytes;
        }
    }

    fn remove_watches(&self) -> io::Result<()> {
        let numbers = self.objects.keys().copied().chain(self.fillers.iter().map(|(_, number)| *number));
        for number in numbers {
            match events::remove_watch(self.fd, number) {
                // its object was deleted, or IN_IGNORED was to be put back
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn mask(&self, event: &Event, mask: u32) -> io::Result<()> {
        let (path, _) = &self.objects[&event.watch];
        events::add_watch(self.fd, &c_path(path)?, mask).map(drop)
    }

    /// Lets the events happen, in order.
    fn perform(&self, list: &[&Event]) -> io::Result<()> {
        let mut at = 0;
        while at < list.len() {
            let event = list[at];
            let pair = list.get(at + 1).filter(|next| {
                event.mask & libc::IN_MOVED_FROM != 0 && next.mask & libc::IN_MOVED_TO != 0 && next.cookie == event.cookie
            });
            match pair {
                Some(to) => {
                    self.rename(event, Some(to))?;
                    at += 2;
                }
                None => {
                    self.one(event)?;
                    at += 1;
                    // the deletion of the object removed the watch, and told so
                    if event.mask & libc::IN_DELETE_SELF != 0 {
                        at += list.get(at).is_some_and(|next| next.watch == event.watch && next.mask & libc::IN_IGNORED != 0)
                            as usize;
                    }
                }
            }
        }
        Ok(())
    }

    /// A file or directory for an event about `path`.
    fn make(path: &Path, directory: bool) -> io::Result<()> {
        Self::unmake(path)?;
        if directory { fs::create_dir(path) } else { fs::write(path, "x") }
    }

    fn unmake(path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(_) => Ok(()),
        }
    }

    fn rename(&self, event: &Event, to: Option<&Event>) -> io::Result<()> {
        let directory = event.mask & libc::IN_ISDIR != 0;
        let aside = self.top.join("aside").join("moved");
        let place = |event: &Event| self.objects[&event.watch].0.join(OsStr::from_bytes(&event.name));
        let (source, target) = match (to, event.mask & libc::IN_MOVED_FROM != 0) {
            (Some(to), _) => (place(event), place(to)),
            (None, true) => (place(event), aside),
            (None, false) => (aside, place(event)),
        };
        Self::unmake(&target)?;
        Self::make(&source, directory)?;
        let both = libc::IN_MOVED_FROM | libc::IN_MOVED_TO;
        let wanted = |event: &Event| match to {
            Some(to) if to.watch == event.watch => both,
            _ => event.mask & both,
        };
        self.mask(event, wanted(event))?;
        if let Some(to) = to.filter(|to| to.watch != event.watch) {
            self.mask(to, to.mask & both)?;
        }
        fs::rename(&source, &target)?;
        self.mask(event, NOTHING)?;
        if let Some(to) = to.filter(|to| to.watch != event.watch) {
            self.mask(to, NOTHING)?;
        }
        Self::unmake(&target)
    }

    fn one(&self, event: &Event) -> io::Result<()> {
        let (object, object_is_directory) = &self.objects[&event.watch];
        let named = !event.name.is_empty();
        let path = if named { object.join(OsStr::from_bytes(&event.name)) } else { object.clone() };
        let directory = if named { event.mask & libc::IN_ISDIR != 0 } else { *object_is_directory };
        let kind = event.mask & libc::IN_ALL_EVENTS;
        if event.mask & libc::IN_IGNORED != 0 {
            return events::remove_watch(self.fd, event.watch);
        }
        if kind & (libc::IN_MOVED_FROM | libc::IN_MOVED_TO) != 0 {
            return self.rename(event, None);
        }
        // what must be there before
        if named {
            match kind {
                libc::IN_CREATE => Self::unmake(&path)?,
                _ => Self::make(&path, directory)?,
            }
        }
        let open_for = |write: bool| -> io::Result<File> {
            if write && !directory { OpenOptions::new().write(true).open(&path) } else { File::open(&path) }
        };
        let mut held = match kind {
            libc::IN_CLOSE_WRITE | libc::IN_MODIFY => Some(open_for(true)?),
            libc::IN_CLOSE_NOWRITE | libc::IN_ACCESS => Some(open_for(false)?),
            _ => None,
        };
        self.mask(event, kind)?;
        match kind {
            libc::IN_CREATE => Self::make(&path, directory)?,
            libc::IN_DELETE => Self::unmake(&path)?,
            libc::IN_OPEN => held = Some(open_for(false)?),
            libc::IN_CLOSE_WRITE | libc::IN_CLOSE_NOWRITE => drop(held.take()),
            libc::IN_MODIFY => held.as_mut().map_or(Ok(()), |file| file.write_all(b"y"))?,
            libc::IN_ACCESS if directory => {
                let mut listing = nix::dir::Dir::from_fd(held.take().map_or_else(|| open_for(false), Ok)?.into())?;
                listing.iter().next().transpose()?;
            }
            libc::IN_ACCESS => held.as_mut().map_or(Ok(()), |file| file.read_exact(&mut [0]))?,
            libc::IN_ATTRIB => fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?,
            libc::IN_MOVE_SELF => {
                let aside = self.top.join("aside").join("self");
                fs::rename(&path, &aside)?;
                // back under its name, with the mask closed through the new one
                events::add_watch(self.fd, &c_path(&aside)?, NOTHING)?;
                return fs::rename(&aside, &path);
            }
            libc::IN_DELETE_SELF => return Self::unmake(&path),
            other => return Err(io::Error::other(format!("an event of unknown kind {other:#x}"))),
        }
        self.mask(event, NOTHING)?;
        drop(held);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn events_are_decoded_without_padding() {
        let mut bytes = Vec::new();
        for word in [3u32, libc::IN_CREATE, 0, 16] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(b"name\0\0\0\0\0\0\0\0\0\0\0\0");
        let event = Event { watch: 3, mask: libc::IN_CREATE, cookie: 0, name: b"name".to_vec() };
        assert_eq!(decode(&bytes), Some(vec![event]));
        assert_eq!(decode(&bytes[..20]), None);
    }

    #[test]
    fn every_kind_of_event_can_be_put_back() {
        let event = |watch, mask, name: &str| Event { watch, mask, cookie: 0, name: name.as_bytes().to_vec() };
        let list = vec![
            event(5, libc::IN_CREATE, "a"),
            event(5, libc::IN_OPEN, "a"),
            event(5, libc::IN_MODIFY, "a"),
            event(5, libc::IN_CLOSE_WRITE, "a"),
            event(5, libc::IN_ACCESS, "a"),
            event(5, libc::IN_CLOSE_NOWRITE, "a"),
            event(5, libc::IN_ATTRIB, "a"),
            event(5, libc::IN_DELETE, "a"),
            event(5, libc::IN_CREATE | libc::IN_ISDIR, "d"),
            event(5, libc::IN_OPEN | libc::IN_ISDIR, "d"),
            event(5, libc::IN_ACCESS | libc::IN_ISDIR, "d"),
            event(5, libc::IN_CLOSE_NOWRITE | libc::IN_ISDIR, "d"),
            event(5, libc::IN_OPEN | libc::IN_ISDIR, ""),
            event(5, libc::IN_MOVED_TO, "from-elsewhere"),
            event(5, libc::IN_MOVED_FROM, "to-elsewhere"),
            event(5, libc::IN_MOVE_SELF, ""),
            event(9, libc::IN_MODIFY, ""),
            event(9, libc::IN_MOVE_SELF, ""),
            event(9, libc::IN_ATTRIB, ""),
            event(9, libc::IN_DELETE_SELF, ""),
            event(9, libc::IN_IGNORED, ""),
            event(12, libc::IN_IGNORED, ""),
        ];
        let fd = events::inotify(libc::IN_NONBLOCK).unwrap();
        put_back(fd.as_fd(), &list, 13).unwrap();
        let mut found = read_all(fd.as_fd()).unwrap();
        found.iter_mut().for_each(|event| event.cookie = 0);
        assert_eq!(found, list);
    }
}
