//! Pages that processes have in common since fork(2).
//!
//! The kernel does not tell with whom a page is shared copy-on-write, but pages of one program at one address with the same content are. At a
//! checkpoint they are stored once: the runs of both processes refer to the same place in the image. At a restart a process
//! that is forked from its relative keeps those mappings that both have, and only what differs is written, as it was when the
//! program itself forked.
use super::{AddressSpace, Backing, MappingRecord, PageRun};
use crate::image::RunRef;

/// Where the pages of a stretch of memory are in the image, should the relative have the same there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) stored: Option<u64>,
}

/// Divides `bytes`, the memory at `start`, into what equals the relative's memory, as `read` gives it, and what does not.
pub(super) fn compare(runs: &[PageRun], start: u64, bytes: &[u8], mut read: impl FnMut(u64, &mut [u8]) -> bool) -> Vec<Stretch> {
    const PAGE: usize = super::PAGE as usize;
    let end = start + bytes.len() as u64;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut add = |from: usize, to: usize, stored: Option<u64>| match stretches.last_mut() {
        _ if from == to => {}
        Some(last)
            if last.stored.map(|at| at + (last.to - last.from) as u64) == stored && last.stored.is_some() == stored.is_some() =>
        {
            last.to = to;
        }
        _ => stretches.push(Stretch { from, to, stored }),
    };
    let mut at = 0;
    let mut theirs = Vec::new();
    for run in runs[runs.partition_point(|run| run.end() <= start)..].iter().take_while(|run| run.start < end) {
        let (from, to) = ((run.start.max(start) - start) as usize, (run.end().min(end) - start) as usize);
        add(at, from, None);
        at = to;
        theirs.resize(to - from, 0);
        let known = read(start + from as u64, &mut theirs);
        if known && theirs == bytes[from..to] {
            add(from, to, Some(run.position(start + from as u64)));
            continue;
        }
        for page in (from..to).step_by(PAGE) {
            let stop = (page + PAGE).min(to);
            let same = known && theirs[page - from..stop - from] == bytes[page..stop];
            add(page, stop, same.then(|| run.position(start + page as u64)));
        }
    }
    add(at, bytes.len(), None);
    stretches
}

/// How the memory of a process is made from what it has already.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Mappings that stay, as the process was forked with them.
    pub(super) kept: Vec<(u64, u64)>,
    /// What is written, in ascending order of addresses.
    pub(super) writes: Vec<PageRun>,
    /// Pages of the relative that this process does not have.
    pub(super) drops: Vec<(u64, u64)>,
}

impl Plan {
    /// `base`: the address space with which the process was forked.
    pub(super) fn new(space: &AddressSpace, base: Option<&AddressSpace>) -> Plan {
        let Some(base) = base else { return Plan { writes: space.runs.clone(), ..Plan::default() } };
        let kept: Vec<(u64, u64)> =
            space.mappings.iter().filter(|map| is_inherited(map, space, base)).map(|map| (map.start, map.end)).collect();
        let there: Vec<PageRun> = kept.iter().flat_map(|(start, end)| clip(&base.runs, *start, *end)).collect();
        let (writes, drops) = differences(&space.runs, &there);
        Plan { kept, writes, drops }
    }

    pub(super) fn keeps(&self, map: &MappingRecord) -> bool {
        self.kept.binary_search(&(map.start, map.end)).is_ok()
    }

    /// Whether pages are written into the mapping after it is made.
    pub(super) fn fills(&self, map: &MappingRecord) -> bool {
        let first = self.writes.partition_point(|run| run.end() <= map.start);
        !map.shared && self.writes.get(first).is_some_and(|run| run.start < map.end)
    }
}

/// Whether fork left the process this mapping, whole and as it is recorded.
fn is_inherited(map: &MappingRecord, space: &AddressSpace, base: &AddressSpace) -> bool {
    // locks are not inherited, and set in any case
    fn flags(map: &MappingRecord) -> impl Iterator<Item = &String> {
        map.flags.iter().filter(|flag| !matches!(flag.as_str(), "lo" | "lf" | "sl"))
    }
    // single pages can be neither dropped from huge ones nor written without a copy of the whole
    let private = !map.shared
        && map.huge.is_none()
        && matches!(map.backing, Backing::Anonymous | Backing::File { .. } | Backing::Shared(_));
    let guards = |space: &AddressSpace| {
        let inside = space.guards.iter().filter(|(start, end)| *start < map.end && *end > map.start);
        inside.map(|(start, end)| ((*start).max(map.start), (*end).min(map.end))).collect::<Vec<_>>()
    };
    let same = |other: &MappingRecord| {
        let offset = match map.backing {
            Backing::Anonymous => 0,
            _ => other.offset.wrapping_add(map.start - other.start),
        };
        !other.shared
            && other.protection == map.protection
            && other.backing == map.backing
            && offset == map.offset
            && other.name == map.name
            && flags(other).eq(flags(map))
            // not inherited, or inherited empty (madvise(2), MADV_DONTFORK and MADV_WIPEONFORK)
            && !other.flags.iter().any(|flag| flag == "dc" || flag == "wf")
    };
    let first = base.mappings.partition_point(|other| other.end <= map.start);
    private
        && base.mappings.get(first).is_some_and(|other| other.start <= map.start && map.end <= other.end && same(other))
        && guards(space) == guards(base)
}

fn clip(runs: &[PageRun], start: u64, end: u64) -> Vec<PageRun> {
    let first = runs.partition_point(|run| run.end() <= start);
    let inside = runs[first..].iter().take_while(|run| run.start < end);
    inside.map(|run| run.part(run.start.max(start), run.end().min(end))).collect()
}

