//! Who serves a view, and goes on when it is killed.
//!
//! The *keeper* does nothing but wait for its child, the *worker*, which serves. Both share one table of descriptors (clone(2),
//! CLONE_FILES) and the words of the nodes, so that all that the kernel knows a file by outlives a worker that is killed: the keeper forks
//! another, which takes over nodes and connection, and has the kernel send again what was not answered (FUSE_NOTIFY_RESEND, Linux 6.9).
//! Programs notice a pause. When the keeper is killed, its worker ends with it.
use crate::node::{self, Nodes};
use crate::rules::{Point, Rules};
use crate::sys::{self, Words};
use crate::view::{AGREED, Behaviour, View};
use anyhow::Context;
use fuser::{Config, INodeNo, Session, SessionACL};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Word that tells that the kernel has been answered for the first time.
const GREETED: usize = 1;
/// Word that remembers the limit of descriptors, which tells where others are.
const LIMIT: usize = 2;
/// Other descriptors than those of nodes.
const OTHERS: usize = 256;
/// A worker that ends sooner than this after the one before has an error of its own, and must not be started all the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The rules.
    pub points: Vec<Point>,
    /// Whether nothing can be changed.
    pub read_only: bool,
    /// How long the kernel may believe names and attributes, in milliseconds.
    pub ttl: u64,
    /// Whether the kernel shall read and write the backing files itself where it can.
    pub passthrough: bool,
    /// How many requests are served at the same time.
    pub threads: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { points: Vec::new(), read_only: false, ttl: 1000, passthrough: true, threads: 4 }
    }
}

/// What comes with a plan.
#[derive(Debug)]
pub struct Descriptors {
    /// /dev/fuse, of a mount that nobody serves yet.
    pub connection: OwnedFd,
    /// The tree.
    pub root: OwnedFd,
    /// Memory, in which is what those who serve later need to know (`sys::memory`).
    pub memory: OwnedFd,
    /// What is bound into it.
    pub sources: Vec<OwnedFd>,
}

/// Whether the kernel lets this process register backing files: it asks for CAP_SYS_ADMIN on the host.
pub fn may_pass_through() -> bool {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let initial = text("/proc/self/uid_map").split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    let effective = text("/proc/self/status")
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|number| u64::from_str_radix(number.trim(), 16).ok());
    initial && effective.is_some_and(|set| set & 1 << 21 != 0)
}

fn open_descriptors() -> anyhow::Result<BTreeSet<i32>> {
    let entries = std::fs::read_dir("/proc/self/fd").context("cannot list our descriptors")?;
    let listed: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // the one that listed them is closed by now
    let open = |number: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    Ok(listed.into_iter().filter(open).collect())
}

/// Serves until the file system is unmounted everywhere. The calling process has one thread. `told` hears whether it can
/// be done, each time that a worker begins.
pub fn run(plan: &Plan, descriptors: Descriptors, told: &dyn Fn(Result<(), String>)) -> anyhow::Result<()> {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of descriptors")?;
    // more than a million would be a table for nothing
    let limit = limit.min(1 << 20);
    let _ = setrlimit(Resource::RLIMIT_NOFILE, limit, limit);
    let memory = descriptors.memory.try_clone().context("cannot duplicate a descriptor")?;
    let words = Arc::new(Words::new(node::words_for(limit as usize), memory).context("cannot map the table of nodes")?);
    if words.get(LIMIT) != 0 && words.get(LIMIT) != limit {
        anyhow::bail!("the limit of descriptors was {} when the view was mounted, and is {limit}", words.get(LIMIT));
    }
    words.set(LIMIT, limit);
    let mut first = true;
    let reserved = open_descriptors()?;
    // those of the worker are the same: who of both drops them closes them for the other
    let mut descriptors = std::mem::ManuallyDrop::new(Some(descriptors));
    let me = nix::unistd::getpid().as_raw();
    loop {
        let begun = Instant::now();
        let worker = sys::fork_sharing_files().context("cannot fork")?;
        if worker == 0 {
            sys::die_with_parent(me);
            let descriptors = descriptors.take().expect("taken by children only");
            let served = work(plan, descriptors, words, &reserved, limit as usize, first, &|| told(Ok(())));
            if let Err(error) = &served {
                told(Err(format!("{error:#}")));
                eprintln!("autopod-barrier: {error:#}");
            }
            std::process::exit(i32::from(served.is_err()));
        }
        match waitpid(Pid::from_raw(worker), None).context("cannot wait for the worker")? {
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::Exited(_, status) => anyhow::bail!("the worker ended with status {status}"),
            _ => {}
        }
        first = false;
        if begun.elapsed() < PATIENCE {
            std::thread::sleep(PATIENCE);
        }
    }
}

