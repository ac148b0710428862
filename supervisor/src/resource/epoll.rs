//! epoll(7): a set of entries, each known to the kernel by open file description *and* descriptor number.
//!
//! The number may mean another file by now, or nothing: kcmp(2) with KCMP_EPOLL_TFD tells which description an entry watches. At restart
//! an entry is added by a call in a process that holds the set, under the right number, which is lent to the file for that
//! moment if it belongs to another.
//!
//! What /proc does not tell is whether an edge-triggered entry has been reported: asking (epoll_wait(2) without waiting) takes the
//! report away, and EPOLL_CTL_MOD brings it back. A one-shot entry that has fired is made to fire again before the others are added.
use super::descriptor::{InFlight, Seen, hand_over};
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::sys::events;
use crate::sys::process::{kcmp_epoll, own_pid};
use crate::tracee::Call;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub entries: Vec<Entry>,
    /// All zero where the program chose nothing.
    #[serde(default)]
    pub busy_poll: events::BusyPoll,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number under which the file was added.
    pub number: i32,
    /// The open file description that is watched.
    pub target: u32,
    pub events: u32,
    pub data: u64,
    /// Ready and not yet reported; `None` where it makes no difference or could not be found out.
    #[serde(default)]
    pub pending: Option<bool>,
}

const EDGE: u32 = libc::EPOLLET as u32;
const ONE_SHOT: u32 = libc::EPOLLONESHOT as u32;
/// EP_PRIVATE_BITS of the kernel: what is left of the events of a one-shot entry that has fired.
const PRIVATE: u32 = EDGE | ONE_SHOT | libc::EPOLLWAKEUP as u32 | libc::EPOLLEXCLUSIVE as u32;

impl Entry {
    fn disarmed(&self) -> bool {
        self.events & ONE_SHOT != 0 && self.events & !PRIVATE == 0
    }

    fn reports_once(&self) -> bool {
        self.events & (EDGE | ONE_SHOT) != 0 && !self.disarmed()
    }
}

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.label() == "anon_inode:[eventpoll]"
}

/// `5 events: 19 data: 5 pos:0 ino:3 sdev:10` (proc_pid_fdinfo(5)): number, events, data, inode, device.
pub(super) fn parse(line: &str) -> Option<(i32, u32, u64, u64, u64)> {
    let words = line.replace(':', ": ");
    let mut words = words.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    let mut fields = HashMap::new();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        fields.insert(key.trim_end_matches(':').to_string(), value);
    }
    let hex = |key: &str| u64::from_str_radix(fields.get(key)?, 16).ok();
    let device = hex("sdev").unwrap_or(0);
    let device = nix::sys::stat::makedev(device >> 20, device & 0xf_ffff);
    Some((number, hex("events")? as u32, hex("data")?, hex("ino").unwrap_or(0), device))
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Record> {
    let mut entries = Vec::new();
    let mut times: HashMap<i32, u32> = HashMap::new();
    let me = own_pid();
    for line in seen.info.all("tfd") {
        let Some((number, events, data, inode, device)) = parse(line) else {
            return Err(Error::Inconsistent(format!("unexpected line in /proc about {}: {line}", seen.title())));
        };
        let nth = times.entry(number).or_default();
        let is_target = |id: u32| {
            let fd = flight.fd(id).map(|fd| fd.as_raw_fd());
            fd.is_some_and(|fd| kcmp_epoll(me, fd, me, seen.fd.as_raw_fd(), number as u32, *nth).unwrap_or(false))
        };
        let held = seen.holders.iter().filter_map(|holder| flight.held(holder.vpid, number));
        let target = held.chain(flight.with_inode(device, inode)).find(|id| is_target(*id));
        let Some(target) = target else {
            return Err(seen.refuse(
                format!("it watches a file, added as descriptor {number}, that no process of the pod has open any more"),
                "let the program close the set first",
            ));
        };
        *nth += 1;
        entries.push(Entry { number, target, events, data, pending: None });
    }
    find_pending(seen, cx, flight, &mut entries)?;
    // older kernels have no such thing
    Ok(Record { entries, busy_poll: events::busy_poll(seen.fd.as_fd()).unwrap_or_default() })
}

