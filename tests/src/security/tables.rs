//! Pods whose programs have spoilt the namespace table, under shim names: whoever works with the pod must neither believe it nor break.
//!
//! Every command gets an answer in time, success or a sentence; nobody outside is signalled, traced or changed; and the pod can be removed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::attack::Attack;
use super::cell::{End, Verdict};
use super::signs::{self, difference};
use super::world::World;

/// How their names as attacks begin.
pub const PREFIX: &str = "table_";

/// How the table is spoilt (`tests/security/table_garbage.c`).
pub const VARIANTS: [&str; 11] =
    ["zeros", "ones", "full", "giants", "header", "victims", "objects", "path", "cut", "cut-short", "replaced"];

/// Them as attacks, for the report.
#[must_use]
pub fn attacks() -> Vec<Attack> {
    let attack = |variant: &&str| Attack {
        name: format!("{PREFIX}{variant}"),
        tries: format!("spoil the pod's namespace table ({variant}), and have autopod work with it"),
        wall: "nobody outside believes the table".into(),
        never: Some("there are no tables outside of pods".into()),
        shim_names_only: true,
        ..Attack::default()
    };
    VARIANTS.iter().map(attack).collect()
}

/// Tries one variant in a pod of its own.
pub fn one(world: &World, variant: &str) -> Verdict {
    let attack = format!("{PREFIX}{variant}");
    match attempt(world, variant) {
        Ok(harm) if harm.is_empty() => {
            Verdict { attack, end: End::Held, text: "answered, and nobody outside was touched".into() }
        }
        Ok(harm) => Verdict { attack, end: End::Harm, text: harm.join("; ") },
        Err(e) => Verdict { attack, end: End::Untried, text: format!("{e:#}") },
    }
}

fn attempt(world: &World, variant: &str) -> Result<Vec<String>> {
    let pod = world.pod(&format!("t-{variant}-"));
    let good = |arguments: &[&str]| -> Result<()> {
        let done = world.autopod(arguments)?;
        if !done.status.success() {
            bail!("autopod {}: {}", arguments.join(" "), done.stderr.trim());
        }
        Ok(())
    };
    let profile = world.spec.pods.as_ref().map_or("default", |(_, profile)| profile);
    good(&["add", &pod, "--names", "shim", "--profile", profile])?;
    for _ in 0..2 {
        good(&["addproc", &pod, "--cwd", "/", "--", "sleep", "100000"])?;
    }
    let table = world.spec.directory.join("home/run").join(&pod).join("table");
    let before = signs::look(world);
    let program = world.spec.binaries.join("table_garbage");
    let mut arguments: Vec<String> = ["addproc", "-i", &pod, "--allow-unshimmed", "--cwd", "/"].map(str::to_owned).into();
    let user = world.spec.attacker.uid.to_string();
    if world.spec.attacker != world.spec.owner {
        arguments.extend(["--user".into(), user.clone()]);
    }
    arguments.extend(["--".into(), program.display().to_string(), format!("variant={variant}")]);
    arguments.extend(world.means.arguments().into_iter().filter(|argument| !argument.starts_with("table=")));
    arguments.push(format!("table={}", table.display()));
    let mut harm = Vec::new();
    // Its own end need not be told any more: it has spoilt what would say who it was.
    let mut told = |arguments: &[&str], limit: u64| {
        let shown = format!("`{}`", arguments.iter().take(4).copied().collect::<Vec<_>>().join(" "));
        match world.place.run(&world.autopod_program(), arguments, Duration::from_secs(limit)) {
            Err(_) => harm.push(format!("{shown} did not end in {limit} s")),
            Ok(done) => match done.status.code() {
                Some(0) => {}
                Some(1..=3) if !done.stderr.trim().is_empty() && !done.stderr.contains("panicked") => {}
                code => harm.push(format!("{shown} ended with {code:?}: {}", done.stderr.trim())),
            },
        }
    };
    told(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), 20);
    let image = world.spec.directory.join("home").join(format!("{variant}.image"));
    let image = image.to_string_lossy().into_owned();
    told(&["ps", &pod], 10);
    told(&["stats", &pod], 10);
    told(&["kill", &pod, "2", "-s", "USR1"], 10);
    let mut by_user = vec!["addproc", &pod, "--cwd", "/"];
    if world.spec.owner.is_root() {
        by_user.extend(["--user", "nobody"]);
    }
    by_user.extend(["--", "sleep", "100000"]);
    told(&by_user, 10);
    told(&["checkpoint", &pod, "-o", &image, "--leave-running"], 40);
    told(&["stop", &pod, "--timeout", "1"], 20);
    told(&["rm", "-f", &pod], 20);
    let _ = std::fs::remove_file(&image);
    let end = Instant::now() + Duration::from_secs(3);
    let changed = loop {
        let changed = difference(&before, &signs::look(world));
        if changed.is_empty() || Instant::now() > end {
            break changed;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if !changed.is_empty() {
        harm.push(changed);
    }
    let listed = access_lists(world)?;
    if !listed.is_empty() {
        harm.push(listed);
    }
    Ok(harm)
}

/// Access lists that let others at root's file: what is set by the path that a table claims to have.
fn access_lists(world: &World) -> Result<String> {
    let path = world.means.get("root_file").context("there is a file of root's")?;
    Ok(if super::sys::has_access_list(std::path::Path::new(path)) { format!("others were let at {path}") } else { String::new() })
}
