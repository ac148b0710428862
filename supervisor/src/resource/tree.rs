//! Making processes and threads from the plan of [`super::process`], and letting them go.
//!
//! The pod's init gives one empty child, the *mother*. It gets all capabilities, the end of a socket pair over which descriptors come,
//! and the injector's area; every process of the pod is forked from it, directly (CLONE_PARENT makes it a child of init) or not.
use super::process::{Birth, ProcessRecord, Step};
use super::task::TaskRecord;
use super::thread::{self, Belongings};
use super::{Context, Error, Nascent, NascentProcess, Result, Vpid, credentials, descriptor, memory, terminal};
use crate::pod::init_client::InitClient;
use crate::sys;
use crate::tracee::{self, Call, Injector, Stopped};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// clone(2) flags of a thread.
const THREAD: u64 =
    (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD | libc::CLONE_SYSVSEM) as u32
        as u64;
/// Where the socket sits until the descriptor table is built.
pub(super) const CHANNEL: i32 = 900;

/// Processes of ours among the pod's while it grows.
struct Grove<'a> {
    records: &'a [ProcessRecord],
    section: &'a memory::Section,
    objects: &'a [OwnedFd],
    mother: NascentProcess,
    /// Stand-ins for dead session leaders.
    stand_ins: Vec<NascentProcess>,
    /// Which program a process runs by now: index of the record that has it.
    programs: Vec<(Vpid, Option<usize>)>,
    /// Whose memory, as recorded, a process has.
    memories: HashMap<Vpid, Vpid>,
    /// Processes that share memory, but not their signal handlers.
    slots: u64,
    next_free: Vpid,
}

/// Processes of ours that keep ids of sessions and groups alive while the tree grows.
pub struct Helpers(Vec<NascentProcess>);

impl Helpers {
    /// Lets them go; what lives in their sessions and groups holds the ids from here on.
    pub fn end(self) -> Result<()> {
        self.0.into_iter().try_for_each(|process| end(process, 0))
    }
}

/// Creates every process, with its memory.
pub fn grow(
    cx: &mut Nascent,
    init: &InitClient,
    records: &[ProcessRecord],
    plan: &[Step],
    section: &memory::Section,
    objects: &[OwnedFd],
) -> Result<Helpers> {
    let highest = records.iter().flat_map(|r| r.tasks.iter().chain([&r.group, &r.session])).max().copied().unwrap_or(1);
    let next_free = highest + 64;
    let mother = mother(cx, init, next_free, section)?;
    let programs = Vec::new();
    let memories = HashMap::new();
    let mut grove = Grove {
        records,
        section,
        objects,
        mother,
        stand_ins: Vec::new(),
        programs,
        memories,
        slots: 0,
        next_free: next_free + 1,
    };
    for step in plan {
        grove.step(cx, step)?;
    }
    let Grove { mother, stand_ins, .. } = grove;
    Ok(Helpers(stand_ins.into_iter().chain([mother]).collect()))
}

fn mother(cx: &mut Nascent, init: &InitClient, vpid: Vpid, section: &memory::Section) -> Result<NascentProcess> {
    let seed =
        init.seed(Some(vpid as i32)).map_err(|error| Error::NotHere(format!("the pod's init gives no process: {error}")))?;
    let pid = seed.host_pid;
    let what = || "prepare the first process".to_string();
    let mut task = tracee::seize(pid, true).and_then(|task| task.stop()).doing(what)?;
    let injector = memory::take_over(&cx.proc, &mut task, section)?;
    let mut process = NascentProcess { vpid, pid, tasks: vec![(vpid, task)], injector, channel: CHANNEL };
    let pair = process.write_data(0, &[0; 8])?;
    let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as u64;
    process.call("make a channel", libc::SYS_socketpair, [libc::AF_UNIX as u64, kind, 0, pair])?;
    let mut ends = [0; 8];
    process.read_data(0, &mut ends)?;
    let end = |at: usize| i32::from_le_bytes(ends[at..at + 4].try_into().expect("four bytes"));
    let pidfd = sys::process::pidfd_open(pid).doing(what)?;
    cx.sender = sys::process::pidfd_getfd(pidfd.as_fd(), end(0)).doing(what)?;
    let mut calls = [
        Call::new(libc::SYS_dup2, [end(4) as u64, CHANNEL as u64]),
        Call::new(libc::SYS_close, [end(0) as u64]),
        Call::new(libc::SYS_close, [end(4) as u64]),
    ];
    process.sequence("make a channel", &mut calls)?;
    let status = cx.proc.status(pid, pid).doing(what)?;
    credentials::keep_capabilities(&mut process, status.cap_permitted)?;
    Ok(process)
}

