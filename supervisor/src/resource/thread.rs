//! What threads may have of their own (unshare(2), clone(2)): descriptor tables, and working and root directories with a umask.
//!
//! A thread is made with those of its creator, so one that has another thread's is made by that thread, and one with its own unshares
//! them at once. The threads of a process get theirs in the order in which they are recorded.
use super::{CapturedProcess, Vpid};
use crate::sys::process::{Kcmp, kcmp};
use serde::{Deserialize, Serialize};

/// Whose things a thread has: those of the earlier thread that is named, or its own when that is itself; `None`: the process's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belongings {
    pub task: Vpid,
    pub files: Option<Vpid>,
    pub directories: Option<Vpid>,
}

impl Belongings {
    /// Those of a thread like most.
    pub fn common(task: Vpid) -> Belongings {
        Belongings { task, files: None, directories: None }
    }

    /// Whether they are not simply those of the process.
    pub fn are_own(&self) -> bool {
        self.files.is_some() || self.directories.is_some()
    }

    pub fn unshares_files(&self) -> bool {
        self.files == Some(self.task)
    }

    pub fn unshares_directories(&self) -> bool {
        self.directories == Some(self.task)
    }
}

/// What the tasks of a process have, the one first whose things count as the process's.
pub fn of(process: &CapturedProcess) -> Vec<Belongings> {
    let tasks = || process.tasks.iter().filter(|task| task.stopped.is_some());
    let equal = |one: i32, other: i32, what| kcmp(one, other, what, 0, 0).is_ok_and(|order| order.is_eq());
    // the first of its kind; most have what the process has
    let whose = |tid: i32, what| {
        if equal(process.handle, tid, what) {
            return None;
        }
        tasks().find(|other| other.tid == tid || equal(other.tid, tid, what)).map(|other| other.vtid)
    };
    let others = tasks().filter(|task| task.tid != process.handle).map(|task| Belongings {
        task: task.vtid,
        files: whose(task.tid, Kcmp::Files),
        directories: whose(task.tid, Kcmp::Fs),
    });
    let first = tasks().find(|task| task.tid == process.handle).map(|task| Belongings::common(task.vtid));
    first.into_iter().chain(others).collect()
}

/// Which of the tasks before `new` makes it; `None` when none can.
pub fn creator(tasks: &[Belongings], new: &Belongings) -> Option<Vpid> {
    let fits = |own: bool, theirs: Option<Vpid>, wanted: Option<Vpid>| own || theirs == wanted;
    let mut before = tasks.iter().take_while(|task| task.task != new.task);
    let found = before.find(|task| {
        fits(new.unshares_files(), task.files, new.files) && fits(new.unshares_directories(), task.directories, new.directories)
    });
    let first = tasks.first().is_some_and(|first| first.task == new.task);
    found.map(|task| task.task).or_else(|| first.then_some(new.task))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(task: Vpid, files: Option<Vpid>, directories: Option<Vpid>) -> Belongings {
        Belongings { task, files, directories }
    }

    #[test]
    fn threads_are_made_by_who_has_what_they_need() {
        let tasks = [
            Belongings::common(5),
            has(6, Some(6), None),
            has(7, Some(6), None),
            has(8, Some(6), Some(8)),
            has(9, None, Some(9)),
            has(10, Some(6), Some(9)),
            has(11, Some(11), Some(11)),
        ];
        let creators: Vec<Option<Vpid>> = tasks.iter().map(|task| creator(&tasks, task)).collect();
        assert_eq!(creators, [Some(5), Some(5), Some(6), Some(6), Some(5), None, Some(5)]);
        assert!(tasks[1].unshares_files() && !tasks[2].unshares_files() && tasks[3].unshares_directories());
    }
}
