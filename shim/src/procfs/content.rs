//! The contents of files of /proc in the pod's names: a copy in a memfd, which reads like the file.

use autopod_namespace::{Clock, HostId, HostIpc, IpcKind, PathText, Table};

use super::path::Content;
use crate::sys::call::call;
use crate::sys::scratch::Scratch;
use crate::terminals;
use crate::text::leading_number;
use crate::translate;

const NANOSECONDS_PER_TICK: i64 = 10_000_000;

/// Where translated text goes: through a buffer into the memfd.
pub struct Out<'a> {
    fd: i32,
    buffer: &'a mut [u8],
    used: usize,
}

impl Out<'_> {
    fn put(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.used == self.buffer.len() {
                self.flush();
            }
            let part = rest.len().min(self.buffer.len() - self.used);
            self.buffer[self.used..self.used + part].copy_from_slice(&rest[..part]);
            self.used += part;
            rest = &rest[part..];
        }
    }

    fn flush(&mut self) {
        if self.fd >= 0 {
            // SAFETY: writes our own bytes. A memfd takes them all, or the program sees a short file.
            unsafe { call!(libc::SYS_write, self.fd, self.buffer.as_ptr(), self.used) };
            self.used = 0;
        }
    }

    /// `number` in place of a field that was `width` wide, right-aligned, and never glued to what is before it.
    fn field(&mut self, number: i64, width: usize) {
        let mut text = PathText::new();
        if number < 0 {
            text.push(b"-");
        }
        text.push_number(number.unsigned_abs());
        let spaces = width.saturating_sub(text.as_bytes().len()).max(usize::from(width > 0));
        for _ in 0..spaces.min(64) {
            self.put(b" ");
        }
        self.put(text.as_bytes());
    }
}

/// Replaces the descriptor of a file of /proc by a translated copy, under the same number. The copy of what cannot be
/// made is the original.
pub fn replace(table: Table, kind: Content, fd: i32, flags: i32) {
    let cloexec = if flags & libc::O_CLOEXEC != 0 { libc::MFD_CLOEXEC } else { 0 };
    const HALF: usize = 64 << 10;
    let Some(mut scratch) = Scratch::new(2 * HALF) else { return };
    // SAFETY: plain system calls on our own memory and descriptors.
    unsafe {
        let copy = call!(libc::SYS_memfd_create, c"autopod".as_ptr(), cloexec) as i32;
        if copy < 0 {
            return;
        }
        let (input, output) = scratch.bytes().split_at_mut(HALF);
        let mut out = Out { fd: copy, buffer: output, used: 0 };
        stream(table, kind, fd, input, &mut out);
        out.flush();
        call!(libc::SYS_lseek, copy, 0, libc::SEEK_SET);
        call!(libc::SYS_dup3, copy, fd, flags & libc::O_CLOEXEC);
        call!(libc::SYS_close, copy);
    }
}

/// Reads `fd` to its end and translates it piece by piece: by lines, or words where a line may be long.
fn stream(table: Table, kind: Content, fd: i32, input: &mut [u8], out: &mut Out<'_>) {
    let end = if kind == Content::Children { b' ' } else { b'\n' };
    let mut filled = 0;
    let mut first = true;
    loop {
        // SAFETY: reads into our own buffer.
        let read = unsafe { call!(libc::SYS_read, fd, input[filled..].as_mut_ptr(), input.len() - filled) };
        let last = read <= 0;
        filled += read.max(0) as usize;
        // A process's name may hold a newline, so stat is one piece; it fits many times.
        if kind == Content::Stat && !last && filled < input.len() {
            continue;
        }
        let mut done = 0;
        while done < filled {
            let rest = &input[done..filled];
            let whole = kind != Content::Stat;
            let len = match rest.iter().position(|c| *c == end).filter(|_| whole) {
                Some(at) => at + 1,
                None if last || filled == input.len() && done == 0 || !whole => rest.len(),
                None => break,
            };
            piece(table, kind, &rest[..len], first, out);
            first = false;
            done += len;
        }
        input.copy_within(done..filled, 0);
        filled -= done;
        if last {
            return;
        }
    }
}

