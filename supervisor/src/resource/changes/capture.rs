//! Reading what was changed, while no program of the pod can change more.
use super::reader::Reader;
use super::{Attribute, Content, DEEPEST, Kind, Record, SECTION, Section, kind_of, notes};
use crate::image::RunRef;
use crate::resource::{Capture, Context, Error, Result, ghost};
use crate::sys::xattr::{self, Of};
use crate::tracee::Call;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the changes are, and the stamp that the section will have.
#[derive(Debug)]
pub struct Upper {
    directory: OwnedFd,
    stamp: String,
    /// Where we will have no right to read it.
    reader: Option<Reader>,
}

impl Upper {
    /// To be called before the pod's mount namespace is joined, from where the path leads elsewhere.
    /// `strangers`: the pod has users of its own, of whom we will be one.
    pub fn open(path: &Path, stamp: &str, strangers: bool) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(path, flags, Mode::empty()).doing(|| format!("open {}", path.display()))?;
        let reader = strangers.then(|| Reader::start(&directory)).transpose()?;
        Ok(Self { directory, stamp: stamp.to_owned(), reader })
    }

    fn walk(&self, moving: bool, contents: Contents<'_>) -> Result<Vec<Record>> {
        match &self.reader {
            Some(reader) => reader.walk(moving, contents),
            None => walk(self.directory.as_fd(), moving, contents),
        }
    }
}

/// Refuses what cannot be saved, before anything is stopped.
pub fn refuse(upper: &Upper) -> Result<()> {
    upper.walk(true, &mut |_, _, _| Ok(Vec::new())).map(drop)
}

/// Stores it all.
pub fn capture(cx: &mut Capture, upper: &Upper) -> Result<()> {
    flush_mappings(cx)?;
    let entries = upper.walk(false, &mut |file, size, shown| {
        ghost::stored(cx, file, size, None, || format!("read {} of the pod's tree", shown.display()))
    })?;
    cx.section(SECTION, &Section { stamp: upper.stamp.clone(), entries })
}

const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

/// What programs have written through shared mappings of files of the view waits in its own page cache, where the files are not read by the kernel itself.
fn flush_mappings(cx: &mut Capture) -> Result<()> {
    let what = || "look at the root of the pod".to_string();
    let root = nix::sys::stat::stat("/").doing(what)?;
    if nix::sys::statfs::statfs("/").doing(what)?.filesystem_type().0 != FUSE_SUPER_MAGIC {
        return Ok(());
    }
    let device = (nix::sys::stat::major(root.st_dev) as u32, nix::sys::stat::minor(root.st_dev) as u32);
    for process in &mut cx.processes {
        let shared = process.maps.iter().filter(|map| map.shared && map.inode != 0 && map.device == device);
        let calls = shared.map(|map| Call::new(libc::SYS_msync, [map.start, map.len(), libc::MS_SYNC as u64]));
        for call in calls.collect::<Vec<_>>() {
            let mut calls = [call];
            process.batch(&mut calls)?;
            if calls[0].ret < 0 {
                let errno = Errno::from_raw(-calls[0].ret as i32);
                return Err(errno).doing(|| format!("have {} write its mapped files", process.title()));
            }
        }
    }
    Ok(())
}

/// A directory that is being walked.
struct Level {
    directory: OwnedFd,
    index: u32,
    path: PathBuf,
    names: std::vec::IntoIter<CString>,
}

type Contents<'a> = &'a mut dyn FnMut(BorrowedFd<'_>, u64, &Path) -> Result<Vec<(u64, RunRef)>>;

/// Describes all that is in a directory. `moving`: it is being changed, and what is gone when we come to it does not count.
pub(super) fn walk(root: BorrowedFd<'_>, moving: bool, contents: Contents<'_>) -> Result<Vec<Record>> {
    // attributes are asked for by names in the working directory
    let _back = WorkingDirectory::leave()?;
    let mut walk = Walk { records: Vec::new(), links: HashMap::new(), contents };
    let top = Path::new("/");
    let mut levels = vec![Level::open(root, c".", 0, top.into())?];
    nix::unistd::fchdir(&levels[0].directory).doing(|| shown(top))?;
    let (record, _) = walk.look(root, c".", 0, top)?;
    walk.records.push(Record { name: Vec::new(), ..record });
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.names.next() else {
            levels.pop();
            if let Some(above) = levels.last() {
                nix::unistd::fchdir(&above.directory).doing(|| shown(&above.path))?;
            }
            continue;
        };
        let path = level.path.join(OsStr::from_bytes(name.to_bytes()));
        let index = walk.records.len() as u32;
        let (record, kind) = match walk.look(level.directory.as_fd(), &name, level.index, &path) {
            Err(error) if moving && is_gone(&error) => continue,
            other => other?,
        };
        let deeper = match kind == libc::S_IFDIR {
            true => match Level::open(level.directory.as_fd(), &name, index, path.clone()) {
                Err(error) if moving && is_gone(&error) => continue,
                other => Some(other?),
            },
            false => None,
        };
        walk.records.push(record);
        if let Some(deeper) = deeper {
            if levels.len() >= DEEPEST {
                return refused(&path, "it is nested too deeply in other directories", "move it up");
            }
            nix::unistd::fchdir(&deeper.directory).doing(|| shown(&path))?;
            levels.push(deeper);
        }
    }
    Ok(walk.records)
}

struct Walk<'a> {
    records: Vec<Record>,
    /// The record of the first name of a file, by device and inode.
    links: HashMap<(u64, u64), u32>,
    contents: Contents<'a>,
}

