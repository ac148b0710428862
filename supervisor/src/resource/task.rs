//! What a task (a thread) is made of beside its memory and its process: registers, FPU state, signal mask, alternate stack, name,
//! scheduling, robust list, rseq, and the word that the kernel clears when it ends (set_tid_address(2)).
use super::{Capture, CapturedTask, Context, Error, Nascent, Result, Vpid};
use crate::proc::Mapping;
use crate::sys::process::{self, SchedAttr};
use crate::tracee::{Call, Injector, Registers, Stopped};
use serde::{Deserialize, Serialize};

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    pub task: Vpid,
    pub process: Vpid,
    /// As they must be set in a new process (see `Registers::rewound`).
    pub registers: Registers,
    #[serde(with = "serde_bytes")]
    pub xstate: Vec<u8>,
    pub signal_mask: u64,
    /// stack_t: address, flags, size
    pub alternate_stack: (u64, i32, u64),
    pub clear_child_tid: u64,
    pub robust_list: (u64, u64),
    /// address, size, signature
    pub rseq: Option<(u64, u32, u32)>,
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    pub scheduling: SchedAttr,
    #[serde(with = "serde_bytes")]
    pub affinity: Vec<u8>,
    pub io_priority: i32,
    pub timer_slack: u64,
    pub parent_death_signal: i32,
    /// mode, selector, offset, length (prctl(2), PR_SET_SYSCALL_USER_DISPATCH)
    pub syscall_dispatch: Option<[u64; 4]>,
    /// PR_GET_TSC, when not the default
    pub no_tsc: bool,
    /// ARCH_GET_CPUID, when not the default
    pub no_cpuid: bool,
    /// PR_MCE_KILL_GET
    pub machine_check: u64,
    /// PR_GET_SPECULATION_CTRL: store bypass, indirect branches, flushing of the L1 data cache
    pub speculation: [i64; 3],
    /// get_mempolicy(2): mode and nodes, when not the default
    pub memory_policy: Option<(i32, Vec<u64>)>,
}

const PR_GET_PDEATHSIG: u64 = 2;
const PR_SET_PDEATHSIG: u64 = 1;
const PR_GET_TIMERSLACK: u64 = 30;
const PR_SET_TIMERSLACK: u64 = 29;
const PR_GET_TID_ADDRESS: u64 = 40;
const PR_SET_NAME: u64 = 15;
const PR_MCE_KILL: u64 = 33;
const PR_MCE_KILL_GET: u64 = 34;
const PR_MCE_KILL_DEFAULT: u64 = 2;
const PR_GET_SPECULATION_CTRL: u64 = 52;
const PR_SET_SPECULATION_CTRL: u64 = 53;
/// The program may choose.
const PR_SPEC_PRCTL: i64 = 1;
const ARCH_GET_CPUID: u64 = 0x1011;
const ARCH_SET_CPUID: u64 = 0x1012;
/// Bits of the node masks that we pass.
const NODES: u64 = 1024;
const PR_GET_TSC: u64 = 25;

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    let proc = &cx.proc;
    for process in cx.processes.iter_mut().filter(|process| !process.zombie) {
        let (pid, vpid) = (process.pid, process.vpid);
        let title = process.title();
        let Some(injector) = process.injector.clone() else { continue };
        for task in process.tasks.iter_mut().filter(|task| task.stopped.is_some()) {
            let what = || format!("read the state of task {} of {title}", task.vtid);
            let name = proc.comm(pid, task.tid).doing(what)?;
            records.push(capture_task(&injector, task, vpid, name, &title, &process.maps)?);
        }
    }
    cx.section("tasks", &records)
}

