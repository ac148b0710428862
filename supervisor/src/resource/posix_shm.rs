//! What is in /dev/shm: POSIX shared memory and named semaphores (shm_overview(7), sem_overview(7)).
//!
//! Under `--names kernel` the pod has a /dev/shm of its own, empty after a restart, and everything in it is recorded. Under
//! `--names shim` the pod's objects are those whose names begin with its prefix. They are there before anything is opened or mapped, so
//! that descriptors and mappings find ordinary files.
use super::memory::{Backing, Section as Memory};
use super::{Capture, Context, Error, Nascent, Result, sysv};
use crate::image::RunRef;
use autopod_namespace::Table;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmodat, fstatat, mkdirat};
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{Gid, Uid, UnlinkatFlags, Whence, fchownat, linkat, lseek, symlinkat, unlinkat};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Directory,
    /// Size, and (offset, data).
    File(u64, Vec<(u64, RunRef)>),
    /// Another name of the file under an earlier index.
    Link(u32),
    Symlink(#[serde(with = "super::file_object::path_bytes")] PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Below /dev/shm, as the pod names it.
    #[serde(with = "super::file_object::path_bytes")]
    pub path: PathBuf,
    pub mode: u32,
    pub owner: (u32, u32),
    /// The C library knows a named semaphore that it has open by its inode number.
    pub inode: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
    pub content: Content,
}

const DIRECTORY: &str = "/dev/shm";
const PIECE: u64 = 1 << 20;
const PAGE: u64 = 4096;
const SEMAPHORE: &[u8] = b"sem.";

/// The host's name for one of the pod's: the C library puts `sem.` before all else.
fn host_name(table: Option<Table>, name: &Path) -> Option<PathBuf> {
    let Some(table) = table else { return Some(name.into()) };
    let bytes = name.as_os_str().as_bytes();
    let (before, bare) = bytes.strip_prefix(SEMAPHORE).map_or((&b""[..], bytes), |bare| (SEMAPHORE, bare));
    let host = table.host_posix_name(bare)?;
    Some(OsStr::from_bytes(&[before, host.as_bytes()].concat()).into())
}

/// Where a file of the image is now: in [`DIRECTORY`] it has the name that goes with who realizes the names.
pub(super) fn place(cx: &mut Nascent, path: &Path) -> Result<PathBuf> {
    /// `autopod-`, 16 digits, `-` (`Table::posix_prefix`).
    const PREFIX_LEN: usize = 25;
    let name = path.file_name().filter(|_| path.parent() == Some(Path::new(DIRECTORY)));
    let Some(name) = name else { return Ok(path.into()) };
    let (before, bare) = name.as_bytes().strip_prefix(SEMAPHORE).map_or((&b""[..], name.as_bytes()), |bare| (SEMAPHORE, bare));
    let prefixed = bare.starts_with(b"autopod-") && bare.get(PREFIX_LEN - 1) == Some(&b'-');
    let own = if prefixed { &bare[PREFIX_LEN..] } else { bare };
    let own = PathBuf::from(OsStr::from_bytes(&[before, own].concat()));
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let here = host_name(table, &own).map(|host| Path::new(DIRECTORY).join(host));
    // a program without the shim may have made it under its plain name
    Ok(here.filter(|here| here.symlink_metadata().is_ok()).unwrap_or_else(|| path.into()))
}

/// Whether a file will be there only when [`restore`] has made it.
pub(super) fn makes(path: &Path) -> bool {
    path.starts_with(DIRECTORY)
}

/// The pod's name for one of the host's, if it is one of the pod's.
fn virtual_name(table: Option<Table>, name: &Path) -> Option<PathBuf> {
    let Some(table) = table else { return Some(name.into()) };
    let bytes = name.as_os_str().as_bytes();
    let (before, bare) = bytes.strip_prefix(SEMAPHORE).map_or((&b""[..], bytes), |bare| (SEMAPHORE, bare));
    let own = table.virtual_posix_name(bare)?;
    Some(OsStr::from_bytes(&[before, own].concat()).into())
}

fn open_directory(path: &Path) -> Result<Option<OwnedFd>> {
    match nix::fcntl::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno).doing(|| format!("open {}", path.display())),
    }
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    capture_in(Path::new(DIRECTORY), cx)
}

