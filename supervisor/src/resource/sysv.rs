//! What the three kinds of System V objects share (sysvipc(7)): names, permissions, who made them.
//!
//! Under `--names kernel` the pod's ipc namespace holds its objects and no others, and ids are recreated exactly
//! (/proc/sys/kernel/shm_next_id and its like, proc_sys_kernel(5)). Under `--names shim` they are objects of the host, the
//! namespace table says which are the pod's, and any id will do.
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use autopod_namespace::{HostIpc, IpcKind, Table, VirtualIpc};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Under this key of the stash the engine may leave the pod's [`Table`]; else it is found by the pod's name.
pub const TABLE: &str = "namespace table";

/// The pod's namespace table; `None` under kernel names.
pub(super) fn table(kernel_names: bool, pod: &str, stash: &mut HashMap<String, Box<dyn Any>>) -> Result<Option<Table>> {
    if kernel_names {
        return Ok(None);
    }
    if let Some(table) = stash.get(TABLE).and_then(|any| any.downcast_ref::<Table>()) {
        return Ok(Some(*table));
    }
    let path = crate::pod::paths::Roots::of_caller().pod(pod).table();
    let name = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).doing(|| "name the pod's table".into())?;
    let table = Table::open(&name).map_err(io::Error::other).doing(|| format!("open the names of pod \"{pod}\""))?;
    stash.insert(TABLE.into(), Box::new(table));
    Ok(Some(table))
}

/// Owner and rights of an object, and its key in the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    pub id: i32,
    pub key: i32,
    pub owner: (u32, u32),
    pub creator: (u32, u32),
    pub mode: u32,
}

impl Permissions {
    pub(super) fn new(id: i32, raw: &libc::ipc_perm, table: Option<Table>) -> Permissions {
        let key = table.map_or(raw.__key, |table| table.virtual_key(raw.__key));
        let mode = u32::from(raw.mode);
        Permissions { id, key, owner: (raw.uid, raw.gid), creator: (raw.cuid, raw.cgid), mode }
    }

    pub(super) fn host_key(&self, table: Option<Table>) -> i32 {
        table.map_or(self.key, |table| table.host_key(self.key))
    }

    /// For IPC_SET.
    pub(super) fn fill(&self, raw: &mut libc::ipc_perm) {
        (raw.uid, raw.gid) = self.owner;
        raw.mode = (self.mode & 0o777) as _;
    }
}

fn word(kind: IpcKind) -> &'static str {
    match kind {
        IpcKind::Shm => "shm",
        IpcKind::Sem => "sem",
        IpcKind::Msg => "msg",
    }
}

/// (virtual id, id for us) of every object of the pod.
pub(super) fn objects(cx: &mut Capture, kind: IpcKind) -> Result<Vec<(i32, i32)>> {
    let mut found: Vec<(i32, i32)> = match table(cx.kernel_names, &cx.pod_name, &mut cx.stash)? {
        Some(table) => table.ipcs(kind).map(|ipc| (ipc.virtual_id.0, ipc.host.0)).collect(),
        None => {
            let path = format!("sysvipc/{}", word(kind));
            // the file shows the ipc namespace of who opens it, whatever /proc it is in
            let text = cx.proc.read_text(&path).doing(|| format!("read /proc/{path}"))?;
            let ids = text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
            ids.map(|id| (id, id)).collect()
        }
    };
    found.sort_unstable();
    Ok(found)
}

/// Whether an error says that an object is gone: the table may know of objects that were removed from outside.
pub(super) fn removed(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIDRM))
}

/// The pod's id for one of ours.
pub(super) fn virtual_id(cx: &mut Capture, kind: IpcKind, host: i32) -> Result<Option<i32>> {
    Ok(match table(cx.kernel_names, &cx.pod_name, &mut cx.stash)? {
        Some(table) => table.virtual_ipc(kind, HostIpc(host)).map(|id| id.0),
        None => Some(host),
    })
}