fn capture_task(
    injector: &Injector,
    task: &mut CapturedTask,
    process: Vpid,
    name: Vec<u8>,
    title: &str,
    maps: &[Mapping],
) -> Result<TaskRecord> {
    let (tid, vtid) = (task.tid, task.vtid);
    let what = || format!("read the state of task {vtid} of {title}");
    let registers = task.registers;
    let stopped = task.stopped.as_mut().expect("only stopped tasks are asked");
    if registers.cs == 0x23 {
        return Err(Error::Refused {
            object: title.to_string(),
            reason: "it is a 32-bit program".into(),
            way_out: "use a 64-bit build of it".into(),
        });
    }
    let xstate = stopped.xstate().doing(what)?;
    let rseq = match stopped.rseq() {
        Err(error) if error.errno() == Some(libc::EIO) => probe_rseq(injector, stopped, registers.fs_base).doing(what)?,
        other => other.doing(what)?,
    };
    // before Linux 6.4 there is no way to ask; nobody used it then
    let dispatch = stopped.syscall_user_dispatch().ok().filter(|config| config[0] != 0);
    let at = injector.data(0);
    let mut calls = [
        Call::new(libc::SYS_sigaltstack, [0, at]),
        Call::new(libc::SYS_prctl, [PR_GET_TID_ADDRESS, at + 32]),
        Call::new(libc::SYS_prctl, [PR_GET_PDEATHSIG, at + 40]),
        Call::new(libc::SYS_prctl, [PR_GET_TIMERSLACK]),
        Call::new(libc::SYS_prctl, [PR_GET_TSC, at + 48]),
        Call::new(libc::SYS_arch_prctl, [ARCH_GET_CPUID, 0]),
        Call::new(libc::SYS_prctl, [PR_MCE_KILL_GET, 0, 0, 0, 0]),
        Call::new(libc::SYS_get_mempolicy, [at + 56, at + 64, NODES, 0, 0]),
        Call::new(libc::SYS_prctl, [PR_GET_SPECULATION_CTRL, 0, 0, 0, 0]),
        Call::new(libc::SYS_prctl, [PR_GET_SPECULATION_CTRL, 1, 0, 0, 0]),
        Call::new(libc::SYS_prctl, [PR_GET_SPECULATION_CTRL, 2, 0, 0, 0]),
    ];
    // sigaltstack reports SS_ONSTACK by the stack pointer, which must therefore be the program's: it is, only rip changes
    injector.batch(stopped, &mut calls).doing(what)?;
    let mut data = [0u8; 64 + NODES as usize / 8];
    stopped.read(at, &mut data).doing(what)?;
    let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"));
    let half = |at: usize| i32::from_le_bytes(data[at..at + 4].try_into().expect("four bytes"));
    Ok(TaskRecord {
        task: vtid,
        process,
        registers: super::shim_names::rewound(maps, &registers),
        xstate,
        signal_mask: task.signal_mask,
        alternate_stack: (word(0), half(8), word(16)),
        clear_child_tid: if calls[1].result().is_ok() { word(32) } else { 0 },
        robust_list: process::robust_list(tid).doing(what)?,
        rseq,
        name,
        scheduling: scheduling(tid).doing(what)?,
        affinity: process::affinity(tid).doing(what)?,
        io_priority: process::ioprio(tid).doing(what)?,
        timer_slack: calls[3].ret as u64,
        parent_death_signal: half(40),
        syscall_dispatch: dispatch,
        no_tsc: calls[4].result().is_ok() && half(48) == 2,
        no_cpuid: calls[5].ret == 0,
        machine_check: calls[6].ret as u64,
        // ENODEV and the like: nothing to choose on this processor
        speculation: [8, 9, 10].map(|call| calls[call].result().unwrap_or(0)),
        memory_policy: (calls[7].result().is_ok() && half(56) != 0)
            .then(|| (half(56), (0..NODES as usize / 64).map(|n| word(64 + n * 8)).collect())),
    })
}