/// Translates one line (or word). `first`: the file's first.
pub fn piece(table: Table, kind: Content, line: &[u8], first: bool, out: &mut Out<'_>) {
    let id = |number: i64| i64::from(translate::back(table, number as i32));
    match kind {
        Content::Stat => stat(table, line, out),
        Content::Status => {
            let label = line.split(|c| *c == b':').next().unwrap_or(b"");
            let names = matches!(label, b"Tgid" | b"Pid" | b"PPid" | b"TracerPid" | b"NStgid" | b"NSpid" | b"NSpgid" | b"NSsid");
            fields(line, out, |at, number| (names && at == 1).then(|| id(number)));
        }
        Content::Children => fields(line, out, |_, number| Some(own(table, number))),
        Content::FdInfo if line.starts_with(b"Pid:") || line.starts_with(b"NSpid:") => {
            fields(line, out, |at, number| (at == 1).then(|| id(number)));
        }
        // "lock:\t1: POSIX  ADVISORY  WRITE 4711 fd:00:1234 0 EOF"
        Content::FdInfo if line.starts_with(b"lock:") => fields(line, out, |at, number| (at == 5).then(|| id(number))),
        Content::FdInfo => out.put(line),
        // "1: POSIX  ADVISORY  WRITE 4711 fd:00:1234 0 EOF"; one that waits has "->" behind its number.
        Content::Locks => {
            let at = if words(line).nth(1) == Some(b"->") { 5 } else { 4 };
            let holder = words(line).nth(at).map_or(0, leading_number);
            if id(holder) != 0 {
                fields(line, out, |field, number| (field == at).then(|| id(number)));
            }
        }
        // "name (4711, #threads: 1)"
        Content::Sched if first => match line.windows(2).rposition(|pair| pair == b" (") {
            Some(at) => {
                out.put(&line[..at + 2]);
                out.field(id(leading_number(&line[at + 2..])), 0);
                let digits = line[at + 2..].iter().take_while(|c| c.is_ascii_digit()).count();
                out.put(&line[at + 2 + digits..]);
            }
            None => out.put(line),
        },
        Content::Sched => out.put(line),
        // "notify: signal/pid.4711"
        Content::Timers => match line.iter().position(|c| *c == b'.').filter(|_| line.starts_with(b"notify:")) {
            Some(at) => {
                out.put(&line[..=at]);
                out.field(id(leading_number(&line[at + 1..])), 0);
                out.put(b"\n");
            }
            None => out.put(line),
        },
        Content::Uptime => {
            let offset = table.clock_offset(Clock::Boottime) / NANOSECONDS_PER_TICK;
            let mut parts = words(line).next().unwrap_or(b"0.00").split(|c| *c == b'.');
            let (seconds, hundredths) = (parts.next().map_or(0, leading_number), parts.next().map_or(0, leading_number));
            let up = (seconds * 100 + hundredths + offset).max(0);
            out.field(up / 100, 0);
            out.put(b".");
            out.put(&[b'0' + (up / 10 % 10) as u8, b'0' + (up % 10) as u8]);
            out.put(&line[words(line).next().map_or(0, <[u8]>::len)..]);
        }
        // The last field is the id that was given last.
        Content::LoadAverage => fields(line, out, |at, _| (at == 4).then(|| i64::from(table.next_id()) - 1)),
        Content::SysvShm => sysv(table, IpcKind::Shm, line, first, &[4, 5], out),
        Content::SysvSem => sysv(table, IpcKind::Sem, line, first, &[], out),
        Content::SysvMsg => sysv(table, IpcKind::Msg, line, first, &[5, 6], out),
        Content::Hostname => name(&table.hostname(), out),
        Content::Domainname => name(&table.domainname(), out),
    }
}

fn name(text: &PathText, out: &mut Out<'_>) {
    out.put(text.as_bytes());
    out.put(b"\n");
}

fn own(table: Table, host: i64) -> i64 {
    HostId::new(host as i32).and_then(|host| table.virtual_for(host)).map_or(0, |id| id.raw().into())
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n')
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|c| is_space(*c)).filter(|word| !word.is_empty())
}

/// Copies a line, replacing the fields for which `new` has a number.
fn fields(line: &[u8], out: &mut Out<'_>, new: impl Fn(usize, i64) -> Option<i64>) {
    let mut rest = line;
    let mut at = 0;
    while !rest.is_empty() {
        let gap = rest.iter().take_while(|c| is_space(**c)).count();
        let word = rest[gap..].iter().take_while(|c| !is_space(**c)).count();
        let field = &rest[gap..gap + word];
        match new(at, leading_number(field)).filter(|_| word > 0) {
            // One space or tab separates; more are padding.
            Some(number) => {
                let spaces = rest[..gap].iter().rev().take_while(|c| **c == b' ').count();
                let padding = if spaces > 1 { spaces } else { 0 };
                out.put(&rest[..gap - padding]);
                out.field(number, if padding > 0 { padding + word } else { 0 });
            }
            None => out.put(&rest[..gap + word]),
        }
        at += usize::from(word > 0);
        rest = &rest[gap + word..];
    }
}

/// proc_pid_stat(5): "4711 (name) S ppid pgrp session tty tpgid ... starttime ...".
fn stat(table: Table, line: &[u8], out: &mut Out<'_>) {
    let Some(end) = line.iter().rposition(|c| *c == b')') else { return out.put(line) };
    let name = line.iter().position(|c| *c == b' ').unwrap_or(0);
    let id = |number: i64| i64::from(translate::back(table, number as i32));
    out.field(id(leading_number(line)), 0);
    out.put(&line[name..=end]);
    let ticks = table.clock_offset(Clock::Boottime) / NANOSECONDS_PER_TICK;
    fields(&line[end + 1..], out, |at, number| match at {
        1..=3 | 5 => Some(id(number)),
        4 if number != 0 => Some(terminals::short_device(table, number as u32) as i32 as i64),
        19 => Some((number + ticks).max(0)),
        _ => None,
    });
}

