//! Making it again, in an empty directory of ours that nobody uses yet.
use super::capture::WorkingDirectory;
use super::{Content, Record, Section, notes};
use crate::image::{ImageReader, RunRef};
use crate::needs::Need;
use crate::resource::{Context, Error, Result};
use crate::sys::xattr::{self, Of};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchdir, fchownat, getegid, geteuid, getgroups, linkat, symlinkat};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Runs up to this length come out of the chunk that was read last; longer ones are read by several threads.
const SHORT: u64 = 1 << 20;

/// What the changes need of this host.
pub fn needs(section: &Section) -> Vec<Need> {
    if geteuid().is_root() {
        return Vec::new();
    }
    let groups: Vec<Gid> = getgroups().unwrap_or_default();
    let ours = |(uid, gid): (u32, u32)| {
        let gid = Gid::from_raw(gid);
        Uid::from_raw(uid) == geteuid() && (gid == getegid() || groups.contains(&gid))
    };
    let mut lacking = BTreeSet::new();
    for record in &section.entries {
        let made = !matches!(record.content, Content::Removed | Content::Link(_));
        if made && !ours(record.owner) {
            lacking.insert(format!("files of user {} and group {}", record.owner.0, record.owner.1));
        }
        if matches!(&record.content, Content::Directory { redirect: Some(_), .. }) {
            lacking.insert("renamed directories of the tree".into());
        }
        let beyond = |name: &[u8]| name.starts_with(b"trusted.") || name == b"security.capability";
        let names = record.attributes.iter().map(|attribute| &attribute.name[..]).filter(|name| beyond(name));
        lacking.extend(names.map(|name| format!("the extended attribute {}", String::from_utf8_lossy(name))));
    }
    let need = |what: String| {
        let missing =
            format!("the pod's changes to its tree have {what}, which take root's privilege to make; restart it as root");
        Need::new("privilege", what, Err(Error::NotHere(missing)))
    };
    lacking.into_iter().map(need).collect()
}

/// Makes all that the section tells in the directory `root`.
pub fn restore(section: &Section, reader: &ImageReader, root: OwnedFd) -> Result<()> {
    section.check()?;
    crate::needs::refuse_unmet(needs(section))?;
    // attributes are set by names in the working directory
    let _back = WorkingDirectory::leave()?;
    let work = Work { section, reader, root };
    work.make_all()?;
    work.dress_directories()
}

struct Work<'a> {
    section: &'a Section,
    reader: &'a ImageReader,
    root: OwnedFd,
}

