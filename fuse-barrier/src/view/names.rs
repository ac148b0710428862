//! Names: looking them up, making and removing them.
use super::attributes::from_stat;
use super::{Result, View};
use crate::node::Node;
use crate::rules::Meaning;
use crate::sys;
use fuser::{FileAttr, INodeNo, Request};
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// How a name is opened for a node.
const AS_NODE: i32 = libc::O_PATH | libc::O_NOFOLLOW;

/// A name that is one component. The kernel gives no other; a tree could hold no other.
fn component(name: &OsStr) -> Result<std::ffi::CString> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(Errno::EINVAL);
    }
    sys::c_name(name)
}

impl View {
    pub(super) fn look_up(&self, parent: INodeNo, name: &OsStr) -> Result<(Arc<Node>, FileAttr)> {
        self.look_up_in(&*self.nodes.get(parent.into())?, name)
    }

    /// Finds a name and counts the lookup.
    pub(super) fn look_up_in(&self, directory: &Node, name: &OsStr) -> Result<(Arc<Node>, FileAttr)> {
        match self.rules.about(directory.key, name) {
            Some(Meaning::Nothing) => return Err(Errno::ENOENT),
            Some(Meaning::Region(region)) => {
                let root = self.rules.regions[usize::from(region)].root.as_fd();
                let stat = sys::stat(root)?;
                let fd = root.try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
                return Ok(self.entered(fd, &stat, region, (directory.id, name)));
            }
            None => {}
        }
        let path = component(name)?;
        let stat = sys::stat_at(directory.as_fd(), &path)?;
        let key = (stat.st_dev, stat.st_ino, directory.region);
        if let Some(node) = self.nodes.look_up(key, (directory.id, name)) {
            let attr = from_stat(node.id, &stat);
            return Ok((node, attr));
        }
        self.enter(directory, &path, name)
    }

    fn entered(&self, fd: OwnedFd, stat: &FileStat, region: u16, place: (u64, &OsStr)) -> (Arc<Node>, FileAttr) {
        let node = self.nodes.enter(fd, stat, region, place);
        let attr = from_stat(node.id, stat);
        (node, attr)
    }

    fn enter(&self, directory: &Node, path: &CStr, name: &OsStr) -> Result<(Arc<Node>, FileAttr)> {
        let fd = match sys::open_at(directory.as_fd(), path, AS_NODE, 0) {
            Err(Errno::EMFILE) => {
                self.nodes.close_data();
                sys::open_at(directory.as_fd(), path, AS_NODE, 0)?
            }
            other => other?,
        };
        let stat = sys::stat(fd.as_fd())?;
        Ok(self.entered(fd, &stat, directory.region, (directory.id, name)))
    }

    /// The directory in which something is to be made, and its name.
    fn place(&self, parent: INodeNo, name: &OsStr) -> Result<(Arc<Node>, std::ffi::CString)> {
        let directory = self.directory_to_change(parent)?;
        match self.refuse_rule(&directory, name, Errno::EPERM) {
            // what a rule puts there exists
            Err(Errno::EBUSY) => Err(Errno::EEXIST),
            other => other,
        }?;
        let path = component(name)?;
        Ok((directory, path))
    }

    /// Gives what we have made to the one it was made for, as the kernel would have.
    pub(super) fn give(&self, request: &Request, directory: &Node, made: BorrowedFd<'_>, mode: u32) -> Result<FileStat> {
        let stat = sys::stat(made)?;
        if !self.privileged || (stat.st_uid, stat.st_gid) == (request.uid(), request.gid()) {
            return Ok(stat);
        }
        // in a set-group-id directory it has the directory's group already (inode(7))
        let inherited = sys::stat(directory.as_fd())?.st_mode & libc::S_ISGID != 0;
        sys::chown(made, Some(request.uid()), (!inherited).then(|| request.gid()))?;
        if mode & (libc::S_ISUID | libc::S_ISGID) != 0 && stat.st_mode & libc::S_IFMT == libc::S_IFREG {
            // which chown(2) takes away
            sys::chmod(made, mode & 0o7777)?;
        }
        sys::stat(made)
    }

