//! Contexts of asynchronous input and output (io_setup(2)).
//!
//! A context is known by the address of its ring, a mapping named `/[aio]` that holds completed events. It cannot be made at a
//! given address, but follows its ring when that is moved with mremap(2). Completed events that were not yet collected come back by letting
//! as many writes to /dev/null complete, and writing the recorded events over theirs. Requests complete without the program's
//! help, so those under way when it was stopped are given a moment.
use super::descriptor::hand_over;
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::sys::process::{Kcmp, kcmp};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub process: Vpid,
    pub address: u64,
    pub len: u64,
    /// struct io_event of each completed request, oldest first
    #[serde(with = "serde_bytes")]
    pub events: Vec<u8>,
}

/// struct aio_ring of the kernel: id, nr, head, tail, magic, two feature words, header length; then the events.
const HEADER: u64 = 32;
const EVENT: u64 = 32;
const MAGIC: u32 = 0xa10a_10a1;
const PAGE: u64 = 4096;

pub(super) fn is_ring(label: &str) -> bool {
    label.starts_with("/[aio]")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ring {
    size: u32,
    head: u32,
    tail: u32,
}

impl Ring {
    fn parse(header: &[u8; HEADER as usize]) -> Option<Ring> {
        let word = |n: usize| u32::from_le_bytes(header[4 * n..4 * n + 4].try_into().expect("four bytes"));
        let ring = Ring { size: word(1), head: word(2), tail: word(3) };
        (word(4) == MAGIC && ring.size > 0 && ring.head <= ring.size && ring.tail <= ring.size).then_some(ring)
    }

    /// Indexes of the events that wait to be collected.
    fn waiting(self) -> impl Iterator<Item = u32> {
        let count = (self.tail + self.size - self.head) % self.size;
        (0..count).map(move |n| (self.head + n) % self.size)
    }
}

/// The smallest number of requests for which io_setup makes a ring of this length, where there are few processors.
fn requests(len: u64) -> u64 {
    // twice as many events as requests, and two; a page holds 128, the first one less
    let fewer = (len / PAGE).saturating_sub(1) * 128;
    if fewer == 0 { 1 } else { (fewer - 1 - 2) / 2 + 1 }
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for (index, process) in cx.processes.iter().enumerate().filter(|(_, process)| !process.zombie) {
        let shared = |other: &super::CapturedProcess| {
            !other.zombie && kcmp(other.handle, process.handle, Kcmp::Vm, 0, 0).is_ok_and(|order| order.is_eq())
        };
        if !process.maps.iter().any(|map| is_ring(map.label())) || cx.processes[..index].iter().any(shared) {
            continue;
        }
        // what a disk was doing when the pod stopped is done soon
        std::thread::sleep(std::time::Duration::from_millis(20));
        for map in process.maps.iter().filter(|map| is_ring(map.label())) {
            let mut header = [0u8; HEADER as usize];
            process.read(map.start, &mut header)?;
            let ring = Ring::parse(&header).ok_or_else(|| Error::Refused {
                object: format!("the asynchronous I/O context at {:#x} of {}", map.start, process.title()),
                reason: "its ring has a form that AutoPod does not know".into(),
                way_out: "run the program without asynchronous I/O".into(),
            })?;
            let mut events = Vec::new();
            for index in ring.waiting() {
                let mut event = [0u8; EVENT as usize];
                process.read(map.start + HEADER + EVENT * u64::from(index), &mut event)?;
                events.extend_from_slice(&event);
            }
            records.push(Record { process: process.vpid, address: map.start, len: map.len(), events });
        }
    }
    cx.section("aio", &records)
}

/// Makes the contexts. The memory must be mapped, and nothing where the rings go.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let records: Vec<Record> = cx.section("aio")?;
    restore_all(&records, cx)
}

fn restore_all(records: &[Record], cx: &mut Nascent) -> Result<()> {
    // so that the kernel does not choose the place of one ring for another
    for record in records {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let arguments = [record.address, record.len, libc::PROT_NONE as u64, flags as u64, u64::MAX, 0];
        cx.process_mut(record.process)?.call("keep room in the memory", libc::SYS_mmap, arguments)?;
    }
    for record in records {
        let context = make(record, cx)?;
        let process = cx.process_mut(record.process)?;
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let arguments = [context, record.len, record.len, flags as u64, record.address];
        process.call("move an asynchronous I/O ring", libc::SYS_mremap, arguments)?;
        fill(record, cx)?;
    }
    Ok(())
}

