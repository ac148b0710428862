//! How descriptors of the engine get into the processes that it builds: sent over a socket pair (SCM_RIGHTS, unix(7)), of which each
//! process holds an end until the restart is finished, and moved there to their numbers.
use super::descriptor::{Descriptor, Table};
use super::{Context, Error, Nascent, NascentProcess, Result, Vpid, tree};
use crate::tracee::Call;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// At most this many descriptors travel in one message (SCM_MAX_FD).
const BATCH: usize = 253;

/// Gives a process, or a thread with a table of its own, the descriptors of a table at their numbers.
pub(super) fn install(cx: &mut Nascent, table: &Table) -> Result<()> {
    let sender = cx.channel_sender()?;
    let Nascent { processes, descriptions, .. } = cx;
    let process = processes
        .iter_mut()
        .find(|process| process.vpid == table.process)
        .ok_or_else(|| Error::Inconsistent(format!("a descriptor table for process {}, which is not there", table.process)))?;
    let mut rows: Vec<&Descriptor> = table.descriptors.iter().collect();
    rows.sort_unstable_by_key(|row| row.fd);
    empty(process, &rows)?;
    for rows in rows.chunks(BATCH) {
        let fds: Vec<_> = rows.iter().map(|row| descriptions.fd(row.description)).collect::<Result<_>>()?;
        let arrived = hand_over(process, sender.as_fd(), &fds)?;
        process.sequence("place the descriptors", &mut moves(rows, &arrived)?)?;
    }
    Ok(())
}

/// Where the socket is in the tables that threads have of their own: they got it with the copy of the process's.
type Channels = std::collections::HashMap<Vpid, i32>;
const CHANNELS: &str = "channels of threads";

/// Has a thread make the calls that its process's first task makes else. `files`: the thread whose table it uses, if not the process's.
pub(super) fn in_thread<T>(
    cx: &mut Nascent,
    vpid: Vpid,
    task: Vpid,
    files: Option<Vpid>,
    act: impl FnOnce(&mut Nascent) -> Result<T>,
) -> Result<T> {
    let known = files.map(|files| cx.remembered::<Channels>(CHANNELS).get(&files).copied().unwrap_or(tree::CHANNEL));
    let process = cx.process_mut(vpid)?;
    let index = process.tasks.iter().position(|(vtid, _)| *vtid == task);
    let index = index.ok_or_else(|| Error::Inconsistent(format!("task {task} is used, which is not there")))?;
    process.tasks.swap(0, index);
    let of_process = process.channel;
    process.channel = known.unwrap_or(of_process);
    let result = act(cx);
    let process = cx.process_mut(vpid)?;
    process.tasks.swap(0, index);
    if let Some(files) = files {
        let now = std::mem::replace(&mut process.channel, of_process);
        cx.remembered::<Channels>(CHANNELS).insert(files, now);
    }
    result
}

/// Nothing more is handed to threads.
pub(super) fn close_thread_channels(cx: &mut Nascent) -> Result<()> {
    let tables = cx.descriptions.section().tables.iter();
    let threads: Vec<(Vpid, Vpid)> = tables.filter_map(|table| Some((table.process, table.task?))).collect();
    for (vpid, task) in threads {
        in_thread(cx, vpid, task, Some(task), |cx| {
            let process = cx.process_mut(vpid)?;
            let channel = process.channel as u64;
            process.call("close the channel", libc::SYS_close, [channel]).map(drop)
        })?;
    }
    Ok(())
}

/// Closes everything but the socket, which is moved out of the way when the table needs its number.
fn empty(process: &mut NascentProcess, rows: &[&Descriptor]) -> Result<()> {
    let what = "empty the descriptor table";
    let channel = process.channel as u64;
    if channel > 0 {
        process.call(what, libc::SYS_close_range, [0, channel - 1, 0])?;
    }
    process.call(what, libc::SYS_close_range, [channel + 1, u64::from(u32::MAX), 0])?;
    let used = |number: i32| rows.binary_search_by_key(&number, |row| row.fd).is_ok();
    if !used(process.channel) {
        return Ok(());
    }
    let free = (0..).find(|number| !used(*number)).unwrap_or(i32::MAX);
    process.call(what, libc::SYS_dup3, [channel, free as u64, libc::O_CLOEXEC as u64])?;
    process.call(what, libc::SYS_close, [channel])?;
    process.channel = free;
    Ok(())
}

/// The calls that bring descriptors from where they arrived to their numbers. Rows are in ascending order, and descriptors arrive
/// at the lowest free numbers, so none arrives above its own: moved from the last to the first, none overwrites another.
fn moves(rows: &[&Descriptor], arrived: &[i32]) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(rows.len() * 2);
    let mut pending: std::collections::HashSet<i32> = arrived.iter().copied().collect();
    for (row, at) in rows.iter().zip(arrived).rev() {
        pending.remove(at);
        if pending.contains(&row.fd) {
            return Err(Error::Inconsistent(format!("descriptor {} is needed for two files at once", row.fd)));
        }
        let (from, to) = (*at as u64, row.fd as u64);
        if from == to {
            let flag = if row.close_on_exec { libc::FD_CLOEXEC } else { 0 };
            calls.push(Call::new(libc::SYS_fcntl, [to, libc::F_SETFD as u64, flag as u64]));
            continue;
        }
        let flags = if row.close_on_exec { libc::O_CLOEXEC } else { 0 };
        calls.push(Call::new(libc::SYS_dup3, [from, to, flags as u64]));
        calls.push(Call::new(libc::SYS_close, [from]));
    }
    Ok(calls)
}

/// Sends descriptors of the engine to a process under construction; gives their numbers there.
pub fn hand_over(process: &mut NascentProcess, sender: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> Result<Vec<i32>> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let raw: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let iov = [std::io::IoSlice::new(b"d")];
    sendmsg::<()>(sender.as_raw_fd(), &iov, &[ControlMessage::ScmRights(&raw)], MsgFlags::empty(), None)
        .doing(|| format!("hand {} descriptors to process {}", raw.len(), process.vpid))?;
    // struct msghdr, an iovec and the buffers, laid out in the data area
    let control_len = 16 + 4 * raw.len().next_multiple_of(2);
    let header = process.injector.data(0);
    let (iovec, byte, control) = (header + 64, header + 80, header + 128);
    let mut message = Vec::with_capacity(128);
    for word in [0u64, 0, iovec, 1, control, control_len as u64, 0, 0, byte, 1] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    process.write_data(0, &message)?;
    let channel = process.channel as u64;
    process.call("receive the descriptors", libc::SYS_recvmsg, [channel, header, 0])?;
    let mut received = vec![0u8; control_len];
    process.read_data(128, &mut received)?;
    let numbers: Vec<i32> = received[16..16 + 4 * raw.len()]
        .chunks_exact(4)
        .map(|word| i32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect();
    let cmsg_len = u64::from_le_bytes(received[..8].try_into().expect("eight bytes"));
    if cmsg_len != 16 + 4 * raw.len() as u64 {
        return Err(Error::NotHere(format!(
            "process {} could not take {} descriptors: its limit of open files (RLIMIT_NOFILE) is too low here",
            process.vpid,
            raw.len()
        )));
    }
    Ok(numbers)
}
