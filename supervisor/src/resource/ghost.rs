//! Files without a name: deleted ones, O_TMPFILE, memfds, deleted directories, fifos and symbolic links.
//!
//! A ghost comes back with its contents (holes stay holes), owner, permissions and times. It is made under its last name if that
//! is free, else under a name next to it, and deleted at once; what has been created under its old name since is never touched.
//! Directories that are gone too are made for that moment. Every description and mapping of one ghost gets the same inode: the
//! first to need it makes it, the others open it again through /proc/self/fd (proc(5)).
use super::changes::{self, Attribute};
use super::file_object::{exists, own_fd, path_bytes, remove, set_status};
use super::{Capture, Context, Error, Nascent, Result};
use crate::image::RunRef;
use crate::sys::xattr::{self, Of};
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{FileStat, Mode, fchmod, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, Whence, fchown, ftruncate, lseek};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file without a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ghost {
    /// Equal in all records of one file.
    pub id: u32,
    /// The last name; of a memfd its own.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    pub kind: Kind,
    /// At the checkpoint.
    pub inode: u64,
    pub mode: u32,
    pub owner: (u32, u32),
    /// Last access and last modification, in seconds and nanoseconds.
    pub times: [(i64, i64); 2],
    pub size: u64,
    /// (offset, contents); the rest is holes
    pub runs: Vec<(u64, RunRef)>,
    /// MFD_HUGETLB: the size of its pages.
    #[serde(default)]
    pub huge: Option<u64>,
    /// Extended ones, access lists and capabilities among them; of links, and of fifos that are known by O_PATH only, none.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    File,
    /// O_TMPFILE: never had a name, and may be given one with linkat(2).
    Temporary {
        /// Access mode of the description that created it.
        access: i32,
    },
    Memfd {
        /// F_GET_SEALS of fcntl(2)
        seals: i32,
    },
    Directory,
    Fifo,
    /// O_PATH only
    Link {
        #[serde(with = "path_bytes")]
        target: PathBuf,
    },
}

/// F_SEAL_FUTURE_WRITE (fcntl(2)): forbids new writable mappings, so old ones must be there first.
const SEAL_FUTURE_WRITE: i32 = 0x10;
const HUGETLBFS_MAGIC: i64 = 0x9584_58f6;
const SECRETMEM_MAGIC: i64 = 0x5345_434d;
/// What one run of contents holds at most.
const PIECE: usize = 4 << 20;

