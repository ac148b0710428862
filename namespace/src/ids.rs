//! Process names in the table.
//!
//! An entry is believed when both directions agree. A virtual id is taken from a bitmap, so that two tasks never get the
//! same one; which of several that name the same host id first wins is decided by one compare-and-swap on the host's
//! side. A stale pair (its task is gone and nobody said so) does no harm to a later task with the same host id: that the
//! kernel gave the id again proves that neither a task, a group nor a session of that name was left.

use core::sync::atomic::Ordering::*;

use crate::id::{HostId, ID_SPACE, VirtualId};
use crate::table::Table;

/// The task is gone, but its id still names a group or a session.
const REAPED: u32 = 1 << 31;
/// The id was made a session's.
const SESSION: u32 = 1 << 30;
/// Given, and not yet bound to a host id.
const RESERVED: u32 = 1 << 29;
const HOST: u32 = ID_SPACE as u32 - 1;

/// A sweep passes over ids that were given so recently: somebody may still ask who they were.
const YOUNG: u32 = 256;

/// The kernel begins again at RESERVED_PIDS after a wrap (kernel/pid.c).
const AFTER_WRAP: u32 = 300;

/// A virtual id taken before its task exists, so that parent and child know it without asking each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reservation(VirtualId);

impl Reservation {
    pub fn id(self) -> VirtualId {
        self.0
    }

    /// The reservation of `id`, as kept in a place that only holds numbers.
    pub fn of(id: VirtualId) -> Reservation {
        Reservation(id)
    }
}

/// One pair of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids {
    pub virtual_id: VirtualId,
    pub host: HostId,
    /// No task has this id any more; it still names a group or session.
    pub reaped: bool,
    /// It is, or was, the id of a session.
    pub session: bool,
}

impl Table {
    /// The pod's name for a host id; `None` when it is not the pod's.
    #[inline]
    pub fn virtual_of(&self, host: HostId) -> Option<VirtualId> {
        let raw = self.layout().virtual_.0[host.index()].load(Acquire);
        let id = VirtualId::new(raw as i32)?;
        let entry = self.layout().host.0[id.index()].load(Acquire);
        (entry & HOST == host.raw() as u32 || entry == RESERVED).then_some(id)
    }

    /// The host id of a task, group or session of the pod.
    #[inline]
    pub fn host_of(&self, id: VirtualId) -> Option<HostId> {
        HostId::new((self.layout().host.0[id.index()].load(Acquire) & HOST) as i32)
    }

    /// The host id of a task of the pod: not one that only names a group or session any more.
    #[inline]
    pub fn task_of(&self, id: VirtualId) -> Option<HostId> {
        let entry = self.layout().host.0[id.index()].load(Acquire);
        if entry & REAPED != 0 { None } else { HostId::new((entry & HOST) as i32) }
    }

    /// The pod's name for a host id that is known to be the pod's: the one that is there, or a new one. All who ask, in
    /// whatever process, get the same. `None` when every id is taken.
    pub fn virtual_for(&self, host: HostId) -> Option<VirtualId> {
        loop {
            let slot = &self.layout().virtual_.0[host.index()];
            let seen = slot.load(Acquire);
            if let Some(id) = self.virtual_of(host) {
                return Some(id);
            }
            let id = self.reserve()?.id();
            self.layout().host.0[id.index()].store(host.raw() as u32, Release);
            if slot.compare_exchange(seen, id.raw() as u32, AcqRel, Relaxed).is_ok() {
                return Some(id);
            }
            self.give_back(id);
        }
    }

    /// As `virtual_for`, for a host id that names a living task: what remained of an earlier one with this id is forgotten.
    pub fn virtual_for_task(&self, host: HostId) -> Option<VirtualId> {
        let id = self.virtual_for(host)?;
        let entry = &self.layout().host.0[id.index()];
        let seen = entry.load(Acquire);
        if seen & REAPED != 0 {
            let _ = entry.compare_exchange(seen, host.raw() as u32, AcqRel, Relaxed);
        }
        Some(id)
    }

    /// Takes a virtual id for a task that is about to be made.
    pub fn reserve(&self) -> Option<Reservation> {
        let header = self.header();
        let start = header.next_id.load(Relaxed).clamp(2, ID_SPACE as u32 - 1);
        let limit = header.id_limit.load(Relaxed).clamp(AFTER_WRAP + 1, ID_SPACE as u32);
        // Stale pairs may have used up the ids below the host's pid_max: rather a larger one than none.
        let ranges = [(start.min(limit), limit), (AFTER_WRAP, start), (2, AFTER_WRAP), (limit, ID_SPACE as u32)];
        for (from, to) in ranges {
            if let Some(raw) = self.take_between(from, to) {
                let next = if raw + 1 >= limit { AFTER_WRAP } else { raw + 1 };
                let _ = header.next_id.compare_exchange(start, next, Relaxed, Relaxed);
                header.id_ceiling.fetch_max(raw + 1, Relaxed);
                self.layout().host.0[raw as usize].store(RESERVED, Release);
                return VirtualId::new(raw as i32).map(Reservation);
            }
        }
        None
    }

