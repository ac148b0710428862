//! A pod's init: parent of the pod's first programs and of its orphans. Forked off the supervisor without an exec, it
//! outlives it and takes requests on a socket ([`super::init_protocol`]).
use super::id_range::Range;
use super::init_protocol::{Answer, Exit, Request, Spawn, receive, send};
use super::names_table::NamesTable;
use super::namespaces::{ClockOffsets, Refused, enter_users, furnish, set_names, unshare_for_child};
use super::record::Names;
use super::spawn;
use super::terminals::Terminals;
use crate::sys::launch::{self, Fork};
use crate::sys::process::pidfd_getfd;
use crate::view::enter::{Place, Unserved};
use crate::walls::Ready;
use autopod_fuse_barrier::keeper::Plan;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socketpair, sockopt};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, getpid, setsid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

/// Ends of this many children are remembered for those who ask late.
const ENDS_KEPT: usize = 4096;

/// What a new init needs to know.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The pod's name.
    pub name: String,
    /// Who realizes the pod's names.
    pub names: Names,
    /// The pod's host name.
    pub hostname: String,
    /// The pod's NIS domain name.
    pub domainname: String,
    /// The pod's clocks.
    pub clocks: ClockOffsets,
    /// Where the namespace table is made, under `--names shim`.
    pub table: PathBuf,
    /// Whether programs that the shim cannot reach may be executed all the same.
    pub allow_unshimmed: bool,
    /// Whether the pod is to be restarted: init then ends, with all there is, when supervisor and engine are gone before it was told
    /// that the restart is complete.
    pub restarting: bool,
    /// What holds the pod's programs.
    pub walls: Ready,
    /// Its file tree, if it is not the host's.
    pub view: Option<Place>,
    /// Its users, if they are not the host's.
    pub users: Option<Rc<Range>>,
}

/// An init that has set itself up and waits to be let go. Dropped before, it ends.
#[derive(Debug)]
pub struct Nascent {
    /// Its id on the host.
    pub pid: i32,
    birth: OwnedFd,
}

impl Nascent {
    /// Lets it take requests. As long as the descriptor is open, an init of a restart knows that we live.
    pub fn let_go(self) -> std::io::Result<OwnedFd> {
        send(self.birth.as_fd(), &(), &[], None)?;
        Ok(self.birth)
    }
}

/// What comes over the birth socket: from the go-between the id of init on the host, from init that it is ready.
#[derive(Debug, Serialize, Deserialize)]
enum Birth {
    Born(i32),
    /// The go-between is in a user namespace, and waits to hear that its ids are mapped, and with them the owners in these mounts:
    /// descriptors of its own.
    Unmapped(Vec<(i32, PathBuf)>),
    /// Its view is mounted; the descriptors come along. It waits to hear that it is served.
    View(Plan),
    Ready,
    Failed(Refused),
}

/// Forks an init which serves `listener`. A view of its is served by who `serve` starts. The calling process must be single-threaded.
pub fn start(
    setup: &Setup,
    listener: OwnedFd,
    mut serve: impl FnMut(&Plan, &[OwnedFd]) -> Result<(), String>,
) -> Result<Nascent, Refused> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(Refused::at("making a socket pair"))?;
    let first = match launch::fork().map_err(Refused::at("forking"))? {
        Fork::Child => {
            drop(ours);
            born(setup.clone(), listener, theirs)
        }
        Fork::Parent(pid) => pid,
    };
    drop((theirs, listener));
    let mut pid = first.as_raw();
    // Init may be ready before the go-between comes to tell who it is.
    let (mut born, mut ready) = (setup.names != Names::Kernel, false);
    let outcome = loop {
        if born && ready {
            break Ok(());
        }
        match receive::<Birth>(ours.as_fd()) {
            Ok(Some(incoming)) => match incoming.message {
                Birth::Born(init) => (pid, born) = (init, true),
                Birth::Unmapped(mounts) => {
                    let mapped = map_ids(first, setup.users.as_deref(), mounts);
                    if let Err(e) = send(ours.as_fd(), &mapped, &[], None) {
                        break Err(Refused::io("telling it of its ids")(e));
                    }
                }
                Birth::View(plan) => {
                    let served = serve(&plan, &incoming.descriptors);
                    if let Err(e) = send(ours.as_fd(), &served, &[], None) {
                        break Err(Refused::io("telling it of its view")(e));
                    }
                }
                Birth::Ready => ready = true,
                Birth::Failed(refused) => break Err(refused),
            },
            Ok(None) => break Err(Refused { doing: "waiting for its first word".into(), errno: libc::EPIPE }),
            Err(e) => break Err(Refused::io("listening to it")(e)),
        }
    };
    if outcome.is_err() || pid != first.as_raw() {
        let _ = waitpid(first, None);
    }
    outcome.map(|()| Nascent { pid, birth: ours })
}

