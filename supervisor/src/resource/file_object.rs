//! What a file is, apart from how it is open: the thing that descriptors, mappings, programs and working directories refer to.
//!
//! A file that has a name is recorded by the name and checked when it is opened again: it must be of the same type and not
//! shorter, and code must not have changed. A file whose last name is gone (link text ending in ` (deleted)`, no links left;
//! also O_TMPFILE and memfd_create(2)) is a *ghost*: nobody but its holders can know it, so its contents go into the image, once. A file
//! that was opened by a name now gone, but has others (hard links), is found by another name.
use super::ghost::{self, Ghost};
use super::{Capture, Context, Error, Nascent, Result};
use crate::image::RunRef;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, lstat};
use nix::unistd::{LinkatFlags, UnlinkatFlags};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A file of any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileObject {
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Place {
    Named {
        #[serde(with = "path_bytes")]
        path: PathBuf,
        identity: Identity,
    },
    /// Opened as `gone`, which no longer exists; still to be found as `path`.
    Linked {
        #[serde(with = "path_bytes")]
        path: PathBuf,
        #[serde(with = "path_bytes")]
        gone: PathBuf,
        identity: Identity,
    },
    Ghost(Ghost),
}

/// What tells whether a name still means the same file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Identity {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last modification.
    modified: (i64, i64),
    /// st_mode: type and permissions.
    mode: u32,
}

impl Identity {
    fn of(stat: &FileStat) -> Identity {
        Identity {
            inode: stat.st_ino,
            size: stat.st_size as u64,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            mode: stat.st_mode,
        }
    }

    /// Refuses a file that cannot be the recorded one, or code that is to be opened with these flags and has changed.
    fn check(&self, path: &Path, found: &FileStat, flags: i32) -> Result<()> {
        let changed = |how: &str| {
            Err(Error::NotHere(format!(
                "the file {} {how}; put the file back as it was at the checkpoint, then restart",
                path.display()
            )))
        };
        if found.st_mode & libc::S_IFMT != self.mode & libc::S_IFMT {
            return changed("is of another type than at the checkpoint");
        }
        if !self.is_regular() {
            return Ok(());
        }
        if (found.st_size as u64) < self.size {
            return changed(&format!("is shorter than at the checkpoint ({} bytes, then {})", found.st_size, self.size));
        }
        let same = Identity::of(found).modified == self.modified && found.st_size as u64 == self.size;
        if !same && flags & libc::O_ACCMODE == libc::O_RDONLY && self.is_code(path) {
            return changed("is a program or library and has changed since the checkpoint");
        }
        if !same {
            tracing::debug!(path = %path.display(), "file changed since the checkpoint");
        }
        Ok(())
    }

    fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    fn is_code(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.") || self.mode & 0o111 != 0
    }
}

impl FileObject {
    /// The file that has this name now; the last component is not followed.
    pub fn by_path(path: &Path) -> io::Result<FileObject> {
        let identity = Identity::of(&lstat(path)?);
        Ok(FileObject { place: Place::Named { path: path.into(), identity } })
    }

    /// The inode number at the checkpoint.
    pub fn inode(&self) -> u64 {
        match &self.place {
            Place::Named { identity, .. } | Place::Linked { identity, .. } => identity.inode,
            Place::Ghost(ghost) => ghost.inode,
        }
    }