/// sched_getattr(2) leaves the nice value out where the policy makes no use of it; it is kept for when the policy changes.
/// Linux before 5.13 does not tell of rseq(2) areas, but gives up one only to who knows it. That of the GNU C library (2.35 on) has a fixed
/// place in a thread's `struct pthread`; areas of others are lost there (docs/limitations.md).
fn probe_rseq(injector: &Injector, task: &mut Stopped, thread_pointer: u64) -> crate::tracee::Result<Option<(u64, u32, u32)>> {
    const PLACE: u64 = 0x9a0;
    const UNREGISTER: u64 = 1;
    let (address, len, signature) = (thread_pointer.wrapping_add(PLACE), 32, 0x5305_3053);
    let rseq = |flags: u64| Call::new(libc::SYS_rseq, [address, len, flags, signature]);
    let mut given_up = [rseq(UNREGISTER)];
    injector.batch(task, &mut given_up)?;
    if thread_pointer == 0 || given_up[0].result().is_err() {
        return Ok(None);
    }
    injector.batch(task, &mut [rseq(0)])?;
    Ok(Some((address, len as u32, signature as u32)))
}

fn scheduling(tid: i32) -> std::io::Result<SchedAttr> {
    Ok(SchedAttr { nice: process::nice(tid)?, ..process::sched_attr(tid)? })
}

/// Sets, from inside, what does not depend on credentials.
pub fn restore(records: &[TaskRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        let process = cx.process_mut(record.process)?;
        let Some(index) = process.tasks.iter().position(|(vtid, _)| *vtid == record.task) else {
            return Err(Error::Inconsistent(format!("task {} is not among those of process {}", record.task, record.process)));
        };
        let mut name = record.name.clone();
        name.truncate(15);
        name.push(0);
        let mut stack = Vec::new();
        stack.extend_from_slice(&record.alternate_stack.0.to_le_bytes());
        // SS_ONSTACK is where the stack pointer is, not something that can be set
        stack.extend_from_slice(&(record.alternate_stack.1 & !1).to_le_bytes());
        stack.extend_from_slice(&[0; 4]);
        stack.extend_from_slice(&record.alternate_stack.2.to_le_bytes());
        let name_at = process.write_data(0, &name)?;
        let stack_at = process.write_data(32, &stack)?;
        let mut calls = vec![
            Call::new(libc::SYS_prctl, [PR_SET_NAME, name_at]),
            Call::new(libc::SYS_sigaltstack, [stack_at, 0]),
            Call::new(libc::SYS_set_tid_address, [record.clear_child_tid]),
        ];
        if record.robust_list.0 != 0 {
            calls.push(Call::new(libc::SYS_set_robust_list, [record.robust_list.0, record.robust_list.1]));
        }
        if record.timer_slack != 0 {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_TIMERSLACK, record.timer_slack]));
        }
        if let Some((address, size, signature)) = record.rseq {
            calls.push(Call::new(libc::SYS_rseq, [address, size.into(), 0, signature.into()]));
        }
        if record.no_tsc {
            calls.push(Call::new(libc::SYS_prctl, [26, 2]));
        }
        // sigaltstack refuses to change a stack that rsp is on: leave it
        process.injector.park_stack(&mut process.tasks[index].1).doing(|| format!("prepare task {}", record.task))?;
        process.sequence_in(index, "set up the tasks", &mut calls)?;
    }
    Ok(())
}

/// Scheduling, from outside and last: under SCHED_IDLE or a foreign processor set the restart itself would crawl.
pub fn restore_scheduling(records: &[TaskRecord], cx: &Nascent) -> Result<()> {
    for record in records {
        let tid = cx.host_id(record.task)?;
        let what = |part: &str| format!("set the {part} of task {}", record.task);
        // a machine with fewer processors keeps what there is of the set
        if let Err(error) = process::set_affinity(tid, &record.affinity) {
            if error.raw_os_error() != Some(libc::EINVAL) {
                return Err(Error::Io { what: what("processor affinity"), source: error });
            }
            tracing::warn!("task {} may run on no processor of this machine; it runs on any", record.task);
        }
        let here = scheduling(tid).doing(|| what("scheduling"))?;
        if here.nice != record.scheduling.nice {
            process::set_nice(tid, record.scheduling.nice).doing(|| what("nice value"))?;
        }
        if (SchedAttr { nice: record.scheduling.nice, ..here }) != record.scheduling {
            process::set_sched_attr(tid, &record.scheduling).doing(|| what("scheduling policy or nice value"))?;
        }
        // without a class, older kernels tell a level that newer ones do not take (ioprio_set(2))
        let plain = |priority: i32| if priority >> 13 == 0 { 0 } else { priority };
        let wanted = plain(record.io_priority);
        if plain(process::ioprio(tid).doing(|| what("I/O priority"))?) != wanted {
            process::set_ioprio(tid, wanted).doing(|| what("I/O priority"))?;
        }
    }
    Ok(())
}

