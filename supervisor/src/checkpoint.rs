//! A checkpoint from beginning to end.
use crate::pod::engine::{CheckpointRequest, Progress, Report};

/// Why a pod could not be checkpointed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This build has no engine.
    #[error("cannot checkpoint pod \"{0}\": this build of autopod cannot make images yet")]
    Missing(String),
}

/// Makes the image.
pub fn run(request: &CheckpointRequest, _progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    Err(Error::Missing(request.record.name.clone()))
}
