//! How much memory, processor time and how many processes a pod may use: by a control group of the pod's own (cgroups(7)), where there is
//! a hierarchy in which one can be made, else, for memory and processes, by limits of each process (getrlimit(2)), which is less: memory
//! is then counted per process, and processes per user.
//!
//! An image holds what the limits are, not the groups, which are made anew wherever the pod is restarted.
use crate::pod::namespaces::Refused;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a pod may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// Thousandths of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
}

/// Init itself.
const OURS: u64 = 1;
/// The period over which processor time is counted out, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;

impl Limits {
    /// As a user is told, with what holds each.
    pub fn describe(&self, held: &[Held]) -> Vec<String> {
        let amount = |controller: &str| match controller {
            "memory" => self.memory.map(|bytes| format!("{bytes} bytes of memory")),
            "pids" => self.pids.map(|pids| format!("{pids} processes and threads")),
            _ => self.cpus.map(|cpus| format!("{} processors", cpus as f64 / 1000.0)),
        };
        held.iter().filter_map(|held| Some(format!("{}, by {}", amount(&held.controller)?, held.describe()))).collect()
    }

    fn controllers(&self) -> Vec<&'static str> {
        let all = [("memory", self.memory), ("pids", self.pids), ("cpu", self.cpus)];
        all.into_iter().filter_map(|(name, limit)| limit.map(|_| name)).collect()
    }

    /// Files and what is written to them, for one controller.
    fn files(&self, controller: &str, unified: bool) -> Vec<(&'static str, String)> {
        let quota = self.cpus.map(|thousandths| (thousandths * PERIOD / 1000).max(1000));
        let memory = self.memory.map(|bytes| bytes.to_string());
        match (controller, unified) {
            ("memory", true) => memory.into_iter().map(|bytes| ("memory.max", bytes)).collect(),
            ("memory", false) => memory.into_iter().map(|bytes| ("memory.limit_in_bytes", bytes)).collect(),
            ("pids", _) => self.pids.into_iter().map(|pids| ("pids.max", (pids + OURS).to_string())).collect(),
            ("cpu", true) => quota.into_iter().map(|quota| ("cpu.max", format!("{quota} {PERIOD}"))).collect(),
            _ => quota
                .into_iter()
                .flat_map(|quota| [("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())])
                .collect(),
        }
    }
}

/// What holds one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// memory, pids or cpu.
    pub controller: String,
    /// The control group; none where limits of each process have to do.
    pub group: Option<PathBuf>,
    /// Whether it is of the unified hierarchy (version 2).
    #[serde(default)]
    pub unified: bool,
}

impl Held {
    /// As a user is told.
    pub fn describe(&self) -> String {
        match &self.group {
            Some(group) => format!("control group {}", group.display()),
            None => "limits of each process (no control group can be made here)".into(),
        }
    }
}

/// Where control groups can be made: a mounted hierarchy, and our own group in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Version 2.
    pub unified: bool,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Our own group.
    pub own: PathBuf,
}

/// The hierarchies that have this controller, from /proc/self/mountinfo and /proc/self/cgroup.
pub fn hierarchies(controller: &str, mountinfo: &str, own: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let ([_, _, _, root, point, ..], [kind, _, options, ..]) = (&before[..], &after[..]) else { continue };
        let unified = *kind == "cgroup2";
        if !unified && !(*kind == "cgroup" && options.split(',').any(|option| option == controller)) {
            continue;
        }
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let it = if unified { number == "0" } else { controllers.split(',').any(|one| one == controller) };
            it.then_some(path)
        });
        let mount = crate::proc::unescape(point.as_bytes());
        let root = crate::proc::unescape(root.as_bytes());
        // our group may lie outside of the part that is mounted here
        let below = path.and_then(|path| Path::new(path).strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        found.push(Hierarchy { unified, own: mount.join(below), mount });
    }
    // one that has the controller for itself has taken it from the unified one
    found.sort_by_key(|hierarchy| hierarchy.unified);
    found
}

fn find(controller: &str) -> Vec<Hierarchy> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    hierarchies(controller, &read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
}

/// Makes the group `name` near our own, with the controller; the nearest ancestor is taken in which that is possible.
fn make(hierarchy: &Hierarchy, controller: &str, name: &str) -> Option<PathBuf> {
    let parents = hierarchy.own.ancestors().take_while(|parent| parent.starts_with(&hierarchy.mount));
    for parent in parents {
        if hierarchy.unified {
            let has = |file: &str| {
                let text = std::fs::read_to_string(parent.join(file)).unwrap_or_default();
                text.split_ascii_whitespace().any(|one| one == controller)
            };
            if !has("cgroup.controllers") {
                continue;
            }
            // fails in a group that has processes itself, as our own
            if !has("cgroup.subtree_control")
                && std::fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}")).is_err()
            {
                continue;
            }
        }
        sweep(parent);
        let group = parent.join(name);
        match std::fs::create_dir(&group) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {}
            _ => return Some(group),
        }
    }
    None
}

/// Removes groups that were left because their last processes took too long to end. One with processes cannot be removed; one whose init,
/// by which it is named, lives may be about to get some.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let init = name.strip_prefix("autopod-").and_then(|rest| rest.rsplit('-').next()?.parse::<u32>().ok());
        if init.is_some_and(|init| !Path::new("/proc").join(init.to_string()).exists()) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// Whether, and where, a group with this controller can be made here.
pub fn probe(controller: &str) -> Option<Held> {
    let name = format!("autopod-probe-{}", std::process::id());
    find(controller).into_iter().find_map(|hierarchy| {
        let group = make(&hierarchy, controller, &name)?;
        let _ = std::fs::remove_dir(&group);
        let parent = group.parent().map(Path::to_owned);
        Some(Held { controller: controller.into(), group: parent, unified: hierarchy.unified })
    })
}

