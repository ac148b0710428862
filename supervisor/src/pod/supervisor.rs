//! A pod's supervisor: one process per pod, outside the pod, single-threaded. It serves the control socket and starts
//! init and engines. All that must survive it is in files or in init, so that the next one can go on.
use super::begin::{Begin, Begun, take_lock};
use super::connection::Connection;
use super::control::{Answer, Request};
use super::engine::Line;
use super::engine_run::{self, EngineRun, Task};
use super::init_client::InitClient;
use super::names_table::NamesTable;
use super::namespaces::ClockOffsets;
use super::paths::{Paths, Roots};
use super::record::{Names, NamesChoice, PodRecord};
use super::registry;
use super::running::RunningInit;
use super::{Error, members, socket};
use crate::sys::launch::{self, pidfd_send_signal};
use crate::view::kept::Kept;
use crate::walls::limits;
use nix::fcntl::Flock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::SockType;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A supervisor that has not had an init yet ends after this time without a connection.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Stopping {
    pub(super) client: u64,
    pub(super) deadline: Instant,
}

pub(super) struct Supervisor {
    pub(super) name: String,
    pub(super) paths: Paths,
    /// None while a pod that this host does not know is being restarted.
    pub(super) record: Option<PodRecord>,
    pub(super) init: Option<RunningInit>,
    pub(super) connections: BTreeMap<u64, Connection>,
    /// Who waits for the end of a process, each on an init connection of its own.
    pub(super) waits: Vec<(u64, InitClient)>,
    /// Ends of processes that came while an engine works: whether they are the programs' own is known after it.
    held_back: Vec<(u64, Answer)>,
    pub(super) engine: Option<EngineRun>,
    /// An engine that a supervisor before us has started.
    pub(super) foreign_engine: bool,
    pub(super) stopping: Option<Stopping>,
    next_connection: u64,
    listener: OwnedFd,
    signals: UnixStream,
    /// Whether SIGTERM or SIGINT came.
    terminated: Arc<AtomicBool>,
    ended: bool,
    idle: Duration,
    idle_since: Instant,
    _lock: Flock<File>,
}

