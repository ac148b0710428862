//! The CLI's side of the control socket, and of starting supervisors.
use super::begin::{Begin, Begun, take_lock};
use super::control::{Answer, Request};
use super::engine::Progress;
use super::paths::Roots;
use super::record::{Names, NamesChoice, PodRecord};
use super::{Error, registry, socket};
use crate::sys::passing;
use nix::sys::socket::SockType;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whether a supervisor needs this variable of its caller. It takes no others: what it has can be read in init's
/// /proc/1/environ inside the pod.
fn is_kept(variable: &OsStr) -> bool {
    let Some(name) = variable.to_str() else { return false };
    let ours = name.starts_with("AUTOPOD_") && !["AUTOPOD_POD", "AUTOPOD_TABLE"].contains(&name);
    ours || name.starts_with("XDG_") || ["HOME", "PATH", "RUST_LOG", "RUST_BACKTRACE"].contains(&name)
}

/// How long a supervisor may take to come up or to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a pod's supervisor.
#[derive(Debug)]
pub struct Client {
    pod: String,
    roots: Roots,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the supervisor of a known pod; starts one if there is none, which adopts the pod if it runs.
    pub fn open(roots: &Roots, pod: &str) -> Result<Self, Error> {
        registry::get(roots, pod)?;
        Self::open_unknown(roots, pod)
    }

