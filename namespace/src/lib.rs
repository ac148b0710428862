//! The pod's namespace: id types and the table that maps virtual names to host names.
//!
//! The table is one file per pod, mapped shared by every process of the pod (through the shim), by the pod's supervisor
//! and by the engine. A virtual name is what a program sees and what an image stores; a host name is what the kernel of
//! this host happens to use for the same object. See docs/names.md for the rules that the engine follows.
#![no_std]

#[cfg(test)]
extern crate std;

mod access;
mod create;
mod id;
mod ids;
mod ipc;
mod layout;
mod names;
mod path;
mod table;
mod terminals;

pub use access::{admit, admit_at};
pub use create::{Error, Settings};
pub use id::{HostId, VirtualId};
pub use ids::{Ids, Reservation};
pub use ipc::{HostIpc, Ipc, IpcKind, VirtualIpc};
pub use layout::{FILE_SIZE, MAGIC, VERSION};
pub use names::{Clock, POSIX_NAME_MAX, Text};
pub use path::{PathText, TABLE_FILE, default_table_path};
pub use table::{Table, Unreachable};
pub use terminals::{HostTerminal, VirtualTerminal};
