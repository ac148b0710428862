//! libautopod_shim.so, preloaded into the programs of a pod: translates the names that they see into the host's.
//!
//! Outside of a pod (no AUTOPOD_POD in the environment) every hook does what the function it stands for would do.
//! ARCHITECTURE.md has the invariants: a hook never allocates, locks, panics or uses std's I/O. docs/names.md says what the
//! engine and the shim owe each other at a restart.

#![allow(unreachable_pub)]

mod cache;
mod environment;
mod hooks;
mod init;
mod procfs;
mod program;
mod sys;
mod terminals;
mod text;
mod translate;
