//! System calls that nix does not wrap, and the memory that outlives the process that serves.
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A name as the kernel takes it.
pub fn c_name(name: &OsStr) -> Result<CString, Errno> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}

fn owned(result: i64) -> Result<OwnedFd, Errno> {
    let number = Errno::result(result)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

/// openat(2) of one component.
pub fn open_at(dir: BorrowedFd<'_>, name: &CStr, flags: i32, mode: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` is a string that lives across the call.
    owned(i64::from(unsafe { libc::openat(dir.as_raw_fd(), name.as_ptr(), flags | libc::O_CLOEXEC, mode) }))
}

/// openat2(2) with `resolve` flags.
pub fn open_at2(dir: BorrowedFd<'_>, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd, Errno> {
    // SAFETY: open_how is plain data for which all-zero asks for nothing.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: `path` and `how` live across the call, and the size is that of the structure.
    owned(unsafe {
        libc::syscall(libc::SYS_openat2, dir.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<libc::open_how>())
    })
}

/// open_tree(2) with OPEN_TREE_CLONE: a mount of its own of what `path` leads to, without what is mounted below it.
pub fn clone_tree(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is a string that lives across the call.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// The link in /proc through which a descriptor, also an O_PATH one, can be opened again (proc(5)).
pub fn own_fd(fd: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("no zero byte in it")
}

/// Opens anew what `fd` stands for.
pub fn reopen(fd: BorrowedFd<'_>, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the path lives across the call.
    owned(i64::from(unsafe { libc::open(own_fd(fd).as_ptr(), flags | libc::O_CLOEXEC) }))
}

/// fstat(2); O_PATH descriptors, too.
pub fn stat(fd: BorrowedFd<'_>) -> Result<FileStat, Errno> {
    nix::sys::stat::fstat(fd)
}

/// Attributes of nothing.
pub fn no_stat() -> FileStat {
    // SAFETY: plain data, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// fstatat(2) of a component, not following it.
pub fn stat_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<FileStat, Errno> {
    nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// truncate(2).
pub fn truncate(fd: BorrowedFd<'_>, size: u64) -> Result<(), Errno> {
    // SAFETY: the path lives across the call.
    Errno::result(unsafe { libc::truncate(own_fd(fd).as_ptr(), size as i64) }).map(drop)
}

/// chmod(2) of anything but a symbolic link.
pub fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path lives across the call.
    Errno::result(unsafe { libc::chmod(own_fd(fd).as_ptr(), mode) }).map(drop)
}

/// chown(2); `None` leaves an id as it is.
pub fn chown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    // SAFETY: the empty path is a constant.
    Errno::result(unsafe { libc::fchownat(fd.as_raw_fd(), c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) }).map(drop)
}

/// utimensat(2), with UTIME_NOW and UTIME_OMIT as it takes them.
pub fn set_times(fd: BorrowedFd<'_>, times: [libc::timespec; 2]) -> Result<(), Errno> {
    // SAFETY: path and times live across the call. A raw call: the C library refuses AT_EMPTY_PATH in some versions.
    let done = unsafe { libc::syscall(libc::SYS_utimensat, fd.as_raw_fd(), c"".as_ptr(), times.as_ptr(), libc::AT_EMPTY_PATH) };
    match Errno::result(done) {
        // kernels before 5.8
        Err(Errno::EINVAL) => {
            // SAFETY: as above.
            let done = unsafe { libc::utimensat(libc::AT_FDCWD, own_fd(fd).as_ptr(), times.as_ptr(), 0) };
            Errno::result(done).map(drop)
        }
        other => other.map(drop),
    }
}

/// linkat(2) of what `fd` stands for.
pub fn link(fd: BorrowedFd<'_>, is_symlink: bool, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let done = if is_symlink {
        // SAFETY: both strings live across the call.
        unsafe { libc::linkat(fd.as_raw_fd(), c"".as_ptr(), dir.as_raw_fd(), name.as_ptr(), libc::AT_EMPTY_PATH) }
    } else {
        let path = own_fd(fd);
        // SAFETY: as above.
        unsafe { libc::linkat(libc::AT_FDCWD, path.as_ptr(), dir.as_raw_fd(), name.as_ptr(), libc::AT_SYMLINK_FOLLOW) }
    };
    Errno::result(done).map(drop)
}

/// renameat2(2).
pub fn rename(from: (BorrowedFd<'_>, &CStr), to: (BorrowedFd<'_>, &CStr), flags: u32) -> Result<(), Errno> {
    // SAFETY: both strings live across the call.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_renameat2, from.0.as_raw_fd(), from.1.as_ptr(), to.0.as_raw_fd(), to.1.as_ptr(), flags)
    })
    .map(drop)
}

