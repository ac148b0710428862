//! Names: raw addresses, and the files that sockets are bound to.
//!
//! The text of a name and the file need not agree: the file may have been renamed, unlinked or replaced, and a relative name
//! belongs to a directory that the process has left.
use crate::needs::Need;
use crate::resource::descriptor::Seen;
use crate::resource::{Capture, Context, Error, Result};
use crate::sys::socket;
use nix::sys::stat::{FileStat, SFlag, stat};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file of a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// An abstract name, none at all, or the name of the listening socket that accepted this one.
    #[default]
    Nowhere,
    File {
        path: PathBuf,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// Unlinked, or not to be found.
    Unlinked,
}

/// The path in a raw address.
pub(super) fn path(address: &[u8]) -> Option<&Path> {
    let text = address.get(2..).filter(|text| text.first().is_some_and(|byte| *byte != 0))?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Some(Path::new(OsStr::from_bytes(&text[..end])))
}

/// The name as messages show it.
pub(super) fn show(address: &[u8]) -> Option<String> {
    match path(address) {
        Some(path) => Some(path.display().to_string()),
        None => Some(format!("@{}", String::from_utf8_lossy(address.get(3..)?))),
    }
}

/// A raw address for a path.
pub(super) fn address(path: &Path) -> Option<Vec<u8>> {
    let text = path.as_os_str().as_bytes();
    (text.len() < 108).then(|| [&(libc::AF_UNIX as u16).to_ne_bytes(), text, &[0]].concat())
}

/// Where the file of a socket is. `inode` is that of the file, as sock_diag(7) gives it.
pub(super) fn capture(seen: &Seen, name: &[u8], inode: Option<u32>, cx: &Capture) -> Result<Place> {
    let Some(text) = path(name) else { return Ok(Place::Nowhere) };
    let is_it = |stat: &FileStat| {
        SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) == SFlag::S_IFSOCK
            && inode.is_some_and(|inode| inode == stat.st_ino as u32)
    };
    let place =
        |path: PathBuf, stat: FileStat| Place::File { path, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid };
    if let Ok(file) = socket::bound_file(seen.fd.as_fd()) {
        let doing = || format!("find the file of {}", seen.title());
        let stat = nix::sys::stat::fstat(&file).doing(doing)?;
        let link = cx.proc.read_link(&format!("{}/fd/{}", crate::sys::process::own_pid(), file.as_raw_fd())).doing(doing)?;
        return Ok(if stat.st_nlink == 0 || !stat_of(&link).is_some_and(|s| is_it(&s)) {
            Place::Unlinked
        } else {
            place(link, stat)
        });
    }
    // without CAP_NET_ADMIN: wherever the text leads from a directory of the pod
    let mut candidates = Vec::new();
    let mut directories = BTreeSet::new();
    if text.is_absolute() {
        candidates.push(text.to_path_buf());
        directories.extend(text.parent().map(Path::to_path_buf));
    } else {
        let first = seen.holders.iter().map(|holder| holder.pid);
        for pid in first.chain(cx.processes.iter().map(|process| process.pid)) {
            if let Ok(directory) = cx.proc.read_link(&format!("{pid}/cwd")) {
                candidates.push(directory.join(text));
                directories.extend(directory.ancestors().take(3).map(Path::to_path_buf));
            }
        }
    }
    // it, or its directory, may have been renamed, or the process have left the directory
    let near = std::iter::once_with(|| sockets_below(directories)).flatten();
    for candidate in candidates.into_iter().chain(near) {
        let Some(stat) = stat_of(&candidate).filter(is_it) else { continue };
        let parent = candidate.parent().and_then(|parent| fs::canonicalize(parent).ok());
        if let Some((parent, base)) = parent.zip(candidate.file_name()) {
            return Ok(place(parent.join(base), stat));
        }
    }
    Ok(Place::Unlinked)
}

/// Files of sockets in these directories and, as far as there are not too many, below them.
fn sockets_below(mut directories: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    const AT_MOST: usize = 20_000;
    let (mut found, mut seen) = (Vec::new(), 0);
    let mut known = directories.clone();
    directories.remove(Path::new("/"));
    while !directories.is_empty() && seen < AT_MOST {
        let mut next = BTreeSet::new();
        for entry in directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten() {
            seen += 1;
            match entry.file_type() {
                Ok(kind) if kind.is_socket() => found.push(entry.path()),
                Ok(kind) if kind.is_dir() && seen < AT_MOST && known.insert(entry.path()) => drop(next.insert(entry.path())),
                _ => {}
            }
        }
        directories = next;
    }
    found
}

fn stat_of(path: &Path) -> Option<FileStat> {
    stat(path).ok()
}