fn make(record: &Record, cx: &mut Nascent) -> Result<u64> {
    let process = cx.process_mut(record.process)?;
    let at = process.write_data(0, &[0; 8])?;
    process.call("make an asynchronous I/O context", libc::SYS_io_setup, [requests(record.len), at])?;
    let mut context = [0u8; 8];
    process.read_data(0, &mut context)?;
    let context = u64::from_le_bytes(context);
    let mut header = [0u8; HEADER as usize];
    crate::sys::memory::read(process.pid, context, &mut header).doing(|| "read a new asynchronous I/O ring".into())?;
    let len = Ring::parse(&header).map(|ring| (u64::from(ring.size) * EVENT + HEADER).next_multiple_of(PAGE));
    if len != Some(record.len) {
        return Err(Error::NotHere(format!(
            "an asynchronous I/O ring of process {} has {} bytes here instead of {}, because of the number of processors",
            record.process,
            len.unwrap_or(0),
            record.len
        )));
    }
    Ok(context)
}

/// Lets as many requests complete as were not collected, and replaces what they left in the ring.
fn fill(record: &Record, cx: &mut Nascent) -> Result<()> {
    const AT_ONCE: u64 = 1024;
    let count = record.events.len() as u64 / EVENT;
    if count == 0 {
        return Ok(());
    }
    let flags = nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CLOEXEC;
    let null = nix::fcntl::open("/dev/null", flags, Mode::empty()).doing(|| "open /dev/null".into())?;
    let sender = cx.channel_sender()?;
    let process = cx.process_mut(record.process)?;
    let null = hand_over(process, sender.as_fd(), &[null.as_fd()])?[0];
    let what = "complete a request of asynchronous I/O";
    let mut left = count;
    while left > 0 {
        let batch = left.min(AT_ONCE);
        // struct iocb of io_submit(2): a write of no bytes, named by all pointers that follow
        let request = process.injector.data(0);
        let mut raw = vec![0u8; 64];
        raw[16..18].copy_from_slice(&1u16.to_le_bytes());
        raw[20..24].copy_from_slice(&null.to_le_bytes());
        raw[24..32].copy_from_slice(&request.to_le_bytes());
        (0..batch).for_each(|_| raw.extend_from_slice(&request.to_le_bytes()));
        process.write_data(0, &raw)?;
        let done = process.call(what, libc::SYS_io_submit, [record.address, batch, request + 64])?;
        if done <= 0 {
            return Err(Error::Inconsistent(format!("{count} events wait in an asynchronous I/O ring of {} bytes", record.len)));
        }
        left -= done as u64;
    }
    process.call(what, libc::SYS_close, [null as u64])?;
    crate::sys::memory::write(process.pid, record.address + HEADER, &record.events)
        .doing(|| format!("write the asynchronous I/O events of process {}", record.process))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(size: u32, head: u32, tail: u32) -> [u8; 32] {
        let mut header = [0; 32];
        for (n, word) in [0, size, head, tail, MAGIC].into_iter().enumerate() {
            header[4 * n..4 * n + 4].copy_from_slice(&u32::to_le_bytes(word));
        }
        header
    }

    #[test]
    fn waiting_events_may_wrap_around() {
        let waiting = |header: [u8; 32]| Ring::parse(&header).map(|ring| ring.waiting().collect::<Vec<_>>());
        assert_eq!(waiting(header(127, 125, 1)), Some(vec![125, 126, 0]));
        assert_eq!(waiting(header(127, 3, 3)), Some(vec![]));
        assert_eq!(waiting(header(127, 300, 3)), None);
        assert_eq!(waiting([0; 32]), None);
    }

    #[test]
    fn the_smallest_request_for_a_length() {
        // io_setup: twice the requests and two events, behind a header of one event's size
        let len = |requests: u64| ((requests * 2 + 2) * EVENT + HEADER).next_multiple_of(PAGE);
        for pages in 1..200 {
            let least = requests(pages * PAGE);
            assert_eq!(len(least), pages * PAGE);
            assert!(least == 1 || len(least - 1) < pages * PAGE);
        }
    }

    #[test]
    fn events_wait_in_a_restored_ring() {
        use super::super::descriptor::tests::into_child;
        let mut restored = into_child(Vec::new());
        let len = 3 * PAGE;
        let maps = restored.cx.proc.maps(restored.cx.processes[0].pid).unwrap();
        let address = crate::tracee::find_hole(maps.iter().map(|map| (map.start, map.end)), len).unwrap();
        let events: Vec<u8> = (0..2 * EVENT as u8).collect();
        let record = Record { process: 2, address, len, events: events.clone() };
        restore_all(&[record], &mut restored.cx).unwrap();
        let process = &mut restored.cx.processes[0];
        let at = process.write_data(0, &[0u8; 16]).unwrap();
        let got = process.call("collect", libc::SYS_io_getevents, [address, 0, 10, at + 64, at]).unwrap();
        assert_eq!(got, 2);
        let mut found = [0u8; 2 * EVENT as usize];
        process.read_data(64, &mut found).unwrap();
        assert_eq!(found.to_vec(), events);
    }
}