/// Writes the maps of a process in a new user namespace (user_namespaces(7)): only somebody with privilege outside of it may.
fn map_ids(process: Pid, range: Option<&Range>, mounts: Vec<(i32, PathBuf)>) -> Result<(), Refused> {
    let Some(range) = range else { return Err(Refused { doing: "mapping ids".into(), errno: libc::EINVAL }) };
    for file in ["uid_map", "gid_map"] {
        let path = format!("/proc/{process}/{file}");
        std::fs::write(&path, range.map()).map_err(Refused::io(format!("mapping the ids from {} on in {file}", range.base)))?;
    }
    if mounts.is_empty() {
        return Ok(());
    }
    let users =
        std::fs::File::open(format!("/proc/{process}/ns/user")).map_err(Refused::io("opening the pod's user namespace"))?;
    let pidfd = launch::pidfd_open(process).map_err(Refused::at("opening the process that waits for its ids"))?;
    for (number, source) in mounts {
        let mount = pidfd_getfd(pidfd.as_fd(), number).map_err(Refused::io("taking a mount"))?;
        autopod_fuse_barrier::sys::map_owners(mount.as_fd(), users.as_fd()).map_err(Refused::at(format!(
            "giving what is in {} owners of the pod's (its file system may have no mounts with mapped ids; use --view fuse)",
            source.display()
        )))?;
    }
    Ok(())
}

/// Makes the namespaces that the next child lives in.
fn separate(setup: &mut Setup, birth: &OwnedFd) -> Result<(), Refused> {
    let (Some(_), Some(mut place)) = (&setup.users, setup.view.clone()) else { return unshare_for_child(setup.clocks) };
    let apart = place.gather()?;
    let map = || {
        let mounts = apart.iter().map(|apart| (apart.mount.as_raw_fd(), apart.source.clone())).collect();
        let told =
            send(birth.as_fd(), &Birth::Unmapped(mounts), &[], None).and_then(|()| receive::<Result<(), Refused>>(birth.as_fd()));
        match told.map_err(Refused::io("having ids mapped"))? {
            Some(incoming) => incoming.message,
            None => Err(Refused { doing: "having ids mapped".into(), errno: libc::EPIPE }),
        }
    };
    enter_users(map, || place.open_device())?;
    unshare_for_child(setup.clocks)?;
    setup.view = Some(place.gathered(apart)?);
    Ok(())
}

/// In the forked child: becomes init or, where namespaces are made, the go-between that forks it.
fn born(mut setup: Setup, listener: OwnedFd, birth: OwnedFd) -> ! {
    let _guard = EndOnUnwind;
    if setup.names == Names::Kernel {
        if let Err(refused) = separate(&mut setup, &birth) {
            let _ = send(birth.as_fd(), &Birth::Failed(refused), &[], None);
            launch::exit_now(1);
        }
        match launch::fork() {
            Ok(Fork::Child) => {}
            Ok(Fork::Parent(pid)) => {
                let _ = send(birth.as_fd(), &Birth::Born(pid.as_raw()), &[], None);
                launch::exit_now(0);
            }
            Err(errno) => {
                let refused = Refused::at("starting the first process of the pid namespace")(errno);
                let _ = send(birth.as_fd(), &Birth::Failed(refused), &[], None);
                launch::exit_now(1);
            }
        }
    }
    match Init::set_up(&setup, listener, &birth) {
        Ok(mut init) => {
            let restarting = setup.restarting;
            // with what only the setting up needed
            drop(setup);
            let ready = send(birth.as_fd(), &Birth::Ready, &[], None);
            // The supervisor notes who we are before it lets us go; if it died, nobody would find us.
            if ready.is_ok() && matches!(receive::<()>(birth.as_fd()), Ok(Some(_))) {
                init.birth = restarting.then_some(birth);
                init.serve();
            }
        }
        Err(refused) => {
            let _ = send(birth.as_fd(), &Birth::Failed(refused), &[], None);
        }
    }
    launch::exit_now(1)
}

