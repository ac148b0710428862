//! POSIX message queues (mq_overview(7)): attributes, messages with their priorities and order, and who is to be notified.
//!
//! The kernel shows nobody the messages of a queue but who takes them: they are taken out while the pod stands still, and put back in
//! the same order. Whom it notifies can be read, but not with what value: the notification is made to happen, its signal taken
//! from the queue of the stopped process, and the registration renewed.
use super::descriptor::{InFlight, Seen};
use super::{Capture, Context, Error, Nascent, Result, Vpid, file_object, sysv};
use crate::image::RunRef;
use crate::proc::c_string;
use crate::sys::ipc::{self, QueueAttributes};
use crate::tracee::Call;
use autopod_namespace::Table;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor on a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Index in the section "mqueues".
    pub queue: u32,
    pub flags: i32,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Without the slash; `None` when it was unlinked.
    pub name: Option<String>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub max_messages: i64,
    pub message_size: i64,
    /// In the order in which they will be received.
    pub messages: Vec<(u32, RunRef)>,
    pub notify: Option<Notify>,
}

/// A registration of mq_notify(3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    pub process: Vpid,
    /// A descriptor of the process on the queue.
    pub fd: i32,
    /// SIGEV_SIGNAL or SIGEV_NONE
    pub how: i32,
    pub signal: i32,
    pub value: u64,
}

/// The file system of message queues.
const MQUEUE_MAGIC: i64 = 0x1980_0202;
const SECTION: &str = "mqueues";
/// What the engine holds open of each queue during a restart.
const HELD: &str = "message queues";

/// Queues found so far.
#[derive(Default)]
struct Found {
    by_inode: HashMap<u64, u32>,
    queues: Vec<Queue>,
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.kind() == libc::S_IFREG
        && seen.status_flags() & libc::O_PATH == 0
        && nix::sys::statfs::fstatfs(&seen.fd).is_ok_and(|fs| fs.filesystem_type().0 == MQUEUE_MAGIC)
}

/// Records the queues that have a name. Under the shim's names, without the privilege to list the host's, these are recorded when a
/// descriptor of the pod is on them.
pub fn capture_named(cx: &mut Capture) -> Result<()> {
    let Ok(mount) = ipc::mq_mount() else { return Ok(()) };
    for host in ipc::mq_names().doing(|| "list the message queues".to_string())? {
        let Some(name) = own_name(cx, &host)? else { continue };
        let doing = || format!("open the message queue /{name}");
        let fd = openat(&mount, host.as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).doing(doing)?;
        queue(cx, fd, Some(name))?;
    }
    Ok(())
}

/// The pod's name for a queue, if it is one of the pod's.
fn own_name(cx: &mut Capture, host: &str) -> Result<Option<String>> {
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    Ok(match table {
        Some(table) => table.virtual_posix_name(host.as_bytes()).map(|name| String::from_utf8_lossy(name).into_owned()),
        None => Some(host.into()),
    })
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let flags = seen.status_flags();
    let known = cx.remembered::<Found>(SECTION).by_inode.get(&seen.stat.st_ino).copied();
    let queue = match known {
        Some(queue) => queue,
        None => {
            let label = seen.label();
            let name = match label.strip_prefix('/').filter(|_| !label.ends_with(" (deleted)")) {
                Some(host) => Some(own_name(cx, host)?.ok_or_else(|| Error::Refused {
                    object: seen.title(),
                    reason: "the message queue is not one of the pod's".into(),
                    way_out: "let the program close it first".into(),
                })?),
                None => None,
            };
            let path = file_object::own_fd(seen.fd.as_fd());
            let fd = cx.proc.open_file(&path, OFlag::O_RDWR).doing(|| format!("open {} for reading", seen.title()))?;
            queue(cx, fd, name)?
        }
    };
    Ok(Record { queue, flags })
}

/// Writes the section; every descriptor must have been captured.
pub fn conclude(cx: &mut Capture) -> Result<()> {
    let queues = std::mem::take(&mut cx.remembered::<Found>(SECTION).queues);
    cx.section(SECTION, &queues)
}

