//! All attacks in all worlds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

use super::attack::{Attack, build};
use super::cell::{self, End, Verdict};
use super::world::{Spec, World};
use super::{poison, tables};
use crate::command::Identity;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The root of root's pod.
    Root,
    /// A user in root's pod.
    PodUser,
    /// The owner of an unprivileged user's pod.
    Owner,
}

impl Who {
    pub const ALL: [Self; 3] = [Self::Root, Self::PodUser, Self::Owner];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::PodUser => "pod-user",
            Self::Owner => "owner",
        }
    }
}

/// One world: a pod's, or a control's, for which `pods` is none and who attacks is root or, as an unprivileged user, the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub who: Who,
    /// `--names` and `--profile`.
    pub pods: Option<(&'static str, &'static str)>,
    /// How the attacker's pod has a file tree of its own (`--view`, or `private`), if it has.
    pub view: Option<&'static str>,
}

impl Cell {
    #[must_use]
    pub fn name(&self) -> String {
        match self.pods {
            None => format!("control/{}", if self.who == Who::Root { "root" } else { "user" }),
            Some((names, profile)) => {
                format!("{names}/{profile}/{}{}", self.who.word(), self.view.map_or(String::new(), |view| format!("/{view}")))
            }
        }
    }
}

/// What to run.
#[derive(Debug, Default)]
pub struct Options {
    pub only: Vec<String>,
    pub cells: Vec<String>,
    pub jobs: usize,
    pub keep: bool,
    pub verbose: bool,
}

/// A verdict and where it was found.
#[derive(Debug)]
pub struct Finding {
    pub cell: Cell,
    pub verdict: Verdict,
}

/// Attacks that are no programs.
#[must_use]
pub fn stories() -> Vec<Attack> {
    tables::attacks().into_iter().chain(poison::attacks()).collect()
}

/// The directory of the attacks' sources.
#[must_use]
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("security")
}

/// Runs what is asked for; findings come in the order of worlds and attacks.
pub fn run(options: &Options, attacks: &[Attack]) -> Result<Vec<Finding>> {
    if !Identity::own()?.is_root() {
        bail!("the attacks need root: each runs in a world of namespaces of its own, and as several users; run this as root");
    }
    let chosen: Vec<&Attack> = attacks
        .iter()
        .filter(|attack| options.only.is_empty() || options.only.iter().any(|prefix| attack.name.starts_with(prefix.as_str())))
        .collect();
    let place = std::env::temp_dir().join(format!("aps{}", std::process::id()));
    std::fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let outcome = prepare(&place, &chosen).and_then(|()| run_all(options, &place, &chosen));
    if !options.keep {
        std::fs::remove_dir_all(&place).ok();
    }
    outcome
}

/// Builds the attacks and puts everything where all users can read it.
fn prepare(place: &Path, attacks: &[&Attack]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let binaries = place.join("b");
    std::fs::create_dir(&binaries)?;
    let here = std::env::current_exe()?;
    let mut from = here.parent().unwrap_or(Path::new(".")).to_owned();
    if from.ends_with("deps") {
        from.pop();
    }
    for name in ["autopod", "libautopod_shim.so"] {
        std::fs::copy(from.join(name), binaries.join(name))
            .with_context(|| format!("{} is missing: run cargo build --workspace", from.join(name).display()))?;
    }
    let cache = from.join("attacks");
    std::fs::create_dir_all(&cache)?;
    let sources = sources();
    let others =
        ["victim", "sleeper", "setuid_program", "table_garbage"].map(|name| (name.to_owned(), sources.join(format!("{name}.c"))));
    let all: Vec<(String, PathBuf)> =
        attacks.iter().filter(|a| a.is_program()).map(|a| (a.name.clone(), a.source.clone())).chain(others).collect();
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, source)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let built = build(source, &cache.join(name));
                    let copied = built.and_then(|()| Ok(std::fs::copy(cache.join(name), binaries.join(name)).map(drop)?));
                    if let (Err(e), Ok(mut slot)) = (copied, failure.lock()) {
                        *slot = Some(e);
                    }
                }
            });
        }
    });
    if let Some(e) = failure.into_inner().unwrap_or_default() {
        return Err(e);
    }
    std::fs::set_permissions(binaries.join("setuid_program"), std::fs::Permissions::from_mode(0o4755))?;
    for path in [place, &binaries] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The kinds of trees that such pods can have here: they take a mount namespace, and FUSE its device. `private` is one through FUSE, in a pod
/// with users of its own.
fn views(names: &str, who: Who) -> &'static [&'static str] {
    match (names, who) {
        ("kernel", Who::Root | Who::PodUser) => &["fuse", "bind", "private"],
        ("kernel", Who::Owner) => &["bind"],
        _ => &[],
    }
}

