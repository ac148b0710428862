//! fcntl(2) requests and other calls on files that nix lacks.
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_GETOWNER_UIDS: i32 = 17;
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;

/// Who gets the signals of a description.
#[derive(Clone, Copy, Debug)]
pub struct RawOwner {
    pub kind: i32,
    pub id: i32,
    pub signal: i32,
    pub users: (u32, u32),
}

/// F_GETOWN_EX, F_GETSIG and F_GETOWNER_UIDS; `None` when nobody gets signals.
pub fn owner(fd: BorrowedFd<'_>) -> io::Result<Option<RawOwner>> {
    let raw = fd.as_raw_fd();
    let mut owner = [0i32; 2];
    // SAFETY: `owner` has the layout of struct f_owner_ex.
    if unsafe { libc::fcntl(raw, F_GETOWN_EX, owner.as_mut_ptr()) } == -1 {
        // O_PATH descriptors have no owner
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EBADF) { Ok(None) } else { Err(error) };
    }
    // SAFETY: no pointers.
    let signal = check(unsafe { libc::fcntl(raw, F_GETSIG) }.into())? as i32;
    if owner[1] == 0 && signal == 0 {
        return Ok(None);
    }
    let mut users = [0u32; 2];
    // SAFETY: the kernel writes two uid_t.
    let _ = unsafe { libc::fcntl(raw, F_GETOWNER_UIDS, users.as_mut_ptr()) };
    Ok(Some(RawOwner { kind: owner[0], id: owner[1], signal, users: (users[0], users[1]) }))
}

/// F_SETOWN_EX and F_SETSIG. The kernel notes real and effective user of the caller, whose privilege the signals have; without
/// privilege that is the caller's own.
pub fn set_owner(fd: BorrowedFd<'_>, wanted: RawOwner) -> io::Result<()> {
    let own = (nix::unistd::getuid().as_raw(), nix::unistd::geteuid().as_raw());
    let set = || {
        let owner = [wanted.kind, wanted.id];
        // SAFETY: `owner` has the layout of struct f_owner_ex and outlives the call.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), F_SETOWN_EX, owner.as_ptr()) }.into()).map(drop)
    };
    if wanted.users == own || own.1 != 0 {
        set()?;
    } else {
        as_user(wanted.users, set)?;
    }
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), F_SETSIG, wanted.signal) }.into()).map(drop)
}

/// Runs something in a thread that has other users: the system call, unlike libc's function, changes only its caller.
fn as_user(users: (u32, u32), act: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    // a change of users takes this from the whole process
    // SAFETY: no pointers.
    let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
    let done = std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            // SAFETY: no pointers.
            check(unsafe { libc::syscall(libc::SYS_setresuid, users.0, users.1, users.1) })?;
            act()
        });
        other.join().unwrap_or_else(|_| Err(io::Error::other("the thread of another user panicked")))
    });
    if dumpable == 1 {
        // SAFETY: no pointers.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
    }
    done
}

const F_GET_RW_HINT: i32 = 1035;
const F_SET_RW_HINT: i32 = 1036;

/// How long what is written to a file is expected to live (F_GET_RW_HINT); 0 when nobody said.
pub fn life_hint(fd: BorrowedFd<'_>) -> u64 {
    let mut hint = 0u64;
    // SAFETY: the kernel writes eight bytes.
    unsafe { libc::fcntl(fd.as_raw_fd(), F_GET_RW_HINT, &raw mut hint) };
    hint
}

pub fn set_life_hint(fd: BorrowedFd<'_>, hint: u64) -> io::Result<()> {
    // SAFETY: the kernel reads eight bytes.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), F_SET_RW_HINT, &raw const hint) }.into()).map(drop)
}

/// tee(2): copies all that is in one pipe to another, without taking it.
pub fn tee(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<usize> {
    // SAFETY: no pointers.
    let n = unsafe { libc::tee(from.as_raw_fd(), to.as_raw_fd(), i32::MAX as usize, libc::SPLICE_F_NONBLOCK) };
    check(n as libc::c_long).map(|n| n as usize)
}

/// flock(2).
pub fn flock(fd: BorrowedFd<'_>, operation: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::flock(fd.as_raw_fd(), operation) }.into()).map(drop)
}

/// open_by_handle_at(2) with O_PATH. Needs CAP_DAC_READ_SEARCH.
pub fn open_by_handle(mount: BorrowedFd<'_>, kind: i32, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut handle = Vec::with_capacity(8 + bytes.len());
    handle.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
    handle.extend_from_slice(&kind.to_ne_bytes());
    handle.extend_from_slice(bytes);
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: `handle` is a struct file_handle with as many bytes as it says, and outlives the call.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), handle.as_mut_ptr(), flags) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
