//! The process tree: parents, process groups, sessions, zombies (credentials(7), setsid(2)).
//!
//! Every process is created where the kernel allows only one way to get its parent and session right: by fork(2) from its
//! parent, before or after that parent became a session leader; an orphan in another's session, from a short-lived helper in that session.
//! The plan is made from the records alone, before anything is created.
use super::file_object::{self, FileObject};
use super::{Capture, CapturedProcess, Context, Error, Result, Vpid, thread};
use crate::proc::Stat;
use crate::sys::process::{Kcmp, kcmp};
use crate::tracee::Call;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRecord {
    pub process: Vpid,
    /// 1: the pod's init
    pub parent: Vpid,
    /// 0: a group outside the pod
    pub group: Vpid,
    /// 0: a session outside the pod
    pub session: Vpid,
    /// What the parent gets when this process ends.
    pub exit_signal: i32,
    /// Of a zombie, in the form of wait(2).
    pub exit_status: Option<i32>,
    /// Tasks, the leader first.
    pub tasks: Vec<Vpid>,
    /// The leader has ended while other tasks live on.
    pub leader_ended: bool,
    /// Stopped by job control, with this signal.
    pub stopped: Option<i32>,
    /// The parent has yet to be told of the stop (waitpid(2), WUNTRACED).
    pub stop_unreported: bool,
    /// It was continued, and the parent has yet to be told (WCONTINUED).
    #[serde(default)]
    pub continue_unreported: bool,
    /// It has its descriptor table (CLONE_FILES) and its directories and umask (CLONE_FS) in common with its parent.
    pub shares_files: bool,
    pub shares_directories: bool,
    /// The same of its memory (CLONE_VM), and of its signal handlers (CLONE_SIGHAND).
    #[serde(default)]
    pub shares_memory: bool,
    #[serde(default)]
    pub shares_handlers: bool,
    /// The program file; `None` for a zombie.
    pub program: Option<FileObject>,
    pub name: String,
    /// Threads that have a descriptor table or directories of their own.
    #[serde(default)]
    pub threads: Vec<thread::Belongings>,
    /// Host ids at the checkpoint, to be had again if they are free: some programs notice otherwise.
    pub host_tasks: Vec<i32>,
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    refuse_sharing(cx)?;
    let mut records = Vec::new();
    for index in 0..cx.processes.len() {
        let program = if cx.processes[index].zombie { None } else { Some(program(cx, index)?) };
        let process = &cx.processes[index];
        let stat = &process.leader().stat;
        records.push(ProcessRecord {
            process: process.vpid,
            parent: process.parent,
            group: process.group,
            session: process.session,
            exit_signal: stat.exit_signal,
            exit_status: process.zombie.then_some(stat.exit_code),
            tasks: process.tasks.iter().map(|task| task.vtid).collect(),
            leader_ended: !process.zombie && process.leader().stopped.is_none(),
            stopped: process.tasks.iter().filter_map(|task| task.stopped.as_ref()).find_map(|task| task.group_stop()),
            stop_unreported: stop_unreported(cx, process),
            continue_unreported: false,
            shares_files: shares(cx, process, Kcmp::Files),
            shares_directories: shares(cx, process, Kcmp::Fs),
            shares_memory: shares(cx, process, Kcmp::Vm),
            shares_handlers: shares(cx, process, Kcmp::Sighand),
            program,
            name: stat.comm.clone(),
            threads: thread::of(process).into_iter().filter(thread::Belongings::are_own).collect(),
            host_tasks: process.tasks.iter().map(|task| task.tid).collect(),
        });
    }
    for index in 0..cx.processes.len() {
        for child in continued(cx, index)? {
            records.iter_mut().filter(|record| record.process == child).for_each(|record| record.continue_unreported = true);
        }
    }
    cx.section("processes", &records)
}

