//! One run of one program.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::case::{Case, Mode, Names, User};
use super::occupy::Occupants;
use super::program::Program;
use crate::command::{Identity, Place, processes_of};

/// What all runs share.
#[derive(Debug)]
pub struct Campaign {
    /// Copies of the binaries, readable by everybody.
    pub binaries: PathBuf,
    /// The directory of all runs.
    pub runs: PathBuf,
    pub unprivileged: Identity,
    pub own: Identity,
    pub keep: bool,
    /// More options of `autopod add`.
    pub pod: Vec<String>,
}

const COMMAND: Duration = Duration::from_secs(60);
const READY: Duration = Duration::from_secs(30);
const RESULT: Duration = Duration::from_secs(45);

impl Campaign {
    /// Runs one case to its verdict; whatever happens, nothing of it stays.
    pub fn run(&self, number: usize, program: &Program, case: Case) -> Result<()> {
        let identity = if case.user == User::Root { self.own } else { self.unprivileged };
        let directory = self.runs.join(format!("r{number}"));
        let run = Run::new(self, directory, identity, program, case)?;
        let mut outcome = run.go();
        let left = run.clean();
        if outcome.is_ok() && !left.is_empty() && case.mode != Mode::Native {
            outcome = Err(anyhow::anyhow!("left behind after rm: {}", left.join(", ")));
        }
        if !(self.keep && outcome.is_err()) {
            std::fs::remove_dir_all(&run.directory).ok();
        }
        outcome
    }
}

struct Run<'a> {
    campaign: &'a Campaign,
    program: &'a Program,
    case: Case,
    place: Place,
    directory: PathBuf,
    work: PathBuf,
    autopod: PathBuf,
    binary: PathBuf,
}

impl<'a> Run<'a> {
    fn new(campaign: &'a Campaign, directory: PathBuf, identity: Identity, program: &'a Program, case: Case) -> Result<Self> {
        let work = directory.join("w");
        for path in [&directory, &work] {
            std::fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
            open_to_all(path)?;
        }
        if identity != campaign.own {
            std::os::unix::fs::chown(&directory, Some(identity.uid), Some(identity.gid))?;
            std::os::unix::fs::chown(&work, Some(identity.uid), Some(identity.gid))?;
        }
        let home = directory.join("h").to_string_lossy().into_owned();
        let place = Place { identity, directory: directory.clone(), environment: vec![("AUTOPOD_HOME".into(), home)] };
        let autopod = campaign.binaries.join("autopod");
        let binary = campaign.binaries.join(&program.name);
        Ok(Self { campaign, program, case, place, directory, work, autopod, binary })
    }

    fn go(&self) -> Result<()> {
        if self.case.mode == Mode::Native {
            self.start_natively()?;
        } else {
            let profile = self.program.profile.as_deref().unwrap_or("default");
            let names = self.case.names.to_string();
            let more: Vec<&str> = self.campaign.pod.iter().map(String::as_str).collect();
            self.autopod(&[&["add", "p", "--names", &names, "--profile", profile], &more[..]].concat())?;
            let (binary, work) = (self.binary.to_string_lossy(), self.work.to_string_lossy());
            self.autopod(&["addproc", "p", "--", &binary, self.how(), &work])?;
        }
        let ready = self.wait_ready()?;
        let refused = self.program.expect.is_some();
        match self.case.mode {
            Mode::Native | Mode::Pod => {}
            _ if refused => self.must_be_refused()?,
            Mode::Resume => drop(self.autopod(&["checkpoint", "p", "-o", &self.image(0), "--leave-running"])?),
            Mode::Restart => self.round(0, self.case.names, false)?,
            Mode::Occupied => self.round(0, self.case.names, true)?,
            Mode::Rounds => (0..3).try_for_each(|n| self.round(n, self.case.names, n == 1))?,
            Mode::Crossed => self.round(0, self.case.names.other(), false)?,
            Mode::Foreign => (0..2).try_for_each(|n| self.round(n, self.case.names, false))?,
        }
        self.signal_go(&ready)?;
        self.wait_result()
    }

