//! The few system calls that the standard library has not.

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;

fn checked(ret: libc::c_long) -> Result<libc::c_long> {
    if ret < 0 { Err(Error::last_os_error()) } else { Ok(ret) }
}

/// A file in memory that every program started from here inherits, with these contents.
pub fn inherited_file(contents: &str) -> Result<File> {
    // SAFETY: a NUL-terminated name; the descriptor is new and ours.
    let mut file = unsafe { File::from_raw_fd(checked(libc::syscall(libc::SYS_memfd_create, c"inherited".as_ptr(), 0))? as i32) };
    std::io::Write::write_all(&mut file, contents.as_bytes())?;
    Ok(file)
}

/// A new pseudo terminal: its master, and the number of the other side.
pub fn terminal() -> Result<(File, u32)> {
    let master = File::options().read(true).write(true).open("/dev/ptmx")?;
    let (mut number, unlocked) = (0u32, 0i32);
    // SAFETY: both commands take a pointer to an integer, which lives across the call.
    unsafe {
        checked(libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked).into())?;
        checked(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number).into())?;
        libc::fcntl(master.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
    }
    Ok((master, number))
}

/// How many bytes wait to be read.
pub fn waiting(file: &File) -> i32 {
    let mut count = 0;
    // SAFETY: FIONREAD writes an integer, which lives across the call.
    unsafe { libc::ioctl(file.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    count
}

/// What is typed counts at once, not line by line.
pub fn without_lines(file: &File) {
    // SAFETY: termios is plain data, filled by the first call and read by the second.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        libc::tcgetattr(file.as_raw_fd(), &raw mut settings);
        settings.c_lflag &= !(libc::ICANON | libc::ECHO);
        libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &raw const settings);
    }
}

pub fn io_priority(pid: u32) -> i64 {
    // SAFETY: takes integers. 1: of a process.
    unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid) }
}

/// Whether the file has capabilities for whoever executes it on the host.
pub fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
    let mut value = [0u8; 64];
    // SAFETY: NUL-terminated strings, and a buffer of the size that is passed.
    let n = unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    // 24 bytes with another user namespace's root in the last four: of no use on the host.
    n == 20 || (n == 24 && value[20..24] == [0; 4])
}

/// Whether a file has an access list (acl(5)).
pub fn has_access_list(path: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
    // SAFETY: NUL-terminated strings; nothing is written where the size is zero.
    unsafe { libc::getxattr(path.as_ptr(), c"system.posix_acl_access".as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// The handle of a file, as hexadecimal digits, and its type (name_to_handle_at(2)).
pub fn handle(path: &Path) -> Result<(String, i32)> {
    #[repr(C)]
    struct Handle {
        size: u32,
        kind: i32,
        bytes: [u8; 128],
    }
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let (mut handle, mut mount) = (Handle { size: 128, kind: 0, bytes: [0; 128] }, 0i32);
    // SAFETY: the structure has room for the size it states, and all pointers live across the call.
    checked(unsafe {
        libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, name.as_ptr(), &raw mut handle, &raw mut mount, 0)
    })?;
    let digits = handle.bytes[..handle.size as usize].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((digits, handle.kind))
}

/// Takes the interface of the loopback up in a net namespace of our own.
pub fn loopback_up() -> Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: ifreq is plain data; the name fits and is NUL-terminated by the zeroes.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        checked(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request).into())?;
    }
    Ok(())
}

/// mount(2), without a source where none matters.
pub fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> Result<()> {
    let [source, target, kind, data] = [source, target, kind, data].map(|text| std::ffi::CString::new(text).unwrap_or_default());
    // SAFETY: NUL-terminated strings that live across the call.
    let ret = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    checked(ret.into()).map(drop)
}

/// Reaps a child that is not one of `kept`: processes whose parents ended come to the first process of a pid namespace.
pub fn reap_orphans(kept: &[u32]) {
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let dead = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with("Z 1 "));
        if dead && !kept.contains(&(pid as u32)) {
            // SAFETY: a null status is allowed; only this zombie is waited for.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
        }
    }
}

/// Signals a process.
pub fn kill(pid: u32, signal: i32) {
    // SAFETY: kill(2) takes two integers.
    unsafe { libc::kill(pid as i32, signal) };
}