fn capture_in(root: &Path, cx: &mut Capture) -> Result<()> {
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let mut records = Vec::new();
    if let Some(directory) = open_directory(root)? {
        let mut links = HashMap::new();
        let walk = Walk { root: &directory, table };
        walk.visit(Path::new(""), cx, &mut links, &mut records)?;
    }
    cx.section("posix_shm", &records)
}

struct Walk<'a> {
    root: &'a OwnedFd,
    table: Option<Table>,
}

impl Walk<'_> {
    fn visit(&self, below: &Path, cx: &mut Capture, links: &mut HashMap<u64, u32>, records: &mut Vec<Record>) -> Result<()> {
        let doing = || format!("list {DIRECTORY}/{}", below.display());
        let here = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut listing = nix::dir::Dir::openat(self.root, here, flags, Mode::empty()).doing(doing)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let name = entry.doing(doing)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(PathBuf::from(std::ffi::OsString::from_vec(name)));
            }
        }
        names.sort();
        for name in names {
            let host = below.join(&name);
            let top = below.as_os_str().is_empty();
            let Some(path) = (if top { virtual_name(self.table, &name) } else { Some(host.clone()) }) else { continue };
            let stat = fstatat(self.root, &host, AtFlags::AT_SYMLINK_NOFOLLOW).doing(|| format!("stat {}", host.display()))?;
            let content = match stat.st_mode & libc::S_IFMT {
                libc::S_IFDIR => Content::Directory,
                libc::S_IFLNK => {
                    let target = nix::fcntl::readlinkat(self.root, &host).doing(|| format!("read {}", host.display()))?;
                    Content::Symlink(target.into())
                }
                libc::S_IFREG => match links.get(&stat.st_ino) {
                    Some(first) => Content::Link(*first),
                    None => {
                        links.insert(stat.st_ino, records.len() as u32);
                        self.file(&host, &stat, cx)?
                    }
                },
                // a socket or fifo is made by the descriptors that use it
                _ => continue,
            };
            let directory = content == Content::Directory;
            let modified = (stat.st_mtime, stat.st_mtime_nsec);
            let mode = stat.st_mode & 0o7777;
            let owner = (stat.st_uid, stat.st_gid);
            records.push(Record { path, mode, owner, inode: stat.st_ino, modified, content });
            if directory {
                self.visit(&host, cx, links, records)?;
            }
        }
        Ok(())
    }

    fn file(&self, host: &Path, stat: &FileStat, cx: &mut Capture) -> Result<Content> {
        let doing = || format!("read {DIRECTORY}/{}", host.display());
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(self.root, host, flags, Mode::empty()).doing(doing)?;
        let (size, mut at, mut content) = (stat.st_size as u64, 0u64, Vec::new());
        while at < size {
            at = match lseek(&file, at as i64, Whence::SeekData) {
                Ok(data) => data as u64,
                // nothing but a hole up to the end
                Err(nix::errno::Errno::ENXIO) => break,
                Err(errno) => return Err(errno).doing(doing),
            };
            let end = lseek(&file, at as i64, Whence::SeekHole).doing(doing)? as u64;
            let mut piece = vec![0u8; (end - at).min(PIECE) as usize];
            let n = pread(&file, &mut piece, at as i64).doing(doing)?;
            if n == 0 {
                break;
            }
            content.push((at, cx.blob(&piece[..n])?));
            at += n as u64;
        }
        Ok(Content::File(size, content))
    }
}

/// Makes the files again. To be called before anything is opened or mapped.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    restore_in(Path::new(DIRECTORY), cx)
}

fn restore_in(root: &Path, cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("posix_shm")?;
    if records.is_empty() {
        return Ok(());
    }
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let Some(directory) = open_directory(root)? else {
        return Err(Error::NotHere(format!("the pod has {} files in {DIRECTORY}, which is not here", records.len())));
    };
    let mut made = if table.is_none() { make_files(&directory, &records)? } else { HashMap::new() };
    let mut hosts: Vec<PathBuf> = Vec::new();
    for record in &records {
        if record.path.is_absolute() || record.path.components().any(|part| part.as_os_str() == "..") {
            return Err(Error::Inconsistent(format!("a file of {DIRECTORY} is named {}", record.path.display())));
        }
        let host = host_name(table, &record.path)
            .ok_or_else(|| Error::NotHere(format!("the name {} is too long here", record.path.display())))?;
        make(&directory, &host, record, &hosts, made.remove(&hosts.len()), cx)?;
        hosts.push(host);
    }
    Ok(())
}

