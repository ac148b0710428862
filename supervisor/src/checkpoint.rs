//! A checkpoint from beginning to end: join the pod's namespaces, stop every task, read everything, seal the image, and let the pod
//! go on or end it.
use crate::image::{ImageWriter, Key, KeyError, ManifestBuilder, Publish};
use crate::pod::engine::{CheckpointRequest, PodSection, Progress, Report, Tcp};
use crate::pod::namespaces::become_root;
use crate::pod::record::Names;
use crate::proc::Proc;
use crate::quiesce::{self, StoppedProcess, quiesce};
use crate::resource::capture::OutsideConnections;
use crate::resource::{
    self, Capture, CapturedProcess, CapturedTask, Context, Vpid, aio, attributes, cgroup, changes, credentials, descriptor,
};
use crate::resource::{keyring, lock, memory, mount, nested, process, seccomp, signal, task, timer};
use crate::resource::{mqueue, posix_shm, shim_names, sysv_msg, sysv_sem, sysv_shm, terminal};
use crate::sys;
use crate::sys::process::{Kcmp, kcmp};
use crate::tracee::{self, Armor, Call, Injector, Refuge, Registers, find_hole};
use crate::walls::Uids;
use autopod_namespace::Clock;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

/// Why a pod could not be checkpointed. The pod runs on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot checkpoint pod \"{pod}\": it has no process; start one with `autopod addproc {pod} COMMAND`")]
    Empty { pod: String },
    #[error("cannot checkpoint pod \"{pod}\": {source}")]
    Quiesce { pod: String, source: quiesce::Error },
    #[error("cannot checkpoint pod \"{pod}\": {source}")]
    Resource { pod: String, source: resource::Error },
    #[error("cannot end pod \"{pod}\", which runs on, though its image {image} is complete: {source}", image = image.display())]
    End { pod: String, image: PathBuf, source: crate::pod::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// How often stopping the pod is tried again when a task ends meanwhile.
const ATTEMPTS: u32 = 5;

/// Makes the image. Where the pod shall not run on, `end_pod` is called once the image is on disk, and has to see that every process
/// of the pod is killed, whatever becomes of us: to kill them one by one from here could leave half a pod.
pub fn run(
    request: &CheckpointRequest,
    progress: &mut dyn FnMut(Progress),
    publish: &Publish<'_>,
    end_pod: impl FnOnce() -> Result<(), crate::pod::Error>,
) -> Result<Report, Error> {
    let pod = request.record.name.clone();
    let begun = Instant::now();
    let fail = |source| Error::Resource { pod: pod.clone(), source };
    let proc = Proc::open().doing(|| "open /proc".into()).map_err(fail)?;
    // opened before the pod's mount namespace is joined, where the path may lead elsewhere
    let key = match &request.key {
        Some(path) => Key::load_or_create_at(path),
        None => Key::load_or_create(),
    };
    let writer = ImageWriter::create(&request.image, &key?, request.compress).map_err(|error| fail(error.into()))?;
    let mounts = mount::Mounts::load(&proc, &request.runtime_dir).map_err(fail)?;
    let strangers = request.record.walls.uids == Uids::Private;
    let upper = request.changes.as_ref().map(|kept| changes::Upper::open(&kept.upper, &kept.stamp, strangers));
    let upper = upper.transpose().map_err(fail)?;
    join(&proc, request.init_pid).map_err(fail)?;
    raise_descriptor_limit();
    upper.as_ref().map_or(Ok(()), changes::refuse).map_err(fail)?;

    progress(Progress { stage: "stopping".into(), done: 0, total: 0 });
    let stopped_at = Instant::now();
    let mut attempts = 0;
    let stopped = loop {
        attempts += 1;
        match quiesce(&proc, request.init_pid) {
            // a task ended under our hands, as those of programs that fork and execute all the time do
            Err(quiesce::Error::Tracee(error)) if error.is_gone() && attempts < ATTEMPTS => {}
            other => break other.map_err(|source| Error::Quiesce { pod: pod.clone(), source })?,
        }
    };
    if stopped.is_empty() {
        return Err(Error::Empty { pod });
    }
    let mut cx = Capture {
        proc,
        processes: Vec::new(),
        virtual_ids: HashMap::new(),
        outside: match request.tcp {
            Tcp::Refuse => OutsideConnections::Refuse,
            Tcp::Close => OutsideConnections::Close,
        },
        closed_connections: Vec::new(),
        kernel_names: request.record.names == Names::Kernel,
        wall_filters: request.record.walls.filters(),
        leave_running: request.leave_running,
        pod_name: pod.clone(),
        writer,
        manifest: ManifestBuilder::new(),
        stash: HashMap::new(),
    };
    let captured = read_tasks(&mut cx, stopped, request.init_pid)
        .and_then(|()| mounts.refuse(&cx.proc, request.init_pid))
        .and_then(|()| capture(&mut cx, request, upper.as_ref(), progress));
    let mut report = Report { virtual_pids: cx.processes.iter().map(|p| p.vpid as i32).collect(), ..Report::default() };
    report.notes.append(&mut cx.closed_connections);
    if request.leave_running || captured.is_err() {
        release(cx.processes);
        captured.map_err(fail)?;
        report.stopped_ms = stopped_at.elapsed().as_secs_f64() * 1e3;
        progress(Progress { stage: "writing".into(), done: 0, total: 0 });
        report.bytes = cx.writer.finish_by(cx.manifest, publish).map_err(|error| fail(error.into()))?.bytes;
    } else {
        progress(Progress { stage: "writing".into(), done: 0, total: 0 });
        match cx.writer.finish_by(cx.manifest, publish) {
            Ok(summary) => report.bytes = summary.bytes,
            Err(error) => {
                release(cx.processes);
                return Err(fail(error.into()));
            }
        }
        progress(Progress { stage: "ending the pod".into(), done: 0, total: 0 });
        if let Err(source) = end_pod() {
            release(cx.processes);
            return Err(Error::End { pod, image: request.image.clone(), source });
        }
        hold_back(&cx.processes);
        crate::stage::reached("asked to end");
        // our duplicates keep the connections until here
        resource::socket::silence(&cx.stash);
        see_off(cx.processes);
        report.stopped_ms = stopped_at.elapsed().as_secs_f64() * 1e3;
    }
    report.total_ms = begun.elapsed().as_secs_f64() * 1e3;
    Ok(report)
}

/// Joins those namespaces of `init` that differ from ours, except the pid namespace.
pub(crate) fn join(proc: &Proc, init: i32) -> resource::Result<()> {
    let kinds = [
        ("user", libc::CLONE_NEWUSER),
        ("ipc", libc::CLONE_NEWIPC),
        ("uts", libc::CLONE_NEWUTS),
        ("net", libc::CLONE_NEWNET),
        ("mnt", libc::CLONE_NEWNS),
    ];
    let what = || "join the pod's namespaces".to_string();
    let mut flags = 0;
    for (name, flag) in kinds {
        let theirs = proc.read_link(&format!("{init}/ns/{name}")).doing(what)?;
        let ours = proc.read_link(&format!("{}/ns/{name}", sys::process::own_pid())).doing(what)?;
        if theirs != ours {
            flags |= flag;
        }
    }
    if flags != 0 {
        let pidfd = sys::process::pidfd_open(init).doing(what)?;
        let was_root = nix::unistd::geteuid().is_root();
        sys::process::setns(pidfd.as_fd(), flags).doing(what)?;
        // a pod with user ids of its own: ours are none there
        if was_root && flags & libc::CLONE_NEWUSER != 0 {
            become_root().doing(|| "become the pod's root".into())?;
        }
    }
    std::env::set_current_dir("/").doing(what)
}

/// Every descriptor of the pod has a duplicate here for a while.
pub(crate) fn raise_descriptor_limit() {
    if let Ok((_, hard)) = sys::process::rlimit(0, libc::RLIMIT_NOFILE) {
        let _ = sys::process::set_rlimit(0, libc::RLIMIT_NOFILE, hard, hard);
    }
}

/// Reads what every capture function needs, and makes every process able to answer.
fn read_tasks(cx: &mut Capture, stopped: Vec<StoppedProcess>, init: i32) -> resource::Result<()> {
    let mut failure = nested::refuse(&cx.proc, &stopped, init).err();
    cx.virtual_ids.insert(init, 1);
    for process in stopped {
        let zombie = process.tasks.iter().all(|(_, task)| task.is_none());
        // init reaps its children at any time
        if zombie && cx.proc.stat(process.pid, process.pid).is_err_and(|error| crate::proc::gone(&error)) {
            continue;
        }
        let prepared = read_process(cx, process).and_then(|mut process| {
            let prepared = if failure.is_none() { prepare(cx, &mut process) } else { Ok(()) };
            let prepared = prepared.and_then(|()| take_after(cx, &mut process));
            // whatever was done to it is undone with the others
            cx.processes.push(process);
            prepared
        });
        failure = failure.or(prepared.err());
    }
    let by_host: HashMap<i32, Vpid> = cx.processes.iter().map(|process| (process.pid, process.vpid)).collect();
    for process in &mut cx.processes {
        process.parent = by_host.get(&process.leader().stat.ppid).copied().unwrap_or(1);
    }
    failure.map_or(Ok(()), Err)
}

fn read_process(cx: &mut Capture, stopped: StoppedProcess) -> resource::Result<CapturedProcess> {
    let pid = stopped.pid;
    let what = || format!("read process {pid} of the host");
    let table = shim_names::table(cx)?;
    let mut tasks = Vec::new();
    for (tid, task) in stopped.tasks {
        let stat = cx.proc.stat(pid, tid).doing(what)?;
        let status = cx.proc.status(pid, tid).doing(what)?;
        let vtid = match table {
            Some(table) => shim_names::name_task(table, tid)?,
            None => status.ns_pid.last().copied().unwrap_or(tid) as Vpid,
        };
        let (registers, signal_mask) = match &task {
            Some(task) => (task.registers().doing(what)?, task.signal_mask().doing(what)?),
            None => (Registers::default(), 0),
        };
        cx.virtual_ids.insert(tid, vtid);
        tasks.push(CapturedTask { tid, vtid, stopped: task, registers, signal_mask, stat, status });
    }
    let status = &tasks[0].status;
    let (host_group, host_session) = (tasks[0].stat.pgrp, tasks[0].stat.session);
    let name = |ids: &[i32], host: i32| match table {
        Some(table) => shim_names::name(table, host),
        None => ids.last().copied().unwrap_or(0) as Vpid,
    };
    let (vpid, group, session) = (tasks[0].vtid, name(&status.ns_pgid, host_group), name(&status.ns_sid, host_session));
    cx.virtual_ids.entry(host_group).or_insert(group);
    cx.virtual_ids.entry(host_session).or_insert(session);
    let zombie = tasks.iter().all(|task| task.stopped.is_none());
    let handle = tasks.iter().find(|task| task.stopped.is_some()).map_or(pid, |task| task.tid);
    Ok(CapturedProcess {
        pid,
        handle,
        vpid,
        parent: 1,
        group,
        session,
        pidfd: sys::process::pidfd_of_task(pid, handle).doing(what)?,
        tasks,
        maps: if zombie { Vec::new() } else { cx.proc.maps(handle).doing(what)? },
        zombie,
        dumpable: None,
        injector: None,
        armor: None,
    })
}

/// Makes a process able to answer.
fn prepare(cx: &Capture, process: &mut CapturedProcess) -> resource::Result<()> {
    if process.zombie {
        return Ok(());
    }
    seccomp::suspend(cx, process)?;
    let title = process.title();
    let what = || format!("read {title}");
    let base = find_hole(process.maps.iter().map(|map| (map.start, map.end)), Injector::size());
    let base = base.ok_or_else(|| resource::Error::NotHere(format!("{} leaves no address range free", process.title())))?;
    let maps = std::mem::take(&mut process.maps);
    let task = process.tasks.iter_mut().find(|task| task.stopped.is_some()).expect("not a zombie");
    let (back, mask) = (going_on(task).rewound(), task.signal_mask);
    let task = task.stopped.as_mut().expect("chosen so");
    let installed = Injector::install(task, &maps, base, Some((&back, mask))).doing(what);
    process.maps = maps;
    process.injector = Some(installed?);
    protect(process).doing(what)?;
    // without privilege, /proc shows the files of a process that is not dumpable to nobody
    if cx.proc.numbers(&format!("{}/fd", process.handle)).is_err() {
        let mut calls = [
            Call::new(libc::SYS_prctl, [libc::PR_GET_DUMPABLE as u64]),
            Call::new(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1]),
        ];
        process.batch(&mut calls)?;
        process.dumpable = Some(calls[0].ret);
    }
    Ok(())
}

