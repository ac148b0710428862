//! Attributes of files, ordinary and extended (inode(7), xattr(7)).
use super::{Result, View};
use crate::node::Node;
use crate::sys;
use fuser::{FileAttr, FileType, INodeNo, ReplyXattr, Request, TimeOrNow};
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What setattr asks for.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<TimeOrNow>,
    pub(super) mtime: Option<TimeOrNow>,
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let fraction = Duration::from_nanos(nanoseconds as u64);
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + fraction,
        Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + fraction,
    }
}

fn timespec(time: Option<TimeOrNow>) -> libc::timespec {
    let special = |nanoseconds| libc::timespec { tv_sec: 0, tv_nsec: nanoseconds };
    match time {
        None => special(libc::UTIME_OMIT),
        Some(TimeOrNow::Now) => special(libc::UTIME_NOW),
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(UNIX_EPOCH) {
            Ok(after) => libc::timespec { tv_sec: after.as_secs() as i64, tv_nsec: i64::from(after.subsec_nanos()) },
            Err(before) => {
                let before = before.duration();
                let (seconds, nanoseconds) = (before.as_secs() as i64, i64::from(before.subsec_nanos()));
                match nanoseconds {
                    0 => libc::timespec { tv_sec: -seconds, tv_nsec: 0 },
                    _ => libc::timespec { tv_sec: -seconds - 1, tv_nsec: 1_000_000_000 - nanoseconds },
                }
            }
        },
    }
}