/// The children that were continued (SIGCONT) without their parent having been told; waitid(2) can look without taking the news.
fn continued(cx: &mut Capture, index: usize) -> Result<Vec<Vpid>> {
    /// As many siginfo_t as there is room for.
    const AT_ONCE: usize = 32;
    const SIGINFO: usize = 128;
    let (own, zombie, kernel_names) = (cx.processes[index].vpid, cx.processes[index].zombie, cx.kernel_names);
    let children = cx.processes.iter().filter(|child| child.parent == own && !child.zombie && !zombie);
    let name = |child: &CapturedProcess| if kernel_names { child.vpid as u64 } else { child.pid as u64 };
    let children: Vec<(Vpid, u64)> = children.map(|child| (child.vpid, name(child))).collect();
    let mut found = Vec::new();
    for some in children.chunks(AT_ONCE) {
        let process = &mut cx.processes[index];
        let at = process.write_data(0, &[0; AT_ONCE * SIGINFO])?;
        let flags = (libc::WCONTINUED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL) as u64;
        let call = |(slot, (_, id)): (usize, &(Vpid, u64))| {
            Call::new(libc::SYS_waitid, [libc::P_PID.into(), *id, at + (slot * SIGINFO) as u64, flags, 0])
        };
        process.batch(&mut some.iter().enumerate().map(call).collect::<Vec<_>>())?;
        let mut data = [0u8; AT_ONCE * SIGINFO];
        process.read_data(0, &mut data)?;
        // si_signo stays 0 where there is no news
        found.extend(some.iter().zip(data.chunks_exact(SIGINFO)).filter(|(_, info)| info[0] != 0).map(|((child, _), _)| *child));
    }
    Ok(found)
}

fn shares(cx: &Capture, process: &CapturedProcess, what: Kcmp) -> bool {
    let parent = cx.process(process.parent).filter(|parent| !parent.zombie && !process.zombie);
    parent.is_some_and(|parent| kcmp(parent.handle, process.handle, what, 0, 0).is_ok_and(|order| order.is_eq()))
}

/// Refuses what tasks share in ways that no fork can bring about again.
fn refuse_sharing(cx: &Capture) -> Result<()> {
    /// Beyond, comparing all with all takes too long.
    const MOST: usize = 200;
    let equal = |one: i32, other: i32, what| kcmp(one, other, what, 0, 0).is_ok_and(|order| order.is_eq());
    let refuse = |object: String, reason: &str| {
        Err(Error::Refused { object, reason: reason.into(), way_out: "run the program without such threads or clones".into() })
    };
    let living: Vec<&CapturedProcess> = cx.processes.iter().filter(|process| !process.zombie).collect();
    for (index, process) in living.iter().enumerate() {
        let belongings = thread::of(process);
        for task in process.tasks.iter().filter(|task| task.stopped.is_some()) {
            let title = || format!("thread {} of {}", task.vtid, process.title());
            let Some(own) = belongings.iter().find(|own| own.task == task.vtid) else { continue };
            if thread::creator(&belongings, own).is_none() {
                return refuse(
                    title(),
                    "it has its descriptor table and its working directory in common with different threads (unshare(2))",
                );
            }
            for (what, object) in
                [(own.files.map(|_| Kcmp::Files), "descriptor table"), (own.directories.map(|_| Kcmp::Fs), "working directory")]
            {
                let Some(what) = what else { continue };
                if living.iter().any(|other| other.vpid != process.vpid && equal(other.handle, task.tid, what)) {
                    return refuse(title(), &format!("it shares its {object} with another process"));
                }
            }
        }
        for other in living[..index].iter().filter(|other| living.len() <= MOST && other.vpid != process.parent) {
            for (what, object) in [
                (Kcmp::Fs, "its working directory with a process that is not its parent (CLONE_FS)"),
                (Kcmp::Files, "its descriptor table with a process that is not its parent (CLONE_FILES)"),
                (Kcmp::Vm, "its memory with a process that is not its parent (CLONE_VM)"),
                (Kcmp::Sighand, "its signal handlers with a process that is not its parent (CLONE_SIGHAND)"),
            ] {
                if equal(other.handle, process.handle, what) && !shares(cx, process, what) {
                    return refuse(process.title(), &format!("it shares {object}"));
                }
            }
        }
    }
    Ok(())
}

/// The stop signal counts as the exit code of the process, not of its tasks, until the parent has been told.
fn stop_unreported(cx: &Capture, process: &CapturedProcess) -> bool {
    let stat = cx.proc.read_text(&format!("{}/stat", process.pid)).ok();
    !process.zombie && stat.and_then(|text| Stat::parse(&text)).is_some_and(|stat| stat.exit_code != 0)
}