fn queue(cx: &mut Capture, fd: OwnedFd, name: Option<String>) -> Result<u32> {
    let title = format!("the message queue /{}", name.as_deref().unwrap_or("(unlinked)"));
    let doing = || format!("read {title}");
    let stat = fstat(&fd).doing(doing)?;
    let attributes = ipc::mq_attributes(fd.as_fd()).doing(doing)?;
    let registered = registration(cx, &fd, &title)?;
    let mut taken = Vec::new();
    let mut buffer = vec![0u8; attributes.message_size.max(1) as usize];
    while let Some((len, priority)) = ipc::mq_receive(fd.as_fd(), &mut buffer).doing(doing)? {
        taken.push((priority, buffer[..len].to_vec()));
    }
    let notify = registered.map(|registered| learn(cx, fd.as_fd(), registered, &title)).transpose();
    let back = taken.iter().try_for_each(|(priority, message)| ipc::mq_send(fd.as_fd(), message, *priority));
    back.doing(|| format!("put the messages back into {title}"))?;
    if let Some(notify) = notify.as_ref().ok().and_then(Option::as_ref) {
        // the message that went in first used it up
        let process = cx.process_mut(notify.process).ok_or_else(|| Error::Inconsistent(format!("{title} notifies nobody")))?;
        let at = process.write_data(0, &sigevent(notify))?;
        process.batch(&mut [
            Call::new(libc::SYS_mq_notify, [notify.fd as u64, 0]),
            Call::new(libc::SYS_mq_notify, [notify.fd as u64, at]),
        ])?;
    }
    let notify = notify?;
    let mut messages = Vec::new();
    for (priority, message) in &taken {
        messages.push((*priority, cx.blob(message)?));
    }
    let queue = Queue {
        name,
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
        max_messages: attributes.max_messages,
        message_size: attributes.message_size,
        messages,
        notify,
    };
    let found = cx.remembered::<Found>(SECTION);
    let index = found.queues.len() as u32;
    found.queues.push(queue);
    found.by_inode.insert(stat.st_ino, index);
    Ok(index)
}

/// Who is to be notified, with what signal, as the kernel tells by the queue's file; the value is missing.
fn registration(cx: &mut Capture, fd: &OwnedFd, title: &str) -> Result<Option<Notify>> {
    let mut text = [0u8; 128];
    let n = nix::sys::uio::pread(fd, &mut text, 0).doing(|| format!("read the state of {title}"))?;
    let text = String::from_utf8_lossy(&text[..n]).into_owned();
    let field = |name: &str| -> i32 {
        let value = text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)).unwrap_or("0");
        value.parse().unwrap_or(0)
    };
    let host = field("NOTIFY_PID:");
    if host == 0 {
        return Ok(None);
    }
    let (how, signal) = (field("NOTIFY:"), field("SIGNO:"));
    let process = cx.virtual_id(host);
    let refuse = |reason: &str| Error::Refused {
        object: format!("the notification of {title}"),
        reason: reason.into(),
        way_out: "let the program take it back (mq_notify with NULL) first".into(),
    };
    if !matches!(how, libc::SIGEV_SIGNAL | libc::SIGEV_NONE) {
        return Err(refuse("it starts a thread (SIGEV_THREAD), through a socket that only the C library knows"));
    }
    let inode = fstat(fd).doing(|| format!("stat {title}"))?.st_ino;
    let Some(owner) = cx.process(process) else { return Err(refuse("its process is not of the pod")) };
    let numbers =
        cx.proc.numbers(&format!("{}/fd", owner.handle)).doing(|| format!("list the descriptors of {}", owner.title()))?;
    let on_it = |fd: &i32| {
        crate::sys::process::pidfd_getfd(owner.pidfd.as_fd(), *fd)
            .is_ok_and(|fd| fstat(&fd).is_ok_and(|stat| stat.st_ino == inode && is_queue(fd.as_fd())))
    };
    let Some(fd) = numbers.into_iter().find(on_it) else { return Err(refuse("its process has no descriptor on it")) };
    let pending = owner.tasks.first().map_or(0, |task| task.status.shared_pending);
    if how == libc::SIGEV_SIGNAL && pending & (1 << (signal - 1)) != 0 {
        return Err(refuse("its signal is pending, too, so that its value cannot be learned"));
    }
    Ok(Some(Notify { process, fd, how, signal, value: 0 }))
}

fn is_queue(fd: BorrowedFd<'_>) -> bool {
    nix::sys::statfs::fstatfs(fd).is_ok_and(|fs| fs.filesystem_type().0 == MQUEUE_MAGIC)
}

/// Makes the notification of an empty queue happen, and takes its value from the signal.
fn learn(cx: &mut Capture, fd: BorrowedFd<'_>, mut notify: Notify, title: &str) -> Result<Notify> {
    let doing = || format!("learn whom {title} notifies");
    ipc::mq_send(fd, b"", 0).doing(doing)?;
    ipc::mq_receive(fd, &mut vec![0; ipc::mq_attributes(fd).doing(doing)?.message_size.max(1) as usize]).doing(doing)?;
    if notify.how == libc::SIGEV_NONE {
        return Ok(notify);
    }
    let process = cx.process_mut(notify.process).ok_or_else(|| Error::Inconsistent(format!("{title} notifies nobody")))?;
    let set = process.write_data(0, &(1u64 << (notify.signal - 1)).to_le_bytes())?;
    let now = process.write_data(16, &[0; 16])?;
    let mut calls = [Call::new(libc::SYS_rt_sigtimedwait, [set, set + 64, now, 8])];
    process.batch(&mut calls)?;
    calls[0].result().doing(doing)?;
    let mut info = [0u8; 128];
    process.read_data(64, &mut info)?;
    notify.value = u64::from_le_bytes(info[24..32].try_into().expect("eight bytes"));
    Ok(notify)
}

