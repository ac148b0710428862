//! System V IPC names in the table.
//!
//! Keys need no table: the pod's keys are the host's through a permutation of the 32-bit numbers that only this pod uses,
//! so that the kernel itself decides who creates and who finds, as it does natively. Ids are indexed by the slot that is
//! part of each id; the kernel gives a slot to one object at a time, so an entry for another id in the same slot is stale.

use core::sync::atomic::Ordering::*;

use crate::layout::{IPC_SLOTS, IpcMaps};
use crate::table::Table;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpcKind {
    Shm = 0,
    Sem = 1,
    Msg = 2,
}

/// The id of a System V object as the pod sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VirtualIpc(pub i32);

/// The id of a System V object on this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostIpc(pub i32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipc {
    pub virtual_id: VirtualIpc,
    pub host: HostIpc,
}

/// Ids are 31-bit numbers: the upper bit of an entry marks it as present.
const PRESENT: u64 = 1 << 63;

fn slot(id: i32) -> usize {
    id as usize % IPC_SLOTS
}

fn entry(first: i32, second: i32) -> u64 {
    PRESENT | (first as u64 & 0x7fff_ffff) << 32 | second as u64 & 0x7fff_ffff
}

fn first(entry: u64) -> i32 {
    (entry >> 32 & 0x7fff_ffff) as i32
}

fn second(entry: u64) -> i32 {
    (entry & 0x7fff_ffff) as i32
}

impl Table {
    fn ipc(&self, kind: IpcKind) -> &IpcMaps {
        &self.layout().ipc.0[kind as usize]
    }

    pub fn host_ipc(&self, kind: IpcKind, id: VirtualIpc) -> Option<HostIpc> {
        let found = self.ipc(kind).by_virtual[slot(id.0)].load(Acquire);
        (id.0 >= 0 && found & PRESENT != 0 && first(found) == id.0).then(|| HostIpc(second(found)))
    }

    pub fn virtual_ipc(&self, kind: IpcKind, host: HostIpc) -> Option<VirtualIpc> {
        let found = self.ipc(kind).by_host[slot(host.0)].load(Acquire);
        (host.0 >= 0 && found & PRESENT != 0 && first(found) == host.0).then(|| VirtualIpc(second(found)))
    }

    /// The pod's id for an object that is known to be the pod's. The host's own number where it is free, so that under
    /// the shim, too, ids look as the kernel makes them. `None` only when 32768 objects have ids.
    pub fn virtual_ipc_for(&self, kind: IpcKind, host: HostIpc) -> Option<VirtualIpc> {
        let by_host = &self.ipc(kind).by_host[slot(host.0)];
        loop {
            let seen = by_host.load(Acquire);
            if seen & PRESENT != 0 && first(seen) == host.0 {
                return Some(VirtualIpc(second(seen)));
            }
            let id = self.take_ipc(kind, host)?;
            if by_host.compare_exchange(seen, entry(host.0, id), AcqRel, Relaxed).is_ok() {
                if seen & PRESENT != 0 {
                    let old = &self.ipc(kind).by_virtual[slot(second(seen))];
                    let _ = old.compare_exchange(entry(second(seen), first(seen)), 0, AcqRel, Relaxed);
                }
                return Some(VirtualIpc(id));
            }
            let taken = &self.ipc(kind).by_virtual[slot(id)];
            let _ = taken.compare_exchange(entry(id, host.0), 0, AcqRel, Relaxed);
        }
    }

    fn take_ipc(&self, kind: IpcKind, host: HostIpc) -> Option<i32> {
        let by_virtual = &self.ipc(kind).by_virtual;
        let home = slot(host.0);
        for at in (home..IPC_SLOTS).chain(0..home) {
            let id = host.0 - home as i32 + at as i32;
            let seen = by_virtual[at].load(Acquire);
            let stale = seen & PRESENT != 0 && slot(second(seen)) == home && second(seen) != host.0;
            if (seen & PRESENT == 0 || stale) && by_virtual[at].compare_exchange(seen, entry(id, host.0), AcqRel, Relaxed).is_ok()
            {
                return Some(id);
            }
        }
        None
    }

    /// Puts a pair in, whatever was there: for the engine at restart.
    pub fn insert_ipc(&self, kind: IpcKind, id: VirtualIpc, host: HostIpc) {
        let maps = self.ipc(kind);
        let old = maps.by_virtual[slot(id.0)].swap(entry(id.0, host.0), AcqRel);
        if old & PRESENT != 0 && second(old) != host.0 {
            let back = &maps.by_host[slot(second(old))];
            let _ = back.compare_exchange(entry(second(old), first(old)), 0, AcqRel, Relaxed);
        }
        let old = maps.by_host[slot(host.0)].swap(entry(host.0, id.0), AcqRel);
        if old & PRESENT != 0 && second(old) != id.0 {
            let back = &maps.by_virtual[slot(second(old))];
            let _ = back.compare_exchange(entry(second(old), first(old)), 0, AcqRel, Relaxed);
        }
    }

    /// The object was removed.
    pub fn remove_ipc(&self, kind: IpcKind, id: VirtualIpc) {
        let Some(host) = self.host_ipc(kind, id) else { return };
        let maps = self.ipc(kind);
        let _ = maps.by_host[slot(host.0)].compare_exchange(entry(host.0, id.0), 0, AcqRel, Relaxed);
        let _ = maps.by_virtual[slot(id.0)].compare_exchange(entry(id.0, host.0), 0, AcqRel, Relaxed);
    }

    pub fn ipcs(&self, kind: IpcKind) -> impl Iterator<Item = Ipc> + '_ {
        let found = self.ipc(kind).by_virtual.iter().map(|entry| entry.load(Acquire));
        found
            .filter(|entry| entry & PRESENT != 0)
            .map(|entry| Ipc { virtual_id: VirtualIpc(first(entry)), host: HostIpc(second(entry)) })
    }

    /// The host's key for a key of the pod. IPC_PRIVATE (0) is itself.
    pub fn host_key(&self, key: i32) -> i32 {
        let key = key as u32;
        if key == 0 {
            return 0;
        }
        match self.permute(key) {
            // 0 would mean IPC_PRIVATE. The image of 0 is free, because 0 never comes here.
            0 => self.permute(0) as i32,
            host => host as i32,
        }
    }

    /// The pod's key for a host's key of one of its objects.
    pub fn virtual_key(&self, host: i32) -> i32 {
        let host = host as u32;
        if host == 0 {
            return 0;
        }
        let host = if host == self.permute(0) { 0 } else { host };
        self.permute_back(host) as i32
    }

    fn permute(&self, key: u32) -> u32 {
        let seed = self.header().ipc_seed.load(Relaxed);
        let mixed = (key ^ seed).wrapping_mul(MULTIPLIER);
        (mixed ^ mixed >> 16) ^ seed.rotate_left(13)
    }

    fn permute_back(&self, host: u32) -> u32 {
        let seed = self.header().ipc_seed.load(Relaxed);
        let mixed = host ^ seed.rotate_left(13);
        (mixed ^ mixed >> 16).wrapping_mul(INVERSE) ^ seed
    }
}

const MULTIPLIER: u32 = 0x9E37_79B1;

/// Newton's iteration for the inverse of an odd number modulo 2^32.
const INVERSE: u32 = {
    let mut inverse = MULTIPLIER;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(MULTIPLIER.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
};
