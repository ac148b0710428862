//! System V IPC (sysvipc(7)) and POSIX message queues (mq_overview(7)).
use super::check;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// As struct ipc64_perm begins, and what IPC_SET takes from it.
pub type Permissions = libc::ipc_perm;

/// Reads with IPC_STAT.
pub fn shm_stat(id: i32) -> io::Result<libc::shmid_ds> {
    // SAFETY: plain data, filled in by the kernel.
    let mut data: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `data` outlives the call.
    check(unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut data) }.into())?;
    Ok(data)
}

pub fn shm_set(id: i32, data: &libc::shmid_ds) -> io::Result<()> {
    // SAFETY: the kernel only reads `data`.
    check(unsafe { libc::shmctl(id, libc::IPC_SET, std::ptr::from_ref(data).cast_mut()) }.into()).map(drop)
}

/// shmctl(2) commands without data: IPC_RMID, SHM_LOCK.
pub fn shm_command(id: i32, command: i32) -> io::Result<()> {
    // SAFETY: these commands take no data.
    check(unsafe { libc::shmctl(id, command, std::ptr::null_mut()) }.into()).map(drop)
}

pub fn shm_get(key: i32, size: usize, flags: i32) -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::shmget(key, size, flags) }.into()).map(|id| id as i32)
}

/// An attached segment; detached when dropped.
#[derive(Debug)]
pub struct Attached {
    address: *mut u8,
    len: usize,
}

impl Attached {
    /// shmat(2) of a segment whose size is `len`.
    pub fn new(id: i32, len: usize, flags: i32) -> io::Result<Attached> {
        // SAFETY: the kernel chooses the place.
        let address = unsafe { libc::shmat(id, std::ptr::null(), flags) };
        if address as isize == -1 { Err(io::Error::last_os_error()) } else { Ok(Attached { address: address.cast(), len }) }
    }

    pub fn address(&self) -> u64 {
        self.address as u64
    }

    /// Copies from the segment.
    pub fn read(&self, at: usize, buffer: &mut [u8]) {
        assert!(at <= self.len && buffer.len() <= self.len - at);
        // SAFETY: the range is within the mapping, which others may change meanwhile: bytes are copied, never borrowed.
        unsafe { std::ptr::copy_nonoverlapping(self.address.add(at), buffer.as_mut_ptr(), buffer.len()) }
    }

    /// Copies to a segment attached for writing.
    pub fn write(&self, at: usize, data: &[u8]) {
        assert!(at <= self.len && data.len() <= self.len - at);
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.address.add(at), data.len()) }
    }

    /// Which pages have content (mincore(2)); reading the others would make them.
    pub fn resident(&self) -> io::Result<Vec<bool>> {
        let mut pages = vec![0u8; self.len.div_ceil(4096)];
        // SAFETY: the mapping is ours, and `pages` has a byte for each of its pages.
        check(unsafe { libc::mincore(self.address.cast(), self.len, pages.as_mut_ptr()) }.into())?;
        Ok(pages.into_iter().map(|page| page & 1 != 0).collect())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping.
        unsafe { libc::shmdt(self.address.cast()) };
    }
}

pub fn sem_stat(id: i32) -> io::Result<libc::semid_ds> {
    // SAFETY: plain data, filled in by the kernel.
    let mut data: libc::semid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `data` outlives the call.
    check(unsafe { libc::semctl(id, 0, libc::IPC_STAT, &raw mut data) }.into())?;
    Ok(data)
}

pub fn sem_set(id: i32, data: &libc::semid_ds) -> io::Result<()> {
    // SAFETY: the kernel only reads `data`.
    check(unsafe { libc::semctl(id, 0, libc::IPC_SET, std::ptr::from_ref(data)) }.into()).map(drop)
}

pub fn sem_get(key: i32, count: i32, flags: i32) -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::semget(key, count, flags) }.into()).map(|id| id as i32)
}

/// GETALL of a set with `count` semaphores.
pub fn sem_values(id: i32, count: usize) -> io::Result<Vec<u16>> {
    let mut values = vec![0u16; count];
    // SAFETY: `values` has room for every semaphore of the set, whose size never changes.
    check(unsafe { libc::semctl(id, 0, libc::GETALL, values.as_mut_ptr()) }.into())?;
    Ok(values)
}

/// SETALL; `values` has one for each semaphore of the set.
pub fn sem_set_values(id: i32, values: &[u16]) -> io::Result<()> {
    // SAFETY: the caller gives one value for each; the kernel only reads them.
    check(unsafe { libc::semctl(id, 0, libc::SETALL, values.as_ptr()) }.into()).map(drop)
}

/// GETPID: who did the last operation, in our pid namespace.
pub fn sem_pid(id: i32, number: usize) -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::semctl(id, number as i32, libc::GETPID) }.into()).map(|pid| pid as i32)
}

pub fn sem_remove(id: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::semctl(id, 0, libc::IPC_RMID) }.into()).map(drop)
}

pub fn msg_stat(id: i32) -> io::Result<libc::msqid_ds> {
    // SAFETY: plain data, filled in by the kernel.
    let mut data: libc::msqid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `data` outlives the call.
    check(unsafe { libc::msgctl(id, libc::IPC_STAT, &raw mut data) }.into())?;
    Ok(data)
}

pub fn msg_set(id: i32, data: &libc::msqid_ds) -> io::Result<()> {
    // SAFETY: the kernel only reads `data`.
    check(unsafe { libc::msgctl(id, libc::IPC_SET, std::ptr::from_ref(data).cast_mut()) }.into()).map(drop)
}