/// The program file. An upgrade deletes or replaces the file of a program that runs on: its contents then go into the image.
fn program(cx: &mut Capture, index: usize) -> Result<FileObject> {
    let process = &cx.processes[index];
    let title = process.title();
    let link = format!("{}/exe", process.handle);
    let path = cx.proc.read_link(&link).doing(|| format!("read the program of {title}"))?;
    // following the link opens the very file, whatever its path means now
    let real = cx.proc.open_file(&link, nix::fcntl::OFlag::O_PATH).doing(|| format!("open the program of {title}"))?;
    let real = nix::sys::stat::fstat(&real).doing(|| format!("stat the program of {title}"))?;
    match FileObject::by_path(&path) {
        Ok(object) if object.inode() == real.st_ino => return Ok(object),
        _ => {}
    }
    let lost = cx.proc.open_file(&link, nix::fcntl::OFlag::O_RDONLY).map_err(|source| Error::Refused {
        object: format!("the program file {} of {title}", path.display()),
        reason: format!("it was deleted or replaced since the program started, and cannot be read ({source})"),
        way_out: "restart the program so that it runs from the file as it is now".into(),
    })?;
    file_object::capture_code(cx, lost.as_fd(), &path)
}

/// How a process comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// Asked from the pod's init.
    Seed,
    /// Forked by its parent; `early`: before the parent becomes a session leader.
    Fork { early: bool },
    /// The parent is init, but the session is that of this process: forked there by a helper that ends at once.
    Orphan { from: Vpid },
}

/// One step of building the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create a stand-in for a session leader that is gone; it is removed when the tree stands.
    Leader { session: Vpid },
    /// Create a process (index into the records).
    Create { index: usize, birth: Birth },
    /// setsid in a process that was created.
    Lead { index: usize },
    /// Build memory: what is forked from here on shares unwritten pages with it.
    Build { index: usize },
}

/// The order in which the tree is built.
pub fn plan(records: &[ProcessRecord]) -> Result<Vec<Step>> {
    let mut planner = Planner { records, steps: Vec::new(), created: vec![false; records.len()], leaders: Vec::new() };
    planner.check()?;
    let roots: Vec<usize> = (0..records.len()).filter(|index| records[*index].parent == 1).collect();
    let mut waiting = roots;
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut still = Vec::new();
        for index in waiting {
            match planner.root_birth(index) {
                Some(birth) => planner.create(index, birth)?,
                None => still.push(index),
            }
        }
        waiting = still;
        if waiting.len() == before {
            // only sessions whose leader is gone are left: make one
            let session = planner.birth_session(waiting[0]).expect("a root without birth waits for a session");
            planner.steps.push(Step::Leader { session });
            planner.leaders.push(session);
        }
    }
    Ok(planner.steps)
}

struct Planner<'a> {
    records: &'a [ProcessRecord],
    steps: Vec<Step>,
    created: Vec<bool>,
    leaders: Vec<Vpid>,
}

