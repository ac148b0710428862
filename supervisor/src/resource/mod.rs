//! One file per kind of resource. Each reads top to bottom: what it is and what the kernel remembers of it, its record, capture,
//! restore, tests.
//!
//! There are two families:
//! - **open file descriptions** ([`descriptor::Description`]): each kind has a record; `capture` looks at a duplicate of the
//!   descriptor in the engine, `open` makes a new one in the engine, `settle` finishes it when every process has its table;
//! - **everything else**, which has a section of its own in the manifest and functions `capture(&mut Capture)` and
//!   `restore(&mut Nascent)`, called by the stories `checkpoint` and `restart` in the order given there.
//!
//! Records hold virtual ids only.

pub mod aio;
pub mod attributes;
pub mod capture;
pub mod cgroup;
pub mod changes;
pub mod core_file;
pub mod credentials;
pub mod descriptor;
mod device;
mod epoll;
mod eventfd;
pub mod file_object;
mod ghost;
mod handover;
mod inet_socket;
mod inotify;
mod inotify_events;
pub mod keyring;
pub mod lock;
pub mod memory;
pub mod mount;
pub mod mqueue;
pub mod nascent;
pub mod nested;
mod netlink_socket;
mod other_socket;
mod pidfd;
mod pipe;
pub mod posix_shm;
mod proc_file;
pub mod process;
mod regular;
pub mod seccomp;
pub mod shim_link;
pub mod shim_names;
pub mod signal;
mod signalfd;
pub mod socket;
pub mod summary;
pub mod sysv;
pub mod sysv_msg;
pub mod sysv_sem;
pub mod sysv_shm;
pub mod task;
pub mod terminal;
mod terminal_flow;
pub mod thread;
pub mod timer;
mod timer_overrun;
mod timerfd;
#[cfg(test)]
mod transplant_tests;
pub mod tree;
mod unix_socket;
mod unsupported;
pub mod xstate;

pub use capture::{Capture, CapturedProcess, CapturedTask};
pub use nascent::{Nascent, NascentProcess};

use std::io;

/// Tries the parsers of /proc files that kinds of resources keep to themselves, so that they can be fuzzed. True if one took something for good.
#[doc(hidden)]
pub fn try_parsers(text: &str) -> bool {
    let mut good = mount::compare(text, text, text).is_ok() && text.contains(" - ");
    good |=
        !cgroup::parse(text).is_empty() | !cgroup::mounts(text, "").is_empty() | !cgroup::mounts(text, "cpu,cpuacct").is_empty();
    good |= credentials::is_mapped(text, 1000);
    good |= !inet_socket::multicast::parse_igmp(text).is_empty() | !inet_socket::multicast::parse_igmp6(text).is_empty();
    for line in text.lines() {
        let line = line.split_once(':').map_or(line, |(_, rest)| rest);
        good |= inotify::parse(line).is_some() | lock::parse(line).is_some() | epoll::parse(line).is_some();
    }
    good
}

/// A virtual process or task id: the only kind that an image holds.
pub type Vpid = u32;

/// Why something cannot be captured or restored. Every message is a sentence that names the object; `way_out` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{object} cannot be captured: {reason}; {way_out}")]
    Refused { object: String, reason: String, way_out: String },
    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("cannot {what}: {source}")]
    Tracee { what: String, source: crate::tracee::Error },
    #[error(transparent)]
    Image(#[from] crate::image::Error),
    #[error("the image is inconsistent: {0}")]
    Inconsistent(String),
    #[error("{0}")]
    NotHere(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when a call failed.
pub trait Context<T> {
    /// `what` completes "cannot ...".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Io { what: what(), source: errno.into() })
    }
}

impl<T> Context<T> for crate::tracee::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Tracee { what: what(), source })
    }
}
