//! Forking and the state that a new process of a pod starts from.
use nix::errno::Errno;
use nix::unistd::Pid;

/// Which side of a fork the caller finds itself on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The caller is the new process.
    Child,
    /// The caller is the old process; the new one's id in the caller's pid namespace.
    Parent(Pid),
}

/// fork(2). Refused with `EAGAIN` when the caller has more than one thread: the child of a
/// multi-threaded process may not even allocate, and everything here wants to.
pub fn fork() -> Result<Fork, Errno> {
    require_single_thread()?;
    // SAFETY: the caller is the only thread of this process (checked above), so that no lock can
    // be held by a thread that does not exist in the child.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(Fork::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Fork::Parent(child)),
    }
}

/// As [`fork`], with the child's id chosen (clone3(2), `set_tid`): `EEXIST` when it is taken.
///
/// The C library does not learn of it: the child may only make system calls.
pub fn fork_with_id(id: i32) -> Result<Fork, Errno> {
    require_single_thread()?;
    let set_tid = [id];
    // SAFETY: clone_args is plain data for which all-zero is a valid "nothing asked".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.exit_signal = libc::SIGCHLD as u64;
    args.set_tid = set_tid.as_ptr() as u64;
    args.set_tid_size = 1;
    // SAFETY: without CLONE_VM the child runs on a copy of this stack; `args` and `set_tid` live
    // across the call, and the size passed is that of the structure.
    let ret = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match ret {
        -1 => Err(Errno::last()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(Pid::from_raw(pid as i32))),
    }
}

fn require_single_thread() -> Result<(), Errno> {
    // Without a readable /proc nothing can be told; the callers start no threads.
    let tasks = std::fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count());
    if tasks > 1 { Err(Errno::EAGAIN) } else { Ok(()) }
}

/// Every signal back to its default action, none blocked, and no alternate stack: the state a program
/// expects at exec, and what a seed has to have since it does not exec at once.
pub fn reset_signals() {
    // The kernel's struct sigaction, all zero: SIG_DFL, no flags, nothing blocked.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no code. A raw call, since the C library refuses its own two signals, 32 and
        // 33, and a caller may have left them ignored. SIGKILL and SIGSTOP answer EINVAL, and need nothing.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), 8) };
    }
    let disabled = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: this does not run on the alternate stack, which therefore may be disabled.
    unsafe { libc::sigaltstack(&disabled, std::ptr::null_mut()) };
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// Lets a closed pipe end this process again, as it does other command line tools; the Rust runtime
/// ignores SIGPIPE at start.
pub fn die_of_closed_pipes() {
    // SAFETY: SIG_DFL installs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Closes every descriptor from `first` up.
pub fn close_from(first: u32) {
    // SAFETY: the callers have just forked and hold nothing that would use these descriptors again
    // or close them a second time: they exec, exit or wait for ever.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Closes the descriptors from `first` up to, excluding, `end`.
pub fn close_range(first: u32, end: u32) {
    if first < end {
        // SAFETY: as for `close_from`.
        unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) };
    }
}

/// Marks every descriptor from `first` up as close-on-exec.
pub fn close_on_exec_from(first: u32) {
    // SAFETY: changes a flag of descriptors, closes none.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Makes descriptor 0, a terminal, the controlling terminal of this (new) session.
pub fn take_terminal() -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes an integer, no pointer.
    Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) }).map(drop)
}

/// Does nothing until killed.
pub fn wait_forever() -> ! {
    loop {
        // SAFETY: pause(2) takes nothing. A raw call: the seed makes no use of the C library.
        unsafe { libc::syscall(libc::SYS_pause) };
    }
}

/// Ends this process without running anything that the parent registered to be run at exit.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no precondition.
    unsafe { libc::_exit(status) }
}

/// The window size of a terminal, as TIOCGWINSZ gives it.
pub fn window_size(terminal: std::os::fd::BorrowedFd<'_>) -> Result<libc::winsize, Errno> {
    use std::os::fd::AsRawFd;
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` is a winsize and lives across the call.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    Ok(size)
}

/// Sets a terminal's window size; its foreground group gets SIGWINCH.
pub fn set_window_size(terminal: std::os::fd::BorrowedFd<'_>, size: &libc::winsize) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: `size` is a winsize that the kernel only reads.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, size) }).map(drop)
}

/// Sends a signal to a process by its pidfd, hence never to another that got its id since.
pub fn pidfd_send_signal(pidfd: std::os::fd::BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: a null siginfo means "as kill(2)".
    let ret =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) };
    Errno::result(ret).map(drop)
}

/// pidfd_open(2).
pub fn pidfd_open(pid: Pid) -> Result<std::os::fd::OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: takes two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd as i32) })
}

/// setdomainname(2).
pub fn set_domain_name(name: &str) -> Result<(), Errno> {
    // SAFETY: pointer and length are those of `name`, which lives across the call.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}