/// Files that only the restart needs; they go when it ends.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// By the directory that each is in.
    directories: HashMap<PathBuf, PathBuf>,
    files: Vec<PathBuf>,
    count: usize,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for directory in self.directories.values() {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// How deep below the scratch directory relative names are bound: they may begin with `..`.
const DEPTH: &str = "1/2/3/4";

impl Scratch {
    fn next(&mut self) -> String {
        self.count += 1;
        format!(".autopod-{}-{}", crate::sys::process::own_pid(), self.count)
    }

    /// A new empty directory somewhere in another, deep enough for names that lead upwards.
    fn hollow(&mut self, near: &Path) -> io::Result<PathBuf> {
        if !self.directories.contains_key(near) {
            let directory = near.join(self.next());
            fs::create_dir(&directory)?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
            self.directories.insert(near.into(), directory);
        }
        let name = self.next();
        let base = self.directories[near].join(name);
        let deep = base.join(DEPTH);
        fs::create_dir_all(&deep)?;
        Ok(deep)
    }
}

/// Runs `act` in a directory: relative names are bound there, and long ones reached.
pub(super) fn within<T>(directory: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = nix::fcntl::open(".", nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty());
    std::env::set_current_dir(directory)?;
    let result = act();
    match before {
        Ok(before) => nix::unistd::fchdir(before)?,
        Err(_) => std::env::set_current_dir("/")?,
    }
    result
}

/// connect(2) to the socket bound to a file, however long its path.
pub(super) fn connect_to_file(fd: BorrowedFd<'_>, file: &Path) -> io::Result<()> {
    if let Some(address) = address(file) {
        return socket::connect(fd, &address);
    }
    let base = file
        .file_name()
        .and_then(|base| address(Path::new(base)))
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?;
    within(file.parent().unwrap_or(Path::new("/")), || socket::connect(fd, &base))
}

/// Binds a socket to a recorded name. Gives the file under which it can be reached during the restart.
pub(super) fn bind(fd: BorrowedFd<'_>, name: &[u8], place: &Place, scratch: &mut Scratch) -> Result<Option<PathBuf>> {
    let shown = show(name).unwrap_or_default();
    let Some(text) = path(name) else {
        return bind_abstract(fd, name, &shown).map(|()| None);
    };
    let doing = || format!("bind a socket to {shown}");
    match place {
        Place::File { path: target, mode, uid, gid } => {
            make_free(target)?;
            let directory = if text.is_absolute() {
                same_file(text, target).then(|| PathBuf::from("/"))
            } else {
                target
                    .as_os_str()
                    .as_bytes()
                    .strip_suffix(text.as_os_str().as_bytes())
                    .filter(|rest| rest.ends_with(b"/"))
                    .map(|rest| PathBuf::from(OsStr::from_bytes(rest)))
            };
            match directory {
                Some(directory) => within(&directory, || socket::bind(fd, name)).doing(doing)?,
                None => {
                    // rename(2) cannot leave a file system
                    let near = target.parent().unwrap_or(Path::new("/"));
                    let bound = bind_aside(fd, name, text, near, scratch).doing(doing)?;
                    fs::rename(&bound, target).doing(|| format!("move the socket {shown} to {}", target.display()))?;
                }
            }
            fs::set_permissions(target, fs::Permissions::from_mode(*mode)).doing(|| format!("set the mode of {shown}"))?;
            let now = nix::sys::stat::lstat(target).doing(doing)?;
            if (now.st_uid, now.st_gid) != (*uid, *gid) {
                std::os::unix::fs::lchown(target, Some(*uid), Some(*gid)).doing(|| format!("set the owner of {shown}"))?;
            }
            Ok(Some(target.clone()))
        }
        Place::Unlinked | Place::Nowhere => {
            let bound = bind_aside(fd, name, text, &std::env::temp_dir(), scratch).doing(doing)?;
            scratch.files.push(bound.clone());
            Ok(Some(bound))
        }
    }
}

/// Whether a name leads to a file that is not there yet.
fn same_file(text: &Path, target: &Path) -> bool {
    if text == target {
        return true;
    }
    let real = |path: &Path| path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    text.file_name() == target.file_name() && real(text).is_some() && real(text) == real(target)
}

/// Binds under the text of a name without touching what is there: gives the hidden file that the socket then has.
fn bind_aside(fd: BorrowedFd<'_>, name: &[u8], text: &Path, near: &Path, scratch: &mut Scratch) -> io::Result<PathBuf> {
    if text.is_relative() {
        let hollow = scratch.hollow(near)?;
        if let Some(parent) = text.parent() {
            fs::create_dir_all(hollow.join(parent))?;
        }
        within(&hollow, || socket::bind(fd, name))?;
        return Ok(hollow.join(text));
    }
    let parent = text.parent().unwrap_or(Path::new("/"));
    let made = !parent.exists();
    if made {
        fs::create_dir_all(parent)?;
    }
    let hidden = parent.join(scratch.next());
    let occupant = fs::symlink_metadata(text).is_ok().then(|| parent.join(scratch.next()));
    if let Some(elsewhere) = &occupant {
        fs::rename(text, elsewhere)?;
    }
    let bound = socket::bind(fd, name).and_then(|()| fs::rename(text, &hidden));
    if let Some(elsewhere) = &occupant {
        fs::rename(elsewhere, text)?;
    }
    bound.map(|()| hidden)
}

/// Removes the file of a dead socket; anything else that is there is in the way.
fn make_free(target: &Path) -> Result<()> {
    match is_free(target)? {
        true => Ok(()),
        false => fs::remove_file(target).doing(|| format!("remove the dead socket {}", target.display())),
    }
}

/// Whether nothing has a name; false for a dead socket. Anything else is an error.
fn is_free(target: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = fs::symlink_metadata(target) else { return Ok(true) };
    let taken = |by: &str| {
        Err(Error::NotHere(format!("{}, to which a socket of the pod is bound, is {by} here; move it away", target.display())))
    };
    if !found.file_type().is_socket() {
        return taken("another file");
    }
    let all = crate::proc::diag::unix_sockets()
        .doing(|| "list the unix sockets (sock_diag(7); the kernel needs its module unix_diag)".into())?;
    let is_it = |entry: &crate::proc::diag::UnixEntry| {
        entry.file == Some(found.ino() as u32) && entry.name.get(..).is_some_and(|name| name.ends_with(base(target)))
    };
    if all.iter().any(is_it) {
        return taken("the socket of another running program");
    }
    Ok(false)
}

/// Whether a socket can have its name here, and what that is; abstract ones are tried by a socket that is closed at once.
pub(super) fn need(kind: i32, name: &[u8], place: &Place) -> Option<Need> {
    let shown = show(name)?;
    match (path(name), place) {
        (None, _) => {
            let tried = socket::socket(libc::AF_UNIX, kind, 0).doing(|| "make a socket".into());
            let tried = tried.and_then(|fd| bind_abstract(fd.as_fd(), name, &shown));
            Some(Need::new("socket name", shown, tried))
        }
        // the pod has a /dev/shm of its own
        (Some(_), Place::File { path, .. }) if !path.starts_with("/dev/shm") => {
            Some(Need::new("socket file", path.display().to_string(), is_free(path).map(drop)))
        }
        _ => None,
    }
}

fn bind_abstract(fd: BorrowedFd<'_>, name: &[u8], shown: &str) -> Result<()> {
    match socket::bind(fd, name) {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Err(Error::NotHere(format!(
            "the abstract name {shown}, which a socket of the pod has, is taken here; end the program that has it"
        ))),
        other => other.doing(|| format!("bind a socket to the abstract name {shown}")),
    }
}

fn base(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], OsStrExt::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_addresses_are_read_and_made() {
        let raw = address(Path::new("/tmp/x")).unwrap();
        assert_eq!(path(&raw), Some(Path::new("/tmp/x")));
        assert_eq!(show(b"\x01\0\0abc").unwrap(), "@abc");
        assert_eq!(path(b"\x01\0\0abc"), None);
        assert_eq!(show(b"\x01\0"), None);
        assert_eq!(address(Path::new(&"x".repeat(108))), None);
    }

    #[test]
    fn binding_aside_leaves_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("s");
        fs::write(&text, "mine").unwrap();
        let fd = socket::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
        let name = address(&text).unwrap();
        let mut scratch = Scratch::default();
        let hidden = bind(fd.as_fd(), &name, &Place::Unlinked, &mut scratch).unwrap().unwrap();
        assert_eq!(fs::read(&text).unwrap(), b"mine");
        assert_eq!(socket::name(fd.as_fd()).unwrap(), name);
        let other = socket::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
        connect_to_file(other.as_fd(), &hidden).unwrap();
        drop(scratch);
        assert!(!hidden.exists());
    }

    #[test]
    fn relative_names_that_lead_upwards_are_bound() {
        let fd = socket::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
        let name = address(Path::new("../../a/s")).unwrap();
        bind(fd.as_fd(), &name, &Place::Unlinked, &mut Scratch::default()).unwrap();
        assert_eq!(socket::name(fd.as_fd()).unwrap(), name);
    }

    #[test]
    fn a_live_socket_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let live = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let place = Place::File { path: path.clone(), mode: 0o755, uid: 0, gid: 0 };
        let fd = socket::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).unwrap();
        let error = bind(fd.as_fd(), &address(&path).unwrap(), &place, &mut Scratch::default()).unwrap_err();
        assert!(error.to_string().contains("another running program"), "{error}");
        drop(live);
        make_free(&path).unwrap();
        assert!(!path.exists());
    }
}
