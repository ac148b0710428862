//! AutoPod's supervisor: everything behind the binaries `autopod` and `autopod-run`.
//! ARCHITECTURE.md tells where things live and which invariants hold.
#![deny(unsafe_code)]

pub mod barrier;
pub mod checkpoint;
pub mod cli;
pub mod image;
pub mod needs;
pub mod pod;
pub mod proc;
pub mod quiesce;
pub mod resource;
pub mod restart;
mod stage;
pub mod sys;
pub mod tracee;
pub mod view;
pub mod walls;