/// Our id for one of the pod's.
pub(super) fn host_id(cx: &mut Nascent, kind: IpcKind, id: i32) -> Result<i32> {
    let known = match table(cx.kernel_names, &cx.pod_name, &mut cx.stash)? {
        Some(table) => table.host_ipc(kind, VirtualIpc(id)).map(|host| host.0),
        None => Some(id),
    };
    known.ok_or_else(|| Error::Inconsistent(format!("System V object {} {id} is used but not in the image", word(kind))))
}

/// Kind and id of every object of the image.
pub(super) fn recorded(cx: &Nascent) -> Result<Vec<(IpcKind, i32)>> {
    let segments: Vec<super::sysv_shm::Record> = cx.section("sysv_shm")?;
    let sets: Vec<super::sysv_sem::Record> = cx.section("sysv_sem")?;
    let queues: Vec<super::sysv_msg::Record> = cx.section("sysv_msg")?;
    let segments = segments.into_iter().map(|record| (IpcKind::Shm, record.permissions.id));
    let sets = sets.into_iter().map(|record| (IpcKind::Sem, record.permissions.id));
    let queues = queues.into_iter().map(|record| (IpcKind::Msg, record.permissions.id));
    Ok(segments.chain(sets).chain(queues).collect())
}

/// Makes an object by `get`, a call of shmget(2) and its like with this key and these flags, in the process `by` if it is there,
/// so that it counts as the creator.
pub(super) fn make(
    cx: &mut Nascent,
    kind: IpcKind,
    permissions: &Permissions,
    by: Vpid,
    get: impl Fn(i32, i32) -> (i64, [u64; 3]),
) -> Result<i32> {
    let names = table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let title = format!("System V object {} {}", word(kind), permissions.id);
    if names.is_none() {
        let path = format!("sys/kernel/{}_next_id", word(kind));
        cx.proc.write(&path, permissions.id.to_string().as_bytes()).doing(|| format!("choose the id of {title}"))?;
    }
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | (permissions.mode & 0o777) as i32;
    let (number, arguments) = get(permissions.host_key(names), flags);
    let what = format!("make {title}");
    let id = match cx.processes.iter_mut().find(|process| process.vpid == by) {
        Some(process) => process.call(&what, number, arguments)? as i32,
        None => with_creator(permissions.creator, || crate::sys::ipc::get(number, arguments)).doing(|| what)?,
    };
    match names {
        Some(table) => table.insert_ipc(kind, VirtualIpc(permissions.id), HostIpc(id)),
        None if id == permissions.id => {}
        None => return Err(Error::NotHere(format!("{title} got the id {id}: the pod's ipc namespace is not empty"))),
    }
    Ok(id)
}

/// Makes a call as another user, where we may.
fn with_creator<T>(creator: (u32, u32), call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use nix::unistd::{Gid, Uid, getegid, geteuid, setegid, seteuid};
    let (uid, gid) = (geteuid(), getegid());
    if !uid.is_root() || creator == (uid.as_raw(), gid.as_raw()) {
        return call();
    }
    // a user that is not mapped here cannot be; the object is then ours
    let changed = setegid(Gid::from_raw(creator.1)).is_ok();
    let also = seteuid(Uid::from_raw(creator.0)).is_ok();
    let result = call();
    if also {
        seteuid(uid)?;
    }
    if changed {
        setegid(gid)?;
    }
    result
}

/// The key of who did something last, as a process of the pod: 0 when it is gone.
pub(super) fn doer(cx: &Capture, host_pid: i32) -> Vpid {
    cx.virtual_id(host_pid)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use autopod_namespace::{Settings, Unreachable};

    /// A table for tests, which lives until the process ends.
    pub(crate) fn new_table(directory: &std::path::Path, name: &str) -> Table {
        let path = CString::new(directory.join(name).as_os_str().as_bytes()).unwrap();
        let unreachable = Unreachable::Refuse;
        let settings = Settings { pod_name: name, pod_id: 0, hostname: b"h", domainname: b"d", unreachable };
        Table::create(&path, &settings).unwrap()
    }
}
