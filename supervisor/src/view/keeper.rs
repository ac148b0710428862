//! The process that serves a pod's view (`autopod_fuse_barrier::keeper`), as its supervisor starts it. It outlives the supervisor. Init holds
//! the descriptors that another one needs to go on.
use crate::pod::init_protocol::{receive, send};
use autopod_fuse_barrier::keeper::{Descriptors, Plan, run};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a keeper is told on its standard input, together with the descriptors.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    plan: Plan,
    /// Locked as long as somebody serves: two must not.
    lock: PathBuf,
}

/// Starts a keeper and waits until it serves. Gives its pidfd.
pub fn start(lock: &Path, plan: &Plan, descriptors: &[BorrowedFd<'_>]) -> Result<OwnedFd, String> {
    let failed = |e: &dyn std::fmt::Display| format!("starting the view's server: {e}");
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(|e| failed(&e.desc()))?;
    let child = Command::new("/proc/self/exe")
        .arg0("autopod")
        .arg("serve-view")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| failed(&e))?;
    // it is reaped with all other children
    let pidfd = crate::sys::launch::pidfd_open(Pid::from_raw(child.id() as i32)).map_err(|e| failed(&e.desc()))?;
    let order = Order { plan: plan.clone(), lock: lock.to_owned() };
    send(ours.as_fd(), &order, descriptors, None).map_err(|e| failed(&e))?;
    match receive::<Result<(), String>>(ours.as_fd()) {
        Ok(Some(incoming)) => incoming.message.map(|()| pidfd),
        Ok(None) => Err("the view's server ended at once".into()),
        Err(e) => Err(failed(&e)),
    }
}

/// `autopod serve-view`.
pub fn serve() -> anyhow::Result<()> {
    let _ = nix::sys::prctl::set_name(c"autopod-view");
    let stdin = std::io::stdin();
    let Some(incoming) = receive::<Order>(stdin.as_fd())? else { return Ok(()) };
    let order = incoming.message;
    let mut descriptors = incoming.descriptors.into_iter();
    let (Some(connection), Some(root), Some(memory)) = (descriptors.next(), descriptors.next(), descriptors.next()) else {
        anyhow::bail!("the order came without descriptors");
    };
    let lock = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&order.lock)?;
    // a predecessor's worker may be about to end
    let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
    let me = format!("{:<20}\n", std::process::id());
    lock.write_all_at(me.as_bytes(), 0)?;
    let told = |served: Result<(), String>| drop(send(std::io::stdin().as_fd(), &served, &[], None));
    run(&order.plan, Descriptors { connection, root, memory, sources: descriptors.collect() }, &told)
}

/// The keeper that another supervisor has started, by its pidfd.
pub fn find(lock: &Path) -> Option<OwnedFd> {
    let file = std::fs::File::open(lock).ok()?;
    // free: there is none, whatever the file says
    let (file, _) = Flock::lock(file, FlockArg::LockSharedNonblock).err()?;
    let pid = std::io::read_to_string(file).ok()?.trim().parse().ok()?;
    crate::sys::launch::pidfd_open(Pid::from_raw(pid)).ok()
}
