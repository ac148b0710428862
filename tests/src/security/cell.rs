//! Attacks in one world, one after the other, each judged by what it printed, how it ended, and what the world shows.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::attack::{Attack, Input};
use super::poison;
use super::signs::{self, difference};
use super::sys;
use super::tables;
use super::world::World;

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Nothing came of it.
    Held,
    /// Somebody was harmed.
    Harm,
    /// It could not try, or did not end: nothing was shown.
    Untried,
}

/// What is known of one attack in one world.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    pub attack: String,
    pub end: End,
    /// The harm, or the refusals.
    pub text: String,
}

const LIMIT: Duration = Duration::from_secs(15);

/// Runs the attacks; a line of JSON for each goes to `to`, and its name before it begins.
pub fn run(world: &mut World, attacks: &[Attack], to: &Path) -> Result<()> {
    let mut out = File::options().append(true).create(true).open(to)?;
    let mut before = signs::look(world);
    for attack in attacks {
        writeln!(out, "{}", attack.name)?;
        let after = |prefix| attack.name.strip_prefix(prefix);
        let verdict = match (after(tables::PREFIX), after(poison::PREFIX)) {
            (Some(variant), _) => tables::one(world, variant),
            (_, Some(way)) => poison::one(world, way),
            _ => one(world, attack, &mut before)?,
        };
        writeln!(out, "{}", serde_json::to_string(&verdict)?)?;
        if verdict.end != End::Held {
            world.populate().with_context(|| format!("making the world anew after {}: {}", attack.name, verdict.text))?;
            before = signs::look(world);
        }
        sys::reap_orphans(&world.children());
    }
    Ok(())
}

fn one(world: &World, attack: &Attack, before: &mut signs::Signs) -> Result<Verdict> {
    let output = world.spec.directory.join("output");
    let mut command = command(world, attack);
    let secrets = world.spec.directory.join("secret");
    let input = match attack.input {
        Input::Nothing => Stdio::null(),
        Input::Terminal => world.terminal.1.try_clone()?.into(),
        Input::Directory => File::open(secrets)?.into(),
        Input::Barrier => world.means.get("barrier").map_or(Ok(Stdio::null()), |path| File::open(path).map(Stdio::from))?,
        Input::File => File::open(secrets.join("secret-file"))?.into(),
    };
    command.stdin(input).stdout(File::create(&output)?).stderr(File::options().append(true).open(&output)?);
    let status = wait(&mut command)?;
    let printed = String::from_utf8_lossy(&std::fs::read(&output)?).into_owned();
    let after = signs::look(world);
    let mut harm = Vec::new();
    for (kind, secret) in &world.secrets {
        if printed.contains(secret.as_str()) {
            harm.push(format!("it read the secret of: {kind}"));
        }
    }
    let changed = difference(before, &after);
    if !changed.is_empty() {
        harm.push(changed);
    }
    *before = after;
    let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with("read: ")).collect();
    let verdict = |end, text: String| Verdict { attack: attack.name.clone(), end, text };
    let said = || {
        let mut words: Vec<&str> = lines.iter().copied().filter(|line| line.contains(": ")).collect();
        words.dedup();
        words.truncate(12);
        words.join(", ")
    };
    Ok(match status.map(|status| status.code().unwrap_or(128 + status.signal().unwrap_or(0))) {
        None => verdict(End::Untried, format!("did not end; {}", said())),
        _ if !harm.is_empty() => verdict(End::Harm, harm.join("; ")),
        Some(0 | 3) => verdict(End::Held, said()),
        Some(1) if lines.iter().any(|line| line.ends_with(": done") || line.contains(": E")) => {
            let gained: Vec<&str> =
                lines.iter().copied().filter(|line| !line.contains(": EPERM") && !line.contains(": EACCES")).collect();
            verdict(End::Harm, format!("the kernel did it: {}", gained.into_iter().take(6).collect::<Vec<_>>().join(", ")))
        }
        // A filter that kills is a wall, too.
        Some(code) if code == 128 + libc::SIGSYS => verdict(End::Held, format!("killed by SIGSYS; {}", said())),
        Some(code) => verdict(End::Untried, format!("ended with {code}: {}", lines.join(", "))),
    })
}

fn command(world: &World, attack: &Attack) -> Command {
    let (program, directory) = match world.spec.view.is_some() {
        true => (Path::new("/b").join(&attack.name), Path::new("/dir").to_owned()),
        false => (world.spec.binaries.join(&attack.name), world.spec.directory.join("dir")),
    };
    match &world.spec.pods {
        None => {
            let place = crate::command::Place { identity: world.spec.attacker, ..world.place.clone() };
            let mut command = place.command(&program);
            command.args(world.means.arguments()).current_dir(directory);
            command
        }
        Some(_) => {
            let mut command = world.place.command(&world.autopod_program());
            command.args(["addproc", "-i", &world.pod("a"), "--allow-unshimmed", "--cwd"]).arg(directory);
            if world.spec.attacker != world.spec.owner {
                command.arg("--user").arg(world.spec.attacker.uid.to_string());
            }
            command.arg("--").arg(program).args(world.means.arguments());
            command
        }
    }
}

/// The end of the command; none if it does not come in time.
fn wait(command: &mut Command) -> Result<Option<ExitStatus>> {
    let mut child = command.spawn().context("starting an attack")?;
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
