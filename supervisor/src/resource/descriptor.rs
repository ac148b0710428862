//! Descriptor tables and open file descriptions (open(2), "Open file descriptions").
//!
//! A description is recorded once, however many descriptors refer to it: kcmp(2) tells which are the same. Capture works on
//! duplicates (pidfd_getfd(2)); descriptors in flight in socket queues are found there and join the list. Restart opens every
//! description once in the engine and hands it to the processes over a socket pair (SCM_RIGHTS, unix(7)).
use super::{Capture, Context, Error, Nascent, Result, Vpid, handover, thread};
use crate::proc::FdInfo;
use crate::sys::files::{RawOwner, life_hint, set_life_hint, set_owner};
use crate::sys::process::{Kcmp, kcmp, own_pid, pidfd_getfd, pidfd_of_task};
use nix::sys::stat::FileStat;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub use super::handover::hand_over;

/// One row of a descriptor table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    pub fd: i32,
    pub close_on_exec: bool,
    pub description: u32,
}

/// The descriptor table of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub process: Vpid,
    /// The table is that of this process (CLONE_FILES).
    pub shared_with: Option<Vpid>,
    /// The table is that of this thread alone, not that of the process.
    #[serde(default)]
    pub task: Option<Vpid>,
    pub descriptors: Vec<Descriptor>,
}

/// Who holds a description: the process (host and virtual id, name) and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    pub vpid: Vpid,
    pub comm: String,
    pub fd: i32,
}

/// An open file description as a capture function sees it.
pub struct Seen {
    pub id: u32,
    /// A duplicate in the engine.
    pub fd: OwnedFd,
    pub stat: FileStat,
    /// As readlink of /proc/PID/fd/N gives it, within the pod's mount namespace.
    pub link: PathBuf,
    pub info: FdInfo,
    /// Empty for one that is only in flight in a socket's queue.
    pub holders: Vec<Holder>,
}

impl Seen {
    /// `descriptor 9 (pipe:[123]) of process 14 (nginx)`, for messages.
    pub fn title(&self) -> String {
        match self.holders.first() {
            Some(holder) => {
                format!("descriptor {} ({}) of process {} ({})", holder.fd, self.link.display(), holder.vpid, holder.comm)
            }
            None => format!("a descriptor in flight ({})", self.link.display()),
        }
    }

    pub fn label(&self) -> &str {
        self.link.to_str().unwrap_or("")
    }

    pub fn kind(&self) -> u32 {
        self.stat.st_mode & libc::S_IFMT
    }

    pub fn refuse(&self, reason: impl Into<String>, way_out: impl Into<String>) -> Error {
        Error::Refused { object: self.title(), reason: reason.into(), way_out: way_out.into() }
    }

    /// Status flags as fcntl(F_GETFL) gives them.
    pub fn status_flags(&self) -> i32 {
        self.info.flags & !libc::O_CLOEXEC
    }
}

/// Declares the list of kinds: the one place to extend when a kind is added. `recognise` functions are tried in this order.
macro_rules! kinds {
    ($($variant:ident => $module:ident),* $(,)?) => {
        /// The record of an open file description.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Description {
            $($variant(super::$module::Record),)*
        }

        fn capture_one(seen: &Seen, cx: &mut Capture, flight: &mut InFlight) -> Result<Description> {
            $(if super::$module::recognise(seen) {
                return super::$module::capture(seen, cx, flight).map(Description::$variant);
            })*
            Err(seen.refuse("it is of a kind that AutoPod does not know", "close it before the checkpoint"))
        }

        impl Description {
            /// Makes the description anew, as a descriptor of the engine.
            pub fn open(&self, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
                match self { $(Description::$variant(record) => super::$module::open(record, id, cx),)* }
            }

            /// What can be done only when every process has its descriptors.
            pub fn settle(&self, id: u32, cx: &mut Nascent) -> Result<()> {
                match self { $(Description::$variant(record) => super::$module::settle(record, id, cx),)* }
            }

            /// The kind, for `inspect`.
            pub fn kind(&self) -> &'static str {
                match self { $(Description::$variant(_) => stringify!($module),)* }
            }
        }
    };
}