impl Planner<'_> {
    fn check(&self) -> Result<()> {
        for (index, record) in self.records.iter().enumerate() {
            if record.process <= 1 || self.records[..index].iter().any(|other| other.process == record.process) {
                return Err(Error::Inconsistent(format!("process {} cannot be there, or is there twice", record.process)));
            }
            if record.parent != 1 && !self.records.iter().any(|other| other.process == record.parent) {
                return Err(Error::Inconsistent(format!(
                    "process {} has parent {}, which is not there",
                    record.process, record.parent
                )));
            }
            if record.tasks.first() != Some(&record.process) {
                return Err(Error::Inconsistent(format!("process {} does not begin with its leader", record.process)));
            }
            let mut ancestor = record.parent;
            for _ in 0..=self.records.len() {
                match self.records.iter().find(|other| other.process == ancestor) {
                    Some(other) => ancestor = other.parent,
                    None => break,
                }
            }
            if ancestor != 1 {
                return Err(Error::Inconsistent(format!("process {} is its own ancestor", record.process)));
            }
        }
        Ok(())
    }

    fn children(&self, index: usize) -> Vec<usize> {
        let process = self.records[index].process;
        (0..self.records.len()).filter(|child| self.records[*child].parent == process).collect()
    }

    fn leads(&self, index: usize) -> bool {
        self.records[index].session == self.records[index].process
    }

    /// The session in which a process must be born; `None` when any will do.
    fn birth_session(&self, index: usize) -> Option<Vpid> {
        let record = &self.records[index];
        if !self.leads(index) {
            return Some(record.session);
        }
        self.children(index).into_iter().filter_map(|child| self.birth_session(child)).find(|session| *session != record.process)
    }

    fn root_birth(&self, index: usize) -> Option<Birth> {
        let Some(session) = self.birth_session(index).filter(|session| *session != 0) else { return Some(Birth::Seed) };
        let stand_in = self.leaders.contains(&session).then_some(session);
        let member = || {
            let member = (0..self.records.len()).find(|other| self.created[*other] && self.records[*other].session == session);
            member.map(|other| self.records[other].process)
        };
        stand_in.or_else(member).map(|from| Birth::Orphan { from })
    }

    fn create(&mut self, index: usize, birth: Birth) -> Result<()> {
        let record = &self.records[index];
        let (process, session_here, lives) = (record.process, record.session, record.exit_status.is_none());
        self.steps.push(Step::Create { index, birth });
        // first, so that all children are forked with it
        if lives && !record.shares_memory {
            self.steps.push(Step::Build { index });
        }
        let born = self.birth_session(index);
        let children = self.children(index);
        let leads = self.leads(index);
        let early =
            |planner: &Self, child: usize| leads && planner.birth_session(child).is_some_and(|session| session != process);
        let (before, after): (Vec<usize>, Vec<usize>) = children.into_iter().partition(|child| early(self, *child));
        for child in before {
            if self.birth_session(child) != born {
                return Err(Error::Inconsistent(format!(
                    "process {} must be born in session {:?}, but its parent {} never was there",
                    self.records[child].process,
                    self.birth_session(child),
                    process
                )));
            }
            self.create(child, Birth::Fork { early: true })?;
        }
        if leads {
            self.steps.push(Step::Lead { index });
        }
        self.created[index] = true;
        for child in after {
            let wanted = self.birth_session(child);
            if wanted.is_some_and(|session| session != session_here) {
                return Err(Error::Inconsistent(format!(
                    "process {} is in session {}, its parent {} in session {}",
                    self.records[child].process, self.records[child].session, process, session_here
                )));
            }
            self.create(child, Birth::Fork { early: false })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(process: Vpid, parent: Vpid, session: Vpid) -> ProcessRecord {
        ProcessRecord {
            process,
            parent,
            group: session,
            session,
            exit_signal: libc::SIGCHLD,
            exit_status: None,
            tasks: vec![process],
            leader_ended: false,
            stopped: None,
            stop_unreported: false,
            continue_unreported: false,
            shares_files: false,
            shares_directories: false,
            shares_memory: false,
            shares_handlers: false,
            program: None,
            name: "x".into(),
            threads: vec![],
            host_tasks: vec![],
        }
    }

    fn births(records: &[ProcessRecord]) -> Vec<(Vpid, Birth)> {
        let steps = plan(records).unwrap();
        steps
            .iter()
            .filter_map(|step| match step {
                Step::Create { index, birth } => Some((records[*index].process, *birth)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_plain_tree_is_forked() {
        let late = Birth::Fork { early: false };
        assert_eq!(births(&[record(2, 1, 2), record(3, 2, 2), record(4, 3, 2)]), [(2, Birth::Seed), (3, late), (4, late)]);
    }

    #[test]
    fn a_child_left_in_the_old_session_is_forked_before_setsid() {
        // 3 forked 4, then called setsid
        let records = [record(2, 1, 2), record(3, 2, 3), record(4, 3, 2)];
        let steps = plan(&records).unwrap();
        let position = |step: &Step| steps.iter().position(|s| s == step).unwrap();
        assert!(position(&Step::Create { index: 2, birth: Birth::Fork { early: true } }) < position(&Step::Lead { index: 1 }));
    }

    #[test]
    fn an_orphan_comes_from_a_member_of_its_session() {
        assert_eq!(births(&[record(2, 1, 2), record(5, 1, 2)]), [(2, Birth::Seed), (5, Birth::Orphan { from: 2 })]);
    }

    #[test]
    fn a_dead_leader_gets_a_stand_in() {
        let records = [record(7, 1, 6), record(8, 7, 6)];
        let steps = plan(&records).unwrap();
        assert_eq!(steps[0], Step::Leader { session: 6 });
        assert_eq!(steps[1], Step::Create { index: 0, birth: Birth::Orphan { from: 6 } });
    }

    #[test]
    fn cycles_and_strangers_are_refused() {
        assert!(plan(&[record(2, 3, 2), record(3, 2, 2)]).is_err());
        assert!(plan(&[record(2, 9, 2)]).is_err());
        // 1 is the pod's init: its child would be its own
        assert!(plan(&[record(1, 1, 1)]).is_err());
        assert!(plan(&[record(2, 1, 2), record(2, 1, 2)]).is_err());
    }
}
