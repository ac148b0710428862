//! Descriptors on files, directories and memfds, and O_PATH descriptors on anything (open(2)).
//!
//! The kernel remembers the file, the status flags and one position. What the file is, and how it is found again, is in
//! [`super::file_object`].
use super::descriptor::{InFlight, Seen};
use super::file_object::{self, FileObject};
use super::{Capture, Context, Nascent, Result};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub file: FileObject,
    pub flags: i32,
    pub position: i64,
}

/// The file system of POSIX message queues, whose descriptors look like those of files (mq_overview(7)).
const MQUEUE_MAGIC: i64 = 0x1980_0202;

pub(super) fn recognise(seen: &Seen) -> bool {
    let queue = || nix::sys::statfs::fstatfs(&seen.fd).is_ok_and(|fs| fs.filesystem_type().0 == MQUEUE_MAGIC);
    let named = seen.link.is_absolute() && (seen.kind() != libc::S_IFREG || !queue());
    named && (matches!(seen.kind(), libc::S_IFREG | libc::S_IFDIR) || seen.status_flags() & libc::O_PATH != 0)
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let file = file_object::capture(cx, seen.fd.as_fd(), &seen.link).map_err(|error| match error {
        super::Error::Refused { reason, way_out, .. } => seen.refuse(reason, way_out),
        other => other,
    })?;
    Ok(Record { file, flags: seen.status_flags(), position: seen.info.position })
}

pub(super) fn open(record: &Record, _: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    // files send no signals, but remember O_ASYNC when they are opened with it
    let fd = record.file.open(cx, record.flags)?;
    if record.position != 0 && record.flags & libc::O_PATH == 0 {
        match lseek(&fd, record.position, Whence::SeekSet) {
            Ok(_) | Err(Errno::ESPIPE) => {}
            Err(errno) => {
                return Err(errno)
                    .doing(|| format!("set the position in {} to {}", record.file.path().display(), record.position));
            }
        }
    }
    Ok(fd)
}

