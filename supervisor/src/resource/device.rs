//! Device nodes without state (null(4), full(4), random(4)). All other devices are refused by name.
use super::descriptor::{InFlight, Seen};
use super::file_object::{exists, path_bytes};
use super::{Capture, Context, Nascent, Result};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Major and minor number.
    pub number: (u32, u32),
    pub flags: i32,
}

const STATELESS: [((u32, u32), &str); 5] =
    [((1, 3), "/dev/null"), ((1, 5), "/dev/zero"), ((1, 7), "/dev/full"), ((1, 8), "/dev/random"), ((1, 9), "/dev/urandom")];

fn number(device: u64) -> (u32, u32) {
    (nix::sys::stat::major(device) as u32, nix::sys::stat::minor(device) as u32)
}

pub(super) fn recognise(seen: &Seen) -> bool {
    matches!(seen.kind(), libc::S_IFCHR | libc::S_IFBLK)
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let number = number(seen.stat.st_rdev);
    if seen.kind() == libc::S_IFBLK || !STATELESS.iter().any(|(known, _)| *known == number) {
        return Err(seen.refuse(
            format!("it is the device {}:{}, whose state is in this machine", number.0, number.1),
            "let the program close it first",
        ));
    }
    Ok(Record { path: seen.link.clone(), number, flags: seen.status_flags() })
}

pub(super) fn open(record: &Record, _: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let is_it = |path: &Path| {
        nix::sys::stat::stat(path)
            .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFCHR && number(stat.st_rdev) == record.number)
    };
    let usual = STATELESS.iter().find(|(known, _)| *known == record.number).map(|(_, path)| Path::new(*path));
    let path = if exists(&record.path) && is_it(&record.path) { record.path.as_path() } else { usual.unwrap_or(&record.path) };
    let flags = OFlag::from_bits_retain(record.flags & !libc::O_ASYNC | libc::O_CLOEXEC);
    nix::fcntl::open(path, flags, Mode::empty()).doing(|| format!("open the device {}", path.display()))
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{refusal, round_trip};
    use std::os::fd::AsFd;

    #[test]
    fn devices_without_state_come_back() {
        let names = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
        let fds = names.iter().map(|name| std::fs::File::open(name).unwrap().into()).collect();
        for (name, fd) in names.iter().zip(round_trip(fds, || ())) {
            let (a, b) = (nix::sys::stat::stat(*name).unwrap(), nix::sys::stat::fstat(&fd).unwrap());
            assert_eq!(a.st_rdev, b.st_rdev);
        }
    }

    #[test]
    fn other_devices_are_refused_by_name() {
        let Ok(fd) = std::fs::File::open("/dev/kmsg") else { return };
        let message = refusal(fd.as_fd());
        assert!(message.contains("/dev/kmsg") && message.contains("1:11"), "{message}");
    }
}
