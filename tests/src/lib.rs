//! What AutoPod's suites share: running commands as several users, and the matrix of self-verifying programs.

pub mod command;
pub mod fuzz;
pub mod live;
pub mod matrix;
pub mod security;
pub mod source;
