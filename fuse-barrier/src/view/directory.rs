//! Reading directories. A directory needs no handle: each request opens at the position that the last one ended at.
use super::attributes::{from_stat, kind};
use super::{Result, View, fail};
use crate::node::{Node, ROOT, TAG_SHIFT};
use crate::rules::Meaning;
use crate::sys::{self, Entry};
use fuser::{FileType, INodeNo, ReplyDirectory, ReplyDirectoryPlus};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::Arc;

fn file_type(entry: &Entry) -> FileType {
    // DT_ values are those of S_IFMT, shifted
    kind(u32::from(entry.kind) << 12)
}

fn is_dot(name: &OsStr) -> bool {
    name == "." || name == ".."
}

impl View {
    fn entries(&self, node: &Node, offset: u64) -> Result<Vec<Entry>> {
        // of one's own: reading moves its position
        let fd = sys::reopen(node.as_fd(), libc::O_RDONLY | libc::O_DIRECTORY)?;
        let rules: Vec<_> = self.rules.names_in(node.key).collect();
        if rules.is_empty() {
            return sys::read_directory(fd.as_fd(), offset as i64);
        }
        // names that a rule adds have no position in the tree: here positions are indexes
        let mut all = Vec::new();
        loop {
            let at = all.last().map_or(0, |entry: &Entry| entry.next);
            let more = sys::read_directory(fd.as_fd(), at)?;
            if more.is_empty() {
                break;
            }
            all.extend(more);
        }
        all.retain(|entry| !rules.iter().any(|(name, _)| **name == entry.name));
        for (name, meaning) in rules {
            let Meaning::Region(region) = meaning else { continue };
            let stat = sys::stat(self.rules.regions[usize::from(region)].root.as_fd())?;
            let kind = (stat.st_mode >> 12) as u8;
            all.push(Entry { inode: stat.st_ino, next: 0, kind, name: name.clone() });
        }
        for (index, entry) in all.iter_mut().enumerate() {
            entry.next = index as i64 + 1;
        }
        Ok(all.split_off((offset as usize).min(all.len())))
    }

    fn number(&self, directory: &Node, entry: &Entry) -> u64 {
        match directory.id {
            ROOT if is_dot(&entry.name) => ROOT,
            // as its node would have, if it is on the same device
            _ => directory.id >> TAG_SHIFT << TAG_SHIFT | entry.inode & ((1 << TAG_SHIFT) - 1),
        }
    }

    pub(super) fn list(&self, id: INodeNo, offset: u64, mut reply: ReplyDirectory) {
        let found = self.nodes.get(id.into()).and_then(|node| Ok((self.entries(&node, offset)?, node)));
        match found {
            Ok((entries, node)) => {
                for entry in entries {
                    let number = INodeNo(self.number(&node, &entry));
                    if reply.add(number, entry.next as u64, file_type(&entry), &entry.name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(fail(errno)),
        }
    }

    pub(super) fn list_with_attributes(&self, id: INodeNo, offset: u64, mut reply: ReplyDirectoryPlus) {
        let found = self.nodes.get(id.into()).and_then(|node| Ok((self.entries(&node, offset)?, node)));
        let (entries, node) = match found {
            Ok(found) => found,
            Err(errno) => return reply.error(fail(errno)),
        };
        for (index, entry) in entries.iter().enumerate() {
            match self.add(&node, entry, &mut reply) {
                Ok(true) => break,
                // it has gone meanwhile
                Ok(false) | Err(Errno::ENOENT) => {}
                Err(errno) if index == 0 => return reply.error(fail(errno)),
                // what has been added counts; the next request meets the error first
                Err(_) => break,
            }
        }
        reply.ok();
    }

    /// Adds an entry; tells whether it had no room.
    fn add(&self, directory: &Arc<Node>, entry: &Entry, reply: &mut ReplyDirectoryPlus) -> Result<bool> {
        let (ttl, next) = (self.behaviour.ttl, entry.next as u64);
        if is_dot(&entry.name) {
            // for which the kernel takes the number only
            let number = self.number(directory, entry);
            let attr = from_stat(number, &sys::stat(directory.as_fd())?);
            return Ok(reply.add(INodeNo(number), next, &entry.name, &ttl, &attr, fuser::Generation(0)));
        }
        let (node, attr) = self.look_up_in(directory, &entry.name)?;
        let full = reply.add(INodeNo(node.id), next, &entry.name, &ttl, &attr, fuser::Generation(0));
        if full {
            // the kernel does not learn of this lookup
            self.forgotten(node.id, 1);
        }
        Ok(full)
    }
}
