//! The small attributes of a process: working and root directory, umask, resource limits, dumpable, subreaper, personality,
//! transparent huge pages, OOM score, what a core dump holds, registrations for membarrier(2).
use super::file_object::{self, FileObject};
use super::{Capture, Context, Error, Nascent, Result, Vpid, handover, thread};
use crate::sys::process;
use crate::tracee::Call;
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::path::Path;

/// The attributes of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributesRecord {
    pub process: Vpid,
    pub working_directory: FileObject,
    /// `None` when it is that of the pod.
    pub root: Option<FileObject>,
    pub umask: u32,
    /// (soft, hard) of RLIMIT_CPU (0) to RLIMIT_RTTIME (15)
    pub limits: Vec<(u64, u64)>,
    pub dumpable: i32,
    pub subreaper: bool,
    pub personality: u32,
    pub no_huge_pages: bool,
    pub oom_score_adjustment: i32,
    /// Bits of /proc/PID/coredump_filter (core(5)).
    pub core_filter: Option<u32>,
    /// Register commands of membarrier(2).
    pub membarrier: u32,
    /// PR_GET_MDWE
    pub deny_write_execute: u64,
    /// PR_GET_MEMORY_MERGE
    pub merge_memory: bool,
    /// Of threads that have their own.
    #[serde(default)]
    pub threads: Vec<ThreadDirectories>,
}

/// The directories and the umask of a thread that unshared them (CLONE_FS).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadDirectories {
    pub task: Vpid,
    /// The thread whose descriptor table it uses, if not the process's.
    pub files: Option<Vpid>,
    pub working_directory: FileObject,
    pub root: Option<FileObject>,
    pub umask: u32,
}

const LIMITS: u32 = 16;
const PR_GET_DUMPABLE: u64 = 3;
const PR_SET_DUMPABLE: u64 = 4;
const PR_SET_CHILD_SUBREAPER: u64 = 36;
const PR_GET_CHILD_SUBREAPER: u64 = 37;
const PR_SET_THP_DISABLE: u64 = 41;
const PR_GET_THP_DISABLE: u64 = 42;
const PR_SET_MDWE: u64 = 65;
const PR_GET_MDWE: u64 = 66;
const PR_SET_MEMORY_MERGE: u64 = 67;
const PR_GET_MEMORY_MERGE: u64 = 68;

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for index in 0..cx.processes.len() {
        if cx.processes[index].zombie {
            continue;
        }
        let process = &cx.processes[index];
        let (pid, title) = (process.handle, process.title());
        let umask = process.leader().status.umask.unwrap_or(0o022);
        let working_directory =
            directory(cx, pid, "cwd", &title)?.ok_or_else(|| Error::Inconsistent(format!("{title} has no directory")))?;
        let root = directory(cx, pid, "root", &title)?;
        let threads = thread_directories(cx, index)?;
        let limits = (0..LIMITS).map(|kind| process::rlimit(pid, kind)).collect::<std::io::Result<Vec<_>>>();
        let oom = cx.proc.read_text(&format!("{pid}/oom_score_adj")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let core_filter = cx.proc.read_text(&format!("{pid}/coredump_filter")).ok();
        let core_filter = core_filter.and_then(|text| u32::from_str_radix(text.trim(), 16).ok());
        let process = &mut cx.processes[index];
        let membarrier = membarrier(process)?;
        let at = process.write_data(0, &[0; 8])?;
        let mut calls = [
            Call::new(libc::SYS_prctl, [PR_GET_DUMPABLE]),
            Call::new(libc::SYS_prctl, [PR_GET_CHILD_SUBREAPER, at]),
            Call::new(libc::SYS_prctl, [PR_GET_THP_DISABLE, 0, 0, 0, 0]),
            Call::new(libc::SYS_personality, [0xffff_ffff]),
            Call::new(libc::SYS_prctl, [PR_GET_MDWE, 0, 0, 0, 0]),
            Call::new(libc::SYS_prctl, [PR_GET_MEMORY_MERGE, 0, 0, 0, 0]),
            Call::new(libc::SYS_modify_ldt, [0, at + 16, 16]),
        ];
        // prlimit(2) of another user's process needs CAP_SYS_RESOURCE; the process may always read its own
        let mut own: Vec<Call> =
            (0..LIMITS as u64).map(|kind| Call::new(libc::SYS_prlimit64, [0, kind, 0, at + 16 + kind * 16])).collect();
        process.batch(&mut calls)?;
        process.batch(&mut own)?;
        // the call's result is 32 bits wide, whose upper half is not set where there is nothing
        if calls[6].ret as i32 > 0 {
            return Err(Error::Refused {
                object: title,
                reason: "it has segments of its own in a local descriptor table (modify_ldt(2))".into(),
                way_out: "let it end (it runs 16-bit or 32-bit code, as Wine and DOSEMU do)".into(),
            });
        }
        let mut data = [0u8; 16 + 16 * LIMITS as usize];
        process.read_data(0, &mut data)?;
        let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"));
        let limits =
            limits.unwrap_or_else(|_| (0..LIMITS as usize).map(|kind| (word(16 + kind * 16), word(24 + kind * 16))).collect());
        records.push(AttributesRecord {
            process: process.vpid,
            working_directory,
            root,
            umask,
            limits,
            dumpable: process.dumpable.unwrap_or(calls[0].ret) as i32,
            subreaper: data[..4] != [0; 4],
            personality: calls[3].ret as u32,
            no_huge_pages: calls[2].ret == 1,
            oom_score_adjustment: oom,
            core_filter,
            membarrier,
            deny_write_execute: calls[4].result().unwrap_or(0) as u64,
            merge_memory: calls[5].ret == 1,
            threads,
        });
    }
    cx.section("attributes", &records)
}

