//! Runs the matrix. `autopod-matrix --help` says how.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use autopod_tests::command::Identity;
use autopod_tests::matrix::case::{Case, Gap, Mode, Names, User};
use autopod_tests::matrix::program::Program;
use autopod_tests::matrix::report::{self, Verdict};
use autopod_tests::matrix::run::Campaign;

const HELP: &str =
    "usage: autopod-matrix [--all] [--only PREFIX[,PREFIX]...] [--mode M[,M]] [--names kernel|shim] [--user root|user]
                      [--jobs N] [--bin DIRECTORY] [--keep] [--table FILE] [--failures FILE] [--list] [--pod OPTIONS]
Without --all and --mode: every program natively and in mode restart, a sample of the programs in the other modes.
Modes: native pod resume restart occupied rounds crossed foreign. DIRECTORY holds autopod, autopod-run and libautopod_shim.so
(default: the directory of this program). OPTIONS are more words for `autopod add`: \"--root / --bind /tmp:/tmp\".";

#[derive(Debug, Default)]
struct Options {
    all: bool,
    only: Vec<String>,
    modes: Vec<Mode>,
    names: Vec<Names>,
    users: Vec<User>,
    jobs: usize,
    bin: Option<PathBuf>,
    keep: bool,
    table: Option<PathBuf>,
    failures: Option<PathBuf>,
    list: bool,
    pod: Vec<String>,
}