impl Supervisor {
    /// Sets up the supervisor of the pod `name`; nothing if there is one.
    pub(super) fn begin(name: &str, begin: Begin) -> Result<Option<(Self, Begun)>, Error> {
        let roots = Roots::of_caller();
        roots.make()?;
        let paths = roots.pod(name);
        let known = registry::find(&roots, name)?;
        if matches!(begin, Begin::Create { .. }) && known.is_some() {
            return Err(Error::Exists(name.to_owned()));
        }
        paths.make()?;
        let Some(lock) = take_lock(&paths)? else { return Ok(None) };
        let io = |what| move |e: std::io::Error| Error::Refused(format!("cannot {what}: {e}"));
        let (signals, sender) = UnixStream::pair().map_err(io("make a socket pair"))?;
        signals.set_nonblocking(true).map_err(io("set up signals"))?;
        let terminated = Arc::new(AtomicBool::new(false));
        for signal in [libc::SIGTERM, libc::SIGINT] {
            signal_hook::flag::register(signal, terminated.clone()).map_err(io("set up signals"))?;
        }
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT] {
            let sender = sender.try_clone().map_err(io("set up signals"))?;
            signal_hook::low_level::pipe::register(signal, sender).map_err(io("set up signals"))?;
        }
        let control = paths.control_socket();
        let listener = socket::listen_at(&control, SockType::Stream).map_err(|e| Error::file("listen at", &control, e))?;
        let mut new = Self {
            name: name.to_owned(),
            paths,
            record: known,
            init: None,
            connections: BTreeMap::new(),
            waits: Vec::new(),
            held_back: Vec::new(),
            engine: None,
            foreign_engine: false,
            stopping: None,
            next_connection: 0,
            listener,
            signals,
            terminated,
            ended: false,
            idle: IDLE,
            idle_since: Instant::now(),
            _lock: lock,
        };
        let mut note = None;
        let begun = match begin {
            Begin::Create { record, choice } => new.create(*record, choice).map(|why| note = why),
            Begin::Open => new.adopt(),
        };
        if let Err(e) = begun {
            new.clear_runtime();
            return Err(e);
        }
        let names = new.record.as_ref().map(|record| record.names);
        Ok(Some((new, Begun::Serving { names, note })))
    }

    fn create(&mut self, mut record: PodRecord, choice: NamesChoice) -> Result<Option<String>, Error> {
        let note = self.start_init(&mut record, choice, ClockOffsets::default())?;
        let saved = registry::save(&self.paths, &record);
        if saved.is_err() {
            self.init.take().into_iter().for_each(RunningInit::destroy);
        }
        saved?;
        self.record = Some(record);
        Ok(note)
    }

    /// Starts init under the chosen names, settles `record.names`, and tells why they are the shim's if they had not to be.
    pub(super) fn start_init(
        &mut self,
        record: &mut PodRecord,
        choice: NamesChoice,
        clocks: ClockOffsets,
    ) -> Result<Option<String>, Error> {
        record.names = if choice == NamesChoice::Shim { Names::Shim } else { Names::Kernel };
        match RunningInit::start(&self.paths, record, clocks) {
            Ok(init) => {
                self.init = Some(init);
                Ok(None)
            }
            Err(Error::NoKernelNames { reason, .. }) if choice == NamesChoice::Auto => {
                record.names = Names::Shim;
                self.init = Some(RunningInit::start(&self.paths, record, clocks)?);
                Ok(Some(reason))
            }
            Err(e) => Err(e),
        }
    }

    fn adopt(&mut self) -> Result<(), Error> {
        self.init = RunningInit::adopt(&self.paths, &self.name)?;
        self.foreign_engine = engine_run::is_locked(&self.paths);
        if !self.foreign_engine {
            self.settle();
        }
        self.renew_keeper();
        Ok(())
    }

    /// Has the view served again, should nobody do it.
    fn renew_keeper(&mut self) {
        let record = registry::find(&Roots::of_caller(), &self.name).ok().flatten().or(self.record.clone());
        let (Some(init), Some(record)) = (&mut self.init, record) else { return };
        if let Err(e) = init.renew_keeper(&self.paths, &record) {
            tracing::error!("nobody serves the view: {e}");
        }
    }

    /// With no engine at work: what an engine has left behind. Gives where changes to the tree are that the image of a restart does not have.
    fn settle(&mut self) -> Option<PathBuf> {
        self.foreign_engine = false;
        self.record = registry::find(&Roots::of_caller(), &self.name).ok().flatten();
        if self.paths.restarting().exists() {
            tracing::warn!("a restart was interrupted; ending what there is of it");
            self.destroy_init();
        }
        let before = engine_run::conclude_changes(&self.paths);
        if let Some(before) = &before {
            tracing::warn!("what was changed in the tree before the restart is kept in {}", before.display());
        }
        if let (Some(init), Some(record)) = (&self.init, &self.record) {
            limits::apply(&record.walls.limits, &init.record.limits);
        }
        before
    }

    pub(super) fn destroy_init(&mut self) {
        if let Some(init) = self.init.take() {
            init.destroy();
        }
        self.init_gone();
    }

    /// Serves until the pod has ended, or SIGTERM.
    pub(super) fn serve(mut self) {
        while !self.ended && !self.is_idle() {
            self.turn();
        }
        if self.init.is_none() {
            self.clear_runtime();
            if self.record.is_none() {
                // A pod that was to be restarted here, and was not.
                let _ = registry::remove(&self.paths);
            }
        }
        let _ = std::fs::remove_file(self.paths.control_socket());
    }

    fn is_idle(&mut self) -> bool {
        let busy = self.init.is_some() || self.engine.is_some() || self.foreign_engine || !self.connections.is_empty();
        if busy {
            self.idle_since = Instant::now();
        }
        !busy && self.idle_since.elapsed() >= self.idle
    }

    /// Waits for something to happen, and deals with it.
    fn turn(&mut self) {
        let mut watched: Vec<(BorrowedFd<'_>, PollFlags)> =
            vec![(self.listener.as_fd(), PollFlags::POLLIN), (self.signals.as_fd(), PollFlags::POLLIN)];
        let optional = [self.init.as_ref().map(AsFd::as_fd), self.engine.as_ref().map(AsFd::as_fd)];
        watched.extend(optional.into_iter().flatten().map(|fd| (fd, PollFlags::POLLIN)));
        let first_wait = watched.len();
        watched.extend(self.waits.iter().map(|(_, init)| (init.as_fd(), PollFlags::POLLIN)));
        for connection in self.connections.values() {
            let output = if connection.has_output() { PollFlags::POLLOUT } else { PollFlags::empty() };
            watched.push((connection.as_fd(), PollFlags::POLLIN | output));
        }
        let keeper = watched.len();
        watched.extend(self.init.as_ref().and_then(|init| init.keeper.as_ref()).map(|fd| (fd.as_fd(), PollFlags::POLLIN)));
        let timeout: u16 = if self.stopping.is_some() {
            20
        } else if self.foreign_engine || self.init.is_none() {
            100
        } else {
            60_000
        };
        let mut polled: Vec<PollFd<'_>> = watched.into_iter().map(|(fd, flags)| PollFd::new(fd, flags)).collect();
        if poll(&mut polled, PollTimeout::from(timeout)).is_err() {
            return;
        }
        let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
        drop(polled);
        let engine_ready = self.engine.is_some() && ready[first_wait - 1];
        let init_ready = self.init.is_some() && ready[2];
        let ended_waits: Vec<usize> = (0..self.waits.len()).filter(|index| ready[first_wait + index]).collect();
        let first_connection = first_wait + self.waits.len();
        let spoken: Vec<u64> =
            self.connections.keys().enumerate().filter(|(index, _)| ready[first_connection + index]).map(|(_, &id)| id).collect();
        let keeper_gone = ready.get(keeper).copied().unwrap_or(false);
        if ready[1] {
            self.take_signals();
        }
        for index in ended_waits.into_iter().rev() {
            self.process_ended(index);
        }
        if engine_ready {
            self.hear_engine();
        }
        if init_ready {
            tracing::info!("init has ended");
            self.init = None;
            self.init_gone();
        }
        if keeper_gone {
            tracing::warn!("who served the view has ended");
            self.renew_keeper();
        }
        for id in spoken {
            self.hear(id);
        }
        if ready[0] {
            self.accept();
        }
        self.advance_stop();
        if self.foreign_engine && !engine_run::is_locked(&self.paths) {
            self.settle();
        }
        self.connections.retain(|_, connection| !connection.is_closed());
    }

    fn take_signals(&mut self) {
        let mut buffer = [0; 256];
        while matches!((&self.signals).read(&mut buffer), Ok(1..)) {}
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
            tracing::info!("a child ended: {status:?}");
        }
        if self.terminated.load(Ordering::Relaxed) {
            // The pod runs on; the next command finds it again.
            self.ended = true;
        }
    }

    fn accept(&mut self) {
        while let Ok(socket) = socket::accept(self.listener.as_fd()) {
            if let Some(connection) = Connection::admit(socket, self.init.as_ref().map(RunningInit::pid)) {
                self.connections.insert(self.next_connection, connection);
                self.next_connection += 1;
            }
        }
    }

    fn hear(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.flush();
        for line in connection.read_lines() {
            let answer = match serde_json::from_str::<Request>(&line) {
                Ok(request) => self.handle(id, request),
                Err(e) => {
                    Err(Error::Refused(format!("the request is malformed ({e}); docs/control-socket.md shows what can be asked")))
                }
            };
            match answer {
                Ok(Some(answer)) => self.answer(id, &answer),
                // It comes later.
                Ok(None) => {}
                Err(e) => self.answer(id, &Answer::Error(e.to_string())),
            }
        }
    }

    pub(super) fn answer(&mut self, id: u64, answer: &Answer) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.answer(answer);
        }
    }

    fn process_ended(&mut self, index: usize) {
        let (client, init) = self.waits.swap_remove(index);
        let answer = match init.ended() {
            Ok(exit) => Answer::Exited(exit),
            Err(_) => Answer::Error(Error::NotRunning(self.name.clone()).to_string()),
        };
        if self.engine.is_some() {
            self.held_back.push((client, answer));
        } else {
            self.answer(client, &answer);
        }
    }

    fn hear_engine(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let client = engine.client;
        match engine.read() {
            Some(lines) => {
                for line in lines {
                    if let Line::Progress(progress) = line {
                        self.answer(client, &Answer::Progress(progress));
                    }
                }
            }
            None => self.engine_ended(),
        }
    }

    fn engine_ended(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        let done = matches!(engine.outcome, Some(Line::Done(_)));
        let ended_all_the_same = !done && self.was_ended(&engine);
        // only an engine with a restarted pod removes the mark; it may not have come to tell init
        let runs_all_the_same = !done && engine.task == Task::Restart && !self.paths.restarting().exists();
        let runs_all_the_same = runs_all_the_same && self.is_established();
        if let (false, Task::Checkpoint { image, .. }) = (done, &engine.task) {
            crate::image::sweep(image);
        }
        let mut answer = match engine.outcome {
            Some(Line::Done(report)) => Answer::Report(report),
            Some(Line::Failed(reason)) => Answer::Error(reason),
            _ if ended_all_the_same => Answer::Error(format!(
                "the engine died at the end of its work; the image of pod \"{}\" is complete, its processes are ended",
                self.name
            )),
            None if runs_all_the_same => {
                Answer::Error(format!("the engine died at the end of its work; pod \"{}\" is restarted and runs", self.name))
            }
            _ => Answer::Error(format!(
                "the engine died while it worked on pod \"{}\"; its log is {}",
                self.name,
                self.paths.supervisor_log().display()
            )),
        };
        if engine.task == Task::Restart && !done && !runs_all_the_same {
            self.destroy_init();
        }
        if let (Some(before), Answer::Report(report)) = (self.settle(), &mut answer) {
            report.notes.push(format!(
                "the tree is as it was at the checkpoint; what programs had changed otherwise by now is kept in {}: remove it when you do \
                 not need it",
                before.display()
            ));
        }
        let left_at = match &engine.task {
            Task::Checkpoint { image, leave_running: false } if done || ended_all_the_same => Some(image.clone()),
            _ => None,
        };
        for (client, answer) in std::mem::take(&mut self.held_back) {
            let answer = left_at.clone().map_or(answer, Answer::Checkpointed);
            self.answer(client, &answer);
        }
        if let Some(image) = left_at {
            for (client, _) in std::mem::take(&mut self.waits) {
                self.answer(client, &Answer::Checkpointed(image.clone()));
            }
            // It says so before it ends; what is left of it is a moment.
            self.destroy_init();
        }
        self.answer(engine.client, &answer);
    }

    /// Whether an engine that died had handed the end of the pod to init before. An init that has been asked to end the pod answers
    /// nobody any more.
    fn was_ended(&self, engine: &EngineRun) -> bool {
        let Task::Checkpoint { image, leave_running: false } = &engine.task else { return false };
        let record = registry::find(&Roots::of_caller(), &self.name).ok().flatten();
        let noted = record.and_then(|record| record.checkpointed).is_some_and(|done| done.image == *image);
        engine.outcome.is_none() && noted && !self.is_established()
    }

    /// Whether init listens and has the pod live on.
    fn is_established(&self) -> bool {
        InitClient::connect(&self.paths.init_socket(), &self.name).and_then(|init| init.establish()).is_ok()
    }

    /// After the end of init.
    fn init_gone(&mut self) {
        self.end_orphans();
        // Under kernel names there is no table, or one that names nothing.
        if let Ok(table) = NamesTable::open(&self.paths.table()) {
            table.remove_objects();
        }
        // Whoever comes now starts another supervisor as easily.
        self.idle = Duration::ZERO;
        self.clear_runtime();
        for index in (0..self.waits.len()).rev() {
            self.process_ended(index);
        }
        if let Some(stopping) = self.stopping.take() {
            self.answer(stopping.client, &Answer::Done);
        }
    }

    /// A pid namespace ends with its init. Under shim names, what an init that was killed leaves behind has become our
    /// children: nobody could find them, or give them names, without it.
    fn end_orphans(&self) {
        let engine = self.engine.as_ref().map(EngineRun::pid);
        let me = std::process::id() as i32;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            let all = members::descendants(me);
            let spared = |stat: &members::Stat| stat.state == 'Z' || engine.is_some_and(|pid| members::belongs(stat.pid, pid));
            let left: Vec<i32> = all.into_values().filter(|stat| !spared(stat)).map(|stat| stat.pid).collect();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn clear_runtime(&self) {
        let paths = &self.paths;
        registry::release_limits(paths);
        if paths.restarting().exists() {
            // with the mark gone, the changes count as those of a complete restart
            if let Err(e) = Kept::at(&paths.view()).back_out() {
                tracing::error!("the changes to the tree cannot be put back as they were: {e}");
            }
        }
        for path in
            [paths.init_record(), paths.init_socket(), paths.table(), paths.mounts(), paths.restarting(), paths.view_lock()]
        {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Ends the pod once its processes are gone, or their time is up.
    fn advance_stop(&mut self) {
        let (Some(stopping), Some(init)) = (&self.stopping, &self.init) else { return };
        let left = members::descendants(init.pid()).values().any(|stat| stat.state != 'Z');
        if !left || Instant::now() >= stopping.deadline {
            self.destroy_init();
        }
    }

    /// Sends a signal to the processes of the pod with these host ids.
    pub(super) fn signal(&self, pids: &[i32], signal: i32) -> Result<(), Error> {
        let Some(init) = &self.init else { return Err(Error::NotRunning(self.name.clone())) };
        for &pid in pids {
            let Ok(pidfd) = launch::pidfd_open(nix::unistd::Pid::from_raw(pid)) else { continue };
            // Held now, it cannot become another process; is it still one of ours?
            if !members::belongs(pid, init.pid()) {
                continue;
            }
            match pidfd_send_signal(pidfd.as_fd(), signal) {
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(e) => {
                    return Err(Error::Refused(format!(
                        "cannot send signal {signal} to process {pid} of pod \"{}\": {}",
                        self.name,
                        e.desc()
                    )));
                }
            }
        }
        Ok(())
    }
}
