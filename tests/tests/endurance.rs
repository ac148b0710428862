//! Many rounds of a busy program: it goes on as if nothing had happened, and neither the image nor the program grows.

use anyhow::{Context, Result, ensure};
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use autopod_tests::matrix::program::Program;

/// Rounds to make; `AUTOPOD_ROUNDS=100` for a campaign.
fn rounds() -> usize {
    std::env::var("AUTOPOD_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

fn endure(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("endurance", names, user)?;
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/exo_syscall_storm.c");
    let binary = pod.directory.join("storm");
    Program::read(&source)?.build(&binary)?;
    pod.beside(&["/bin/mkdir", &pod.path("w")])?;
    pod.start(&[&binary.to_string_lossy(), "--daemon", &pod.path("w")])?;
    eventually("the program is ready", || pod.directory.join("w/ready").exists())?;
    let mut first = (0, 0);
    for round in 0..rounds() {
        let resident = pod.programs().iter().map(|p| resident_kb(p.pid)).sum::<u64>();
        pod.round().with_context(|| format!("round {round}"))?;
        let image = pod.directory.join(format!("image{round}"));
        let size = image.metadata()?.len();
        std::fs::remove_file(&image)?;
        let result = pod.read("w/result");
        ensure!(result.is_empty(), "round {round}: {result}");
        if round == 1 {
            first = (size, resident);
        } else if round > 1 {
            ensure!(size < first.0 + first.0 / 4 + (1 << 20), "round {round}: the image grew from {} to {size} bytes", first.0);
            ensure!(resident < first.1 + first.1 / 4 + 4096, "round {round}: memory grew from {} to {resident} kB", first.1);
        }
    }
    pod.write("w/go", "")?;
    eventually("a result", || pod.read("w/result").ends_with('\n'))?;
    let result = pod.read("w/result");
    ensure!(result == "PASS\n", "{result}");
    Ok(())
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

#[test]
fn many_rounds_under_kernel_names() {
    endure(Names::Kernel, User::Root).unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn many_rounds_under_shim_names() {
    endure(Names::Shim, User::Root).unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn many_rounds_of_an_unprivileged_user() {
    endure(Names::Kernel, User::Unprivileged).unwrap_or_else(|error| panic!("{error:#}"));
}
