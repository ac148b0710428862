//! Control groups that processes of the pod were moved to (cgroups(7)), beside those that its init is in. The groups themselves
//! belong to the host: a restart puts processes into them again, and is refused where one is missing.
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::proc::Proc;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A process in a control group of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    pub process: Vpid,
    /// The controllers of the hierarchy, as in /proc/PID/cgroup; none for version 2.
    pub controllers: String,
    pub path: String,
}

/// The lines of /proc/PID/cgroup: (controllers, path).
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?.to_string(), parts.next()?.to_string()))
    };
    text.lines().filter_map(line).collect()
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    let init = cx.virtual_ids.iter().find(|(_, virtual_id)| **virtual_id == 1).map(|(host, _)| *host);
    let groups = |cx: &Capture, pid: i32| -> Result<Vec<(String, String)>> {
        match cx.proc.read_text(&format!("{pid}/cgroup")) {
            // the kernel may be built without control groups
            Err(error) if crate::proc::gone(&error) => Ok(Vec::new()),
            other => Ok(parse(&other.doing(|| format!("read the control groups of process {pid} of the host"))?)),
        }
    };
    let own = init.map_or(Ok(Vec::new()), |init| groups(cx, init))?;
    for process in cx.processes.iter().filter(|process| !process.zombie) {
        for (controllers, path) in groups(cx, process.handle)? {
            if !own.contains(&(controllers.clone(), path.clone())) {
                records.push(CgroupRecord { process: process.vpid, controllers, path });
            }
        }
    }
    cx.section("cgroups", &records)
}

/// Where a hierarchy is mounted and which part of it, from /proc/PID/mountinfo (proc_pid_mountinfo(5)).
pub(super) fn mounts(mountinfo: &str, controllers: &str) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let ([_, _, _, root, point, ..], [kind, _, options, ..]) = (&before[..], &after[..]) else { continue };
        let is_it = match controllers {
            "" => *kind == "cgroup2",
            some => *kind == "cgroup" && some.split(',').all(|one| options.split(',').any(|option| option == one)),
        };
        if is_it {
            let path = |text: &str| crate::proc::unescape(text.as_bytes());
            found.push((path(root), path(point)));
        }
    }
    found
}

fn directory(proc: &Proc, record: &CgroupRecord) -> Result<PathBuf> {
    let own = crate::sys::process::own_pid();
    let mountinfo = proc.read_text(&format!("{own}/mountinfo")).doing(|| "read where control groups are mounted".into())?;
    let mut candidates = mounts(&mountinfo, &record.controllers).into_iter().filter_map(|(root, point)| {
        let below = Path::new(&record.path).strip_prefix(&root).ok()?;
        Some(point.join(below)).filter(|directory| directory.is_dir())
    });
    candidates.next().ok_or_else(|| {
        let kind = if record.controllers.is_empty() { "unified" } else { &record.controllers };
        Error::NotHere(format!(
            "process {} was in the control group {} ({kind}), which is missing here; make it, then restart",
            record.process, record.path
        ))
    })
}

/// Whether the groups are here, before anything is built.
pub fn check(record: &CgroupRecord, proc: &Proc) -> Result<()> {
    directory(proc, record).map(drop)
}

pub fn restore(records: &[CgroupRecord], cx: &Nascent) -> Result<()> {
    for record in records {
        let file = directory(&cx.proc, record)?.join("cgroup.procs");
        let id = cx.host_id(record.process)?.to_string();
        std::fs::write(&file, id).doing(|| format!("put process {} into the control group {}", record.process, record.path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_by_their_controllers() {
        let text = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                    31 25 0:27 /part /sys/fs/c\\040d rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounts(text, "cpu,cpuacct"), [("/".into(), "/sys/fs/cgroup/cpu".into())]);
        assert_eq!(mounts(text, ""), [("/part".into(), "/sys/fs/c d".into())]);
        assert!(mounts(text, "pids").is_empty());
        assert_eq!(parse("1:name=systemd:/a:b\n0::/\n"), [("name=systemd".into(), "/a:b".into()), ("".into(), "/".into())]);
    }
}
