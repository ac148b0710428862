//! System V message queues (msgget(2), msgop(2), msgctl(2)).
//!
//! Messages are copied out without being taken (MSG_COPY of msgrcv(2)). Who sent and who received last is remembered by the
//! kernel as a process, so at a restart these processes make the last call of their kind themselves.
use super::sysv::{self, Permissions};
use super::{Capture, Context, Nascent, Result, Vpid};
use crate::image::RunRef;
use crate::sys::ipc;
use crate::tracee::Injector;
use autopod_namespace::IpcKind;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub permissions: Permissions,
    /// The greatest sum of message sizes.
    pub capacity: u64,
    pub last_sender: Vpid,
    pub last_receiver: Vpid,
    /// The first message first; the first eight bytes of each are its type.
    pub messages: Vec<RunRef>,
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    let mut buffer = vec![0u8; 1 << 16];
    for (id, host) in sysv::objects(cx, IpcKind::Msg)? {
        let doing = || format!("read message queue {id}");
        let data = match ipc::msg_stat(host) {
            Ok(data) => data,
            Err(error) if sysv::removed(&error) => continue,
            Err(error) => return Err(error).doing(doing),
        };
        // no message is longer than all of them together
        buffer.resize(buffer.len().max(8 + data.__msg_cbytes as usize), 0);
        let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
        let mut messages = Vec::new();
        while let Some(len) = ipc::msg_peek(host, messages.len() as i64, &mut buffer).doing(doing)? {
            messages.push(cx.blob(&buffer[..len])?);
        }
        records.push(Record {
            permissions: Permissions::new(id, &data.msg_perm, table),
            capacity: data.msg_qbytes,
            last_sender: sysv::doer(cx, data.msg_lspid),
            last_receiver: sysv::doer(cx, data.msg_lrpid),
            messages,
        });
    }
    cx.section("sysv_msg", &records)
}

/// Makes the queues. Processes should exist.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("sysv_msg")?;
    records.iter().try_for_each(|record| restore_one(record, cx))
}

fn restore_one(record: &Record, cx: &mut Nascent) -> Result<()> {
    let doing = || format!("restore message queue {}", record.permissions.id);
    let get = |key, flags| (libc::SYS_msgget, [key as u64, flags as u64, 0]);
    let host = sysv::make(cx, IpcKind::Msg, &record.permissions, 0, get)?;
    let messages = record.messages.iter().map(|run| cx.blob(run)).collect::<Result<Vec<_>>>()?;
    let mut data = ipc::msg_stat(host).doing(doing)?;
    // a queue may hold more than it takes now, and a message that only sets who sent needs room, too
    let needed = messages.iter().map(|message| message.len() as u64 - 8).sum::<u64>().max(record.capacity);
    if needed > data.msg_qbytes {
        data.msg_qbytes = needed;
        ipc::msg_set(host, &data).doing(doing)?;
    }
    // type 1, no text
    let empty = 1u64.to_le_bytes();
    let exists = |cx: &Nascent, vpid| cx.processes.iter().any(|process| process.vpid == vpid);
    let sent_nothing = messages.is_empty() && exists(cx, record.last_sender);
    if sent_nothing {
        send(cx, host, record.last_sender, &empty)?;
    }
    if exists(cx, record.last_receiver) {
        if !sent_nothing {
            ipc::msg_send(host, &empty).doing(doing)?;
        }
        receive(cx, host, record.last_receiver)?;
    } else if sent_nothing {
        receive(cx, host, record.last_sender)?;
    }
    for (index, message) in messages.iter().enumerate() {
        let last = index + 1 == messages.len();
        if last && exists(cx, record.last_sender) && message.len() < Injector::ROOM {
            send(cx, host, record.last_sender, message)?;
        } else {
            ipc::msg_send(host, message).doing(doing)?;
        }
    }
    let mut data = ipc::msg_stat(host).doing(doing)?;
    record.permissions.fill(&mut data.msg_perm);
    data.msg_qbytes = record.capacity;
    ipc::msg_set(host, &data).doing(doing)
}

fn send(cx: &mut Nascent, host: i32, by: Vpid, message: &[u8]) -> Result<()> {
    let process = cx.process_mut(by)?;
    let at = process.write_data(0, message)?;
    let arguments = [host as u64, at, message.len() as u64 - 8, libc::IPC_NOWAIT as u64];
    process.call("send a message", libc::SYS_msgsnd, arguments).map(drop)
}

fn receive(cx: &mut Nascent, host: i32, by: Vpid) -> Result<()> {
    let process = cx.process_mut(by)?;
    let at = process.injector.data(0);
    let arguments = [host as u64, at, 0, 0, libc::IPC_NOWAIT as u64];
    process.call("receive a message", libc::SYS_msgrcv, arguments).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{empty_capture, traced_child};
    use super::super::sysv::tests::new_table;
    use super::*;
    use autopod_namespace::{HostIpc, VirtualIpc};

    fn all(id: i32) -> Vec<Vec<u8>> {
        let mut buffer = [0u8; 9000];
        let mut messages = Vec::new();
        while let Some(len) = ipc::msg_peek(id, messages.len() as i64, &mut buffer).unwrap() {
            messages.push(buffer[..len].to_vec());
        }
        messages
    }

    #[test]
    fn messages_stay_and_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (new_table(directory.path(), "old"), new_table(directory.path(), "new"));
        let image = directory.path().join("image");
        let mut cx = empty_capture(&image);
        cx.stash.insert(sysv::TABLE.into(), Box::new(old));
        let host = ipc::msg_get(old.host_key(9), libc::IPC_CREAT | libc::IPC_EXCL | 0o620).unwrap();
        old.insert_ipc(IpcKind::Msg, VirtualIpc(5), HostIpc(host));
        for (kind, text) in [(3u64, &b"three"[..]), (1, b""), (7, &[9; 5000]), (3, b"again")] {
            ipc::msg_send(host, &[&kind.to_le_bytes()[..], text].concat()).unwrap();
        }
        let mut data = ipc::msg_stat(host).unwrap();
        data.msg_qbytes = 6000;
        ipc::msg_set(host, &data).unwrap();
        cx.virtual_ids.insert(data.msg_lspid, 2);
        capture(&mut cx).unwrap();
        let before = all(host);
        ipc::msg_remove(host).unwrap();
        // the test process was the last sender; in the restored pod, that is process 2
        let mut restored = traced_child(Vec::new(), Vec::new(), cx, &image);
        restored.cx.stash.insert(sysv::TABLE.into(), Box::new(new));
        restore(&mut restored.cx).unwrap();
        let host = new.host_ipc(IpcKind::Msg, VirtualIpc(5)).unwrap().0;
        let (after, data) = (all(host), ipc::msg_stat(host).unwrap());
        let found = ipc::msg_get(new.host_key(9), 0);
        ipc::msg_remove(host).unwrap();
        assert_eq!(found.unwrap(), host);
        assert_eq!((before.len(), &after), (4, &before));
        assert_eq!((data.msg_qbytes, u32::from(data.msg_perm.mode)), (6000, 0o620));
        assert_eq!(data.msg_lspid, restored.cx.processes[0].pid);
    }
}
