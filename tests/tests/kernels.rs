//! Pods that move between two kernels: the short form of `scripts/campaign-kernels`. Build the binaries first (`cargo build --workspace`).

use std::path::Path;
use std::process::Command;

/// Made on each, restarted on each. Without a command that boots kernels this fails: it was asked for.
#[test]
#[ignore = "boots a virtual machine, which takes minutes: `scripts/test --kernels` with VMRUN set (scripts/campaign-kernels)"]
fn pods_move_between_two_kernels() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exe = std::env::current_exe().unwrap();
    let built = exe.ancestors().skip(1).find(|dir| dir.join("autopod").is_file()).expect("run cargo build --workspace first");
    assert!(std::env::var_os("VMRUN").is_some(), "not run: VMRUN names no command that boots a kernel with this machine's files");
    let qemu = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join("qemu-system-x86_64").exists());
    assert!(qemu, "not run: qemu is not installed (apt-get install qemu-system-x86)");
    let mut campaign = Command::new(here.join("../scripts/campaign-kernels"));
    let output = campaign.arg("--short").env("AUTOPOD_BINARIES", built).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains(" passed, 0 failed"), "{told}");
}