/// Finds out which entries that report once have something to report, and leaves them as they are.
fn find_pending(seen: &Seen, cx: &mut Capture, flight: &InFlight<'_>, entries: &mut [Entry]) -> Result<()> {
    if !entries.iter().any(|entry| entry.reports_once()) {
        return Ok(());
    }
    // every such entry must be within reach of a process, to be armed again
    let reach = |entry: &Entry| {
        let held = seen.holders.iter().find(|holder| flight.held(holder.vpid, entry.number) == Some(entry.target));
        held.map(|holder| (holder.vpid, holder.fd))
    };
    let exclusive = libc::EPOLLEXCLUSIVE as u32;
    if entries.iter().any(|entry| entry.reports_once() && (reach(entry).is_none() || entry.events & exclusive != 0)) {
        return Ok(());
    }
    let doing = || format!("ask what is ready in {}", seen.title());
    let ready: HashSet<u64> = events::epoll_ready(seen.fd.as_fd(), entries.len()).doing(doing)?.into_iter().collect();
    for entry in entries.iter_mut().filter(|entry| entry.reports_once()) {
        let pending = ready.contains(&entry.data);
        entry.pending = Some(pending);
        if !pending {
            continue;
        }
        let (vpid, epoll) = reach(entry).expect("checked above");
        let Some(process) = cx.process_mut(vpid) else { continue };
        let event = process.write_data(0, &events::epoll_event(entry.events, entry.data))?;
        let operation = libc::EPOLL_CTL_MOD as u64;
        let mut calls = [Call::new(libc::SYS_epoll_ctl, [epoll as u64, operation, entry.number as u64, event])];
        process.batch(&mut calls)?;
        calls[0].result().doing(|| format!("arm descriptor {} in {} again", entry.number, seen.title()))?;
    }
    Ok(())
}

pub(super) fn open(record: &Record, id: u32, _: &mut Nascent) -> Result<OwnedFd> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| format!("make the epoll set of open file {id}"))?;
    if record.busy_poll != events::BusyPoll::default() {
        // a kernel without it, or too many packets for one without privilege: the set works as well
        let _ = events::set_busy_poll(epoll.0.as_fd(), record.busy_poll);
    }
    Ok(epoll.0)
}

pub(super) fn settle(record: &Record, id: u32, cx: &mut Nascent) -> Result<()> {
    let (spent, others): (Vec<&Entry>, Vec<&Entry>) = record.entries.iter().partition(|entry| entry.disarmed());
    spend(&spent, id, cx)?;
    control(&others, id, libc::EPOLL_CTL_ADD, |entry| entry.events, cx)?;
    if !others.iter().any(|entry| entry.pending == Some(false)) {
        return Ok(());
    }
    // adding reports what is ready once more; what had been reported before is taken away
    let doing = || format!("take old reports from the epoll set of open file {id}");
    let ready = events::epoll_ready(cx.descriptions.fd(id)?, record.entries.len()).doing(doing)?;
    let again = |entry: &&&Entry| entry.reports_once() && ready.contains(&entry.data);
    let again: Vec<&Entry> = others.iter().filter(|entry| again(entry) && entry.pending != Some(false)).copied().collect();
    control(&again, id, libc::EPOLL_CTL_MOD, |entry| entry.events, cx)
}

/// Adds entries whose one shot has been fired. If nothing makes them fire again they stay armed for errors, which cannot be
/// turned off for an entry that has not fired.
fn spend(entries: &[&Entry], id: u32, cx: &mut Nascent) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let anything = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP) as u32;
    control(entries, id, libc::EPOLL_CTL_ADD, |entry| entry.events | anything, cx)?;
    let doing = || format!("fire the one-shot entries of open file {id}");
    let fired = events::epoll_ready(cx.descriptions.fd(id)?, entries.len()).doing(doing)?;
    let armed: Vec<&Entry> = entries.iter().filter(|entry| !fired.contains(&entry.data)).copied().collect();
    control(&armed, id, libc::EPOLL_CTL_MOD, |entry| entry.events, cx)
}

/// A process that holds the set, with its number there, preferably one where `number` means the target.
fn place(cx: &Nascent, id: u32, entry: &Entry) -> (Option<(Vpid, i32)>, bool) {
    let holders = cx.descriptions.holders(id);
    let means = |vpid: Vpid| cx.descriptions.holders(entry.target).contains(&(vpid, entry.number));
    match holders.iter().find(|(vpid, _)| means(*vpid)) {
        Some(holder) => (Some(*holder), true),
        None => (holders.first().copied(), false),
    }
}