    /// The name by which the file was opened, or its last one.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Named { path, .. } => path,
            Place::Linked { gone, .. } => gone,
            Place::Ghost(ghost) => &ghost.path,
        }
    }

    /// The contents of a file without a name, as recorded; `None` for one that has a name.
    pub fn ghost(&self) -> Option<&Ghost> {
        match &self.place {
            Place::Ghost(ghost) => Some(ghost),
            _ => None,
        }
    }

    /// The name under which a restart looks for the file, and whether it is a directory; `None` if the image holds the file.
    pub fn sought(&self) -> Option<(&Path, bool)> {
        match &self.place {
            Place::Named { path, identity } | Place::Linked { path, identity, .. } => {
                Some((path, identity.mode & libc::S_IFMT == libc::S_IFDIR))
            }
            Place::Ghost(_) => None,
        }
    }

    /// Whether a restart will find the file here, to be opened with these flags; it is not opened.
    pub fn check(&self, flags: i32) -> Result<()> {
        let (Place::Named { path, identity } | Place::Linked { path, identity, .. }) = &self.place else { return Ok(()) };
        if (appends_only(flags) && identity.is_regular()) || super::posix_shm::makes(path) {
            return Ok(());
        }
        let found = lstat(path).doing(|| format!("find the file {}", path.display()))?;
        identity.check(path, &found, flags)
    }

    /// A new open file description of the file, with these flags of open(2), as a descriptor of the engine.
    pub fn open(&self, cx: &mut Nascent, flags: i32) -> Result<OwnedFd> {
        match &self.place {
            Place::Named { path, identity } if appends_only(flags) && identity.is_regular() => open_log(path, identity, flags),
            Place::Named { path, identity } => {
                let path = &super::posix_shm::place(cx, path)?;
                let fd = open_path(path, flags)?;
                identity.check(path, &fstat(&fd).doing(|| format!("stat {}", path.display()))?, flags)?;
                Ok(fd)
            }
            Place::Linked { path, gone, identity } => {
                let path = &super::posix_shm::place(cx, path)?;
                // under its old name, so that /proc shows that one again
                let renamed = nix::unistd::linkat(nix::fcntl::AT_FDCWD, path, nix::fcntl::AT_FDCWD, gone, LinkatFlags::empty());
                let fd = open_path(if renamed.is_ok() { gone } else { path }, flags);
                if renamed.is_ok() {
                    let _ = nix::unistd::unlink(gone);
                }
                let fd = fd?;
                identity.check(path, &fstat(&fd).doing(|| format!("stat {}", path.display()))?, flags)?;
                Ok(fd)
            }
            Place::Ghost(ghost) => ghost.open(cx, flags),
        }
    }
}

/// Applies what ghosts may get only when everything is mapped: the seals of memfds.
pub fn finish(cx: &mut Nascent) -> Result<()> {
    ghost::finish(cx)
}

/// Records the file behind a descriptor of the engine. `link` is what /proc shows for it in the pod's mount namespace.
pub fn capture(cx: &mut Capture, fd: BorrowedFd<'_>, link: &Path) -> Result<FileObject> {
    let stat = fstat(fd).doing(|| format!("stat {}", link.display()))?;
    let same = |found: &FileStat| found.st_ino == stat.st_ino && found.st_dev == stat.st_dev;
    if link.as_os_str().as_bytes().starts_with(b"/memfd:") {
        return ghost(cx, fd, &stat, link.as_os_str());
    }
    if lstat(link).is_ok_and(|found| same(&found)) {
        return Ok(FileObject { place: Place::Named { path: link.into(), identity: Identity::of(&stat) } });
    }
    let refuse = |reason: &str, way_out: &str| {
        Err(Error::Refused { object: format!("the file {}", link.display()), reason: reason.into(), way_out: way_out.into() })
    };
    let Some(name) = link.as_os_str().as_bytes().strip_suffix(b" (deleted)") else {
        return refuse(
            "its path does not lead to it: it is outside the pod's file tree, or something is mounted over it",
            "let the program close it first",
        );
    };
    let directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    if stat.st_nlink == 0 || directory {
        return ghost(cx, fd, &stat, OsStr::from_bytes(name));
    }
    let gone = PathBuf::from(OsStr::from_bytes(name));
    match other_name(cx, &gone, &stat) {
        Some(path) => Ok(FileObject { place: Place::Linked { path, gone, identity: Identity::of(&stat) } }),
        None => refuse(
            "the name by which it was opened is deleted, and its other names (hard links) were not found nearby",
            "give it a name in its old directory again",
        ),
    }
}