impl Work<'_> {
    fn shown(&self, index: usize) -> String {
        format!("make {} of the pod's tree again", self.section.path(index).display())
    }

    fn make_all(&self) -> Result<()> {
        self.walk(|index, record, directory, name| self.make(index, record, directory, name), |_, _, _, _| Ok(()))
    }

    /// Directories get what they have when everything is made: they could become unreadable to us, and hand on what they have to
    /// what is made in them.
    fn dress_directories(&self) -> Result<()> {
        self.walk(|_, _, _, _| Ok(()), |index, record, directory, name| self.dress(index, record, directory, name))
    }

    /// Goes through the records in order. `enter` is called for each but the root, in the directory where it is, which is the working directory
    /// then; `leave` for each directory after all that is in it, likewise.
    fn walk(
        &self,
        enter: impl Fn(usize, &Record, BorrowedFd<'_>, &CStr) -> Result<()>,
        leave: impl Fn(usize, &Record, BorrowedFd<'_>, &CStr) -> Result<()>,
    ) -> Result<()> {
        let root = self.root.try_clone().doing(|| self.shown(0))?;
        let mut open: Vec<(usize, OwnedFd)> = vec![(0, root)];
        let go = |(index, directory): &(usize, OwnedFd)| fchdir(directory).doing(|| self.shown(*index));
        go(&open[0])?;
        let close = |open: &mut Vec<(usize, OwnedFd)>| -> Result<()> {
            let Some((index, directory)) = open.pop() else { return Ok(()) };
            let Some(above) = open.last() else { return leave(index, &self.section.entries[index], directory.as_fd(), c".") };
            go(above)?;
            let record = &self.section.entries[index];
            leave(index, record, above.1.as_fd(), &name_of(record)?)
        };
        for (index, record) in self.section.entries.iter().enumerate().skip(1) {
            while open.last().is_some_and(|(last, _)| *last != record.parent as usize) {
                close(&mut open)?;
            }
            let Some((_, directory)) = open.last() else {
                return Err(Error::Inconsistent("the records of what programs changed in the tree are in no order".into()));
            };
            let name = name_of(record)?;
            enter(index, record, directory.as_fd(), &name)?;
            if let Content::Directory { .. } = record.content {
                let below = (index, enter_directory(directory.as_fd(), &name).doing(|| self.shown(index))?);
                go(&below)?;
                open.push(below);
            }
        }
        while !open.is_empty() {
            close(&mut open)?;
        }
        Ok(())
    }

    fn make(&self, index: usize, record: &Record, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let doing = || self.shown(index);
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        match &record.content {
            Content::Directory { .. } => return mkdirat(directory, name, Mode::S_IRWXU).doing(doing),
            Content::Removed => return mknodat(directory, name, SFlag::S_IFCHR, Mode::empty(), 0).doing(doing),
            Content::Link(first) => {
                let first = *first as usize;
                let there = self.directory_of(first)?;
                let first = name_of(&self.section.entries[first])?;
                return linkat(&there, first.as_c_str(), directory, name, AtFlags::empty()).doing(doing);
            }
            Content::File { size, runs } => {
                let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let file = openat(directory, name, flags, private).doing(doing)?;
                nix::unistd::ftruncate(&file, *size as i64).doing(doing)?;
                for (offset, run) in runs {
                    self.fill(&file, *offset, run).doing(doing)?;
                }
            }
            Content::Symlink(target) => symlinkat(target, directory, name).doing(doing)?,
            Content::Fifo => mknodat(directory, name, SFlag::S_IFIFO, private, 0).doing(doing)?,
            Content::Socket => mknodat(directory, name, SFlag::S_IFSOCK, private, 0).doing(doing)?,
        }
        self.dress(index, record, directory, name)
    }

    fn fill(&self, file: &OwnedFd, offset: u64, run: &RunRef) -> std::io::Result<()> {
        let write = |at: u64, bytes: &[u8]| -> std::io::Result<()> {
            let mut done = 0;
            while done < bytes.len() {
                done += nix::sys::uio::pwrite(file, &bytes[done..], (at + done as u64) as i64)?;
            }
            Ok(())
        };
        if run.len <= SHORT {
            let bytes = self.reader.get(run).map_err(std::io::Error::other)?;
            return write(offset, &bytes);
        }
        let sink = |position: u64, bytes: &[u8]| write(offset + (position - run.start), bytes);
        self.reader.stream(&[*run], sink).map_err(std::io::Error::other)
    }

    /// The directory that a record is in, found from the root.
    fn directory_of(&self, index: usize) -> Result<OwnedFd> {
        let mut way = Vec::new();
        let mut at = self.section.entries[index].parent as usize;
        while at > 0 {
            way.push(at);
            at = self.section.entries[at].parent as usize;
        }
        let mut directory = self.root.try_clone().doing(|| self.shown(0))?;
        for step in way.into_iter().rev() {
            let name = name_of(&self.section.entries[step])?;
            directory = enter_directory(directory.as_fd(), &name).doing(|| self.shown(step))?;
        }
        Ok(directory)
    }

    /// Gives it owner, attributes, permissions and times, in this order: each would take away some of those after it.
    fn dress(&self, index: usize, record: &Record, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let doing = || self.shown(index);
        let (uid, gid) = record.owner;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(directory, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW).doing(doing)?;
        for attribute in &record.attributes {
            // a name of overlayfs's own is not taken for its note under a longer one
            let set = match attribute.name.strip_prefix(notes()) {
                Some(rest) => [notes(), b"overlay.", rest].concat(),
                None => attribute.name.clone(),
            };
            let shown = String::from_utf8_lossy(&attribute.name);
            set_attribute(name, &set, &attribute.value)
                .doing(|| format!("give {shown} to {}", self.section.path(index).display()))?;
        }
        let overlay = |note: &str, value: &[u8]| set_attribute(name, &[notes(), note.as_bytes()].concat(), value).doing(doing);
        if let Content::Directory { opaque, redirect } = &record.content {
            if *opaque {
                overlay("opaque", b"y")?;
            }
            if let Some(to) = redirect {
                overlay("redirect", to)?;
            }
        }
        match (record.append_only, record.immutable) {
            (false, false) => {}
            (true, false) => overlay("protattr", b"a")?,
            (false, true) => overlay("protattr", b"i")?,
            (true, true) => overlay("protattr", b"ai")?,
        }
        if !matches!(record.content, Content::Symlink(_)) {
            fchmodat(directory, name, Mode::from_bits_truncate(record.mode), FchmodatFlags::FollowSymlink).doing(doing)?;
        }
        let [accessed, modified] = record.times.map(|(seconds, nanoseconds)| TimeSpec::new(seconds, nanoseconds));
        utimensat(directory, name, &accessed, &modified, UtimensatFlags::NoFollowSymlink).doing(doing)
    }
}

fn set_attribute(name: &CStr, attribute: &[u8], value: &[u8]) -> std::io::Result<()> {
    xattr::set(Of::Name(name), &crate::proc::c_string(attribute)?, value)
}

fn name_of(record: &Record) -> Result<CString> {
    let shown = || format!("name {}", OsStr::from_bytes(&record.name).to_string_lossy());
    crate::proc::c_string(&record.name).doing(shown)
}

fn enter_directory(directory: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    openat(directory, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}
