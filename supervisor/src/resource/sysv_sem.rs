//! System V semaphores (semget(2), semop(2), semctl(2)), with what is undone when a process ends (SEM_UNDO).
//!
//! The kernel tells nobody a process's adjustments, but it refuses an operation that would bring one out of range (ERANGE), and
//! an operation that would have to wait undoes those before it in the same call (EAGAIN). So the process is made to ask, with calls
//! that never come to effect, how far its adjustment is from the limit.
use super::sysv::{self, Permissions};
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::sys::ipc;
use crate::sys::process::{Kcmp, kcmp};
use crate::tracee::Call;
use autopod_namespace::IpcKind;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Semaphore {
    pub value: u16,
    /// Who did the last operation.
    pub doer: Vpid,
}

/// What is added to a semaphore when a process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    pub process: Vpid,
    pub semaphore: u32,
    pub adjustment: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub permissions: Permissions,
    pub semaphores: Vec<Semaphore>,
    pub undo: Vec<Undo>,
}

/// SEMVMX: the greatest value, and the greatest adjustment.
const MOST: i32 = 32767;
const SEM_UNDO: i16 = 0x1000;
const NOWAIT: i16 = libc::IPC_NOWAIT as i16;

/// struct sembuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    number: u16,
    change: i16,
    flags: i16,
}

impl Operation {
    fn encode(operations: &[Operation]) -> Vec<u8> {
        let words = |op: &Operation| [op.number.to_le_bytes(), op.change.to_le_bytes(), op.flags.to_le_bytes()].concat();
        operations.iter().flat_map(words).collect()
    }
}

/// Operations that change a process's adjustment of a semaphore by `by` and leave its value.
fn adjust(number: u16, value: u16, by: i32) -> Vec<Operation> {
    let value = i32::from(value);
    let mut operations = Vec::new();
    let mut left = by.abs();
    while left > 0 {
        // an operation with SEM_UNDO changes the adjustment the other way
        let upwards = value <= MOST / 2;
        let step = left.min(if upwards { MOST - value } else { value });
        let counted = (-step * by.signum()) as i16;
        let counted = Operation { number, change: counted, flags: SEM_UNDO | NOWAIT };
        let plain = Operation { number, change: -counted.change, flags: NOWAIT };
        // the value may not leave its range in between
        let counted_first = (counted.change > 0) == upwards;
        operations.extend(if counted_first { [counted, plain] } else { [plain, counted] });
        left -= step;
    }
    operations
}

/// Asks whether an adjustment could be lowered by `by`; never comes to effect.
fn probe(number: u16, value: u16, by: i32) -> Vec<Operation> {
    let mut operations = adjust(number, value, -by);
    // would wait: for zero, or for more than there is
    operations.push(Operation { number, change: if value > 0 { 0 } else { -1 }, flags: NOWAIT });
    operations
}

/// How far an adjustment of 0 can be lowered: to -32768.
const ZERO: i32 = MOST + 1;
/// Room in the data area for one list of operations.
const ROOM: usize = 128;

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for (id, host) in sysv::objects(cx, IpcKind::Sem)? {
        let doing = || format!("read semaphore set {id}");
        let data = match ipc::sem_stat(host) {
            Ok(data) => data,
            Err(error) if sysv::removed(&error) => continue,
            Err(error) => return Err(error).doing(doing),
        };
        let values = ipc::sem_values(host, data.sem_nsems as usize).doing(doing)?;
        let mut semaphores = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let doer = sysv::doer(cx, ipc::sem_pid(host, number).doing(doing)?);
            semaphores.push(Semaphore { value: *value, doer });
        }
        let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
        let permissions = Permissions::new(id, &data.sem_perm, table);
        let undo = capture_undo(cx, host, &values)?;
        records.push(Record { permissions, semaphores, undo });
    }
    cx.section("sysv_sem", &records)
}

fn capture_undo(cx: &mut Capture, host: i32, values: &[u16]) -> Result<Vec<Undo>> {
    let mut found = Vec::new();
    for index in 0..cx.processes.len() {
        let (pid, vpid) = (cx.processes[index].pid, cx.processes[index].vpid);
        if cx.processes[index].zombie || cx.processes[index].live_task().is_none() {
            continue;
        }
        // clone(2) with CLONE_SYSVSEM: they have their adjustments in common
        let shared = |other: &super::CapturedProcess| {
            !other.zombie && kcmp(other.pid, pid, Kcmp::SysvSem, 0, 0).is_ok_and(|order| order.is_eq())
        };
        // kcmp(2) finds two processes without any adjustment equal, too: then both have none
        if cx.processes[..index].iter().any(shared) {
            continue;
        }
        for (number, value) in values.iter().enumerate() {
            let adjustment = adjustment(&mut cx.processes[index], host, number as u16, *value)?;
            if adjustment != 0 {
                found.push(Undo { process: vpid, semaphore: number as u32, adjustment });
            }
        }
    }
    Ok(found)
}

