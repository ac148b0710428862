//! Interval timers (setitimer(2)) and POSIX timers (timer_create(2)).
//!
//! A POSIX timer has an id that programs keep. /proc/PID/timers lists ids, clocks and whom they notify; values are asked inside the
//! process. Since Linux 6.16 PR_TIMER_CREATE_RESTORE_IDS creates a timer under a given id; before, ids are given out in order, so
//! timers are created and deleted until the right one comes.
use super::{Capture, Error, Nascent, Result, Vpid, timer_overrun};
use crate::tracee::Call;
use serde::{Deserialize, Serialize};

/// (interval, value) in seconds and fractions: struct itimerval or itimerspec.
pub type Setting = [i64; 4];

/// A POSIX timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PosixTimer {
    pub id: i32,
    pub clock: i32,
    pub signal: i32,
    /// sigval
    pub value: u64,
    /// SIGEV_ constants
    pub notify: i32,
    /// The task for SIGEV_THREAD_ID, else the process.
    pub target: Vpid,
    /// struct itimerspec; the value is what remained.
    pub setting: Setting,
    pub overrun: i32,
    /// Its signal waits to be taken, and stands for so many missed expirations beside one.
    pub pending: Option<i32>,
}

/// The timers of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerRecord {
    pub process: Vpid,
    /// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF: struct itimerval.
    pub interval: [Setting; 3],
    pub posix: Vec<PosixTimer>,
}

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for index in 0..cx.processes.len() {
        if cx.processes[index].zombie {
            continue;
        }
        let process = &cx.processes[index];
        let what = || format!("read the timers of {}", process.title());
        let listing = match cx.proc.read_text(&format!("{}/timers", process.handle)) {
            Ok(text) => text,
            // the kernel may be built without POSIX timers
            Err(error) if crate::proc::gone(&error) => String::new(),
            Err(source) => return Err(Error::Io { what: what(), source }),
        };
        let mut posix = parse_timers(&listing).ok_or_else(|| Error::Inconsistent(format!("/proc/{}/timers", process.handle)))?;
        for timer in &mut posix {
            timer.target = if cx.kernel_names { timer.target } else { cx.virtual_id(timer.target as i32) };
        }
        if cx.kernel_names {
            // /proc/PID/timers shows ids of the reader's pid namespace
            for timer in &mut posix {
                timer.target = cx.virtual_ids.get(&(timer.target as i32)).copied().unwrap_or(timer.target);
            }
        }
        let process = &mut cx.processes[index];
        if !posix.is_empty() {
            timer_overrun::capture(process, &mut posix)?;
        }
        if !cx.kernel_names {
            for timer in &mut posix {
                timer.clock = with_task(timer.clock, |task| cx.virtual_id(task) as i32);
            }
        }
        let process = &mut cx.processes[index];
        let at = process.write_data(0, &[])?;
        let mut calls: Vec<Call> = (0..3).map(|kind| Call::new(libc::SYS_getitimer, [kind, at + kind * 32])).collect();
        for (slot, timer) in posix.iter().enumerate() {
            calls.push(Call::new(libc::SYS_timer_gettime, [timer.id as u64, at + 96 + slot as u64 * 32]));
            calls.push(Call::new(libc::SYS_timer_getoverrun, [timer.id as u64]));
        }
        process.batch(&mut calls)?;
        let mut data = vec![0u8; 96 + posix.len() * 32];
        process.read_data(0, &mut data)?;
        let setting = |at: usize| -> Setting {
            std::array::from_fn(|n| i64::from_le_bytes(data[at + n * 8..at + n * 8 + 8].try_into().expect("eight bytes")))
        };
        for (slot, timer) in posix.iter_mut().enumerate() {
            timer.setting = setting(96 + slot * 32);
            timer.overrun = calls[4 + slot * 2].ret as i32;
        }
        records.push(TimerRecord { process: process.vpid, interval: [setting(0), setting(32), setting(64)], posix });
    }
    cx.section("timers", &records)
}

/// The processor clock of a task holds the task's id: `!task << 3 | kind` (clock_getcpuclockid(3), include/linux/posix-timers.h). 0 is
/// the caller, kind 3 a descriptor.
fn with_task(clock: i32, translate: impl FnOnce(i32) -> i32) -> i32 {
    match !(clock >> 3) {
        task if clock < 0 && clock & 3 != 3 && task != 0 => !translate(task) << 3 | clock & 7,
        _ => clock,
    }
}

/// A timer with the ids of here.
fn of_here(timer: &PosixTimer, cx: &Nascent) -> PosixTimer {
    let here = |id: Vpid| if cx.kernel_names { id as i32 } else { cx.host_ids.get(&id).copied().unwrap_or(0) };
    let (target, clock) = (here(timer.target) as Vpid, with_task(timer.clock, |task| here(task as Vpid)));
    PosixTimer { target, clock, ..timer.clone() }
}