    /// As [`Self::open`], for a pod that need not be known: for a restart.
    pub fn open_unknown(roots: &Roots, pod: &str) -> Result<Self, Error> {
        super::record::check_name(pod)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::connect(roots, pod) {
                Ok(client) => return Ok(client),
                Err(e) if Instant::now() > deadline => {
                    return Err(failure(roots, pod, format!("does not answer ({e})")));
                }
                // One that just ends holds the lock for a moment.
                Err(_) => match start_supervisor(roots, pod, &Begin::Open)? {
                    Begun::Failed(reason) => return Err(Error::Refused(reason)),
                    Begun::Taken => std::thread::sleep(Duration::from_millis(20)),
                    Begun::Serving { .. } => {}
                },
            }
        }
    }

    fn connect(roots: &Roots, pod: &str) -> std::io::Result<Self> {
        let stream = UnixStream::from(socket::connect_to(&roots.pod(pod).control_socket(), SockType::Stream)?);
        let mut client = Self { pod: pod.to_owned(), roots: roots.clone(), reader: BufReader::new(stream) };
        // One that is about to end takes no connection any more, but the kernel does for it.
        client.send(&Request::Status, &[])?;
        client.receive()?;
        Ok(client)
    }

    fn send(&mut self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let stream = self.reader.get_mut();
        let sent = passing::send(stream.as_fd(), &line, descriptors, None)?;
        let mut rest = &line[sent..];
        while !rest.is_empty() {
            let sent = passing::send(stream.as_fd(), rest, &[], None)?;
            rest = &rest[sent..];
        }
        Ok(())
    }

    fn receive(&mut self) -> std::io::Result<Answer> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Asks, and returns the answer; the supervisor's refusal is an error.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Error> {
        self.ask_with(request, &[], &mut |_| {})
    }

    /// Sends a request whose answer is fetched later, with [`Self::answer`].
    pub fn post(&mut self, request: &Request) -> Result<(), Error> {
        let sent = self.send(request, &[]);
        sent.map_err(|e| failure(&self.roots, &self.pod, format!("does not listen ({e})")))
    }

    /// The next answer to a request that was posted; blocks.
    pub fn answer(&mut self) -> Result<Answer, Error> {
        self.receive().map_err(|e| failure(&self.roots, &self.pod, format!("went away ({e})")))
    }

    /// As [`Self::ask`], passing descriptors and hearing of progress.
    pub fn ask_with(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Answer, Error> {
        let gone = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "ended before it answered".to_owned(),
            _ => format!("does not answer ({e})"),
        };
        let sent = self.send(request, descriptors);
        sent.map_err(|e| failure(&self.roots, &self.pod, gone(e)))?;
        loop {
            match self.receive().map_err(|e| failure(&self.roots, &self.pod, gone(e)))? {
                Answer::Progress(step) => progress(step),
                Answer::Error(reason) => return Err(Error::Refused(reason)),
                answer => return Ok(answer),
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.get_ref().as_fd()
    }
}

fn failure(roots: &Roots, pod: &str, reason: String) -> Error {
    Error::Supervisor { pod: pod.to_owned(), reason, log: roots.pod(pod).supervisor_log() }
}

/// Makes a pod, and tells who realizes its names and, if that is the shim by necessity, why.
pub fn create(roots: &Roots, record: PodRecord, choice: NamesChoice) -> Result<(Names, Option<String>), Error> {
    super::record::check_name(&record.name)?;
    super::record::check_hostname(&record.hostname)?;
    let pod = record.name.clone();
    if registry::find(roots, &pod)?.is_some() {
        return Err(Error::Exists(pod));
    }
    let begin = Begin::Create { record: Box::new(record), choice };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match start_supervisor(roots, &pod, &begin)? {
            Begun::Serving { names, note } => return Ok((names.unwrap_or(Names::Shim), note)),
            Begun::Failed(reason) => return Err(Error::Refused(reason)),
            Begun::Taken if registry::find(roots, &pod)?.is_some() => return Err(Error::Exists(pod)),
            Begun::Taken if Instant::now() > deadline => {
                return Err(failure(roots, &pod, "of an earlier pod of this name does not end".into()));
            }
            Begun::Taken => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Removes a pod; one that runs only with `force`.
pub fn remove(roots: &Roots, pod: &str, force: bool) -> Result<(), Error> {
    let paths = roots.pod(pod);
    match registry::get(roots, pod) {
        Err(Error::Damaged { .. }) if force => {}
        other => drop(other?),
    }
    let running = registry::running_init(&paths, pod)?;
    if running.is_some() {
        let mut client = Client::open_unknown(roots, pod)?;
        let busy = match client.ask(&Request::Ps) {
            Ok(Answer::Processes(members)) => !members.is_empty(),
            _ => true,
        };
        if busy && !force {
            return Err(Error::Running(pod.to_owned()));
        }
        client.ask(&Request::Stop { timeout: 0.0 })?;
    }
    paths.make()?;
    let deadline = Instant::now() + PATIENCE;
    // Whoever holds it could still write into the directories.
    let _lock = loop {
        match take_lock(&paths)? {
            Some(lock) => break lock,
            None if Instant::now() > deadline => {
                return Err(failure(roots, pod, "does not end; try again".into()));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    registry::remove(&paths)
}

fn start_supervisor(roots: &Roots, pod: &str, begin: &Begin) -> Result<Begun, Error> {
    roots.make()?;
    let paths = roots.pod(pod);
    paths.make()?;
    let log = paths.supervisor_log();
    let log_file =
        OpenOptions::new().append(true).create(true).mode(0o600).open(&log).map_err(|e| Error::file("open", &log, e))?;
    let run = || -> std::io::Result<Begun> {
        let mut command = Command::new("/proc/self/exe");
        // This may be autopod-run, which tells by this name that it is not to be itself.
        command.arg0("autopod").args(["supervise", pod]).env_clear();
        command.envs(std::env::vars_os().filter(|(name, _)| is_kept(name)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file.try_clone()?);
        let mut child = command.spawn()?;
        let text = serde_json::to_vec(begin)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(&text)?;
        }
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        child.wait()?;
        Ok(serde_json::from_str(&line)?)
    };
    let begun = run().map_err(|e| failure(roots, pod, format!("could not be started ({e})")))?;
    if matches!((begin, &begun), (Begin::Create { .. }, Begun::Failed(_))) && !paths.record().exists() {
        // Nothing of a pod that was not made stays behind.
        let _ = registry::remove(&paths);
    }
    Ok(begun)
}