/// What a process shares with an earlier one (CLONE_VM, CLONE_SIGHAND) is as it was before we were in that one.
fn take_after(cx: &Capture, process: &mut CapturedProcess) -> resource::Result<()> {
    let same = |other: &&CapturedProcess, what| {
        let equal = kcmp(other.handle, process.handle, what, 0, 0).is_ok_and(|order| order.is_eq());
        !other.zombie && !process.zombie && equal
    };
    let Some(other) = cx.processes.iter().find(|other| same(other, Kcmp::Vm)) else { return Ok(()) };
    let handlers = same(&other, Kcmp::Sighand);
    process.maps.clone_from(&other.maps);
    process.dumpable = other.dumpable;
    let (Some(theirs), true) = (other.injector.clone(), handlers) else { return Ok(()) };
    let what = format!("read {}", process.title());
    let Some((injector, task)) = process.live_task() else { return Ok(()) };
    let injector = injector.clone();
    let task = task.stopped.as_mut().expect("a live task");
    let action = theirs.trap_action(task).doing(|| what.clone())?;
    injector.set_trap_action(task, &action).doing(|| what)
}

/// From here on every task comes back by itself should we be killed.
fn protect(process: &mut CapturedProcess) -> tracee::Result<()> {
    let Some(injector) = &process.injector else { return Ok(()) };
    let count = process.tasks.len();
    let Some(first) = process.tasks.iter_mut().find_map(|task| task.stopped.as_mut()) else { return Ok(()) };
    let armor = Armor::install(injector, first, count)?;
    for (index, task) in process.tasks.iter_mut().enumerate() {
        let registers = going_on(task).rewound();
        if let Some(stopped) = &mut task.stopped {
            armor.protect(stopped, index, &registers, task.signal_mask)?;
            injector.enter(stopped)?;
        }
    }
    process.armor = Some(armor);
    // it is memory that is captured, too
    let first = process.tasks.iter_mut().find_map(|task| task.stopped.as_mut());
    if let (Some(refuge), Some(first)) = (injector.refuge(), first) {
        refuge.clear(first)?;
    }
    Ok(())
}