    fn made(&self, request: &Request, directory: &Node, path: &CStr, name: &OsStr, mode: u32) -> Result<(Arc<Node>, FileAttr)> {
        let fd = sys::open_at(directory.as_fd(), path, AS_NODE, 0)?;
        let stat = self.give(request, directory, fd.as_fd(), mode)?;
        Ok(self.entered(fd, &stat, directory.region, (directory.id, name)))
    }

    pub(super) fn make_node(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32) -> Result<(Arc<Node>, FileAttr)> {
        let (directory, path) = self.place(parent, name)?;
        if matches!(mode & libc::S_IFMT, libc::S_IFCHR | libc::S_IFBLK) {
            // the devices of a pod are those in its /dev
            return Err(Errno::EPERM);
        }
        sys::mknod(directory.as_fd(), &path, mode, 0)?;
        self.made(request, &directory, &path, name, mode)
    }

    pub(super) fn make_directory(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
    ) -> Result<(Arc<Node>, FileAttr)> {
        let (directory, path) = self.place(parent, name)?;
        nix::sys::stat::mkdirat(&*directory, path.as_c_str(), nix::sys::stat::Mode::from_bits_truncate(mode))?;
        self.made(request, &directory, &path, name, 0)
    }

    pub(super) fn make_symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
    ) -> Result<(Arc<Node>, FileAttr)> {
        let (directory, path) = self.place(parent, name)?;
        nix::unistd::symlinkat(target, &*directory, path.as_c_str())?;
        self.made(request, &directory, &path, name, 0)
    }

    /// Makes a regular file that is not there yet, and an open descriptor of it if the kernel will have us write to it.
    pub(super) fn make_file(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
    ) -> Result<(Arc<Node>, FileAttr, Option<OwnedFd>)> {
        let (directory, path) = self.place(parent, name)?;
        let mode = mode & 0o7777;
        if self.passthrough {
            sys::mknod(directory.as_fd(), &path, libc::S_IFREG | mode, 0)?;
            let (node, attr) = self.made(request, &directory, &path, name, mode)?;
            return Ok((node, attr, None));
        }
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        let data = sys::open_at(directory.as_fd(), &path, flags, mode)?;
        let (node, attr) = self.made(request, &directory, &path, name, mode)?;
        Ok((node, attr, Some(data)))
    }

    pub(super) fn make_link(&self, id: INodeNo, parent: INodeNo, name: &OsStr) -> Result<(Arc<Node>, FileAttr)> {
        let node = self.node_to_change(id)?;
        let (directory, path) = self.place(parent, name)?;
        if node.region != directory.region {
            return Err(Errno::EXDEV);
        }
        sys::link(node.as_fd(), node.kind == libc::S_IFLNK, directory.as_fd(), &path)?;
        self.look_up_in(&directory, name)
    }

    pub(super) fn remove(&self, parent: INodeNo, name: &OsStr, is_directory: bool) -> Result<()> {
        let directory = self.directory_to_change(parent)?;
        self.refuse_rule(&directory, name, Errno::ENOENT)?;
        let flag = match is_directory {
            true => nix::unistd::UnlinkatFlags::RemoveDir,
            false => nix::unistd::UnlinkatFlags::NoRemoveDir,
        };
        nix::unistd::unlinkat(&*directory, component(name)?.as_c_str(), flag)
    }

    pub(super) fn rename(&self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr), flags: u32) -> Result<()> {
        if flags & !(libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE) != 0 {
            return Err(Errno::EINVAL);
        }
        let (old, new) = (self.directory_to_change(from.0)?, self.directory_to_change(to.0)?);
        self.refuse_rule(&old, from.1, Errno::ENOENT)?;
        self.refuse_rule(&new, to.1, Errno::EPERM)?;
        if old.region != new.region {
            return Err(Errno::EXDEV);
        }
        sys::rename((old.as_fd(), &component(from.1)?), (new.as_fd(), &component(to.1)?), flags)
    }
}