/// A panic must not unwind into the supervisor's frames, of which a forked child has copies.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        launch::exit_now(1);
    }
}

struct Init {
    /// What whoever serves the view after the present one needs.
    unserved: Option<Unserved>,
    names: Names,
    owner: Uid,
    table: Option<NamesTable>,
    listener: OwnedFd,
    signals: SignalFd,
    clients: Vec<OwnedFd>,
    waiters: Vec<(i32, OwnedFd)>,
    ends: VecDeque<(i32, Exit)>,
    terminals: Terminals,
    /// Whom it has started, by host id, with their ids in the pod: the table can be spoilt by programs, and who waits must be told.
    started: BTreeMap<i32, i32>,
    walls: Ready,
    /// Hung up when the supervisor is gone; none once the pod is established.
    birth: Option<OwnedFd>,
    /// Its claim on them ends with us.
    _users: Option<Rc<Range>>,
}

impl Init {
    fn set_up(setup: &Setup, listener: OwnedFd, birth: &OwnedFd) -> Result<Self, Refused> {
        let _ = setsid();
        let _ = nix::sys::prctl::set_name(c"autopod-init");
        // Nothing that programs or others send shall end or stop it: all is blocked, and SIGCHLD read.
        launch::reset_signals();
        SigSet::all().thread_block().map_err(Refused::at("blocking signals"))?;
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        let signals = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(Refused::at("making a signal descriptor"))?;
        spawn::null_stdio(3)?;
        let mut kept = vec![listener.as_fd(), birth.as_fd(), signals.as_fd()];
        kept.extend(setup.view.iter().flat_map(Place::descriptors));
        kept.extend(setup.users.iter().map(|range| range.claim.as_fd()));
        close_all_but(&kept);
        std::env::set_current_dir("/").map_err(Refused::io("entering /"))?;
        let mut unserved = None;
        let table = match setup.names {
            Names::Kernel => {
                unserved = furnish_tree(setup, birth)?;
                set_names(&setup.hostname, &setup.domainname)?;
                None
            }
            Names::Shim => {
                nix::sys::prctl::set_child_subreaper(true).map_err(Refused::at("becoming the reaper of orphans"))?;
                Some(
                    NamesTable::create(setup, getpid().as_raw())
                        .map_err(Refused::io(format!("making {}", setup.table.display())))?,
                )
            }
        };
        setup.walls.surround(setup.names == Names::Kernel, setup.view.is_some())?;
        Ok(Self {
            unserved,
            names: setup.names,
            owner: nix::unistd::getuid(),
            table,
            listener,
            signals,
            clients: Vec::new(),
            waiters: Vec::new(),
            ends: VecDeque::new(),
            terminals: Terminals::default(),
            started: BTreeMap::new(),
            walls: setup.walls.clone(),
            birth: None,
            _users: setup.users.clone(),
        })
    }