impl Grove<'_> {
    fn step(&mut self, cx: &mut Nascent, step: &Step) -> Result<()> {
        match step {
            Step::Leader { session } => {
                let id = KernelId::of_helper(cx, *session);
                let mut process = fork(&mut self.mother, *session, id, libc::CLONE_PARENT as u64, 0)?;
                process.call("lead a session", libc::SYS_setsid, [])?;
                cx.host_ids.entry(*session).or_insert(process.pid);
                self.stand_ins.push(process);
                Ok(())
            }
            Step::Create { index, birth } => self.create(cx, *index, *birth),
            Step::Lead { index } => {
                let leader = self.records[*index].process;
                cx.process_mut(leader)?.call("lead a session", libc::SYS_setsid, [])?;
                terminal::control(cx, leader)
            }
            Step::Build { index } => {
                let vpid = self.records[*index].process;
                let recorded = |vpid: Vpid| self.section.spaces.iter().find(|space| space.process == vpid);
                let space = recorded(vpid).ok_or_else(|| Error::Inconsistent(format!("process {vpid} has no memory")))?;
                let base = self.memories.get(&vpid).and_then(|relative| recorded(*relative));
                let at = cx.processes.iter().position(|process| process.vpid == vpid).expect("created by an earlier step");
                let mut process = cx.processes.remove(at);
                let built = memory::build(cx, &mut process, space, base, self.section, self.objects);
                cx.processes.insert(at, process);
                self.memories.insert(vpid, vpid);
                built
            }
        }
    }

    fn create(&mut self, cx: &mut Nascent, index: usize, birth: Birth) -> Result<()> {
        let record = &self.records[index];
        if record.parent == 1 && record.exit_status.is_some() {
            // init would have reaped it long ago
            return Ok(());
        }
        let parent_flag = libc::CLONE_PARENT as u64;
        let id = KernelId::of_task(cx, record, 0);
        let source = match birth {
            Birth::Seed => None,
            Birth::Fork { .. } => Some(record.parent),
            Birth::Orphan { from } => Some(from),
        };
        let memory = source.and_then(|source| self.memories.get(&source)).copied();
        let (process, program) = match birth {
            Birth::Seed => (fork(&mut self.mother, record.process, id, parent_flag, 0)?, None),
            Birth::Fork { .. } => {
                let program = self.program_of(record.parent);
                (
                    fork(cx.process_mut(record.parent)?, record.process, id, shared_flags(record), record.exit_signal as u64)?,
                    program,
                )
            }
            Birth::Orphan { from } => {
                if let Some(stand_in) = self.stand_ins.iter_mut().find(|process| process.vpid == from) {
                    (fork(stand_in, record.process, id, parent_flag, 0)?, None)
                } else {
                    let program = self.program_of(from);
                    let child_of_init = self.records.iter().any(|other| other.process == from && other.parent == 1);
                    let helper = KernelId::of_helper(cx, self.next_free);
                    let source = cx.process_mut(from)?;
                    if child_of_init {
                        (fork(source, record.process, id, parent_flag, 0)?, program)
                    } else {
                        let mut between = fork(source, self.next_free, helper, 0, 0)?;
                        self.next_free += 1;
                        let process = fork(&mut between, record.process, id, 0, libc::SIGCHLD as u64)?;
                        let number = number(cx, &between);
                        end(between, 0)?;
                        let all = libc::__WALL as u64;
                        cx.process_mut(from)?.call("reap a helper", libc::SYS_wait4, [number, 0, all, 0])?;
                        (process, program)
                    }
                }
            }
        };
        let mut process = process;
        if record.shares_memory && !record.shares_handlers {
            self.slots += 1;
            process.injector.use_slot(self.slots).doing(|| format!("create process {}", record.process))?;
        }
        cx.host_ids.insert(record.process, process.pid);
        cx.processes.push(process);
        let same = match (&record.program, program) {
            (Some(wanted), Some(other)) => self.records[other].program.as_ref() == Some(wanted),
            (None, _) => true,
            _ => false,
        };
        match memory {
            _ if !same => self.exec(cx, index)?,
            Some(memory) => drop(self.memories.insert(record.process, memory)),
            None => {}
        }
        self.programs.push((record.process, if record.program.is_some() { Some(index) } else { program }));
        Ok(())
    }

    fn program_of(&self, vpid: Vpid) -> Option<usize> {
        self.programs.iter().find(|(known, _)| *known == vpid).and_then(|(_, program)| *program)
    }

    /// Has a process execute its program file, so that /proc/PID/exe is real; it is stopped before its first instruction.
    fn exec(&self, cx: &mut Nascent, index: usize) -> Result<()> {
        let record = &self.records[index];
        let Some(program) = &record.program else { return Ok(()) };
        let fd = program.open(cx, libc::O_RDONLY)?;
        let sender = cx.channel_sender()?;
        let at = cx.processes.iter().position(|process| process.vpid == record.process).expect("just created");
        let mut process = cx.processes.remove(at);
        let what = || format!("execute {} as process {}", record.name, record.process);
        let number = descriptor::hand_over(&mut process, sender.as_fd(), &[fd.as_fd()])?[0];
        let base = process.injector.data(0);
        let mut data = Vec::new();
        // an empty path; argv = { "autopod", NULL }; envp = { NULL }
        for word in [0, base + 32, 0, 0] {
            data.extend_from_slice(&u64::to_le_bytes(word));
        }
        data.extend_from_slice(b"autopod\0");
        process.write_data(0, &data)?;
        let injector = process.injector.clone();
        let (_, task) = &mut process.tasks[0];
        injector.exec(task, number, base, base + 8, base + 16, libc::AT_EMPTY_PATH).doing(what)?;
        process.injector = memory::take_over(&cx.proc, task, self.section)?;
        process.call("close the program file", libc::SYS_close, [number as u64])?;
        cx.processes.insert(at, process);
        Ok(())
    }
}