pub fn msg_get(key: i32, flags: i32) -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::msgget(key, flags) }.into()).map(|id| id as i32)
}

pub fn msg_remove(id: i32) -> io::Result<()> {
    // SAFETY: no data is passed with IPC_RMID.
    check(unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) }.into()).map(drop)
}

/// Sends `message`, whose first eight bytes are its type.
pub fn msg_send(id: i32, message: &[u8]) -> io::Result<()> {
    assert!(message.len() >= 8);
    // SAFETY: `message` holds the type and the text that is told here.
    check(unsafe { libc::msgsnd(id, message.as_ptr().cast(), message.len() - 8, libc::IPC_NOWAIT) }.into()).map(drop)
}

/// The message at a place in the queue, its type in the first eight bytes, without taking it (MSG_COPY of msgrcv(2)). `None`
/// behind the last one.
pub fn msg_peek(id: i32, index: i64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    assert!(buffer.len() >= 8);
    const MSG_COPY: i32 = 0o40000;
    // SAFETY: `buffer` has room for the type and the length that is told here.
    let n = unsafe { libc::msgrcv(id, buffer.as_mut_ptr().cast(), buffer.len() - 8, index, MSG_COPY | libc::IPC_NOWAIT) };
    match check(n as libc::c_long) {
        Ok(n) => Ok(Some(8 + n as usize)),
        Err(error) if error.raw_os_error() == Some(libc::ENOMSG) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Attributes of a message queue: flags, greatest number and size of messages, messages in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueueAttributes {
    pub flags: i64,
    pub max_messages: i64,
    pub message_size: i64,
    pub messages: i64,
    reserved: [i64; 4],
}

impl QueueAttributes {
    /// For a new queue.
    pub fn new(max_messages: i64, message_size: i64) -> QueueAttributes {
        QueueAttributes { max_messages, message_size, ..QueueAttributes::default() }
    }
}

/// mq_open(3) as the system call: the name has no slash.
pub fn mq_open(name: &CStr, flags: i32, mode: u32, attributes: Option<&QueueAttributes>) -> io::Result<OwnedFd> {
    let attributes = attributes.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `name` and `attributes` outlive the call; the latter has the layout of struct mq_attr.
    let fd = check(unsafe { libc::syscall(libc::SYS_mq_open, name.as_ptr(), flags | libc::O_CLOEXEC, mode, attributes) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub fn mq_unlink(name: &CStr) -> io::Result<()> {
    // SAFETY: `name` outlives the call.
    check(unsafe { libc::syscall(libc::SYS_mq_unlink, name.as_ptr()) }).map(drop)
}

pub fn mq_attributes(queue: BorrowedFd<'_>) -> io::Result<QueueAttributes> {
    let mut attributes = QueueAttributes::default();
    let none = std::ptr::null::<QueueAttributes>();
    // SAFETY: `attributes` has the layout of struct mq_attr and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_mq_getsetattr, queue.as_raw_fd(), none, &raw mut attributes) })?;
    Ok(attributes)
}

/// Takes the first message, without waiting; `None` when there is none.
pub fn mq_receive(queue: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<(usize, u32)>> {
    let mut priority = 0u32;
    let past = [0i64; 2];
    // SAFETY: all buffers outlive the call, and the length is that of `buffer`.
    let n = unsafe {
        let (data, len) = (buffer.as_mut_ptr(), buffer.len());
        libc::syscall(libc::SYS_mq_timedreceive, queue.as_raw_fd(), data, len, &raw mut priority, past.as_ptr())
    };
    match check(n) {
        Ok(n) => Ok(Some((n as usize, priority))),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EAGAIN)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a message, without waiting.
pub fn mq_send(queue: BorrowedFd<'_>, data: &[u8], priority: u32) -> io::Result<()> {
    let past = [0i64; 2];
    // SAFETY: all buffers outlive the call.
    let n =
        unsafe { libc::syscall(libc::SYS_mq_timedsend, queue.as_raw_fd(), data.as_ptr(), data.len(), priority, past.as_ptr()) };
    check(n).map(drop)
}

/// The names of all message queues of the ipc namespace, without the slash.
pub fn mq_names() -> io::Result<Vec<String>> {
    let mount = mq_mount()?;
    let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_DIRECTORY;
    let mut directory = nix::dir::Dir::openat(&mount, ".", flags, nix::sys::stat::Mode::empty())?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A mount of the message queues of this ipc namespace that is attached nowhere (fsmount(2)).
pub fn mq_mount() -> io::Result<OwnedFd> {
    const FSCONFIG_CMD_CREATE: i32 = 6;
    let owned = |fd: i64| {
        // SAFETY: the kernel just gave us this descriptor.
        unsafe { OwnedFd::from_raw_fd(fd as i32) }
    };
    // SAFETY: the name is a C string.
    let context = owned(check(unsafe { libc::syscall(libc::SYS_fsopen, c"mqueue".as_ptr(), 1) })?);
    let null = std::ptr::null::<u8>();
    // SAFETY: this command takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, null, null, 0) })?;
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0) }).map(owned)
}

/// shmget(2), semget(2) or msgget(2), by number.
pub fn get(number: i64, arguments: [u64; 3]) -> io::Result<i32> {
    assert!([libc::SYS_shmget, libc::SYS_semget, libc::SYS_msgget].contains(&number));
    // SAFETY: these three take integers.
    check(unsafe { libc::syscall(number, arguments[0], arguments[1], arguments[2]) }).map(|id| id as i32)
}
