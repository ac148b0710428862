//! The supervisor's hold on a running init.
use super::Error;
use super::id_range::Range;
use super::init::{self, Setup};
use super::init_client::InitClient;
use super::members;
use super::names_table::NamesTable;
use super::namespaces::ClockOffsets;
use super::paths::{Paths, Roots};
use super::record::{Names, PodRecord, now};
use super::registry::{self, InitRecord};
use super::socket::listen_at;
use crate::barrier;
use crate::sys::launch::{pidfd_open, pidfd_send_signal};
use crate::view::{Kind, enter::Place, keeper};
use crate::walls::own_files::OwnFiles;
use crate::walls::{Ready, Uids, limits};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::SockType;
use nix::unistd::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A running init. The pidfd becomes readable when it ends, whoever's child it is.
#[derive(Debug)]
pub(super) struct RunningInit {
    /// Who it is.
    pub(super) record: InitRecord,
    /// Under shim names.
    pub(super) table: Option<NamesTable>,
    pidfd: OwnedFd,
    /// Who serves the view, if it is our child.
    pub(super) keeper: Option<OwnedFd>,
    /// Tells an init of a restart that we live.
    _birth: Option<OwnedFd>,
}

impl RunningInit {
    /// Starts an init for the pod.
    pub(super) fn start(paths: &Paths, pod: &PodRecord, clocks: ClockOffsets) -> Result<Self, Error> {
        paths.make()?;
        let socket = paths.init_socket();
        let listener = listen_at(&socket, SockType::SeqPacket).map_err(|e| Error::file("listen at", &socket, e))?;
        let view = Self::place(paths, pod)?;
        let setup = Setup {
            view,
            name: pod.name.clone(),
            allow_unshimmed: pod.allow_unshimmed,
            names: pod.names,
            hostname: pod.hostname.clone(),
            domainname: pod.domainname.clone(),
            clocks,
            table: paths.table(),
            restarting: paths.restarting().exists(),
            walls: Ready::new(&pod.walls, Self::hidden(paths, pod)),
            users: Self::users(paths, pod)?.map(Rc::new),
        };
        let mut serving = None;
        let serve = |plan: &_, descriptors: &[OwnedFd]| {
            let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
            serving = Some(keeper::start(&paths.view_lock(), plan, &descriptors)?);
            Ok(())
        };
        let nascent = init::start(&setup, listener, serve).map_err(|refused| match pod.names {
            Names::Kernel if pod.view.is_none() => Error::NoKernelNames { pod: pod.name.clone(), reason: refused.to_string() },
            _ => Error::InitFailed { pod: pod.name.clone(), reason: refused.to_string() },
        })?;
        let failed = |reason: String| Error::InitFailed { pod: pod.name.clone(), reason };
        let stat = members::read_stat(nascent.pid).ok_or_else(|| failed("it ended at once".into()))?;
        let group = format!("autopod-{}-{}-{}", pod.uid, pod.name, nascent.pid);
        let limits = limits::hold(&pod.walls.limits, &group, nascent.pid, setup.restarting).map_err(|e| failed(e.to_string()))?;
        let record = InitRecord { pid: nascent.pid, start_time: stat.start_time, names: pod.names, started: now(), limits };
        let pidfd = pidfd_open(Pid::from_raw(record.pid)).map_err(|e| failed(e.desc().into()))?;
        registry::store(&paths.init_record(), &record)?;
        if pod.names == Names::Kernel {
            // before a program could change them
            let (from, to) = (format!("/proc/{}/mountinfo", record.pid), paths.mounts());
            std::fs::read(from).and_then(|text| std::fs::write(&to, text)).map_err(|e| Error::file("write", &to, e))?;
        }
        let birth = nascent.let_go().map_err(|e| failed(e.to_string()))?;
        let table = Self::open_table(paths, &record).map_err(|e| failed(e.to_string()))?;
        Ok(Self { record, table, pidfd, keeper: serving, _birth: Some(birth) })
    }

    /// What of ours has to be covered in the pod's mount namespace. A tree of its own does not have it, or hides it.
    fn hidden(paths: &Paths, pod: &PodRecord) -> OwnFiles {
        match pod.view {
            Some(_) => OwnFiles { all: Vec::new(), pods: Vec::new() },
            None => paths.own_files(),
        }
    }