/// Which id the kernel shall give to a new task.
#[derive(Clone, Copy, Debug)]
enum KernelId {
    /// That of the pod's own pid namespace.
    Exactly(i32),
    /// The one that it had on the host, if that is free and we may choose: some programs notice otherwise.
    Rather(i32),
    Any,
}

impl KernelId {
    fn of_task(cx: &Nascent, record: &ProcessRecord, index: usize) -> KernelId {
        match record.host_tasks.get(index) {
            _ if cx.kernel_names => KernelId::Exactly(record.tasks[index] as i32),
            Some(host) => KernelId::Rather(*host),
            None => KernelId::Any,
        }
    }

    fn of_helper(cx: &Nascent, vpid: Vpid) -> KernelId {
        if cx.kernel_names { KernelId::Exactly(vpid as i32) } else { KernelId::Any }
    }
}

/// clone(2) flags for what a process has in common with its parent.
fn shared_flags(record: &ProcessRecord) -> u64 {
    let files = if record.shares_files { libc::CLONE_FILES } else { 0 };
    let directories = if record.shares_directories { libc::CLONE_FS } else { 0 };
    let memory = if record.shares_memory { libc::CLONE_VM } else { 0 };
    let handlers = if record.shares_handlers { libc::CLONE_SIGHAND } else { 0 };
    (files | directories | memory | handlers) as u64
}

/// What a process of ours is called in calls that its relatives make.
fn number(cx: &Nascent, process: &NascentProcess) -> u64 {
    if cx.kernel_names { process.vpid.into() } else { process.pid as u64 }
}

