//! A restart from beginning to end.
use crate::pod::engine::{PodSection, Progress, Report, RestartRequest, SectionRequest};

/// Why a pod could not be restarted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This build has no engine.
    #[error("cannot restart from {0}: this build of autopod cannot read images yet")]
    Missing(String),
}

/// What of the image has to be known before the pod's namespaces are made.
pub fn pod_section(request: &SectionRequest) -> Result<PodSection, Error> {
    Err(Error::Missing(request.image.display().to_string()))
}

/// Rebuilds the pod's processes.
pub fn run(request: &RestartRequest, _progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    Err(Error::Missing(request.image.display().to_string()))
}
