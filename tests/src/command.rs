//! Running commands with a time limit, as root or as the unprivileged test user, and looking at what they leave behind.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A user to run commands as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
}

/// The name of the account the unprivileged half of the tests runs under.
pub const TEST_USER: &str = "autopod-test";

impl Identity {
    /// Ourselves.
    pub fn own() -> Result<Self> {
        Ok(Self { uid: id(&["-u"])?, gid: id(&["-g"])? })
    }

    /// The unprivileged test user, made when missing; without privilege, ourselves.
    pub fn unprivileged() -> Result<Self> {
        let own = Self::own()?;
        if own.uid != 0 {
            return Ok(own);
        }
        if id(&["-u", TEST_USER]).is_err() {
            let made =
                Command::new("useradd").args(["--system", "--no-create-home", "--shell", "/bin/sh", TEST_USER]).status()?;
            if !made.success() && id(&["-u", TEST_USER]).is_err() {
                bail!("cannot make the user {TEST_USER}; make it by hand (useradd {TEST_USER})");
            }
        }
        Ok(Self { uid: id(&["-u", TEST_USER])?, gid: id(&["-g", TEST_USER])? })
    }

    #[must_use]
    pub fn is_root(self) -> bool {
        self.uid == 0
    }
}

fn id(arguments: &[&str]) -> Result<u32> {
    let output = Command::new("id").args(arguments).output().context("cannot run id")?;
    String::from_utf8_lossy(&output.stdout).trim().parse().with_context(|| format!("id {arguments:?} gave no number"))
}

/// Copies a program that is executed soon. By another process: what this one has open to be written to, each child of another test has open, too, until
/// it executes something, and the kernel executes nothing that somebody writes to (ETXTBSY).
pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").args([from, to]).output().context("cannot run cp")?;
    if !done.status.success() {
        bail!("cannot copy {}: {}", from.display(), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Where commands run: user, environment, a directory for what they print.
#[derive(Debug, Clone)]
pub struct Place {
    pub identity: Identity,
    pub directory: PathBuf,
    pub environment: Vec<(String, String)>,
}

impl Place {
    /// A command under this user with a small environment of its own.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.directory);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.current_dir("/").stdin(Stdio::null());
        if Identity::own().is_ok_and(|own| own != self.identity) {
            command.gid(self.identity.gid).uid(self.identity.uid);
        }
        command
    }

    /// Runs a command to its end. Its output goes through files: what it leaves running may hold them as long as it likes.
    pub fn run(&self, program: &Path, arguments: &[&str], limit: Duration) -> Result<Done> {
        let shown = format!("{} {}", program.file_name().unwrap_or_default().to_string_lossy(), arguments.join(" "));
        let [out, err] = ["out", "err"].map(|kind| self.directory.join(format!("command.{kind}")));
        let mut command = self.command(program);
        command.args(arguments).stdout(File::create(&out)?).stderr(File::create(&err)?);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > end {
                let state = describe(child.id());
                child.kill()?;
                child.wait()?;
                bail!("`{shown}` did not end in {} s ({state}): {}", limit.as_secs(), lossy(&err));
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        Ok(Done { status, stdout: lossy(&out), stderr: lossy(&err) })
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, program: &Path, arguments: &[&str], limit: Duration) -> Result<String> {
        let done = self.run(program, arguments, limit)?;
        if !done.status.success() {
            let said = done.stderr.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" | ");
            bail!("`{}` failed ({}): {said}", arguments.first().copied().unwrap_or_default(), done.status);
        }
        Ok(done.stdout)
    }
}

fn lossy(path: &Path) -> String {
    std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

/// A process of this host, as far as we want to know.
#[derive(Debug, Clone)]
pub struct Seen {
    pub pid: u32,
    pub tasks: Vec<u32>,
    pub line: String,
}

/// The processes that belong to a run: its directory is in their arguments, environment or working directory.
#[must_use]
pub fn processes_of(directory: &Path) -> Vec<Seen> {
    let key = directory.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if pid == std::process::id() {
            continue;
        }
        let path = entry.path();
        let within = |text: &str| {
            text.match_indices(&key).any(|(at, _)| !text[at + key.len()..].starts_with(|c: char| c.is_ascii_digit()))
        };
        let arguments = lossy(&path.join("cmdline"));
        // Kernel threads have neither arguments nor an environment.
        if arguments.is_empty() {
            continue;
        }
        let ours = within(&arguments)
            || within(&lossy(&path.join("environ")))
            || std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| within(&cwd.to_string_lossy()));
        if !ours {
            continue;
        }
        let tasks = std::fs::read_dir(path.join("task")).into_iter().flatten().flatten();
        let tasks = tasks.filter_map(|t| t.file_name().to_string_lossy().parse().ok()).collect();
        found.push(Seen { pid, tasks, line: describe(pid) });
    }
    found
}

/// One line about a process: id, name, state, what it does.
#[must_use]
pub fn describe(pid: u32) -> String {
    let path = PathBuf::from(format!("/proc/{pid}"));
    let status = lossy(&path.join("status"));
    let field = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or("?").trim().to_owned();
    let state = field("State:");
    let syscall = lossy(&path.join("syscall"));
    let number = syscall.split_whitespace().next().unwrap_or("?");
    let tracer = field("TracerPid:");
    let traced = if tracer == "0" { String::new() } else { format!(" traced by {tracer}") };
    format!("{pid} {} {} in {number}{traced}", field("Name:"), state.chars().next().unwrap_or('?'))
}