/// mknodat(2).
pub fn mknod(dir: BorrowedFd<'_>, name: &CStr, mode: u32, device: u64) -> Result<(), Errno> {
    // SAFETY: `name` lives across the call.
    Errno::result(unsafe { libc::mknodat(dir.as_raw_fd(), name.as_ptr(), mode, device) }).map(drop)
}

/// getxattr(2) into a buffer of `size` bytes; with 0 the length is told, as a vector of that many zeros.
pub fn get_attribute(fd: BorrowedFd<'_>, name: &CStr, size: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0u8; size];
    // SAFETY: path and name live across the call; the buffer has `size` bytes, and may be empty, which asks for the length.
    let length = unsafe { libc::getxattr(own_fd(fd).as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), size) };
    buffer.resize(Errno::result(length)? as usize, 0);
    Ok(buffer)
}

/// listxattr(2), as [`get_attribute`].
pub fn list_attributes(fd: BorrowedFd<'_>, size: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0u8; size];
    // SAFETY: as for `get_attribute`.
    let length = unsafe { libc::listxattr(own_fd(fd).as_ptr(), buffer.as_mut_ptr().cast(), size) };
    buffer.resize(Errno::result(length)? as usize, 0);
    Ok(buffer)
}

/// setxattr(2).
pub fn set_attribute(fd: BorrowedFd<'_>, name: &CStr, value: &[u8], flags: i32) -> Result<(), Errno> {
    // SAFETY: path, name and value live across the call; the length is that of the value.
    let done = unsafe { libc::setxattr(own_fd(fd).as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) };
    Errno::result(done).map(drop)
}

/// removexattr(2).
pub fn remove_attribute(fd: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    // SAFETY: path and name live across the call.
    Errno::result(unsafe { libc::removexattr(own_fd(fd).as_ptr(), name.as_ptr()) }).map(drop)
}

/// lseek(2).
pub fn seek(fd: BorrowedFd<'_>, offset: i64, whence: i32) -> Result<i64, Errno> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::lseek(fd.as_raw_fd(), offset, whence) })
}

/// fallocate(2).
pub fn allocate(fd: BorrowedFd<'_>, mode: i32, offset: u64, length: u64) -> Result<(), Errno> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::fallocate(fd.as_raw_fd(), mode, offset as i64, length as i64) }).map(drop)
}

/// copy_file_range(2).
pub fn copy_range(from: (BorrowedFd<'_>, u64), to: (BorrowedFd<'_>, u64), length: u64) -> Result<usize, Errno> {
    let (mut offset_in, mut offset_out) = (from.1 as i64, to.1 as i64);
    // SAFETY: both offsets live across the call.
    let done = unsafe {
        libc::copy_file_range(
            from.0.as_raw_fd(),
            &raw mut offset_in,
            to.0.as_raw_fd(),
            &raw mut offset_out,
            length.min(1 << 30) as usize,
            0,
        )
    };
    Errno::result(done).map(|n| n as usize)
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its inode on the backing file system.
    pub inode: u64,
    /// Where reading goes on after it.
    pub next: i64,
    /// One of libc's DT_ values.
    pub kind: u8,
    /// Its name.
    pub name: std::ffi::OsString,
}

