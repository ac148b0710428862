//! What the supervisor does about each request.
use super::control::{Answer, Request, Spawn, Spawned, Stats, Status};
use super::engine::{Changes, ChangesRequest, CheckpointRequest, RestartRequest, SectionRequest, Tcp};
use super::engine_run::{self, EngineRun, Task};
use super::init_client::InitClient;
use super::init_protocol;
use super::namespaces::ClockOffsets;
use super::paths::Roots;
use super::record::{Names, NamesChoice, PodRecord, now};
use super::supervisor::{Stopping, Supervisor};
use super::{Error, environment, members, processor, program, registry};
use crate::barrier;
use crate::image::Compression;
use crate::view::kept::Kept;
use members::Member;
use nix::sys::signal::{SIGCONT, SIGTERM};
use serde_bytes::ByteBuf;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

impl Supervisor {
    /// The answer, or nothing if it comes later.
    pub(super) fn handle(&mut self, client: u64, request: Request) -> Result<Option<Answer>, Error> {
        match request {
            Request::Status => Ok(Some(Answer::Status(Box::new(Status {
                record: self.record()?.clone(),
                running: self.init.is_some(),
                init_pid: self.init.as_ref().map(|init| init.pid()),
            })))),
            Request::Ps => Ok(Some(Answer::Processes(self.members()?))),
            Request::Stats => self.stats().map(|stats| Some(Answer::Stats(stats))),
            Request::Spawn(spawn) => self.spawn(client, spawn).map(|spawned| Some(Answer::Spawned(spawned))),
            Request::Wait { virtual_pid } => {
                self.init_pid()?;
                let init = InitClient::connect(&self.paths.init_socket(), &self.name)?;
                init.await_end(virtual_pid)?;
                self.waits.push((client, init));
                Ok(None)
            }
            Request::Kill { virtual_pid, signal } => self.kill(virtual_pid, signal).map(|()| Some(Answer::Done)),
            Request::Stop { timeout } => self.stop(client, timeout),
            Request::Checkpoint { image, leave_running, compress, tcp, key } => {
                self.checkpoint(client, image, leave_running, compress, tcp, key).map(|()| None)
            }
            Request::Restart { image, names, key, root } => self.restart(client, image, names, key, root).map(|()| None),
        }
    }

    fn record(&self) -> Result<&PodRecord, Error> {
        self.record.as_ref().ok_or_else(|| Error::Unknown(self.name.clone()))
    }

    fn init_pid(&self) -> Result<i32, Error> {
        self.init.as_ref().map(|init| init.pid()).ok_or_else(|| Error::NotRunning(self.name.clone()))
    }

    fn not_busy(&self) -> Result<(), Error> {
        if self.engine.is_some() || self.foreign_engine || self.stopping.is_some() {
            return Err(Error::Busy(self.name.clone()));
        }
        Ok(())
    }

    fn members(&self) -> Result<Vec<Member>, Error> {
        let Some(init) = &self.init else { return Ok(Vec::new()) };
        Ok(members::list(init.pid(), |pid| match &init.table {
            Some(table) => table.virtual_of(pid),
            None => members::innermost_pid(pid),
        }))
    }

    /// All that live, also those that have no virtual id yet.
    fn host_pids(&self) -> Vec<i32> {
        let all = self.init.as_ref().map(|init| members::descendants(init.pid())).unwrap_or_default();
        all.into_values().filter(|stat| stat.state != 'Z').map(|stat| stat.pid).collect()
    }

    fn stats(&self) -> Result<Stats, Error> {
        let record = self.record()?;
        let members = self.members()?;
        Ok(Stats {
            name: self.name.clone(),
            names: record.names,
            processes: members.len(),
            threads: members.iter().map(|m| m.threads).sum(),
            rss: members.iter().map(|m| m.rss).sum(),
            cpu_ms: members.iter().map(|m| m.cpu_ms).sum(),
            uptime: self.init.as_ref().map_or(0, |init| now().saturating_sub(init.record.started)),
            limits: self.init.as_ref().map_or_else(Vec::new, |init| record.walls.limits.describe(&init.record.limits)),
        })
    }

