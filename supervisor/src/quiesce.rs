//! Quiesce: stopping every task of a pod, and letting them go again.
//!
//! Tasks are seized and interrupted until the set of them stops growing: a stopped task creates no others, so when a pass over
//! the descendants of the pod's init finds nobody new, the pod stands still. Nothing of ours runs inside the programs for this.
use crate::proc::{Proc, gone};
use crate::resource::shim_link;
use crate::tracee::{self, Running, Stopped};
use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read /proc while stopping the pod: {0}")]
    Proc(#[from] io::Error),
    #[error("cannot stop the pod: {0}")]
    Tracee(#[from] tracee::Error),
    #[error("process {pid} ({comm}) is traced by process {tracer} (a debugger or strace): end the tracing first")]
    Traced { pid: i32, comm: String, tracer: i32 },
    #[error(
        "not permitted to trace process {pid} ({comm}): ptrace is restricted here (kernel.yama.ptrace_scope, a seccomp filter, or another owner); run as the pod's owner or as root"
    )]
    Forbidden { pid: i32, comm: String },
    #[error("the pod's programs did not come to a rest between two calls: try again")]
    Restless,
    #[error(
        "process {pid} ({comm}) waits in vfork(2) for a child that has neither executed a program nor ended within {seconds} s: try again when it has"
    )]
    Vfork { pid: i32, comm: String, seconds: u64 },
    #[error("process {pid} ({comm}) did not stop within {seconds} s: it waits in the kernel (state {state}); try again later")]
    Stuck { pid: i32, comm: String, seconds: u64, state: char },
}

/// So many walks must find nobody new.
const QUIET: u32 = 3;
/// How often tasks are let go on because they were where they must not stay.
const PASSES: u32 = 100;
/// How long a task may stay in an uninterruptible wait before the checkpoint gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// And how long when what is waited for is a program: its child is on its way to execve(2), or will never go there.
const VFORK_PATIENCE: Duration = Duration::from_secs(3);

/// A process whose live tasks all are stopped.
#[derive(Debug)]
pub struct StoppedProcess {
    pub pid: i32,
    /// Every task of the group; `None` for one that has ended but is still listed. The leader comes first.
    pub tasks: Vec<(i32, Option<Stopped>)>,
}

/// Stops every descendant of `init`, parents before children in the result. No task is stopped in the middle of a hook of the shim, where
/// it may hold ids of the host in its registers, or before a program's shim knows who realizes the names.
pub fn quiesce(proc: &Proc, init: i32) -> Result<Vec<StoppedProcess>, Error> {
    let mut stopped: HashMap<i32, Stopped> = HashMap::new();
    let mut ended: HashSet<i32> = HashSet::new();
    let result = stop_all(proc, init, &mut stopped, &mut ended);
    if let Err(error) = result {
        for (_, task) in stopped {
            let _ = task.detach();
        }
        return Err(error);
    }
    let mut processes = Vec::new();
    for pid in proc.descendants(init)? {
        let Ok(mut tids) = proc.tasks(pid) else { continue };
        tids.sort_by_key(|tid| (*tid != pid, *tid));
        let tasks = tids.into_iter().map(|tid| (tid, stopped.remove(&tid))).collect();
        processes.push(StoppedProcess { pid, tasks });
    }
    Ok(processes)
}

