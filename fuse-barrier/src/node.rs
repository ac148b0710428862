//! The nodes of a view: what the kernel knows files by.
//!
//! A node holds an O_PATH descriptor of the backing file. With the words that are shared with those who serve after us
//! (`crate::keeper`), the descriptors, which are shared, too, are all that a successor needs to know every node again.
//!
//! An id is the backing file's inode number, with the number of its device and region above bit 48 (0 for most): the library gives one
//! number to the kernel for both, the node and `st_ino`. Who serves without having learned of the old nodes refuses their ids (ESTALE); the
//! kernel then looks the names up again, and finds the same ids.
use crate::sys::{self, Words};
use nix::sys::stat::FileStat;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// The kernel's name for the root of a file system.
pub const ROOT: u64 = 1;

/// What identifies a backing file, as seen in one region.
pub type Key = (u64, u64, u16);

/// Where the devices and regions are that ids tell of, two words each.
const TAGS: usize = 16;
/// How many there can be.
const MAX_TAGS: usize = 64;
/// Where an id's inode number ends.
pub const TAG_SHIFT: u32 = 48;
/// Words before those of the descriptors.
const FIRST: usize = TAGS + 2 * MAX_TAGS;
/// Bit of a descriptor's second word that says that it is a node's.
const LIVE: u64 = 1 << 63;

/// Words of each descriptor: lookups; whether it is a node's, region and backing file; the node's id.
const EACH: usize = 3;

/// The words that nodes need for descriptors below `limit`.
pub fn words_for(limit: usize) -> usize {
    // after those of the descriptors, backing files that the kernel knows of nodes whose descriptors are lost
    FIRST + EACH * limit + 2 * limit
}

/// A file of the view.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: u64,
    /// The region that it is seen in.
    pub region: u16,
    /// What it is behind the view.
    pub key: Key,
    /// Its type, one of S_IFMT's.
    pub kind: u32,
    fd: OwnedFd,
    /// Under which name of which directory it was found last.
    place: Mutex<Option<(u64, OsString)>>,
    /// An open descriptor for contents, and whether it can be written to.
    data: Mutex<Option<(Arc<OwnedFd>, bool)>>,
    /// Held while the kernel is told of the backing file.
    pub backing: Mutex<()>,
    used: AtomicBool,
    /// How often the kernel has it open, where it tells.
    pub opened: AtomicI64,
}

/// A panic elsewhere does not make what a lock protects worse than it is.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    fn new(fd: OwnedFd, id: u64, region: u16, stat: &FileStat) -> Self {
        Self {
            id,
            region,
            key: (stat.st_dev, stat.st_ino, region),
            kind: stat.st_mode & libc::S_IFMT,
            fd,
            place: Mutex::default(),
            data: Mutex::default(),
            backing: Mutex::default(),
            used: AtomicBool::new(true),
            opened: AtomicI64::new(0),
        }
    }

    /// Its descriptor for contents: one that can be written to, if asked for.
    pub fn data(&self, writing: bool, keep: bool) -> Result<Arc<OwnedFd>, nix::errno::Errno> {
        let mut data = lock(&self.data);
        if let Some((fd, writable)) = &*data {
            if *writable || !writing {
                return Ok(fd.clone());
            }
        }
        let flags = match (writing, self.kind) {
            (_, libc::S_IFDIR) => libc::O_RDONLY | libc::O_DIRECTORY,
            (true, _) => libc::O_RDWR,
            (false, _) => libc::O_RDONLY,
        };
        let opened = sys::reopen(self.fd.as_fd(), flags);
        // what may be written to may not be readable for us
        let opened = if writing && opened.is_err() { sys::reopen(self.fd.as_fd(), libc::O_WRONLY) } else { opened };
        let fd = Arc::new(opened?);
        if keep {
            *data = Some((fd.clone(), writing));
        }
        Ok(fd)
    }

    /// Keeps a descriptor for contents that cannot be had again.
    pub fn keep_data(&self, fd: OwnedFd) {
        *lock(&self.data) = Some((Arc::new(fd), true));
    }

    fn drop_data(&self) {
        *lock(&self.data) = None;
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<u64, Arc<Node>>,
    by_key: HashMap<Key, Arc<Node>>,
}