/// epoll_ctl(2) for many entries.
fn control(entries: &[&Entry], id: u32, operation: i32, events_of: impl Fn(&Entry) -> u32, cx: &mut Nascent) -> Result<()> {
    const AT_ONCE: usize = 4096;
    let mut direct: HashMap<(Vpid, i32), Vec<&Entry>> = HashMap::new();
    for entry in entries {
        match place(cx, id, entry) {
            (Some(holder), true) => direct.entry(holder).or_default().push(entry),
            (holder, _) => lend(entry, id, holder.map(|(vpid, _)| vpid), operation, events_of(entry), cx)?,
        }
    }
    for ((vpid, epoll), entries) in direct {
        let process = cx.process_mut(vpid)?;
        for entries in entries.chunks(AT_ONCE) {
            let raw: Vec<u8> = entries.iter().flat_map(|entry| events::epoll_event(events_of(entry), entry.data)).collect();
            let address = process.write_data(0, &raw)?;
            let call = |(n, entry): (usize, &&Entry)| {
                let event = address + 12 * n as u64;
                Call::new(libc::SYS_epoll_ctl, [epoll as u64, operation as u64, entry.number as u64, event])
            };
            let mut calls: Vec<Call> = entries.iter().enumerate().map(call).collect();
            process.sequence("fill an epoll set", &mut calls)?;
        }
    }
    Ok(())
}

