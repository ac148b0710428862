//! The matrix: every self-verifying program in every mode, under both ways of realizing names, as root and unprivileged.

pub mod case;
pub mod occupy;
pub mod program;
pub mod report;
pub mod run;
