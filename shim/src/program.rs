//! Whether a preloaded library can reach a program: not when it is static (nobody loads libraries into it), nor when it
//! changes user or group on exec (the dynamic linker then ignores LD_PRELOAD, ld.so(8)).

use core::ffi::CStr;

use autopod_namespace::{PathText, Table, Unreachable};

use crate::init::complain;
use crate::sys::call::call;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Yes,
    Static,
    OtherClass,
    Privileged,
}

/// What `Table::unreachable` says about executing `path`: false when it is to be refused. A file that cannot be read
/// or is no program is left to exec to judge.
pub fn may_execute(table: Table, directory: i32, path: &CStr, flags: i32) -> bool {
    let reach = reach(directory, path, flags, 0);
    let why: &[u8] = match reach {
        Reach::Yes => return true,
        Reach::Static => b" is statically linked",
        Reach::OtherClass => b" is not a 64-bit program",
        Reach::Privileged => b" changes its user, group or capabilities when it is executed",
    };
    let (verdict, may): (&[u8], bool) = match table.unreachable() {
        Unreachable::Refuse => (b"refused; start the pod with --names kernel, or with --allow-unshimmed to run it anyway", false),
        Unreachable::Warn => (b"it runs with the host's names, which a restart does not keep", true),
    };
    let name = if path.is_empty() { c"the program".to_bytes() } else { path.to_bytes() };
    complain(&[name, why, b", so that its names cannot be virtualized by the shim: ", verdict]);
    may
}

fn reach(directory: i32, path: &CStr, flags: i32, depth: u32) -> Reach {
    let mut head = [0u8; 1024];
    // SAFETY: all zeroes is a valid stat; the calls write our own memory.
    let (read, state) = unsafe {
        let mut state: libc::stat = core::mem::zeroed();
        if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            // The descriptor itself (fexecve): its offset is not to move, and it may be O_PATH.
            let mut own = PathText::new();
            own.push(b"/proc/self/fd/");
            own.push_number(directory as u64);
            return if depth == 0 { reach(libc::AT_FDCWD, own.as_c_str(), 0, 1) } else { Reach::Yes };
        }
        let how = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        let fd = call!(libc::SYS_openat, directory, path.as_ptr(), how, 0);
        if fd < 0 {
            return Reach::Yes;
        }
        call!(libc::SYS_fstat, fd, &raw mut state);
        let read = call!(libc::SYS_pread64, fd, head.as_mut_ptr(), head.len(), 0);
        call!(libc::SYS_close, fd);
        (read, state)
    };
    if state.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Reach::Yes;
    }
    let head = &head[..read.max(0) as usize];
    if let Some(line) = head.strip_prefix(b"#!") {
        return if depth < 5 {
            interpreter(line).map_or(Reach::Yes, |path| reach(libc::AT_FDCWD, path.as_c_str(), 0, depth + 1))
        } else {
            Reach::Yes
        };
    }
    if !head.starts_with(b"\x7fELF") {
        return Reach::Yes;
    }
    if changes_identity(directory, path, &state) {
        return Reach::Privileged;
    }
    let name = path.to_bytes().rsplit(|c| *c == b'/').next().unwrap_or(b"");
    // The dynamic linker itself, given a program as its argument.
    if name.starts_with(b"ld-linux") || name.starts_with(b"ld.so") {
        return Reach::Yes;
    }
    linkage(head)
}

fn interpreter(line: &[u8]) -> Option<PathText> {
    let line = line.split(|c| *c == b'\n').next()?;
    let path = line.split(|c| matches!(c, b' ' | b'\t')).find(|part| !part.is_empty())?;
    let mut text = PathText::new();
    text.push(path).then_some(text)
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Reads the ELF header and program headers (elf(5)). Offsets are those of Elf64_Ehdr and Elf64_Phdr.
fn linkage(head: &[u8]) -> Reach {
    const CLASS64: u8 = 2;
    const INTERPRETER: usize = 3;
    if head.get(4) != Some(&CLASS64) {
        return Reach::OtherClass;
    }
    let headers = || -> Option<bool> {
        let (table, size, count) = (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?);
        for header in 0..count {
            // A table of program headers behind the first kilobyte is nothing that linkers make: let it pass.
            if number(head, table.checked_add(header * size)?, 4)? == INTERPRETER {
                return Some(true);
            }
        }
        Some(false)
    };
    if headers() == Some(false) { Reach::Static } else { Reach::Yes }
}

fn changes_identity(directory: i32, path: &CStr, state: &libc::stat) -> bool {
    // SAFETY: calls without arguments, or that only read the path and write nothing.
    unsafe {
        let (uid, gid) = (call!(libc::SYS_getuid) as u32, call!(libc::SYS_getgid) as u32);
        let user = state.st_mode & libc::S_ISUID != 0 && state.st_uid != uid;
        let runs_as_group = libc::S_ISGID | libc::S_IXGRP;
        let group = state.st_mode & runs_as_group == runs_as_group && state.st_gid != gid;
        let capable = uid != 0
            && directory == libc::AT_FDCWD
            && call!(libc::SYS_getxattr, path.as_ptr(), c"security.capability".as_ptr(), 0, 0) > 0;
        (user || group || capable) && call!(libc::SYS_prctl, libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_programs_are_reached_and_others_are_not() {
        assert_eq!(reach(libc::AT_FDCWD, c"/bin/sh", 0, 0), Reach::Yes);
        assert_eq!(reach(libc::AT_FDCWD, c"/usr/bin/ldd", 0, 0), Reach::Yes);
        assert_eq!(reach(libc::AT_FDCWD, c"/nonexistent", 0, 0), Reach::Yes);
        assert_eq!(reach(libc::AT_FDCWD, c"/lib64/ld-linux-x86-64.so.2", 0, 0), Reach::Yes);
        assert_eq!(linkage(b"\x7fELF\x01"), Reach::OtherClass);
        let mut fixed = [0u8; 128];
        fixed[..5].copy_from_slice(b"\x7fELF\x02");
        (fixed[32], fixed[54], fixed[56]) = (64, 56, 1);
        assert_eq!(linkage(&fixed), Reach::Static);
        fixed[64] = 3;
        assert_eq!(linkage(&fixed), Reach::Yes);
    }
}
