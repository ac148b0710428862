//! System V shared memory (shmget(2), shmop(2), shmctl(2)).
//!
//! A segment lives until it is removed and no longer attached. Its contents are stored page by page, those that were never
//! touched not at all. Attachments are mappings, named `/SYSV...`, whose inode number is the segment's id.
use super::memory::huge;
use super::sysv::{self, Permissions};
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::image::RunRef;
use crate::sys::ipc::{self, Attached};
use autopod_namespace::IpcKind;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub permissions: Permissions,
    pub size: u64,
    /// It goes when it is attached no more (SHM_DEST).
    pub removed: bool,
    pub locked: bool,
    pub creator: Vpid,
    /// (offset, content)
    pub content: Vec<(u64, RunRef)>,
    /// SHM_HUGETLB: the size of its pages.
    #[serde(default)]
    pub huge: Option<u64>,
}

const SHM_DEST: u32 = 0o1000;
const SHM_LOCKED: u32 = 0o2000;
const SHM_LOCK: i32 = 11;
const PAGE: usize = 4096;
/// The longest piece copied at once.
const PIECE: usize = 1 << 20;

/// The pod's id of the segment behind a mapping named `/SYSV...`, by the mapping's inode number.
pub fn segment_for(cx: &mut Capture, inode: u64) -> Result<u32> {
    let id = sysv::virtual_id(cx, IpcKind::Shm, inode as i32)?;
    id.map(|id| id as u32).ok_or_else(|| Error::Refused {
        object: format!("the shared memory segment {inode}"),
        reason: "it was not made by a program of the pod".into(),
        way_out: "let the program detach it first".into(),
    })
}

/// The id by which calls made at a restart know a segment. [`restore`] must have run.
pub fn host_id(cx: &mut Nascent, id: u32) -> Result<i32> {
    sysv::host_id(cx, IpcKind::Shm, id as i32)
}

/// The sizes of the segments in whole pages, and those of their pages, by their ids in the pod.
pub fn sizes(cx: &Nascent) -> Result<std::collections::HashMap<u32, (u64, u64)>> {
    let records: Vec<Record> = cx.section("sysv_shm")?;
    let sizes = records.iter().map(|record| {
        let page = record.huge.unwrap_or(PAGE as u64);
        (record.permissions.id as u32, (record.size.next_multiple_of(page.max(1)), page))
    });
    Ok(sizes.collect())
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for (id, host) in sysv::objects(cx, IpcKind::Shm)? {
        let data = match ipc::shm_stat(host) {
            Ok(data) => data,
            Err(error) if sysv::removed(&error) => continue,
            Err(error) => return Err(error).doing(|| format!("ask about shared memory segment {id}")),
        };
        records.push(capture_one(cx, id, host, &data)?);
    }
    cx.section("sysv_shm", &records)
}

fn capture_one(cx: &mut Capture, id: i32, host: i32, data: &libc::shmid_ds) -> Result<Record> {
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let mut permissions = Permissions::new(id, &data.shm_perm, table);
    let mode = permissions.mode;
    permissions.mode &= 0o777;
    let size = data.shm_segsz;
    let attached = Attached::new(host, size, libc::SHM_RDONLY).doing(|| format!("attach shared memory segment {id}"))?;
    let pages = || format!("find the pages of shared memory segment {id}");
    let own = cx.proc.read(&format!("{}/smaps", crate::sys::process::own_pid())).doing(pages)?;
    let own = crate::proc::parse_smaps(&own).unwrap_or_default();
    let page_size = own.iter().find(|map| map.start == attached.address()).map_or(PAGE as u64, |map| map.page_size);
    let huge = (page_size > PAGE as u64).then_some(page_size);
    // of huge pages mincore(2) tells only which ones we have touched ourselves
    let resident = match huge {
        Some(_) => vec![true; size.div_ceil(PAGE)],
        None => attached.resident().doing(pages)?,
    };
    let mut content = Vec::new();
    let mut page = 0;
    while page < resident.len() {
        if !resident[page] {
            page += 1;
            continue;
        }
        let most = (page + PIECE / PAGE).min(resident.len());
        let end = (page..most).find(|at| !resident[*at]).unwrap_or(most);
        let mut piece = vec![0u8; (end * PAGE).min(size) - page * PAGE];
        attached.read(page * PAGE, &mut piece);
        if piece.iter().any(|byte| *byte != 0) {
            content.push(((page * PAGE) as u64, cx.blob(&piece)?));
        }
        page = end;
    }
    Ok(Record {
        permissions,
        size: size as u64,
        removed: mode & SHM_DEST != 0,
        locked: mode & SHM_LOCKED != 0,
        creator: sysv::doer(cx, data.shm_cpid),
        content,
        huge,
    })
}

