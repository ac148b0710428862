//! Signals (signal(7)): what each process does about each signal, and what is queued, with its siginfo and in order.
//!
//! The ids in a siginfo are virtual in the image. A queue is filled again by rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2), which the
//! kernel lets a process send to itself with any content.
use super::{Capture, Context, Error, Nascent, Result, Vpid, timer, timer_overrun};
use crate::tracee::Call;
use serde::{Deserialize, Serialize};

/// struct sigaction of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

/// A queued signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// siginfo_t, with a virtual id where it holds one
    #[serde(with = "serde_bytes")]
    pub info: Vec<u8>,
}

/// The signals of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRecord {
    pub process: Vpid,
    /// Signals 1 to 64.
    pub actions: Vec<Action>,
    pub queued: Vec<Queued>,
    /// (task, its own queue)
    pub task_queues: Vec<(Vpid, Vec<Queued>)>,
}

const SIGNALS: usize = 64;
const ACTION: usize = 32;

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for index in 0..cx.processes.len() {
        if cx.processes[index].zombie {
            continue;
        }
        records.push(capture_process(cx, index)?);
    }
    cx.section("signals", &records)
}

fn capture_process(cx: &mut Capture, index: usize) -> Result<SignalRecord> {
    let process = &mut cx.processes[index];
    let at = process.write_data(0, &[])?;
    let mut calls: Vec<Call> = (1..=SIGNALS as u64)
        .map(|signal| Call::new(libc::SYS_rt_sigaction, [signal, 0, at + (signal - 1) * ACTION as u64, 8]))
        .collect();
    process.batch(&mut calls)?;
    let mut data = [0u8; SIGNALS * ACTION];
    process.read_data(0, &mut data)?;
    let injector = process.injector.clone().ok_or_else(|| Error::Inconsistent(format!("{} cannot be asked", process.title())))?;
    if let Some(task) = process.tasks.iter().find_map(|task| task.stopped.as_ref()) {
        let trap = injector.trap_action(task).doing(|| format!("read the signal handlers of {}", process.title()))?;
        data[(libc::SIGTRAP as usize - 1) * ACTION..][..ACTION].copy_from_slice(&trap);
    }
    let actions = data
        .chunks_exact(ACTION)
        .map(|raw| {
            let word = |at: usize| u64::from_le_bytes(raw[at..at + 8].try_into().expect("eight bytes"));
            Action { handler: word(0), flags: word(8), restorer: word(16), mask: word(24) }
        })
        .collect();
    let process = &cx.processes[index];
    let mut record = SignalRecord { process: process.vpid, actions, queued: Vec::new(), task_queues: Vec::new() };
    for task in &process.tasks {
        let Some(stopped) = &task.stopped else { continue };
        let what = || format!("read the pending signals of {}", process.title());
        let virtualize = |raw: Vec<[u8; 128]>| raw.into_iter().map(|info| to_virtual(info, cx)).collect::<Vec<_>>();
        if record.task_queues.is_empty() {
            record.queued = virtualize(stopped.queued_signals(true).doing(what)?);
        }
        record.task_queues.push((task.vtid, virtualize(stopped.queued_signals(false).doing(what)?)));
    }
    // what our calls have taken out of the queues belongs there
    for task in &process.tasks {
        for (shared, info) in task.stopped.iter().flat_map(|stopped| stopped.deferred_traps()) {
            let own = record.task_queues.iter_mut().find(|(vtid, _)| *vtid == task.vtid).map(|(_, queue)| queue);
            let queue = if *shared { Some(&mut record.queued) } else { own };
            queue.into_iter().for_each(|queue| queue.push(to_virtual(*info, cx)));
        }
    }
    Ok(record)
}

fn field(info: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(info[at..at + 4].try_into().expect("a siginfo has 128 bytes"))
}

/// Whether a siginfo has the sender's process id at offset 16: sent by a process, or about a child.
fn has_pid(info: &[u8]) -> bool {
    let (signal, code) = (field(info, 0), field(info, 8));
    matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ) || (signal == libc::SIGCHLD && code > 0)
}

fn to_virtual(mut info: [u8; 128], cx: &Capture) -> Queued {
    if !cx.kernel_names && has_pid(&info) {
        let id = cx.virtual_id(field(&info, 16));
        info[16..20].copy_from_slice(&id.to_le_bytes());
    } else if has_pid(&info) {
        // the queue is read with the ids of the pod's own pid namespace: these are virtual already
    }
    Queued { info: info.to_vec() }
}

