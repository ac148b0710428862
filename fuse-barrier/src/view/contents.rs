//! Contents of regular files. With passthrough the kernel reads and writes backing files itself, and what follows is for the rest.
use super::attributes::{lends_privilege, without_privilege};
use super::{Result, View, fail};
use crate::node::{Node, lock};
use crate::sys;
use fuser::{BackingId, FopenFlags, INodeNo, OpenFlags, ReplyCreate, ReplyData, ReplyOpen, Request};
use nix::errno::Errno;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

thread_local! {
    /// What is read goes through one buffer per thread.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl View {
    /// The backing file that the kernel knows `node`'s by; registered at the first opening, as long as the node is known.
    fn backing(&self, node: &Node) -> Option<u32> {
        if !self.passthrough {
            return None;
        }
        if let Some(id) = self.nodes.backing(node) {
            return Some(id);
        }
        let _one = lock(&node.backing);
        if let Some(id) = self.nodes.backing(node) {
            return Some(id);
        }
        // ELOOP: a stack of file systems that is too high already
        let id = BackingId::create_raw(&*self.connection, node).ok()?;
        self.nodes.set_backing(node, id);
        Some(id)
    }

    fn open_flags(&self) -> FopenFlags {
        FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH
    }

    /// Takes from a file what lends privilege (inode(7)). With passthrough the kernel does not do it when somebody writes, so it is done when
    /// he opens it for that.
    fn drop_privilege(&self, node: &Node) -> Result<()> {
        let mode = sys::stat(node.as_fd())?.st_mode;
        if lends_privilege(mode) {
            sys::chmod(node.as_fd(), without_privilege(mode))?;
            sys::forget_attributes(self.connection.as_fd(), node.id);
        }
        Ok(())
    }

    pub(super) fn open(&self, request: &Request, id: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if self.silent_open {
            return reply.error(fuser::Errno::ENOSYS);
        }
        let writes = flags.0 & libc::O_ACCMODE != libc::O_RDONLY;
        let node = if writes { self.node_to_change(id) } else { self.nodes.get(id.into()) };
        let node = match node {
            Ok(node) => node,
            Err(errno) => return reply.error(fail(errno)),
        };
        if writes && self.passthrough && request.uid() != 0 {
            if let Err(errno) = self.drop_privilege(&node) {
                return reply.error(fail(errno));
            }
        }
        node.opened.fetch_add(1, Ordering::Relaxed);
        match self.backing(&node) {
            // with passthrough there is no cache to keep
            Some(backing) => sys::reply_open(reply, FopenFlags::FOPEN_NOFLUSH, backing),
            None => reply.opened(fuser::FileHandle(0), self.open_flags()),
        }
    }

    pub(super) fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, flags: i32, reply: ReplyCreate) {
        let made = match self.make_file(request, parent, name, mode) {
            // somebody was faster, behind the view or in it: open(2) with O_CREAT opens what there is
            Err(Errno::EEXIST) if flags & libc::O_EXCL == 0 => self.look_up(parent, name).map(|(node, attr)| (node, attr, None)),
            other => other,
        };
        let (node, attr, data) = match made {
            Ok(made) => made,
            Err(errno) => return reply.error(fail(errno)),
        };
        if node.kind != libc::S_IFREG {
            self.forgotten(node.id, 1);
            return reply.error(fail(if node.kind == libc::S_IFDIR { Errno::EISDIR } else { Errno::EEXIST }));
        }
        if let Some(data) = data {
            node.keep_data(data);
        }
        let ttl = self.behaviour.ttl;
        node.opened.fetch_add(1, Ordering::Relaxed);
        match self.backing(&node) {
            Some(backing) => sys::reply_create(reply, &ttl, &attr, FopenFlags::FOPEN_NOFLUSH, backing),
            None => reply.created(&ttl, &attr, fuser::Generation(0), fuser::FileHandle(0), self.open_flags()),
        }
    }

    pub(super) fn closed(&self, id: INodeNo) {
        if let Ok(node) = self.nodes.get(id.into()) {
            node.opened.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn data(&self, id: INodeNo, writing: bool) -> Result<(Arc<Node>, Arc<std::os::fd::OwnedFd>)> {
        let node = if writing { self.node_to_change(id)? } else { self.nodes.get(id.into())? };
        let data = match node.data(writing, !self.passthrough) {
            Err(Errno::EMFILE) => {
                self.nodes.close_data();
                node.data(writing, !self.passthrough)?
            }
            other => other?,
        };
        Ok((node, data))
    }

    pub(super) fn read(&self, id: INodeNo, offset: u64, size: u32, reply: ReplyData) {
        let (_, data) = match self.data(id, false) {
            Ok(found) => found,
            Err(errno) => return reply.error(fail(errno)),
        };
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size as usize {
                buffer.resize(size as usize, 0);
            }
            let mut done = 0;
            while done < size as usize {
                match nix::sys::uio::pread(&*data, &mut buffer[done..size as usize], (offset + done as u64) as i64) {
                    Ok(0) => break,
                    Ok(n) => done += n,
                    Err(Errno::EINTR) => {}
                    Err(errno) => return reply.error(fail(errno)),
                }
            }
            reply.data(&buffer[..done]);
        });
    }

    pub(super) fn write(&self, id: INodeNo, offset: u64, bytes: &[u8], drop_privilege: bool) -> Result<usize> {
        let (node, data) = self.data(id, true)?;
        let mut done = 0;
        while done < bytes.len() {
            match nix::sys::uio::pwrite(&*data, &bytes[done..], (offset + done as u64) as i64) {
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        if drop_privilege {
            let mode = sys::stat(node.as_fd())?.st_mode;
            if lends_privilege(mode) {
                sys::chmod(node.as_fd(), without_privilege(mode))?;
            }
        }
        Ok(done)
    }

    pub(super) fn allocate(&self, id: INodeNo, offset: u64, length: u64, mode: i32) -> Result<()> {
        let (_, data) = self.data(id, true)?;
        sys::allocate(data.as_fd(), mode, offset, length)
    }

    pub(super) fn seek(&self, id: INodeNo, offset: i64, whence: i32) -> Result<i64> {
        let (_, data) = self.data(id, false)?;
        sys::seek(data.as_fd(), offset, whence)
    }

    pub(super) fn copy(&self, from: (INodeNo, u64), to: (INodeNo, u64), length: u64) -> Result<usize> {
        let (_, source) = self.data(from.0, false)?;
        let (_, target) = self.data(to.0, true)?;
        sys::copy_range((source.as_fd(), from.1), (target.as_fd(), to.1), length)
    }
}
