//! The long form of the fuzz tests: `autopod-fuzz image|proc|control [--seconds N | --runs N] [--seed N]`. `scripts/fuzz` runs all.

use autopod_tests::fuzz::{self, Length};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: autopod-fuzz image|proc|control [--seconds N | --runs N] [--seed N]";
    let Some(name) = arguments.next() else {
        eprintln!("{usage}");
        return ExitCode::from(2);
    };
    let mut length = Length::Time(Duration::from_secs(60));
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    while let Some(option) = arguments.next() {
        match (option.as_str(), arguments.next().and_then(|value| value.parse().ok())) {
            ("--seconds", Some(seconds)) => length = Length::Time(Duration::from_secs(seconds)),
            ("--runs", Some(runs)) => length = Length::Runs(runs),
            ("--seed", Some(number)) => seed = number,
            _ => {
                eprintln!("{usage}");
                return ExitCode::from(2);
            }
        }
    }
    match fuzz::run(&name, length, seed) {
        Ok(outcome) => {
            println!("{name}: {} inputs, {} of them taken for good, from seed {seed}", outcome.runs, outcome.accepted);
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{name}: {wrong}");
            ExitCode::FAILURE
        }
    }
}
