//! Looking into the shim of a program (`Link` in its `init.rs`, docs/names.md): whether it has begun its work, where its table is, and what its
//! threads are about to do.
use super::memory::{AddressSpace, Backing, MappingRecord};
use super::{Context, Result};
use crate::proc::{Mapping, Proc, parse_maps};
use crate::tracee::{Registers, Stopped};
use std::time::Duration;

/// What the shim keeps for us to find.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub address: u64,
    /// Zero: it has not looked yet which pod it is in. [`NONE`]: it translates nothing.
    pub pod: u64,
    /// Where the table is, or may be put.
    pub table: u64,
    /// Where the words of a thread are, from its `fs_base`.
    words: i64,
}

const MAGIC: &[u8; 16] = b"AutoPod shim v2\0";

/// What the shim has in place of a table's address when its hooks translate nothing.
pub const NONE: u64 = 1;

impl Link {
    /// Where the word is that [`Link::pod`] tells.
    pub fn pod_at(&self) -> u64 {
        self.address + 16
    }

    fn find(pid: i32, start: u64, end: u64) -> std::io::Result<Option<Link>> {
        let mut bytes = vec![0u8; (end - start) as usize];
        crate::sys::memory::read(pid, start, &mut bytes)?;
        let found = bytes.chunks_exact(16).position(|raw| raw == MAGIC).filter(|index| (index + 3) * 16 <= bytes.len());
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Ok(found.map(|index| Link {
            address: start + index as u64 * 16,
            pod: word(index * 16 + 16),
            table: word(index * 16 + 24),
            words: word(index * 16 + 32) as i64,
        }))
    }

    /// Whether a thread of the program is making a task, and holds its id of the host within libc.
    fn makes_task(&self, task: &Stopped, registers: &Registers) -> bool {
        // `Words` in the shim's `tls.rs`
        const RESERVED: usize = 12;
        const MAKING: usize = 24;
        let mut words = [0u8; 64];
        let at = registers.fs_base.wrapping_add_signed(self.words);
        let word = |words: &[u8], at: usize| i32::from_le_bytes(words[at..at + 4].try_into().expect("four bytes"));
        self.words != 0 && task.read(at, &mut words).is_ok() && (word(&words, RESERVED) != 0 || word(&words, MAKING) > 0)
    }
}

fn is_shim(file: &str) -> bool {
    file.rsplit('/').next().is_some_and(|name| name.starts_with("libautopod_shim"))
}

/// The link of a program that is being built anew.
pub fn find(pid: i32, space: &AddressSpace) -> Result<Option<Link>> {
    let shim = |map: &&MappingRecord| match &map.backing {
        Backing::File { file, .. } => file.path().to_str().is_some_and(is_shim),
        _ => false,
    };
    for map in space.mappings.iter().filter(shim).filter(|map| map.protection & libc::PROT_WRITE != 0) {
        let found = Link::find(pid, map.start, map.end).doing(|| format!("find the shim of process {}", space.process))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether an instruction is one of a hook, or of the vdso: a hook that reads a clock there adds what that clock is off afterwards.
fn in_hook(maps: &[Mapping], rip: u64) -> bool {
    let vdso = maps.iter().any(|map| map.label() == "[vdso]" && map.start <= rip && rip < map.end);
    vdso || super::shim_names::in_shim(maps, rip)
}

/// Whether a stopped task must not stay where it is: in a hook or in the middle of making a task, where it may hold ids of the host in its
/// registers, or in a program whose libraries are just being loaded and whose shim does not know yet who realizes the names.
fn unsettled(proc: &Proc, task: &Stopped) -> bool {
    let Ok(registers) = task.registers() else { return false };
    if registers.interrupted() || task.group_stop().is_some() {
        return false;
    }
    let tid = task.tid();
    // not smaps, which takes long for much memory
    let Some(maps) = proc.read(&format!("{tid}/maps")).ok().and_then(|text| parse_maps(&text)) else { return false };
    if in_hook(&maps, registers.rip) {
        return true;
    }
    let shim = |map: &&Mapping| is_shim(map.label());
    if !maps.iter().any(|map| shim(&map)) {
        let at = maps.iter().find(|map| map.start <= registers.rip && registers.rip < map.end);
        return at.is_some_and(|map| is_loader(map.label())) && preloads_shim(proc, tid);
    }
    let writable = maps.iter().filter(shim).filter(|map| map.write);
    match writable.filter_map(|map| Link::find(tid, map.start, map.end).ok().flatten()).next() {
        Some(link) => link.pod == 0 || link.makes_task(task, &registers),
        // the loader has not come to its data yet
        None => true,
    }
}

fn is_loader(file: &str) -> bool {
    file.rsplit('/').next().is_some_and(|name| name.starts_with("ld-linux") || name.starts_with("ld-2.") || name == "ld.so")
}

/// Whether a program was executed with an environment that has the shim loaded.
fn preloads_shim(proc: &Proc, tid: i32) -> bool {
    let environment = proc.read(&format!("{tid}/environ")).unwrap_or_default();
    let preload = environment.split(|c| *c == 0).find_map(|entry| entry.strip_prefix(b"LD_PRELOAD="));
    preload.is_some_and(|list| list.split(|c| matches!(c, b':' | b' ')).any(|path| std::str::from_utf8(path).is_ok_and(is_shim)))
}

/// Lets a task run until it has settled; `true` with it when it had not.
pub fn settle(proc: &Proc, mut task: Stopped) -> crate::tracee::Result<(Stopped, bool)> {
    const ROUNDS: u32 = 300;
    const LONGEST: Duration = Duration::from_millis(5);
    // a task that has to wait for a processor does not come far
    let mut pause = Duration::from_micros(50);
    for round in 0..ROUNDS {
        if !unsettled(proc, &task) {
            return Ok((task, round > 0));
        }
        let running = task.resume(0)?;
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(LONGEST);
        task = running.stop()?;
    }
    Ok((task, true))
}
