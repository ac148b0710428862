//! From the pod's names to the host's and back. Pure functions of the table; an error is the errno the kernel would give
//! if the host's other processes did not exist.

use autopod_namespace::{HostId, HostIpc, IpcKind, Table, VirtualId, VirtualIpc};

pub type Errno = i32;

/// The host id of a living task, or of a zombie. 0 is the caller for most system calls, and stays 0.
#[inline]
pub fn task(table: Table, id: i32) -> Result<i32, Errno> {
    if id == 0 {
        return Ok(0);
    }
    VirtualId::new(id).and_then(|id| table.task_of(id)).map(HostId::raw).ok_or(libc::ESRCH)
}

/// The host id of a group or session. 0 stays 0.
#[inline]
pub fn group(table: Table, id: i32) -> Result<i32, Errno> {
    if id == 0 {
        return Ok(0);
    }
    VirtualId::new(id).and_then(|id| table.host_of(id)).map(HostId::raw).ok_or(libc::ESRCH)
}

/// A task (over 0), the caller's group (0), or a group (below -1), as kill(2) and waitpid(2) take them. -1 stays -1.
#[inline]
pub fn task_or_group(table: Table, id: i32) -> Result<i32, Errno> {
    match id {
        1.. => task(table, id),
        0 | -1 => Ok(id),
        _ => group(table, id.checked_neg().ok_or(libc::ESRCH)?).map(|host| -host),
    }
}

/// The pod's name for a host id; 0 for what is not the pod's, as pid_namespaces(7) says. Numbers below 1 are no ids.
#[inline]
pub fn back(table: Table, host: i32) -> i32 {
    match HostId::new(host) {
        Some(host) => table.virtual_of(host).map_or(0, VirtualId::raw),
        None => host,
    }
}

/// The pod's name for a task that is known to be the pod's (a child, say), given now when it has none yet.
#[inline]
pub fn back_own(table: Table, host: i32) -> i32 {
    match HostId::new(host) {
        Some(host) => table.virtual_for(host).map_or(0, VirtualId::raw),
        None => host,
    }
}

#[inline]
pub fn ipc(table: Table, kind: IpcKind, id: i32) -> Result<i32, Errno> {
    table.host_ipc(kind, VirtualIpc(id)).map(|host| host.0).ok_or(libc::EINVAL)
}

#[inline]
pub fn ipc_back(table: Table, kind: IpcKind, host: i32) -> Option<i32> {
    table.virtual_ipc(kind, HostIpc(host)).map(|id| id.0)
}

/// A CPU clock's id holds the id of its task: `!task << 3 | kind`, kind 3 being a descriptor's (clock_getcpuclockid(3),
/// include/linux/posix-timers.h). Task 0 is the caller.
pub fn clock(table: Table, clock: i32, translate: impl Fn(Table, i32) -> Result<i32, Errno>) -> Result<i32, Errno> {
    if clock >= 0 || clock & 3 == 3 {
        return Ok(clock);
    }
    translate(table, !(clock >> 3)).map(|task| !task << 3 | clock & 7).map_err(|_| libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autopod_namespace::{Settings, Unreachable};

    fn table() -> Table {
        let path = format!("/tmp/autopod-translate-{}-{:?}\0", std::process::id(), std::thread::current().id());
        let path = std::ffi::CStr::from_bytes_with_nul(path.as_bytes()).unwrap();
        let settings = Settings { pod_name: "t", pod_id: 0, hostname: b"t", domainname: b"", unreachable: Unreachable::Refuse };
        let table = Table::create(path, &settings).unwrap();
        std::fs::remove_file(path.to_str().unwrap()).unwrap();
        table.insert(VirtualId::new(7).unwrap(), HostId::new(7000).unwrap());
        table
    }

    #[test]
    fn numbers_that_are_no_ids_stay() {
        let table = table();
        assert_eq!(task(table, 0), Ok(0));
        assert_eq!(task(table, -5), Err(libc::ESRCH));
        assert_eq!(task(table, i32::MAX), Err(libc::ESRCH));
        assert_eq!(task_or_group(table, 7), Ok(7000));
        assert_eq!(task_or_group(table, -7), Ok(-7000));
        assert_eq!(task_or_group(table, -1), Ok(-1));
        assert_eq!(task_or_group(table, i32::MIN), Err(libc::ESRCH));
        assert_eq!(back(table, 7000), 7);
        assert_eq!(back(table, 7), 0);
        assert_eq!(back(table, -1), -1);
    }

    #[test]
    fn a_group_outlives_its_leader_and_the_leader_is_gone() {
        let table = table();
        table.reaped(HostId::new(7000).unwrap());
        assert_eq!(task(table, 7), Err(libc::ESRCH));
        assert_eq!(group(table, 7), Ok(7000));
        assert_eq!(back(table, 7000), 7);
    }

    #[test]
    fn clocks_of_tasks_go_there_and_back() {
        let table = table();
        for kind in [0, 1, 2, 4, 5, 6] {
            let there = clock(table, !7 << 3 | kind, task).unwrap();
            assert_eq!(there, !7000 << 3 | kind);
            assert_eq!(clock(table, there, |t, h| Ok(back(t, h))), Ok(!7 << 3 | kind));
        }
        assert_eq!(clock(table, libc::CLOCK_MONOTONIC, task), Ok(libc::CLOCK_MONOTONIC));
        assert_eq!(clock(table, !8 << 3 | 2, task), Err(libc::EINVAL));
        assert_eq!(clock(table, !8 << 3 | 3, task), Ok(!8 << 3 | 3));
    }
}