/// The registers with which a task of a pod that runs on is let go.
fn going_on(task: &CapturedTask) -> Registers {
    // a call that only our stop ended with EINTR is issued again; if a signal waits, EINTR is what the program must see
    let waiting = (task.status.signals_pending | task.status.shared_pending) & !task.signal_mask != 0;
    let interrupted = task.registers.in_syscall() && task.registers.rax as i64 == -i64::from(libc::EINTR);
    if interrupted && !waiting { task.registers.rewound() } else { task.registers }
}

/// Reads every resource into the image. The order is the reading order; restart has its own.
fn capture(
    cx: &mut Capture,
    request: &CheckpointRequest,
    upper: Option<&changes::Upper>,
    progress: &mut dyn FnMut(Progress),
) -> resource::Result<()> {
    let mut stage = |name: &str| progress(Progress { stage: name.into(), done: 0, total: 0 });
    stage("reading processes");
    shim_names::capture(cx)?;
    process::capture(cx)?;
    task::capture(cx)?;
    signal::capture(cx)?;
    timer::capture(cx)?;
    keyring::refuse(cx)?;
    credentials::capture(cx)?;
    attributes::capture(cx)?;
    seccomp::capture(cx)?;
    cgroup::capture(cx)?;
    stage("reading shared objects");
    sysv_shm::capture(cx)?;
    sysv_sem::capture(cx)?;
    sysv_msg::capture(cx)?;
    posix_shm::capture(cx)?;
    mqueue::capture_named(cx)?;
    stage("reading files");
    descriptor::capture(cx)?;
    mqueue::conclude(cx)?;
    terminal::conclude(cx)?;
    lock::capture(cx)?;
    aio::capture(cx)?;
    // after all timers, which else would fire early by the time that it took to read them
    let section = pod_section(cx, request)?;
    cx.section("pod", &section)?;
    if let Some(upper) = upper {
        stage("reading changes to the tree");
        changes::capture(cx, upper)?;
    }
    stage("reading memory");
    memory::capture(cx)
}

