//! Attacks on the walls: static programs that use raw system calls, run in pods and, as a control, outside of any.
//!
//! Each pod and each control has a world of its own ([`world`]): pid, mount, ipc, uts and net namespaces that stand for the host, so that
//! an attack that succeeds harms nobody. In it live a victim, services and a neighbour pod; [`signs`] tell whether they were harmed.

pub mod attack;
pub mod campaign;
pub mod cell;
pub mod means;
pub mod poison;
pub mod report;
pub mod signs;
pub mod sys;
pub mod tables;
pub mod world;
