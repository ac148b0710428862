//! Calls that act on other processes: pidfds, kcmp, ids, scheduling attributes.
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a returned descriptor is ours alone.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A descriptor through which the files of a process can be had: on its task `tid` when the leader has ended (PIDFD_THREAD,
/// since Linux 6.9).
pub fn pidfd_of_task(pid: i32, tid: i32) -> io::Result<OwnedFd> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    if pid == tid {
        return pidfd_open(pid);
    }
    // SAFETY: no pointers; a returned descriptor is ours alone.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, tid, PIDFD_THREAD) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// pidfd_getfd(2): a duplicate, in this process, of descriptor `fd` of the process behind `pidfd`.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a returned descriptor is ours alone.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// What kcmp(2) compares.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Kcmp {
    File = 0,
    Vm = 1,
    Files = 2,
    Fs = 3,
    Sighand = 4,
    Io = 5,
    SysvSem = 6,
}

/// kcmp(2): an ordering of two kernel objects, stable for the life of the system.
pub fn kcmp(a: i32, b: i32, kind: Kcmp, index_a: u64, index_b: u64) -> io::Result<std::cmp::Ordering> {
    // SAFETY: no pointers.
    match check(unsafe { libc::syscall(libc::SYS_kcmp, a, b, kind as i32, index_a, index_b) })? {
        0 => Ok(std::cmp::Ordering::Equal),
        1 => Ok(std::cmp::Ordering::Less),
        2 => Ok(std::cmp::Ordering::Greater),
        _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// kcmp(2) with KCMP_EPOLL_TFD: whether entry (`tfd`, `toff`) of the epoll set `epoll_fd` of `pid_epoll` is descriptor `fd` of `pid`.
pub fn kcmp_epoll(pid: i32, fd: RawFd, pid_epoll: i32, epoll_fd: RawFd, tfd: u32, toff: u32) -> io::Result<bool> {
    let slot = [epoll_fd as u32, tfd, toff];
    // SAFETY: `slot` has the layout of struct kcmp_epoll_slot and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_kcmp, pid, pid_epoll, 7, fd as u64, slot.as_ptr()) }).map(|r| r == 0)
}

/// kill(2) for one thread: tgkill(2).
pub fn tgkill(tgid: i32, tid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_tgkill, tgid, tid, signal) }).map(drop)
}

/// get_robust_list(2): head address and length of the robust futex list of a thread.
pub fn robust_list(tid: i32) -> io::Result<(u64, u64)> {
    let (mut head, mut len) = (0u64, 0u64);
    // SAFETY: both pointers are to live u64 values.
    check(unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &mut head, &mut len) })?;
    Ok((head, len))
}

/// sched_getaffinity(2), as the raw mask.
pub fn affinity(tid: i32) -> io::Result<Vec<u8>> {
    let mut mask = vec![0u8; 1024];
    // SAFETY: the kernel writes at most `mask.len()` bytes.
    let n = check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, mask.len(), mask.as_mut_ptr()) })?;
    mask.truncate(n as usize);
    Ok(mask)
}

/// sched_setaffinity(2) with a raw mask.
pub fn set_affinity(tid: i32, mask: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `mask.len()` bytes.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, tid, mask.len(), mask.as_ptr()) }).map(drop)
}

/// struct sched_attr of sched_setattr(2), version 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

/// sched_getattr(2).
pub fn sched_attr(tid: i32) -> io::Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    // SAFETY: the kernel writes at most the size that we pass.
    check(unsafe { libc::syscall(libc::SYS_sched_getattr, tid, &mut attr, size_of::<SchedAttr>(), 0) })?;
    Ok(attr)
}

/// sched_setattr(2).
pub fn set_sched_attr(tid: i32, attr: &SchedAttr) -> io::Result<()> {
    // SAFETY: the kernel reads `attr.size` bytes, at most the size of the struct.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, tid, attr, 0) }).map(drop)
}

/// getpriority(2) of one thread, whatever its policy.
pub fn nice(tid: i32) -> io::Result<i32> {
    // SAFETY: no pointers. The raw call gives 20 minus the value.
    check(unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, tid) }).map(|v| 20 - v as i32)
}

/// setpriority(2) of one thread.
pub fn set_nice(tid: i32, value: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, tid, value) }).map(drop)
}

/// ioprio_get(2) of one thread.
pub fn ioprio(tid: i32) -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_get, 1, tid) }).map(|v| v as i32)
}

/// ioprio_set(2) of one thread.
pub fn set_ioprio(tid: i32, value: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, tid, value) }).map(drop)
}

/// prlimit(2), reading the limits of another process: (soft, hard).
pub fn rlimit(pid: i32, resource: u32) -> io::Result<(u64, u64)> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `old` is a live struct; a null new limit changes nothing.
    check(unsafe { libc::prlimit(pid, resource, std::ptr::null(), &mut old) }.into())?;
    Ok((old.rlim_cur, old.rlim_max))
}

/// prlimit(2), setting the limits of a process; 0 is the caller.
pub fn set_rlimit(pid: i32, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let new = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `new` outlives the call.
    check(unsafe { libc::prlimit(pid, resource, &new, std::ptr::null_mut()) }.into()).map(drop)
}

/// setns(2) with a pidfd: joins several namespaces of a process at once.
pub fn setns(fd: BorrowedFd<'_>, flags: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setns(fd.as_raw_fd(), flags) }.into()).map(drop)
}

/// unshare(2).
pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// keyctl(2): the session keyring of this process.
pub fn session_keyring() -> Option<i32> {
    const KEYCTL_GET_KEYRING_ID: i32 = 0;
    const KEY_SPEC_SESSION_KEYRING: i32 = -3;
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) }).ok().map(|id| id as i32)
}

/// getpid, as a plain number.
pub fn own_pid() -> i32 {
    std::process::id() as i32
}
/// A system call by number; an errno is negated. For calls on memory of the caller's own.
pub fn system_call(number: libc::c_long, [a, b, c, d, e]: [usize; 5]) -> isize {
    // SAFETY: the numbers and arguments come from `autopod_namespace::admit`, which passes its own memory.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 { -(nix::errno::Errno::last_raw() as isize) } else { result as isize }
}