/// The C library finds a semaphore that it has open by device, inode and name (`struct inuse_sem` of the GNU one: dev, ino, count, address,
/// name): puts in what they are now. The shim gives it the host's name; one that is longer than before has no room. Memory must be complete.
pub fn correct_caches(cx: &mut Nascent, memory: &Memory) -> Result<()> {
    let records: Vec<Record> = cx.section("posix_shm")?;
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let mut now = HashMap::new();
    for record in records.iter().filter(|record| record.path.as_os_str().as_bytes().starts_with(SEMAPHORE)) {
        let Some(name) = host_name(table, &record.path) else { continue };
        let Ok(stat) = nix::sys::stat::lstat(&Path::new(DIRECTORY).join(&name)) else { continue };
        let name = [b"/", &name.as_os_str().as_bytes()[SEMAPHORE.len()..], b"\0"].concat();
        now.insert(record.inode, (stat.st_dev, stat.st_ino, name));
    }
    if now.is_empty() {
        return Ok(());
    }
    for space in &memory.spaces {
        let places: Vec<u64> =
            space.mappings.iter().filter(|map| map.shared && map.end - map.start == PAGE).map(|map| map.start).collect();
        let pid = cx.process_mut(space.process)?.pid;
        let doing = || format!("put the semaphores of process {} right", space.process);
        let private = |start: u64| {
            let map = space.mappings.iter().find(|map| map.start <= start && start < map.end);
            map.is_some_and(|map| !map.shared && map.backing == Backing::Anonymous && map.protection & libc::PROT_WRITE != 0)
        };
        for run in space.runs.iter().filter(|run| !places.is_empty() && private(run.start)) {
            let mut bytes = vec![0; run.data.len as usize];
            crate::sys::memory::read(pid, run.start, &mut bytes).doing(doing)?;
            let words: Vec<u64> =
                bytes.chunks_exact(8).map(|raw| u64::from_le_bytes(raw.try_into().expect("eight bytes"))).collect();
            for (index, known) in words.windows(4).enumerate() {
                let count = known[2] as u32;
                let Some((device, inode, name)) = now.get(&known[1]).filter(|_| places.contains(&known[3]) && count > 0) else {
                    continue;
                };
                let right = [device.to_le_bytes(), inode.to_le_bytes()].concat();
                let at = run.start + index as u64 * 8;
                crate::sys::memory::write(pid, at, &right).doing(doing)?;
                let before = bytes[index * 8 + 32..].split(|byte| *byte == 0).next().unwrap_or_default();
                if before.starts_with(b"/") && name.len() <= before.len() + 1 {
                    crate::sys::memory::write(pid, at + 32, name).doing(doing)?;
                }
            }
        }
    }
    Ok(())
}

/// How many files are made in vain to reach an inode number.
const MOST_IN_VAIN: u64 = 1 << 16;

/// Makes the files of a fresh tmpfs under the inode numbers that they had, as far as can be: it counts them upwards.
fn make_files(root: &OwnedFd, records: &[Record]) -> Result<HashMap<usize, (OwnedFd, String)>> {
    let files = records.iter().enumerate().filter(|(_, record)| matches!(record.content, Content::File(..)));
    let mut files: Vec<(usize, &Record)> = files.collect();
    files.sort_by_key(|(_, record)| record.inode);
    let mut made = HashMap::new();
    for (index, record) in files {
        let name = format!(".autopod-{index}");
        let doing = || format!("make {DIRECTORY}/{name}");
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut first = None;
        let file = loop {
            let file = openat(root, name.as_str(), flags, Mode::from_bits_truncate(0o600)).doing(doing)?;
            let inode = nix::sys::stat::fstat(&file).doing(doing)?.st_ino;
            if inode >= record.inode || inode - *first.get_or_insert(inode) > MOST_IN_VAIN {
                break file;
            }
            unlinkat(root, name.as_str(), UnlinkatFlags::NoRemoveDir).doing(doing)?;
        };
        made.insert(index, (file, name));
    }
    Ok(made)
}