fn thread_directories(cx: &mut Capture, index: usize) -> Result<Vec<ThreadDirectories>> {
    let process = &cx.processes[index];
    if process.tasks.len() < 2 {
        return Ok(Vec::new());
    }
    let umask = |vtid: Vpid| process.tasks.iter().find(|task| task.vtid == vtid).and_then(|task| task.status.umask);
    let tid = |vtid: Vpid| process.tasks.iter().find(|task| task.vtid == vtid).map_or(process.handle, |task| task.tid);
    let own = thread::of(process).into_iter().filter(thread::Belongings::unshares_directories);
    let own: Vec<_> = own.map(|own| (tid(own.task), umask(own.task).unwrap_or(0o022), own)).collect();
    let title = process.title();
    let mut all = Vec::new();
    for (tid, umask, own) in own {
        let title = format!("thread {} of {title}", own.task);
        let working_directory =
            directory(cx, tid, "cwd", &title)?.ok_or_else(|| Error::Inconsistent(format!("{title} has no directory")))?;
        let root = directory(cx, tid, "root", &title)?;
        all.push(ThreadDirectories { task: own.task, files: own.files, working_directory, root, umask });
    }
    Ok(all)
}

const GET_REGISTRATIONS: u64 = 1 << 9;
/// (command, the command that registers for it): private, private with core serialization, private with rseq.
const PRIVATE: [(u64, u32); 3] = [(1 << 3, 1 << 4), (1 << 5, 1 << 6), (1 << 7, 1 << 8)];
const REGISTER_GLOBAL: u32 = 1 << 2;

/// What the process has registered for. Before Linux 6.3 only trying tells, and for the global command not even that; being registered
/// for it changes nothing for a process that is not.
fn membarrier(process: &mut super::CapturedProcess) -> Result<u32> {
    let mut calls = [Call::new(libc::SYS_membarrier, [GET_REGISTRATIONS, 0, 0])];
    process.batch(&mut calls)?;
    if let Ok(registered) = calls[0].result() {
        return Ok(registered as u32);
    }
    let mut calls = PRIVATE.map(|(command, _)| Call::new(libc::SYS_membarrier, [command, 0, 0]));
    process.batch(&mut calls)?;
    let found = PRIVATE.iter().zip(&calls).filter(|(_, call)| call.result().is_ok()).map(|((_, register), _)| register);
    let none = calls.iter().all(|call| call.result().is_err_and(|error| error.raw_os_error() == Some(libc::ENOSYS)));
    Ok(if none { 0 } else { found.fold(REGISTER_GLOBAL, |all, register| all | register) })
}

fn directory(cx: &mut Capture, pid: i32, which: &str, title: &str) -> Result<Option<FileObject>> {
    let what = || format!("read the {which} directory of {title}");
    let link = cx.proc.read_link(&format!("{pid}/{which}")).doing(what)?;
    if which == "root" && link == Path::new("/") {
        return Ok(None);
    }
    let fd = cx.proc.open_file(&format!("{pid}/{which}"), OFlag::O_PATH | OFlag::O_DIRECTORY).doing(what)?;
    file_object::capture(cx, fd.as_fd(), &link).map(Some)
}

