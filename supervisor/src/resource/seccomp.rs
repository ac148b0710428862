//! Seccomp filters of a program's own (seccomp(2)). The kernel keeps a list of them per task, and gives it to nobody but root.
//!
//! A filter would also judge the calls that we make in the task, and may kill for them: filters are suspended
//! (PTRACE_O_SUSPEND_SECCOMP) while the task is stopped. Where that is not allowed such a program is refused before it is touched.
//! What the pod itself was started under (a container's filter) belongs to this host, and the pod's walls are made of its record: neither
//! is recorded.
use super::{Capture, CapturedProcess, Context, Error, Nascent, Result, Vpid};
use crate::proc::Proc;
use crate::tracee::Call;
use serde::{Deserialize, Serialize};

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The program, 8 bytes an instruction, as given to seccomp(2).
    #[serde(with = "serde_bytes")]
    pub code: Vec<u8>,
    /// SECCOMP_FILTER_FLAG_LOG
    pub log: bool,
}

/// The filters of a task, the oldest first. Every task of a process that has any is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeccompRecord {
    pub task: Vpid,
    pub process: Vpid,
    pub filters: Vec<Filter>,
    /// SECCOMP_MODE_STRICT
    pub strict: bool,
}

const STRICT: u32 = 1;
const FLAG_TSYNC: u64 = 1;
const FLAG_LOG: u64 = 2;
const PR_SET_SECCOMP: u64 = 22;

/// How many filters every process of the pod has before its own: those that init was started under, and the walls.
fn inherited(cx: &Capture) -> Result<u32> {
    let what = || "read the seccomp filters of the pod's init".to_string();
    let init = cx.virtual_ids.iter().find(|(_, virtual_id)| **virtual_id == 1).map(|(host, _)| *host);
    let Some(init) = init else { return Ok(0) };
    Ok(cx.proc.status(init, init).doing(what)?.seccomp_filters + cx.wall_filters)
}

/// Suspends the filters of a process, before anything is called in it.
pub fn suspend(cx: &Capture, process: &mut CapturedProcess) -> Result<()> {
    if process.tasks.iter().all(|task| task.stopped.is_none() || task.status.seccomp == 0) {
        return Ok(());
    }
    let inherited = inherited(cx)?;
    let title = process.title();
    for task in &mut process.tasks {
        if task.status.seccomp != STRICT && task.status.seccomp_filters <= inherited {
            continue;
        }
        let Some(stopped) = &mut task.stopped else { continue };
        stopped.suspend_seccomp(false).map_err(|_| Error::Refused {
            object: title.clone(),
            reason: "it has a seccomp filter of its own, which only the host's root may suspend and read".into(),
            way_out: "run the program without its sandbox, or the pod as root with the host's users".into(),
        })?;
    }
    Ok(())
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for process in cx.processes.iter().filter(|process| !process.zombie) {
        if process.tasks.iter().all(|task| task.stopped.is_none() || task.status.seccomp == 0) {
            continue;
        }
        let inherited = inherited(cx)?;
        let title = process.title();
        let what = || format!("read the seccomp filters of {title}");
        let mut own = Vec::new();
        for task in &process.tasks {
            let Some(stopped) = &task.stopped else { continue };
            let mut filters = Vec::new();
            for index in inherited..task.status.seccomp_filters {
                let Some((code, flags)) = stopped.seccomp_filter(index).doing(what)? else { break };
                refuse_listener(&code, &title)?;
                filters.push(Filter { code, log: flags & FLAG_LOG != 0 });
            }
            let strict = task.status.seccomp == STRICT;
            own.push(SeccompRecord { task: task.vtid, process: process.vpid, filters, strict });
        }
        if own.iter().any(|record| record.strict || !record.filters.is_empty()) {
            records.append(&mut own);
        }
    }
    cx.section("seccomp", &records)
}