kinds! {
    Unsupported => unsupported,
    UnixSocket => unix_socket,
    InetSocket => inet_socket,
    NetlinkSocket => netlink_socket,
    OtherSocket => other_socket,
    ProcFile => proc_file,
    Mqueue => mqueue,
    Regular => regular,
    Pipe => pipe,
    Eventfd => eventfd,
    Timerfd => timerfd,
    Signalfd => signalfd,
    Pidfd => pidfd,
    Inotify => inotify,
    Epoll => epoll,
    Terminal => terminal,
    // the last: what no other kind knows of devices is refused here
    Device => device,
}

/// Owner of the signals of a description (F_SETOWN_EX, F_SETSIG of fcntl(2)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP
    pub kind: i32,
    pub id: Vpid,
    pub signal: i32,
    /// Real and effective user of the process that set it.
    pub users: (u32, u32),
}

/// One description of the image, with what any kind may have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DescriptionRecord {
    pub id: u32,
    pub owner: Option<Owner>,
    /// O_ASYNC: the owner is told of input and output.
    #[serde(default)]
    pub asynchronous: bool,
    /// How long what is written is expected to live (F_SET_RW_HINT): of the file, forgotten when that is in nobody's memory.
    #[serde(default)]
    pub life_hint: u64,
    pub description: Description,
}

/// The section "descriptors".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    pub tables: Vec<Table>,
    pub descriptions: Vec<DescriptionRecord>,
}

/// Descriptors found in flight while a socket's queue was read.
pub struct InFlight<'a> {
    seen: &'a mut Vec<Seen>,
    order: &'a mut Vec<usize>,
    proc: crate::proc::Proc,
    pub sockets: &'a mut super::socket::Observed,
}

impl InFlight<'_> {
    /// The id of the description behind a descriptor that the engine received from a queue.
    pub fn describe(&mut self, fd: OwnedFd) -> Result<u32> {
        identify(self.seen, self.order, &self.proc, fd, None)
    }

    /// The id of the description that a process holds under a number, if it does.
    pub fn held(&self, vpid: Vpid, fd: i32) -> Option<u32> {
        self.seen.iter().find(|seen| seen.holders.iter().any(|h| h.vpid == vpid && h.fd == fd)).map(|seen| seen.id)
    }

    /// Whether the pod would not notice that a socket is replaced by another: one process has it, and no epoll set watches it.
    pub(crate) fn is_replaceable_socket(&self, inode: u64, cx: &Capture) -> bool {
        let watched = format!("ino:{inode:x} ");
        let Some(socket) = self.seen.iter().find(|s| s.kind() == libc::S_IFSOCK && s.stat.st_ino == inode) else { return false };
        let mut holders = socket.holders.iter();
        let can_be_asked = |vpid| cx.process(vpid).is_some_and(|process| process.injector.is_some());
        holders.next().is_some_and(|first| can_be_asked(first.vpid) && holders.all(|other| other.pid == first.pid))
            && !self.seen.iter().any(|s| s.info.all("tfd").any(|line| line.contains(&watched)))
    }

    /// The descriptions seen so far whose inode is this one (the other end of a pipe, say).
    pub fn with_inode(&self, device: u64, inode: u64) -> Vec<u32> {
        self.seen.iter().filter(|s| s.stat.st_dev == device && s.stat.st_ino == inode).map(|s| s.id).collect()
    }

    /// A duplicate of a description seen so far.
    pub fn fd(&self, id: u32) -> Option<BorrowedFd<'_>> {
        self.seen.get(id as usize).map(|seen| seen.fd.as_fd())
    }
}

