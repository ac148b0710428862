//! The signal of a POSIX timer that waits to be taken (timer_getoverrun(2)).
//!
//! While it waits the timer stands still; when it is taken the kernel counts the expirations that were missed. That count can be had
//! only by taking the signal. So it is taken, and the timer set to a time in the past from which the kernel will count the
//! same again. In between the signal is queued by hand, should we die.
use super::timer::{PosixTimer, Setting};
use super::{CapturedProcess, Error, NascentProcess, Result};
use crate::tracee::Call;

const SECOND: i128 = 1_000_000_000;

/// The id of the timer whose signal this siginfo_t announces.
pub(super) fn timer_of(info: &[u8]) -> Option<i32> {
    let field = |at: usize| i32::from_le_bytes(info[at..at + 4].try_into().expect("a siginfo has 128 bytes"));
    (field(8) == libc::SI_TIMER).then(|| field(16))
}

fn signal_of(info: &[u8]) -> i32 {
    i32::from_le_bytes(info[..4].try_into().expect("a siginfo has 128 bytes"))
}

/// Notes which timers have a signal waiting, and of those that repeat how many expirations it stands for.
pub(super) fn capture(process: &mut CapturedProcess, timers: &mut [PosixTimer]) -> Result<()> {
    let title = process.title();
    let what = |source| Error::Tracee { what: format!("read the pending signals of {title}"), source };
    // (task whose queue it is, whether it is that of the process, siginfo)
    let mut queued = Vec::new();
    for (index, task) in process.tasks.iter().enumerate() {
        let Some(stopped) = &task.stopped else { continue };
        if queued.iter().all(|(_, shared, _)| !shared) {
            queued.extend(stopped.queued_signals(true).map_err(what)?.into_iter().map(|info| (index, true, info)));
        }
        queued.extend(stopped.queued_signals(false).map_err(what)?.into_iter().map(|info| (index, false, info)));
    }
    for timer in timers {
        let Some((task, shared, info)) = queued.iter().find(|(_, _, info)| timer_of(info) == Some(timer.id)) else { continue };
        timer.pending = Some(0);
        let alone = queued.iter().filter(|(_, _, other)| signal_of(other) == signal_of(info)).count() == 1;
        if alone {
            timer.pending = Some(count(process, timer, *task, *shared)?);
        }
    }
    Ok(())
}

/// Takes the signal of a timer, and has the timer send it again.
fn count(process: &mut CapturedProcess, timer: &PosixTimer, task: usize, shared: bool) -> Result<i32> {
    let title = process.title();
    let what = |source| Error::Tracee { what: format!("read the timers of {title}"), source };
    let Some(injector) = process.injector.clone() else { return Ok(0) };
    let task = &mut process.tasks[task];
    let name = |ids: &[i32]| ids.last().copied().unwrap_or(0) as u64;
    let (own_process, own) = (name(&task.status.ns_tgid), name(&task.status.ns_pid));
    let Some(stopped) = &mut task.stopped else { return Ok(0) };
    let [info, set, none, setting, now, again] = [0, 128, 144, 160, 192, 208].map(|at| injector.data(at));
    let id = timer.id as u64;
    let mut calls = [Call::new(libc::SYS_timer_gettime, [id, setting])];
    injector.sequence(stopped, &mut calls).map_err(what)?;
    let mut interval = [0u8; 16];
    stopped.read(setting, &mut interval).map_err(what)?;
    if interval == [0; 16] {
        return Ok(0);
    }
    stopped.write(set, &(1u64 << (timer.signal - 1)).to_le_bytes()).map_err(what)?;
    stopped.write(none, &[0; 16]).map_err(what)?;
    let take = Call::new(libc::SYS_rt_sigtimedwait, [set, info, none, 8]);
    let signal = timer.signal as u64;
    let put_back = match shared {
        true => Call::new(libc::SYS_rt_sigqueueinfo, [own_process, signal, info]),
        false => Call::new(libc::SYS_rt_tgsigqueueinfo, [own_process, own, signal, info]),
    };
    let gettime = Call::new(libc::SYS_timer_gettime, [id, setting]);
    let clock = Call::new(libc::SYS_clock_gettime, [timer.clock as u32 as u64, now]);
    injector.sequence(stopped, &mut [take, put_back, gettime, clock]).map_err(what)?;
    let mut data = [0u8; 208];
    stopped.read(info, &mut data).map_err(what)?;
    let overrun = i32::from_le_bytes(data[20..24].try_into().expect("four bytes")).max(0);
    let words = |at: usize, n: usize| i64::from_le_bytes(data[at + n * 8..][..8].try_into().expect("eight bytes"));
    let remaining: Setting = std::array::from_fn(|n| words(160, n));
    let past = past(&remaining, overrun, [words(192, 0), words(192, 1)]);
    let past: Vec<u8> = past.iter().flat_map(|word| word.to_le_bytes()).collect();
    stopped.write(again, &past).map_err(what)?;
    let settime = Call::new(libc::SYS_timer_settime, [id, libc::TIMER_ABSTIME as u64, again, 0]);
    injector.sequence(stopped, &mut [take, settime]).map_err(what)?;
    Ok(overrun)
}

/// What a timer must be set to (absolute) so that its signal comes at once and stands for this many missed expirations, and the next
/// expiration comes as before.
fn past(setting: &Setting, overrun: i32, now: [i64; 2]) -> Setting {
    let join = |seconds: i64, rest: i64| i128::from(seconds) * SECOND + i128::from(rest);
    let (interval, remaining) = (join(setting[0], setting[1]), join(setting[2], setting[3]));
    let first = join(now[0], now[1]) + remaining - interval * (i128::from(overrun) + 1);
    let first = if interval == 0 { 1 } else { first.max(1) };
    [setting[0], setting[1], (first / SECOND) as i64, (first % SECOND) as i64]
}

/// Has a timer of a new process send its signal, as it had.
pub(super) fn restore(process: &mut NascentProcess, timer: &PosixTimer, overrun: i32) -> Result<()> {
    let at = process.write_data(0, &[0; 48])?;
    process.call("read the clock of a timer", libc::SYS_clock_gettime, [timer.clock as u32 as u64, at])?;
    let mut now = [0u8; 16];
    process.read_data(0, &mut now)?;
    let now = [0, 8].map(|at| i64::from_le_bytes(now[at..at + 8].try_into().expect("eight bytes")));
    let setting: Vec<u8> = past(&timer.setting, overrun, now).iter().flat_map(|word| word.to_le_bytes()).collect();
    let at = process.write_data(16, &setting)?;
    process.call("set a timer", libc::SYS_timer_settime, [timer.id as u64, libc::TIMER_ABSTIME as u64, at, 0]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_holds_as_many_expirations_as_were_missed() {
        // every 10 ns; 4 ns remain; 3 were missed after the one that was noticed
        assert_eq!(past(&[0, 10, 0, 4], 3, [5, 0]), [0, 10, 4, 999_999_964]);
        assert_eq!(past(&[0, 0, 0, 0], 0, [5, 0]), [0, 0, 0, 1]);
        assert_eq!(past(&[9, 0, 1, 0], 3, [5, 0])[2..], [0, 1]);
    }
}