    fn spawn(&mut self, client: u64, spawn: Spawn) -> Result<Spawned, Error> {
        self.not_busy()?;
        let name = self.name.clone();
        let record = self.record()?.clone();
        let shown = spawn.argv.first().map(|p| String::from_utf8_lossy(&p.0).into_owned());
        let Some(shown) = shown.filter(|program| !program.is_empty()) else {
            return Err(Error::Refused("no program is given; say which one to start".into()));
        };
        let refuse = |reason: String| Error::Program { pod: name.clone(), program: shown.clone(), reason };
        let in_view = record.view.is_some();
        if let Some(mounted) = barrier::mounted(&Roots::of_caller(), &name).filter(|_| !in_view) {
            return Err(refuse(format!(
                "{} has been mounted after the pod was made, which has the host's tree; \"autopod rm {name}\" and make it anew, \
                 or unmount that",
                mounted.display()
            )));
        }
        let (user, ids) = match &spawn.user {
            Some(_) if in_view => (environment::owner(), None),
            Some(user) => environment::find_user(&name, &shown, user)?,
            None => (environment::owner(), None),
        };
        let mut env = environment::standard(&record, &user);
        if in_view {
            environment::leave_user_out(&mut env, &record);
        }
        env.extend(spawn.env.into_iter().map(|(key, value)| (key.0, value.0)));
        record.cpu.limit(&mut env);
        let here = processor::here().map_err(|e| refuse(format!("/proc/cpuinfo cannot be read ({e})")))?;
        let features = processor::found(here, &env);
        let mut warning = None;
        if record.names == Names::Shim {
            let path = env.get(b"PATH".as_slice()).map(|path| OsStr::from_bytes(path));
            let reason = program::unreachable_by_shim(OsStr::from_bytes(&spawn.argv[0].0), path, &spawn.cwd);
            match reason {
                Some(reason) if !spawn.allow_unshimmed && !record.allow_unshimmed => {
                    return Err(refuse(format!(
                        "{reason}; make the pod with --names kernel, or give --allow-unshimmed to run it with the \
                         host's names"
                    )));
                }
                other => warning = other.map(|reason| format!("{reason}; it sees the names of the host")),
            }
            let shim = environment::find_shim()
                .ok_or_else(|| refuse("libautopod_shim.so is not installed beside autopod; point AUTOPOD_SHIM to it".into()))?;
            if !environment::is_preloadable(&shim) {
                return Err(refuse(format!(
                    "the dynamic linker preloads no library with a blank or colon in its path, as {}; point AUTOPOD_SHIM to a copy, or \
                     use --names kernel",
                    shim.display()
                )));
            }
            environment::add_shim(&mut env, &record, &shim, &self.paths.table());
        } else if let Some(view) = &record.view {
            if view.shim().is_some() {
                let shim = Path::new(crate::view::enter::OURS).join("libautopod_shim.so");
                environment::add_shim(&mut env, &record, &shim, &self.paths.table());
            }
        } else if let Some(shim) =
            environment::find_shim().filter(|shim| environment::is_public(shim) && environment::is_preloadable(shim))
        {
            // it does nothing there, but an image of the pod can be restarted under the shim's names
            environment::add_shim(&mut env, &record, &shim, &self.paths.table());
        }
        let descriptors = match self.connections.get_mut(&client) {
            Some(connection) => std::mem::take(&mut connection.descriptors),
            None => Vec::new(),
        };
        if spawn.attached && descriptors.len() != 3 {
            return Err(refuse(format!("it should be attached to 3 descriptors, but {} came along", descriptors.len())));
        }
        self.ensure_init(record)?;
        self.remember_features(features)?;
        let request = init_protocol::Spawn {
            argv: spawn.argv.into_iter().map(|word| ByteBuf::from(word.0)).collect(),
            env: env.into_iter().map(|(key, value)| ByteBuf::from([&key[..], b"=", &value].concat())).collect(),
            cwd: spawn.cwd,
            umask: spawn.umask,
            user: ids,
            user_there: in_view.then(|| spawn.user.unwrap_or_else(|| nix::unistd::geteuid().to_string())),
            log: (!spawn.attached).then(|| match in_view {
                true => Path::new(crate::view::enter::OURS).join("log"),
                false => self.paths.log(),
            }),
            terminal: spawn.terminal && spawn.attached,
        };
        let stdio: Vec<_> = descriptors.iter().filter(|_| spawn.attached).map(|fd| fd.as_fd()).collect();
        let started = InitClient::connect(&self.paths.init_socket(), &name)?.spawn(request, &stdio)?;
        Ok(Spawned { virtual_pid: started.virtual_pid, host_pid: started.host_pid, warning })
    }