/// What has to be written where `there` is, to get `wanted`, and what has to go. Both lists ascend.
fn differences(wanted: &[PageRun], there: &[PageRun]) -> (Vec<PageRun>, Vec<(u64, u64)>) {
    let (mut writes, mut drops): (Vec<PageRun>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
    let (mut wanted, mut there) = (wanted.iter().peekable(), there.iter().peekable());
    let mut at = 0;
    loop {
        while wanted.next_if(|run| run.end() <= at).is_some() {}
        while there.next_if(|run| run.end() <= at).is_some() {}
        let (want, have) = (wanted.peek(), there.peek());
        // up to where neither begins or ends
        let edge = |run: &&&PageRun| if run.start > at { run.start } else { run.end() };
        let Some(next) = want.iter().chain(have.iter()).map(edge).min() else { break };
        let want = want.filter(|run| run.start <= at);
        let have = have.filter(|run| run.start <= at);
        match (want, have) {
            (Some(want), Some(have)) if want.position(at) == have.position(at) => {}
            (Some(want), _) => match writes.last_mut() {
                Some(last) if last.end() == at && last.position(at) == want.position(at) => last.data.len += next - at,
                _ => writes.push(want.part(at, next)),
            },
            (None, Some(_)) => match drops.last_mut() {
                Some(last) if last.1 == at => last.1 = next,
                _ => drops.push((at, next)),
            },
            (None, None) => {}
        }
        at = next;
    }
    (writes, drops)
}

impl PageRun {
    pub(super) fn end(&self) -> u64 {
        self.start + self.data.len
    }

    /// Where in the image the byte at an address of the run is.
    fn position(&self, address: u64) -> u64 {
        self.data.start + (address - self.start)
    }

    fn part(&self, start: u64, end: u64) -> PageRun {
        PageRun { start, data: RunRef { start: self.position(start), len: end - start } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::memory::Layout;

    const P: u64 = 4096;

    fn run(start: u64, position: u64, len: u64) -> PageRun {
        PageRun { start: start * P, data: RunRef { start: position * P, len: len * P } }
    }

    #[test]
    fn only_what_differs_is_written() {
        let there = [run(10, 0, 10), run(30, 50, 2)];
        // page 12 differs, pages 14 and 15 are gone, page 20 is new, 30 is elsewhere in the image
        let wanted = [run(10, 0, 2), run(12, 100, 1), run(13, 3, 1), run(16, 6, 4), run(20, 101, 1), run(30, 102, 2)];
        let (writes, drops) = differences(&wanted, &there);
        assert_eq!(writes, [run(12, 100, 1), run(20, 101, 1), run(30, 102, 2)]);
        assert_eq!(drops, [(14 * P, 16 * P)]);
        assert_eq!(differences(&there, &there), (vec![], vec![]));
        assert_eq!(differences(&there, &[]).0, there);
        assert_eq!(differences(&[], &there).1, [(10 * P, 20 * P), (30 * P, 32 * P)]);
    }

    #[test]
    fn equal_pages_refer_to_the_stored_ones() {
        let theirs = [vec![1u8; P as usize], vec![2; P as usize], vec![3; P as usize]].concat();
        let read = |at: u64, to: &mut [u8]| {
            to.copy_from_slice(&theirs[(at - 10 * P) as usize..][..to.len()]);
            true
        };
        let mut mine = [vec![9u8; P as usize], theirs.clone(), vec![9; P as usize]].concat();
        let stretch = |from: u64, to: u64, stored: Option<u64>| Stretch {
            from: (from * P) as usize,
            to: (to * P) as usize,
            stored: stored.map(|at| at * P),
        };
        let runs = [run(10, 70, 3)];
        let same = [stretch(0, 1, None), stretch(1, 4, Some(70)), stretch(4, 5, None)];
        assert_eq!(compare(&runs, 9 * P, &mine, read), same);
        mine[2 * P as usize] = 8;
        let one =
            [stretch(0, 1, None), stretch(1, 2, Some(70)), stretch(2, 3, None), stretch(3, 4, Some(72)), stretch(4, 5, None)];
        assert_eq!(compare(&runs, 9 * P, &mine, read), one);
        assert_eq!(compare(&runs, 9 * P, &mine, |_, _| false), [stretch(0, 5, None)]);
        assert_eq!(compare(&[], 9 * P, &mine, read), [stretch(0, 5, None)]);
    }

    #[test]
    fn mappings_are_kept_when_nothing_about_them_differs() {
        let map = |start: u64, end: u64, protection, flags: &[&str]| MappingRecord {
            start: start * P,
            end: end * P,
            protection,
            shared: false,
            backing: Backing::Anonymous,
            offset: 0,
            flags: flags.iter().map(|flag| flag.to_string()).collect(),
            name: None,
            huge: None,
        };
        let space = |mappings, guards| AddressSpace {
            process: 2,
            shared_with: None,
            guards,
            lock_future: None,
            layout: Layout::default(),
            mappings,
            runs: vec![run(1, 1, 1)],
        };
        let parent = space(
            vec![map(1, 9, 3, &["lo"]), map(10, 12, 1, &[]), map(20, 22, 3, &["wf"]), map(30, 34, 3, &[])],
            vec![(30 * P, 31 * P)],
        );
        let child = space(vec![map(1, 8, 3, &[]), map(10, 12, 3, &[]), map(20, 22, 3, &["wf"]), map(30, 34, 3, &[])], vec![]);
        let plan = Plan::new(&child, Some(&parent));
        assert_eq!(plan.kept, [(P, 8 * P)]);
        assert!(plan.writes.is_empty() && plan.drops.is_empty());
        assert_eq!(Plan::new(&child, None).writes, child.runs);
    }
}
