//! What AutoPod serves through FUSE: the view, a pod's file tree with the pod's rules.
pub mod keeper;
pub mod node;
pub mod rules;
#[allow(unsafe_code)]
pub mod sys;
pub mod view;