pub(super) fn kind(mode: u32) -> FileType {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFSOCK => FileType::Socket,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFBLK => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

/// What is told of a name that does not exist.
pub(super) fn nothing() -> FileAttr {
    from_stat(0, &sys::no_stat())
}

/// Attributes as the library takes them.
pub(super) fn from_stat(id: u64, stat: &FileStat) -> FileAttr {
    FileAttr {
        ino: INodeNo(id),
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind: kind(stat.st_mode),
        perm: (stat.st_mode & 0o7777) as u16,
        nlink: stat.st_nlink as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev as u32,
        blksize: stat.st_blksize as u32,
        flags: 0,
    }
}

/// Whether these permissions lend privilege, and are lost when somebody writes (inode(7)).
pub(super) fn lends_privilege(mode: u32) -> bool {
    mode & libc::S_ISUID != 0 || mode & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP
}

pub(super) fn without_privilege(mode: u32) -> u32 {
    let group = if mode & libc::S_IXGRP != 0 { libc::S_ISGID } else { 0 };
    mode & 0o7777 & !(libc::S_ISUID | group)
}

/// Answers a question about an extended attribute: its length, or itself.
pub(super) fn reply_sized(reply: ReplyXattr, size: u32, value: &[u8]) {
    if size == 0 {
        reply.size(value.len() as u32);
    } else if value.len() > size as usize {
        reply.error(fuser::Errno::ERANGE);
    } else {
        reply.data(value);
    }
}

/// Names that programs in the view may use: their own, and the capabilities of programs. Lists of access rights (acl(5)) are not kept: the
/// kernel checks by owner and mode alone.
fn permitted(name: &OsStr) -> Result<CString> {
    let bytes = name.as_bytes();
    let own = bytes.starts_with(b"user.") && !bytes.starts_with(b"user.autopod.");
    if !own && bytes != b"security.capability" {
        return Err(Errno::EOPNOTSUPP);
    }
    sys::c_name(name)
}

impl View {
    pub(super) fn attributes(&self, id: INodeNo) -> Result<FileAttr> {
        let node = self.nodes.get(id.into())?;
        Ok(from_stat(node.id, &sys::stat(node.as_fd())?))
    }

    pub(super) fn change(&self, request: &Request, id: INodeNo, changes: &Changes) -> Result<FileAttr> {
        let node = self.node_to_change(id)?;
        let fd = node.as_fd();
        if let Some(size) = changes.size {
            self.resize(&node, size)?;
            let mode = sys::stat(fd)?.st_mode;
            if request.uid() != 0 && lends_privilege(mode) {
                sys::chmod(fd, without_privilege(mode))?;
            }
        }
        if changes.uid.is_some() || changes.gid.is_some() {
            sys::chown(fd, changes.uid, changes.gid)?;
        }
        if let Some(mode) = changes.mode {
            if node.kind == libc::S_IFLNK {
                return Err(Errno::EOPNOTSUPP);
            }
            sys::chmod(fd, mode & 0o7777)?;
        }
        if changes.atime.is_some() || changes.mtime.is_some() {
            sys::set_times(fd, [timespec(changes.atime), timespec(changes.mtime)])?;
        }
        Ok(from_stat(node.id, &sys::stat(fd)?))
    }

    fn resize(&self, node: &Node, size: u64) -> Result<()> {
        match sys::truncate(node.as_fd(), size) {
            // a file that its owner made without the right to write to it, and has open
            Err(Errno::EACCES) => nix::unistd::ftruncate(&*node.data(true, false)?, size as i64),
            other => other,
        }
    }

    pub(super) fn link_text(&self, id: INodeNo) -> Result<Vec<u8>> {
        let node = self.nodes.get(id.into())?;
        let text = nix::fcntl::readlinkat(&*node, c"")?;
        Ok(text.as_bytes().to_vec())
    }

    pub(super) fn attribute(&self, id: INodeNo, name: &OsStr, size: u32) -> Result<Vec<u8>> {
        let name = permitted(name)?;
        let node = self.nodes.get(id.into())?;
        if node.kind == libc::S_IFLNK {
            return Err(Errno::ENODATA);
        }
        sys::get_attribute(node.as_fd(), &name, size as usize)
    }

    pub(super) fn attribute_names(&self, id: INodeNo) -> Result<Vec<u8>> {
        let node = self.nodes.get(id.into())?;
        if node.kind == libc::S_IFLNK {
            return Ok(Vec::new());
        }
        let size = sys::list_attributes(node.as_fd(), 0)?.len();
        if size == 0 {
            return Ok(Vec::new());
        }
        let names = sys::list_attributes(node.as_fd(), size)?;
        let shown = names.split_inclusive(|&b| b == 0).filter(|name| {
            let name = name.strip_suffix(&[0]).unwrap_or(name);
            permitted(OsStr::from_bytes(name)).is_ok()
        });
        Ok(shown.flatten().copied().collect())
    }

    pub(super) fn set_attribute(&self, id: INodeNo, name: &OsStr, value: &[u8], flags: i32) -> Result<()> {
        let name = permitted(name)?;
        let node = self.node_to_change(id)?;
        if node.kind == libc::S_IFLNK {
            return Err(Errno::EPERM);
        }
        sys::set_attribute(node.as_fd(), &name, value, flags)
    }

    pub(super) fn remove_attribute(&self, id: INodeNo, name: &OsStr) -> Result<()> {
        let name = permitted(name)?;
        let node = self.node_to_change(id)?;
        if node.kind == libc::S_IFLNK {
            return Err(Errno::EPERM);
        }
        sys::remove_attribute(node.as_fd(), &name)
    }

    pub(super) fn sync(&self, id: INodeNo, data_only: bool) -> Result<()> {
        let node = self.nodes.get(id.into())?;
        let fd = node.data(false, false)?;
        if data_only { nix::unistd::fdatasync(&*fd) } else { nix::unistd::fsync(&*fd) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_both_ways() {
        for (seconds, nanoseconds) in [(0, 0), (1_700_000_000, 123_456_789), (-1, 0), (-2, 999_999_999), (-5, 1)] {
            let there = time(seconds, nanoseconds);
            let back = timespec(Some(TimeOrNow::SpecificTime(there)));
            assert_eq!((back.tv_sec, back.tv_nsec), (seconds, nanoseconds));
        }
        assert_eq!(timespec(None).tv_nsec, libc::UTIME_OMIT);
    }

    #[test]
    fn privilege_is_what_a_write_takes_away() {
        assert!(lends_privilege(0o4755) && lends_privilege(0o2711) && !lends_privilege(0o2600) && !lends_privilege(0o755));
        assert_eq!(without_privilege(0o100_000 | 0o6755), 0o755);
        assert_eq!(without_privilege(0o2600), 0o2600, "mandatory locking, no privilege");
    }

    #[test]
    fn attributes_of_the_system_are_not_the_views() {
        for (name, allowed) in [
            ("user.x", true),
            ("security.capability", true),
            ("user.autopod.owner", false),
            ("trusted.overlay.opaque", false),
            ("system.posix_acl_access", false),
            ("security.selinux", false),
        ] {
            assert_eq!(permitted(OsStr::new(name)).is_ok(), allowed, "{name}");
        }
    }
}
