//! The view: a tree as a pod sees it, served through FUSE (the kernel's documentation, filesystems/fuse).
//!
//! Nothing is resolved by path: each request names a node and at most one component, which is opened in the node's directory without being
//! followed, so no request leads out of the tree. The kernel checks permissions (`default_permissions`), with the owners and modes told here.
//!
//! Locks, unix sockets and fifos of the view are the kernel's own, as on a local file system: they are shared by those who use the view, and
//! with nobody who uses the tree behind it.
mod attributes;
mod contents;
mod directory;
mod names;

use crate::node::{Node, Nodes};
use crate::rules::{Meaning, Rules};
use crate::sys::{self, Words};
use fuser::{
    FileAttr, FileHandle, Filesystem, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Word that remembers what was agreed upon with the kernel.
pub const AGREED: usize = 0;

/// How a view behaves, beside its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// How long the kernel may believe names and attributes without asking again.
    pub ttl: Duration,
    /// Whether the kernel may read and write the backing files itself, where it can.
    pub passthrough: bool,
}

/// The file system.
#[derive(Debug)]
pub struct View {
    rules: Rules,
    nodes: Arc<Nodes>,
    words: Arc<Words>,
    connection: Arc<OwnedFd>,
    behaviour: Behaviour,
    /// Whether we act as root, and thus have to give what is made for somebody to him.
    privileged: bool,
    /// Agreed upon with the kernel: it reads and writes backing files.
    passthrough: bool,
    /// It does not tell of opened files at all.
    silent_open: bool,
}

type Result<T> = std::result::Result<T, Errno>;

