//! The processes of a pod: all descendants of its init.
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The fields of /proc/PID/stat (proc_pid_stat(5)) that are of interest here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The id on the host.
    pub pid: i32,
    /// The name of the program.
    pub comm: String,
    /// R, S, D, T, t, Z...
    pub state: char,
    /// The parent's id.
    pub ppid: i32,
    /// User and system time, in clock ticks.
    pub cpu_ticks: u64,
    /// Number of threads.
    pub threads: u64,
    /// When it started, in clock ticks after boot.
    pub start_time: u64,
    /// Resident pages.
    pub rss_pages: u64,
}

/// Parses one line of /proc/PID/stat. The name may hold any character, the last `)` ends it.
pub fn parse_stat(line: &str) -> Option<Stat> {
    let (pid, rest) = line.split_once(" (")?;
    let (comm, rest) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.parse().ok()?,
        comm: comm.to_owned(),
        state: fields.first()?.chars().next()?,
        ppid: fields.get(1)?.parse().ok()?,
        cpu_ticks: number(11)? + number(12)?,
        threads: number(17)?,
        start_time: number(19)?,
        rss_pages: number(21)?,
    })
}

/// The state of the host's process `pid`.
pub fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// All descendants of `init`, by their host ids, itself excluded.
pub fn descendants(init: i32) -> BTreeMap<i32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let all: BTreeMap<i32, Stat> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| Some((pid, read_stat(pid)?)))
        .collect();
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for stat in all.values() {
        children.entry(stat.ppid).or_default().push(stat.pid);
    }
    let mut found = BTreeSet::new();
    let mut left = vec![init];
    while let Some(pid) = left.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if found.insert(child) {
                left.push(child);
            }
        }
    }
    all.into_iter().filter(|(pid, _)| found.contains(pid)).collect()
}

/// How often it is looked whether all have stopped, a millisecond apart: a task in an uninterruptible sleep may take its time.
const LOOKS: u32 = 50;