pub(super) fn settle(record: &Record, _: u32, cx: &mut Nascent) -> Result<()> {
    if record.file.ghost().is_some() { file_object::finish(cx) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{empty_capture, nascent, round_trip};
    use super::super::file_object;
    use super::*;
    use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::stat::{Mode, fstat};
    use nix::sys::uio::{pread, pwrite};
    use std::path::Path;

    fn file(path: &Path, flags: OFlag) -> OwnedFd {
        open(path, flags | OFlag::O_CLOEXEC, Mode::from_bits_truncate(0o640)).unwrap()
    }

    fn text(fd: &OwnedFd) -> Vec<u8> {
        let mut buffer = vec![0u8; fstat(fd).unwrap().st_size as usize];
        pread(fd, &mut buffer, 0).unwrap();
        buffer
    }

    fn link(fd: &OwnedFd) -> String {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd))).unwrap();
        link.to_str().unwrap().to_string()
    }

    #[test]
    fn position_and_flags() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a \u{e9}");
        std::fs::write(&path, b"0123456789").unwrap();
        let a = file(&path, OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NONBLOCK);
        lseek(&a, 4, Whence::SeekSet).unwrap();
        let b = file(&path, OFlag::O_RDONLY);
        let c = file(directory.path(), OFlag::O_PATH);
        let d = a.try_clone().unwrap();
        let flags: Vec<_> = [&a, &b, &c].iter().map(|fd| fcntl(fd, FcntlArg::F_GETFL).unwrap()).collect();
        let again = round_trip(vec![a, b, c, d], || ());
        assert_eq!(flags, again[..3].iter().map(|fd| fcntl(fd, FcntlArg::F_GETFL).unwrap()).collect::<Vec<_>>());
        assert_eq!(lseek(&again[0], 0, Whence::SeekCur), Ok(4));
        lseek(&again[3], 6, Whence::SeekSet).unwrap();
        assert_eq!(lseek(&again[0], 0, Whence::SeekCur), Ok(6));
        assert_eq!(link(&again[2]), directory.path().to_str().unwrap());
    }

    #[test]
    fn a_deleted_file_comes_back_whole_and_without_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gone");
        let a = file(&path, OFlag::O_RDWR | OFlag::O_CREAT);
        let b = file(&path, OFlag::O_RDONLY);
        pwrite(&a, b"head", 0).unwrap();
        pwrite(&a, b"tail", 10 << 20).unwrap();
        std::fs::remove_file(&path).unwrap();
        let again = round_trip(vec![a, b], || ());
        let (stat, other) = (fstat(&again[0]).unwrap(), fstat(&again[1]).unwrap());
        assert_eq!((stat.st_ino, stat.st_nlink, stat.st_size), (other.st_ino, 0, (10 << 20) + 4));
        assert!(stat.st_blocks < 1000, "holes stay holes");
        assert_eq!(stat.st_mode & 0o777, 0o640);
        let all = text(&again[1]);
        assert_eq!((&all[..4], &all[10 << 20..]), (&b"head"[..], &b"tail"[..]));
        assert_eq!(link(&again[0]), format!("{} (deleted)", path.display()));
        assert!(!path.exists());
    }

    #[test]
    fn what_was_created_under_the_old_name_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("name");
        let old = file(&path, OFlag::O_RDWR | OFlag::O_CREAT);
        pwrite(&old, b"old", 0).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"new").unwrap();
        let new = file(&path, OFlag::O_RDONLY);
        let again = round_trip(vec![old, new], || ());
        assert_eq!((text(&again[0]), text(&again[1])), (b"old".to_vec(), b"new".to_vec()));
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_hard_link_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("first"), directory.path().join("second"));
        let fd = file(&first, OFlag::O_RDWR | OFlag::O_CREAT);
        std::fs::hard_link(&first, &second).unwrap();
        std::fs::remove_file(&first).unwrap();
        let again = round_trip(vec![fd], || ());
        let stat = fstat(&again[0]).unwrap();
        assert_eq!((stat.st_ino, stat.st_nlink), (nix::sys::stat::stat(&second).unwrap().st_ino, 1));
        assert_eq!(link(&again[0]), format!("{} (deleted)", first.display()));
    }

    #[test]
    fn temporary_files_and_deleted_directories() {
        let directory = tempfile::tempdir().unwrap();
        let temporary = file(directory.path(), OFlag::O_TMPFILE | OFlag::O_RDWR);
        pwrite(&temporary, b"never named", 0).unwrap();
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let in_inner = file(&inner.join("f"), OFlag::O_RDWR | OFlag::O_CREAT);
        pwrite(&in_inner, b"deep", 0).unwrap();
        let dir = file(&inner, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
        std::fs::remove_dir_all(&inner).unwrap();
        let flags = fcntl(&temporary, FcntlArg::F_GETFL).unwrap();
        let again = round_trip(vec![temporary, in_inner, dir], || ());
        assert_eq!(fcntl(&again[0], FcntlArg::F_GETFL), Ok(flags));
        assert_eq!(text(&again[0]), b"never named");
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&again[0]));
        let target = directory.path().join("named");
        let at = nix::fcntl::AT_FDCWD;
        nix::unistd::linkat(at, name.as_str(), at, &target, nix::unistd::LinkatFlags::AT_SYMLINK_FOLLOW).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"never named");
        assert_eq!(text(&again[1]), b"deep");
        assert_eq!(link(&again[1]), format!("{}/f (deleted)", inner.display()));
        assert_eq!(link(&again[2]), format!("{} (deleted)", inner.display()));
        assert!(!inner.exists());
    }

    #[test]
    fn memfds_with_seals() {
        let fd = memfd_create(c"mine", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        pwrite(&fd, b"sealed", 0).unwrap();
        fcntl(&fd, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE)).unwrap();
        let future = memfd_create(c"future", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        pwrite(&future, b"x", 0).unwrap();
        fcntl(&future, FcntlArg::F_ADD_SEALS(SealFlag::from_bits_retain(0x10))).unwrap();
        let plain = memfd_create(c"plain", MFdFlags::empty()).unwrap();
        let seals = |fds: &[OwnedFd]| fds.iter().map(|fd| fcntl(fd, FcntlArg::F_GET_SEALS).unwrap()).collect::<Vec<_>>();
        let fds = vec![fd, future, plain];
        let before = seals(&fds);
        let again = round_trip(fds, || ());
        assert_eq!(seals(&again), before);
        assert_eq!(text(&again[0]), b"sealed");
        assert_eq!(link(&again[0]), "/memfd:mine (deleted)");
    }

    #[test]
    fn a_shortened_file_and_changed_code_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        for (name, before, after, expected) in
            [("data", "long", "s", "shorter"), ("lib.so.1", "code", "edoc", "library"), ("gone", "x", "", "No such file")]
        {
            let path = directory.path().join(name);
            std::fs::write(&path, before).unwrap();
            std::fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            let fd = file(&path, OFlag::O_RDONLY);
            let mut cx = empty_capture(&image);
            let (_, records) = super::super::descriptor::tests::capture_own(&mut cx, &[fd.as_fd()]).unwrap();
            std::fs::write(&path, after).unwrap();
            if after.is_empty() {
                std::fs::remove_file(&path).unwrap();
            }
            let message = nascent(cx, &image, records).description(0).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(name), "{message}");
        }
    }

    #[test]
    fn an_executable_file_that_the_program_writes_may_have_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        for (flags, kept) in [(OFlag::O_RDWR, true), (OFlag::O_RDONLY, false)] {
            std::fs::write(&path, "before").unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
            let fd = file(&path, flags);
            let mut cx = empty_capture(&directory.path().join("image"));
            let (_, records) = super::super::descriptor::tests::capture_own(&mut cx, &[fd.as_fd()]).unwrap();
            std::fs::write(&path, "and after").unwrap();
            let found = nascent(cx, &directory.path().join("image"), records).description(0).map(drop);
            assert_eq!(found.is_ok(), kept, "{found:?}");
        }
    }

    #[test]
    fn a_log_may_have_been_rotated() {
        let directory = tempfile::tempdir().unwrap();
        let (emptied, gone) = (directory.path().join("emptied"), directory.path().join("gone"));
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
        let fds = vec![file(&emptied, flags), file(&gone, flags)];
        fds.iter().for_each(|fd| assert_eq!(nix::unistd::write(fd, b"old"), Ok(3)));
        let again = round_trip(fds, || {
            std::fs::write(&emptied, b"").unwrap();
            std::fs::remove_file(&gone).unwrap();
        });
        again.iter().for_each(|fd| assert_eq!(nix::unistd::write(fd, b"new"), Ok(3)));
        assert_eq!((std::fs::read(&emptied).unwrap(), std::fs::read(&gone).unwrap()), (b"new".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn mapping_and_descriptor_get_one_inode() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        let fd = memfd_create(c"both", MFdFlags::empty()).unwrap();
        let mut cx = empty_capture(&image);
        let mapped = file_object::capture(&mut cx, fd.as_fd(), Path::new("/memfd:both (deleted)")).unwrap();
        let (_, records) = super::super::descriptor::tests::capture_own(&mut cx, &[fd.as_fd()]).unwrap();
        let mut cx = nascent(cx, &image, records);
        let mapped = mapped.open(&mut cx, libc::O_RDWR).unwrap();
        let held = cx.description(0).unwrap();
        assert_eq!(fstat(&mapped).unwrap().st_ino, fstat(held).unwrap().st_ino);
    }

    #[test]
    fn a_path_under_a_mount_is_refused() {
        // a file whose name leads elsewhere
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x (deleted)");
        let fd = file(&path, OFlag::O_RDWR | OFlag::O_CREAT);
        let again = round_trip(vec![fd], || ());
        assert_eq!(link(&again[0]), path.to_str().unwrap(), "the name only looks deleted");
        let mut cx = empty_capture(&directory.path().join("image"));
        let error = file_object::capture(&mut cx, again[0].as_fd(), Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
    }
}
