//! SIGKILL of engine, supervisor and command at every stage of a checkpoint and of a restart. A checkpoint that was killed leaves
//! the programs as they were and no file; a restart that was killed leaves no process, and its image restarts.
//! Engines of debug builds stop themselves where the file `stop-at` in the pod's runtime directory says.
//! Build the binaries first (`cargo build --workspace`).

use anyhow::{Context, Result, bail, ensure};
use autopod_tests::command::processes_of;
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Before the image has its name.
const EARLY: [&str; 7] =
    ["begun", "stopping", "reading processes", "reading shared objects", "reading files", "reading memory", "writing"];
/// The image is complete, and the pod not asked to end.
const COMPLETE: [&str; 2] = ["ending the pod", "saved"];
const ENDED: &str = "asked to end";
const RESTART: [&str; 6] = ["begun", "building processes", "opening files", "restoring state", "restored", "recorded"];
/// Nothing is left to do but to let the processes go.
const RESTARTED: [&str; 2] = ["established", "released"];

/// Several processes and threads that check themselves and count on in a file each.
const PROGRAM: &str = r#"
import hashlib, os, select, sys, threading, time
directory = sys.argv[1]
def beat(name, n):
    with open(f'{directory}/{name}.new', 'w') as f: f.write(f'{os.getpid()} {n}')
    os.rename(f'{directory}/{name}.new', f'{directory}/{name}')
def check(ok, what):
    if not ok:
        open(f'{directory}/broken', 'a').write(f'{os.getpid()}: {what}\n')
        os._exit(1)
def forever(name, step):
    n = 0
    while True:
        n += 1
        step(n)
        beat(name, n)
there, back = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(there[1]), os.close(back[0])
    def echo(n):
        data = os.read(there[0], 8)
        check(len(data) == 8, f'read {data!r}')
        os.write(back[1], data)
    forever('child', echo)
os.close(there[0]), os.close(back[1])
def ask(n):
    sent = n.to_bytes(8, 'little')
    os.write(there[1], sent)
    got = os.read(back[0], 8)
    check(got == sent, f'sent {sent!r}, got {got!r}')
    time.sleep(0.002)
def compute(n):
    check(sum(x * 0.5 for x in range(20000)) == 99995000.0, 'floating point')
    check(hashlib.sha256(b'x' * 100000).hexdigest()[:8] == '@DIGEST@', 'digest')
def wait(n):
    begun = time.monotonic()
    check(select.select([], [], [], 0.01) == ([], [], []), 'select')
    check(time.monotonic() - begun >= 0.0099, 'slept too short')
for name, step in [('asker', ask), ('waiter', wait)]:
    threading.Thread(target=forever, args=(name, step)).start()
forever('computer', compute)
"#;
const BEATS: [&str; 4] = ["child", "asker", "waiter", "computer"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Engine,
    Supervisor,
    Command,
    All,
}

struct Test {
    live: Live,
}

impl Test {
    fn new(label: &str, names: Names, user: User) -> Result<Self> {
        let test = Self { live: Live::walled(label, names, user)? };
        let digest =
            test.live.beside(&["python3", "-c", "import hashlib; print(hashlib.sha256(b'x' * 100000).hexdigest()[:8])"])?;
        let script = test.live.write("program.py", &PROGRAM.replace("@DIGEST@", digest.trim()))?;
        test.live.start(&["python3", &script, &test.live.path("")])?;
        test.runs_on("its start", &[0; 4])?;
        Ok(test)
    }

