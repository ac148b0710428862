//! Functions in which libc forks, executes and waits by itself: built again here from the hooks, so that the ids in them
//! are the pod's and stay right over a restart.

use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering::*};

use libc::{FILE, c_int, pid_t, sigset_t};

use super::exec::posix_spawn;
use super::{process, spawn, wait};
use crate::environment::Vector;
use crate::init::pod;
use crate::sys::call::call;
use crate::sys::errno::{fail, get, set};
use crate::sys::next::next;

unsafe extern "C" {
    static environ: Vector;
}

const SHELL: &core::ffi::CStr = c"/bin/sh";

/// Waits for a child, over signals. The status, or -1 and errno.
fn status_of(child: pid_t) -> c_int {
    let mut status = 0;
    loop {
        // SAFETY: our own status.
        let done = unsafe { wait::waitpid(child, &mut status, 0) };
        if done == child {
            return status;
        }
        if done < 0 && get() != libc::EINTR {
            return -1;
        }
    }
}

/// How many calls of system() are under way, and what SIGINT and SIGQUIT did before the first.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static BEFORE: [Saved; 2] = [const { Saved(core::cell::UnsafeCell::new([0; 19])) }; 2];

/// A struct sigaction.
struct Saved(core::cell::UnsafeCell<[u64; 19]>);

// SAFETY: written by the first system() under way only, and read by the last.
unsafe impl Sync for Saved {}

const _: () = assert!(size_of::<libc::sigaction>() == 152);

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn system(command: *const c_char) -> c_int {
    if pod().is_none() {
        // SAFETY: the caller's.
        return unsafe { next!("system", fn(*const c_char) -> c_int)(command) };
    }
    // SAFETY: plain libc calls on our own structures, and the caller's command.
    unsafe {
        if command.is_null() {
            // Whether there is a shell.
            return (call!(libc::SYS_access, SHELL.as_ptr(), libc::X_OK) == 0).into();
        }
        let action = next!("sigaction", fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int);
        let mut ignore: libc::sigaction = core::mem::zeroed();
        ignore.sa_sigaction = libc::SIG_IGN;
        let first = UNDER_WAY.fetch_add(1, AcqRel) == 0;
        let (mut blocked, mut mask, mut defaults): (sigset_t, sigset_t, sigset_t) = core::mem::zeroed();
        libc::sigemptyset(&mut defaults);
        for (signal, saved) in [libc::SIGINT, libc::SIGQUIT].into_iter().zip(&BEFORE) {
            let saved: *mut libc::sigaction = saved.0.get().cast();
            action(signal, &ignore, if first { saved } else { core::ptr::null_mut() });
            if (*saved).sa_sigaction != libc::SIG_IGN {
                libc::sigaddset(&mut defaults, signal);
            }
        }
        libc::sigemptyset(&mut blocked);
        libc::sigaddset(&mut blocked, libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &mut mask);

        let mut attributes: libc::posix_spawnattr_t = core::mem::zeroed();
        libc::posix_spawnattr_init(&mut attributes);
        libc::posix_spawnattr_setsigmask(&mut attributes, &mask);
        libc::posix_spawnattr_setsigdefault(&mut attributes, &defaults);
        libc::posix_spawnattr_setflags(&mut attributes, (libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF) as i16);
        let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), command, core::ptr::null()];
        let mut child = 0;
        let failed = posix_spawn(
            &mut child,
            SHELL.as_ptr(),
            core::ptr::null(),
            (&raw const attributes).cast(),
            arguments.as_ptr(),
            environ,
        );
        // A shell that cannot be executed counts as one that exited with 127 (system(3)).
        let status = if failed == 0 { status_of(child) } else { 127 << 8 };

        let errno = get();
        if UNDER_WAY.fetch_sub(1, AcqRel) == 1 {
            for (signal, saved) in [libc::SIGINT, libc::SIGQUIT].into_iter().zip(&BEFORE) {
                action(signal, saved.0.get().cast(), core::ptr::null_mut());
            }
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &mask, core::ptr::null_mut());
        set(if failed == 0 { errno } else { failed });
        status
    }
}

const STREAMS: usize = 256;

/// The streams of popen() and the virtual ids of their children.
static OPENED: [(AtomicPtr<FILE>, AtomicI32); STREAMS] =
    [const { (AtomicPtr::new(core::ptr::null_mut()), AtomicI32::new(0)) }; STREAMS];

/// A slot that is being filled. No stream has this address.
const TAKEN: *mut FILE = core::ptr::without_provenance_mut(1);

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE {
    if pod().is_none() {
        // SAFETY: the caller's.
        return unsafe { next!("popen", fn(*const c_char, *const c_char) -> *mut FILE)(command, mode) };
    }
    // SAFETY: the caller's.
    let kind = unsafe { core::ffi::CStr::from_ptr(mode) }.to_bytes();
    let (reads, writes) = (kind.contains(&b'r'), kind.contains(&b'w'));
    if reads == writes || kind.iter().any(|c| !matches!(c, b'r' | b'w' | b'e')) {
        fail(libc::EINVAL);
        return core::ptr::null_mut();
    }
    let free = OPENED.iter().find(|(stream, _)| stream.compare_exchange(core::ptr::null_mut(), TAKEN, AcqRel, Relaxed).is_ok());
    let Some((slot, child)) = free else {
        fail(libc::EMFILE);
        return core::ptr::null_mut();
    };
    // SAFETY: the caller's command, our own structures.
    let stream = unsafe { open_pipe(command, reads, kind.contains(&b'e'), child) };
    slot.store(stream, Release);
    stream
}