/// Stops the descendants of `init`, which are to be killed: they are killed one by one, and none shall see the end of another and act on
/// it. Parents go first, as a stop is seen by nobody but them.
pub fn stop_descendants(init: i32) {
    for look in 0..LOOKS {
        let all = descendants(init);
        let depth = |pid: i32| std::iter::successors(all.get(&pid), |stat| all.get(&stat.ppid)).count();
        let mut running: Vec<i32> = all
            .values()
            // once for those, too, that are stopped by a tracer, which may be gone the next moment
            .filter(|stat| look == 0 || !matches!(stat.state, 'T' | 't' | 'Z' | 'X'))
            .map(|stat| stat.pid)
            .collect();
        running.sort_by_key(|&pid| depth(pid));
        for &pid in &running {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGSTOP);
        }
        let stopped = |stat: &Stat| matches!(stat.state, 'T' | 't' | 'Z' | 'X');
        if all.values().all(stopped) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What inits call themselves; only they can.
pub const INIT_NAME: &str = "autopod-init";

/// The init of the innermost pod that a process is in.
fn init_above(pid: i32) -> Option<i32> {
    let mut at = read_stat(pid)?.ppid;
    for _ in 0..100_000 {
        let stat = read_stat(at)?;
        if stat.comm == INIT_NAME {
            return Some(stat.pid);
        }
        at = stat.ppid;
    }
    None
}

/// Whether a task descends from the init of any pod. One that has ended meanwhile, or whose ancestry cannot be told, is said to.
pub fn is_in_pod(task: i32) -> bool {
    // an ancestor may end while we look
    (0..5).find_map(|_| look_above(task)).unwrap_or(true)
}

fn look_above(task: i32) -> Option<bool> {
    let mut below = read_stat(task)?;
    while below.ppid > 0 {
        let above = read_stat(below.ppid)?;
        // else the parent has ended and another process has got its id
        if above.start_time > below.start_time {
            return None;
        }
        if above.comm == INIT_NAME {
            return Some(true);
        }
        below = above;
    }
    Some(false)
}

/// Whether a process is in a pod and we are not in that. Programs of one pod must not administer another.
pub fn is_of_another_pod(pid: i32) -> bool {
    init_above(pid).is_some_and(|theirs| {
        let own = std::process::id() as i32;
        theirs != own && init_above(own) != Some(theirs)
    })
}

/// Whether `pid` is init or descends from it.
pub fn belongs(pid: i32, init: i32) -> bool {
    let mut at = pid;
    // A chain of parents is finite; a limit guards against one that changes while being read.
    for _ in 0..100_000 {
        if at == init {
            return true;
        }
        match read_stat(at) {
            Some(stat) if stat.ppid > 0 => at = stat.ppid,
            _ => return false,
        }
    }
    true
}

/// The id of the host's process `pid` in the innermost pid namespace it is in: `NSpid` of proc_pid_status(5).
pub fn innermost_pid(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// One process as `autopod ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id in the pod.
    pub virtual_pid: i32,
    /// Its parent's id in the pod; 1 is init, 0 means that it cannot be told.
    pub virtual_ppid: i32,
    /// Its id on the host.
    pub host_pid: i32,
    /// R, S, D, T, t, Z...
    pub state: char,
    /// Number of threads.
    pub threads: u64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// User and system time, in milliseconds.
    pub cpu_ms: u64,
    /// The command line; the name in brackets where it has none.
    pub command: String,
}

/// The processes of the pod as the pod numbers them.
pub fn list(init: i32, virtual_of: impl Fn(i32) -> Option<i32>) -> Vec<Member> {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as u64;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as u64;
    let name = |pid: i32| if pid == init { Some(1) } else { virtual_of(pid) };
    let mut members: Vec<Member> = descendants(init)
        .into_values()
        .filter_map(|stat| {
            Some(Member {
                virtual_pid: name(stat.pid)?,
                virtual_ppid: name(stat.ppid).unwrap_or(0),
                host_pid: stat.pid,
                state: stat.state,
                threads: stat.threads,
                rss: stat.rss_pages * page,
                cpu_ms: stat.cpu_ticks * 1000 / ticks,
                command: command_line(stat.pid).unwrap_or_else(|| format!("[{}]", stat.comm)),
            })
        })
        .collect();
    members.sort_by_key(|member| member.virtual_pid);
    members
}

fn command_line(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = bytes
        .split(|&b| b == 0)
        .map(|word| String::from_utf8_lossy(word).chars().map(|c| if c.is_control() { '?' } else { c }).collect())
        .collect();
    let line = words.join(" ").trim_end().to_owned();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_parsed() {
        let line = "42 (a) S 1 (x) T 7 42 42 0 -1 4194304 1 2 3 4 50 60 0 0 20 0 3 0 12345 1000 25 18446744073709551615";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.comm.as_str(), stat.state, stat.ppid), (42, "a) S 1 (x", 'T', 7));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_time, stat.rss_pages), (110, 3, 12345, 25));
        assert!(parse_stat("").is_none() && parse_stat("1 (x) S").is_none());
    }

    #[test]
    fn descendants_of_every_depth_are_stopped() {
        let script = "sh -c 'sleep 1000 & wait' & wait";
        let mut top = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        let below = || descendants(top.id() as i32);
        while below().len() < 2 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        stop_descendants(top.id() as i32);
        let states: Vec<char> = below().values().map(|stat| stat.state).collect();
        for pid in below().into_keys() {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
        }
        top.wait().unwrap();
        assert_eq!(states, ['T', 'T']);
    }

    #[test]
    fn this_process_descends_from_its_parent() {
        let me = std::process::id() as i32;
        let parent = read_stat(me).unwrap().ppid;
        assert!(belongs(me, parent) && belongs(me, me) && !belongs(parent, me));
        assert!(descendants(parent).contains_key(&me));
    }
}