/// struct sigevent.
fn sigevent(notify: &Notify) -> [u8; 64] {
    let mut event = [0u8; 64];
    event[..8].copy_from_slice(&notify.value.to_le_bytes());
    event[8..12].copy_from_slice(&notify.signal.to_le_bytes());
    event[12..16].copy_from_slice(&notify.how.to_le_bytes());
    event
}

/// Makes the queues, full as they were. To be called before descriptors are opened.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let queues: Vec<Queue> = cx.section(SECTION)?;
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let mut held = Vec::new();
    for (index, queue) in queues.iter().enumerate() {
        held.push(make(cx, table, index, queue)?);
    }
    cx.stash.insert(HELD.into(), Box::new(held));
    Ok(())
}

fn make(cx: &Nascent, table: Option<Table>, index: usize, queue: &Queue) -> Result<OwnedFd> {
    let name = queue.name.clone().unwrap_or_else(|| format!("autopod-unlinked-{}-{index}", cx.pod_name));
    let doing = || format!("make the message queue /{name}");
    let host = match table {
        Some(table) => table.host_posix_name(name.as_bytes()).map(|host| host.as_bytes().to_vec()),
        None => Some(name.as_bytes().to_vec()),
    };
    let host = host.ok_or_else(|| Error::NotHere(format!("the name of the message queue /{name} is too long here")))?;
    let c_name = c_string(&host).doing(doing)?;
    let attributes = QueueAttributes::new(queue.max_messages, queue.message_size);
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let made = ipc::mq_open(&c_name, flags, 0o600, Some(&attributes)).or_else(|error| {
        if error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error);
        }
        // beyond the limits of this ipc namespace, which may be raised by who owns it
        for (limit, value) in [("msg_max", queue.max_messages), ("msgsize_max", queue.message_size)] {
            let path = format!("sys/fs/mqueue/{limit}");
            let now = cx.proc.read_text(&path).ok().and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(i64::MAX);
            if now < value {
                cx.proc.write(&path, value.to_string().as_bytes())?;
            }
        }
        ipc::mq_open(&c_name, flags, 0o600, Some(&attributes))
    });
    let fd = made.doing(doing)?;
    if queue.name.is_none() {
        ipc::mq_unlink(&c_name).doing(doing)?;
    }
    match fchown(&fd, Some(Uid::from_raw(queue.owner.0)), Some(Gid::from_raw(queue.owner.1))) {
        // without privilege all is ours
        Ok(()) | Err(nix::errno::Errno::EPERM | nix::errno::Errno::EINVAL) => {}
        Err(errno) => return Err(errno).doing(doing),
    }
    fchmod(&fd, Mode::from_bits_truncate(queue.mode)).doing(doing)?;
    for (priority, message) in &queue.messages {
        ipc::mq_send(fd.as_fd(), &cx.blob(message)?, *priority).doing(|| format!("fill the message queue /{name}"))?;
    }
    Ok(fd)
}

pub(super) fn open(record: &Record, _: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let held = cx.stash.get(HELD).and_then(|any| any.downcast_ref::<Vec<OwnedFd>>());
    let Some(fd) = held.and_then(|held| held.get(record.queue as usize)) else {
        return Err(Error::Inconsistent(format!("message queue {} is used but not in the image", record.queue)));
    };
    let path = file_object::own_fd(fd.as_fd());
    let flags = OFlag::from_bits_retain(record.flags & !libc::O_ASYNC);
    cx.proc.open_file(&path, flags).doing(|| format!("open message queue {}", record.queue))
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}

/// Registers for notification again. Processes must have their descriptors.
pub fn finish(cx: &mut Nascent) -> Result<()> {
    let queues: Vec<Queue> = cx.section(SECTION)?;
    for notify in queues.iter().filter_map(|queue| queue.notify.as_ref()) {
        let process = cx.process_mut(notify.process)?;
        let at = process.write_data(0, &sigevent(notify))?;
        process.call("register for notification", libc::SYS_mq_notify, [notify.fd as u64, at])?;
    }
    Ok(())
}