/// A filter that asks another program (SECCOMP_RET_USER_NOTIF) is of no use without the descriptor that belongs to it.
fn refuse_listener(code: &[u8], title: &str) -> Result<()> {
    const RETURN_CONSTANT: [u8; 2] = [0x06, 0x00];
    const USER_NOTIF: u32 = 0x7fc0_0000;
    let asks = code.chunks_exact(8).any(|instruction| {
        let value = u32::from_le_bytes(instruction[4..].try_into().expect("four bytes"));
        instruction[..2] == RETURN_CONSTANT && value & 0xffff_0000 == USER_NOTIF
    });
    if !asks {
        return Ok(());
    }
    Err(Error::Refused {
        object: title.into(),
        reason: "its seccomp filter asks a supervising program (SECCOMP_RET_USER_NOTIF)".into(),
        way_out: "run the program without its sandbox".into(),
    })
}

/// Whether filters can be set here, before anything is built.
pub fn check(records: &[SeccompRecord], proc: &Proc) -> Result<()> {
    let Some(record) = records.first() else { return Ok(()) };
    let own = crate::sys::process::own_pid();
    let status = proc.status(own, own).doing(|| "read what this process may do".into())?;
    let users = proc.read_text(&format!("{own}/uid_map")).unwrap_or_default();
    let everybody = users.split_ascii_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"];
    if status.cap_effective >> 21 & 1 == 1 && everybody {
        return Ok(());
    }
    Err(Error::NotHere(format!(
        "process {} has a seccomp filter of its own, which only the host's root may restore; restart the pod as root",
        record.process
    )))
}

/// Sets the filters, suspended for as long as we trace. Before the credentials: a program without privilege may set none.
pub fn restore(records: &[SeccompRecord], cx: &mut Nascent) -> Result<()> {
    for of_process in records.chunk_by(|a, b| a.process == b.process) {
        let vpid = of_process[0].process;
        let process = cx.process_mut(vpid)?;
        for (vtid, task) in &mut process.tasks {
            task.suspend_seccomp(true).doing(|| format!("set the seccomp filters of task {vtid}"))?;
        }
        let index = |process: &super::NascentProcess, vtid: Vpid| {
            let found = process.tasks.iter().position(|(known, _)| *known == vtid);
            found.ok_or_else(|| Error::Inconsistent(format!("task {vtid} is not among those of process {vpid}")))
        };
        // what all tasks have they have from one call, so that a later one for all of them (SECCOMP_FILTER_FLAG_TSYNC) finds them alike
        let first = &of_process[0].filters;
        let complete = of_process.len() == process.tasks.len() && !of_process.iter().any(|record| record.strict);
        let shared = of_process.iter().map(|record| first.iter().zip(&record.filters).take_while(|(a, b)| a == b).count()).min();
        let shared = if complete { shared.unwrap_or(0) } else { 0 };
        let at = index(process, of_process[0].task)?;
        for filter in &first[..shared] {
            set(process, at, filter, FLAG_TSYNC)?;
        }
        for record in of_process {
            let at = index(process, record.task)?;
            for filter in &record.filters[shared..] {
                set(process, at, filter, 0)?;
            }
            if record.strict {
                process.call_in(at, "set the strict seccomp mode", libc::SYS_prctl, [PR_SET_SECCOMP, STRICT.into()])?;
            }
        }
    }
    Ok(())
}

fn set(process: &mut super::NascentProcess, task: usize, filter: &Filter, flags: u64) -> Result<()> {
    const SET_MODE_FILTER: u64 = 1;
    let code = process.write_data(16, &filter.code)?;
    let mut program = ((filter.code.len() / 8) as u64).to_le_bytes().to_vec();
    program.extend_from_slice(&code.to_le_bytes());
    let program = process.write_data(0, &program)?;
    let flags = flags | if filter.log { FLAG_LOG } else { 0 };
    let mut calls = [Call::new(libc::SYS_seccomp, [SET_MODE_FILTER, flags, program])];
    process.sequence_in(task, "set the seccomp filters", &mut calls)?;
    // with TSYNC, the id of a task that could not follow
    if calls[0].ret != 0 {
        return Err(Error::Inconsistent(format!("task {} cannot have the seccomp filters of its process", calls[0].ret)));
    }
    Ok(())
}