    fn take_between(&self, from: u32, to: u32) -> Option<u32> {
        let mut raw = from;
        while raw < to {
            let word = &self.layout().used.0[raw as usize / 64];
            let free = !word.load(Relaxed) >> (raw % 64);
            if free == 0 {
                raw = (raw / 64 + 1) * 64;
                continue;
            }
            raw += free.trailing_zeros();
            if raw >= to {
                break;
            }
            let bit = 1 << (raw % 64);
            if word.fetch_or(bit, AcqRel) & bit == 0 {
                return Some(raw);
            }
        }
        None
    }

    /// Reserves `id`, which nobody has: what was reserved when the pod was checkpointed still is, after the restart.
    pub fn insert_reserved(&self, id: VirtualId) {
        self.layout().used.0[id.index() / 64].fetch_or(1 << (id.index() % 64), AcqRel);
        self.header().id_ceiling.fetch_max(id.raw() as u32 + 1, Relaxed);
        self.layout().host.0[id.index()].store(RESERVED, Release);
    }

    /// The ids that are reserved and not yet bound.
    pub fn reservations(&self) -> impl Iterator<Item = VirtualId> + '_ {
        let ceiling = self.header().id_ceiling.load(Acquire).min(ID_SPACE as u32);
        let words = self.layout().used.0.iter().take((ceiling as usize).div_ceil(64)).enumerate();
        let used = words.flat_map(|(at, word)| {
            let word = word.load(Acquire);
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| at * 64 + bit)
        });
        used.filter(|raw| self.layout().host.0[*raw].load(Acquire) == RESERVED).filter_map(|raw| VirtualId::new(raw as i32))
    }

    /// Gives a reserved id to the task that was made. Parent and child both call it; the second call changes nothing.
    pub fn bind(&self, reservation: Reservation, host: HostId) {
        let id = reservation.id();
        let entry = &self.layout().host.0[id.index()];
        if entry.load(Acquire) != RESERVED {
            return;
        }
        let before = self.layout().virtual_.0[host.index()].swap(id.raw() as u32, AcqRel);
        let _ = entry.compare_exchange(RESERVED, host.raw() as u32, AcqRel, Relaxed);
        self.forget_stale(before, id, host);
    }

    /// Gives a reserved id back: the task was not made.
    pub fn release(&self, reservation: Reservation) {
        let entry = &self.layout().host.0[reservation.id().index()];
        if entry.compare_exchange(RESERVED, 0, AcqRel, Relaxed).is_ok() {
            self.clear_used(reservation.id());
        }
    }

    /// Puts a pair in, whatever was there: for the supervisor (init is 1) and for the engine at restart.
    pub fn insert(&self, id: VirtualId, host: HostId) {
        self.layout().used.0[id.index() / 64].fetch_or(1 << (id.index() % 64), AcqRel);
        self.header().id_ceiling.fetch_max(id.raw() as u32 + 1, Relaxed);
        let old = self.layout().host.0[id.index()].swap(host.raw() as u32, AcqRel) & HOST;
        if old != 0 && old != host.raw() as u32 {
            let stale = &self.layout().virtual_.0[old as usize];
            let _ = stale.compare_exchange(id.raw() as u32, 0, AcqRel, Relaxed);
        }
        let before = self.layout().virtual_.0[host.index()].swap(id.raw() as u32, AcqRel);
        self.forget_stale(before, id, host);
        // A restarted pod goes on giving ids where it was.
        if id.raw() as u32 >= self.header().next_id.load(Relaxed) {
            self.set_next_id(VirtualId::new(id.raw() + 1).unwrap_or(VirtualId::INIT));
        }
    }

    /// A pair in which `host` had been `before` and is `id` now: `before` names nothing any more.
    fn forget_stale(&self, before: u32, id: VirtualId, host: HostId) {
        let Some(stale) = VirtualId::new(before as i32).filter(|stale| *stale != id) else { return };
        let entry = &self.layout().host.0[stale.index()];
        let seen = entry.load(Acquire);
        if seen & HOST == host.raw() as u32 && entry.compare_exchange(seen, 0, AcqRel, Relaxed).is_ok() {
            self.clear_used(stale);
        }
    }

    /// Where giving ids goes on, for the engine.
    pub fn set_next_id(&self, id: VirtualId) {
        let limit = self.header().id_limit.load(Relaxed);
        let next = if id.raw() as u32 >= limit { AFTER_WRAP } else { (id.raw() as u32).max(2) };
        self.header().next_id.store(next, Relaxed);
    }

    pub fn next_id(&self) -> u32 {
        self.header().next_id.load(Relaxed)
    }

    /// Takes a pair out, whatever it names.
    pub fn remove(&self, id: VirtualId) {
        let entry = &self.layout().host.0[id.index()];
        let seen = entry.load(Acquire);
        if seen & HOST != 0 {
            let back = &self.layout().virtual_.0[(seen & HOST) as usize];
            let _ = back.compare_exchange(id.raw() as u32, 0, AcqRel, Relaxed);
        }
        if entry.compare_exchange(seen, 0, AcqRel, Relaxed).is_ok() && seen != 0 {
            self.clear_used(id);
        }
    }

    fn give_back(&self, id: VirtualId) {
        self.layout().host.0[id.index()].store(0, Release);
        self.clear_used(id);
    }

    fn clear_used(&self, id: VirtualId) {
        self.layout().used.0[id.index() / 64].fetch_and(!(1 << (id.index() % 64)), AcqRel);
    }

    /// The task `host` was waited for. Its id names no task any more; it goes on naming a group or session, and the sender
    /// of signals that are still pending, until a sweep finds that none of that is left.
    pub fn reaped(&self, host: HostId) {
        if let Some(id) = self.virtual_of(host) {
            let entry = &self.layout().host.0[id.index()];
            let seen = entry.load(Acquire);
            if seen & HOST == host.raw() as u32 {
                let _ = entry.compare_exchange(seen, seen | REAPED, AcqRel, Relaxed);
            }
        }
    }

    /// `id` is a session's from now on, and outlives its task.
    pub fn mark_session(&self, id: VirtualId) {
        let entry = &self.layout().host.0[id.index()];
        if entry.load(Acquire) & HOST != 0 {
            entry.fetch_or(SESSION, AcqRel);
        }
    }

    fn entry(&self, raw: u32) -> Option<Ids> {
        let entry = self.layout().host.0[raw as usize].load(Acquire);
        Some(Ids {
            virtual_id: VirtualId::new(raw as i32)?,
            host: HostId::new((entry & HOST) as i32)?,
            reaped: entry & REAPED != 0,
            session: entry & SESSION != 0,
        })
    }

    /// The first pair with a virtual id of at least `from`.
    pub fn pair_from(&self, from: u32) -> Option<Ids> {
        let ceiling = self.header().id_ceiling.load(Acquire).min(ID_SPACE as u32);
        let mut raw = from;
        while raw < ceiling {
            let used = self.layout().used.0[raw as usize / 64].load(Acquire) >> (raw % 64);
            if used == 0 {
                raw = (raw / 64 + 1) * 64;
                continue;
            }
            raw += used.trailing_zeros();
            if let Some(ids) = self.entry(raw) {
                return Some(ids);
            }
            raw += 1;
        }
        None
    }

    /// All pairs, by ascending virtual id.
    pub fn pairs(&self) -> impl Iterator<Item = Ids> + '_ {
        let mut from = 1;
        core::iter::from_fn(move || {
            let ids = self.pair_from(from)?;
            from = ids.virtual_id.raw() as u32 + 1;
            Some(ids)
        })
    }

    /// Looks at the next `count` pairs in turn and takes out those for which `in_use` says no: ids of tasks that ended. A little with every id that is given keeps the table in proportion.
    pub fn sweep(&self, count: usize, in_use: impl Fn(Ids) -> bool) {
        for _ in 0..count {
            let from = self.header().sweep_cursor.load(Relaxed);
            let Some(ids) = self.pair_from(from.max(2)) else {
                self.header().sweep_cursor.store(2, Relaxed);
                return;
            };
            self.header().sweep_cursor.store(ids.virtual_id.raw() as u32 + 1, Relaxed);
            let (id, limit) = (ids.virtual_id.raw() as u32, self.header().id_limit.load(Relaxed));
            let next = self.next_id();
            let age = if next > id { next - id } else { limit.saturating_sub(id) + next };
            if age > YOUNG && !in_use(ids) && self.entry(ids.virtual_id.raw() as u32) == Some(ids) {
                self.remove(ids.virtual_id);
            }
        }
    }
}