/// Puts a pod's init, and with it all that will descend of it, under the limits. How many processes there may be is left open while
/// `restarting`: that takes some of our own for a while; [`apply`] sets it then.
pub fn hold(limits: &Limits, name: &str, init: i32, restarting: bool) -> Result<Vec<Held>, Refused> {
    let mut all: Vec<Held> = Vec::new();
    for controller in limits.controllers() {
        let held = find(controller).into_iter().find_map(|hierarchy| {
            let group = make(&hierarchy, controller, name)?;
            let held = Held { controller: controller.into(), group: Some(group.clone()), unified: hierarchy.unified };
            let now = if restarting { Limits { pids: None, ..*limits } } else { *limits };
            let set = write(&now, &held).and_then(|()| std::fs::write(group.join("cgroup.procs"), init.to_string()));
            match set {
                Ok(()) => Some(held),
                Err(_) => {
                    let _ = std::fs::remove_dir(&group);
                    None
                }
            }
        });
        match held {
            Some(held) => all.push(held),
            None if controller == "cpu" => {
                release(&all);
                let doing =
                    "limiting the pod's processor time, for which it needs a control group, and none can be made here".into();
                return Err(Refused { doing, errno: libc::EACCES });
            }
            None => all.push(Held { controller: controller.into(), group: None, unified: false }),
        }
    }
    Ok(all)
}

fn write(limits: &Limits, held: &Held) -> std::io::Result<()> {
    let Some(group) = &held.group else { return Ok(()) };
    limits.files(&held.controller, held.unified).into_iter().try_for_each(|(file, text)| std::fs::write(group.join(file), text))
}

/// Sets all limits of groups that there are.
pub fn apply(limits: &Limits, all: &[Held]) {
    for held in all {
        if let Err(e) = write(limits, held) {
            tracing::warn!("cannot set the limit of {} in {}: {e}", held.controller, held.describe());
        }
    }
}

/// Removes the groups of a pod whose processes are gone. The kernel may take a moment to notice that.
pub fn release(all: &[Held]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut groups: Vec<&PathBuf> = all.iter().filter_map(|held| held.group.as_ref()).collect();
    groups.dedup();
    for group in groups {
        loop {
            match std::fs::remove_dir(group) {
                Err(e) if e.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => break,
            }
        }
    }
}

/// Those limits for which no control group can be made here, and which processes can have one by one.
pub fn without_group(limits: &Limits) -> Limits {
    let alone = |limit: Option<u64>, controller: &str| limit.filter(|_| probe(controller).is_none());
    Limits { memory: alone(limits.memory, "memory"), pids: alone(limits.pids, "pids"), cpus: None }
}

/// In a program that is about to start: what it is limited to by itself.
pub fn limit_process(limits: &Limits) -> nix::Result<()> {
    let set = |resource, value: u64| {
        let (_, hard) = nix::sys::resource::getrlimit(resource)?;
        let value = value.min(hard);
        nix::sys::resource::setrlimit(resource, value, value)
    };
    if let Some(bytes) = limits.memory {
        set(nix::sys::resource::Resource::RLIMIT_AS, bytes)?;
    }
    if let Some(pids) = limits.pids {
        set(nix::sys::resource::Resource::RLIMIT_NPROC, pids)?;
    }
    Ok(())
}

/// `512M`, `2G`, a number of bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no size; give bytes, or a number with K, M, G or T, as in 512M");
    let (digits, shift) = match text.char_indices().last().ok_or_else(wrong)? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        (at, 't' | 'T') => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    // less than a program needs to start; the kernel would kill it with no word
    if bytes < 1 << 20 { Err(format!("\"{text}\" is less than any program needs; give 1M at least")) } else { Ok(bytes) }
}

/// `1.5`: thousandths.
pub fn parse_cpus(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(cpus) if (0.01..=100_000.0).contains(&cpus) => Ok((cpus * 1000.0).round() as u64),
        _ => Err(format!("\"{text}\" is no number of processors; give one like 0.5 or 2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_read() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("1048576"), Ok(1 << 20));
        assert_eq!(parse_cpus("1.5"), Ok(1500));
        for wrong in ["", "M", "-1M", "1X", "99999999T", "1K", "1.5G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert!(parse_cpus("0").is_err() && parse_cpus("nan").is_err() && parse_cpus("two").is_err());
    }

    #[test]
    fn both_kinds_of_hierarchies_are_found() {
        let mountinfo = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let own = "1:cpu:/a/b\n0::/user.slice\n";
        let found = hierarchies("cpu", mountinfo, own);
        assert_eq!(
            found,
            [
                Hierarchy { unified: false, mount: "/sys/fs/cgroup/cpu".into(), own: "/sys/fs/cgroup/cpu/a/b".into() },
                Hierarchy {
                    unified: true,
                    mount: "/sys/fs/cgroup/unified".into(),
                    own: "/sys/fs/cgroup/unified/user.slice".into()
                },
            ]
        );
    }

    #[test]
    fn each_version_has_its_files() {
        let limits = Limits { memory: Some(1 << 20), pids: Some(10), cpus: Some(500) };
        assert_eq!(limits.files("memory", true), [("memory.max", "1048576".to_owned())]);
        assert_eq!(limits.files("pids", false), [("pids.max", "11".to_owned())]);
        assert_eq!(limits.files("cpu", true), [("cpu.max", "50000 100000".to_owned())]);
        assert_eq!(limits.files("cpu", false)[1], ("cpu.cfs_quota_us", "50000".to_owned()));
        assert!(Limits::default().controllers().is_empty());
    }
}
