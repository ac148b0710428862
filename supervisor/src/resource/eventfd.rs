//! eventfd(2): a counter, and whether reads take one (EFD_SEMAPHORE) or all.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Context, Nascent, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub count: u64,
    pub semaphore: bool,
    pub flags: i32,
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.label() == "anon_inode:[eventfd]"
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let count = seen.info.get("eventfd-count").and_then(|count| u64::from_str_radix(count, 16).ok());
    let Some(count) = count else {
        return Err(seen.refuse("this kernel does not tell its counter", "restart the pod on Linux 3.8 or newer"));
    };
    let semaphore = match seen.info.get("eventfd-semaphore") {
        Some(value) => value == "1",
        // before Linux 6.5: a read tells, and what it took is put back
        None => is_semaphore(seen)?,
    };
    Ok(Record { count, semaphore, flags: seen.status_flags() })
}

fn is_semaphore(seen: &Seen) -> Result<bool> {
    let doing = || format!("find out whether {} is a semaphore", seen.title());
    let count = seen.info.get("eventfd-count").and_then(|count| u64::from_str_radix(count, 16).ok()).unwrap_or(0);
    // a semaphore gives 1 of 2, a counter gives both
    let add = 2u64.saturating_sub(count);
    let flags = seen.status_flags();
    super::file_object::set_status(&seen.fd, flags | libc::O_NONBLOCK).doing(doing)?;
    if add > 0 {
        nix::unistd::write(&seen.fd, &add.to_ne_bytes()).doing(doing)?;
    }
    let mut taken = [0u8; 8];
    nix::unistd::read(&seen.fd, &mut taken).doing(doing)?;
    let taken = u64::from_ne_bytes(taken);
    let semaphore = taken == 1;
    let back = count as i128 - ((count + add) - taken) as i128;
    if back > 0 {
        nix::unistd::write(&seen.fd, &(back as u64).to_ne_bytes()).doing(doing)?;
    }
    for _ in back..0 {
        nix::unistd::read(&seen.fd, &mut [0u8; 8]).doing(doing)?;
    }
    super::file_object::set_status(&seen.fd, flags).doing(doing)?;
    Ok(semaphore)
}

pub(super) fn open(record: &Record, id: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let doing = || format!("make the eventfd of open file {id}");
    let semaphore = if record.semaphore { libc::EFD_SEMAPHORE } else { 0 };
    let fd = crate::sys::events::eventfd(libc::EFD_CLOEXEC | libc::EFD_NONBLOCK | semaphore).doing(doing)?;
    if record.count > 0 {
        nix::unistd::write(&fd, &record.count.to_ne_bytes()).doing(doing)?;
    }
    super::file_object::set_status(&fd, record.flags & !libc::O_ASYNC).doing(doing)?;
    Ok(fd)
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::round_trip;
    use super::*;

    fn made(count: u64, flags: i32) -> OwnedFd {
        let fd = crate::sys::events::eventfd(flags | libc::EFD_NONBLOCK).unwrap();
        if count > 0 {
            nix::unistd::write(&fd, &count.to_ne_bytes()).unwrap();
        }
        fd
    }

    fn read(fd: &OwnedFd) -> Option<u64> {
        let mut buffer = [0u8; 8];
        nix::unistd::read(fd, &mut buffer).ok().map(|_| u64::from_ne_bytes(buffer))
    }

    #[test]
    fn counters_and_semaphores_come_back() {
        let fds = vec![made(7, 0), made(7, libc::EFD_SEMAPHORE), made(0, 0), made(u64::MAX - 1, 0)];
        let again = round_trip(fds, || ());
        assert_eq!((read(&again[0]), read(&again[0])), (Some(7), None));
        assert_eq!((read(&again[1]), read(&again[1])), (Some(1), Some(1)));
        assert_eq!(read(&again[2]), None);
        assert_eq!(read(&again[3]), Some(u64::MAX - 1));
    }
}