/// All nodes.
#[derive(Debug)]
pub struct Nodes {
    words: Arc<Words>,
    table: RwLock<Table>,
    /// Set when there are more nodes than `room`; told to who waits for it.
    crowded: (Mutex<bool>, Condvar),
    room: usize,
    /// Backing files that the kernel knows of nodes whose descriptors are lost, by id, and where in the words they are.
    lost: Mutex<HashMap<u64, (u32, usize)>>,
}

impl Nodes {
    /// A table whose root is `root`, in region 0. With more than `room` nodes it is crowded.
    pub fn new(words: Arc<Words>, root: OwnedFd, room: usize) -> Result<Self, nix::errno::Errno> {
        let stat = sys::stat(root.as_fd())?;
        let root = Arc::new(Node::new(root, ROOT, 0, &stat));
        let nodes = Self { words, table: RwLock::default(), crowded: Default::default(), room, lost: Mutex::default() };
        // the root's device and region are the first, whose ids are inode numbers
        nodes.id_of(&Table::default(), root.key);
        nodes.insert(root);
        Ok(nodes)
    }

    /// Takes over the descriptor of a predecessor's node, if it is one's.
    pub fn take_over(&self, number: usize) -> bool {
        let meta = self.words.get(FIRST + EACH * number + 1);
        if meta & LIVE == 0 {
            return false;
        }
        // SAFETY: the word says that this open descriptor is a node's, and nobody else in this process knows it yet.
        let fd = unsafe { sys::adopt(number as i32) };
        let region = (meta >> 32) as u16;
        let Ok(stat) = sys::stat(fd.as_fd()) else { return false };
        let id = self.id_of(&Table::default(), (stat.st_dev, stat.st_ino, region));
        self.insert(Arc::new(Node::new(fd, id, region, &stat)));
        true
    }

    /// Learns of backing files that the kernel knows. `fresh`: the descriptors of those who served before are lost, of which there were `limit`.
    pub fn inherit(&self, fresh: bool, limit: usize) {
        let end = FIRST + EACH * limit;
        let places = || (0..limit).map(|index| end + 2 * index);
        if fresh {
            let mut free = places().filter(|at| self.words.get(*at) == 0);
            for slot in (0..limit).map(|number| FIRST + EACH * number) {
                let (meta, id) = (self.words.get(slot + 1), self.words.get(slot + 2));
                if let (true, Some(at)) = (meta & LIVE != 0 && meta as u32 != 0, free.next()) {
                    self.words.set(at + 1, id);
                    self.words.set(at, u64::from(meta as u32));
                }
                self.words.set(slot + 1, 0);
            }
        }
        let known = places().filter(|at| self.words.get(*at) != 0);
        lock(&self.lost).extend(known.map(|at| (self.words.get(at + 1), (self.words.get(at) as u32, at))));
    }

    fn insert(&self, node: Arc<Node>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.by_key.insert(node.key, node.clone());
        table.by_id.insert(node.id, node);
    }

    /// The id of a file; one that is not taken in `table`. Called by one thread at a time.
    fn id_of(&self, table: &Table, key: Key) -> u64 {
        let (device, inode, region) = key;
        let wanted = (device, u64::from(region) | LIVE);
        let tag = (0..MAX_TAGS - 1).find(|tag| {
            let at = TAGS + 2 * tag;
            if self.words.get(at + 1) == 0 {
                self.words.set(at, wanted.0);
                self.words.set(at + 1, wanted.1);
            }
            (self.words.get(at), self.words.get(at + 1)) == wanted
        });
        // the last tag is for files of too many devices, whose ids are those that happen to be free
        let tag = tag.unwrap_or(MAX_TAGS - 1) as u64;
        let mut number = inode ^ (inode >> TAG_SHIFT << 16);
        loop {
            let id = tag << TAG_SHIFT | number & ((1 << TAG_SHIFT) - 1);
            if id > ROOT && !table.by_id.contains_key(&id) {
                return id;
            }
            number = number.wrapping_add(1 << 40 | 1);
        }
    }