/// Empties what the construction itself left in the queues (SIGCHLD of zombies).
pub fn drain(cx: &mut Nascent) -> Result<()> {
    for process in &mut cx.processes {
        let set = process.write_data(0, &u64::MAX.to_le_bytes())?;
        let none = process.write_data(16, &[0; 16])?;
        for task in 0..process.tasks.len() {
            for _ in 0..4096 {
                let mut calls = [Call::new(libc::SYS_rt_sigtimedwait, [set, 0, none, 8])];
                let vpid = process.vpid;
                process
                    .injector
                    .batch(&mut process.tasks[task].1, &mut calls)
                    .doing(|| format!("drain signals of process {vpid}"))?;
                if calls[0].result().is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Handlers, then queues: to set that a signal is ignored, be it by default, takes it out of the queues (sigaction(2)).
pub fn restore(records: &[SignalRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        restore_actions(record, cx)?;
        restore_queues(record, cx)?;
    }
    Ok(())
}

fn restore_actions(record: &SignalRecord, cx: &mut Nascent) -> Result<()> {
    let process = cx.process_mut(record.process)?;
    let mut data = Vec::with_capacity(SIGNALS * ACTION);
    for action in &record.actions {
        for word in [action.handler, action.flags, action.restorer, action.mask] {
            data.extend_from_slice(&word.to_le_bytes());
        }
    }
    let at = process.write_data(0, &data)?;
    let mut calls: Vec<Call> = (1..=record.actions.len() as u64)
        .filter(|signal| !matches!(*signal as i32, libc::SIGKILL | libc::SIGSTOP | libc::SIGTRAP))
        .map(|signal| Call::new(libc::SYS_rt_sigaction, [signal, at + (signal - 1) * ACTION as u64, 0, 8]))
        .collect();
    process.sequence("set the signal handlers", &mut calls)?;
    let trap = &data[(libc::SIGTRAP as usize - 1) * ACTION..][..ACTION];
    let trap = trap.try_into().expect("the length of an action");
    // the injector's own action stays until it is removed
    process
        .injector
        .set_trap_action(&mut process.tasks[0].1, trap)
        .doing(|| format!("set the signal handlers of process {}", record.process))
}

fn restore_queues(record: &SignalRecord, cx: &mut Nascent) -> Result<()> {
    let kernel_names = cx.kernel_names;
    let to_here = |queued: &Queued, cx: &Nascent| {
        let mut info = queued.info.clone();
        if !kernel_names && has_pid(&info) {
            let id = field(&info, 16) as u32;
            let host = cx.host_ids.get(&id).copied().unwrap_or(0);
            info[16..20].copy_from_slice(&host.to_le_bytes());
        }
        info
    };
    let own = |cx: &Nascent, id: Vpid| if kernel_names { Ok(id as i32) } else { cx.host_id(id) };
    let leader = own(cx, record.process)?;
    let pending = std::mem::take(cx.remembered::<timer::Pending>(timer::PENDING));
    // these come from their timers again
    let not_of_a_timer =
        |queued: &&Queued| !timer_overrun::timer_of(&queued.info).is_some_and(|timer| pending.contains(&(record.process, timer)));
    let shared: Vec<Vec<u8>> = record.queued.iter().filter(not_of_a_timer).map(|queued| to_here(queued, cx)).collect();
    send(cx, record, 0, shared, true, |at, signal| Call::new(libc::SYS_rt_sigqueueinfo, [leader as u64, signal, at]))?;
    for (task, queue) in &record.task_queues {
        if queue.is_empty() {
            continue;
        }
        let tid = own(cx, *task)?;
        let infos: Vec<Vec<u8>> = queue.iter().filter(not_of_a_timer).map(|queued| to_here(queued, cx)).collect();
        let index = cx.process_mut(record.process)?.tasks.iter().position(|(vtid, _)| vtid == task).unwrap_or(0);
        send(cx, record, index, infos, false, |at, signal| {
            Call::new(libc::SYS_rt_tgsigqueueinfo, [leader as u64, tid as u64, signal, at])
        })?;
    }
    *cx.remembered(timer::PENDING) = pending;
    Ok(())
}

fn send(
    cx: &mut Nascent,
    record: &SignalRecord,
    task: usize,
    infos: Vec<Vec<u8>>,
    shared: bool,
    call: impl Fn(u64, u64) -> Call,
) -> Result<()> {
    let process = cx.process_mut(record.process)?;
    // SIGTRAP is the injector's until the end
    for info in infos.iter().filter(|info| field(info, 0) == libc::SIGTRAP) {
        let info = info.as_slice().try_into().map_err(|_| Error::Inconsistent("a siginfo is too short".into()))?;
        process.tasks[task].1.defer_trap(shared, info);
    }
    for batch in infos.chunks(256) {
        let base = process.write_data(0, &batch.concat())?;
        let mut calls: Vec<Call> = batch
            .iter()
            .enumerate()
            .filter(|(_, info)| {
                field(info, 0) != libc::SIGTRAP && field(info, 0) != libc::SIGSTOP && field(info, 0) != libc::SIGKILL
            })
            .map(|(index, info)| call(base + 128 * index as u64, field(info, 0) as u64))
            .collect();
        process.sequence_in(task, "queue the pending signals", &mut calls)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_only_where_a_siginfo_has_them() {
        let info = |signal: i32, code: i32| {
            let mut info = [0u8; 128];
            info[..4].copy_from_slice(&signal.to_le_bytes());
            info[8..12].copy_from_slice(&code.to_le_bytes());
            info
        };
        assert!(has_pid(&info(libc::SIGUSR1, libc::SI_USER)));
        assert!(has_pid(&info(libc::SIGCHLD, libc::CLD_EXITED)));
        assert!(!has_pid(&info(libc::SIGSEGV, 1)));
        assert!(!has_pid(&info(libc::SIGALRM, libc::SI_TIMER)));
        assert!(!has_pid(&info(libc::SIGALRM, libc::SI_KERNEL)));
    }
}