/// Finds the description of `fd` among those seen (`order` is sorted by kcmp's order), or adds it.
fn identify(
    seen: &mut Vec<Seen>,
    order: &mut Vec<usize>,
    proc: &crate::proc::Proc,
    fd: OwnedFd,
    holder: Option<Holder>,
) -> Result<u32> {
    let me = own_pid();
    let mut failure = None;
    let place = order.binary_search_by(|index| {
        kcmp(me, me, Kcmp::File, seen[*index].fd.as_raw_fd() as u64, fd.as_raw_fd() as u64).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    });
    if let Some(source) = failure {
        return Err(Error::Io { what: "compare open files with kcmp(2)".into(), source });
    }
    match place {
        Ok(found) => {
            let id = order[found];
            seen[id].holders.extend(holder);
            Ok(id as u32)
        }
        Err(at) => {
            let id = seen.len();
            // what the holder's own /proc shows equals what ours shows: it is the description's
            let link = proc.read_link(&format!("{me}/fd/{}", fd.as_raw_fd())).doing(|| "read the name of an open file".into())?;
            let info = proc.fdinfo(me, fd.as_raw_fd()).doing(|| format!("read what the kernel tells of {}", link.display()))?;
            let stat = nix::sys::stat::fstat(&fd).doing(|| format!("stat {}", link.display()))?;
            let info = FdInfo { flags: info.flags & !libc::O_CLOEXEC, ..info };
            seen.push(Seen { id: id as u32, fd, stat, link, info, holders: holder.into_iter().collect() });
            order.insert(at, id);
            Ok(id as u32)
        }
    }
}

/// Captures every descriptor table and every description.
pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut seen = Vec::new();
    let mut order = Vec::new();
    let mut tables = Vec::new();
    for index in 0..cx.processes.len() {
        let process = &cx.processes[index];
        if process.zombie {
            continue;
        }
        let same_table = |other: &&super::CapturedProcess| {
            !other.zombie && kcmp(other.handle, process.handle, Kcmp::Files, 0, 0).is_ok_and(|order| order == Ordering::Equal)
        };
        if let Some(other) = cx.processes[..index].iter().find(same_table) {
            tables.push(Table { process: process.vpid, shared_with: Some(other.vpid), task: None, descriptors: Vec::new() });
            continue;
        }
        tables.push(capture_table(cx, process, None, &mut seen, &mut order)?);
    }
    // what only a thread has is in nobody's table; it comes last, so that a process counts as the holder where it can
    for process in cx.processes.iter().filter(|process| !process.zombie && process.tasks.len() > 1) {
        for own in thread::of(process).iter().filter(|own| own.unshares_files()) {
            tables.push(capture_table(cx, process, Some(own.task), &mut seen, &mut order)?);
        }
    }
    let section = describe(&mut seen, &mut order, tables, cx)?;
    cx.section("descriptors", &section)
}

/// The table of a process, or the one that a thread has of its own.
fn capture_table(
    cx: &Capture,
    process: &super::CapturedProcess,
    task: Option<Vpid>,
    seen: &mut Vec<Seen>,
    order: &mut Vec<usize>,
) -> Result<Table> {
    let mut table = Table { process: process.vpid, shared_with: None, task, descriptors: Vec::new() };
    let thread = process.tasks.iter().find(|other| Some(other.vtid) == task);
    let handle = thread.map_or(process.handle, |thread| thread.tid);
    let title = match task {
        Some(vtid) => format!("thread {vtid} of {}", process.title()),
        None => process.title(),
    };
    let of_thread = match task {
        Some(_) => {
            Some(pidfd_of_task(process.pid, handle).doing(|| format!("duplicate descriptors of {title} (needs Linux 6.9)"))?)
        }
        None => None,
    };
    let pidfd = of_thread.as_ref().unwrap_or(&process.pidfd);
    for fd in cx.proc.numbers(&format!("{handle}/fd")).doing(|| format!("list the descriptors of {title}"))? {
        let info = cx.proc.fdinfo(handle, fd).doing(|| format!("read descriptor {fd} of {title}"))?;
        let duplicate = pidfd_getfd(pidfd.as_fd(), fd).doing(|| format!("duplicate descriptor {fd} of {title}"))?;
        let comm = || process.leader().stat.comm.clone();
        let holder = task.is_none().then(|| Holder { pid: process.pid, vpid: process.vpid, comm: comm(), fd });
        let description = identify(seen, order, &cx.proc, duplicate, holder)?;
        table.descriptors.push(Descriptor { fd, close_on_exec: info.flags & libc::O_CLOEXEC != 0, description });
    }
    Ok(table)
}

