//! Descriptions that no image can hold: refused by name.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Nascent, Result};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// Never constructed: kinds in this file are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {}

/// (prefix of the link in /proc/PID/fd, what it is, way out)
const REFUSED: [(&str, &str, &str); 13] = [
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
    ("anon_inode:[landlock", "a Landlock rule set cannot be read back", "let the program close it first"),
    ("anon_inode:btf", "bpf objects belong to this kernel", "detach them first"),
    (
        "anon_inode:[fscontext]",
        "a file system that is being made (fsopen(2)) cannot be read back",
        "let the program finish first",
    ),
    (
        "/secretmem (deleted)",
        "secret memory (memfd_secret(2)) can be read by nobody but the program",
        "let the program close it first",
    ),
    ("/dmabuf:", "a buffer of a device belongs to this machine", "let the program close it first"),
    ("anon_inode:sync_file", "a fence of a device belongs to this machine", "let the program close it first"),
    ("anon_inode:seccomp notify", "a seccomp listener is tied to the tracing of another process", "stop the tracer first"),
];

fn entry(seen: &Seen) -> Option<&'static (&'static str, &'static str, &'static str)> {
    REFUSED.iter().find(|(prefix, ..)| seen.label().starts_with(prefix))
}

/// A descriptor of a namespace (namespaces(7)): `net:[4026531833]`.
fn is_namespace(seen: &Seen) -> bool {
    const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let kind = seen.label().split_once(":[").map_or("", |(kind, _)| kind);
    KINDS.iter().any(|known| kind.strip_suffix("_for_children").unwrap_or(kind) == *known)
}

/// A file of pressure stall information that is open for writing, as only triggers need it.
fn has_trigger(seen: &Seen) -> bool {
    let path = seen.label();
    let pressure = path.starts_with("/proc/pressure/") || path.starts_with("/sys/fs/cgroup/") && path.ends_with(".pressure");
    pressure && seen.status_flags() & libc::O_ACCMODE != libc::O_RDONLY
}

pub(super) fn recognise(seen: &Seen) -> bool {
    entry(seen).is_some() || is_namespace(seen) || has_trigger(seen)
}

pub(super) fn capture(seen: &Seen, _: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    Err(match entry(seen) {
        Some((_, reason, way_out)) => seen.refuse(*reason, *way_out),
        None if is_namespace(seen) => seen.refuse("a namespace belongs to this kernel", "let the program close it first"),
        None => seen.refuse(
            "a trigger for pressure that is written there cannot be read back",
            "let the program close it first, or open it for reading only",
        ),
    })
}

pub(super) fn open(record: &Record, _: u32, _: &mut Nascent) -> Result<OwnedFd> {
    match *record {}
}

pub(super) fn settle(record: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    match *record {}
}