    fn slot(node: &Node) -> usize {
        FIRST + EACH * sys::number(node)
    }

    /// The node that the kernel means.
    pub fn get(&self, id: u64) -> Result<Arc<Node>, nix::errno::Errno> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_id.get(&id).cloned().ok_or(nix::errno::Errno::ESTALE)
    }

    /// Waits until there are too many.
    pub fn await_crowd(&self) {
        let mut crowded = lock(&self.crowded.0);
        while !std::mem::replace(&mut *crowded, false) {
            crowded = self.crowded.1.wait(crowded).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }

    /// Counts a lookup of the file with this key, if it is known.
    pub fn look_up(&self, key: Key, place: (u64, &OsStr)) -> Option<Arc<Node>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let node = table.by_key.get(&key)?.clone();
        // within the lock: a forget that comes at the same time sees it or has removed the node
        self.count_look_up(&node, place);
        Some(node)
    }

    fn count_look_up(&self, node: &Arc<Node>, place: (u64, &OsStr)) {
        if node.id != ROOT {
            self.words.add(Self::slot(node), 1);
        }
        node.used.store(true, Ordering::Relaxed);
        let mut known = lock(&node.place);
        if known.as_ref().is_none_or(|(parent, name)| *parent != place.0 || name != place.1) {
            *known = Some((place.0, place.1.to_owned()));
        }
    }

    /// Makes a node of an O_PATH descriptor, or finds the one that there is of its file, and counts a lookup.
    pub fn enter(&self, fd: OwnedFd, stat: &FileStat, region: u16, place: (u64, &OsStr)) -> Arc<Node> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let key = (stat.st_dev, stat.st_ino, region);
        let node = match table.by_key.get(&key) {
            Some(node) => node.clone(),
            None => {
                let number = sys::number(&fd);
                let node = Arc::new(Node::new(fd, self.id_of(&table, key), region, stat));
                let slot = FIRST + EACH * number;
                self.words.set(slot, 0);
                self.words.set(slot + 2, node.id);
                let known = lock(&self.lost).remove(&node.id);
                self.words.set(slot + 1, LIVE | u64::from(region) << 32 | known.map_or(0, |(backing, _)| u64::from(backing)));
                known.iter().for_each(|(_, at)| self.words.set(*at, 0));
                table.by_key.insert(key, node.clone());
                table.by_id.insert(node.id, node.clone());
                if table.by_id.len() > self.room {
                    *lock(&self.crowded.0) = true;
                    self.crowded.1.notify_one();
                }
                node
            }
        };
        self.count_look_up(&node, place);
        node
    }

    /// The kernel has forgotten `count` lookups. Returns the backing file that the kernel was told of, if that was the last.
    pub fn forget(&self, id: u64, count: u64) -> Option<u32> {
        if id == ROOT {
            return None;
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let node = table.by_id.get(&id)?.clone();
        let slot = Self::slot(&node);
        if (self.words.add(slot, count.wrapping_neg()) as i64) > 0 {
            return None;
        }
        table.by_id.remove(&id);
        table.by_key.remove(&node.key);
        drop(table);
        node.drop_data();
        let backing = self.words.get(slot + 1) as u32;
        self.words.set(slot + 1, 0);
        (backing != 0).then_some(backing)
    }

    /// The backing file that the kernel has been told of.
    pub fn backing(&self, node: &Node) -> Option<u32> {
        let id = self.words.get(Self::slot(node) + 1) as u32;
        (id != 0).then_some(id)
    }

    /// Remembers it.
    pub fn set_backing(&self, node: &Node, id: u32) {
        self.words.set(Self::slot(node) + 1, LIVE | u64::from(node.region) << 32 | u64::from(id));
    }

    /// Names that the kernel may be asked to forget: of files that are not open and that were not looked up since they were asked for last.
    pub fn idle(&self, count: usize) -> Vec<(u64, OsString)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let closed = |node: &&Arc<Node>| node.kind != libc::S_IFDIR && node.opened.load(Ordering::Relaxed) <= 0;
        let idle = table.by_id.values().filter(closed).filter(|node| !node.used.swap(false, Ordering::Relaxed));
        idle.filter_map(|node| lock(&node.place).clone()).take(count).collect()
    }

    /// Closes descriptors for contents that nobody uses at the moment and that can be had again.
    pub fn close_data(&self) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        for node in table.by_id.values() {
            let mut data = lock(&node.data);
            if data.as_ref().is_some_and(|(fd, writable)| !writable && Arc::strong_count(fd) == 1) {
                *data = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(dir: &std::path::Path) -> (Nodes, Arc<Words>) {
        let words = Arc::new(Words::new(words_for(4096), sys::memory().unwrap()).unwrap());
        let root = nix::fcntl::open(dir, nix::fcntl::OFlag::O_PATH, nix::sys::stat::Mode::empty()).unwrap();
        (Nodes::new(words.clone(), root, 100).unwrap(), words)
    }

    fn found(nodes: &Nodes, name: &str) -> Arc<Node> {
        let root = nodes.get(ROOT).unwrap();
        let name = std::ffi::CString::new(name).unwrap();
        let fd = sys::open_at(root.as_fd(), &name, libc::O_PATH | libc::O_NOFOLLOW, 0).unwrap();
        let stat = sys::stat(fd.as_fd()).unwrap();
        nodes.enter(fd, &stat, 0, (ROOT, OsStr::new("f")))
    }

    #[test]
    fn a_file_is_one_node_until_the_last_lookup_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        std::fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let (nodes, _) = nodes(dir.path());
        let (a, b) = (found(&nodes, "a"), found(&nodes, "b"));
        assert_eq!(a.id, b.id);
        assert_eq!(a.id, sys::stat(a.as_fd()).unwrap().st_ino);
        assert!(nodes.forget(a.id, 1).is_none() && nodes.get(a.id).is_ok());
        nodes.forget(a.id, 1);
        assert!(nodes.get(a.id).is_err(), "all lookups are forgotten");
        nodes.forget(ROOT, 5);
        assert!(nodes.get(ROOT).is_ok());
    }

    #[test]
    fn a_successor_knows_the_nodes_by_their_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        let (first, words) = nodes(dir.path());
        let node = found(&first, "a");
        first.set_backing(&node, 12);
        let number = sys::number(&*node);
        // the predecessor dies without closing anything
        let (id, root) = (node.id, nix::fcntl::open(dir.path(), nix::fcntl::OFlag::O_PATH, nix::sys::stat::Mode::empty()));
        std::mem::forget((first, node));
        let second = Nodes::new(words, root.unwrap(), 100).unwrap();
        assert!(second.take_over(number) && !second.take_over(0));
        let node = second.get(id).unwrap();
        assert_eq!(second.backing(&node), Some(12));
        drop(node);
        // one who has no descriptor of theirs learns of the backing file when the name is looked up
        let (words, dir_fd) =
            (second.words.clone(), nix::fcntl::open(dir.path(), nix::fcntl::OFlag::O_PATH, nix::sys::stat::Mode::empty()));
        std::mem::forget(second);
        let third = Nodes::new(words, dir_fd.unwrap(), 100).unwrap();
        third.inherit(true, 4096);
        assert!(third.get(id).is_err());
        let node = found(&third, "a");
        assert_eq!((node.id, third.backing(&node)), (id, Some(12)));
        drop(node);
        assert_eq!(third.forget(id, 1), Some(12));
    }
}