fn make(
    root: &OwnedFd,
    host: &Path,
    record: &Record,
    earlier: &[PathBuf],
    made: Option<(OwnedFd, String)>,
    cx: &mut Nascent,
) -> Result<()> {
    let doing = || format!("make {DIRECTORY}/{}", host.display());
    match &record.content {
        Content::Directory => mkdirat(root, host, Mode::from_bits_truncate(0o700)).doing(doing)?,
        Content::Symlink(target) => symlinkat(target, root, host).doing(doing)?,
        Content::Link(first) => {
            let Some(first) = earlier.get(*first as usize) else {
                return Err(Error::Inconsistent(format!("{} is another name of nothing", record.path.display())));
            };
            return linkat(root, first, root, host, AtFlags::empty()).doing(doing);
        }
        Content::File(size, content) => {
            let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = match made {
                Some((file, name)) => {
                    renameat(root, name.as_str(), root, host).doing(doing)?;
                    file
                }
                None => openat(root, host, flags, Mode::from_bits_truncate(0o600)).doing(doing)?,
            };
            nix::unistd::ftruncate(&file, *size as i64).doing(doing)?;
            for (at, run) in content {
                let data = cx.blob(run)?;
                let mut done = 0;
                while done < data.len() {
                    done += pwrite(&file, &data[done..], *at as i64 + done as i64).doing(doing)?;
                }
            }
        }
    }
    let (uid, gid) = record.owner;
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match fchownat(root, host, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW) {
        // without privilege all is ours
        Err(nix::errno::Errno::EPERM | nix::errno::Errno::EINVAL) | Ok(()) => {}
        Err(errno) => return Err(errno).doing(doing),
    }
    if !matches!(record.content, Content::Symlink(_)) {
        let mode = Mode::from_bits_truncate(record.mode);
        fchmodat(root, host, mode, FchmodatFlags::FollowSymlink).doing(doing)?;
    }
    let time = nix::sys::time::TimeSpec::new(record.modified.0, record.modified.1);
    let nofollow = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(root, host, &time, &time, nofollow).doing(doing)
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{empty_capture, nascent};
    use super::super::sysv::tests::new_table;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn files_come_back_with_holes_links_and_times() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        for path in [&old, &new] {
            std::fs::create_dir(path).unwrap();
        }
        let file = std::fs::File::create(old.join("sem.a")).unwrap();
        file.set_len(100 * PIECE).unwrap();
        pwrite(&file, b"data", 70 * PIECE as i64 + 3).unwrap();
        std::fs::hard_link(old.join("sem.a"), old.join("b")).unwrap();
        std::os::unix::fs::symlink("b", old.join("c")).unwrap();
        std::fs::create_dir(old.join("d")).unwrap();
        std::fs::write(old.join("d/e"), "inner").unwrap();
        let image = directory.path().join("image");
        let mut cx = empty_capture(&image);
        cx.kernel_names = true;
        capture_in(&old, &mut cx).unwrap();
        let mut cx = nascent(cx, &image, Vec::new());
        cx.kernel_names = true;
        restore_in(&new, &mut cx).unwrap();
        let stat = |path: &Path, name: &str| std::fs::symlink_metadata(path.join(name)).unwrap();
        for name in ["sem.a", "b", "c", "d/e"] {
            let (a, b) = (stat(&old, name), stat(&new, name));
            assert_eq!((a.len(), a.mode(), a.mtime_nsec()), (b.len(), b.mode(), b.mtime_nsec()), "{name}");
        }
        assert_eq!(stat(&new, "b").ino(), stat(&new, "sem.a").ino());
        assert!(stat(&new, "b").blocks() < 100);
        let mut data = [0u8; 6];
        pread(std::fs::File::open(new.join("c")).unwrap(), &mut data, 70 * PIECE as i64 + 2).unwrap();
        assert_eq!(&data, b"\0data\0");
        assert_eq!(std::fs::read(new.join("d/e")).unwrap(), b"inner");
    }

    #[test]
    fn under_shim_names_only_the_pods_own() {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let table = new_table(directory.path(), "table");
        let host = host_name(Some(table), Path::new("sem.x")).unwrap();
        assert!(host.as_os_str().as_bytes().starts_with(b"sem.autopod-"));
        assert_eq!(virtual_name(Some(table), &host), Some("sem.x".into()));
        assert_eq!(virtual_name(Some(table), Path::new("sem.x")), None);
    }
}
