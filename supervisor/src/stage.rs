//! Where an engine, or a supervisor that starts one, can be had to stop itself (SIGSTOP), so that tests can kill what they like at every stage of a checkpoint or a
//! restart. The file `stop-at` in the pod's runtime directory, which only its owner can write, names a stage or the number of
//! a ptrace(2) call. With the file `foreign-vdso` there, a restart acts as on a kernel with another vdso. Only in builds with debug assertions; in others all of this is nothing.
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

#[derive(Debug)]
enum StopAt {
    Stage(String),
    Step(u64),
}

static STOP_AT: RwLock<Option<StopAt>> = RwLock::new(None);
static FOREIGN_VDSO: AtomicBool = AtomicBool::new(false);
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Reads what the pod with this runtime directory asks for.
pub(crate) fn load(runtime: &Path) {
    if !cfg!(debug_assertions) {
        return;
    }
    FOREIGN_VDSO.store(runtime.join("foreign-vdso").exists(), Ordering::Relaxed);
    let text = std::fs::read_to_string(runtime.join("stop-at")).ok();
    let stop_at = text.map(|text| text.trim().parse().map(StopAt::Step).unwrap_or(StopAt::Stage(text.trim().to_owned())));
    *STOP_AT.write().unwrap_or_else(PoisonError::into_inner) = stop_at;
}

/// Whether the vdso of an image counts as that of another kernel.
pub(crate) fn foreign_vdso() -> bool {
    FOREIGN_VDSO.load(Ordering::Relaxed)
}

/// We have come to the stage `name`.
pub(crate) fn reached(name: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    if matches!(&*STOP_AT.read().unwrap_or_else(PoisonError::into_inner), Some(StopAt::Stage(stage)) if stage == name) {
        stop();
    }
}

/// We are about to make a ptrace(2) call.
pub(crate) fn step() {
    if !cfg!(debug_assertions) {
        return;
    }
    if let Some(StopAt::Step(step)) = &*STOP_AT.read().unwrap_or_else(PoisonError::into_inner) {
        if STEPS.fetch_add(1, Ordering::Relaxed) + 1 == *step {
            stop();
        }
    }
}

fn stop() {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
}