impl Walk<'_> {
    /// What is under a name in the working directory, which is `directory`; its type.
    fn look(&mut self, directory: BorrowedFd<'_>, name: &CStr, parent: u32, path: &Path) -> Result<(Record, u32)> {
        let doing = || shown(path);
        let stat = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).doing(doing)?;
        let kind = stat.st_mode & libc::S_IFMT;
        let mut record = Record {
            parent,
            name: name.to_bytes().to_vec(),
            mode: 0,
            owner: (0, 0),
            times: [(0, 0); 2],
            attributes: Vec::new(),
            append_only: false,
            immutable: false,
            content: Content::Removed,
        };
        if kind == libc::S_IFCHR && stat.st_rdev == 0 {
            return Ok((record, kind));
        }
        let identity = (stat.st_dev, stat.st_ino);
        if kind != libc::S_IFDIR && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&identity) {
                record.content = Content::Link(*first);
                return Ok((record, kind));
            }
            self.links.insert(identity, self.records.len() as u32);
        }
        record.mode = stat.st_mode & 0o7777;
        record.owner = (stat.st_uid, stat.st_gid);
        record.times = [(stat.st_atime, stat.st_atime_nsec), (stat.st_mtime, stat.st_mtime_nsec)];
        let mut notes = Notes::default();
        record.attributes = notes.take(Of::Name(name), path)?;
        (record.append_only, record.immutable) = (notes.append_only, notes.immutable);
        record.content = match kind {
            libc::S_IFDIR => Content::Directory { opaque: notes.opaque, redirect: notes.redirect },
            libc::S_IFREG => self.file(directory, name, &stat, path)?,
            libc::S_IFLNK => Content::Symlink(nix::fcntl::readlinkat(directory, name).doing(doing)?.into()),
            libc::S_IFIFO => Content::Fifo,
            libc::S_IFSOCK => Content::Socket,
            _ => return refused(path, "a program has made it in the pod's tree, and it is a device", "remove it"),
        };
        Ok((record, kind))
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &CStr, stat: &FileStat, path: &Path) -> Result<Content> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let open = |flags| openat(directory, name, flags, Mode::empty());
        let file = match open(flags | OFlag::O_NOATIME) {
            // that is for owners (open(2))
            Err(Errno::EPERM) => open(flags),
            other => other,
        };
        let file = file.doing(|| shown(path))?;
        let size = stat.st_size as u64;
        Ok(Content::File { size, runs: (self.contents)(file.as_fd(), size, path)? })
    }
}

/// What overlayfs has noted at a file.
#[derive(Default)]
struct Notes {
    opaque: bool,
    redirect: Option<ByteBuf>,
    append_only: bool,
    immutable: bool,
}

impl Notes {
    /// Reads them, and gives the attributes that are the programs' own.
    fn take(&mut self, of: Of<'_>, path: &Path) -> Result<Vec<Attribute>> {
        let doing = || format!("read the attributes of {} of the pod's tree", path.display());
        let mut own = Vec::new();
        for name in xattr::list(of).doing(doing)? {
            let read = || xattr::get(of, &name).doing(doing);
            let bytes = name.to_bytes();
            let Some(note) = bytes.strip_prefix(notes()) else {
                match kind_of(bytes) {
                    Kind::Kept => own.push(Attribute { name: bytes.to_vec(), value: read()? }),
                    Kind::Label => {}
                    Kind::Unknown => {
                        let attribute = name.to_string_lossy();
                        let reason = format!("its extended attribute {attribute} is of no known kind");
                        return refused(path, &reason, &format!("take it away (setfattr -x {attribute})"));
                    }
                }
                continue;
            };
            match note {
                b"origin" | b"impure" | b"nlink" | b"uuid" => {}
                b"redirect" => self.redirect = Some(ByteBuf::from(read()?)),
                b"opaque" if read()? == b"y" => self.opaque = true,
                b"protattr" => {
                    let flags = read()?;
                    (self.append_only, self.immutable) = (flags.contains(&b'a'), flags.contains(&b'i'));
                }
                // what a program has set under such a name is kept under a longer one
                _ if note.starts_with(b"overlay.") => {
                    let name = [notes(), &note[b"overlay.".len()..]].concat();
                    own.push(Attribute { name, value: read()? });
                }
                _ => {
                    let reason = format!("overlayfs has noted {} at it, which is not known here", String::from_utf8_lossy(note));
                    return refused(path, &reason, "copy it to another name, and rename that to it");
                }
            }
        }
        Ok(own)
    }
}

impl Level {
    fn open(directory: BorrowedFd<'_>, name: &CStr, index: u32, path: PathBuf) -> Result<Self> {
        let doing = || format!("list {} of the pod's tree", path.display());
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let own = openat(directory, name, flags, Mode::empty()).doing(doing)?;
        let mut listing = Dir::openat(&own, ".", flags, Mode::empty()).doing(doing)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let name = entry.doing(doing)?.file_name().to_owned();
            if name.as_c_str() != c"." && name.as_c_str() != c".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(Self { directory: own, index, path, names: names.into_iter() })
    }
}

/// The working directory of before, to which it goes back.
pub(super) struct WorkingDirectory(OwnedFd);

impl WorkingDirectory {
    pub(super) fn leave() -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        nix::fcntl::open(".", flags, Mode::empty()).map(Self).doing(|| "open the working directory".into())
    }
}

impl Drop for WorkingDirectory {
    fn drop(&mut self) {
        if let Err(error) = nix::unistd::fchdir(&self.0) {
            tracing::error!(%error, "the working directory of before is out of reach");
        }
    }
}

fn shown(path: &Path) -> String {
    format!("read {} of the pod's tree", path.display())
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if matches!(source.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)))
}

fn refused<T>(path: &Path, reason: &str, way_out: &str) -> Result<T> {
    let object = format!("{} of the pod's tree", path.display());
    Err(Error::Refused { object, reason: reason.into(), way_out: way_out.into() })
}