    fn serve(mut self) -> ! {
        loop {
            let (listening, signalled, ready) = self.wait_for_work();
            if signalled {
                while let Ok(Some(_)) = self.signals.read_signal() {}
            }
            // Also when not signalled: costs a system call, and misses nothing.
            self.reap();
            self.terminals.forget_left();
            for index in ready.into_iter().rev() {
                let client = self.clients.swap_remove(index);
                // A bug in one request must not end the pod.
                let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.answer(client)));
                if let Ok(Some(client)) = served {
                    self.clients.push(client);
                }
            }
            if listening {
                self.accept();
            }
            if self.is_deserted() {
                self.shut_down();
                launch::exit_now(1);
            }
        }
    }

    /// Whether nobody is left who could complete the restart.
    fn is_deserted(&self) -> bool {
        let Some(birth) = &self.birth else { return false };
        let mut polled = [PollFd::new(birth.as_fd(), PollFlags::empty())];
        let hung_up = poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].any().unwrap_or(true);
        hung_up && self.clients.is_empty()
    }

    fn wait_for_work(&self) -> (bool, bool, Vec<usize>) {
        let fds = [self.listener.as_fd(), self.signals.as_fd()].into_iter();
        let fds = fds.chain(self.clients.iter().map(|client| client.as_fd()));
        let mut polled: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // hung up, it stays so: it wakes us only as long as a client is not what we wait for
        let birth = self.birth.as_ref().filter(|_| self.clients.is_empty());
        polled.extend(birth.map(|birth| PollFd::new(birth.as_fd(), PollFlags::POLLIN)));
        if poll(&mut polled, PollTimeout::NONE).is_err() {
            return (false, true, Vec::new());
        }
        let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
        (ready[0], ready[1], (0..self.clients.len()).filter(|index| ready[index + 2]).collect())
    }

    fn accept(&mut self) {
        while let Ok(client) = super::socket::accept(self.listener.as_fd()) {
            if self.is_permitted(&client) {
                self.clients.push(client);
            }
        }
    }

    /// Only the pod's owner and root, and no process of the pod.
    fn is_permitted(&self, client: &OwnedFd) -> bool {
        let Ok(peer) = getsockopt(client, sockopt::PeerCredentials) else { return false };
        match self.names {
            // Processes outside this pid namespace have no id in it. Users other than the owner have none either, but
            // only the owner and root can enter the directory of the socket.
            Names::Kernel => peer.pid() == 0,
            Names::Shim => {
                let uid = Uid::from_raw(peer.uid());
                (uid == self.owner || uid.is_root())
                    && super::members::read_stat(peer.pid()).is_some()
                    && !super::members::belongs(peer.pid(), getpid().as_raw())
                    && !super::members::is_of_another_pod(peer.pid())
            }
        }
    }

    /// Answers one request; gives the connection back unless it is done with.
    fn answer(&mut self, client: OwnedFd) -> Option<OwnedFd> {
        let incoming = receive::<Request>(client.as_fd()).ok()??;
        if let (Request::View, Some(view)) = (&incoming.message, &self.unserved) {
            let descriptors: Vec<BorrowedFd<'_>> = view.descriptors.iter().map(AsFd::as_fd).collect();
            send(client.as_fd(), &Answer::View(view.plan.clone()), &descriptors, None).ok()?;
            return Some(client);
        }
        let answer = match incoming.message {
            Request::Spawn(spawn) => self.spawn(spawn, incoming.descriptors),
            Request::Seed { virtual_pid } => self.seed(virtual_pid),
            Request::Wait { virtual_pid } => match self.ends.iter().rev().find(|(pid, _)| *pid == virtual_pid) {
                Some((_, exit)) => Ok(Answer::Exited(*exit)),
                None => {
                    self.waiters.push((virtual_pid, client));
                    return None;
                }
            },
            Request::View => Err(Refused { doing: "giving the view away".into(), errno: libc::ENOENT }),
            Request::Keep => {
                incoming.descriptors.into_iter().for_each(|master| self.terminals.keep(master));
                Ok(Answer::Kept)
            }
            Request::Establish => {
                self.birth = None;
                Ok(Answer::Established)
            }
            Request::Shutdown => {
                self.shut_down();
                let _ = send(client.as_fd(), &Answer::ShuttingDown, &[], None);
                launch::exit_now(0)
            }
        };
        let answer = answer.unwrap_or_else(|e| Answer::Failed { doing: e.doing, errno: e.errno });
        let process = match (&answer, self.names) {
            (Answer::Started { host_pid, .. }, Names::Kernel) => Some(*host_pid),
            _ => None,
        };
        send(client.as_fd(), &answer, &[], process).ok()?;
        Some(client)
    }

    fn spawn(&mut self, spawn: Spawn, stdio: Vec<OwnedFd>) -> Result<Answer, Refused> {
        if stdio.len() != if spawn.log.is_some() { 0 } else { 3 } || spawn.argv.is_empty() {
            return Err(Refused { doing: "reading the request".into(), errno: libc::EINVAL });
        }
        let stdio = match spawn.terminal {
            true => self.terminals.make(stdio, spawn.user.as_ref().map(|user| user.uid))?,
            false => stdio,
        };
        if let (Some(table), Some(user)) = (&self.table, &spawn.user) {
            table.admit(user.uid);
        }
        let (pid, mut go, mut report) = spawn::fork_program(spawn, stdio, &self.walls)?;
        let virtual_pid = self.enter(pid, None)?;
        self.started.insert(pid, virtual_pid);
        self.table.iter().for_each(|table| table.leads_session(virtual_pid));
        // A new process must not inherit the end of an older one that had its id.
        self.ends.retain(|(old, _)| *old != virtual_pid);
        let _ = go.write_all(&[0]);
        let mut failure = Vec::new();
        let _ = report.read_to_end(&mut failure);
        if failure.is_empty() {
            return Ok(Answer::Started { virtual_pid, host_pid: pid });
        }
        let _ = waitpid(Pid::from_raw(pid), None);
        self.started.remove(&pid);
        self.leave(pid);
        Err(rmp_serde::from_slice(&failure).unwrap_or(Refused { doing: "starting it".into(), errno: libc::EIO }))
    }

    fn seed(&mut self, wanted: Option<i32>) -> Result<Answer, Refused> {
        let pid = spawn::fork_seed(wanted.filter(|_| self.names == Names::Kernel))?;
        let virtual_pid = self.enter(pid, wanted)?;
        self.started.insert(pid, virtual_pid);
        self.ends.retain(|(old, _)| *old != virtual_pid);
        Ok(Answer::Started { virtual_pid, host_pid: pid })
    }

    /// Gives the new child its virtual id; kills it if that fails.
    fn enter(&mut self, pid: i32, wanted: Option<i32>) -> Result<i32, Refused> {
        let Some(table) = &self.table else { return Ok(pid) };
        table.enter(pid, wanted).map_err(|e| {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(pid), None);
            Refused::io("entering it into the namespace table")(e)
        })
    }

    fn leave(&self, pid: i32) -> Option<i32> {
        match &self.table {
            Some(table) => table.leave(pid),
            None => Some(pid),
        }
    }

    fn reap(&mut self) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let (pid, exit) = match status {
                WaitStatus::Exited(pid, status) => (pid, Exit::Status(status)),
                WaitStatus::Signaled(pid, signal, _) => (pid, Exit::Signal(signal as i32)),
                WaitStatus::StillAlive => return,
                _ => continue,
            };
            let listed = self.leave(pid.as_raw());
            let Some(virtual_pid) = self.started.remove(&pid.as_raw()).or(listed) else { continue };
            self.ends.push_back((virtual_pid, exit));
            if self.ends.len() > ENDS_KEPT {
                self.ends.pop_front();
            }
            let (done, waiting) = std::mem::take(&mut self.waiters).into_iter().partition(|(pid, _)| *pid == virtual_pid);
            self.waiters = waiting;
            for (_, client) in done as Vec<(i32, OwnedFd)> {
                let _ = send(client.as_fd(), &Answer::Exited(exit), &[], None);
                self.clients.push(client);
            }
        }
    }

    /// Kills and reaps until nothing is left.
    fn shut_down(&self) {
        if self.names == Names::Shim {
            super::members::stop_descendants(getpid().as_raw());
        }
        loop {
            match self.names {
                // All of this pid namespace but ourselves.
                Names::Kernel => drop(kill(Pid::from_raw(-1), Signal::SIGKILL)),
                // Orphans of the killed become our children, and are killed in the next round.
                Names::Shim => {
                    for &pid in super::members::descendants(getpid().as_raw()).keys() {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    }
                }
            }
            match waitpid(None, None) {
                Err(Errno::ECHILD) => return,
                _ => continue,
            }
        }
    }
}

/// Builds the tree that the pod's programs will see, and has it served.
fn furnish_tree(setup: &Setup, birth: &OwnedFd) -> Result<Option<Unserved>, Refused> {
    let Some(place) = &setup.view else { return furnish().map(|()| None) };
    let unserved = place.mount()?;
    if let Some(view) = &unserved {
        let descriptors: Vec<BorrowedFd<'_>> = view.descriptors.iter().map(AsFd::as_fd).collect();
        send(birth.as_fd(), &Birth::View(view.plan.clone()), &descriptors, None)
            .map_err(Refused::io("having the view served"))?;
        match receive::<Result<(), String>>(birth.as_fd()) {
            Ok(Some(incoming)) => incoming.message.map_err(|doing| Refused { doing, errno: libc::EINVAL })?,
            _ => return Err(Refused { doing: "waiting for the view to be served".into(), errno: libc::EPIPE }),
        }
    }
    place.enter()?;
    Ok(unserved)
}

/// Closes all descriptors from 3 up but these, in gaps between them.
fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut numbers: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    numbers.sort_unstable();
    let mut from = 3;
    for number in numbers {
        launch::close_range(from, number);
        from = number + 1;
    }
    launch::close_from(from);
}