fn adjustment(process: &mut super::CapturedProcess, host: i32, number: u16, value: u16) -> Result<i32> {
    let answers = ask(process, host, number, value, &[ZERO, ZERO + 1])?;
    // who may not change the set has not done so
    let Some(answers) = answers else { return Ok(0) };
    if answers == [true, false] {
        return Ok(0);
    }
    // `low` is possible, `high` is not
    let (mut low, mut high) = if answers[0] { (ZERO + 1, 2 * ZERO) } else { (0, ZERO) };
    while high - low > 1 {
        let middle = (low + high) / 2;
        match ask(process, host, number, value, &[middle])?.as_deref() {
            Some([true]) => low = middle,
            _ => high = middle,
        }
    }
    Ok(low - ZERO)
}

/// Whether the adjustment can be lowered by each of these; `None` when the process may not use the set.
fn ask(process: &mut super::CapturedProcess, host: i32, number: u16, value: u16, by: &[i32]) -> Result<Option<Vec<bool>>> {
    let mut calls = Vec::new();
    for (index, by) in by.iter().enumerate() {
        let operations = probe(number, value, *by);
        let at = process.write_data(index * ROOM, &Operation::encode(&operations))?;
        calls.push(Call::new(libc::SYS_semop, [host as u64, at, operations.len() as u64]));
    }
    process.batch(&mut calls)?;
    let mut answers = Vec::new();
    for call in &calls {
        answers.push(match call.ret as i32 {
            ret if ret == -libc::EAGAIN => true,
            ret if ret == -libc::ERANGE => false,
            ret if ret == -libc::EACCES || ret == -libc::EPERM => return Ok(None),
            ret => {
                return Err(Error::Refused {
                    object: format!("a semaphore that {} uses", process.title()),
                    reason: format!("the kernel does not tell what is undone at its end (it answers {ret})"),
                    way_out: "let the program give the semaphore back first".into(),
                });
            }
        });
    }
    Ok(Some(answers))
}

/// Makes the sets. All processes must exist.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("sysv_sem")?;
    records.iter().try_for_each(|record| restore_one(record, cx))
}

fn restore_one(record: &Record, cx: &mut Nascent) -> Result<()> {
    let doing = || format!("restore semaphore set {}", record.permissions.id);
    let count = record.semaphores.len();
    let get = |key, flags| (libc::SYS_semget, [key as u64, count as u64, flags as u64]);
    let host = sysv::make(cx, IpcKind::Sem, &record.permissions, 0, get)?;
    let values: Vec<u16> = record.semaphores.iter().map(|semaphore| semaphore.value).collect();
    ipc::sem_set_values(host, &values).doing(doing)?;
    for undo in &record.undo {
        let Some(value) = values.get(undo.semaphore as usize) else {
            return Err(Error::Inconsistent(format!("semaphore set {} has no {}", record.permissions.id, undo.semaphore)));
        };
        operate(cx, host, undo.process, &adjust(undo.semaphore as u16, *value, undo.adjustment))?;
    }
    for (number, semaphore) in record.semaphores.iter().enumerate() {
        if cx.processes.iter().any(|process| process.vpid == semaphore.doer) {
            // changes nothing, but is the last operation
            let change = if semaphore.value > 0 { -1 } else { 1 };
            let both = [change, -change].map(|change| Operation { number: number as u16, change, flags: NOWAIT });
            operate(cx, host, semaphore.doer, &both)?;
        }
    }
    let mut data = ipc::sem_stat(host).doing(doing)?;
    record.permissions.fill(&mut data.sem_perm);
    ipc::sem_set(host, &data).doing(doing)
}

