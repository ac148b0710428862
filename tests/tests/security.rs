//! Attacks on the walls: see `tests/security` and `src/security`. Build the binaries first (`cargo build --workspace`).

use std::path::PathBuf;
use std::process::Command;

fn binary(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    dir.pop();
    let path = dir.join(name);
    assert!(path.exists(), "{} is missing; run `cargo build --workspace` first", path.display());
    path
}

/// Everything that `autopod-security` shows, in its words: which attack succeeded where, and how.
#[test]
fn every_attack_is_held_or_a_known_gap_and_succeeds_outside() {
    let output = Command::new(binary("autopod-security")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    assert!(said.contains("attacks: "), "{said}");
}