/// Directories, umask and what needs no order.
pub fn restore(records: &[AttributesRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        let mut calls = Vec::new();
        if let Some(root) = &record.root {
            enter(cx, record.process, root, true)?;
        }
        enter(cx, record.process, &record.working_directory, false)?;
        calls.push(Call::new(libc::SYS_umask, [record.umask.into()]));
        calls.push(Call::new(libc::SYS_personality, [record.personality.into()]));
        calls.push(Call::new(libc::SYS_prctl, [PR_SET_CHILD_SUBREAPER, record.subreaper.into()]));
        calls.push(Call::new(libc::SYS_prctl, [PR_SET_THP_DISABLE, record.no_huge_pages.into(), 0, 0, 0]));
        if record.merge_memory {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_MEMORY_MERGE, 1, 0, 0, 0]));
        }
        let registrations = (0..32).filter(|bit| record.membarrier >> bit & 1 == 1);
        calls.extend(registrations.map(|bit| Call::new(libc::SYS_membarrier, [1 << bit, 0, 0])));
        set_by_file(cx, record)?;
        cx.process_mut(record.process)?.sequence("set the attributes", &mut calls)?;
        for thread in &record.threads {
            handover::in_thread(cx, record.process, thread.task, thread.files, |cx| restore_thread(cx, record.process, thread))?;
        }
    }
    handover::close_thread_channels(cx)
}

fn restore_thread(cx: &mut Nascent, vpid: Vpid, thread: &ThreadDirectories) -> Result<()> {
    if let Some(root) = &thread.root {
        enter(cx, vpid, root, true)?;
    }
    enter(cx, vpid, &thread.working_directory, false)?;
    cx.process_mut(vpid)?.call("set the umask of a thread", libc::SYS_umask, [thread.umask.into()]).map(drop)
}

/// What is set through files of /proc, while the process is still one that the engine may change.
fn set_by_file(cx: &mut Nascent, record: &AttributesRecord) -> Result<()> {
    let host = cx.host_id(record.process)?;
    let path = format!("{host}/oom_score_adj");
    if cx.proc.read_text(&path).ok().and_then(|text| text.trim().parse().ok()) != Some(record.oom_score_adjustment) {
        if let Err(error) = cx.proc.write(&path, record.oom_score_adjustment.to_string().as_bytes()) {
            tracing::warn!("process {} keeps another OOM score adjustment: {error}", record.process);
        }
    }
    if let Some(bits) = record.core_filter {
        let what = || format!("set the core dump filter of process {}", record.process);
        cx.proc.write(&format!("{host}/coredump_filter"), format!("{bits:#x}").as_bytes()).doing(what)?;
    }
    Ok(())
}

fn enter(cx: &mut Nascent, vpid: Vpid, directory: &FileObject, as_root: bool) -> Result<()> {
    let fd = directory.open(cx, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let sender = cx.channel_sender()?;
    let process = cx.process_mut(vpid)?;
    let number = handover::hand_over(process, sender.as_fd(), &[fd.as_fd()])?[0] as u64;
    let mut calls = vec![Call::new(libc::SYS_fchdir, [number])];
    if as_root {
        let dot = process.write_data(0, b".\0")?;
        calls.push(Call::new(libc::SYS_chroot, [dot]));
    }
    calls.push(Call::new(libc::SYS_close, [number]));
    process.sequence("enter the directories", &mut calls)
}

/// By number (getrlimit(2)).
const LIMIT_NAMES: [&str; LIMITS as usize] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

fn shown(limit: u64) -> String {
    if limit == libc::RLIM_INFINITY { "unlimited".into() } else { limit.to_string() }
}

/// Limits and dumpable, after the credentials: changes of user reset dumpable.
pub fn restore_last(records: &[AttributesRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        let process = cx.process_mut(record.process)?;
        for (kind, &(soft, hard)) in record.limits.iter().enumerate() {
            let here = process::rlimit(process.pid, kind as u32);
            // root's engine may raise what the process itself, with its own credentials by now, may not
            if here.as_ref().is_ok_and(|here| *here == (soft, hard))
                || process::set_rlimit(process.pid, kind as u32, soft, hard).is_ok()
            {
                continue;
            }
            let data = process.write_data(0, &[soft.to_le_bytes(), hard.to_le_bytes()].concat())?;
            let what = format!(
                "set the limit {} to {}, which is {} here",
                LIMIT_NAMES[kind],
                shown(hard),
                here.map_or("unknown".into(), |(_, hard)| shown(hard))
            );
            process.call(&what, libc::SYS_prlimit64, [0, kind as u64, data, 0])?;
        }
        if record.deny_write_execute != 0 {
            process.call("deny writable code", libc::SYS_prctl, [PR_SET_MDWE, record.deny_write_execute, 0, 0, 0])?;
        }
        // 2 (suidsafe) cannot be set, and is where a change of user leaves a process
        if record.dumpable != 2 {
            process.call("set dumpable", libc::SYS_prctl, [PR_SET_DUMPABLE, record.dumpable as u64])?;
        }
    }
    Ok(())
}