    /// The counts; the processes have the ids that they had.
    fn beats(&self) -> Vec<u64> {
        BEATS.iter().map(|name| self.live.read(name).split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)).collect()
    }

    fn ids(&self) -> Vec<String> {
        BEATS.iter().map(|name| self.live.read(name).split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// All go on from where they were.
    fn runs_on(&self, after: &str, before: &[u64]) -> Result<()> {
        let further = || self.beats().iter().zip(before).all(|(now, then)| *now > then + 1);
        let went_on = eventually(&format!("the programs go on after {after}"), further);
        ensure!(self.live.read("broken").is_empty(), "after {after}: {}", self.live.read("broken"));
        went_on.with_context(|| {
            format!("they are at {:?}, and were at {before:?}; there are {:?}", self.beats(), self.live.programs())
        })
    }

    fn stop_at(&self, stage: &str) -> Result<()> {
        let path = self.live.directory.join("h/run/p/stop-at");
        if stage.is_empty() {
            return Ok(std::fs::remove_file(path)?);
        }
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::os::unix::fs::chown(self.live.directory.join("h/run/p"), Some(self.live.place.identity.uid), None)?;
        Ok(std::fs::write(path, stage)?)
    }

    fn begin(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.live.command(arguments);
        Ok(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
    }

    /// The process of the pod's machinery that has stopped itself; none if the command ends before.
    fn stopped(&self, command: &mut Child) -> Result<Option<u32>> {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            let stopped = self
                .machinery()
                .into_iter()
                .find(|(pid, _)| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T ")));
            if let Some((pid, _)) = stopped {
                return Ok(Some(pid));
            }
            if command.try_wait()?.is_some() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the command neither stops nor ends")
    }

    /// Supervisors, engines and inits of the test.
    fn machinery(&self) -> Vec<(u32, String)> {
        let seen = processes_of(&self.live.directory).into_iter();
        let line = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        seen.map(|seen| (seen.pid, line(seen.pid))).filter(|(_, line)| line.starts_with("autopod\0")).collect()
    }

    fn kill(&self, victim: Victim, stopped: u32, command: &mut Child) -> Result<()> {
        let init = std::fs::read_to_string(self.live.directory.join("h/run/p/init.json")).unwrap_or_default();
        let supervisors = self
            .machinery()
            .into_iter()
            .filter(|(pid, line)| line.starts_with("autopod\0supervise\0") && !init.contains(&format!("\"pid\": {pid},")));
        let supervisors: Vec<u32> = supervisors.map(|(pid, _)| pid).collect();
        ensure!(supervisors.len() == 1, "one supervisor should be there: {:?}", self.machinery());
        let mut victims = Vec::new();
        if matches!(victim, Victim::Supervisor | Victim::All) {
            victims.extend(&supervisors);
        }
        if matches!(victim, Victim::Command | Victim::All) {
            command.kill()?;
        }
        if matches!(victim, Victim::Engine | Victim::All) {
            victims.push(stopped);
        }
        for pid in &victims {
            signal(*pid, libc::SIGKILL);
        }
        if !victims.contains(&stopped) {
            // only when the others are seen to be gone
            std::thread::sleep(Duration::from_millis(20));
            signal(stopped, libc::SIGCONT);
        }
        Ok(())
    }

    /// Waits for the end of the command, and gives its complaint.
    fn complaint(&self, command: Child) -> Result<String> {
        Ok(String::from_utf8_lossy(&command.wait_with_output()?.stderr).into_owned())
    }

    /// Names in the test's directory that look like an image.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.live.directory).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("image") || name.contains("partial")).collect()
    }

    /// A checkpoint during which something is killed; gives whether the pod ran on.
    fn killed_checkpoint(&self, stage: &str, victim: Victim) -> Result<bool> {
        let image = self.live.path("image");
        let ids = self.ids();
        self.stop_at(stage)?;
        let mut command = self.begin(&["checkpoint", "p", "-o", &image])?;
        let stopped = self.stopped(&mut command)?;
        self.stop_at("")?;
        let Some(stopped) = stopped else { bail!("the checkpoint never came to {stage}: {}", self.complaint(command)?) };
        self.kill(victim, stopped, &mut command)?;
        let complaint = self.complaint(command)?;
        let early = EARLY.contains(&stage) || stage.parse::<u64>().is_ok();
        let killed = matches!(victim, Victim::Engine | Victim::All);
        if victim == Victim::Engine {
            ensure!(complaint.contains("the engine died"), "the command said \"{complaint}\"");
        }
        if !killed || stage == ENDED {
            eventually("the pod is ended", || self.live.programs().is_empty())?;
            eventually("the pod is known to be checkpointed", || {
                self.live.autopod(&["list"]).is_ok_and(|list| list.contains("checkpointed"))
            })?;
        } else {
            // the counts before the kill may be passed already
            self.runs_on("the checkpoint was killed", &self.beats())?;
            ensure!(self.ids() == ids, "the processes were {ids:?}, and are {:?}", self.ids());
            ensure!(self.live.autopod(&["ps", "p"])?.lines().count() == 3, "ps shows {}", self.live.autopod(&["ps", "p"])?);
            // an engine that is killed lets go of its tasks when all of its threads have ended
            let traced = || self.live.programs().into_iter().filter(|seen| seen.line.contains("traced")).collect::<Vec<_>>();
            eventually("nothing is traced", || traced().is_empty()).with_context(|| format!("still traced: {:?}", traced()))?;
        }
        let expected: &[&str] = if killed && early { &[] } else { &["image"] };
        ensure!(self.files() == expected, "files are {:?}, not {expected:?}", self.files());
        if !expected.is_empty() {
            self.live.autopod(&["verify", &image])?;
        }
        Ok(killed && stage != ENDED)
    }

    /// A command, given again as long as an engine whose supervisor was killed has not ended: its work may be seen to be done before.
    fn patiently(&self, arguments: &[&str]) -> Result<String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match self.live.autopod(arguments) {
                Err(e) if format!("{e:#}").contains("is being checkpointed or restarted") && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// The pod back from its image, whole.
    fn restart(&self, after: &str) -> Result<()> {
        let before = self.beats();
        self.patiently(&["restart", "p", "-i", &self.live.path("image")])?;
        self.runs_on(after, &before)
    }

    fn killed_restart(&self, stage: &str, victim: Victim) -> Result<()> {
        let image = self.live.path("image");
        let before = self.beats();
        self.stop_at(stage)?;
        let mut command = self.begin(&["restart", "p", "-i", &image])?;
        let stopped = self.stopped(&mut command)?;
        self.stop_at("")?;
        let Some(stopped) = stopped else { bail!("the restart never came to {stage}: {}", self.complaint(command)?) };
        self.kill(victim, stopped, &mut command)?;
        self.complaint(command)?;
        let killed = matches!(victim, Victim::Engine | Victim::All) && !RESTARTED.contains(&stage);
        if killed || stage == "init started" {
            // no further command is needed for this
            let none = || processes_of(&self.live.directory).iter().all(|seen| !seen.line.contains("autopod-init"));
            eventually("nothing is left of the restart", || self.live.programs().is_empty() && none())
                .with_context(|| format!("left: {:?}", processes_of(&self.live.directory)))?;
            let listed = self.live.autopod(&["list"])?;
            ensure!(!listed.contains("running"), "{listed}");
            ensure!(self.live.autopod(&["ps", "p"])?.lines().count() <= 1, "{}", self.live.autopod(&["ps", "p"])?);
            self.restart("a restart after one that was killed")?;
        } else {
            self.runs_on("the restart went on", &before)?;
            ensure!(self.live.autopod(&["ps", "p"])?.lines().count() == 3, "ps shows {}", self.live.autopod(&["ps", "p"])?);
        }
        Ok(())
    }
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: kill(2) takes two integers.
    unsafe { libc::kill(pid as i32, signal) };
}

fn cells(label: &str, body: impl Fn(&Test) -> Result<()>) {
    for user in [User::Root, User::Unprivileged] {
        for names in [Names::Kernel, Names::Shim] {
            let test = Test::new(label, names, user).unwrap();
            body(&test).unwrap_or_else(|e| panic!("under {names} names as {user:?}: {e:#}"));
        }
    }
}

#[test]
fn a_killed_checkpoint_harms_nothing() {
    cells("killcp", |test| {
        for victim in [Victim::Engine, Victim::All, Victim::Supervisor, Victim::Command] {
            for stage in EARLY.into_iter().chain(COMPLETE).chain([ENDED]) {
                let ran_on =
                    test.killed_checkpoint(stage, victim).with_context(|| format!("{victim:?} killed at \"{stage}\""))?;
                if !ran_on {
                    test.restart("the checkpoint went on")?;
                }
                std::fs::remove_file(test.live.path("image")).or_else(|e| if ran_on { Ok(()) } else { Err(e) })?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_killed_restart_leaves_nothing() {
    cells("killre", |test| {
        test.live.autopod(&["checkpoint", "p", "-o", &test.live.path("image")])?;
        let cases = [Victim::Engine, Victim::All, Victim::Supervisor, Victim::Command].into_iter();
        let cases = cases.flat_map(|victim| RESTART.into_iter().chain(RESTARTED).map(move |stage| (victim, stage)));
        for (victim, stage) in cases.chain([(Victim::Supervisor, "init started")]) {
            test.killed_restart(stage, victim).with_context(|| format!("{victim:?} killed at \"{stage}\""))?;
            test.patiently(&["checkpoint", "p", "-o", &test.live.path("image")])?;
        }
        Ok(())
    });
}

/// Stages are where something is begun; this is wherever the engine works on a task.
#[test]
fn a_checkpoint_may_be_killed_at_any_call() {
    cells("killany", |test| {
        let dense = std::env::var_os("AUTOPOD_EVERY_STEP").is_some();
        let mut step: u64 = 1;
        loop {
            test.stop_at(&step.to_string())?;
            let before = test.beats();
            let mut command = test.begin(&["checkpoint", "p", "--leave-running", "-o", &test.live.path("image")])?;
            let stopped = test.stopped(&mut command)?;
            test.stop_at("")?;
            let Some(stopped) = stopped else { break };
            test.kill(Victim::Engine, stopped, &mut command)?;
            let complaint = test.complaint(command)?;
            let case = || format!("killed at call {step}: {complaint}");
            test.runs_on("the checkpoint was killed", &before).with_context(case)?;
            ensure!(test.files().is_empty(), "{}: files are {:?}", case(), test.files());
            step = if dense { step + 1 } else { step * 5 / 4 + 1 };
        }
        ensure!(step > 100, "a checkpoint makes only {step} calls");
        test.restart_after_all()
    });
}

impl Test {
    fn restart_after_all(&self) -> Result<()> {
        self.live.autopod(&["checkpoint", "p", "-o", &self.live.path("image")])?;
        self.restart("all")
    }
}