    /// What a program of the pod may have chosen its functions by.
    fn remember_features(&mut self, features: std::collections::BTreeSet<String>) -> Result<(), Error> {
        let Some(record) = self.record.as_mut().filter(|record| !features.is_subset(&record.features)) else { return Ok(()) };
        record.features.extend(features);
        registry::save(&self.paths, record)
    }

    /// A pod that is known and stopped starts anew with its next program.
    fn ensure_init(&mut self, mut record: PodRecord) -> Result<(), Error> {
        if self.init.is_some() {
            return Ok(());
        }
        let names = record.names.into();
        self.start_init(&mut record, names, ClockOffsets::default())?;
        record.checkpointed = None;
        record.features = processor::found_in(&record).unwrap_or_default();
        registry::save(&self.paths, &record)?;
        self.record = Some(record);
        Ok(())
    }

    fn kill(&mut self, virtual_pid: Option<i32>, signal: i32) -> Result<(), Error> {
        self.init_pid()?;
        if !(0..=64).contains(&signal) {
            return Err(Error::Refused(format!("there is no signal {signal}; `kill -l` lists those there are")));
        }
        let chosen: Vec<i32> = match virtual_pid {
            Some(pid) => self.members()?.iter().filter(|m| m.virtual_pid == pid).map(|m| m.host_pid).collect(),
            None => self.host_pids(),
        };
        match virtual_pid {
            Some(virtual_pid) if chosen.is_empty() => {
                return Err(Error::NoProcess { pod: self.name.clone(), virtual_pid });
            }
            None if chosen.is_empty() => return Err(Error::Empty(self.name.clone())),
            _ => {}
        }
        self.signal(&chosen, signal)?;
        // Those that were forked meanwhile are "all", too, where nothing can react to the signal.
        let deadline = Instant::now() + Duration::from_secs(2);
        while virtual_pid.is_none() && signal == libc::SIGKILL && Instant::now() < deadline {
            let left = self.host_pids();
            if left.is_empty() {
                break;
            }
            self.signal(&left, signal)?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn stop(&mut self, client: u64, timeout: f64) -> Result<Option<Answer>, Error> {
        self.not_busy()?;
        if self.init.is_none() {
            return Ok(Some(Answer::Done));
        }
        let pids = self.host_pids();
        self.signal(&pids, SIGTERM as i32)?;
        // A stopped process would not get to it.
        self.signal(&pids, SIGCONT as i32)?;
        let timeout = Duration::try_from_secs_f64(timeout).unwrap_or_default().min(Duration::from_secs(86_400));
        self.stopping = Some(Stopping { client, deadline: Instant::now() + timeout });
        Ok(None)
    }

    fn checkpoint(
        &mut self,
        client: u64,
        image: PathBuf,
        leave_running: bool,
        compress: Compression,
        tcp: Tcp,
        key: Option<PathBuf>,
    ) -> Result<(), Error> {
        self.not_busy()?;
        let record = self.record()?.clone();
        let init_pid = self.init_pid()?;
        if self.members()?.is_empty() {
            return Err(Error::Empty(self.name.clone()));
        }
        absolute(&image)?;
        let changes = match record.view.as_ref().is_some_and(|view| view.cow) {
            true => Some(Changes { upper: Kept::at(&self.paths.view()).upper(), stamp: new_stamp()? }),
            false => None,
        };
        let request = CheckpointRequest {
            record,
            changes,
            runtime_dir: self.paths.runtime.clone(),
            init_pid,
            image: image.clone(),
            leave_running,
            compress,
            tcp,
            key,
        };
        let task = Task::Checkpoint { image, leave_running };
        let engine = EngineRun::start("checkpoint", &request, task, client);
        self.engine = Some(engine.map_err(|e| Error::Refused(format!("cannot start an engine: {e}")))?);
        Ok(())
    }

    fn restart(
        &mut self,
        client: u64,
        image: PathBuf,
        names: NamesChoice,
        key: Option<PathBuf>,
        root: Option<PathBuf>,
    ) -> Result<(), Error> {
        self.not_busy()?;
        if self.init.is_some() {
            if !self.members()?.is_empty() {
                return Err(Error::Running(self.name.clone()));
            }
            // Nothing runs in it: its namespaces give way to those of the image.
            self.destroy_init();
        }
        absolute(&image)?;
        let section = engine_run::read_section(&SectionRequest { image: image.clone(), key: key.clone() })?;
        let clocks = section.offsets_now();
        let mut record = PodRecord { name: self.name.clone(), checkpointed: None, ..section.record };
        record.uid = nix::unistd::geteuid().as_raw();
        record.gid = nix::unistd::getegid().as_raw();
        let choice = match (names, record.names) {
            (NamesChoice::Auto, Names::Shim) => NamesChoice::Shim,
            (choice, _) => choice,
        };
        match (&mut record.view, root) {
            (Some(view), Some(root)) => view.root = root,
            (None, Some(_)) => {
                return Err(Error::Refused(format!("pod \"{}\" has the host's tree; leave --root out", self.name)));
            }
            _ => {}
        }
        let marker = self.paths.restarting();
        std::fs::write(&marker, []).map_err(|e| Error::file("write", &marker, e))?;
        let changed = self.change_tree(&record, &image, key.as_ref());
        let started = changed.and_then(|()| self.start_init(&mut record, choice, clocks).map(|_| ())).and_then(|()| {
            crate::stage::load(&self.paths.runtime);
            crate::stage::reached("init started");
            let request = RestartRequest {
                names: record.names,
                record,
                runtime_dir: self.paths.runtime.clone(),
                init_pid: self.init_pid()?,
                init_socket: self.paths.init_socket(),
                clocks,
                image,
                key,
            };
            let engine = EngineRun::start("restart", &request, Task::Restart, client);
            self.engine = Some(engine.map_err(|e| Error::Refused(format!("cannot start an engine: {e}")))?);
            Ok(())
        });
        if started.is_err() {
            self.destroy_init();
        }
        started
    }

    /// Puts the changes to the tree that the image has in the place of those that are there. Undone when the restart is given up.
    fn change_tree(&self, record: &PodRecord, image: &Path, key: Option<&PathBuf>) -> Result<(), Error> {
        if record.view.as_ref().is_none_or(|view| !view.cow) {
            return Ok(());
        }
        let request = ChangesRequest {
            name: self.name.clone(),
            runtime_dir: self.paths.runtime.clone(),
            image: image.to_owned(),
            key: key.cloned(),
        };
        let Some(stamp) = engine_run::make_changes(&request)? else { return Ok(()) };
        let left_at = self.record.as_ref().and_then(|known| known.checkpointed.as_ref());
        let spent = left_at.is_some_and(|left_at| left_at.changes.as_ref() == Some(&stamp));
        let kept = Kept::at(&self.paths.view());
        kept.switch(spent).map_err(|e| Error::file("put the changes to the tree into", &self.paths.view(), e))?;
        crate::stage::load(&self.paths.runtime);
        crate::stage::reached("tree changed");
        Ok(())
    }
}

/// A word that no other checkpoint has.
fn new_stamp() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::Refused(format!("cannot get random numbers: {e}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn absolute(image: &std::path::Path) -> Result<(), Error> {
    if image.is_absolute() {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "\"{}\" is not an absolute path, and the supervisor does not know your working directory",
        image.display()
    )))
}