/// Records every description seen, and those found in flight meanwhile.
///
/// Sockets come first: what is in flight in their queues may be the other end of a pipe, or watched by an epoll set.
fn describe(seen: &mut Vec<Seen>, order: &mut Vec<usize>, tables: Vec<Table>, cx: &mut Capture) -> Result<Section> {
    let mut records: Vec<Option<DescriptionRecord>> = Vec::new();
    let mut observed = super::socket::Observed::default();
    for sockets in [true, false] {
        let mut next = 0;
        while next < seen.len() {
            records.resize_with(seen.len(), || None);
            if records[next].is_none() && (seen[next].kind() == libc::S_IFSOCK || !sockets) {
                records[next] = Some(describe_one(next, seen, order, &mut observed, cx)?);
            }
            next += 1;
        }
    }
    let mut section = Section { tables, descriptions: records.into_iter().flatten().collect() };
    super::socket::conclude(&mut section, seen, observed, cx)?;
    Ok(section)
}

fn describe_one(
    index: usize,
    seen: &mut Vec<Seen>,
    order: &mut Vec<usize>,
    observed: &mut super::socket::Observed,
    cx: &mut Capture,
) -> Result<DescriptionRecord> {
    // a capture function may add descriptions found in flight, so it gets a copy of the one at hand
    let at_hand = copy(&seen[index]);
    let proc = crate::proc::Proc::duplicate(&cx.proc).doing(|| "duplicate /proc".into())?;
    let mut flight = InFlight { seen, order, proc, sockets: observed };
    let description = capture_one(&at_hand, cx, &mut flight)?;
    let owner = capture_owner(&at_hand, cx)?;
    super::lock::note(index as u32, &at_hand, cx)?;
    let asynchronous = at_hand.status_flags() & libc::O_ASYNC != 0;
    let life_hint = if at_hand.kind() == libc::S_IFREG { life_hint(at_hand.fd.as_fd()) } else { 0 };
    Ok(DescriptionRecord { id: index as u32, owner, asynchronous, life_hint, description })
}

fn copy(seen: &Seen) -> Seen {
    Seen {
        id: seen.id,
        fd: seen.fd.try_clone().expect("a descriptor of ours can be duplicated"),
        stat: seen.stat,
        link: seen.link.clone(),
        info: seen.info.clone(),
        holders: seen.holders.clone(),
    }
}

fn capture_owner(seen: &Seen, cx: &Capture) -> Result<Option<Owner>> {
    let Some(owner) = crate::sys::files::owner(seen.fd.as_fd()).doing(|| format!("read the signal owner of {}", seen.title()))?
    else {
        return Ok(None);
    };
    // a directory has nothing else to signal
    if seen.kind() == libc::S_IFDIR && owner.id != 0 {
        return Err(seen.refuse(
            "it watches the directory (F_NOTIFY of fcntl(2)), and the kernel does not tell for what",
            "let the program close it first, or use inotify(7)",
        ));
    }
    Ok(Some(Owner { id: cx.virtual_id(owner.id), kind: owner.kind, signal: owner.signal, users: owner.users }))
}

/// The descriptions of an image, and the engine's descriptors for those that are open by now.
#[derive(Default)]
pub struct Descriptions {
    section: Section,
    open: Vec<Option<OwnedFd>>,
}

impl Descriptions {
    pub fn new(section: Section) -> Result<Descriptions> {
        for (index, record) in section.descriptions.iter().enumerate() {
            if record.id as usize != index {
                return Err(Error::Inconsistent(format!("open file {} stands where {index} should", record.id)));
            }
        }
        let known = section.descriptions.len() as u32;
        for table in &section.tables {
            if let Some(bad) = table.descriptors.iter().find(|d| d.description >= known || d.fd < 0) {
                return Err(Error::Inconsistent(format!("descriptor {} of process {} refers to nothing", bad.fd, table.process)));
            }
        }
        let open = section.descriptions.iter().map(|_| None).collect();
        Ok(Descriptions { section, open })
    }

    pub fn section(&self) -> &Section {
        &self.section
    }