/// An error as the library takes it.
fn fail(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

macro_rules! answer {
    ($reply:ident, $result:expr, $value:pat => $done:expr) => {
        match $result {
            Ok($value) => $done,
            Err(errno) => $reply.error(fail(errno)),
        }
    };
}

impl View {
    /// A view of what `rules` tell. `connection` is the descriptor of /dev/fuse.
    pub fn new(rules: Rules, nodes: Arc<Nodes>, words: Arc<Words>, connection: Arc<OwnedFd>, behaviour: Behaviour) -> Self {
        let privileged = nix::unistd::geteuid().is_root();
        Self { rules, nodes, words, connection, behaviour, privileged, passthrough: false, silent_open: false }
    }

    /// The directory that a request names, if something may be changed in it.
    fn directory_to_change(&self, id: INodeNo) -> Result<Arc<Node>> {
        let directory = self.nodes.get(id.into())?;
        if self.rules.is_read_only(directory.region) { Err(Errno::EROFS) } else { Ok(directory) }
    }

    /// The same for any file.
    fn node_to_change(&self, id: INodeNo) -> Result<Arc<Node>> {
        self.directory_to_change(id)
    }

    /// Refuses to touch a name that a rule is about; `hidden` is what hidden ones give.
    fn refuse_rule(&self, directory: &Node, name: &OsStr, hidden: Errno) -> Result<()> {
        match self.rules.about(directory.key, name) {
            None => Ok(()),
            Some(Meaning::Nothing) => Err(hidden),
            Some(Meaning::Region(_)) => Err(Errno::EBUSY),
        }
    }

    /// Forgets lookups, as the kernel has.
    fn forgotten(&self, id: u64, count: u64) {
        if let Some(backing) = self.nodes.forget(id, count) {
            sys::close_backing(self.connection.as_fd(), backing);
        }
    }
}

impl Filesystem for View {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let wanted = [
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_AUTO_INVAL_DATA,
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_NO_OPENDIR_SUPPORT,
            // one question for security.capability per file, not one per write
            InitFlags::FUSE_HANDLE_KILLPRIV_V2,
        ];
        for flag in wanted {
            let _ = config.add_capabilities(flag);
        }
        let stacked = nix::sys::statfs::fstatfs(&self.rules.regions[0].root)
            .is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::OVERLAYFS_SUPER_MAGIC);
        if self.behaviour.passthrough && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok() {
            self.passthrough = config.set_max_stack_depth(if stacked { 2 } else { 1 }).is_ok();
        }
        // a file that can only be read has to be refused when it is opened for writing
        self.silent_open = !self.passthrough
            && !self.rules.has_read_only_parts()
            && config.add_capabilities(InitFlags::FUSE_NO_OPEN_SUPPORT).is_ok();
        let _ = config.set_max_write(1 << 20);
        let _ = config.set_max_background(64);
        self.words.set(AGREED, config.capabilities().bits());
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.look_up(parent, name) {
            Ok((_, attr)) => reply.entry(&self.behaviour.ttl, &attr, fuser::Generation(0)),
            // a name that is known not to exist: node 0
            Err(Errno::ENOENT) => reply.entry(&self.behaviour.ttl, &attributes::nothing(), fuser::Generation(0)),
            Err(errno) => reply.error(fail(errno)),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.forgotten(ino.into(), nlookup);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.attributes(ino), attr => reply.attr(&self.behaviour.ttl, &attr));
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = attributes::Changes { mode, uid, gid, size, atime, mtime };
        answer!(reply, self.change(request, ino, &changes), attr => reply.attr(&self.behaviour.ttl, &attr));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        answer!(reply, self.link_text(ino), text => reply.data(&text));
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        self.reply_entry(reply, self.make_node(request, parent, name, mode));
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        self.reply_entry(reply, self.make_directory(request, parent, name, mode));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.reply_entry(reply, self.make_symlink(request, parent, name, target));
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        self.reply_entry(reply, self.make_link(ino, newparent, newname));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.remove(parent, name, false), () => reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.remove(parent, name, true), () => reply.ok());
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.rename((parent, name), (newparent, newname), flags.bits()), () => reply.ok());
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, flags: i32, reply: ReplyCreate) {
        self.create(request, parent, name, mode, flags, reply);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.open(request, ino, flags, reply);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.read(ino, offset, size, reply);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: fuser::WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let drop_privilege = write_flags.contains(fuser::WriteFlags::FUSE_WRITE_KILL_SUIDGID);
        answer!(reply, self.write(ino, offset, data, drop_privilege), written => reply.written(written as u32));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // once answered so, the kernel does not ask at the next close(2)
        reply.error(fuser::Errno::ENOSYS);
    }

    fn release(&self, _: &Request, ino: INodeNo, _: FileHandle, _: OpenFlags, _: Option<LockOwner>, _: bool, reply: ReplyEmpty) {
        reply.ok();
        self.closed(ino);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        answer!(reply, self.sync(ino, datasync), () => reply.ok());
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // likewise: a directory needs no handle
        reply.error(fuser::Errno::ENOSYS);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectory) {
        self.list(ino, offset, reply);
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectoryPlus) {
        self.list_with_attributes(ino, offset, reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        answer!(reply, self.sync(ino, datasync), () => reply.ok());
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        answer!(reply, self.nodes.get(ino.into()).and_then(|node| sys::statfs(node.as_fd())), fs => reply.statfs(
            fs.f_blocks, fs.f_bfree, fs.f_bavail, fs.f_files, fs.f_ffree, fs.f_bsize as u32, fs.f_namemax as u32, fs.f_frsize as u32
        ));
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _: u32, reply: ReplyEmpty) {
        answer!(reply, self.set_attribute(ino, name, value, flags), () => reply.ok());
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        answer!(reply, self.attribute(ino, name, size), value => attributes::reply_sized(reply, size, &value));
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        answer!(reply, self.attribute_names(ino), names => attributes::reply_sized(reply, size, &names));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.remove_attribute(ino, name), () => reply.ok());
    }

    fn ioctl(&self, _: &Request, _: INodeNo, _: FileHandle, _: fuser::IoctlFlags, _: u32, _: &[u8], _: u32, reply: ReplyIoctl) {
        reply.error(fuser::Errno::ENOTTY);
    }

    fn fallocate(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, length: u64, mode: i32, reply: ReplyEmpty) {
        answer!(reply, self.allocate(ino, offset, length, mode), () => reply.ok());
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        answer!(reply, self.seek(ino, offset, whence), offset => reply.offset(offset));
    }

    fn copy_file_range(
        &self,
        _: &Request,
        ino_in: INodeNo,
        _: FileHandle,
        offset_in: u64,
        ino_out: INodeNo,
        _: FileHandle,
        offset_out: u64,
        len: u64,
        _: fuser::CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        answer!(reply, self.copy((ino_in, offset_in), (ino_out, offset_out), len), n => reply.written(n as u32));
    }
}

impl View {
    fn reply_entry(&self, reply: ReplyEntry, result: Result<(Arc<Node>, FileAttr)>) {
        answer!(reply, result, (_, attr) => reply.entry(&self.behaviour.ttl, &attr, fuser::Generation(0)));
    }
}