/// Parses /proc/PID/timers (proc_pid_timers(5)).
pub fn parse_timers(text: &str) -> Option<Vec<PosixTimer>> {
    let mut timers: Vec<PosixTimer> = Vec::new();
    for line in text.lines() {
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        match key {
            "ID" => timers.push(PosixTimer {
                id: value.parse().ok()?,
                clock: 0,
                signal: 0,
                value: 0,
                notify: 0,
                target: 0,
                setting: [0; 4],
                overrun: 0,
                pending: None,
            }),
            "signal" => {
                let (signal, sigval) = value.split_once('/')?;
                let timer = timers.last_mut()?;
                timer.signal = signal.parse().ok()?;
                timer.value = u64::from_str_radix(sigval.trim_start_matches("0x"), 16).unwrap_or(0);
            }
            "notify" => {
                let (kind, target) = value.split_once('/')?;
                let timer = timers.last_mut()?;
                timer.notify = match kind {
                    "signal" => libc::SIGEV_SIGNAL,
                    "none" => libc::SIGEV_NONE,
                    "thread" => libc::SIGEV_THREAD,
                    _ => return None,
                };
                let (scope, id) = target.split_once('.')?;
                if scope == "tid" {
                    timer.notify |= libc::SIGEV_THREAD_ID;
                }
                timer.target = id.parse().ok()?;
            }
            "ClockID" => timers.last_mut()?.clock = value.parse().ok()?,
            _ => {}
        }
    }
    Some(timers)
}

/// Timers (process, id) that send the signal themselves that was in a queue.
pub(super) type Pending = std::collections::HashSet<(Vpid, i32)>;
pub(super) const PENDING: &str = "pending timers";

/// Creates the timers without starting them.
pub fn restore(records: &[TimerRecord], cx: &mut Nascent) -> Result<()> {
    for record in records.iter().filter(|record| !record.posix.is_empty()) {
        for timer in record.posix.iter().filter(|timer| timer.pending.is_some()) {
            cx.remembered::<Pending>(PENDING).insert((record.process, timer.id));
        }
        let timers: Vec<PosixTimer> = record.posix.iter().map(|timer| of_here(timer, cx)).collect();
        let process = cx.process_mut(record.process)?;
        let exact = process.call("ask for exact timer ids", libc::SYS_prctl, [77, 1]).is_ok();
        for timer in &timers {
            create(process, timer, exact)?;
        }
        if exact {
            process.call("end exact timer ids", libc::SYS_prctl, [77, 0])?;
        }
    }
    Ok(())
}

fn create(process: &mut super::NascentProcess, timer: &PosixTimer, exact: bool) -> Result<()> {
    let mut event = [0u8; 64];
    event[..8].copy_from_slice(&timer.value.to_le_bytes());
    event[8..12].copy_from_slice(&timer.signal.to_le_bytes());
    event[12..16].copy_from_slice(&timer.notify.to_le_bytes());
    event[16..20].copy_from_slice(&timer.target.to_le_bytes());
    for _ in 0..=timer.id as i64 + 1 {
        let event_at = process.write_data(0, &event)?;
        let id_at = process.write_data(64, &timer.id.to_le_bytes())?;
        process.call("create a timer", libc::SYS_timer_create, [timer.clock as u32 as u64, event_at, id_at])?;
        let mut id = [0; 4];
        process.read_data(64, &mut id)?;
        let id = i32::from_le_bytes(id);
        if id == timer.id {
            return Ok(());
        }
        process.call("delete a timer", libc::SYS_timer_delete, [id as u64])?;
        if exact || id > timer.id {
            break;
        }
    }
    Err(Error::NotHere(format!("the kernel gives process {} no timer with id {}", process.vpid, timer.id)))
}

/// Starts every timer with what remained of it.
pub fn start(records: &[TimerRecord], cx: &mut Nascent) -> Result<()> {
    for record in records {
        let timers: Vec<PosixTimer> = record.posix.iter().map(|timer| of_here(timer, cx)).collect();
        let process = cx.process_mut(record.process)?;
        let mut data = Vec::new();
        let mut calls = Vec::new();
        let base = process.write_data(0, &[])?;
        for (kind, setting) in record.interval.iter().enumerate().filter(|(_, setting)| **setting != [0; 4]) {
            calls.push(Call::new(libc::SYS_setitimer, [kind as u64, base + data.len() as u64, 0]));
            let mut setting = *setting;
            if setting[2] == 0 && setting[3] == 0 {
                // it had expired; its signal, still queued, would have started it again
                setting[3] = 1;
            }
            data.extend(setting.iter().flat_map(|word| word.to_le_bytes()));
        }
        for timer in timers.iter().filter(|timer| timer.setting != [0; 4] && timer.pending.is_none()) {
            calls.push(Call::new(libc::SYS_timer_settime, [timer.id as u64, 0, base + data.len() as u64, 0]));
            data.extend(timer.setting.iter().flat_map(|word| word.to_le_bytes()));
        }
        process.write_data(0, &data)?;
        process.sequence("start the timers", &mut calls)?;
        for timer in &timers {
            if let Some(overrun) = timer.pending {
                timer_overrun::restore(process, timer, overrun)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_tasks_hold_their_ids() {
        let clock = |task: i32| !task << 3 | 6;
        assert_eq!(with_task(clock(7), |task| task * 1000), clock(7000));
        assert_eq!(with_task(clock(0), |_| 5), clock(0));
        assert_eq!(with_task(libc::CLOCK_TAI, |_| 5), libc::CLOCK_TAI);
    }

    #[test]
    fn the_example_of_the_man_page() {
        let text = "ID: 1\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\nClockID: 0\nID: 0\nsignal: 60/00007fff86e452a8\nnotify: none/tid.2634\nClockID: 1\n";
        let timers = parse_timers(text).unwrap();
        assert_eq!((timers[0].id, timers[0].signal, timers[0].value), (1, 60, 0x7fff86e452a8));
        assert_eq!((timers[0].notify, timers[0].target), (libc::SIGEV_SIGNAL, 2634));
        assert_eq!((timers[1].notify, timers[1].clock), (libc::SIGEV_NONE | libc::SIGEV_THREAD_ID, 1));
        assert_eq!(parse_timers(""), Some(vec![]));
        assert_eq!(parse_timers("signal: 1/2\n"), None);
    }
}
