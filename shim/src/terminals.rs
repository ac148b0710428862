//! Pseudo terminals by the pod's numbers (pty(7)): in paths, and in device numbers, whose minor part is the number.

use autopod_namespace::{HostTerminal, PathText, Table, VirtualTerminal};

use crate::init::pod;
use crate::sys::call::call;
use crate::text;

pub const TIOCGPTN: core::ffi::c_ulong = 0x8004_5430;

const DIRECTORY: &[u8] = b"/dev/pts";

/// Major number of the slaves, the first of eight (include/uapi/linux/major.h).
const SLAVES: u32 = 136;

/// The pod's number for a terminal that it can see: the one it has, or a new one.
pub fn number(table: Table, host: u32) -> u32 {
    // Where /dev/pts cannot be seen (chroot(2)), nothing is known to be gone.
    let judge = exists(host);
    table.virtual_terminal_for(HostTerminal(host), |other| !judge || exists(other.0)).map_or(host, |id| id.0)
}

fn exists(host: u32) -> bool {
    // SAFETY: access only reads the path.
    unsafe { call!(libc::SYS_access, path(host).as_c_str().as_ptr(), libc::F_OK) != -libc::ENOENT as isize }
}

/// `/dev/pts/` and the number.
pub fn path(number: u32) -> PathText {
    let mut path = PathText::new();
    path.push(DIRECTORY);
    path.push(b"/");
    path.push_number(number.into());
    path
}

/// The number in the name of a terminal: digits, no leading zero.
fn parse(name: &[u8]) -> Option<u32> {
    if name == b"0" { Some(0) } else { text::id(name).map(|number| number as u32) }
}

/// The host's name for the entry `name` of /dev/pts.
pub fn to_host(table: Table, name: &[u8]) -> PathText {
    let mut host = PathText::new();
    match parse(name) {
        // No terminal has the number -1, so that the kernel says ENOENT.
        Some(number) => match table.host_terminal(VirtualTerminal(number)) {
            Some(terminal) => host.push_number(terminal.0.into()),
            None => host.push(b"-1"),
        },
        None => host.push(name),
    };
    host
}

/// The pod's name for an entry of /dev/pts; `None` when it is another's terminal.
pub fn from_host(table: Table, name: &[u8]) -> Option<PathText> {
    let mut own = PathText::new();
    match parse(name) {
        Some(host) => own.push_number(table.virtual_terminal(HostTerminal(host))?.0.into()),
        None => own.push(name),
    };
    Some(own)
}

/// The number in the host's path of a terminal, as the kernel shows it.
pub fn in_path(path: &[u8]) -> Option<u32> {
    parse(path.strip_prefix(DIRECTORY)?.strip_prefix(b"/")?)
}

/// The number of the slave with these device numbers.
fn in_device(major: u32, minor: u32) -> Option<u32> {
    (SLAVES..SLAVES + 8).contains(&major).then(|| (major - SLAVES) << 20 | minor)
}

fn device_of(number: u32) -> (u32, u32) {
    (SLAVES + (number >> 20), number & 0xf_ffff)
}

/// A device number as the kernel has it in /proc/PID/stat and TIOCGDEV: 12 bits of major between the low 8 and the high 12 bits of minor.
pub fn short_device(table: Table, device: u32) -> u32 {
    let Some(host) = in_device(device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00) else { return device };
    let (major, minor) = device_of(number(table, host));
    minor & 0xff | major << 8 | (minor & !0xff) << 12
}

/// # Safety
/// `state` was filled in by the kernel.
#[inline(always)]
pub unsafe fn after_stat(state: *mut libc::stat) {
    // SAFETY: the caller's.
    unsafe {
        if (*state).st_mode & libc::S_IFMT == libc::S_IFCHR {
            translate_stat(&mut *state);
        }
    }
}

#[cold]
fn translate_stat(state: &mut libc::stat) {
    let Some(host) = in_device(libc::major(state.st_rdev), libc::minor(state.st_rdev)) else { return };
    let Some(table) = pod() else { return };
    let own = number(table, host);
    let (major, minor) = device_of(own);
    state.st_rdev = libc::makedev(major, minor);
    if state.st_ino == inode(host) {
        state.st_ino = inode(own);
    }
}

/// As devpts numbers them (fs/devpts/inode.c).
pub fn inode(number: u32) -> u64 {
    u64::from(number) + 3
}

/// # Safety
/// `state` was filled in by the kernel.
pub unsafe fn after_statx(state: *mut libc::statx) {
    // SAFETY: the caller's.
    let state = unsafe { &mut *state };
    let terminal = (u32::from(state.stx_mode) & libc::S_IFMT == libc::S_IFCHR)
        .then(|| in_device(state.stx_rdev_major, state.stx_rdev_minor))
        .flatten();
    if let (Some(host), Some(table)) = (terminal, pod()) {
        let own = number(table, host);
        (state.stx_rdev_major, state.stx_rdev_minor) = device_of(own);
        if state.stx_ino == inode(host) {
            state.stx_ino = inode(own);
        }
    }
}

/// Gives the terminal of a master that was just opened its number.
pub fn notice(master: i32) {
    if let Some(table) = pod().filter(|_| master >= 0) {
        let _ = of_master(table, master);
    }
}

/// The number of a master's terminal, or the errno of TIOCGPTN.
pub fn of_master(table: Table, master: i32) -> Result<u32, isize> {
    let mut host = 0u32;
    // SAFETY: the kernel writes one number.
    let done = unsafe { call!(libc::SYS_ioctl, master, TIOCGPTN, &raw mut host) };
    if done < 0 { Err(done) } else { Ok(number(table, host)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autopod_namespace::{Settings, Unreachable};

    #[test]
    fn numbers_go_there_and_back() {
        let file = format!("/tmp/autopod-terminals-{}\0", std::process::id());
        let file = std::ffi::CStr::from_bytes_with_nul(file.as_bytes()).unwrap();
        let settings = Settings { pod_name: "t", pod_id: 1, hostname: b"t", domainname: b"", unreachable: Unreachable::Refuse };
        let table = Table::create(file, &settings).unwrap();
        std::fs::remove_file(file.to_str().unwrap()).unwrap();
        table.insert_terminal(VirtualTerminal(0), HostTerminal(70_000));
        table.insert_terminal(VirtualTerminal(70_001), HostTerminal(0));
        assert_eq!(to_host(table, b"0").as_str(), "70000");
        assert_eq!(to_host(table, b"1").as_str(), "-1");
        assert_eq!(to_host(table, b"ptmx").as_str(), "ptmx");
        assert_eq!(from_host(table, b"0").unwrap().as_str(), "70001");
        assert!(from_host(table, b"1").is_none());
        assert_eq!(in_path(b"/dev/pts/12"), Some(12));
        assert_eq!(in_path(b"/dev/pts/12 (deleted)"), None);
        assert_eq!(in_path(b"/dev/ptmx"), None);
        // 136:0 and 136:70001
        assert_eq!(short_device(table, 0x8800), 0x1110_8871);
        assert_eq!(short_device(table, 0x1110_8870), 0x8800);
        assert_eq!(short_device(table, 0x0501), 0x0501);
        // SAFETY: all zeroes is a valid stat.
        let mut state: libc::stat = unsafe { core::mem::zeroed() };
        (state.st_mode, state.st_rdev, state.st_ino) = (libc::S_IFCHR, libc::makedev(1, 3), 3);
        // SAFETY: filled in above.
        unsafe { after_stat(&mut state) };
        assert_eq!((state.st_rdev, state.st_ino), (libc::makedev(1, 3), 3));
    }
}
