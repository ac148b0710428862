//! An engine process as its supervisor sees it, and the engine's own side of the protocol of [`super::engine`].
use super::Error;
use super::engine::{ChangesRequest, CheckpointRequest, Line, PodSection, Progress, RestartRequest, SectionRequest};
use super::init_client::InitClient;
use super::outside::Outside;
use super::paths::Paths;
use super::record::{Checkpointed, now};
use crate::resource::{Nascent, tree};
use crate::view::kept::Kept;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};

/// What an engine was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// To make this image.
    Checkpoint { image: PathBuf, leave_running: bool },
    /// To restart the pod.
    Restart,
}

/// A running engine.
#[derive(Debug)]
pub(super) struct EngineRun {
    /// What it does.
    pub(super) task: Task,
    /// The connection that asked for it.
    pub(super) client: u64,
    pid: i32,
    output: ChildStdout,
    buffer: Vec<u8>,
    /// Its last word.
    pub(super) outcome: Option<Line>,
}

fn start(verb: &str, request: &impl Serialize) -> std::io::Result<(i32, ChildStdout)> {
    let text = serde_json::to_vec(request)?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("autopod")
        .args(["engine", verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // A request is smaller than a pipe, or the engine reads on: it reads to the end before anything else.
    child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?.write_all(&text)?;
    // It is reaped with all other children.
    let output = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    Ok((child.id() as i32, output))
}

impl EngineRun {
    /// Starts an engine.
    pub(super) fn start(verb: &str, request: &impl Serialize, task: Task, client: u64) -> std::io::Result<Self> {
        let (pid, output) = start(verb, request)?;
        Ok(Self { task, client, pid, output, buffer: Vec::new(), outcome: None })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Reads what the engine has written; `None` once it has closed its output.
    pub(super) fn read(&mut self) -> Option<Vec<Line>> {
        let mut chunk = vec![0; 64 * 1024];
        let len = self.output.read(&mut chunk).unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..len]);
        let mut lines = Vec::new();
        while let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Line::Progress(progress)) => lines.push(Line::Progress(progress)),
                Ok(other) => self.outcome = Some(other),
                Err(e) => tracing::warn!("the engine wrote a line that is none: {e}"),
            }
        }
        (len > 0).then_some(lines)
    }
}

impl AsFd for EngineRun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

/// Starts an engine and waits for it.
fn last_word(verb: &str, request: &impl Serialize) -> Result<Option<Line>, Error> {
    let failed = |e: std::io::Error| Error::Refused(format!("cannot start an engine: {e}"));
    let mut last = None;
    for line in BufReader::new(start(verb, request).map_err(failed)?.1).lines() {
        last = serde_json::from_str(&line.map_err(failed)?).ok();
    }
    Ok(last)
}

/// Has an engine read an image's pod section, and waits for it: in a process of its own, since what an image holds is
/// large, and a supervisor lives long.
pub(super) fn read_section(request: &SectionRequest) -> Result<PodSection, Error> {
    match last_word("section", request)? {
        Some(Line::Section(section)) => Ok(*section),
        Some(Line::Failed(reason)) => Err(Error::Refused(reason)),
        _ => Err(Error::Refused(format!("the engine died while reading {}", request.image.display()))),
    }
}

/// Has an engine make the changes to the pod's tree that an image has, beside those that are there, and waits for it. Gives their stamp; nothing
/// where the image has none.
pub(super) fn make_changes(request: &ChangesRequest) -> Result<Option<String>, Error> {
    match last_word("changes", request)? {
        Some(Line::Changes(stamp)) => Ok(stamp),
        Some(Line::Failed(reason)) => Err(Error::Refused(reason)),
        _ => Err(Error::Refused(format!("the engine died while it made the changes to the tree of pod \"{}\"", request.name))),
    }
}

/// Whether an engine works on this pod.
pub(super) fn is_locked(paths: &Paths) -> bool {
    let Ok(file) = File::open(paths.engine_lock()) else { return false };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

fn lock(paths: &Paths) -> Result<Flock<File>, Error> {
    let path = paths.engine_lock();
    let file = File::create(&path).map_err(|e| Error::file("open", &path, e))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| Error::file("lock", &path, e))
}

fn on_progress(progress: Progress) {
    crate::stage::reached(&progress.stage);
    say(&Line::Progress(progress));
}

fn say(line: &Line) {
    // The supervisor may have been killed; the operation is completed all the same.
    let mut out = std::io::stdout().lock();
    let _ = serde_json::to_writer(&mut out, line).map_err(std::io::Error::from).and_then(|()| out.write_all(b"\n"));
    let _ = out.flush();
}

