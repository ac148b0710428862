//! What the programs of a pod with `--cow` have changed in its tree: the directory that overlayfs stacks on it (the kernel's
//! Documentation/filesystems/overlayfs.rst), which is kept in the pod's state directory and goes along in the image.
//!
//! The image says what was changed, not how overlayfs notes it: a name that was removed, a directory that hides what is below it, a
//! directory that is another one of the tree. Under whose attributes the kernel notes that depends on privilege (`trusted.overlay.`, or
//! `user.overlay.` in a user namespace). Notes that serve one mount only (`origin`, `impure`, `nlink`, `uuid`) are left out: without them a
//! changed file has another inode number. So are labels that the host's security modules give.
//!
//! Records come in the order of a walk, parents before children. A restart makes each with one component in a directory that it has
//! made itself, so nothing of an image leads elsewhere.
mod capture;
mod reader;
mod restore;
#[cfg(test)]
mod tests;

pub use capture::{Upper, capture, refuse};
pub use restore::{needs, restore};

use super::file_object::path_bytes;
use super::{Error, Result};
use crate::image::RunRef;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The name of the section.
pub const SECTION: &str = "changes";

/// All that was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// A pod that was left at this checkpoint remembers it: what it keeps is then what the image has.
    pub stamp: String,
    /// The first is the root of the tree.
    pub entries: Vec<Record>,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The directory that it is in, by its place among the records; of the root 0.
    pub parent: u32,
    /// One component; of the root empty.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// Of `Removed` and `Link` this and all that follows is zero or empty.
    pub mode: u32,
    pub owner: (u32, u32),
    /// Last access and last modification, in seconds and nanoseconds.
    pub times: [(i64, i64); 2],
    pub attributes: Vec<Attribute>,
    /// FS_APPEND_FL and FS_IMMUTABLE_FL of ioctl_iflags(2), as far as programs of the pod see them.
    pub append_only: bool,
    pub immutable: bool,
    pub content: Content,
}

/// An extended attribute, as programs of the pod see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Directory {
        /// Nothing of the tree below shows through.
        opaque: bool,
        /// Which directory of the tree shows through, if it is not that of the same name: a path in the tree, or a name beside it.
        redirect: Option<ByteBuf>,
    },
    /// (offset, contents); the rest is holes
    File {
        size: u64,
        runs: Vec<(u64, RunRef)>,
    },
    /// Another name of an earlier record.
    Link(u32),
    Symlink(#[serde(with = "path_bytes")] PathBuf),
    Fifo,
    Socket,
    /// What the tree has under this name is gone.
    Removed,
}

/// How deep directories may be nested: each level takes a descriptor.
const DEEPEST: usize = 1000;
/// What the kernel takes as the name of a file (NAME_MAX), of an attribute (XATTR_NAME_MAX), and as a path (PATH_MAX).
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4095;

/// Under which attributes overlayfs notes what it has to: those of the system cannot be set without privilege outside.
fn notes() -> &'static [u8] {
    if nix::unistd::geteuid().is_root() { b"trusted.overlay." } else { b"user.overlay." }
}

/// What is to become of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Programs may have set it.
    Kept,
    /// The host gives it, to each file that is made.
    Label,
    Unknown,
}

pub(super) fn kind_of(attribute: &[u8]) -> Kind {
    const LABELS: [&[u8]; 4] = [b"security.selinux", b"security.apparmor", b"security.ima", b"security.evm"];
    let kept = [&b"user."[..], b"trusted."].iter().any(|space| attribute.len() > space.len() && attribute.starts_with(space));
    match attribute {
        _ if kept => Kind::Kept,
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => Kind::Kept,
        b"btrfs.compression" => Kind::Label,
        _ if LABELS.contains(&attribute) || attribute.starts_with(b"security.SMACK64") => Kind::Label,
        _ => Kind::Unknown,
    }
}