    pub fn record(&self, id: u32) -> Result<&Description> {
        let record = self.section.descriptions.get(id as usize);
        record.map(|r| &r.description).ok_or_else(|| Error::Inconsistent(format!("open file {id} is not in the image")))
    }

    pub fn is_open(&self, id: u32) -> bool {
        self.open.get(id as usize).is_some_and(Option::is_some)
    }

    pub fn set_open(&mut self, id: u32, fd: OwnedFd) {
        self.open[id as usize] = Some(fd);
    }

    pub fn fd(&self, id: u32) -> Result<BorrowedFd<'_>> {
        let fd = self.open.get(id as usize).and_then(Option::as_ref);
        fd.map(AsFd::as_fd).ok_or_else(|| Error::Inconsistent(format!("open file {id} is not open yet")))
    }

    /// A process that holds the description, and its number there.
    pub fn holder(&self, id: u32) -> Option<(Vpid, i32)> {
        self.section.tables.iter().filter(|table| table.task.is_none()).find_map(|table| {
            let row = table.descriptors.iter().find(|row| row.description == id)?;
            Some((table.process, row.fd))
        })
    }

    pub fn holders(&self, id: u32) -> Vec<(Vpid, i32)> {
        let tables = self.section.tables.iter().filter(|table| table.task.is_none());
        let rows = tables.flat_map(|t| t.descriptors.iter().map(move |row| (t.process, row)));
        rows.filter(|(_, row)| row.description == id).map(|(process, row)| (process, row.fd)).collect()
    }
}

/// Opens every description and gives every process its table.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    for id in 0..cx.descriptions.section().descriptions.len() as u32 {
        cx.description(id)?;
    }
    let tables = cx.descriptions.section().tables.clone();
    for table in tables.iter().filter(|table| table.shared_with.is_none()) {
        match table.task {
            Some(task) => handover::in_thread(cx, table.process, task, Some(task), |cx| handover::install(cx, table))?,
            None => handover::install(cx, table)?,
        }
    }
    Ok(())
}

/// Finishes what needs every table to be complete.
pub fn settle(cx: &mut Nascent) -> Result<()> {
    let mut records = cx.descriptions.section().descriptions.clone();
    // what others do while they settle must not be reported; epoll sets then find everything as it stays
    records.sort_by_key(|record| match record.description {
        Description::Epoll(_) => 2,
        Description::Inotify(_) => 1,
        _ => 0,
    });
    for record in &records {
        record.description.settle(record.id, cx)?;
        if let Some(owner) = &record.owner {
            restore_owner(cx, record.id, owner)?;
        }
        let fd = cx.descriptions.fd(record.id)?;
        if record.life_hint != 0 && life_hint(fd) != record.life_hint {
            // only the file's owner may, and only what is written later is the worse for it
            let _ = set_life_hint(fd, record.life_hint);
        }
        if record.asynchronous {
            restore_asynchronous(cx, record.id)?;
        }
    }
    Ok(())
}

fn restore_owner(cx: &mut Nascent, id: u32, owner: &Owner) -> Result<()> {
    let host = if owner.id == 0 { 0 } else { cx.host_ids.get(&owner.id).copied().unwrap_or(0) };
    let fd = cx.descriptions.fd(id)?;
    let raw = RawOwner { kind: owner.kind, id: host, signal: owner.signal, users: owner.users };
    set_owner(fd, raw).doing(|| format!("set the signal owner of open file {id}"))
}

/// Sets O_ASYNC in a holder: the signal's si_fd is the number used in this call.
fn restore_asynchronous(cx: &mut Nascent, id: u32) -> Result<()> {
    let fd = cx.descriptions.fd(id)?;
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).doing(|| format!("read the flags of open file {id}"))?;
    let Some((vpid, number)) = cx.descriptions.holder(id) else { return Ok(()) };
    let arguments = [number as u64, libc::F_SETFL as u64, (flags | libc::O_ASYNC) as u64];
    cx.process_mut(vpid)?.call("set O_ASYNC of a descriptor", libc::SYS_fcntl, arguments).map(drop)
}

#[cfg(test)]
#[path = "descriptor_tests.rs"]
pub(super) mod tests;