/// Makes the segments. Processes should exist, and nothing be attached yet.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("sysv_shm")?;
    for record in &records {
        let doing = || format!("restore shared memory segment {}", record.permissions.id);
        let huge = record.huge.map_or(0, huge::shmget_flags);
        let get = |key, flags: i32| (libc::SYS_shmget, [key as u64, record.size, (flags | huge) as u64]);
        let host = sysv::make(cx, IpcKind::Shm, &record.permissions, record.creator, get)?;
        {
            let attached = Attached::new(host, record.size as usize, 0).doing(doing)?;
            for (at, run) in &record.content {
                let data = cx.blob(run)?;
                if at.checked_add(data.len() as u64).is_none_or(|end| end > record.size) {
                    return Err(Error::Inconsistent(format!("contents of {} beyond its end", doing())));
                }
                attached.write(*at as usize, &data);
            }
        }
        if record.locked {
            ipc::shm_command(host, SHM_LOCK).doing(doing)?;
        }
        let mut data = ipc::shm_stat(host).doing(doing)?;
        record.permissions.fill(&mut data.shm_perm);
        ipc::shm_set(host, &data).doing(doing)?;
    }
    Ok(())
}

/// Removes what was removed but attached. Everything must be attached.
pub fn finish(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("sysv_shm")?;
    for record in records.iter().filter(|record| record.removed) {
        let host = host_id(cx, record.permissions.id as u32)?;
        ipc::shm_command(host, libc::IPC_RMID).doing(|| format!("remove shared memory segment {}", record.permissions.id))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{empty_capture, nascent};
    use super::super::sysv::tests::new_table;
    use super::*;
    use autopod_namespace::{HostIpc, VirtualIpc};

    #[test]
    fn segments_come_back_under_other_host_ids() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (new_table(directory.path(), "old"), new_table(directory.path(), "new"));
        let image = directory.path().join("image");
        let mut cx = empty_capture(&image);
        cx.stash.insert(sysv::TABLE.into(), Box::new(old));
        let host = ipc::shm_get(old.host_key(4711), 5 * PAGE, libc::IPC_CREAT | libc::IPC_EXCL | 0o640).unwrap();
        let bare = ipc::shm_get(libc::IPC_PRIVATE, 100, libc::IPC_CREAT | 0o600).unwrap();
        old.insert_ipc(IpcKind::Shm, VirtualIpc(77), HostIpc(host));
        old.insert_ipc(IpcKind::Shm, VirtualIpc(78), HostIpc(bare));
        Attached::new(host, 5 * PAGE, 0).unwrap().write(PAGE + 5, b"here");
        ipc::shm_command(host, SHM_LOCK).unwrap();
        let captured = capture(&mut cx);
        ipc::shm_command(host, libc::IPC_RMID).unwrap();
        ipc::shm_command(bare, libc::IPC_RMID).unwrap();
        captured.unwrap();
        let mut cx = nascent(cx, &image, Vec::new());
        cx.stash.insert(sysv::TABLE.into(), Box::new(new));
        restore(&mut cx).unwrap();
        let (again, bare) = (host_id(&mut cx, 77).unwrap(), host_id(&mut cx, 78).unwrap());
        let found = ipc::shm_get(new.host_key(4711), 0, 0);
        let data = ipc::shm_stat(again).unwrap();
        let mut text = [0u8; 6];
        Attached::new(again, 5 * PAGE, libc::SHM_RDONLY).unwrap().read(PAGE + 4, &mut text);
        ipc::shm_command(again, libc::IPC_RMID).unwrap();
        let size = ipc::shm_stat(bare).unwrap().shm_segsz;
        ipc::shm_command(bare, libc::IPC_RMID).unwrap();
        assert_eq!(found.unwrap(), again);
        assert_eq!((data.shm_segsz, u32::from(data.shm_perm.mode)), (5 * PAGE, 0o640 | SHM_LOCKED));
        assert_eq!((&text, size), (b"\0here\0", 100));
    }
}
