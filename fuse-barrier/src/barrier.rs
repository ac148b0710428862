//! The barrier: a file system with one directory per pod, which no process of any pod can pass, root or not ("Barrier" of the paper, section
//! 4.3). `NAME/root` is the root of the pod NAME: a link to it, or a directory on which one can be mounted.
//!
//! The kernel asks for the attributes of a directory each time that a process wants to go through it (`default_permissions`, and
//! attributes that are never believed), and tells for which task. A task of a pod is answered EACCES, whatever it is and however it came to
//! the directory. A *lookup* is answered alike for everybody: the kernel takes an error there for the end of the directory, and would detach what is
//! mounted below it.
//!
//! A directory is there for every name that a pod could have, so that a tree can be mounted before its pod is made; those of pods are listed.
use crate::sys;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, Request,
};
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

/// Nothing is believed without asking again: who asks decides.
const AT_ONCE: Duration = Duration::ZERO;
/// Nodes of one name.
const EACH: u64 = 4;

/// What the barrier asks about pods.
pub trait Pods: Send + Sync + 'static {
    /// Whether the task with this id of the host is in a pod.
    fn is_in_pod(&self, task: i32) -> bool;
    /// Whether a pod could have this name.
    fn is_name(&self, name: &str) -> bool;
    /// The pods that there are.
    fn names(&self) -> Vec<String>;
    /// Where the root of a pod is found, if it is not what is mounted in the barrier.
    fn root(&self, name: &str) -> Option<PathBuf>;
}

/// The names that the kernel knows nodes of. In memory that all who serve share: a node is a line and what it is of that pod.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    read: usize,
    names: Vec<String>,
}

impl Ledger {
    /// The names in `memory` (memfd_create(2)).
    pub fn new(memory: BorrowedFd<'_>) -> io::Result<Mutex<Self>> {
        // opened anew, a lock excludes the others
        let path = format!("/proc/self/fd/{}", sys::number(&memory));
        let file = File::options().read(true).append(true).open(path)?;
        Ok(Mutex::new(Self { file, read: 0, names: Vec::new() }))
    }

    fn lock(&self, how: FlockArg) -> io::Result<Flock<File>> {
        Flock::lock(self.file.try_clone()?, how).map_err(|(_, errno)| errno.into())
    }

    fn refresh(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len() as usize;
        let mut bytes = vec![0; size.saturating_sub(self.read)];
        self.file.read_exact_at(&mut bytes, self.read as u64)?;
        self.read += bytes.len();
        self.names.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_owned));
        Ok(())
    }

    fn line(&mut self, name: &str) -> io::Result<u64> {
        let known = |names: &[String]| names.iter().position(|n| n == name).map(|at| at as u64);
        if let Some(at) = known(&self.names) {
            return Ok(at);
        }
        let _alone = self.lock(FlockArg::LockExclusive)?;
        self.refresh()?;
        if let Some(at) = known(&self.names) {
            return Ok(at);
        }
        self.file.write_all(format!("{name}\n").as_bytes())?;
        self.refresh()?;
        Ok(self.names.len() as u64 - 1)
    }

    fn name(&mut self, line: u64) -> io::Result<Option<String>> {
        if line >= self.names.len() as u64 {
            let _whole = self.lock(FlockArg::LockShared)?;
            self.refresh()?;
        }
        Ok(self.names.get(line as usize).cloned())
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Top,
    /// The barrier directory of a pod.
    Pod(String),
    /// `root` in it, for what is mounted there.
    Root(String),
    /// `root` in it, as a link.
    Link(String),
}

/// The file system.
#[derive(Debug)]
pub struct Barrier<P> {
    pods: P,
    ledger: Mutex<Ledger>,
    owner: (u32, u32),
}

type Result<T> = std::result::Result<T, Errno>;

impl<P: Pods> Barrier<P> {
    /// A barrier for `pods`.
    pub fn new(pods: P, ledger: Mutex<Ledger>) -> Self {
        let owner = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        Self { pods, ledger, owner }
    }

    /// The permission function. The kernel gives no id for tasks outside of our pid namespace, of which none is known to be in no pod.
    fn admit(&self, request: &Request) -> Result<()> {
        let task = request.pid() as i32;
        if task <= 0 || self.pods.is_in_pod(task) { Err(Errno::EACCES) } else { Ok(()) }
    }

    fn place(&self, id: u64) -> Result<Place> {
        if id == INodeNo::ROOT.0 {
            return Ok(Place::Top);
        }
        let line = (id / EACH).checked_sub(1).ok_or(Errno::ESTALE)?;
        let name = crate::node::lock(&self.ledger).name(line).map_err(|_| Errno::EIO)?.ok_or(Errno::ESTALE)?;
        match id % EACH {
            0 => Ok(Place::Pod(name)),
            1 => Ok(Place::Root(name)),
            2 => Ok(Place::Link(name)),
            _ => Err(Errno::ESTALE),
        }
    }

    fn id(&self, place: &Place) -> Result<u64> {
        let (name, what) = match place {
            Place::Top => return Ok(INodeNo::ROOT.0),
            Place::Pod(name) => (name, 0),
            Place::Root(name) => (name, 1),
            Place::Link(name) => (name, 2),
        };
        let line = crate::node::lock(&self.ledger).line(name).map_err(|_| Errno::EIO)?;
        Ok((line + 1) * EACH + what)
    }

    fn root_of(&self, name: String) -> Place {
        if self.pods.root(&name).is_some() { Place::Link(name) } else { Place::Root(name) }
    }