/// What depends on this machine, and is left out where it has no such thing.
fn restore_machine(record: &TaskRecord, cx: &mut Nascent) -> Result<()> {
    let process = cx.process_mut(record.process)?;
    let index = process.tasks.iter().position(|(vtid, _)| *vtid == record.task).unwrap_or(0);
    let mut calls = Vec::new();
    if record.machine_check != PR_MCE_KILL_DEFAULT && record.machine_check < PR_MCE_KILL_DEFAULT {
        calls.push(("a machine check policy", Call::new(libc::SYS_prctl, [PR_MCE_KILL, 1, record.machine_check, 0, 0])));
    }
    for (what, value) in record.speculation.iter().enumerate().filter(|(_, value)| **value & PR_SPEC_PRCTL != 0) {
        let arguments = [PR_SET_SPECULATION_CTRL, what as u64, (value & !PR_SPEC_PRCTL) as u64, 0, 0];
        calls.push(("speculation control", Call::new(libc::SYS_prctl, arguments)));
    }
    if let Some((mode, nodes)) = &record.memory_policy {
        let raw: Vec<u8> = nodes.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = process.write_data(0, &raw)?;
        calls.push(("a memory policy", Call::new(libc::SYS_set_mempolicy, [*mode as u64, at, NODES])));
    }
    if record.no_cpuid {
        calls.push(("a ban of the CPUID instruction", Call::new(libc::SYS_arch_prctl, [ARCH_SET_CPUID, 0])));
    }
    let (names, mut calls): (Vec<&str>, Vec<Call>) = calls.into_iter().unzip();
    process
        .injector
        .batch(&mut process.tasks[index].1, &mut calls)
        .doing(|| format!("set what task {} wants of the machine", record.task))?;
    for (name, call) in names.iter().zip(&calls) {
        if let Err(error) = call.result() {
            tracing::warn!("task {} had {name}, which this machine does not give: {error}", record.task);
        }
    }
    Ok(())
}

/// The last of a task: what changes of credentials would reset.
pub fn restore_last(records: &[TaskRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        restore_machine(record, cx)?;
    }
    for record in records.iter().filter(|record| record.parent_death_signal != 0) {
        let process = cx.process_mut(record.process)?;
        let index = process.tasks.iter().position(|(vtid, _)| *vtid == record.task).unwrap_or(0);
        let mut calls = [Call::new(libc::SYS_prctl, [PR_SET_PDEATHSIG, record.parent_death_signal as u64])];
        process.sequence_in(index, "set the parent death signal", &mut calls)?;
    }
    Ok(())
}

/// Registers, FPU state and mask: after this a task runs no more calls of ours.
pub fn restore_registers(records: &[TaskRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        let registers = super::shim_names::registers_of(cx, record);
        let process = cx.process_mut(record.process)?;
        let Some((_, task)) = process.tasks.iter_mut().find(|(vtid, _)| *vtid == record.task) else { continue };
        let what = || format!("set the registers of task {}", record.task);
        let here = task.xstate().doing(what)?;
        let xstate = super::xstate::convert(&record.xstate, &here, &format!("task {}", record.task))?;
        task.set_xstate(&xstate).doing(what)?;
        task.set_registers(&registers).doing(what)?;
        task.set_signal_mask(record.signal_mask).doing(what)?;
        if let Some(config) = &record.syscall_dispatch {
            task.set_syscall_user_dispatch(config).doing(what)?;
        }
    }
    Ok(())
}