fn pod_section(cx: &mut Capture, request: &CheckpointRequest) -> resource::Result<PodSection> {
    let what = || "read the pod's clocks".to_string();
    let mut record = request.record.clone();
    let host = nix::sys::utsname::uname().doing(|| "read the pod's host name".into())?;
    record.hostname = host.nodename().to_string_lossy().into_owned();
    record.domainname = host.domainname().to_string_lossy().into_owned();
    if let Some(table) = shim_names::table(cx)? {
        record.hostname = String::from_utf8_lossy(table.hostname().as_bytes()).into_owned();
        record.domainname = String::from_utf8_lossy(table.domainname().as_bytes()).into_owned();
    }
    let offsets = cx.proc.read_text(&format!("{}/timens_offsets", request.init_pid)).unwrap_or_default();
    let offset = |name: &str| {
        let line = offsets.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 0");
        let numbers: Vec<i64> = line.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
        numbers.first().copied().unwrap_or(0) * 1_000_000_000 + numbers.get(1).copied().unwrap_or(0)
    };
    let (mut monotonic, mut boottime) = (offset("monotonic"), offset("boottime"));
    if let Some(table) = shim_names::table(cx)? {
        (monotonic, boottime) = (table.clock_offset(Clock::Monotonic), table.clock_offset(Clock::Boottime));
    }
    let now = |clock| nix::time::clock_gettime(clock).map(|t| t.tv_sec() * 1_000_000_000 + t.tv_nsec()).doing(what);
    Ok(PodSection {
        record,
        monotonic: now(nix::time::ClockId::CLOCK_MONOTONIC)? + monotonic,
        boottime: now(nix::time::ClockId::CLOCK_BOOTTIME)? + boottime,
    })
}

