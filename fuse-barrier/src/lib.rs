//! What AutoPod serves through FUSE: the view, a pod's file tree with the pod's rules; and the barrier, the directory that no pod can pass.
pub mod barrier;
pub mod keeper;
pub mod node;
pub mod pair;
pub mod rules;
#[allow(unsafe_code)]
pub mod sys;
pub mod view;