    /// The users of the pod, if they are its own.
    fn users(paths: &Paths, pod: &PodRecord) -> Result<Option<Range>, Error> {
        if pod.walls.uids == Uids::Host {
            return Ok(None);
        }
        let refuse = |reason: &str| Err(Error::Refused(format!("pod \"{}\" cannot have private user ids: {reason}", pod.name)));
        if !nix::unistd::geteuid().is_root() {
            return refuse("only root may give them, and the programs of other users' pods are in a user namespace anyway");
        }
        if pod.view.is_none() {
            return refuse("on the host's files its users would be strangers; give it a tree of its own with --root DIR");
        }
        if pod.view.as_ref().is_some_and(|view| view.cow && view.kind == Kind::Bind) {
            return refuse("what takes the changes of --cow has no mounts with mapped ids; use --view fuse");
        }
        let range = Range::claim()?;
        // the one file of ours that its programs write
        let log = paths.log();
        std::os::unix::fs::chown(&log, Some(range.base), Some(range.base)).map_err(|e| Error::file("give away", &log, e))?;
        Ok(Some(range))
    }

    /// Where the pod's tree is built.
    fn place(paths: &Paths, pod: &PodRecord) -> Result<Option<Place>, Error> {
        let Some(view) = &pod.view else { return Ok(None) };
        let root = view.root.display();
        if pod.names == Names::Shim {
            return Err(Error::Refused(format!(
                "pod \"{}\" cannot have {root} as its root under the shim's names: that takes a mount namespace; use --names kernel",
                pod.name
            )));
        }
        if !view.root.is_dir() {
            return Err(Error::Refused(format!(
                "the root of pod \"{}\" is {root}, which is no directory here; give its place with --root DIR",
                pod.name
            )));
        }
        let roots = Roots::of_caller();
        match barrier::mounted(&roots, &pod.name) {
            // it would be detached: the barrier leads to the other then
            Some(other) if other != view.root => {
                return Err(Error::Refused(format!(
                    "the root of pod \"{}\" is {root}, but a tree is mounted for it at {}: unmount that",
                    pod.name,
                    other.display()
                )));
            }
            None if view.root.starts_with(roots.barrier()) => {
                return Err(Error::Refused(format!(
                    "the root of pod \"{}\" is {root}, where no tree is mounted for it in the barrier: mount one there, or give its \
                     place with --root DIR",
                    pod.name
                )));
            }
            _ => {}
        }
        let shim = view.shim();
        // a tree may have our own directories in it
        let ours = paths
            .own_files()
            .all
            .into_iter()
            .map(|path| path.canonicalize().unwrap_or(path))
            .chain([roots.barrier(), Range::directory()]);
        let ours = ours.filter_map(|path| Some(Path::new("/").join(path.strip_prefix(&view.root).ok()?))).collect();
        let place = Place { view: view.clone(), ours, directory: paths.view(), log: paths.log(), shim, device: None, held: None };
        let _ = std::fs::remove_file(paths.view_lock());
        place.prepare().map_err(|e| Error::file("prepare the view in", &paths.view(), e))?;
        Ok(Some(place))
    }

    /// Has the view served where nobody does.
    pub(super) fn renew_keeper(&mut self, paths: &Paths, pod: &PodRecord) -> Result<(), Error> {
        self.keeper = None;
        if pod.view.as_ref().is_none_or(|view| view.kind != Kind::Fuse) {
            return Ok(());
        }
        if let Some(other) = keeper::find(&paths.view_lock()) {
            self.keeper = Some(other);
            return Ok(());
        }
        let (plan, descriptors) = InitClient::connect(&paths.init_socket(), &pod.name)?.view()?;
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        self.keeper = Some(keeper::start(&paths.view_lock(), &plan, &descriptors).map_err(Error::Refused)?);
        Ok(())
    }

    fn open_table(paths: &Paths, record: &InitRecord) -> std::io::Result<Option<NamesTable>> {
        (record.names == Names::Shim).then(|| NamesTable::open(&paths.table())).transpose()
    }

    /// Finds the init that another supervisor has started.
    pub(super) fn adopt(paths: &Paths, name: &str) -> Result<Option<Self>, Error> {
        let Some(record) = registry::running_init(paths, name)? else { return Ok(None) };
        let Ok(pidfd) = pidfd_open(Pid::from_raw(record.pid)) else { return Ok(None) };
        // Between the look and the hold it may have ended and its id been taken.
        if !record.is_alive() {
            return Ok(None);
        }
        let path = paths.table();
        let table = Self::open_table(paths, &record).map_err(|e| Error::file("open", &path, e))?;
        Ok(Some(Self { record, table, pidfd, keeper: None, _birth: None }))
    }

    /// Its id on the host.
    pub(super) fn pid(&self) -> i32 {
        self.record.pid
    }

    /// Kills it with everything in the pod, and waits until all is gone.
    pub(super) fn destroy(self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        if self.record.names == Names::Shim {
            members::stop_descendants(self.pid());
        }
        // Under shim names its end alone would orphan the others: they go first, until no new one is seen.
        while self.record.names == Names::Shim && Instant::now() < deadline {
            let left: Vec<i32> =
                members::descendants(self.pid()).into_values().filter(|s| s.state != 'Z').map(|s| s.pid).collect();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), nix::sys::signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], 10_000u16);
    }
}

impl AsFd for RunningInit {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