/// Puts every task back as it was and lets it go.
fn release(processes: Vec<CapturedProcess>) {
    for mut process in processes {
        let title = process.title();
        // 2 can be set only by fs.suid_dumpable; 0 differs from it in nothing that the program sees
        if process.dumpable.is_some() {
            let _ = process.batch(&mut [Call::new(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 0])]);
        }
        let refuge = process.injector.as_ref().and_then(Injector::refuge).cloned();
        if let (Some(refuge), Some(first)) = (&refuge, process.tasks.iter_mut().find(|task| task.stopped.is_some())) {
            let (back, mask) = (going_on(first).rewound(), first.signal_mask);
            if let Some(Err(error)) = first.stopped.as_mut().map(|stopped| refuge.fill(stopped, &back, mask)) {
                tracing::warn!("{title} has no way back for a moment: {error}");
            }
        }
        give_traps_back(&mut process);
        let mut tasks = process.tasks.into_iter().filter(|task| task.stopped.is_some());
        let Some(mut first) = tasks.next() else { continue };
        // the first cleans up when no other is in need of the areas any more
        tasks.for_each(|task| let_go(task, None));
        if let (Some(injector), Some(stopped)) = (process.injector, &mut first.stopped) {
            let cleared = process.armor.map_or(Ok(()), |armor| armor.remove(&injector, stopped));
            if let Err(error) = cleared.and_then(|()| injector.remove(stopped)) {
                tracing::error!("{title} keeps a mapping of ours: {error}");
            }
        }
        let_go(first, refuge);
    }
}

/// The last that is done in a process before its tasks go on.
fn give_traps_back(process: &mut CapturedProcess) {
    let Some(injector) = process.injector.clone() else { return };
    let mut retired = false;
    for task in &mut process.tasks {
        let Some(stopped) = &mut task.stopped else { continue };
        let name = |ids: &[i32]| ids.last().copied().unwrap_or(0);
        let (own_process, own) = (name(&task.status.ns_tgid), name(&task.status.ns_pid));
        let result = if std::mem::replace(&mut retired, true) { Ok(()) } else { injector.retire(stopped) };
        if let Err(error) = result.and_then(|()| injector.return_traps(stopped, own_process, own)) {
            tracing::error!("task {} could not be given its SIGTRAP back: {error}", task.vtid);
        }
    }
}

fn let_go(task: CapturedTask, refuge: Option<Refuge>) {
    let registers = going_on(&task);
    let Some(mut stopped) = task.stopped else { return };
    // as long as it has our registers it is on its way back, which sets the mask as well
    let released = stopped
        .set_signal_mask(task.signal_mask)
        .and_then(|()| stopped.set_registers(&registers))
        .and_then(|()| refuge.map_or(Ok(()), |refuge| refuge.clear(&mut stopped)))
        .and_then(|()| stopped.detach());
    if let Err(error) = released.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) }) {
        tracing::error!("task {} could not be released as it was: {error}", task.vtid);
    }
}

/// The image is made, and init about to kill all: should we die before it has, what we let go of must do nothing any more.
fn hold_back(processes: &[CapturedProcess]) {
    for process in processes {
        let _ = sys::launch::pidfd_send_signal(process.pidfd.as_fd(), libc::SIGSTOP);
    }
}

/// Takes the ends of the tasks that are being killed, which their parents see only when their tracer has.
fn see_off(processes: Vec<CapturedProcess>) {
    for process in processes {
        // the leader's end can be had only after that of its threads
        for task in process.tasks.into_iter().rev() {
            if let Some(stopped) = task.stopped {
                stopped.await_end();
            }
        }
    }
}
