//! A pod's life: where it keeps what, its init, its supervisor, and how programs are started in it.
//! ARCHITECTURE.md, "A pod's processes", draws the whole.

pub mod begin;
pub mod client;
mod connection;
pub mod control;
pub mod engine;
mod engine_run;
pub mod environment;
mod error;
pub mod id_range;
pub mod init;
pub mod init_client;
pub mod init_protocol;
pub mod members;
pub mod names_table;
pub mod namespaces;
mod outside;
pub mod paths;
pub mod processor;
pub mod program;
pub mod record;
pub mod registry;
mod requests;
mod running;
pub mod socket;
pub mod spawn;
mod supervisor;
pub mod terminals;
pub mod users;

pub use engine_run::run as run_engine;
pub use error::Error;
