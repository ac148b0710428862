//! Giving up rights: capabilities (capabilities(7), prctl(2)) and seccomp filters (seccomp(2)).
use crate::walls::seccomp::Instruction;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// The capability sets of the calling thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// Effective, permitted, inheritable: the lower words, then the upper ones.
type Words = [u32; 6];

/// capget(2).
pub fn capabilities() -> Result<Capabilities, Errno> {
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut words: Words = [0; 6];
    // SAFETY: version 3 writes six words.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) })?;
    let set = |at: usize| u64::from(words[at]) | u64::from(words[at + 3]) << 32;
    Ok(Capabilities { effective: set(0), permitted: set(1), inheritable: set(2) })
}

/// capset(2).
pub fn set_capabilities(sets: Capabilities) -> Result<(), Errno> {
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let all = [sets.effective, sets.permitted, sets.inheritable];
    let words: Words = std::array::from_fn(|at| (all[at % 3] >> (32 * (at / 3))) as u32);
    // SAFETY: version 3 reads six words.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) }).map(drop)
}

/// PR_CAPBSET_DROP.
pub fn drop_from_bounding_set(capability: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }).map(drop)
}

/// PR_CAP_AMBIENT_CLEAR_ALL.
pub fn clear_ambient() -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }).map(drop)
}

/// Sets a seccomp filter. Needs CAP_SYS_ADMIN or no_new_privs.
pub fn set_filter(program: &[Instruction]) -> Result<(), Errno> {
    #[repr(C)]
    struct FilterProgram {
        len: u16,
        filter: *const Instruction,
    }
    let len = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = FilterProgram { len, filter: program.as_ptr() };
    // SAFETY: struct sock_fprog, with as many instructions as it says, which the kernel copies and verifies.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) }).map(drop)
}

/// The version of Landlock's interface here (landlock_create_ruleset(2)).
pub fn landlock_version() -> Result<i32, Errno> {
    const CREATE_RULESET_VERSION: u32 = 1;
    let none = std::ptr::null::<u64>();
    // SAFETY: with this flag no attributes are read.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, CREATE_RULESET_VERSION) })
        .map(|version| version as i32)
}

/// Enters a Landlock domain with these scopes. If `rights` on files are given, they are held, too, and had in these directories and below
/// only (landlock_add_rule(2)). Needs CAP_SYS_ADMIN or no_new_privs.
pub fn enter_landlock_domain(scopes: u64, rights: u64, beneath: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    /// struct landlock_path_beneath_attr
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        directory: i32,
    }
    const PATH_BENEATH: i32 = 1;
    // struct landlock_ruleset_attr: rights on files, on ports, scopes; kernels that know less of it take zeroes
    let attributes = [rights, 0, scopes];
    // SAFETY: the size passed is that of `attributes`.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), size_of_val(&attributes), 0) };
    let fd = Errno::result(fd)? as i32;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    let _rules = unsafe { OwnedFd::from_raw_fd(fd) };
    for directory in beneath {
        let rule = Beneath { allowed: rights, directory: directory.as_raw_fd() };
        // SAFETY: the structure that belongs to this kind of rule.
        Errno::result(unsafe { libc::syscall(libc::SYS_landlock_add_rule, fd, PATH_BENEATH, &raw const rule, 0) })?;
    }
    // SAFETY: two integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, fd, 0) }).map(drop)
}

/// Gives this process an empty session keyring of its own (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING).
pub fn new_session_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name asks for a keyring without one.
    Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) }).map(drop)
}

/// Whether a userfaultfd(2) can be had for faults in user mode.
pub fn try_userfaultfd() -> Result<(), Errno> {
    const USER_MODE_ONLY: i32 = 1;
    // SAFETY: takes an integer.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY) })?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    Ok(())
}

/// Keeps other processes from tracing this one until it executes a program (PR_SET_DUMPABLE).
pub fn forbid_tracing() -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }).map(drop)
}

/// Makes a mount and all below it read-only (mount_setattr(2), Linux 5.12).
pub fn make_mounts_read_only(path: &std::ffi::CStr) -> Result<(), Errno> {
    const RDONLY: u64 = 1;
    // struct mount_attr: to set, to clear, propagation, user namespace
    let attributes = [RDONLY, 0, 0, 0];
    let size = size_of_val(&attributes);
    let (from, how) = (libc::AT_FDCWD, libc::AT_RECURSIVE);
    // SAFETY: a string, and a structure of the size passed.
    let done = unsafe { libc::syscall(libc::SYS_mount_setattr, from, path.as_ptr(), how, attributes.as_ptr(), size) };
    Errno::result(done).map(drop)
}