    fn find(&self, parent: u64, name: &OsStr) -> Result<Place> {
        let name = name.to_str().ok_or(Errno::ENOENT)?;
        match self.place(parent)? {
            Place::Top if self.pods.is_name(name) => Ok(Place::Pod(name.to_owned())),
            Place::Pod(pod) if name == "root" => Ok(self.root_of(pod)),
            Place::Top | Place::Pod(_) | Place::Root(_) => Err(Errno::ENOENT),
            Place::Link(_) => Err(Errno::ENOTDIR),
        }
    }

    fn attributes(&self, place: &Place) -> Result<FileAttr> {
        let (kind, perm, nlink) = match place {
            Place::Link(_) => (FileType::Symlink, 0o777, 1),
            _ => (FileType::Directory, 0o700, 2),
        };
        let (uid, gid) = self.owner;
        let ino = INodeNo(self.id(place)?);
        let at = UNIX_EPOCH;
        let (size, blocks, rdev, blksize, flags) = (0, 0, 0, 4096, 0);
        Ok(FileAttr {
            ino,
            size,
            blocks,
            atime: at,
            mtime: at,
            ctime: at,
            crtime: at,
            kind,
            perm,
            nlink,
            uid,
            gid,
            rdev,
            blksize,
            flags,
        })
    }

    fn entries(&self, id: u64) -> Result<Vec<(Place, String)>> {
        match self.place(id)? {
            Place::Top => Ok(self.pods.names().into_iter().map(|name| (Place::Pod(name.clone()), name)).collect()),
            Place::Pod(name) => Ok(vec![(self.root_of(name), "root".to_owned())]),
            Place::Root(_) => Ok(Vec::new()),
            Place::Link(_) => Err(Errno::ENOTDIR),
        }
    }
}

impl<P: Pods> Filesystem for Barrier<P> {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent.into(), name).and_then(|place| self.attributes(&place)) {
            Ok(attr) => reply.entry(&AT_ONCE, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.admit(request).and_then(|()| self.place(ino.into())).and_then(|place| self.attributes(&place)) {
            Ok(attr) => reply.attr(&AT_ONCE, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        let found = self.admit(request).and_then(|()| match self.place(ino.into())? {
            Place::Link(name) => self.pods.root(&name).ok_or(Errno::ENOENT),
            _ => Err(Errno::EINVAL),
        });
        match found {
            Ok(path) => reply.data(path.as_os_str().as_bytes()),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, request: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.admit(request) {
            Ok(()) => reply.opened(FileHandle(0), fuser::FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, request: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match self.admit(request).and_then(|()| self.entries(ino.into())) {
            Ok(entries) => entries,
            Err(errno) => return reply.error(errno),
        };
        let dots = [".", ".."].map(|name| (Place::Top, name.to_owned()));
        for (at, (place, name)) in dots.into_iter().chain(entries).enumerate().skip(offset as usize) {
            let kind = if matches!(place, Place::Link(_)) { FileType::Symlink } else { FileType::Directory };
            let id = if at < 2 { Ok(ino.into()) } else { self.id(&place) };
            let Ok(id) = id else { continue };
            if reply.add(INodeNo(id), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn access(&self, request: &Request, _: INodeNo, _: fuser::AccessFlags, reply: ReplyEmpty) {
        match self.admit(request) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn mkdir(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        // what a pod could have is there; nothing else can be
        reply.error(Errno::EPERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    struct Two;

    impl Pods for Two {
        fn is_in_pod(&self, task: i32) -> bool {
            task == 7
        }
        fn is_name(&self, name: &str) -> bool {
            !name.contains('.')
        }
        fn names(&self) -> Vec<String> {
            vec!["bare".into(), "treed".into()]
        }
        fn root(&self, name: &str) -> Option<PathBuf> {
            (name == "treed").then(|| "/trees/treed".into())
        }
    }

    fn two_who_serve() -> (Barrier<Two>, Barrier<Two>) {
        let memory = sys::memory().unwrap();
        let barrier = || Barrier::new(Two, Ledger::new(memory.as_fd()).unwrap());
        (barrier(), barrier())
    }

    #[test]
    fn what_one_has_told_the_kernel_the_other_knows() {
        let (one, other) = two_who_serve();
        let first = one.id(&Place::Pod("a".into())).unwrap();
        let second = other.id(&Place::Pod("b".into())).unwrap();
        assert_ne!(first, second);
        assert_eq!(other.id(&Place::Pod("a".into())).unwrap(), first);
        assert_eq!(one.place(second).unwrap(), Place::Pod("b".into()));
        assert_eq!(one.place(second + 1).unwrap(), Place::Root("b".into()));
        assert!(one.place(second + EACH).is_err() && one.place(2).is_err());
    }

    #[test]
    fn a_root_is_a_link_where_it_is_known_and_else_a_place_to_mount() {
        let (barrier, _) = two_who_serve();
        let within = |pod: &str| {
            let pod = barrier.find(1, OsStr::new(pod)).unwrap();
            let place = barrier.find(barrier.id(&pod).unwrap(), OsStr::new("root")).unwrap();
            barrier.attributes(&place).unwrap().kind
        };
        assert_eq!(
            (within("treed"), within("bare"), within("to-be")),
            (FileType::Symlink, FileType::Directory, FileType::Directory)
        );
        assert!(barrier.find(1, OsStr::new("no.name")).is_err());
        let listed: Vec<String> = barrier.entries(1).unwrap().into_iter().map(|(_, name)| name).collect();
        assert_eq!(listed, ["bare", "treed"]);
    }
}