/// Records a program or library that is executed but that its path does not lead to any more. Nobody writes to code, so a file that has
/// other names, which are not found, may come back as one of its own.
pub(super) fn capture_code(cx: &mut Capture, fd: BorrowedFd<'_>, link: &Path) -> Result<FileObject> {
    match capture(cx, fd, link) {
        Err(Error::Refused { .. }) => {
            let stat = fstat(fd).doing(|| format!("stat {}", link.display()))?;
            let bytes = link.as_os_str().as_bytes();
            ghost(cx, fd, &stat, OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)))
        }
        other => other,
    }
}

const GHOSTS: &str = "ghosts";
/// By device and inode.
type Ghosts = HashMap<(u64, u64), Ghost>;

/// Each ghost is recorded once; the records know it by a number of its own.
fn ghost(cx: &mut Capture, fd: BorrowedFd<'_>, stat: &FileStat, name: &OsStr) -> Result<FileObject> {
    let key = (stat.st_dev, stat.st_ino);
    let known: &mut Ghosts = cx.remembered(GHOSTS);
    if let Some(ghost) = known.get(&key) {
        return Ok(FileObject { place: Place::Ghost(ghost.clone()) });
    }
    let id = known.len() as u32;
    let ghost = Ghost::capture(cx, id, fd, stat, name)?;
    cx.remembered::<Ghosts>(GHOSTS).insert(key, ghost.clone());
    Ok(FileObject { place: Place::Ghost(ghost) })
}

/// A deleted file that nobody has open and we may not open, known by what its mappings show; who owns it and what it permits is not seen.
pub(super) fn unopened(cx: &mut Capture, key: ((u32, u32), u64), path: &Path, size: u64, runs: Vec<(u64, RunRef)>) -> FileObject {
    let ((major, minor), inode) = key;
    let known: &mut Ghosts = cx.remembered(GHOSTS);
    let id = known.len() as u32;
    let ghost = Ghost::of_mappings(id, path, inode, size, runs);
    known.insert((nix::sys::stat::makedev(major.into(), minor.into()), inode), ghost.clone());
    FileObject { place: Place::Ghost(ghost) }
}

/// Looks for a file with hard links under the directory where it once was, then among the open files of the pod.
fn other_name(cx: &Capture, gone: &Path, stat: &FileStat) -> Option<PathBuf> {
    const AT_MOST: usize = 100_000;
    let mut seen = 0;
    let mut tops: Vec<&Path> = gone.ancestors().skip(1).take(3).collect();
    tops.retain(|top| *top != Path::new("/"));
    for top in tops {
        let mut directories = vec![top.to_path_buf()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                seen += 1;
                if seen > AT_MOST {
                    return other_name_held(cx, stat);
                }
                use std::os::unix::fs::{DirEntryExt, MetadataExt};
                let kind = entry.file_type().ok();
                if kind.is_some_and(|kind| kind.is_dir()) {
                    if entry.metadata().is_ok_and(|meta| meta.dev() == stat.st_dev) {
                        directories.push(entry.path());
                    }
                } else if entry.ino() == stat.st_ino
                    && lstat(&entry.path()).is_ok_and(|found| found.st_dev == stat.st_dev && found.st_ino == stat.st_ino)
                {
                    return Some(entry.path());
                }
            }
        }
    }
    other_name_held(cx, stat)
}

fn other_name_held(cx: &Capture, stat: &FileStat) -> Option<PathBuf> {
    for process in &cx.processes {
        for fd in cx.proc.numbers(&format!("{}/fd", process.handle)).unwrap_or_default() {
            let Ok(link) = cx.proc.read_link(&format!("{}/fd/{fd}", process.handle)) else { continue };
            if lstat(&link).is_ok_and(|found| found.st_dev == stat.st_dev && found.st_ino == stat.st_ino) {
                return Some(link);
            }
        }
    }
    None
}

