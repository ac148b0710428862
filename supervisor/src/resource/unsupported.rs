//! Descriptions that no image can hold: refused by name.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Nascent, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// Never constructed: kinds in this file are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {}

/// (prefix of the link in /proc/PID/fd, what it is, way out)
const REFUSED: [(&str, &str, &str); 8] = [
    (
        "anon_inode:[io_uring]",
        "an io_uring has requests and buffers inside the kernel that cannot be read back",
        "disable io_uring in the program",
    ),
    ("anon_inode:[userfaultfd]", "a userfaultfd cannot be rebuilt", "let the program close it first"),
    ("anon_inode:[perf_event]", "performance counters belong to this machine", "stop profiling first"),
    ("anon_inode:bpf", "bpf objects belong to this kernel", "detach them first"),
    ("anon_inode:kvm", "a virtual machine's state is inside the kernel", "stop the virtual machine first"),
    ("anon_inode:[fanotify]", "fanotify watches the host's files", "stop the watcher first"),
    ("anon_inode:landlock", "a Landlock rule set cannot be read back", "let the program close it first"),
    ("anon_inode:seccomp notify", "a seccomp listener is tied to the tracing of another process", "stop the tracer first"),
];

fn entry(seen: &Seen) -> Option<&'static (&'static str, &'static str, &'static str)> {
    REFUSED.iter().find(|(prefix, ..)| seen.label().starts_with(prefix))
}

pub(super) fn recognise(seen: &Seen) -> bool {
    entry(seen).is_some()
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let (_, reason, way_out) = entry(seen).expect("capture is called for what was recognised");
    Err(seen.refuse(*reason, *way_out))
}

pub(super) fn open(record: &Record, _: u32, _: &mut Nascent) -> Result<OwnedFd> {
    match *record {}
}

pub(super) fn settle(record: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    match *record {}
}