/// Forks a process with a given virtual id.
fn fork(from: &mut NascentProcess, vpid: Vpid, id: KernelId, flags: u64, exit_signal: u64) -> Result<NascentProcess> {
    let task = clone(from, vpid, id, flags, exit_signal)?;
    Ok(NascentProcess {
        vpid,
        pid: task.tid(),
        tasks: vec![(vpid, task)],
        injector: from.injector.clone(),
        channel: from.channel,
    })
}

/// clone3(2) in a process, with set_tid where the id matters; the new task is stopped before its first instruction.
fn clone(from: &mut NascentProcess, vpid: Vpid, id: KernelId, flags: u64, exit_signal: u64) -> Result<Stopped> {
    let what = || format!("create task {vpid}");
    match id {
        KernelId::Exactly(id) => clone_as(from, Some(id), flags, exit_signal).doing(what),
        KernelId::Rather(id) => clone_as(from, Some(id), flags, exit_signal)
            // taken (EEXIST), or not ours to choose (EPERM)
            .or_else(|error| match error {
                tracee::Error::Call { .. } => clone_as(from, None, flags, exit_signal),
                other => Err(other),
            })
            .doing(what),
        KernelId::Any => clone_as(from, None, flags, exit_signal).doing(what),
    }
}

fn clone_as(from: &mut NascentProcess, id: Option<i32>, flags: u64, exit_signal: u64) -> tracee::Result<Stopped> {
    let at = from.injector.data(0);
    let mut arguments = Vec::with_capacity(96);
    for word in [flags, 0, 0, 0, exit_signal, 0, 0, 0, if id.is_some() { at + 88 } else { 0 }, id.is_some().into(), 0] {
        arguments.extend_from_slice(&word.to_le_bytes());
    }
    arguments.extend_from_slice(&u64::from(id.unwrap_or(0) as u32).to_le_bytes());
    let injector: Injector = from.injector.clone();
    let task = &mut from.tasks[0].1;
    task.write(at, &arguments)?;
    injector.create_task(task, libc::SYS_clone3, [at, 88])
}

/// Has a process of ours exit.
fn end(process: NascentProcess, status: u64) -> Result<()> {
    let vpid = process.vpid;
    let (_, task) = process.tasks.into_iter().next().expect("a process has a task");
    process.injector.exit(task, status).doing(|| format!("end process {vpid}"))
}

/// Does something about a process that bears this id, if it is free, and ends and is forgotten afterwards; what it calls itself and what the host calls it is passed on.
pub(super) fn with_passing_process<T>(cx: &mut Nascent, vpid: Vpid, act: impl FnOnce(i32, i32) -> Result<T>) -> Result<T> {
    let (id, kernel_names) = (KernelId::of_helper(cx, vpid), cx.kernel_names);
    let Some(parent) = cx.processes.first_mut() else {
        return Err(Error::Inconsistent("there is an open file and no process".into()));
    };
    let mut helper = match fork(parent, vpid, id, 0, 0) {
        Ok(helper) => helper,
        Err(_) => fork(parent, 0, KernelId::Any, 0, 0)?,
    };
    let own = helper.call("ask the id", libc::SYS_getpid, [])? as i32;
    let result = act(own, helper.pid);
    let number = if kernel_names { own } else { helper.pid };
    end(helper, 0)?;
    parent.call("reap a helper", libc::SYS_wait4, [number as u64, 0, libc::__WALL as u64, 0])?;
    result
}

/// Creates the threads beside the leaders.
pub fn add_threads(cx: &mut Nascent, records: &[ProcessRecord]) -> Result<()> {
    for record in records.iter().filter(|record| record.exit_status.is_none()) {
        let own = |vtid: Vpid| record.threads.iter().find(|own| own.task == vtid).cloned().unwrap_or(Belongings::common(vtid));
        let all: Vec<Belongings> = record.tasks.iter().map(|vtid| own(*vtid)).collect();
        for (index, vtid) in record.tasks.iter().enumerate().skip(1) {
            let id = KernelId::of_task(cx, record, index);
            let creator = thread::creator(&all, &all[index]);
            let process = cx.process_mut(record.process)?;
            let creator = process.tasks.iter().position(|(other, _)| Some(*other) == creator);
            let creator = creator.ok_or_else(|| Error::Inconsistent(format!("no thread can make thread {vtid}")))?;
            // clone uses the first
            process.tasks.swap(0, creator);
            let task = clone(process, *vtid, id, THREAD, 0)?;
            process.tasks.swap(0, creator);
            let tid = task.tid();
            process.tasks.push((*vtid, task));
            let files = if all[index].unshares_files() { libc::CLONE_FILES } else { 0 };
            let directories = if all[index].unshares_directories() { libc::CLONE_FS } else { 0 };
            if files | directories != 0 {
                process.call_in(
                    index,
                    "unshare what belongs to the process",
                    libc::SYS_unshare,
                    [(files | directories) as u64],
                )?;
            }
            cx.host_ids.insert(*vtid, tid);
        }
    }
    Ok(())
}