fn operate(cx: &mut Nascent, host: i32, process: Vpid, operations: &[Operation]) -> Result<()> {
    let process = cx.process_mut(process)?;
    let at = process.write_data(0, &Operation::encode(operations))?;
    let arguments = [host as u64, at, operations.len() as u64];
    process.call("operate a semaphore", libc::SYS_semop, arguments).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{empty_capture, traced_child};
    use super::super::sysv::tests::new_table;
    use super::*;
    use autopod_namespace::{HostIpc, VirtualIpc};

    /// What a call does, by the rules of semop(2): value and adjustment after it, or the error.
    fn play(operations: &[Operation], mut value: i32, mut adjustment: i32) -> std::result::Result<(i32, i32), i32> {
        for op in operations {
            let change = i32::from(op.change);
            if (change == 0 && value != 0) || value + change < 0 {
                return Err(libc::EAGAIN);
            }
            value += change;
            if op.flags & SEM_UNDO != 0 {
                adjustment -= change;
            }
            if value > MOST || !(-MOST - 1..=MOST).contains(&adjustment) {
                return Err(libc::ERANGE);
            }
        }
        Ok((value, adjustment))
    }

    #[test]
    fn adjusting_leaves_the_value() {
        for value in [0u16, 1, 20, 16383, 16384, 30000, 32766, 32767] {
            for by in [-32768, -20000, -1, 0, 1, 15, 16384, 32767] {
                let operations = adjust(3, value, by);
                assert_eq!(play(&operations, value.into(), 0), Ok((value.into(), by)), "{value} {by}");
                assert!(operations.len() * 6 <= ROOM);
            }
            for adjustment in [-32768, -5, 0, 5, 32767] {
                let answer = |by| play(&probe(3, value, by), value.into(), adjustment);
                assert_eq!(answer(adjustment + ZERO), Err(libc::EAGAIN), "{value} {adjustment}");
                assert_eq!(answer(adjustment + ZERO + 1), Err(libc::ERANGE), "{value} {adjustment}");
            }
        }
    }

    #[test]
    fn what_a_restored_process_undoes() {
        let directory = tempfile::tempdir().unwrap();
        let table = new_table(directory.path(), "table");
        let image = directory.path().join("image");
        let mut cx = empty_capture(&image);
        let permissions = Permissions { id: 3, key: 12, owner: (0, 0), creator: (0, 0), mode: 0o600 };
        let me = nix::unistd::geteuid().as_raw();
        let permissions = Permissions { owner: (me, nix::unistd::getegid().as_raw()), ..permissions };
        let semaphores = [(1u16, 0), (20, 2), (32767, 2), (0, 0)].map(|(value, doer)| Semaphore { value, doer }).to_vec();
        let undo = |semaphore, adjustment| Undo { process: 2, semaphore, adjustment };
        let record = Record { permissions, semaphores, undo: vec![undo(0, 30000), undo(1, -20), undo(2, -32768)] };
        cx.section("sysv_sem", &vec![record.clone()]).unwrap();
        let mut restored = traced_child(Vec::new(), Vec::new(), cx, &image);
        restored.cx.stash.insert(sysv::TABLE.into(), Box::new(table));
        restore(&mut restored.cx).unwrap();
        let host = table.host_ipc(IpcKind::Sem, VirtualIpc(3)).unwrap();
        let before = ipc::sem_values(host.0, 4).unwrap();
        let doers = [0, 1, 2].map(|number| ipc::sem_pid(host.0, number).unwrap());
        let child = restored.cx.processes[0].pid;
        // as seen from outside, without effect
        let again = tempfile::tempdir().unwrap();
        let mut cx = empty_capture(&again.path().join("image"));
        let other = new_table(again.path(), "table");
        other.insert_ipc(IpcKind::Sem, VirtualIpc(3), HostIpc(host.0));
        cx.stash.insert(sysv::TABLE.into(), Box::new(other));
        cx.virtual_ids.insert(child, 2);
        let nascent = restored.cx.processes.pop().unwrap();
        cx.processes.push(super::super::capture::tests::captured(&cx.proc, nascent));
        let values = ipc::sem_values(host.0, 4).unwrap();
        let found = capture_undo(&mut cx, host.0, &values);
        let still = ipc::sem_values(host.0, 4).unwrap();
        drop(cx);
        drop(restored);
        let after = ipc::sem_values(host.0, 4).unwrap();
        ipc::sem_remove(host.0).unwrap();
        assert_eq!(found.unwrap(), record.undo);
        assert_eq!((before, still), (vec![1, 20, 32767, 0], vec![1, 20, 32767, 0]));
        assert_eq!(doers[1..], [child, child]);
        assert_eq!(after, [30001, 0, 0, 0]);
    }
}
