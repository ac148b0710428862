//! The barrier directory (docs/view.md, `autopod_fuse_barrier::barrier`): where it is, whether it is served, and who serves it.
use crate::pod::paths::Roots;
use crate::pod::{members, record, registry};
use crate::walls::Uids;
use anyhow::Context;
use autopod_fuse_barrier::barrier::{Barrier, Ledger, Pods};
use autopod_fuse_barrier::pair::{self, Part};
use autopod_fuse_barrier::sys;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The type by which it is known among mounts.
const KIND: &str = "fuse.autopod-barrier";

/// What there is at the barrier's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is mounted.
    Absent,
    /// It is mounted and served.
    Served,
    /// It is mounted, and all who served it were killed.
    Dead,
}

/// What there is at `directory`.
pub fn state(directory: &Path) -> State {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let here = |line: &&str| line.split(' ').nth(4).is_some_and(|path| crate::proc::unescape(path.as_bytes()) == directory);
    match mounts.lines().rev().find(here) {
        Some(line) if line.contains(KIND) => match std::fs::metadata(directory) {
            Err(e) if e.raw_os_error() == Some(Errno::ENOTCONN as i32) => State::Dead,
            _ => State::Served,
        },
        _ => State::Absent,
    }
}

/// The tree that is mounted for the pod `name` in the barrier, if one is.
pub fn mounted(roots: &Roots, name: &str) -> Option<PathBuf> {
    let directory = roots.barrier();
    if state(&directory) != State::Served {
        return None;
    }
    let root = directory.join(name).join("root");
    // a link is ours, and leads to the root of a pod with --root
    let device = |path: &Path| std::fs::symlink_metadata(path).ok().map(|meta| meta.dev());
    (device(&root)? != device(&directory)?).then_some(root)
}

