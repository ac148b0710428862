//! Unix sockets at paths of any length: `sun_path` holds 108 bytes, a directory's path may be longer.
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Calls `act` with an address of `path`: the path itself or, if too long, one through /proc/self/fd.
fn with_address<T>(path: &Path, act: impl FnOnce(&UnixAddr) -> nix::Result<T>) -> io::Result<T> {
    if let Ok(address) = UnixAddr::new(path) {
        return Ok(act(&address)?);
    }
    let (dir, name) = path.parent().zip(path.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
    let dir = open(dir, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    Ok(act(&UnixAddr::new(&short)?)?)
}

/// Listens at `path`, in place of any dead socket that lies there. Non-blocking.
pub fn listen_at(path: &Path, kind: SockType) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let fd = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    with_address(path, |address| bind(fd.as_raw_fd(), address))?;
    listen(&fd, Backlog::new(128)?)?;
    Ok(fd)
}

/// The next connection of a non-blocking listener; the connection itself blocks.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(crate::sys::passing::accept(listener)?)
}

/// Connects to `path`.
pub fn connect_to(path: &Path, kind: SockType) -> io::Result<OwnedFd> {
    let fd = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)?;
    with_address(path, |address| connect(fd.as_raw_fd(), address))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_longer_than_an_address_works() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(100)).join("y".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("s.sock");
        assert!(connect_to(&path, SockType::SeqPacket).is_err());
        let _listener = listen_at(&path, SockType::SeqPacket).unwrap();
        connect_to(&path, SockType::SeqPacket).unwrap();
        let _again = listen_at(&path, SockType::SeqPacket).unwrap();
    }
}