impl Section {
    /// The path of a record in the pod, for messages.
    pub fn path(&self, index: usize) -> PathBuf {
        let mut names = Vec::new();
        let mut at = index;
        // a parent comes earlier, also where nothing was checked yet
        while let Some(record) = self.entries.get(at).filter(|record| at > 0 && (record.parent as usize) < at) {
            names.push(OsStr::from_bytes(&record.name));
            at = record.parent as usize;
        }
        names.iter().rev().fold(PathBuf::from("/"), |path, name| path.join(name.to_string_lossy().replace('/', "?")))
    }

    /// Whether the records describe a tree, and nothing outside of it.
    pub fn check(&self) -> Result<()> {
        let Some(root) = self.entries.first() else { return wrong("has no root") };
        if root.parent != 0
            || !root.name.is_empty()
            || !matches!(root.content, Content::Directory { opaque: false, redirect: None })
        {
            return wrong("do not begin with the root");
        }
        let mut open: Vec<u32> = vec![0];
        let mut names = HashSet::new();
        for (index, record) in self.entries.iter().enumerate() {
            let shown = || self.path(index).display().to_string();
            if index > 0 {
                while open.last().is_some_and(|last| *last != record.parent) {
                    open.pop();
                }
                if open.is_empty() {
                    return wrong(&format!("put record {index} into a directory that is none, or complete"));
                }
                if !is_component(&record.name) {
                    return wrong(&format!("have a name that is none: {:?}", OsStr::from_bytes(&record.name)));
                }
                if !names.insert((record.parent, &record.name[..])) {
                    return wrong(&format!("have {} twice", shown()));
                }
            }
            if record.mode > 0o7777 || record.times.iter().any(|(_, nanoseconds)| !(0..1_000_000_000).contains(nanoseconds)) {
                return wrong(&format!("give {} a mode or times that there are not", shown()));
            }
            for attribute in &record.attributes {
                let name = &attribute.name;
                if kind_of(name) != Kind::Kept || name.contains(&0) || name.len() > LONGEST_NAME {
                    return wrong(&format!("give {} the attribute {:?}", shown(), OsStr::from_bytes(name)));
                }
            }
            self.check_content(index, record)?;
            if let (Content::Directory { .. }, 1..) = (&record.content, index) {
                open.push(index as u32);
                if open.len() > DEEPEST {
                    return wrong("nest directories deeper than a restart makes them");
                }
            }
        }
        Ok(())
    }

    fn check_content(&self, index: usize, record: &Record) -> Result<()> {
        let shown = || self.path(index).display().to_string();
        match &record.content {
            Content::Directory { redirect: Some(to), .. } if !is_redirect(to) => {
                wrong(&format!("have {} stand for {:?}", shown(), OsStr::from_bytes(to)))
            }
            Content::File { size, runs } => {
                let fits = |(offset, run): &(u64, RunRef)| offset.checked_add(run.len).is_some_and(|end| end <= *size);
                if *size > i64::MAX as u64 || !runs.iter().all(fits) {
                    return wrong(&format!("have contents of {} beyond its end", shown()));
                }
                Ok(())
            }
            Content::Link(first) => match self.entries.get(*first as usize).map(|first| &first.content) {
                Some(Content::File { .. } | Content::Symlink(_) | Content::Fifo | Content::Socket)
                    if (*first as usize) < index =>
                {
                    Ok(())
                }
                _ => wrong(&format!("have {} be another name of nothing", shown())),
            },
            Content::Symlink(target) => {
                let target = target.as_os_str().as_bytes();
                if target.is_empty() || target.len() > LONGEST_PATH || target.contains(&0) {
                    return wrong(&format!("have the link {} lead to {:?}", shown(), OsStr::from_bytes(target)));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn wrong<T>(how: &str) -> Result<T> {
    Err(Error::Inconsistent(format!("the records of what programs changed in the tree {how}")))
}

fn is_component(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

/// What overlayfs may be told to look for in the tree: a path from its root, or a name.
fn is_redirect(bytes: &[u8]) -> bool {
    let names = bytes.strip_prefix(b"/");
    bytes.len() <= LONGEST_NAME
        && names.map_or_else(|| is_component(bytes), |names| names.split(|byte| *byte == b'/').all(is_component))
}
