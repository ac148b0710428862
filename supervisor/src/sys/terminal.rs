//! ioctl(2) requests of terminals (ioctl_tty(2)).
use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const TIOCSPTLCK: libc::c_ulong = 0x4004_5431;
const TIOCGPTLCK: libc::c_ulong = 0x8004_5439;
const TIOCGPTN: libc::c_ulong = 0x8004_5430;
const TIOCGPTPEER: libc::c_ulong = 0x5441;
const TIOCPKT: libc::c_ulong = 0x5420;
const TIOCGPKT: libc::c_ulong = 0x8004_5438;
const TIOCGEXCL: libc::c_ulong = 0x8004_5440;
const TIOCEXCL: libc::c_ulong = 0x540c;
const TIOCNXCL: libc::c_ulong = 0x540d;
const TIOCGSID: libc::c_ulong = 0x5429;
const TIOCGPGRP: libc::c_ulong = 0x540f;
const TCGETS2: libc::c_ulong = 0x802c_542a;
const TCSETS2: libc::c_ulong = 0x402c_542b;

/// TCXONC: starts output, or stops it (tcflow(3)).
pub fn set_flow(terminal: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    const TCXONC: libc::c_ulong = 0x540a;
    let action = if on { libc::TCOON } else { libc::TCOOFF };
    // SAFETY: no data.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), TCXONC, action) }.into()).map(drop)
}

/// struct termios2 of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Termios {
    pub input: u32,
    pub output: u32,
    pub control: u32,
    pub local: u32,
    pub line: u8,
    pub characters: [u8; 19],
    pub input_speed: u32,
    pub output_speed: u32,
}

fn get_int(fd: BorrowedFd<'_>, request: libc::c_ulong) -> io::Result<i32> {
    let mut value = 0i32;
    // SAFETY: these requests write one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut value) }.into())?;
    Ok(value)
}

fn set_int(fd: BorrowedFd<'_>, request: libc::c_ulong, value: i32) -> io::Result<()> {
    // SAFETY: these requests read one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw const value) }.into()).map(drop)
}

/// The number of a master's slave; an error for what is no master.
pub fn index(master: BorrowedFd<'_>) -> io::Result<u32> {
    get_int(master, TIOCGPTN).map(|n| n as u32)
}

pub fn locked(master: BorrowedFd<'_>) -> io::Result<bool> {
    get_int(master, TIOCGPTLCK).map(|locked| locked != 0)
}

pub fn set_locked(master: BorrowedFd<'_>, locked: bool) -> io::Result<()> {
    set_int(master, TIOCSPTLCK, locked.into())
}

pub fn packet_mode(master: BorrowedFd<'_>) -> io::Result<bool> {
    get_int(master, TIOCGPKT).map(|on| on != 0)
}

pub fn set_packet_mode(master: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set_int(master, TIOCPKT, on.into())
}

pub fn exclusive(terminal: BorrowedFd<'_>) -> io::Result<bool> {
    get_int(terminal, TIOCGEXCL).map(|on| on != 0)
}

pub fn set_exclusive(terminal: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    // SAFETY: no data.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), if on { TIOCEXCL } else { TIOCNXCL }) }.into()).map(drop)
}

/// The session that a terminal controls, asked through its master.
pub fn session(master: BorrowedFd<'_>) -> Option<i32> {
    get_int(master, TIOCGSID).ok().filter(|id| *id > 0)
}

/// The foreground group, asked through the master.
pub fn foreground(master: BorrowedFd<'_>) -> Option<i32> {
    get_int(master, TIOCGPGRP).ok().filter(|id| *id > 0)
}

/// Opens a master's slave, without its name.
pub fn peer(master: BorrowedFd<'_>, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: this request takes flags, and gives a descriptor.
    let fd = check(unsafe { libc::ioctl(master.as_raw_fd(), TIOCGPTPEER, flags | libc::O_NOCTTY) }.into())?;
    // O_CLOEXEC given above would stay in the flags of the open file, and show in the fdinfo of every duplicate
    // SAFETY: sets a flag of the descriptor that the kernel just gave us.
    check(unsafe { libc::fcntl(fd as i32, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub fn termios(terminal: BorrowedFd<'_>) -> io::Result<Termios> {
    let mut termios = Termios::default();
    // SAFETY: `Termios` has the layout of struct termios2.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), TCGETS2, &raw mut termios) }.into())?;
    Ok(termios)
}

pub fn set_termios(terminal: BorrowedFd<'_>, termios: &Termios) -> io::Result<()> {
    // SAFETY: as above; the kernel only reads it.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), TCSETS2, std::ptr::from_ref(termios)) }.into()).map(drop)
}

/// Rows, columns, and the size in pixels (TIOCGWINSZ).
pub fn size(terminal: BorrowedFd<'_>) -> io::Result<[u16; 4]> {
    let mut size = [0u16; 4];
    // SAFETY: struct winsize is four shorts.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) }.into())?;
    Ok(size)
}

/// TIOCSWINSZ.
pub fn set_size(terminal: BorrowedFd<'_>, size: [u16; 4]) -> io::Result<()> {
    // SAFETY: as above; the kernel only reads it.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, size.as_ptr()) }.into()).map(drop)
}

/// The device behind a descriptor on /dev/tty (TIOCGDEV): major and minor number.
pub fn device(terminal: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    const TIOCGDEV: libc::c_ulong = 0x8004_5432;
    let number = get_int(terminal, TIOCGDEV)? as u32;
    Ok((u64::from(number >> 8 & 0xfff), u64::from(number & 0xff | number >> 12 & 0xf_ff00)))
}