/// Process groups: leaders first; a group whose leader is gone gets one for the moment.
pub fn set_groups(cx: &mut Nascent, records: &[ProcessRecord], stand_ins: &Helpers) -> Result<()> {
    let there: Vec<&ProcessRecord> = records.iter().filter(|r| cx.processes.iter().any(|p| p.vpid == r.process)).collect();
    for record in there.iter().filter(|r| r.group == r.process && r.session != r.process) {
        cx.process_mut(record.process)?.call("lead a process group", libc::SYS_setpgid, [0, 0])?;
    }
    let mut helpers = Vec::new();
    for record in there.iter().filter(|r| r.group != 0 && r.group != r.process && r.session != r.process) {
        let lives = there.iter().any(|other| other.process == record.group)
            || stand_ins.0.iter().any(|stand_in| stand_in.vpid == record.group);
        if !lives && !helpers.iter().any(|(_, helper): &(Vpid, NascentProcess)| helper.vpid == record.group) {
            let id = KernelId::of_helper(cx, record.group);
            let mut helper = fork(cx.process_mut(record.process)?, record.group, id, 0, 0)?;
            helper.call("lead a process group", libc::SYS_setpgid, [0, 0])?;
            cx.host_ids.entry(record.group).or_insert(helper.pid);
            helpers.push((record.process, helper));
        }
        let group = cx.kernel_id(record.group)? as u64;
        cx.process_mut(record.process)?.call("join the process group", libc::SYS_setpgid, [0, group])?;
    }
    for (parent, helper) in helpers {
        let number = number(cx, &helper);
        end(helper, 0)?;
        cx.process_mut(parent)?.call("reap a helper", libc::SYS_wait4, [number, 0, libc::__WALL as u64, 0])?;
    }
    Ok(())
}

/// Zombies die as they died: their parents have yet to wait for them.
pub fn end_zombies(cx: &mut Nascent, records: &[ProcessRecord]) -> Result<()> {
    for record in records {
        let Some(status) = record.exit_status else { continue };
        let Some(at) = cx.processes.iter().position(|process| process.vpid == record.process) else { continue };
        let mut process = cx.processes.remove(at);
        let mut name = record.name.clone().into_bytes();
        name.truncate(15);
        name.push(0);
        let name_at = process.write_data(0, &name)?;
        process.call("name a zombie", libc::SYS_prctl, [15, name_at])?;
        if libc::WIFSIGNALED(status) {
            let none = process.write_data(16, &[0; 16])?;
            let mut calls = [Call::new(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as u64, none, 0])];
            process.sequence("forbid a core dump", &mut calls)?;
            let signal = libc::WTERMSIG(status);
            let own = number(cx, &process) as u32;
            let (_, task) = process.tasks.remove(0);
            process.injector.die(task, own, signal).doing(|| format!("end zombie {}", record.process))?;
        } else {
            end(process, libc::WEXITSTATUS(status) as u64)?;
        }
    }
    Ok(())
}

