//! Namespaces that a program made for itself (namespaces(7)). A pod has one of each kind; names inside a namespace below it cannot be
//! given again, so a process in one is refused.
use super::{Context, Error, Result};
use crate::proc::{Proc, gone};
use crate::quiesce::StoppedProcess;
use std::collections::HashMap;
use std::path::PathBuf;

/// Files of /proc/PID/ns and what to call them.
const KINDS: [(&str, &str); 10] = [
    ("pid", "a pid"),
    ("pid_for_children", "a pid (for its children)"),
    ("user", "a user"),
    ("mnt", "a mount"),
    ("net", "a network"),
    ("uts", "a uts"),
    ("ipc", "an ipc"),
    ("time", "a time"),
    ("time_for_children", "a time (for its children)"),
    ("cgroup", "a cgroup"),
];

/// Refuses tasks that are in another namespace than the pod's init.
pub fn refuse(proc: &Proc, stopped: &[StoppedProcess], init: i32) -> Result<()> {
    let mut own: HashMap<&str, PathBuf> = HashMap::new();
    for (file, _) in KINDS {
        // older kernels have fewer kinds
        let Ok(link) = proc.read_link(&format!("{init}/ns/{file}")) else { continue };
        own.insert(file, link);
    }
    for process in stopped {
        for (tid, _) in process.tasks.iter().filter(|(_, task)| task.is_some()) {
            for (file, kind) in KINDS {
                let Some(own) = own.get(file) else { continue };
                let link = match proc.read_link(&format!("{}/task/{tid}/ns/{file}", process.pid)) {
                    Ok(link) => link,
                    // a namespace for children whose first process has ended or is yet to come shows no link
                    Err(error) if gone(&error) => PathBuf::new(),
                    // the owner alone may read those of a process that is not dumpable; what is created there shows otherwise
                    Err(error) if error.raw_os_error() == Some(libc::EACCES) => continue,
                    Err(source) => {
                        return Err(Error::Io { what: format!("read the namespaces of process {}", process.pid), source });
                    }
                };
                if &link != own {
                    return Err(refusal(proc, process.pid, *tid, kind)?);
                }
            }
        }
    }
    Ok(())
}

fn refusal(proc: &Proc, pid: i32, tid: i32, kind: &str) -> Result<Error> {
    let what = || format!("read process {pid} of the host");
    let stat = proc.stat(pid, pid).doing(what)?;
    let ids = proc.status(pid, tid).doing(what)?.ns_tgid;
    Ok(Error::Refused {
        // under the first id below the host's, which is the pod's
        object: format!("process {} ({})", ids.get(1).or(ids.first()).unwrap_or(&pid), stat.comm),
        reason: format!("it has made {kind} namespace of its own inside the pod"),
        way_out: "run the program without its sandbox".into(),
    })
}
