//! What this host allows, found out by trying, and what the walls of a pod that is made now stand on.
use super::own_files::OwnFiles;
use super::{Profile, Ready, Walls, landlock, limits};
use crate::barrier;
use crate::pod::id_range;
use crate::pod::namespaces::{ClockOffsets, unshare_for_child};
use crate::pod::paths::Roots;
use crate::pod::record::Names;
use crate::sys::launch::{self, Fork};
use crate::sys::{confine, memory};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::geteuid;
use serde::Serialize;
use std::fs::OpenOptions;
use std::os::fd::AsFd;

/// One thing that a host may allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: &'static str,
    /// Whether it is there for the caller.
    pub there: bool,
    /// How, or why not.
    pub how: String,
}

/// One wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What it holds.
    pub wall: &'static str,
    /// Whether it stands.
    pub stands: bool,
    /// On what, or what is open.
    pub on: String,
}

/// Does something in a child, for what cannot be undone; the error that it met.
fn in_child(act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    match launch::fork()? {
        Fork::Child => launch::exit_now(act().err().map_or(0, |errno| (errno as i32).clamp(1, 255))),
        Fork::Parent(child) => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
            _ => Err(Errno::EIO),
        },
    }
}

fn tried(what: &'static str, outcome: Result<(), Errno>, how: impl Into<String>) -> Finding {
    match outcome {
        Ok(()) => Finding { what, there: true, how: how.into() },
        Err(errno) => Finding { what, there: false, how: format!("refused: {}", errno.desc()) },
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether the running kernel is at least this version.
fn kernel(major: u32, minor: u32) -> bool {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

fn namespaces() -> Vec<Finding> {
    let root = geteuid().is_root();
    let kinds = [
        ("user namespaces", CloneFlags::CLONE_NEWUSER),
        ("pid namespaces", CloneFlags::CLONE_NEWPID),
        ("ipc namespaces", CloneFlags::CLONE_NEWIPC),
        ("uts namespaces", CloneFlags::CLONE_NEWUTS),
        ("mount namespaces", CloneFlags::CLONE_NEWNS),
        ("network namespaces", CloneFlags::CLONE_NEWNET),
        ("time namespaces", CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)),
    ];
    let how = if root { "as root" } else { "within a user namespace" };
    let try_one = |kind: CloneFlags| {
        in_child(|| {
            if !root && kind != CloneFlags::CLONE_NEWUSER {
                unshare(CloneFlags::CLONE_NEWUSER)?;
            }
            unshare(kind)
        })
    };
    let tries = kinds.into_iter().map(|(what, kind)| tried(what, try_one(kind), if what.starts_with("user") { "" } else { how }));
    tries.chain([users_of_its_own(root)]).collect()
}

/// What `--uids private` needs.
fn users_of_its_own(root: bool) -> Finding {
    // those who are here, by their ids here (user_namespaces(7))
    let mapped = id_range::mapped(&read("/proc/self/uid_map")) && id_range::mapped(&read("/proc/self/gid_map"));
    let (there, how) = match (root, mapped) {
        (true, true) => (true, "for root's pods with a tree of their own (--uids private)"),
        (true, false) => (false, "the ids from 1879048192 on are not mapped here"),
        (false, _) => (false, "only root may give them"),
    };
    Finding { what: "users of a pod's own", there, how: how.into() }
}

fn tracing() -> Vec<Finding> {
    let yama = read("/proc/sys/kernel/yama/ptrace_scope");
    let (there, how) = match yama.as_str() {
        "" => (true, "no Yama".to_owned()),
        "0" => (true, "Yama allows it".to_owned()),
        "3" => (false, "kernel.yama.ptrace_scope is 3: no checkpoints".to_owned()),
        scope if geteuid().is_root() => (true, format!("Yama ({scope}) allows it to root")),
        scope => (false, format!("kernel.yama.ptrace_scope is {scope}: checkpoints need root, or 0")),
    };
    let mut pages = Vec::new();
    let scan =
        std::fs::File::open("/proc/self/pagemap").and_then(|file| memory::pagemap_scan(file.as_fd(), 0, 0x1000, &mut pages));
    let scan = scan.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)));
    vec![
        Finding { what: "ptrace", there, how },
        tried("PAGEMAP_SCAN", scan, "finds pages in use"),
        tried("userfaultfd", confine::try_userfaultfd(), "for faults of programs"),
        tried("clone3 with set_tid", chosen_id(), "restarts give the same ids"),
    ]
}

/// Whether a process can be made with an id of our choice, in a pid namespace of our own if not here.
fn chosen_id() -> Result<(), Errno> {
    in_child(|| {
        unshare_for_child(ClockOffsets::default()).map_err(|refused| Errno::from_raw(refused.errno))?;
        // its first process is 1, whatever we ask
        match launch::fork()? {
            Fork::Child => {
                let outcome = launch::fork_with_id(77);
                if outcome == Ok(Fork::Child) {
                    launch::exit_now(0);
                }
                launch::exit_now(outcome.err().map_or(0, |errno| errno as i32))
            }
            Fork::Parent(first) => match waitpid(first, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
                _ => Err(Errno::EIO),
            },
        }
    })
}

fn confinement() -> Vec<Finding> {
    let filter = in_child(|| {
        let ready =
            Ready::new(&Walls { profile: Profile::Default, ..Walls::default() }, OwnFiles { all: Vec::new(), pods: Vec::new() });
        nix::sys::prctl::set_no_new_privs()?;
        ready.enter().map_err(|refused| Errno::from_raw(refused.errno))
    });
    let domain = |what, since: i32, release: &str| match confine::landlock_version() {
        Ok(version) if version >= since => Finding { what, there: true, how: format!("version {version} of its interface") },
        Ok(version) => Finding { what, there: false, how: format!("version {version}; came with {since} (Linux {release})") },
        Err(errno) => Finding { what, there: false, how: format!("not in this kernel, or not for us: {}", errno.desc()) },
    };
    vec![
        tried("seccomp filters", filter, "set and kept"),
        domain("Landlock", landlock::WITH_SCOPES, "6.12"),
        domain("Landlock for files", landlock::WITH_FILES, "5.19"),
    ]
}

