//! Parsers of what others write (images, /proc, the control socket) against inputs that are almost right.
//!
//! Every input is made from a good one by a generator of random numbers with a known seed, so a failure is found again with the
//! command that is printed. A target fails by a panic, by an answer that it must not give, or by not coming back.

pub mod mutate;
pub mod targets;
pub mod value;

use mutate::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An input takes milliseconds; one that takes this long does not come back.
const HANG: Duration = Duration::from_secs(20);

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    Runs(u64),
    Time(Duration),
}

/// What was done.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub runs: u64,
    /// Inputs that the target took for good: too few, and it never gets to what comes behind the first check.
    pub accepted: u64,
}

/// Runs a target by its name.
///
/// # Errors
/// A sentence with the seed of the input that failed.
pub fn run(name: &str, length: Length, seed: u64) -> Result<Outcome, String> {
    let mut target =
        targets::by_name(name).ok_or_else(|| format!("there is no target {name}; there are {}", targets::NAMES.join(", ")))?;
    let at = AtomicU64::new(seed);
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    let mut outcome = Outcome { runs: 0, accepted: 0 };
    std::thread::scope(|scope| {
        scope.spawn(|| watch(name, &at, &done));
        let result = loop {
            let goes_on = match length {
                Length::Runs(runs) => outcome.runs < runs,
                Length::Time(time) => begun.elapsed() < time,
            };
            if !goes_on {
                break Ok(outcome);
            }
            // each run has a seed of its own, so that one can be repeated without those before
            let seed = seed.wrapping_add(outcome.runs);
            at.store(seed, Ordering::Relaxed);
            let again = format!("autopod-fuzz {name} --runs 1 --seed {seed}");
            match catch_unwind(AssertUnwindSafe(|| target.run(&mut Random::new(seed)))) {
                Ok(Ok(accepted)) => outcome.accepted += u64::from(accepted),
                Ok(Err(wrong)) => break Err(format!("{wrong}; again: {again}")),
                Err(_) => break Err(format!("the parser panicked; again: {again}")),
            }
            outcome.runs += 1;
        };
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Ends everything when one input takes too long.
fn watch(name: &str, at: &AtomicU64, done: &AtomicBool) {
    let (mut last, mut since) = (at.load(Ordering::Relaxed), Instant::now());
    while !done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let now = at.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > HANG {
            eprintln!("the parser does not come back; again: autopod-fuzz {name} --runs 1 --seed {now}");
            std::process::abort();
        }
    }
}