fn options() -> Result<Option<Options>> {
    let mut options = Options { jobs: 2, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--all" => options.all = true,
            "--keep" => options.keep = true,
            "--list" => options.list = true,
            "--pod" => options.pod = value()?.split_whitespace().map(str::to_owned).collect(),
            "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
            "--mode" => options.modes = value()?.split(',').map(str::parse).collect::<Result<_>>()?,
            "--names" => options.names = value()?.split(',').map(str::parse).collect::<Result<_>>()?,
            "--user" => options.users = value()?.split(',').map(str::parse).collect::<Result<_>>()?,
            "--jobs" => options.jobs = value()?.parse().context("--jobs needs a number")?,
            "--bin" => options.bin = Some(value()?.into()),
            "--table" => options.table = Some(value()?.into()),
            "--failures" => options.failures = Some(value()?.into()),
            "--help" | "-h" => return Ok(None),
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    if options.names.is_empty() {
        options.names = Names::ALL.to_vec();
    }
    if options.users.is_empty() {
        options.users = User::ALL.to_vec();
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match options().and_then(|options| {
        options.map_or_else(
            || {
                {
                    println!("{HELP}");
                    Ok(())
                }
                .map(|()| true)
            },
            |o| campaign(&o),
        )
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("autopod-matrix: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Which cases to run.
fn plan(options: &Options, programs: &[Program], own: Identity) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        let chosen = options.only.is_empty() || options.only.iter().any(|prefix| program.name.starts_with(prefix.as_str()));
        if !chosen || (program.slow && !options.all && options.only.is_empty()) {
            continue;
        }
        for mode in Mode::ALL {
            // The sample of the short run: every sixth program in each of the rarer modes, never all on the same ones.
            let sampled = (index + mode as usize) % 6 == 0 || mode == Mode::Restart || mode == Mode::Native;
            let wanted = if options.modes.is_empty() { options.all || sampled } else { options.modes.contains(&mode) };
            let refusal = program.expect.is_some()
                && matches!(mode, Mode::Resume | Mode::Occupied | Mode::Rounds | Mode::Crossed | Mode::Foreign);
            if !wanted || refusal {
                continue;
            }
            for &user in &options.users {
                let cannot = (user == User::Root && !own.is_root()) || (user == User::Unprivileged && program.needs_root);
                for &names in &options.names {
                    let shim = names == Names::Shim || mode == Mode::Crossed;
                    let pointless = (mode == Mode::Native && names != options.names[0])
                        || (mode == Mode::Occupied && (names == Names::Kernel || !own.is_root()))
                        || (mode != Mode::Native && shim && program.kernel_names_only);
                    if !cannot && !pointless {
                        cases.push(Case { program: index, mode, names, user });
                    }
                }
            }
        }
    }
    cases
}

fn campaign(options: &Options) -> Result<bool> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let programs = Program::read_all(&sources)?;
    let own = Identity::own()?;
    let cases = plan(options, &programs, own);
    if options.list {
        for case in &cases {
            println!("{} {} {} {}", programs[case.program].name, case.mode, case.names, case.user);
        }
        return Ok(true);
    }
    let gaps = Gap::parse(&std::fs::read_to_string(sources.join("known-gaps")).unwrap_or_default())?;
    let place = std::env::temp_dir().join(format!("apm{}", std::process::id()));
    std::fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let huge = cases.iter().map(|case| programs[case.program].huge).max().unwrap_or(0);
    let pool = HugePages::set_aside(huge * options.jobs as u64);
    let outcome = prepare(options, &programs, &cases, &place, own)
        .and_then(|campaign| run_all(options, &campaign, &programs, &cases, &gaps));
    drop(pool);
    if !options.keep {
        std::fs::remove_dir_all(&place).ok();
    }
    outcome
}

/// Huge pages that are set aside while the campaign runs.
struct HugePages(Option<u64>);

impl HugePages {
    const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    /// Where that cannot be done, the programs say what they miss.
    fn set_aside(more: u64) -> Self {
        let before = std::fs::read_to_string(Self::POOL).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let before = before.filter(|_| more > 0);
        Self(before.filter(|before| std::fs::write(Self::POOL, (before + more).to_string()).is_ok()))
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            std::fs::write(Self::POOL, before.to_string()).ok();
        }
    }
}

/// Builds the programs and puts everything where all users can read it.
fn prepare(options: &Options, programs: &[Program], cases: &[Case], place: &Path, own: Identity) -> Result<Campaign> {
    let binaries = place.join("b");
    std::fs::create_dir(&binaries)?;
    let here = std::env::current_exe()?;
    let from = options.bin.clone().unwrap_or_else(|| here.parent().unwrap_or(Path::new(".")).to_owned());
    if cases.iter().any(|case| case.mode != Mode::Native) {
        for name in ["autopod", "autopod-run", "libautopod_shim.so"] {
            std::fs::copy(from.join(name), binaries.join(name)).with_context(|| {
                format!("{} is missing: run cargo build, or name its directory with --bin", from.join(name).display())
            })?;
        }
    }
    let cache = from.join("programs");
    std::fs::create_dir_all(&cache)?;
    let mut wanted: Vec<usize> = cases.iter().map(|case| case.program).collect();
    wanted.dedup();
    for index in wanted {
        let program = &programs[index];
        program.build(&cache.join(&program.name))?;
        std::fs::copy(cache.join(&program.name), binaries.join(&program.name))?;
    }
    let unprivileged = if cases.iter().any(|case| case.user == User::Unprivileged) { Identity::unprivileged()? } else { own };
    Ok(Campaign { binaries, runs: place.to_owned(), unprivileged, own, keep: options.keep, pod: options.pod.clone() })
}

fn run_all(options: &Options, campaign: &Campaign, programs: &[Program], cases: &[Case], gaps: &[Gap]) -> Result<bool> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&case) = cases.get(number) else { break };
                    let program = &programs[case.program];
                    let start = Instant::now();
                    let gap = gaps.iter().find(|gap| gap.covers(&program.name, &case)).map(|gap| gap.reason.clone());
                    let run = |number| Verdict {
                        case,
                        failure: campaign.run(number, program, case).err().map(|error| format!("{error:#}")),
                        gap: gap.clone(),
                    };
                    let mut verdict = run(number);
                    if !verdict.passed() {
                        // never in silence: ports of the host and storms of forks are not the same twice
                        let first = verdict.failure.as_deref().unwrap_or("a known gap passes");
                        println!("AGAIN {:8} {:6} {:4} {:28} {first}", case.mode, case.names, case.user, program.name);
                        verdict = run(number + cases.len());
                    }
                    let word = match (verdict.passed(), &verdict.gap) {
                        (true, None) => "ok",
                        (true, Some(_)) => "gap",
                        (false, _) => "FAIL",
                    };
                    let text = match (&verdict.failure, &verdict.gap) {
                        (_, Some(reason)) if verdict.passed() => reason.clone(),
                        (Some(failure), _) => failure.clone(),
                        (None, Some(_)) => "a known gap passes: take it off the list".into(),
                        (None, None) => String::new(),
                    };
                    let seconds = start.elapsed().as_secs_f64();
                    println!(
                        "{word:4} {:8} {:6} {:4} {:28} {seconds:5.1} s  {text}",
                        case.mode, case.names, case.user, program.name
                    );
                    if let Ok(mut list) = verdicts.lock() {
                        list.push(verdict);
                    }
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_default();
    verdicts.sort_by_key(|v| v.case);
    let failures = report::by_cause(programs, &verdicts);
    if !failures.is_empty() {
        println!("{failures}");
    }
    if let Some(path) = &options.failures {
        std::fs::write(path, &failures)?;
    }
    if let Some(path) = &options.table {
        std::fs::write(path, report::table(programs, &verdicts))?;
    }
    let passed = verdicts.iter().filter(|v| v.passed()).count();
    println!("{passed} passed, {} failed", verdicts.len() - passed);
    Ok(passed == verdicts.len())
}
