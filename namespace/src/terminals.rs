//! Numbers of pseudo terminals (N of /dev/pts/N, pty(7)) in the table.
//!
//! A pair is believed when both directions agree. As in devpts, a terminal gets the lowest number that is free. Nobody says when a terminal
//! has ended: a pair whose terminal is gone gives its number back when another terminal needs one.

use core::sync::atomic::Ordering::*;

use crate::layout::TERMINALS;
use crate::table::Table;

/// A terminal as the pod's programs see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct VirtualTerminal(pub u32);

/// A terminal as this host's devpts names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostTerminal(pub u32);

/// In a slot: 0 is none, so numbers are kept plus one.
fn number(slot: u32) -> Option<u32> {
    slot.checked_sub(1)
}

impl Table {
    pub fn host_terminal(&self, terminal: VirtualTerminal) -> Option<HostTerminal> {
        let maps = &self.layout().terminals.0;
        let host = number(maps.by_virtual.get(terminal.0 as usize)?.load(Acquire))?;
        let back = number(maps.by_host.get(host as usize)?.load(Acquire));
        (back == Some(terminal.0)).then_some(HostTerminal(host))
    }

    pub fn virtual_terminal(&self, host: HostTerminal) -> Option<VirtualTerminal> {
        let maps = &self.layout().terminals.0;
        let id = number(maps.by_host.get(host.0 as usize)?.load(Acquire))?;
        let back = number(maps.by_virtual.get(id as usize)?.load(Acquire));
        (back == Some(host.0)).then_some(VirtualTerminal(id))
    }

    /// The pod's number for a terminal: the one that it has, or the lowest that none of the terminals has for which `exists` says yes. All who
    /// ask, in whatever process, get the same.
    pub fn virtual_terminal_for(&self, host: HostTerminal, exists: impl Fn(HostTerminal) -> bool) -> Option<VirtualTerminal> {
        let maps = &self.layout().terminals.0;
        let by_host = maps.by_host.get(host.0 as usize)?;
        loop {
            let seen = by_host.load(Acquire);
            if let Some(known) = self.virtual_terminal(host) {
                return Some(known);
            }
            let (id, slot) = maps.by_virtual.iter().enumerate().find(|(id, slot)| {
                let taken = slot.load(Acquire);
                let free = number(taken).is_none_or(|other| match self.virtual_terminal(HostTerminal(other)) {
                    Some(known) if known.0 == *id as u32 => !exists(HostTerminal(other)),
                    // its namer lost to another, or ended in the middle
                    Some(_) => true,
                    None => false,
                });
                free && slot.compare_exchange(taken, host.0 + 1, AcqRel, Relaxed).is_ok()
            })?;
            if by_host.compare_exchange(seen, id as u32 + 1, AcqRel, Relaxed).is_ok() {
                return Some(VirtualTerminal(id as u32));
            }
            // another was faster, and has taken another number
            let _ = slot.compare_exchange(host.0 + 1, 0, AcqRel, Relaxed);
        }
    }

    /// Puts a pair in, whatever was there: for the engine at restart. False for numbers that no terminal can have.
    pub fn insert_terminal(&self, terminal: VirtualTerminal, host: HostTerminal) -> bool {
        let maps = &self.layout().terminals.0;
        let (Some(by_virtual), Some(by_host)) = (maps.by_virtual.get(terminal.0 as usize), maps.by_host.get(host.0 as usize))
        else {
            return false;
        };
        by_virtual.store(host.0 + 1, Release);
        by_host.store(terminal.0 + 1, Release);
        true
    }
}

const _: () = assert!(TERMINALS < u32::MAX as usize);