/// The engine's side: `autopod engine VERB`. What has to happen after an operation happens here, and not in the
/// supervisor, which may be killed meanwhile.
pub fn run(verb: &str) -> Result<(), Error> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map_err(|e| Error::Refused(format!("cannot read the request: {e}")))?;
    let malformed = |e: serde_json::Error| Error::Refused(format!("the request is malformed: {e}"));
    // a write beyond the limit of file sizes then fails with EFBIG; by default it kills (setrlimit(2))
    let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::default());
    let outcome = match verb {
        "section" => {
            let request: SectionRequest = serde_json::from_slice(&text).map_err(malformed)?;
            match crate::restart::pod_section(&request) {
                Ok(section) => Line::Section(Box::new(section)),
                Err(e) => Line::Failed(e.to_string()),
            }
        }
        "changes" => changes(&serde_json::from_slice(&text).map_err(malformed)?),
        "checkpoint" => checkpoint(&serde_json::from_slice(&text).map_err(malformed)?),
        _ => restart(&serde_json::from_slice(&text).map_err(malformed)?),
    };
    say(&outcome);
    Ok(())
}

fn changes(request: &ChangesRequest) -> Line {
    crate::stage::load(&request.runtime_dir);
    let paths = paths_of(&request.name);
    let work = || -> Result<Option<String>, Error> {
        // whoever comes after a supervisor that was killed waits until we are out of the way
        let _lock = lock(&paths)?;
        crate::restart::changes(request, &Kept::at(&paths.view())).map_err(|e| Error::Refused(e.to_string()))
    };
    work().map_or_else(|e| Line::Failed(e.to_string()), Line::Changes)
}

fn checkpoint(request: &CheckpointRequest) -> Line {
    crate::stage::load(&request.runtime_dir);
    crate::stage::reached("begun");
    let work = || -> Result<Line, Error> {
        let paths = paths_of(&request.record.name);
        let _lock = lock(&paths)?;
        // Before the engine joins the pod's namespaces, from where paths may lead elsewhere.
        let init = InitClient::connect(&paths.init_socket(), &request.record.name)?;
        let mut record = request.record.clone();
        record.checkpointed = Some(Checkpointed {
            image: request.image.clone(),
            at: now(),
            changes: request.changes.as_ref().map(|changes| changes.stamp.clone()),
        });
        let outside = Outside::hold(&paths, &record, Some(&request.image))?;
        let end_pod = || {
            outside.save()?;
            crate::stage::reached("saved");
            // from here on it is init's
            init.begin_shut_down()
        };
        match crate::checkpoint::run(request, &mut on_progress, &|target, file| outside.publish(target, file), end_pod) {
            Ok(report) => {
                if !request.leave_running {
                    init.await_shut_down()?;
                }
                Ok(Line::Done(report))
            }
            Err(e) => Ok(Line::Failed(e.to_string())),
        }
    };
    work().unwrap_or_else(|e| Line::Failed(e.to_string()))
}

fn restart(request: &RestartRequest) -> Line {
    crate::stage::load(&request.runtime_dir);
    let paths = paths_of(&request.record.name);
    let work = |init: &InitClient| -> Result<Line, Error> {
        crate::stage::reached("begun");
        let _lock = lock(&paths)?;
        let outside = Outside::hold(&paths, &request.record, None)?;
        let conclude = |cx: &mut Nascent| {
            crate::stage::reached("restored");
            outside.save()?;
            crate::stage::reached("recorded");
            // without it the pod is a running one for supervisors, and for init when it is told: should we die before, init ends all
            tree::keep(cx).map_err(|e| Error::Refused(e.to_string()))?;
            outside.establish()?;
            init.establish()?;
            crate::stage::reached("established");
            Ok(())
        };
        match crate::restart::run(request, &mut on_progress, conclude) {
            Ok(report) => {
                crate::stage::reached("released");
                Ok(Line::Done(report))
            }
            Err(e) => {
                let _ = init.shut_down();
                Ok(Line::Failed(e.to_string()))
            }
        }
    };
    InitClient::connect(&request.init_socket, &request.record.name)
        .and_then(|init| work(&init).inspect_err(|_| drop(init.shut_down())))
        .unwrap_or_else(|e| Line::Failed(e.to_string()))
}

/// Drops what a completed restart has no need of any more. Gives the directory with changes that are not in the image.
pub(super) fn conclude_changes(paths: &Paths) -> Option<PathBuf> {
    Kept::at(&paths.view()).conclude().unwrap_or_else(|e| {
        tracing::error!("what was changed in the tree before the restart cannot be tidied up: {e}");
        None
    })
}

fn paths_of(pod: &str) -> Paths {
    super::paths::Roots::of_caller().pod(pod)
}