fn work(
    plan: &Plan,
    descriptors: Descriptors,
    words: Arc<Words>,
    reserved: &BTreeSet<i32>,
    limit: usize,
    fresh: bool,
    serving: &dyn Fn(),
) -> anyhow::Result<()> {
    let left: Vec<i32> = open_descriptors()?.into_iter().filter(|number| !reserved.contains(number)).collect();
    let root = descriptors.root.try_clone().context("cannot duplicate a descriptor")?;
    let passthrough = plan.passthrough && may_pass_through();
    // without passthrough a node may have a second descriptor, for contents
    let each = if passthrough { 2 } else { 4 };
    let nodes =
        Arc::new(Nodes::new(words.clone(), root, limit.saturating_sub(OTHERS) / each).context("cannot look at the tree")?);
    nodes.inherit(fresh, limit);
    for number in left {
        if !nodes.take_over(number as usize) {
            let _ = nix::unistd::close(number);
        }
    }
    let connection = Arc::new(descriptors.connection);
    let rules = Rules::new(descriptors.root, plan.read_only, &plan.points, descriptors.sources)?;
    let behaviour = Behaviour { ttl: Duration::from_millis(plan.ttl), passthrough };
    let view = View::new(rules, nodes.clone(), words.clone(), connection.clone(), behaviour);
    let mut config = Config::default();
    config.n_threads = Some(plan.threads.max(1));
    let session = greet(view, &connection, &words, config)?;
    serving();
    let notifier = session.notifier();
    std::thread::spawn(move || {
        loop {
            nodes.await_crowd();
            // those that were in use lose that mark, and are idle the next time
            for _ in 0..2 {
                for (parent, name) in nodes.idle(limit / 8) {
                    let _ = notifier.inval_entry(INodeNo(parent), &name);
                }
            }
        }
    });
    session.run().context("the connection to the kernel broke")
}

/// Answers the kernel's first request, or goes on where a predecessor was.
fn greet(view: View, connection: &Arc<OwnedFd>, words: &Words, config: Config) -> anyhow::Result<Session<View>> {
    let device = connection.try_clone().context("cannot duplicate a descriptor")?;
    if words.get(GREETED) == 0 {
        if words.get(AGREED) != 0 {
            resend(connection);
        }
        let session = Session::from_fd(view, device, SessionACL::All, config).context("cannot agree with the kernel")?;
        words.set(GREETED, 1);
        return Ok(session);
    }
    // The kernel asks once only. The library is asked the same over a socket, which then is replaced.
    let (theirs, ours) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    nix::unistd::write(&ours, &greeting(words.get(AGREED)))?;
    let session = Session::from_fd(view, theirs, SessionACL::All, config).context("cannot take over")?;
    sys::replace(connection.as_fd(), session.as_fd())?;
    resend(connection);
    Ok(session)
}

/// A FUSE_INIT request (fuse_in_header and fuse_init_in of linux/fuse.h) with these flags.
pub(crate) fn greeting(flags: u64) -> Vec<u8> {
    const INIT_EXT: u64 = 1 << 30;
    let flags = flags | INIT_EXT;
    let mut message = Vec::new();
    for word in [104, 26] {
        message.extend_from_slice(&u32::to_le_bytes(word));
    }
    for word in [1u64, 0] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    // user, group, process, no extensions; version 7.40; readahead; flags
    for word in [0, 0, 0, 0, 7, 40, 128 << 10, flags as u32, (flags >> 32) as u32] {
        message.extend_from_slice(&u32::to_le_bytes(word));
    }
    message.resize(104, 0);
    message
}

/// Has the kernel send again what it got no answer for. Kernels before 6.9 do not know it, and leave those who asked waiting.
pub(crate) fn resend(connection: &OwnedFd) {
    const RESEND: i32 = 7;
    sys::notify(connection.as_fd(), RESEND, &[]);
}