    fn how(&self) -> &'static str {
        if self.program.foreground { "--foreground" } else { "--daemon" }
    }

    fn image(&self, round: usize) -> String {
        self.directory.join(format!("i{round}")).to_string_lossy().into_owned()
    }

    fn autopod(&self, arguments: &[&str]) -> Result<String> {
        self.place.succeed(&self.autopod, arguments, COMMAND)
    }

    fn start_natively(&self) -> Result<()> {
        let mut command = self.place.command(&self.binary);
        command.arg(self.how()).arg(&self.work).stdout(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.binary.display()))?;
        if !self.program.foreground {
            child.wait()?;
        } else {
            std::thread::spawn(move || child.wait());
        }
        Ok(())
    }

    /// Waits until the program has set its state up.
    fn wait_ready(&self) -> Result<String> {
        let end = Instant::now() + READY;
        while Instant::now() < end {
            if let Some(result) = self.result() {
                bail!("ended before it was ready: {result}");
            }
            if let Ok(pid) = std::fs::read_to_string(self.work.join("ready")) {
                // Some programs block in the state under test right after they have said that they are ready.
                std::thread::sleep(Duration::from_millis(60));
                return Ok(pid.trim().to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("not ready after {} s: {}", READY.as_secs(), self.situation())
    }

    /// One checkpoint, nothing left of the program, one restart.
    fn round(&self, number: usize, names: Names, occupy: bool) -> Result<()> {
        let image = self.image(number);
        let ids: Vec<u32> = self.own_processes().iter().flat_map(|p| p.tasks.clone()).collect();
        self.autopod(&["checkpoint", "p", "-o", &image])?;
        let left = self.own_processes();
        if !left.is_empty() {
            bail!("still there after the checkpoint: {}", left.into_iter().map(|p| p.line).collect::<Vec<_>>().join(", "));
        }
        let _occupants = if occupy { Occupants::take(&ids)? } else { Occupants::default() };
        if self.case.mode == Mode::Foreign {
            std::fs::write(self.directory.join("h/run/p/foreign-vdso"), "")?;
        }
        self.autopod(&["restart", "p", "-i", &image, "--names", &names.to_string()])?;
        Ok(())
    }

    /// The processes of the program itself, not the pod's own.
    fn own_processes(&self) -> Vec<crate::command::Seen> {
        let program = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.binary);
        processes_of(&self.work).into_iter().filter(|p| program(p.pid)).collect()
    }

    fn must_be_refused(&self) -> Result<()> {
        let word = self.program.expect.as_deref().unwrap_or_default();
        let image = self.image(0);
        let done = self.place.run(&self.autopod, &["checkpoint", "p", "-o", &image], COMMAND)?;
        if done.status.success() {
            bail!("the checkpoint was not refused (it should name \"{word}\")");
        }
        if !done.stderr.contains(word) {
            bail!("the refusal does not name \"{word}\": {}", done.stderr.trim());
        }
        if Path::new(&image).exists() {
            bail!("a refused checkpoint left an image");
        }
        Ok(())
    }

    fn signal_go(&self, ready: &str) -> Result<()> {
        if !self.program.go_by_term {
            std::fs::write(self.work.join("go"), "")?;
        } else if self.case.mode == Mode::Native {
            self.place.succeed(Path::new("/bin/kill"), &["-TERM", ready], COMMAND)?;
        } else {
            self.autopod(&["kill", "p", ready, "-s", "TERM"])?;
        }
        Ok(())
    }

    fn result(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.work.join("result")).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    }

    fn wait_result(&self) -> Result<()> {
        let end = Instant::now() + RESULT;
        let mut next_look = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            match self.result() {
                Some(result) if result == "PASS" => return Ok(()),
                Some(result) => bail!("{result}"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            if Instant::now() > next_look {
                next_look = Instant::now() + Duration::from_secs(1);
                if self.own_processes().is_empty() && self.result().is_none() {
                    bail!("the program is gone and left no result; {}", self.situation());
                }
            }
        }
        bail!("no result {} s after go: {}", RESULT.as_secs(), self.situation())
    }

    fn situation(&self) -> String {
        let mut lines: Vec<String> = processes_of(&self.directory).into_iter().map(|p| p.line).collect();
        if let Ok(log) = std::fs::read_to_string(self.work.join("log")) {
            lines.extend(log.lines().rev().take(2).map(|line| format!("log: {line}")));
        }
        if lines.is_empty() { "no process of it is left".into() } else { lines.join("; ") }
    }

    /// Ends everything of this run; tells what `rm -f` had left.
    fn clean(&self) -> Vec<String> {
        if self.case.mode != Mode::Native {
            // A pod that could not be made cannot be removed either: the verdict has said so.
            let _ = self.place.run(&self.autopod, &["rm", "p", "-f"], COMMAND);
        } else {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut left = processes_of(&self.directory);
        for _ in 0..40 {
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
            left = processes_of(&self.directory);
        }
        for process in &left {
            let _ =
                std::process::Command::new("/bin/kill").args(["-KILL", &process.pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.campaign;
        left.into_iter().map(|p| p.line).collect()
    }
}

fn open_to_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(())
}