impl Ghost {
    pub fn capture(cx: &mut Capture, id: u32, fd: BorrowedFd<'_>, stat: &FileStat, name: &OsStr) -> Result<Ghost> {
        let shown = Path::new(name);
        let refuse = |reason: &str| {
            let object = format!("the file {}", shown.display());
            Err(Error::Refused { object, reason: reason.into(), way_out: "let the program close it first".into() })
        };
        let kind = match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG if name.as_bytes().starts_with(b"/memfd:") => Kind::Memfd {
                seals: fcntl(fd, FcntlArg::F_GET_SEALS).doing(|| format!("read the seals of {}", shown.display()))?,
            },
            libc::S_IFREG if shown.file_name().is_some_and(|n| n.as_bytes() == format!("#{}", stat.st_ino).as_bytes()) => {
                let flags = fcntl(fd, FcntlArg::F_GETFL).unwrap_or(libc::O_RDWR);
                let created = flags & libc::O_TMPFILE == libc::O_TMPFILE;
                Kind::Temporary { access: if created { flags & libc::O_ACCMODE } else { libc::O_RDWR } }
            }
            libc::S_IFREG => Kind::File,
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFLNK => {
                let target = nix::fcntl::readlinkat(fd, "").doing(|| format!("read the link {}", shown.display()))?;
                Kind::Link { target: target.into() }
            }
            _ => return refuse("it is deleted and of a type that cannot be made anew"),
        };
        let file_system = nix::sys::statfs::fstatfs(fd).ok();
        let huge = match file_system.map_or(0, |fs| fs.filesystem_type().0) {
            HUGETLBFS_MAGIC if !matches!(kind, Kind::Memfd { .. }) => return refuse("it was deleted from a hugetlbfs"),
            HUGETLBFS_MAGIC => file_system.map(|fs| fs.block_size() as u64),
            SECRETMEM_MAGIC => return refuse("it is secret memory (memfd_secret), which nobody else may read"),
            _ => None,
        };
        let name = match &kind {
            Kind::Memfd { .. } => {
                let name = name.as_bytes().strip_prefix(b"/memfd:").unwrap_or(name.as_bytes());
                OsStr::from_bytes(name.strip_suffix(b" (deleted)").unwrap_or(name))
            }
            _ => name,
        };
        let attributes = match kind {
            Kind::Link { .. } => Vec::new(),
            _ => attributes(cx, fd, kind == Kind::Fifo, shown)?,
        };
        let runs = match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => contents(cx, fd, stat.st_size as u64, shown)?,
            _ => Vec::new(),
        };
        Ok(Ghost {
            id,
            path: name.into(),
            kind,
            inode: stat.st_ino,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            times: [(stat.st_atime, stat.st_atime_nsec), (stat.st_mtime, stat.st_mtime_nsec)],
            size: stat.st_size as u64,
            runs,
            huge,
            attributes,
        })
    }

    /// A file of which only contents are known: ours, and nobody else's.
    pub fn of_mappings(id: u32, path: &Path, inode: u64, size: u64, runs: Vec<(u64, RunRef)>) -> Ghost {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ghost {
            id,
            path: path.into(),
            kind: Kind::File,
            inode,
            mode: 0o600,
            owner: (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
            times: [(now.as_secs() as i64, i64::from(now.subsec_nanos())); 2],
            size,
            runs,
            huge: None,
            attributes: Vec::new(),
        }
    }

    /// A description of the ghost with these flags of open(2); the ghost is made now if it was not yet.
    pub fn open(&self, cx: &mut Nascent, flags: i32) -> Result<OwnedFd> {
        let key = self.id;
        let doing = || format!("open the deleted file {}", self.path.display());
        if !cx.remembered::<Made>(KEY).iter().any(|(id, ..)| *id == key) {
            let fd = self.make(cx)?;
            cx.remembered::<Made>(KEY).push((key, fd, self.late_seals()));
        }
        let made: &Made = cx.remembered(KEY);
        let (_, original, _) = made.iter().find(|(id, ..)| *id == key).expect("made above");
        let original = original.try_clone().doing(doing)?;
        // all that can be done with a link is to read it
        if let Kind::Link { .. } = self.kind {
            return Ok(original);
        }
        if let Kind::Temporary { access } = self.kind {
            if flags & libc::O_TMPFILE == libc::O_TMPFILE && flags & libc::O_ACCMODE == access {
                set_status(&original, flags).doing(doing)?;
                return Ok(original);
            }
        }
        // O_TMPFILE would make another file
        let flags = OFlag::from_bits_retain(flags & !(libc::O_TMPFILE & !libc::O_DIRECTORY) & !libc::O_NOFOLLOW);
        let flags = if self.kind == Kind::Directory { flags } else { flags & !OFlag::O_DIRECTORY };
        let path = own_fd(original.as_fd());
        match cx.proc.open_file(&path, flags | OFlag::O_NONBLOCK) {
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                fchmod(&original, Mode::S_IRUSR | Mode::S_IWUSR).doing(doing)?;
                let fd = cx.proc.open_file(&path, flags | OFlag::O_NONBLOCK);
                fchmod(&original, Mode::from_bits_truncate(self.mode)).doing(doing)?;
                self.set_flags(fd.doing(doing)?, flags)
            }
            other => self.set_flags(other.doing(doing)?, flags),
        }
    }

    fn set_flags(&self, fd: OwnedFd, flags: OFlag) -> Result<OwnedFd> {
        if !flags.intersects(OFlag::O_PATH | OFlag::O_NONBLOCK) {
            set_status(&fd, flags.bits()).doing(|| format!("set the flags of {}", self.path.display()))?;
        }
        Ok(fd)
    }

    fn late_seals(&self) -> i32 {
        match self.kind {
            Kind::Memfd { seals } if !early(seals) => seals,
            _ => 0,
        }
    }

    fn make(&self, cx: &mut Nascent) -> Result<OwnedFd> {
        let shown = self.path.display();
        let fd = match self.kind {
            Kind::Memfd { .. } => {
                let name = crate::proc::c_string(self.path.as_os_str().as_bytes()).doing(|| format!("name the memfd {shown}"))?;
                let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | super::memory::huge::memfd_flags(self.huge);
                memfd_create(name.as_c_str(), flags).doing(|| format!("make the memfd {shown}"))?
            }
            _ => self.make_nameless(cx)?,
        };
        if let Kind::Link { .. } = self.kind {
            return Ok(fd);
        }
        let doing = || format!("fill the deleted file {shown}");
        if !matches!(self.kind, Kind::Directory | Kind::Fifo) {
            ftruncate(&fd, self.size as i64).doing(doing)?;
            for (offset, run) in &self.runs {
                let data = cx.blob(run)?;
                if let Some(page) = self.huge {
                    crate::sys::memory::write_mapped(fd.as_fd(), *offset, &data, page).doing(doing)?;
                    continue;
                }
                let mut done = 0;
                while done < data.len() {
                    done += nix::sys::uio::pwrite(&fd, &data[done..], (*offset + done as u64) as i64).doing(doing)?;
                }
            }
        }
        // a program cannot be executed while anybody could write to it (ETXTBSY)
        let fd = match self.kind {
            Kind::File => cx.proc.open_file(&own_fd(fd.as_fd()), OFlag::O_RDONLY).doing(doing)?,
            _ => fd,
        };
        let stat = nix::sys::stat::fstat(&fd).doing(doing)?;
        if (stat.st_uid, stat.st_gid) != self.owner {
            let (uid, gid) = (Uid::from_raw(self.owner.0), Gid::from_raw(self.owner.1));
            if let Err(error) = fchown(&fd, Some(uid), Some(gid)) {
                tracing::warn!(path = %shown, %error, "a deleted file could not be given its owner");
            }
        }
        // after the owner, whose change takes capabilities away
        for attribute in &self.attributes {
            let name = String::from_utf8_lossy(&attribute.name);
            let set = crate::proc::c_string(&attribute.name);
            set.and_then(|set| xattr::set(Of::Open(fd.as_fd()), &set, &attribute.value))
                .doing(|| format!("give the deleted file {shown} its extended attribute {name}"))?;
        }
        if stat.st_mode & 0o7777 != self.mode {
            fchmod(&fd, Mode::from_bits_truncate(self.mode)).doing(|| format!("give {shown} its permissions"))?;
        }
        let [accessed, modified] = self.times.map(|(seconds, nanoseconds)| TimeSpec::new(seconds, nanoseconds));
        futimens(&fd, &accessed, &modified).doing(|| format!("give {shown} its times"))?;
        if let Kind::Memfd { seals } = self.kind {
            if early(seals) {
                add_seals(fd.as_fd(), seals).doing(|| format!("seal the memfd {shown}"))?;
            }
        }
        Ok(fd)
    }

    /// Makes the file where it was, or where there is room for it, and deletes its name.
    fn make_nameless(&self, cx: &Nascent) -> Result<OwnedFd> {
        let name = self.path.file_name().unwrap_or(OsStr::new("file"));
        let mut failure = None;
        let home = self.path.parent().unwrap_or(Path::new("/"));
        for directory in [home, Path::new("/tmp"), Path::new("/dev/shm"), Path::new("/var/tmp")] {
            let missing = if directory == home { make_missing(directory) } else { Vec::new() };
            let made = self.make_in(cx, directory, name);
            for directory in missing.iter().rev() {
                let _ = remove(directory, true);
            }
            match made {
                Ok(fd) => {
                    if directory != home {
                        tracing::warn!(path = %self.path.display(), "a deleted file could not be made in its directory, but elsewhere");
                    }
                    return Ok(fd);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.expect("there was a first directory"))
    }

    fn make_in(&self, cx: &Nascent, directory: &Path, name: &OsStr) -> Result<OwnedFd> {
        let doing = || format!("make the deleted file {} in {}", self.path.display(), directory.display());
        let private = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IXUSR;
        if let Kind::Temporary { access } = self.kind {
            let flags = OFlag::from_bits_retain(libc::O_TMPFILE | access | libc::O_CLOEXEC);
            return nix::fcntl::open(directory, flags, private).doing(doing);
        }
        let mut path = directory.join(name);
        let mut attempt = 0;
        loop {
            let made = match &self.kind {
                Kind::Link { target } => nix::unistd::symlinkat(target, nix::fcntl::AT_FDCWD, &path),
                Kind::Directory => mkdirat(nix::fcntl::AT_FDCWD, &path, private),
                Kind::Fifo => nix::unistd::mkfifo(&path, private),
                _ => {
                    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
                    nix::fcntl::open(&path, flags, private).map(drop)
                }
            };
            match made {
                Ok(()) => break,
                // somebody created it again: that one is not ours
                Err(nix::errno::Errno::EEXIST) if attempt < 100 => {
                    attempt += 1;
                    path = directory.join(format!(".{}.{}.{}.{attempt}", name.to_string_lossy(), cx.pod_name, self.id));
                }
                Err(error) => return Err(error).doing(doing),
            }
        }
        let flags = match self.kind {
            Kind::Directory => OFlag::O_RDONLY | OFlag::O_DIRECTORY,
            // opens at once, whoever has the other end
            Kind::Fifo => OFlag::O_RDWR | OFlag::O_NONBLOCK,
            Kind::Link { .. } => OFlag::O_PATH,
            _ => OFlag::O_RDWR,
        };
        let fd = nix::fcntl::open(&path, flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty());
        remove(&path, self.kind == Kind::Directory).doing(doing)?;
        fd.doing(doing)
    }
}

const KEY: &str = "ghosts made";
/// (id, the first description, seals still to be applied)
type Made = Vec<(u32, OwnedFd, i32)>;

/// Whether seals can be applied before mappings are made: F_SEAL_WRITE is refused while a mapping could write; the others
/// do not care, but F_SEAL_FUTURE_WRITE would forbid a writable mapping made earlier by the program.
fn early(seals: i32) -> bool {
    seals & libc::F_SEAL_WRITE != 0 || seals & SEAL_FUTURE_WRITE == 0
}

fn add_seals(fd: BorrowedFd<'_>, seals: i32) -> nix::Result<()> {
    if seals == 0 || fcntl(fd, FcntlArg::F_GET_SEALS)? == seals {
        return Ok(());
    }
    fcntl(fd, FcntlArg::F_ADD_SEALS(SealFlag::from_bits_retain(seals))).map(drop)
}

/// Applies the seals that had to wait for mappings.
pub(super) fn finish(cx: &mut Nascent) -> Result<()> {
    for (_, fd, seals) in cx.remembered::<Made>(KEY) {
        add_seals(fd.as_fd(), *seals).doing(|| "seal a memfd".into())?;
    }
    Ok(())
}

/// Makes the directories of a path that do not exist; returns them, outermost first.
fn make_missing(directory: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<PathBuf> = directory.ancestors().take_while(|path| !exists(path)).map(Path::to_path_buf).collect();
    missing.reverse();
    missing.retain(|path| mkdirat(nix::fcntl::AT_FDCWD, path, Mode::S_IRWXU).is_ok());
    missing
}

/// Reads the extended attributes that programs may have set.
fn attributes(cx: &Capture, fd: BorrowedFd<'_>, fifo: bool, shown: &Path) -> Result<Vec<Attribute>> {
    let doing = || format!("read the extended attributes of the deleted file {}", shown.display());
    let reader = match xattr::list(Of::Open(fd)) {
        // O_PATH; another reader of a fifo would be noticed
        Err(error) if error.raw_os_error() == Some(libc::EBADF) && !fifo => {
            cx.proc.open_file(&own_fd(fd), OFlag::O_RDONLY | OFlag::O_NONBLOCK).doing(doing)?
        }
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => return Ok(Vec::new()),
        _ => fd.try_clone_to_owned().doing(doing)?,
    };
    let mut attributes = Vec::new();
    for name in xattr::list(Of::Open(reader.as_fd())).doing(doing)? {
        match changes::kind_of(name.to_bytes()) {
            changes::Kind::Kept => {
                let value = xattr::get(Of::Open(reader.as_fd()), &name).doing(doing)?;
                attributes.push(Attribute { name: name.to_bytes().to_vec(), value });
            }
            changes::Kind::Label => {}
            changes::Kind::Unknown => {
                return Err(Error::Refused {
                    object: format!("the deleted file {}", shown.display()),
                    reason: format!("its extended attribute {} is of no known kind", name.to_string_lossy()),
                    way_out: "let the program close it first".into(),
                });
            }
        }
    }
    Ok(attributes)
}

/// Stores the contents of a file, without its holes.
pub(super) fn contents(cx: &mut Capture, fd: BorrowedFd<'_>, size: u64, shown: &Path) -> Result<Vec<(u64, RunRef)>> {
    let doing = || format!("read the deleted file {}", shown.display());
    // a description of our own: finding the holes moves its position
    let open = |flags| cx.proc.open_file(&own_fd(fd), flags);
    // its access time is the program's, as far as the file is ours to say so (open(2))
    let reader = open(OFlag::O_RDONLY | OFlag::O_NOATIME).or_else(|_| open(OFlag::O_RDONLY)).doing(doing)?;
    let file_system = nix::sys::statfs::fstatfs(fd).ok().filter(|fs| fs.filesystem_type().0 == HUGETLBFS_MAGIC);
    // that of huge pages does not know its holes
    let huge = file_system.map(|fs| fs.block_size() as usize);
    stored(cx, reader.as_fd(), size, huge, doing)
}

/// Stores the first `size` bytes of a file, without its holes. `huge`: the size of its pages, if they are huge.
pub(super) fn stored(
    cx: &mut Capture,
    reader: BorrowedFd<'_>,
    size: u64,
    huge: Option<usize>,
    doing: impl Fn() -> String,
) -> Result<Vec<(u64, RunRef)>> {
    let mut runs = Vec::new();
    let mut buffer = vec![0u8; PIECE.min(size as usize).min(huge.unwrap_or(PIECE))];
    let mut at = 0;
    while at < size {
        let (start, end) = match lseek(reader, at as i64, Whence::SeekData) {
            Ok(start) => (start as u64, lseek(reader, start, Whence::SeekHole).doing(&doing)? as u64),
            Err(nix::errno::Errno::ENXIO) => break,
            // a file system that does not know its holes
            Err(nix::errno::Errno::EINVAL) => (at, size),
            Err(error) => return Err(error).doing(&doing),
        };
        at = start;
        while at < end.min(size) {
            let want = buffer.len().min((end.min(size) - at) as usize);
            let n = nix::sys::uio::pread(reader, &mut buffer[..want], at as i64).doing(&doing)?;
            if n == 0 {
                return Ok(runs);
            }
            if huge.is_none() || buffer[..n].iter().any(|byte| *byte != 0) {
                runs.push((at, cx.blob(&buffer[..n])?));
            }
            at += n as u64;
        }
    }
    Ok(runs)
}