fn groups() -> Vec<Finding> {
    let kinds = [("limit of memory", "memory"), ("limit of processes", "pids"), ("limit of processor time", "cpu")];
    let look = |(what, controller): (&'static str, &str)| match limits::probe(controller) {
        Some(held) => {
            let version = if held.unified { 2 } else { 1 };
            let place = held.group.map(|group| group.display().to_string()).unwrap_or_default();
            Finding { what, there: true, how: format!("control groups version {version}, in {place}") }
        }
        None if controller == "cpu" => Finding { what, there: false, how: "no control group can be made".into() },
        None => Finding { what, there: true, how: "by limits of each process: no control group can be made".into() },
    };
    kinds.into_iter().map(look).collect()
}

fn files() -> Vec<Finding> {
    let root = geteuid().is_root();
    let fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let fuse = fuse.map(drop).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)));
    let passthrough = root && fuse.is_ok() && kernel(6, 9);
    let overlay = read("/proc/filesystems").lines().any(|line| line.ends_with("\toverlay"));
    let of_kernel = |major, minor| if kernel(major, minor) { "" } else { ", and this kernel is older" };
    let barrier = Roots::of_caller().barrier();
    let served = barrier::state(&barrier) == barrier::State::Served;
    let how = if served { "at" } else { "`autopod barrier` serves it at" };
    vec![
        tried("FUSE", fuse, "/dev/fuse opens"),
        Finding { what: "barrier directory", there: served, how: format!("{how} {}", barrier.display()) },
        Finding { what: "FUSE passthrough", there: passthrough, how: format!("needs root and Linux 6.9{}", of_kernel(6, 9)) },
        Finding {
            what: "overlay file system",
            there: overlay && (root || kernel(5, 11)),
            how: if overlay { "in this kernel".into() } else { "not in /proc/filesystems".into() },
        },
        Finding {
            what: "mounts with mapped ids",
            there: root && kernel(5, 12),
            how: format!("needs root and Linux 5.12{}", of_kernel(5, 12)),
        },
    ]
}

/// Everything about the host.
pub fn findings() -> Vec<Finding> {
    [namespaces(), tracing(), confinement(), groups(), files()].concat()
}

/// Who would realize the names of a pod that is made now, and what its walls would stand on.
pub fn standings(findings: &[Finding]) -> (Names, Vec<Standing>) {
    let has = |what: &str| findings.iter().any(|finding| finding.what == what && finding.there);
    let needed = ["pid namespaces", "ipc namespaces", "uts namespaces", "mount namespaces", "time namespaces"];
    let kernel_names = needed.iter().all(|kind| has(kind));
    let (filters, domain, root) = (has("seccomp filters"), has("Landlock"), geteuid().is_root());
    let by = |parts: &[(bool, &str)], open: &str| {
        let parts: Vec<&str> = parts.iter().filter(|(there, _)| *there).map(|(_, part)| *part).collect();
        if parts.is_empty() { (false, open.to_owned()) } else { (true, parts.join(", ")) }
    };
    let row = |wall, (stands, on): (bool, String)| Standing { wall, stands, on };
    let pid_namespace = (kernel_names, "pid namespace");
    let rows = vec![
        row(
            "system calls",
            by(
                &[(filters, "seccomp filter (docs/system-calls.md)")],
                "open: no filter can be set, and a pod needs --profile none",
            ),
        ),
        row(
            "privileges of root",
            match root {
                true => (true, "capabilities are bounded".into()),
                false => (true, "the pod has none: user namespace or no privilege, no_new_privs".into()),
            },
        ),
        row("signals to the outside", by(&[pid_namespace, (domain, "Landlock")], "open to processes of the same user")),
        row("tracing of the outside", by(&[pid_namespace, (domain, "Landlock")], "open to processes of the same user")),
        row("abstract unix sockets", by(&[(domain, "Landlock")], "open: the network namespace is the host's")),
        row(
            "System V and POSIX IPC",
            by(
                &[(kernel_names, "ipc namespace, a /dev/shm of its own")],
                "open to objects of the same user: only the shim gives them names",
            ),
        ),
        row("processes of others in /proc", by(&[(kernel_names, "a /proc of its own")], "to be seen: only the shim hides them")),
        row(
            "host name, clocks",
            by(
                &[
                    (kernel_names, "uts and time namespaces, seccomp filter, no capability"),
                    (!kernel_names && filters, "seccomp filter, no capability"),
                ],
                "held by want of privilege",
            ),
        ),
        row(
            "/proc/sys, /sys, control groups",
            match root {
                true => by(&[(kernel_names, "read-only mounts")], "open: what root may do by files alone, the pod's root may"),
                false => (true, "as for any user".into()),
            },
        ),
        row("files", (false, "those of the host under their permissions, unless the pod has a root of its own (--root)".into())),
        row(
            "files, with --root",
            by(
                &[
                    (kernel_names, "a tree of its own"),
                    (kernel_names && has("Landlock for files"), "Landlock, which holds descriptors of other directories"),
                ],
                "open: a pod with --root needs --names kernel",
            ),
        ),
        row("network", (false, "the host's, under its addresses".into())),
    ];
    (if kernel_names { Names::Kernel } else { Names::Shim }, rows)
}
