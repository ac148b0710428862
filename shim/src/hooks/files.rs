//! Ids that belong to open files: owners, holders of locks, senders in a signalfd.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering::*};

use libc::{c_int, flock, pid_t, sigset_t, size_t, ssize_t};

use autopod_namespace::{PathText, Table};

use super::{signal, terminal};
use crate::init::pod;
use crate::sys::call::call;
use crate::sys::errno::result;
use crate::sys::next::next;
use crate::translate;

const F_SETOWN_EX: c_int = 15;
const F_GETOWN_EX: c_int = 16;
const F_OWNER_GROUP: c_int = 2;

/// struct f_owner_ex of fcntl(2).
#[repr(C)]
#[derive(Clone, Copy)]
struct Owner {
    kind: c_int,
    id: pid_t,
}

/// Those commands that name a task or group; `None` for all others.
///
/// # Safety
/// As for fcntl(2).
pub unsafe fn raw_fcntl(fd: c_int, command: c_int, argument: usize) -> Option<isize> {
    // SAFETY: the caller's structures.
    unsafe {
        match command {
            libc::F_SETOWN => {
                let table = pod()?;
                Some(match terminal::owner(table, argument as i32) {
                    Ok(host) => call!(libc::SYS_fcntl, fd, command, host),
                    Err(errno) => -errno as isize,
                })
            }
            libc::F_GETOWN => {
                let table = pod()?;
                // The plain command cannot tell a group of a small number from an errno (fcntl(2)).
                let mut owner = Owner { kind: 0, id: 0 };
                let done = call!(libc::SYS_fcntl, fd, F_GETOWN_EX, &raw mut owner);
                let id = translate::back(table, owner.id) as isize;
                Some(if done < 0 {
                    done
                } else if owner.kind == F_OWNER_GROUP {
                    -id
                } else {
                    id
                })
            }
            F_SETOWN_EX => {
                let table = pod()?;
                let mut owner = *(argument as *const Owner);
                let host = if owner.kind == F_OWNER_GROUP {
                    translate::group(table, owner.id)
                } else {
                    translate::task(table, owner.id)
                };
                Some(match host {
                    Ok(host) => {
                        owner.id = host;
                        call!(libc::SYS_fcntl, fd, command, &raw const owner)
                    }
                    Err(errno) => -errno as isize,
                })
            }
            F_GETOWN_EX => {
                let table = pod()?;
                let done = call!(libc::SYS_fcntl, fd, command, argument);
                if done == 0 {
                    let owner = &mut *(argument as *mut Owner);
                    owner.id = translate::back(table, owner.id);
                }
                Some(done)
            }
            libc::F_GETLK | libc::F_OFD_GETLK => {
                let table = pod()?;
                let done = call!(libc::SYS_fcntl, fd, command, argument);
                let lock = &mut *(argument as *mut flock);
                if done == 0 && lock.l_type != libc::F_UNLCK as i16 {
                    lock.l_pid = translate::back(table, lock.l_pid);
                }
                Some(done)
            }
            _ => None,
        }
    }
}

macro_rules! fcntl {
    ($($name:ident $text:literal;)*) => {$(
        /// (Variadic; on x86-64 a fixed arity reads the same places.)
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fd: c_int, command: c_int, argument: usize) -> c_int {
            // SAFETY: the caller's.
            unsafe {
                match raw_fcntl(fd, command, argument) {
                    Some(done) if !(-4095..0).contains(&done) => done as c_int,
                    // A group's owner is a small negative number and no errno.
                    Some(done) if command == libc::F_GETOWN && done != -libc::EBADF as isize => done as c_int,
                    Some(done) => result(done) as c_int,
                    None => next!($text, fn(c_int, c_int, usize) -> c_int)(fd, command, argument),
                }
            }
        }
    )*};
}

fcntl! {
    fcntl "fcntl";
    fcntl64 "fcntl64";
    __fcntl "__fcntl";
}

/// Whether this process has made a signalfd: only then is it worth looking at what read() brought.
static SIGNALFDS: AtomicBool = AtomicBool::new(false);

/// sizeof(struct signalfd_siginfo).
const RECORD: usize = 128;

pub fn notice_signalfd() {
    SIGNALFDS.store(true, Relaxed);
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn signalfd(fd: c_int, mask: *const sigset_t, flags: c_int) -> c_int {
    notice_signalfd();
    // SAFETY: the caller's.
    unsafe { next!("signalfd", fn(c_int, *const sigset_t, c_int) -> c_int)(fd, mask, flags) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    // SAFETY: the caller's.
    unsafe {
        let count = next!("read", fn(c_int, *mut c_void, size_t) -> ssize_t)(fd, buffer, len);
        if SIGNALFDS.load(Relaxed) {
            after_read(fd, buffer, count);
        }
        count
    }
}

/// # Safety
/// `count` bytes of `buffer` were read from `fd`.
#[cold]
pub unsafe fn after_read(fd: c_int, buffer: *mut c_void, count: ssize_t) {
    let Some(table) = pod() else { return };
    if count < RECORD as ssize_t || !(count as usize).is_multiple_of(RECORD) || !is_signalfd(fd) {
        return;
    }
    for at in 0..count as usize / RECORD {
        // SAFETY: a whole record.
        unsafe { translate_record(table, buffer.cast::<u8>().add(at * RECORD).cast()) };
    }
}

unsafe fn translate_record(table: Table, record: *mut libc::signalfd_siginfo) {
    // SAFETY: a whole record in the program's buffer, perhaps not aligned.
    unsafe {
        let mut info = record.read_unaligned();
        if signal::names_sender(info.ssi_signo as i32, info.ssi_code) {
            info.ssi_pid = signal::sender(table, info.ssi_signo as i32, info.ssi_code, info.ssi_pid as i32) as u32;
            record.write_unaligned(info);
        }
    }
}

fn is_signalfd(fd: c_int) -> bool {
    let mut path = PathText::new();
    path.push(b"/proc/self/fd/");
    path.push_number(fd as u64);
    let mut target = [0u8; 32];
    // SAFETY: the kernel writes into our buffer.
    let len = unsafe { call!(libc::SYS_readlinkat, libc::AT_FDCWD, path.as_c_str().as_ptr(), target.as_mut_ptr(), target.len()) };
    usize::try_from(len).is_ok_and(|len| target.get(..len) == Some(b"anon_inode:[signalfd]"))
}