/// open(2) of an existing file. Where its permissions now forbid what the program once was allowed, its owner lifts them for a moment.
fn open_path(path: &Path, flags: i32) -> Result<OwnedFd> {
    let doing = || format!("open the file {}", path.display());
    // a fifo must not wait for its other end, and no terminal may become ours
    let keep = flags & (libc::O_NONBLOCK | libc::O_NOCTTY);
    let all = flags | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
    let fd = match try_open(path, all) {
        Err(nix::errno::Errno::EACCES) => {
            let stat = lstat(path).doing(doing)?;
            let before = Mode::from_bits_truncate(stat.st_mode & 0o7777);
            let lifted = before | Mode::S_IRUSR | Mode::S_IWUSR;
            let chmod =
                |mode| nix::sys::stat::fchmodat(nix::fcntl::AT_FDCWD, path, mode, nix::sys::stat::FchmodatFlags::FollowSymlink);
            chmod(lifted).doing(|| format!("open the file {} (permission denied)", path.display()))?;
            let opened = try_open(path, all);
            chmod(before).doing(|| format!("give {} its permissions back", path.display()))?;
            opened.doing(doing)?
        }
        other => other.doing(doing)?,
    };
    if keep & libc::O_NONBLOCK == 0 && flags & libc::O_PATH == 0 {
        set_status(&fd, flags).doing(doing)?;
    }
    Ok(fd)
}

/// Whether a description can do nothing with a file but add to it, so that what was in it before does not matter: a log.
fn appends_only(flags: i32) -> bool {
    flags & (libc::O_ACCMODE | libc::O_APPEND | libc::O_PATH) == libc::O_WRONLY | libc::O_APPEND
}

/// Opens a log, which may have been emptied or taken away meanwhile.
fn open_log(path: &Path, identity: &Identity, flags: i32) -> Result<OwnedFd> {
    let doing = || format!("open the file {}", path.display());
    if exists(path) {
        let fd = open_path(path, flags)?;
        let found = fstat(&fd).doing(doing)?;
        if found.st_mode & libc::S_IFMT != libc::S_IFREG {
            identity.check(path, &found, flags)?;
        }
        return Ok(fd);
    }
    tracing::warn!(path = %path.display(), "a file that is only appended to is gone; it is made anew");
    let flags = OFlag::from_bits_retain(flags | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC);
    nix::fcntl::open(path, flags, Mode::from_bits_truncate(identity.mode & 0o777)).doing(doing)
}

fn try_open(path: &Path, flags: i32) -> nix::Result<OwnedFd> {
    match nix::fcntl::open(path, OFlag::from_bits_retain(flags), Mode::empty()) {
        // O_NOATIME is for owners, who may have changed since
        Err(nix::errno::Errno::EPERM) if flags & libc::O_NOATIME != 0 => {
            nix::fcntl::open(path, OFlag::from_bits_retain(flags & !libc::O_NOATIME), Mode::empty())
        }
        other => other,
    }
}

/// F_SETFL: sets the flags that may change after open.
pub(super) fn set_status(fd: &OwnedFd, flags: i32) -> io::Result<()> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFL(OFlag::from_bits_retain(flags)))?;
    Ok(())
}

/// The path below the host's /proc by which the engine opens anew what one of its descriptors refers to.
pub(super) fn own_fd(fd: BorrowedFd<'_>) -> String {
    format!("{}/fd/{}", crate::sys::process::own_pid(), fd.as_raw_fd())
}

/// Whether anything has this name.
pub(super) fn exists(path: &Path) -> bool {
    nix::unistd::faccessat(nix::fcntl::AT_FDCWD, path, nix::unistd::AccessFlags::F_OK, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
}

pub(super) fn remove(path: &Path, directory: bool) -> io::Result<()> {
    let flag = if directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    Ok(nix::unistd::unlinkat(nix::fcntl::AT_FDCWD, path, flag)?)
}

/// Paths are bytes, in images too.
pub(super) mod path_bytes {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serde_bytes::serialize(path.as_os_str().as_bytes(), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<PathBuf, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}