/// The worlds with the attacks of each: one per control, which may leave nothing of it, one for all attacks of a kind of pod.
fn plan<'a>(options: &Options, attacks: &[&'a Attack]) -> Vec<(Cell, Vec<&'a Attack>)> {
    let mut plan = Vec::new();
    for names in ["kernel", "shim"] {
        for profile in ["default", "strict"] {
            for who in Who::ALL {
                let meant = attacks.iter().copied().filter(|a| a.concerns(names, profile) && !a.needs_tree).collect();
                plan.push((Cell { who, pods: Some((names, profile)), view: None }, meant));
                for view in views(names, who) {
                    let programs = attacks.iter().copied().filter(|a| a.concerns(names, profile) && a.is_program()).collect();
                    plan.push((Cell { who, pods: Some((names, profile)), view: Some(view) }, programs));
                }
            }
        }
    }
    for attack in attacks.iter().filter(|a| a.is_program()) {
        for who in [Who::Root, Who::Owner] {
            plan.push((Cell { who, pods: None, view: None }, vec![*attack]));
        }
    }
    plan.retain(|(cell, meant)| {
        let name = cell.name();
        !meant.is_empty() && (options.cells.is_empty() || options.cells.iter().any(|prefix| name.starts_with(prefix.as_str())))
    });
    plan
}

fn run_all(options: &Options, place: &Path, attacks: &[&Attack]) -> Result<Vec<Finding>> {
    // Made once, by one: worlds that are made at a time would all want to make the user.
    Identity::unprivileged()?;
    let plan = plan(options, attacks);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((cell, meant)) = plan.get(number) else { break };
                    let verdicts = in_world(place, number, cell, meant);
                    if options.verbose {
                        for v in &verdicts {
                            println!("{:24} {:28} {:?}: {}", cell.name(), v.attack, v.end, v.text);
                        }
                    }
                    if let Ok(mut found) = found.lock() {
                        found.extend(verdicts.into_iter().map(|verdict| (number, Finding { cell: cell.clone(), verdict })));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

/// Runs the attacks in a world of their own: another process of this program, the first of its pid namespace.
fn in_world(place: &Path, number: usize, cell: &Cell, attacks: &[&Attack]) -> Vec<Verdict> {
    let directory = place.join(format!("w{number}"));
    let untried = |attack: &str, text: String| Verdict { attack: attack.into(), end: End::Untried, text };
    let ran = start(place, &directory, cell, attacks);
    if cell.pods.is_some() {
        super::world::remove_groups(&directory);
    }
    let log = std::fs::read_to_string(directory.join("verdicts")).unwrap_or_default();
    let mut verdicts: Vec<Verdict> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let trouble = match ran {
        Ok(trouble) => trouble,
        Err(e) => format!("{e:#}"),
    };
    for attack in attacks {
        if !verdicts.iter().any(|v| v.attack == attack.name) {
            // Told once, with the attack that was under way.
            let first = verdicts.iter().all(|v| !v.text.starts_with("the world ended"));
            let begun = log.lines().next_back().filter(|line| !line.starts_with('{')).unwrap_or("none");
            let text =
                if first { format!("the world ended ({trouble}), during: {begun}") } else { "the world ended before".into() };
            verdicts.push(untried(&attack.name, text));
        }
    }
    verdicts
}

fn start(place: &Path, directory: &Path, cell: &Cell, attacks: &[&Attack]) -> Result<String> {
    std::fs::create_dir(directory)?;
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--ipc",
        "--uts",
        "--net",
        "--propagation",
        "private",
        "--mount-proc",
    ]);
    command.arg(here()?).arg("--world").arg(directory).arg(place.join("b")).arg(cell.who.word());
    match cell.pods {
        Some((names, profile)) => command.args([names, profile]),
        None => command.args(["-", "-"]),
    };
    command.arg(cell.view.unwrap_or("-"));
    command.args(attacks.iter().map(|attack| &attack.name));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output().context("cannot run unshare (package util-linux)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(format!("{}; {}", output.status, said.trim().lines().next_back().unwrap_or("it said nothing")))
}

fn here() -> Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    if path.parent().is_some_and(|dir| dir.ends_with("deps")) {
        path = path.parent().and_then(Path::parent).context("a test is in target")?.join("autopod-security");
    }
    Ok(path)
}

/// The inner side: `--world DIRECTORY BINARIES WHO NAMES PROFILE VIEW ATTACK...`.
pub fn world(arguments: &[String]) -> Result<()> {
    let [directory, binaries, who, names, profile, view, names_of_attacks @ ..] = arguments else { bail!("not for use by hand") };
    let directory = PathBuf::from(directory);
    std::os::unix::fs::chown(&directory, Some(0), Some(0))?;
    let (own, user) = (Identity::own()?, Identity::unprivileged()?);
    let (owner, attacker) = match who.as_str() {
        "root" => (own, own),
        "pod-user" => (own, user),
        _ => (user, user),
    };
    let attacks: Vec<Attack> = names_of_attacks
        .iter()
        .map(|name| match stories().into_iter().find(|attack| attack.name == *name) {
            Some(attack) => Ok(attack),
            None => Attack::read(&sources().join("attacks").join(format!("{name}.c"))),
        })
        .collect::<Result<_>>()?;
    let pods = (names != "-").then(|| (names.clone(), profile.clone()));
    let neighbour_pod = pods.is_some() || attacks.iter().any(|attack| attack.needs_pods);
    let view = (view != "-").then(|| view.clone());
    let keys = attacks.iter().any(|attack| attack.name == "keyring");
    let verdicts = directory.join("verdicts");
    let spec = Spec { directory, binaries: binaries.into(), attacker, owner, pods, neighbour_pod, view, keys };
    let mut world = World::new(spec)?;
    cell::run(&mut world, &attacks, &verdicts)
}