unsafe fn open_pipe(command: *const c_char, reads: bool, cloexec: bool, id: &AtomicI32) -> *mut FILE {
    // SAFETY: plain libc calls on our own structures.
    unsafe {
        let mut ends = [0i32; 2];
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return core::ptr::null_mut();
        }
        let (ours, theirs, target, mode) = if reads { (ends[0], ends[1], 1, c"r") } else { (ends[1], ends[0], 0, c"w") };
        let stream = libc::fdopen(ours, mode.as_ptr());
        let mut actions: libc::posix_spawn_file_actions_t = core::mem::zeroed();
        libc::posix_spawn_file_actions_init(&mut actions);
        libc::posix_spawn_file_actions_adddup2(&mut actions, theirs, target);
        // The ends of earlier streams are not for this child (popen(3)).
        for (earlier, _) in &OPENED {
            let earlier = earlier.load(Acquire);
            if earlier.addr() > TAKEN.addr() {
                let fd = libc::fileno(earlier);
                if fd != target {
                    libc::posix_spawn_file_actions_addclose(&mut actions, fd);
                }
            }
        }
        let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), command, core::ptr::null()];
        let mut child = 0;
        let actions_given: *const c_void = (&raw const actions).cast();
        let failed = posix_spawn(&mut child, SHELL.as_ptr(), actions_given, core::ptr::null(), arguments.as_ptr(), environ);
        libc::posix_spawn_file_actions_destroy(&mut actions);
        libc::close(theirs);
        if failed != 0 || stream.is_null() {
            if stream.is_null() {
                libc::close(ours)
            } else {
                libc::fclose(stream)
            };
            fail(if failed != 0 { failed } else { libc::ENOMEM });
            return core::ptr::null_mut();
        }
        if !cloexec {
            call!(libc::SYS_fcntl, ours, libc::F_SETFD, 0);
        }
        id.store(child, Release);
        stream
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pclose(stream: *mut FILE) -> c_int {
    // SAFETY: the caller's stream.
    unsafe {
        let opened = OPENED.iter().find(|(opened, _)| opened.load(Acquire) == stream && !stream.is_null());
        let Some((slot, child)) = opened else { return next!("pclose", fn(*mut FILE) -> c_int)(stream) };
        let child = child.load(Acquire);
        slot.store(core::ptr::null_mut(), Release);
        libc::fclose(stream);
        status_of(child)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn daemon(stay: c_int, keep: c_int) -> c_int {
    if pod().is_none() {
        // SAFETY: no memory.
        return unsafe { next!("daemon", fn(c_int, c_int) -> c_int)(stay, keep) };
    }
    // SAFETY: as daemon(3) itself.
    unsafe {
        match spawn::fork() {
            -1 => return -1,
            0 => {}
            _ => libc::_exit(0),
        }
        if process::setsid() < 0 {
            return -1;
        }
        if stay == 0 {
            libc::chdir(c"/".as_ptr());
        }
        if keep == 0 {
            let null = call!(libc::SYS_openat, libc::AT_FDCWD, c"/dev/null".as_ptr(), libc::O_RDWR, 0);
            if null < 0 {
                return fail(-null as i32);
            }
            for fd in 0..3 {
                call!(libc::SYS_dup2, null, fd);
            }
            if null > 2 {
                call!(libc::SYS_close, null);
            }
        }
        0
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn login_tty(fd: c_int) -> c_int {
    // SAFETY: plain calls on the caller's descriptor.
    unsafe {
        process::setsid();
        if super::terminal::ioctl(fd, libc::TIOCSCTTY, 0) == -1 {
            return -1;
        }
        for target in 0..3 {
            call!(libc::SYS_dup2, fd, target);
        }
        if fd > 2 {
            call!(libc::SYS_close, fd);
        }
        0
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn forkpty(
    controller: *mut c_int,
    name: *mut c_char,
    settings: *const libc::termios,
    size: *const libc::winsize,
) -> pid_t {
    // SAFETY: the caller's; openpty as forkpty(3) calls it.
    unsafe {
        let (mut ours, mut theirs) = (0, 0);
        if libc::openpty(&mut ours, &mut theirs, name, settings, size) < 0 {
            return -1;
        }
        let child = spawn::fork();
        match child {
            -1 => {
                call!(libc::SYS_close, ours);
                call!(libc::SYS_close, theirs);
            }
            0 => {
                call!(libc::SYS_close, ours);
                if login_tty(theirs) != 0 {
                    libc::_exit(1);
                }
            }
            _ => {
                controller.write(ours);
                call!(libc::SYS_close, theirs);
            }
        }
        child
    }
}
