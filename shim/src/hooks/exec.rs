//! Executing programs: the pod goes along, whatever the program says about its environment.

use core::arch::naked_asm;
use core::ffi::{CStr, c_char, c_void};

use libc::{c_int, c_short, pid_t};

use autopod_namespace::{HostId, PathText, Table, VirtualId};

use super::spawn::{Making, made_at_rest};
use crate::environment::{self, Vector};
use crate::init::{pod, variable};
use crate::program::may_execute;
use crate::sys::call::call;
use crate::sys::errno::{fail, get, result};
use crate::sys::next::next;
use crate::translate;

unsafe extern "C" {
    static environ: Vector;
}

/// execve(2), execveat(2).
///
/// # Safety
/// As for the system call.
pub unsafe fn raw_execveat(directory: c_int, path: *const c_char, argv: Vector, envp: Vector, flags: c_int) -> isize {
    // SAFETY: the caller's; a path that the kernel would refuse as EFAULT is left to it.
    unsafe {
        let exec = |envp: Vector| {
            if directory == libc::AT_FDCWD && flags == 0 {
                call!(libc::SYS_execve, path, argv, envp)
            } else {
                call!(libc::SYS_execveat, directory, path, argv, envp, flags)
            }
        };
        let Some(table) = pod().filter(|_| !path.is_null()) else { return exec(envp) };
        let translated = crate::procfs::path::translate_c(table, path);
        let path = translated.as_ref().map_or(path, |path| path.as_c_str().as_ptr());
        if !may_execute(table, directory, CStr::from_ptr(path), flags) {
            return -libc::EACCES as isize;
        }
        let exec = |envp: Vector| {
            if directory == libc::AT_FDCWD && flags == 0 {
                call!(libc::SYS_execve, path, argv, envp)
            } else {
                call!(libc::SYS_execveat, directory, path, argv, envp, flags)
            }
        };
        environment::with(table, envp, exec)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn execve(path: *const c_char, argv: Vector, envp: Vector) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_execveat(libc::AT_FDCWD, path, argv, envp, 0) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn execv(path: *const c_char, argv: Vector) -> c_int {
    // SAFETY: the caller's.
    unsafe { execve(path, argv, environ) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn execveat(
    directory: c_int,
    path: *const c_char,
    argv: Vector,
    envp: Vector,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_execveat(directory, path, argv, envp, flags) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn fexecve(fd: c_int, argv: Vector, envp: Vector) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_execveat(fd, c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH) }) as c_int
}

/// Calls `try_one` with each file that `file` may mean, as execvp(3) searches for it, until that says it is done.
unsafe fn search(file: &CStr, mut try_one: impl FnMut(*const c_char) -> bool) {
    if file.to_bytes().contains(&b'/') || file.is_empty() {
        try_one(file.as_ptr());
        return;
    }
    let list = variable(c"PATH").map_or(&b"/bin:/usr/bin"[..], CStr::to_bytes);
    for directory in list.split(|c| *c == b':') {
        let mut path = PathText::new();
        // An empty directory in the list is the current one.
        let whole = path.push(directory) && (directory.is_empty() || path.push(b"/")) && path.push(file.to_bytes());
        if whole && try_one(path.as_c_str().as_ptr()) {
            return;
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn execvpe(file: *const c_char, argv: Vector, envp: Vector) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        if pod().is_none() || file.is_null() {
            return next!("execvpe", fn(*const c_char, Vector, Vector) -> c_int)(file, argv, envp);
        }
        let file = CStr::from_ptr(file);
        if file.is_empty() {
            return fail(libc::ENOENT);
        }
        let (mut last, mut denied) = (libc::ENOENT, false);
        search(file, |path| {
            last = -raw_execveat(libc::AT_FDCWD, path, argv, envp, 0) as i32;
            if last == libc::ENOEXEC {
                last = -script(path, argv, envp) as i32;
            }
            denied |= last == libc::EACCES;
            !matches!(last, libc::EACCES | libc::ENOENT | libc::ESTALE | libc::ENOTDIR | libc::ENODEV | libc::ETIMEDOUT)
        });
        fail(if denied { libc::EACCES } else { last })
    }
}

/// A file that the kernel does not know how to execute is a script for the shell (execvp(3)).
#[inline(never)]
unsafe fn script(path: *const c_char, argv: Vector, envp: Vector) -> isize {
    const FEW: usize = 256;
    let mut arguments = [core::ptr::null::<c_char>(); FEW];
    arguments[0] = c"/bin/sh".as_ptr();
    arguments[1] = path;
    // SAFETY: the caller's argv ends with null.
    unsafe {
        let mut at = 1;
        while !argv.is_null() && !(*argv).is_null() && !(*argv.add(at)).is_null() {
            if at + 2 >= FEW {
                return -libc::E2BIG as isize;
            }
            arguments[at + 1] = *argv.add(at);
            at += 1;
        }
        raw_execveat(libc::AT_FDCWD, c"/bin/sh".as_ptr(), arguments.as_ptr(), envp, 0)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn execvp(file: *const c_char, argv: Vector) -> c_int {
    // SAFETY: the caller's.
    unsafe { execvpe(file, argv, environ) }
}

/// execl, execlp and execle get their arguments in five registers and then on the stack: with the return address taken
/// off, the registers pushed there make the array complete.
macro_rules! variadic_exec {
    ($($name:ident => $array:ident;)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C-unwind" fn $name(path: *const c_char, first: *const c_char) -> c_int {
            naked_asm!(
                "pop r10",
                "push r9",
                "push r8",
                "push rcx",
                "push rdx",
                "push rsi",
                "mov rsi, rsp",
                "push r10",
                "call {array}",
                "pop r10",
                "add rsp, 40",
                "push r10",
                "ret",
                array = sym $array,
            )
        }
    )*};
}

variadic_exec! {
    execl => execv;
    execlp => execvp;
    execle => execle_array;
}

unsafe extern "C" fn execle_array(path: *const c_char, argv: Vector) -> c_int {
    // SAFETY: the environment follows the null that ends the arguments.
    unsafe {
        let mut end = argv;
        while !(*end).is_null() {
            end = end.add(1);
        }
        execve(path, argv, (*end.add(1)).cast())
    }
}

/// posix_spawnattr_t begins so in glibc (spawn.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attributes {
    flags: c_short,
    group: pid_t,
    rest: [u64; 41],
}

const _: () = assert!(size_of::<Attributes>() == size_of::<libc::posix_spawnattr_t>());

type Spawn = unsafe extern "C-unwind" fn(*mut pid_t, *const c_char, *const c_void, *const Attributes, Vector, Vector) -> c_int;

/// posix_spawn(3) makes its child inside of libc, where no hook of ours runs: its names are given before and after.
unsafe fn spawn(
    real: Spawn,
    id: *mut pid_t,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const Attributes,
    argv: Vector,
    envp: Vector,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let Some(table) = pod() else {
            let failed = real(id, path, actions, attributes, argv, envp);
            if failed == 0 && !id.is_null() {
                *id = made_at_rest(*id as isize) as pid_t;
            }
            return failed;
        };
        let mut own;
        let mut given = attributes;
        let mut session = false;
        if !attributes.is_null() {
            own = *attributes;
            session = own.flags & libc::POSIX_SPAWN_SETSID as c_short != 0;
            if own.flags & libc::POSIX_SPAWN_SETPGROUP as c_short != 0 {
                match translate::group(table, own.group) {
                    Ok(group) => own.group = group,
                    Err(_) => return libc::EPERM,
                }
                given = &raw const own;
            }
        }
        let mut host = 0;
        let making = Making::begin();
        let failed = environment::with(table, envp, |envp| real(&mut host, path, actions, given, argv, envp));
        // The names may be the kernel's by now.
        let child = HostId::new(host).filter(|_| failed == 0).and_then(|host| pod()?.virtual_for_task(host));
        drop(making);
        if failed != 0 {
            return failed;
        }
        if let Some(child) = child.filter(|_| session) {
            table.mark_session(child);
        }
        if !id.is_null() {
            *id = child.map_or(host, VirtualId::raw);
        }
        0
    }
}

unsafe fn refused(table: Option<Table>, path: *const c_char) -> bool {
    // SAFETY: the caller's path.
    table.is_some_and(|table| !path.is_null() && !may_execute(table, libc::AT_FDCWD, unsafe { CStr::from_ptr(path) }, 0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn posix_spawn(
    id: *mut pid_t,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const Attributes,
    argv: Vector,
    envp: Vector,
) -> c_int {
    let real = next!("posix_spawn", fn(*mut pid_t, *const c_char, *const c_void, *const Attributes, Vector, Vector) -> c_int);
    // SAFETY: the caller's.
    unsafe { if refused(pod(), path) { libc::EACCES } else { spawn(real, id, path, actions, attributes, argv, envp) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn posix_spawnp(
    id: *mut pid_t,
    file: *const c_char,
    actions: *const c_void,
    attributes: *const Attributes,
    argv: Vector,
    envp: Vector,
) -> c_int {
    let real = next!("posix_spawnp", fn(*mut pid_t, *const c_char, *const c_void, *const Attributes, Vector, Vector) -> c_int);
    // SAFETY: the caller's.
    unsafe {
        let mut refuse = false;
        if let Some(table) = pod().filter(|_| !file.is_null()) {
            let errno = get();
            search(CStr::from_ptr(file), |path| {
                let there = call!(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::X_OK) == 0;
                refuse = there && refused(Some(table), path);
                there
            });
            crate::sys::errno::set(errno);
        }
        if refuse { libc::EACCES } else { spawn(real, id, file, actions, attributes, argv, envp) }
    }
}