/// Mounts and serves it. Tells what there was before.
pub fn start(roots: &Roots) -> anyhow::Result<State> {
    roots.make()?;
    let directory = roots.barrier();
    let log = roots.runtime.join("barrier.log");
    let open = || File::options().append(true).create(true).open(&log).with_context(|| format!("cannot open {}", log.display()));
    // two who mount at the same time would mount one upon the other; who serves does not inherit this description, and the lock ends with us
    let _alone = Flock::lock(open()?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let before = state(&directory);
    match before {
        State::Served => return Ok(before),
        // what was mounted below cannot be reached by anybody, and is detached with it
        State::Dead => umount2(&directory, MntFlags::MNT_DETACH)
            .or_else(|_| fusermount(&["-u", "-z"], &directory, None))
            .with_context(|| format!("cannot unmount {}, which nobody serves any more", directory.display()))?,
        State::Absent => std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?,
    }
    let connection = connect(&directory).with_context(|| format!("cannot mount the barrier at {}", directory.display()))?;
    let memory = sys::memory().context("cannot make memory")?;
    let failed = |reason: String| {
        let _ = umount2(&directory, MntFlags::MNT_DETACH).or_else(|_| fusermount(&["-u", "-z"], &directory, None));
        anyhow::anyhow!("nobody serves the barrier at {}: {reason}", directory.display())
    };
    serving("first", connection, memory, open()?.into()).map_err(|e| failed(e.to_string()))?;
    // waits for its answer; if it ends instead, the connection ends with it
    std::fs::metadata(&directory).map_err(|e| failed(e.to_string()))?;
    Ok(before)
}

/// Unmounts it, which ends who serves it.
pub fn stop(roots: &Roots) -> anyhow::Result<()> {
    let directory = roots.barrier();
    let how = match state(&directory) {
        State::Absent => anyhow::bail!("no barrier is mounted at {}", directory.display()),
        State::Served => MntFlags::empty(),
        State::Dead => MntFlags::MNT_DETACH,
    };
    let unmounted = umount2(&directory, how).or_else(|errno| match errno {
        Errno::EPERM => fusermount(&["-u"], &directory, None),
        errno => Err(errno),
    });
    match unmounted {
        Err(Errno::EBUSY) => {
            anyhow::bail!("{} is in use: unmount what is mounted below, and leave it with every shell", directory.display())
        }
        other => other.with_context(|| format!("cannot unmount {}", directory.display())),
    }
}

/// Mounts it; gives the connection by which it is served.
fn connect(directory: &Path) -> anyhow::Result<OwnedFd> {
    if !nix::unistd::geteuid().is_root() {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
        fusermount(
            &["-o", "default_permissions,nosuid,nodev,noexec,fsname=autopod,subtype=autopod-barrier"],
            directory,
            Some(theirs),
        )
        .context("without privilege this takes fusermount3 (Debian: apt-get install fuse3)")?;
        let received = crate::sys::passing::receive(ours.as_fd(), &mut [0; 16], MsgFlags::empty())?;
        return received.descriptors.into_iter().next().context("fusermount3 gave no connection");
    }
    let device = File::options().read(true).write(true).open("/dev/fuse").context("cannot open /dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40700,user_id={},group_id={},default_permissions,allow_other",
        device.as_raw_fd(),
        nix::unistd::geteuid(),
        nix::unistd::getegid()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("autopod"), directory, Some(KIND), flags, Some(options.as_str()))?;
    Ok(device.into())
}

/// fusermount3(1), which mounts for users.
fn fusermount(options: &[&str], directory: &Path, channel: Option<OwnedFd>) -> nix::Result<()> {
    let mut command = Command::new("fusermount3");
    command.args(options).arg("--").arg(directory).stdin(Stdio::null());
    if let Some(channel) = channel {
        // it sends the descriptor over the one that this names
        command.env("_FUSE_COMMFD", "0").stdin(Stdio::from(channel));
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Errno::EPERM),
        Err(e) => Err(Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// Starts one that serves.
fn serving(part: &str, connection: OwnedFd, memory: OwnedFd, log: Stdio) -> io::Result<i32> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("autopod").args(["serve-barrier", part]).current_dir("/");
    let child = command.stdin(Stdio::from(connection)).stdout(Stdio::from(memory)).stderr(log).spawn()?;
    Ok(child.id() as i32)
}

/// `autopod serve-barrier`: the connection is standard input, the ledger standard output.
pub fn serve(part: &str) -> anyhow::Result<()> {
    let _ = nix::sys::prctl::set_name(c"autopod-barrier");
    let _ = nix::unistd::setsid();
    let part = if part == "first" { Part::First } else { Part::Next };
    let connection = io::stdin().as_fd().try_clone_to_owned()?;
    let ledger = Ledger::new(io::stdout().as_fd()).context("cannot open the ledger")?;
    let roots = Roots::of_caller();
    let start = || {
        let (connection, ledger) = (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?);
        serving("next", connection, ledger, Stdio::inherit())
    };
    pair::serve(Barrier::new(Ours(roots), ledger), connection, part, start)
}

/// The pods of one user.
struct Ours(Roots);

impl Pods for Ours {
    fn is_in_pod(&self, task: i32) -> bool {
        members::is_in_pod(task)
    }

    fn is_name(&self, name: &str) -> bool {
        record::check_name(name).is_ok()
    }

    fn names(&self) -> Vec<String> {
        registry::all(&self.0).unwrap_or_default().into_iter().map(|pod| pod.name).collect()
    }

    fn root(&self, name: &str) -> Option<PathBuf> {
        let record = registry::find(&self.0, name).ok()??;
        let view = record.view?;
        if view.root.starts_with(self.0.barrier()) {
            return None;
        }
        let init = registry::running_init(&self.0.pod(name), name).ok().flatten();
        // what is mounted in the user namespace of a pod shows nothing to who is outside, the host's root among them
        let init = init.filter(|_| record.walls.uids == Uids::Host);
        Some(init.map_or(view.root, |init| format!("/proc/{}/root", init.pid).into()))
    }
}
