//! What supervisor and engine say to each other. The supervisor executes `autopod engine checkpoint|restart|section|changes`, one
//! process per operation, writes one JSON request to its standard input, and reads JSON lines: progress, then the outcome.
use super::namespaces::ClockOffsets;
use super::record::{Names, PodRecord};
use crate::image::Compression;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What to do about TCP connections whose other end is outside the pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tcp {
    /// Refuse the checkpoint.
    #[default]
    Refuse,
    /// After a restart the program sees a reset.
    Close,
}

/// A checkpoint to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckpointRequest {
    /// The pod.
    pub record: PodRecord,
    /// Its runtime directory.
    pub runtime_dir: PathBuf,
    /// Its init, by its id on the host.
    pub init_pid: i32,
    /// The image to write; an absolute path.
    pub image: PathBuf,
    /// Whether the pod shall run on; else all its processes are killed once the image is on disk.
    pub leave_running: bool,
    /// How to store page runs.
    pub compress: Compression,
    /// What to do about connections to the outside.
    pub tcp: Tcp,
    /// The key file; the user's default one if none.
    pub key: Option<PathBuf>,
    /// What programs have changed in the pod's tree, if that is kept.
    #[serde(default)]
    pub changes: Option<Changes>,
}

/// Where the changes to a pod's tree are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Changes {
    /// The directory that has them.
    pub upper: PathBuf,
    /// The checkpoint, told apart from all others.
    pub stamp: String,
}

/// A restart to make, into a pod whose init runs and has no child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RestartRequest {
    /// The pod as it shall be: under its name and names here, else as in the image.
    pub record: PodRecord,
    /// Who realizes the names: as in `record`.
    pub names: Names,
    /// The pod's runtime directory.
    pub runtime_dir: PathBuf,
    /// Its init, by its id on the host.
    pub init_pid: i32,
    /// Where init takes requests: [`super::init_client::InitClient`].
    pub init_socket: PathBuf,
    /// What the pod's clocks are ahead of the host's. Under kernel names init's namespace has them already.
    pub clocks: ClockOffsets,
    /// The image; an absolute path.
    pub image: PathBuf,
    /// The key file; the user's default one if none.
    pub key: Option<PathBuf>,
}

/// Where to read a pod section.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SectionRequest {
    /// The image; an absolute path.
    pub image: PathBuf,
    /// The key file; the user's default one if none.
    pub key: Option<PathBuf>,
}

/// Changes to a pod's tree to be made again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangesRequest {
    /// The pod.
    pub name: String,
    /// The pod's runtime directory.
    pub runtime_dir: PathBuf,
    /// The image; an absolute path.
    pub image: PathBuf,
    /// The key file; the user's default one if none.
    pub key: Option<PathBuf>,
}

/// What of an image has to be known before the pod's namespaces are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PodSection {
    /// The pod as it was checkpointed.
    pub record: PodRecord,
    /// Its CLOCK_MONOTONIC when it was stopped, in nanoseconds, as it saw it.
    pub monotonic: i64,
    /// Its CLOCK_BOOTTIME likewise.
    pub boottime: i64,
}

impl PodSection {
    /// The offsets with which the pod's clocks go on from where they stopped.
    pub fn offsets_now(&self) -> ClockOffsets {
        let now = |clock| nix::time::clock_gettime(clock).map(|t| t.tv_sec() * 1_000_000_000 + t.tv_nsec()).unwrap_or_default();
        ClockOffsets {
            monotonic: self.monotonic - now(nix::time::ClockId::CLOCK_MONOTONIC),
            boottime: self.boottime - now(nix::time::ClockId::CLOCK_BOOTTIME),
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, as a phrase: "writing memory".
    pub stage: String,
    /// How much of it is done.
    pub done: u64,
    /// Of how much; 0 if that cannot be told.
    pub total: u64,
}

/// What an operation did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The processes, by their ids in the pod.
    pub virtual_pids: Vec<i32>,
    /// Size of the image in bytes.
    pub bytes: u64,
    /// How long the whole took, in milliseconds.
    pub total_ms: f64,
    /// How long the pod was stopped for it, in milliseconds.
    pub stopped_ms: f64,
    /// What the user should know, one sentence each: connections that were closed, and the like.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One line of an engine's output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// More to come.
    Progress(Progress),
    /// Done.
    Done(Report),
    /// The pod section that was asked for.
    Section(Box<PodSection>),
    /// The changes to the tree are made, as they were at the checkpoint with this stamp; none where the image has no such thing.
    Changes(Option<String>),
    /// It could not be done: a sentence.
    Failed(String),
}
