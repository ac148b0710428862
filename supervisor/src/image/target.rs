//! The place of an image that is being written.
//!
//! The file has no name before it is complete (`O_TMPFILE`), so that whoever is killed leaves nothing behind. Where the file system
//! has no such files, it has a name that ends in `.partial`, and is locked as long as its writer lives: one without a lock is a
//! rest, which the next image of that name, or [`sweep`], removes.
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const SUFFIX: &str = ".partial";
/// Hexadecimal digits that tell the files of several writers apart.
const NONCE: usize = 16;

/// Where the image goes: a directory, held open, so that neither a change of working directory nor of mount namespace moves it.
#[derive(Debug)]
pub struct Target {
    dir: OwnedFd,
    name: OsString,
    /// The name of the file until it is published, if it has one.
    partial: Option<OsString>,
    /// /proc/self/fd, by which a file without a name is given one (open(2), O_TMPFILE).
    descriptors: Option<OwnedFd>,
    /// A second hold on a named file, with its lock.
    _lock: Option<Flock<File>>,
}

impl Target {
    /// The place, the file, and the file opened with `O_DIRECT` where the file system has that.
    pub(super) fn create(path: &Path) -> io::Result<(Self, File, Option<File>)> {
        let (dir, name) = place(path)?;
        match std::fs::symlink_metadata(path).map(|meta| meta.file_type()) {
            Ok(kind) if kind.is_dir() => return Err(io::Error::from_raw_os_error(libc::EISDIR)),
            // rename(2) would put the image in the place of /dev/null
            Ok(kind) if !kind.is_file() && !kind.is_symlink() => {
                return Err(io::Error::other("there is something of that name that is no regular file"));
            }
            _ => {}
        }
        sweep_in(&dir, name);
        let mut target = Self { dir, name: name.into(), partial: None, descriptors: None, _lock: None };
        let (file, direct) = match target.nameless() {
            Some(both) => both,
            None => target.named()?,
        };
        Ok((target, file, direct))
    }

    fn nameless(&mut self) -> Option<(File, Option<File>)> {
        let descriptors: OwnedFd = File::open("/proc/self/fd").ok()?.into();
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file: File = openat(&self.dir, ".", flags | OFlag::O_TMPFILE, Mode::from_bits_truncate(0o600)).ok()?.into();
        let number = file.as_raw_fd().to_string();
        let direct = openat(&descriptors, number.as_str(), flags | OFlag::O_DIRECT, Mode::empty()).ok();
        self.descriptors = Some(descriptors);
        Some((file, direct.map(File::from)))
    }

    fn named(&mut self) -> io::Result<(File, Option<File>)> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        loop {
            let partial = partial_name(&self.name)?;
            let file =
                openat(&self.dir, partial.as_os_str(), flags | OFlag::O_CREAT | OFlag::O_EXCL, Mode::from_bits_truncate(0o600))?;
            let file = File::from(file);
            let lock = Flock::lock(file.try_clone()?, FlockArg::LockExclusiveNonblock);
            // somebody who sweeps may have come before the lock
            if lock.is_err() || file.metadata()?.nlink() == 0 {
                continue;
            }
            let direct = openat(&self.dir, partial.as_os_str(), flags | OFlag::O_DIRECT, Mode::empty()).ok();
            self.partial = Some(partial);
            self._lock = lock.ok();
            return Ok((file, direct.map(File::from)));
        }
    }

    /// Gives the file its name; replaces an older file of that name.
    pub(crate) fn publish(&mut self, file: &File) -> io::Result<()> {
        let name = self.name.as_os_str();
        if let Some(descriptors) = &self.descriptors {
            let number = file.as_raw_fd().to_string();
            let link = |name: &OsStr| linkat(descriptors, number.as_str(), &self.dir, name, AtFlags::AT_SYMLINK_FOLLOW);
            match link(name) {
                // linkat(2) replaces nothing
                Err(Errno::EEXIST) => {
                    let partial = partial_name(name)?;
                    link(&partial)?;
                    self.partial = Some(partial);
                }
                other => other?,
            }
        }
        if let Some(partial) = &self.partial {
            renameat(&self.dir, partial.as_os_str(), &self.dir, name)?;
            self.partial = None;
        }
        Ok(nix::unistd::fsync(self.dir.as_fd())?)
    }
}

impl Target {
    /// For who gives it its name in our stead.
    pub(crate) fn unnamed(&self) -> Unnamed {
        Unnamed { partial: self.partial.as_ref().map(|name| name.as_bytes().to_vec().into()) }
    }

    /// It has got its name.
    pub(crate) fn is_published(&mut self) {
        self.partial = None;
    }
}

/// A complete file that waits for its name, as one process tells another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnamed {
    /// The name that it has until then.
    partial: Option<serde_bytes::ByteBuf>,
}