/// Gives the number of an entry to the watched file for the time of one epoll_ctl.
fn lend(entry: &Entry, id: u32, vpid: Option<Vpid>, operation: i32, events: u32, cx: &mut Nascent) -> Result<()> {
    let number = entry.number as u64;
    let vpid = match vpid.or_else(|| cx.processes.first().map(|process| process.vpid)) {
        Some(vpid) => vpid,
        None => return Err(Error::Inconsistent("an image with an epoll set has no process".into())),
    };
    let tables = &cx.descriptions.section().tables;
    let row = tables
        .iter()
        .find(|table| table.process == vpid)
        .and_then(|table| table.descriptors.iter().find(|row| row.fd == entry.number).map(|row| row.close_on_exec));
    let sender = cx.channel_sender()?;
    let Nascent { processes, descriptions, .. } = cx;
    let process = processes.iter_mut().find(|process| process.vpid == vpid);
    let process = process.ok_or_else(|| Error::Inconsistent(format!("process {vpid} holds an epoll set but is not there")))?;
    let fds = [descriptions.fd(entry.target)?, descriptions.fd(id)?];
    let arrived = hand_over(process, sender.as_fd(), &fds)?;
    let what = "add a file to an epoll set";
    // out of the way of the number
    let mut moved = [0u64; 2];
    for (slot, at) in moved.iter_mut().zip(&arrived) {
        *slot = process.call(what, libc::SYS_fcntl, [*at as u64, libc::F_DUPFD_CLOEXEC as u64, number + 1])? as u64;
        process.call(what, libc::SYS_close, [*at as u64])?;
    }
    let in_use = row.or((process.channel == entry.number).then_some(true));
    let saved = match in_use {
        Some(_) => Some(process.call(what, libc::SYS_fcntl, [number, libc::F_DUPFD_CLOEXEC as u64, number + 1])? as u64),
        None => None,
    };
    let event = process.write_data(0, &events::epoll_event(events, entry.data))?;
    let mut calls = vec![
        Call::new(libc::SYS_dup3, [moved[0], number, libc::O_CLOEXEC as u64]),
        Call::new(libc::SYS_epoll_ctl, [moved[1], operation as u64, number, event]),
    ];
    match saved {
        Some(saved) => {
            let flags = if in_use == Some(true) { libc::O_CLOEXEC } else { 0 };
            calls.push(Call::new(libc::SYS_dup3, [saved, number, flags as u64]));
            calls.push(Call::new(libc::SYS_close, [saved]));
        }
        None => calls.push(Call::new(libc::SYS_close, [number])),
    }
    calls.extend(moved.map(|at| Call::new(libc::SYS_close, [at])));
    process.sequence(what, &mut calls)
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::Description;
    use super::super::descriptor::tests::{capture_own, empty_capture, into_child};
    use super::*;

    #[test]
    fn lines_of_proc() {
        let device = nix::sys::stat::makedev(0, 15);
        assert_eq!(
            parse("8 events:       19 data: dead0000beef0001  pos:0 ino:11e871 sdev:f"),
            Some((8, 0x19, 0xdead_0000_beef_0001, 0x11e871, device))
        );
        assert_eq!(parse("x"), None);
    }

    #[test]
    fn entries_are_known_by_file_not_by_number() {
        let epoll = events_set();
        let (r, w) = nix::unistd::pipe().unwrap();
        let (other, _other_w) = nix::unistd::pipe().unwrap();
        let number = r.as_raw_fd();
        crate::sys::events::epoll_control(epoll.as_fd(), libc::EPOLL_CTL_ADD, r.as_fd(), libc::EPOLLIN as u32, 1).unwrap();
        let kept = r.try_clone().unwrap();
        // the number now means another file, which is added too
        drop(r);
        let moved = nix::unistd::dup(&other).unwrap();
        assert_eq!(moved.as_raw_fd(), number, "the lowest free number");
        crate::sys::events::epoll_control(epoll.as_fd(), libc::EPOLL_CTL_ADD, moved.as_fd(), libc::EPOLLPRI as u32, 2).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut cx = empty_capture(&directory.path().join("image"));
        let fds = [epoll.as_fd(), kept.as_fd(), w.as_fd(), moved.as_fd(), _other_w.as_fd()];
        let (ids, records) = capture_own(&mut cx, &fds).unwrap();
        let Description::Epoll(record) = &records[0].description else { panic!("an epoll set") };
        let target = |data: u64| record.entries.iter().find(|entry| entry.data == data).map(|entry| (entry.number, entry.target));
        assert_eq!(target(1), Some((number, ids[1])));
        assert_eq!(target(2), Some((number, ids[3])));
    }

    #[test]
    fn a_restored_set_watches_the_same_files() {
        let (set, outer) = (events_set(), events_set());
        let (r, w) = nix::unistd::pipe().unwrap();
        let (other, other_w) = nix::unistd::pipe().unwrap();
        let (spent, spent_w) = nix::unistd::pipe().unwrap();
        let add = |epoll: &OwnedFd, fd: &OwnedFd, events: i32, data| {
            crate::sys::events::epoll_control(epoll.as_fd(), libc::EPOLL_CTL_ADD, fd.as_fd(), events as u32, data).unwrap();
        };
        nix::unistd::write(&spent_w, b"x").unwrap();
        add(&set, &spent, libc::EPOLLIN | libc::EPOLLONESHOT, 3);
        assert_eq!(events::epoll_ready(set.as_fd(), 8).unwrap(), [3]);
        add(&set, &r, libc::EPOLLIN, 1);
        add(&outer, &set, libc::EPOLLIN, 9);
        let number = r.as_raw_fd();
        let kept = r.try_clone().unwrap();
        drop(r);
        let moved = nix::unistd::dup(&other).unwrap();
        assert_eq!(moved.as_raw_fd(), number, "the lowest free number");
        add(&set, &moved, libc::EPOLLIN, 2);
        let number_of = |fd: &OwnedFd| fd.as_raw_fd();
        let [set_n, outer_n, w_n, other_w_n] = [&set, &outer, &w, &other_w].map(number_of);
        let restored = into_child(vec![set, outer, kept, w, moved, other_w, spent, spent_w]);
        let ready = |n: i32| {
            let mut ready = events::epoll_ready(restored.fd(n).as_fd(), 8).unwrap();
            ready.sort_unstable();
            ready
        };
        assert_eq!((ready(set_n), ready(outer_n)), (vec![], vec![]));
        nix::unistd::write(restored.fd(w_n), b"a").unwrap();
        assert_eq!((ready(outer_n), ready(set_n)), (vec![9], vec![1]));
        nix::unistd::write(restored.fd(other_w_n), b"b").unwrap();
        assert_eq!(ready(set_n), [1, 2]);
        let lines: Vec<_> = restored.info(set_n).all("tfd").filter_map(parse).map(|line| (line.0, line.2)).collect();
        assert!(lines.contains(&(number, 1)) && lines.contains(&(number, 2)), "{lines:?}");
    }

    #[test]
    fn what_was_reported_is_not_reported_again() {
        let set = events_set();
        let pipes: Vec<_> = (0..4).map(|_| nix::unistd::pipe().unwrap()).collect();
        let kinds = [EDGE, EDGE, ONE_SHOT, 0];
        for ((data, (r, _)), kind) in (0u64..).zip(&pipes).zip(kinds) {
            let events = libc::EPOLLIN as u32 | kind;
            events::epoll_control(set.as_fd(), libc::EPOLL_CTL_ADD, r.as_fd(), events, data).unwrap();
        }
        nix::unistd::write(&pipes[0].1, b"reported").unwrap();
        assert_eq!(events::epoll_ready(set.as_fd(), 8).unwrap(), [0]);
        for (_, w) in &pipes[1..] {
            nix::unistd::write(w, b"not yet").unwrap();
        }
        let number = set.as_raw_fd();
        let fds = std::iter::once(set).chain(pipes.into_iter().flat_map(|(r, w)| [r, w])).collect();
        let restored = into_child(fds);
        let mut ready = events::epoll_ready(restored.fd(number).as_fd(), 8).unwrap();
        ready.sort_unstable();
        assert_eq!(ready, [1, 2, 3]);
        assert_eq!(events::epoll_ready(restored.fd(number).as_fd(), 8).unwrap(), [3]);
    }

    fn events_set() -> OwnedFd {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap().0
    }
}