/// Stops by job control what was stopped so. The processes still do what is asked of them, being traced.
pub fn stop(cx: &mut Nascent, records: &[ProcessRecord]) -> Result<()> {
    for record in records.iter().filter(|record| record.continue_unreported && record.stopped.is_none()) {
        let process = cx.process_mut(record.process)?;
        let (vtids, tasks): (Vec<Vpid>, Vec<Stopped>) = std::mem::take(&mut process.tasks).into_iter().unzip();
        let tasks = tracee::stop_group(tasks, libc::SIGSTOP).and_then(tracee::continue_group);
        let tasks = tasks.doing(|| format!("continue process {}", record.process))?;
        process.tasks = vtids.into_iter().zip(tasks).collect();
    }
    for record in records {
        let Some(signal) = record.stopped else { continue };
        let process = cx.process_mut(record.process)?;
        let what = || format!("stop process {}", record.process);
        let tasks = std::mem::take(&mut process.tasks);
        let (vtids, tasks): (Vec<Vpid>, Vec<Stopped>) = tasks.into_iter().unzip();
        let tasks = tracee::stop_group(tasks, signal).doing(what)?;
        process.tasks = vtids.into_iter().zip(tasks).collect();
        if record.parent != 1 && !record.stop_unreported {
            let flags = (libc::WUNTRACED | libc::__WALL) as u64;
            let child = cx.kernel_id(record.process)? as u64;
            cx.process_mut(record.parent)?.call("take the stop of a child", libc::SYS_wait4, [child, 0, flags, 0])?;
        }
    }
    Ok(())
}

/// Takes what is ours out of every process, and sets the registers of every task: from here on they only have to be let go.
pub fn finish(cx: &mut Nascent, records: &[ProcessRecord], tasks: &[TaskRecord]) -> Result<()> {
    let (names, hosts) = (cx.kernel_names, cx.host_ids.clone());
    for process in &mut cx.processes {
        let vpid = process.vpid;
        // who shares its parent's table shares the channel, too
        if !records.iter().any(|record| record.process == vpid && record.shares_files) {
            let channel = process.channel as u64;
            process.call("close the channel", libc::SYS_close, [channel])?;
        }
        let injector = process.injector.clone();
        if records.iter().any(|record| record.process == vpid && record.leader_ended) {
            let (_, leader) = process.tasks.remove(0);
            injector.end_leader(leader).doing(|| format!("end the leader of process {vpid}"))?;
        }
        let what = || format!("clear our traces from process {vpid}");
        injector.retire(&mut process.tasks[0].1).doing(what)?;
        let id = |vtid: Vpid| if names { Some(vtid as i32) } else { hosts.get(&vtid).copied() };
        for (vtid, task) in &mut process.tasks {
            let (own_process, own) = (id(vpid).unwrap_or(process.pid), id(*vtid).unwrap_or(task.tid()));
            injector.return_traps(task, own_process, own).doing(what)?;
        }
    }
    // the area goes when nobody who has it in common is in need of it any more
    for process in &mut cx.processes {
        let vpid = process.vpid;
        if !records.iter().any(|record| record.process == vpid && record.shares_memory) {
            let injector = process.injector.clone();
            injector.remove(&mut process.tasks[0].1).doing(|| format!("clear our traces from process {vpid}"))?;
        }
    }
    super::task::restore_registers(tasks, cx)
}

/// Has what [`finish`] has finished live on should we die.
pub fn keep(cx: &mut Nascent) -> Result<()> {
    for (vtid, task) in cx.processes.iter_mut().flat_map(|process| &mut process.tasks) {
        match task.keep() {
            Err(error) if error.is_gone() => {}
            other => other.doing(|| format!("release task {vtid}"))?,
        }
    }
    Ok(())
}

/// Lets all go.
pub fn release(cx: &mut Nascent) -> Result<()> {
    for process in std::mem::take(&mut cx.processes) {
        for (vtid, task) in process.tasks {
            match task.detach() {
                // what was let go before it may have ended it already
                Err(error) if error.is_gone() => {}
                other => other.doing(|| format!("release task {vtid}"))?,
            }
        }
    }
    Ok(())
}

/// Kills everything that was built, also what no record tells of yet, and takes the ends: nobody else can while we trace.
pub fn abandon(cx: Nascent) {
    let own = crate::sys::process::own_pid();
    for pid in cx.proc.numbers(".").unwrap_or_default() {
        if cx.proc.status(pid, pid).is_ok_and(|status| status.tracer == own) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
    crate::tracee::await_all_ends();
}