/// getdents64(2) from the position `offset` on; empty at the end.
pub fn read_directory(fd: BorrowedFd<'_>, offset: i64) -> Result<Vec<Entry>, Errno> {
    seek(fd, offset, libc::SEEK_SET)?;
    let mut buffer = vec![0u8; 32 * 1024];
    // SAFETY: the length is that of the buffer.
    let length = unsafe { libc::syscall(libc::SYS_getdents64, fd.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
    let length = Errno::result(length)? as usize;
    let mut entries = Vec::new();
    let mut rest = &buffer[..length];
    // struct linux_dirent64: d_ino, d_off, d_reclen, d_type, then the name with its zero
    while let Some(head) = rest.get(..19) {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let size = usize::from(u16::from_le_bytes([head[16], head[17]]));
        let Some(record) = rest.get(..size).filter(|record| record.len() > 19) else { break };
        let name = record[19..].split(|&b| b == 0).next().unwrap_or_default();
        entries.push(Entry {
            inode: number(0),
            next: number(8) as i64,
            kind: head[18],
            name: OsStr::from_bytes(name).to_owned(),
        });
        rest = &rest[size..];
    }
    Ok(entries)
}

/// fstatvfs(3), as the protocol wants it.
pub fn statfs(fd: BorrowedFd<'_>) -> Result<libc::statvfs64, Errno> {
    // SAFETY: plain data that the call fills.
    let mut found: libc::statvfs64 = unsafe { std::mem::zeroed() };
    // SAFETY: `found` lives across the call.
    Errno::result(unsafe { libc::fstatvfs64(fd.as_raw_fd(), &raw mut found) })?;
    Ok(found)
}

/// Duplicates `from` over the number of `onto`, which stays owned by whoever owns it.
pub fn replace(from: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the number stays open and means another file from now on, which is what the caller asks for.
    Errno::result(unsafe { libc::dup3(from.as_raw_fd(), onto.as_raw_fd(), libc::O_CLOEXEC) }).map(drop)
}

/// A forked child that shares our descriptors (clone(2), CLONE_FILES): what it opens stays open when it dies. 0 in the child.
pub fn fork_sharing_files() -> Result<i32, Errno> {
    let tasks = std::fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count());
    if tasks > 1 {
        return Err(Errno::EAGAIN);
    }
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: as fork(2): no stack is given and memory is not shared; this is the only thread, so no lock is held by another.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    Errno::result(result).map(|pid| pid as i32)
}

/// Has this process killed when its parent ends (prctl(2), PR_SET_PDEATHSIG).
pub fn die_with_parent(parent: i32) {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    // it may have ended before
    if nix::unistd::getppid().as_raw() != parent {
        std::process::exit(1);
    }
}

/// Takes a descriptor by its number.
///
/// # Safety
/// The number must be open, and belong to nobody else.
pub unsafe fn adopt(number: i32) -> OwnedFd {
    // SAFETY: as the caller promises.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Holds a process (pidfd_open(2)).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// A file that is memory, for [`Words`].
pub fn memory() -> io::Result<OwnedFd> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    Ok(memfd_create(c"autopod-view", MFdFlags::MFD_CLOEXEC)?)
}

/// Words in memory shared with those that serve after us.
#[derive(Debug)]
pub struct Words {
    start: std::ptr::NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is shared, never unmapped, and accessed by atomic operations only.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps `count` words of a memory file, zero at first.
    pub fn new(count: usize, memory: OwnedFd) -> io::Result<Self> {
        let size = NonZeroUsize::new(count * size_of::<AtomicU64>()).ok_or(io::ErrorKind::InvalidInput)?;
        if (stat(memory.as_fd())?.st_size as usize) < size.get() {
            nix::unistd::ftruncate(&memory, size.get() as i64)?;
        }
        use nix::sys::mman::{MapFlags, ProtFlags, mmap};
        let (rights, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE);
        // SAFETY: a new mapping overlaps nothing; the file is as long as the mapping, and nobody makes it shorter.
        let start = unsafe { mmap(None, size, rights, flags, &memory, 0) }?;
        Ok(Self { start: start.cast(), count })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: within the mapping, which is never unmapped; pages are aligned for words, and zero bytes are a valid word.
        (index < self.count).then(|| unsafe { self.start.add(index).as_ref() })
    }

    /// Reads a word; those beyond the end are zero.
    pub fn get(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Writes a word.
    pub fn set(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// Adds, and gives the sum.
    pub fn add(&self, index: usize, value: u64) -> u64 {
        self.word(index).map_or(0, |word| word.fetch_add(value, Ordering::AcqRel).wrapping_add(value))
    }
}

/// The descriptor's number as a string for messages and paths.
pub fn number(fd: &impl AsFd) -> usize {
    fd.as_fd().as_raw_fd() as usize
}

/// FUSE_DEV_IOC_BACKING_CLOSE of the kernel's linux/fuse.h: `_IOW(229, 2, uint32_t)`.
const BACKING_CLOSE: libc::c_ulong = 0x4004_e502;

/// Has the kernel forget a backing file that was registered at the connection.
pub fn close_backing(connection: BorrowedFd<'_>, id: u32) {
    // SAFETY: the argument is the address of an integer that lives across the call.
    unsafe { libc::ioctl(connection.as_raw_fd(), BACKING_CLOSE, &raw const id) };
}

/// Answers an open with the backing file `id`, which stays registered.
pub fn reply_open(reply: fuser::ReplyOpen, flags: fuser::FopenFlags, id: u32) {
    // SAFETY: the id is registered at this connection, and is taken back below before anything could close it.
    let backing = unsafe { reply.wrap_backing(id) };
    reply.opened_passthrough(fuser::FileHandle(0), flags, &backing);
    backing.into_raw();
}

/// The same for a file that was created.
pub fn reply_create(
    reply: fuser::ReplyCreate,
    ttl: &std::time::Duration,
    attr: &fuser::FileAttr,
    flags: fuser::FopenFlags,
    id: u32,
) {
    // SAFETY: as for `reply_open`.
    let backing = unsafe { reply.wrap_backing(id) };
    reply.created_passthrough(ttl, attr, fuser::Generation(0), fuser::FileHandle(0), flags, &backing);
    backing.into_raw();
}

/// mount_setattr(2) with the words of its structure: set, cleared, propagation, user namespace.
fn set_mount_attributes(mount: BorrowedFd<'_>, attributes: [u64; 4]) -> Result<(), Errno> {
    // SAFETY: the structure is four 64-bit words, which live across the call; the path is a constant.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    Errno::result(done).map(drop)
}

/// Makes a mount one that can only be read (mount_setattr(2)).
pub fn set_read_only(mount: BorrowedFd<'_>) -> Result<(), Errno> {
    match set_mount_attributes(mount, [libc::MOUNT_ATTR_RDONLY, 0, 0, 0]) {
        Err(Errno::ENOSYS) => remount_read_only(mount),
        other => other,
    }
}

/// The same before Linux 5.12. What it has of nosuid, nodev, noexec and noatime must be said again: in a user namespace it may not be taken away.
fn remount_read_only(mount: BorrowedFd<'_>) -> Result<(), Errno> {
    use nix::mount::MsFlags;
    use nix::sys::statvfs::{FsFlags, fstatvfs};
    let has = fstatvfs(mount)?.flags();
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let flags = kept.iter().filter(|(flag, _)| has.contains(*flag)).fold(MsFlags::empty(), |all, (_, flag)| all | *flag);
    let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    nix::mount::mount(None::<&str>, own_fd(mount).as_c_str(), None::<&str>, flags, None::<&str>)
}

/// Has a mount that is in no tree yet show owners by the map of a user namespace (mount_setattr(2), Linux 5.12): `EINVAL` where the file
/// system has no such mounts.
pub fn map_owners(mount: BorrowedFd<'_>, users: BorrowedFd<'_>) -> Result<(), Errno> {
    set_mount_attributes(mount, [libc::MOUNT_ATTR_IDMAP, 0, 0, users.as_raw_fd() as u64])
}

/// Puts a mount that is in no tree at a path (move_mount(2)).
pub fn attach(mount: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both strings live across the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

/// A message to the kernel that answers no request (fuse_out_header of linux/fuse.h with one of fuse_notify_code).
pub fn notify(connection: BorrowedFd<'_>, code: i32, body: &[u64]) {
    let mut message = Vec::with_capacity(64);
    message.extend_from_slice(&(16 + 8 * body.len() as u32).to_le_bytes());
    message.extend_from_slice(&code.to_le_bytes());
    message.extend_from_slice(&0u64.to_le_bytes());
    body.iter().for_each(|word| message.extend_from_slice(&word.to_le_bytes()));
    let _ = nix::unistd::write(connection, &message);
}

/// Has the kernel ask for a node's attributes again (FUSE_NOTIFY_INVAL_INODE, from no offset).
pub fn forget_attributes(connection: BorrowedFd<'_>, id: u64) {
    notify(connection, 2, &[id, u64::MAX, 0]);
}
