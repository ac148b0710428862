//! The way back of a process in which nothing of ours is mapped yet, or any more.
//!
//! For its first and its last calls a process has no area of ours with an [`super::Armor`] in it. Its way back lies then in the zeroes
//! between the end of a program's or library's code and the end of the page (elf(5): segments are padded to pages), of
//! which nobody knows: a `syscall` instruction followed by rt_sigreturn(2) on a frame. Afterwards they are zeroes again.
use super::armor::frame;
use super::{Registers, Result, Stopped};
use crate::proc::Mapping;

/// Follows a call by the way back. `r15`: its frame.
#[rustfmt::skip]
const CODE: [u8; 16] = [
    0x0f, 0x05,                   // 0  syscall
    0x4c, 0x89, 0xfc,             // 2  mov rsp, r15
    0xb8, 0x0f, 0x00, 0x00, 0x00, // 5  mov eax, SYS_rt_sigreturn
    0x0f, 0x05,                   // 10 syscall
    0xcc, 0xcc, 0xcc, 0xcc,       // 12
];
const BACK: u64 = 2;
/// The frame follows the code, which leaves room for the word before a frame (see [`super::Armor`]).
const FRAME: u64 = 64;
const PAGE: usize = 4096;
/// Zeroes that may still belong to the last function or its table.
const MARGIN: usize = 64;

/// A place of zeroes.
#[derive(Clone, Debug)]
pub struct Refuge {
    at: u64,
    len: usize,
}

impl Refuge {
    /// Looks for a place; not every process has one.
    pub(super) fn find(task: &Stopped, maps: &[Mapping]) -> Result<Option<Refuge>> {
        let need = FRAME as usize + frame(0, &Registers::default(), 0, &task.xstate()?).len().next_multiple_of(8);
        let code = maps.iter().filter(|map| map.execute && map.read && !map.write && !map.shared && map.inode != 0);
        for map in code.filter(|map| map.page_size <= PAGE as u64) {
            let mut page = vec![0; PAGE];
            if task.read(map.end - PAGE as u64, &mut page).is_err() {
                continue;
            }
            let used = page.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let from = (used + MARGIN).next_multiple_of(64);
            // a page of nothing but zeroes says nothing about whose they are
            if used > 0 && from + need <= PAGE {
                return Ok(Some(Refuge { at: map.end - PAGE as u64 + from as u64, len: need }));
            }
        }
        Ok(None)
    }

    /// Where the `syscall` instruction is.
    pub(super) fn gate(&self) -> u64 {
        self.at
    }

    /// Makes it the way back of a task to these registers and this signal mask.
    pub fn fill(&self, task: &mut Stopped, registers: &Registers, mask: u64) -> Result<()> {
        let at = self.at + FRAME;
        let mut bytes = frame(at, registers, mask, &task.xstate()?);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        task.poke(at, &bytes)?;
        task.poke(self.at, &CODE)?;
        task.frame = at;
        Ok(())
    }

    /// Puts the task on the way back.
    pub(super) fn enter(&self, task: &mut Stopped) -> Result<()> {
        let mut registers = task.registers()?;
        registers.rip = self.at + BACK;
        registers.r15 = task.frame;
        registers.orig_rax = u64::MAX;
        task.set_registers(&registers)
    }

    /// Makes it zeroes again.
    pub fn clear(&self, task: &mut Stopped) -> Result<()> {
        task.poke(self.at, &vec![0; self.len])
    }
}