/// A line of /proc/sysvipc: key, id, ..., with the ids of tasks at `tasks`. Only the pod's objects are there.
fn sysv(table: Table, kind: IpcKind, line: &[u8], first: bool, tasks: &[usize], out: &mut Out<'_>) {
    if first {
        return out.put(line);
    }
    let host = words(line).nth(1).map_or(-1, leading_number);
    let Some(id) = table.virtual_ipc(kind, HostIpc(host as i32)) else { return };
    let rest = line.iter().position(|c| !is_space(*c)).unwrap_or(0);
    let end = rest + line[rest..].iter().position(|c| is_space(*c)).unwrap_or(0);
    out.field(table.virtual_key(leading_number(&line[rest..]) as i32).into(), 10);
    fields(&line[end..], out, |at, number| match at + 1 {
        1 => Some(id.0.into()),
        at if tasks.contains(&at) => Some(translate::back(table, number as i32).into()),
        _ => None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use autopod_namespace::{HostTerminal, Settings, Unreachable, VirtualId, VirtualIpc, VirtualTerminal};

    fn table() -> Table {
        let path = format!("/tmp/autopod-content-{}-{:?}\0", std::process::id(), std::thread::current().id());
        let path = std::ffi::CStr::from_bytes_with_nul(path.as_bytes()).unwrap();
        let settings =
            Settings { pod_name: "t", pod_id: 1, hostname: b"pod-host", domainname: b"", unreachable: Unreachable::Refuse };
        let table = Table::create(path, &settings).unwrap();
        std::fs::remove_file(path.to_str().unwrap()).unwrap();
        table.insert(VirtualId::new(7).unwrap(), HostId::new(7000).unwrap());
        table.insert(VirtualId::new(123456).unwrap(), HostId::new(8).unwrap());
        table.insert_terminal(VirtualTerminal(2), HostTerminal(0));
        table
    }

    fn translated(table: Table, kind: Content, text: &str) -> String {
        let mut buffer = [0u8; 4096];
        let mut out = Out { fd: -1, buffer: &mut buffer, used: 0 };
        let mut first = true;
        let pieces: Vec<&str> = if kind == Content::Stat { vec![text] } else { text.split_inclusive('\n').collect() };
        for line in pieces {
            piece(table, kind, line.as_bytes(), first, &mut out);
            first = false;
        }
        let used = out.used;
        String::from_utf8(buffer[..used].to_vec()).unwrap()
    }

    #[test]
    fn every_kind_of_content_is_in_the_pods_names() {
        let table = table();
        table.set_clock_offset(Clock::Boottime, 100_000_000_000);
        table.set_next_id(VirtualId::new(500).unwrap());
        table.insert_ipc(IpcKind::Shm, VirtualIpc(5), HostIpc(32773));
        let cases = [
            (
                Content::Stat,
                "7000 (a (b) c\nd) S 8 7000 4711 34816 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 5000 9\n",
                "7 (a (b) c\nd) S 123456 7 0 34818 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 15000 9\n",
            ),
            (
                Content::Status,
                "Name:\tx\nPid:\t7000\nPPid:\t1\nNSpid:\t8\nVmPeak:\t    7000 kB\n",
                "Name:\tx\nPid:\t7\nPPid:\t0\nNSpid:\t123456\nVmPeak:\t    7000 kB\n",
            ),
            (
                Content::FdInfo,
                "pos:\t7000\nlock:\t1: POSIX  ADVISORY  WRITE 7000 00:1b:8 0 EOF\nPid:\t8\n",
                "pos:\t7000\nlock:\t1: POSIX  ADVISORY  WRITE 7 00:1b:8 0 EOF\nPid:\t123456\n",
            ),
            (
                Content::Locks,
                "1: POSIX  ADVISORY  WRITE 7000 00:1b:8 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 00:1b:8 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 8 00:1b:8 0 EOF\n",
                "1: POSIX  ADVISORY  WRITE 7 00:1b:8 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 123456 00:1b:8 0 EOF\n",
            ),
            (Content::Sched, "x (y (7000, #threads: 1)\nse.exec : 7000\n", "x (y (7, #threads: 1)\nse.exec : 7000\n"),
            (
                Content::Timers,
                "ID: 0\nsignal: 14/0\nnotify: signal/pid.7000\nClockID: 1\n",
                "ID: 0\nsignal: 14/0\nnotify: signal/pid.7\nClockID: 1\n",
            ),
            (Content::Uptime, "12.34 5.00\n", "112.34 5.00\n"),
            (Content::LoadAverage, "0.10 0.20 0.30 2/345 7000\n", "0.10 0.20 0.30 2/345 499\n"),
            (Content::Hostname, "host\n", "pod-host\n"),
        ];
        for (kind, host, pod) in cases {
            assert_eq!(translated(table, kind, host), pod);
        }
        let key = table.host_key(42);
        let line = format!(
            "       key      shmid perms  size  cpid  lpid\n{key:>11}      32773   600    64  7000     9\n  1  9 600 64 1 1\n"
        );
        assert_eq!(
            translated(table, Content::SysvShm, &line),
            "       key      shmid perms  size  cpid  lpid\n        42          5   600    64     7     0\n"
        );
    }
}
