//! Runs the attacks on the walls. `autopod-security --help` says how.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use autopod_tests::security::attack::Attack;
use autopod_tests::security::campaign::{self, Options};
use autopod_tests::security::report::{self, Gap};

const HELP: &str =
    "usage: autopod-security [--only PREFIX[,PREFIX]...] [--cell PREFIX[,PREFIX]] [--jobs N] [--keep] [--verbose] [--table FILE]
Cells: NAMES/PROFILE/WHO (kernel|shim, default|strict, root|pod-user|owner), control/root, control/user. Needs root; autopod and
libautopod_shim.so are taken from the directory of this program.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("--world") => campaign::world(&arguments[1..]).map(|()| true),
        Some("--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        .map(|()| true),
        _ => run(arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("autopod-security: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<String>) -> Result<bool> {
    let mut options = Options { jobs: 2, ..Options::default() };
    let mut table: Option<PathBuf> = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
            "--cell" => options.cells.extend(value()?.split(',').map(str::to_owned)),
            "--jobs" => options.jobs = value()?.parse().context("--jobs needs a number")?,
            "--keep" => options.keep = true,
            "--verbose" => options.verbose = true,
            "--table" => table = Some(value()?.into()),
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let mut attacks = Attack::read_all(&campaign::sources().join("attacks"))?;
    attacks.extend(campaign::stories());
    let gaps = Gap::parse(&std::fs::read_to_string(campaign::sources().join("known-gaps"))?)?;
    let findings = campaign::run(&options, &attacks)?;
    let mut failed = 0;
    for finding in &findings {
        let attack = attacks.iter().find(|attack| attack.name == finding.verdict.attack).context("a verdict has an attack")?;
        if let Some(complaint) = report::complaint(attack, finding, &gaps) {
            println!("FAIL {:24} {:28} {complaint}", finding.cell.name(), attack.name);
            failed += 1;
        }
    }
    if let Some(path) = table {
        std::fs::write(path, report::table(&attacks, &findings, &gaps))?;
    }
    println!("{} attacks: {} passed, {failed} failed", attacks.len(), findings.len() - failed);
    Ok(failed == 0)
}