fn stop_all(proc: &Proc, init: i32, stopped: &mut HashMap<i32, Stopped>, ended: &mut HashSet<i32>) -> Result<(), Error> {
    let mut passes = 0;
    let mut quiet = 0;
    loop {
        let mut waiting = Vec::new();
        let mut grew = false;
        for pid in proc.descendants(init)? {
            let tids = match proc.tasks(pid) {
                Ok(tids) => tids,
                Err(error) if gone(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            for tid in tids {
                if stopped.contains_key(&tid) || ended.contains(&tid) {
                    continue;
                }
                grew = true;
                match attach(proc, pid, tid)? {
                    Some(task) => waiting.push((pid, task)),
                    None => {
                        ended.insert(tid);
                    }
                }
            }
        }
        wait_for(proc, waiting, stopped)?;
        // what leaves a hook may create tasks
        quiet = if grew { 0 } else { quiet + 1 };
        // a process whose parent ends is the child of neither for a walk that comes by just then
        if quiet >= QUIET {
            if !settle(proc, stopped)? {
                return Ok(());
            }
            passes += 1;
            if passes > PASSES {
                return Err(Error::Restless);
            }
        }
    }
}

/// Lets every task run on that is where it must not stay; tells whether there was any.
fn settle(proc: &Proc, stopped: &mut HashMap<i32, Stopped>) -> Result<bool, Error> {
    let mut any = false;
    for tid in stopped.keys().copied().collect::<Vec<_>>() {
        let Some(task) = stopped.remove(&tid) else { continue };
        match shim_link::settle(proc, task) {
            Ok((task, moved)) => {
                any |= moved;
                stopped.insert(tid, task);
            }
            Err(error) if error.is_gone() => any = true,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(any)
}

/// Seizes and interrupts one task; `None` when it has ended.
fn attach(proc: &Proc, pid: i32, tid: i32) -> Result<Option<Running>, Error> {
    let stat = match proc.stat(pid, tid) {
        Ok(stat) if matches!(stat.state, 'Z' | 'X') => return Ok(None),
        Ok(stat) => stat,
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let task = match tracee::seize(tid, false) {
        Ok(task) => task,
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) if error.errno() == Some(libc::EPERM) => {
            let Ok(status) = proc.status(pid, tid) else { return Ok(None) };
            return match (status.state, status.tracer) {
                ('Z' | 'X', _) => Ok(None),
                (_, 0) => Err(Error::Forbidden { pid, comm: stat.comm }),
                (_, tracer) => Err(Error::Traced { pid, comm: stat.comm, tracer }),
            };
        }
        Err(error) => return Err(error.into()),
    };
    match task.interrupt() {
        Ok(()) => Ok(Some(task)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn wait_for(proc: &Proc, waiting: Vec<(i32, Running)>, stopped: &mut HashMap<i32, Stopped>) -> Result<(), Error> {
    let began = Instant::now();
    let mut waiting = waiting;
    let mut pause = Duration::from_micros(50);
    while !waiting.is_empty() {
        let mut still = Vec::new();
        for (pid, task) in waiting {
            let tid = task.tid();
            match task.try_wait_interrupted() {
                Ok(Ok(task)) => {
                    stopped.insert(tid, task);
                }
                Ok(Err(task)) => still.push((pid, task)),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error.into()),
            }
        }
        waiting = still;
        if waiting.is_empty() {
            break;
        }
        let (pid, task) = &waiting[0];
        if began.elapsed() > VFORK_PATIENCE && in_vfork(proc, *pid, task.tid()) {
            let stat = proc.stat(*pid, task.tid())?;
            return Err(Error::Vfork { pid: *pid, comm: stat.comm, seconds: VFORK_PATIENCE.as_secs() });
        }
        if began.elapsed() > PATIENCE {
            let stat = proc.stat(*pid, task.tid())?;
            return Err(Error::Stuck { pid: *pid, comm: stat.comm, seconds: PATIENCE.as_secs(), state: stat.state });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
        free_vfork_children(proc, &waiting, stopped)?;
    }
    Ok(())
}

/// A parent in vfork(2) waits uninterruptibly until its child execs or exits: such a child must run on until then.
fn free_vfork_children(proc: &Proc, waiting: &[(i32, Running)], stopped: &mut HashMap<i32, Stopped>) -> Result<(), Error> {
    for (pid, task) in waiting {
        if !in_vfork(proc, *pid, task.tid()) {
            continue;
        }
        for child in proc.children(*pid)? {
            if let Some(task) = stopped.remove(&child) {
                let stop = |task: Stopped| {
                    let running = task.resume(0)?;
                    running.interrupt_later(Duration::from_millis(2))?;
                    running.stop()
                };
                match stop(task) {
                    Ok(child) => drop(stopped.insert(child.tid(), child)),
                    // it ended, which is what its parent waits for
                    Err(error) if error.is_gone() => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

/// Whether a task that does not stop is in a call that creates tasks.
fn in_vfork(proc: &Proc, pid: i32, tid: i32) -> bool {
    let call = proc.read_text(&format!("{pid}/task/{tid}/syscall")).ok();
    let number = call.as_deref().and_then(|text| text.split(' ').next()).and_then(|n| n.parse::<i64>().ok());
    matches!(number, Some(libc::SYS_vfork | libc::SYS_clone | libc::SYS_clone3))
}