impl Unnamed {
    /// Gives the file its name.
    pub(crate) fn publish(self, path: &Path, file: File) -> io::Result<()> {
        let (dir, name) = place(path)?;
        let partial = self.partial.map(|name| OsString::from_vec(name.into_vec()));
        if partial.as_ref().is_some_and(|partial| !is_partial_of(name, partial)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let descriptors = match partial {
            Some(_) => None,
            None => Some(File::open("/proc/self/fd")?.into()),
        };
        Target { dir, name: name.into(), partial, descriptors, _lock: None }.publish(&file)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = unlinkat(&self.dir, partial.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn place(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::from_raw_os_error(libc::EISDIR))?;
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((File::open(dir)?.into(), name))
}

/// What names of partial files of this image end in.
fn ending(name: &OsStr) -> OsString {
    let mut ending = OsString::from(".");
    // A name may have at most 255 bytes (NAME_MAX).
    ending.push(if name.len() <= 200 { name } else { OsStr::new("image") });
    ending.push(SUFFIX);
    ending
}

fn partial_name(name: &OsStr) -> io::Result<OsString> {
    let mut nonce = [0; NONCE / 2];
    getrandom::fill(&mut nonce).map_err(|e| io::Error::other(e.to_string()))?;
    let mut partial = OsString::from(format!(".{:016x}", u64::from_le_bytes(nonce)));
    partial.push(ending(name));
    Ok(partial)
}

/// Whether a file of this name can be an unfinished one of the image.
fn is_partial_of(name: &OsStr, candidate: &OsStr) -> bool {
    let ending = ending(name);
    let bytes = candidate.as_bytes();
    let plain = !bytes.contains(&b'/') && bytes.starts_with(b".");
    plain && bytes.len() == 1 + NONCE + ending.len() && bytes.ends_with(ending.as_bytes())
}

/// Removes what writers of this image that were killed have left beside it.
pub fn sweep(path: &Path) {
    if let Ok((dir, name)) = place(path) {
        sweep_in(&dir, name);
    }
}

fn sweep_in(dir: &OwnedFd, name: &OsStr) {
    let Ok(mut entries) = nix::dir::Dir::openat(dir, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return };
    for entry in entries.iter().flatten() {
        let candidate = OsStr::from_bytes(entry.file_name().to_bytes());
        if !is_partial_of(name, candidate) {
            continue;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let Ok(file) = openat(dir, candidate, flags, Mode::empty()) else { continue };
        if Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock).is_ok() {
            let _ = unlinkat(dir, candidate, UnlinkatFlags::NoRemoveDir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;

    fn directory(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("autopod-target-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<OsString> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    fn written(path: &Path, named: bool, content: &[u8]) {
        let (dir, name) = place(path).unwrap();
        let mut target = Target { dir, name: name.into(), partial: None, descriptors: None, _lock: None };
        let (mut file, _) = if named { target.named().unwrap() } else { target.nameless().expect("O_TMPFILE") };
        file.write_all(content).unwrap();
        target.publish(&file).unwrap();
    }

    #[test]
    fn a_file_appears_once_and_replaces_what_was_there() {
        let dir = directory("appears");
        let path = dir.join("image");
        for (named, content) in [(false, b"first"), (false, b"other"), (true, b"third"), (false, b"forth")] {
            written(&path, named, content);
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(names(&dir), ["image"]);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn another_names_it_at_its_place_and_nowhere_else() {
        let dir = directory("others");
        let path = dir.join("image");
        for named in [false, true] {
            let (owned, name) = place(&path).unwrap();
            let mut target = Target { dir: owned, name: name.into(), partial: None, descriptors: None, _lock: None };
            let (mut file, _) = if named { target.named().unwrap() } else { target.nameless().expect("O_TMPFILE") };
            file.write_all(b"complete").unwrap();
            target.unnamed().publish(&path, file.try_clone().unwrap()).unwrap();
            target.is_published();
            drop(target);
            assert_eq!(names(&dir), ["image"]);
            assert_eq!(std::fs::read(&path).unwrap(), b"complete");
            let elsewhere = Unnamed { partial: Some(b"./x/456789abcdef0.image.partial".to_vec().into()) };
            assert_eq!(elsewhere.publish(&path, file).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn without_a_name_nothing_is_seen() {
        let dir = directory("unseen");
        let (target, _file, _direct) = Target::create(&dir.join("image")).unwrap();
        assert_eq!(names(&dir), [""; 0]);
        drop(target);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn rests_of_the_dead_go_and_files_of_the_living_stay() {
        let dir = directory("rests");
        let path = dir.join("image");
        let rest = dir.join(partial_name(OsStr::new("image")).unwrap());
        let other = dir.join(partial_name(OsStr::new("other-image")).unwrap());
        std::fs::write(&rest, b"rest").unwrap();
        std::fs::write(&other, b"of another image").unwrap();
        let (owned, name) = place(&path).unwrap();
        let mut living = Target { dir: owned, name: name.into(), partial: None, descriptors: None, _lock: None };
        let (file, _) = living.named().unwrap();
        sweep(&path);
        assert!(!rest.exists() && other.exists());
        assert_eq!(file.metadata().unwrap().nlink(), 1);
        drop(living);
        assert_eq!(names(&dir).len(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
