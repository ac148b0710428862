//! Reading address spaces.
use super::super::file_object::FileObject;
use super::super::{Capture, CapturedProcess, Context, Error, Result, shim_names};
use super::{AddressSpace, Backing, Layout, MappingRecord, PAGE, PageRun, Section, huge, inherit, shared};
use crate::image::RunRef;
use crate::proc::Mapping;
use crate::sys::memory::{PAGE_IS_FILE, PageRegion, pagemap_guards, pagemap_scan};
use crate::sys::process::{Kcmp, kcmp};
use crate::tracee::Call;
use nix::fcntl::OFlag;
use std::cmp::Ordering;
use std::os::fd::AsFd;

/// Flags of smaps that a restart brings back.
const KEPT_FLAGS: [&[u8; 2]; 14] =
    [b"gd", b"nr", b"lo", b"lf", b"sr", b"rr", b"dc", b"dd", b"wf", b"mg", b"hg", b"nh", b"sl", b"dp"];

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut section = Section::default();
    let mut objects = shared::Objects::default();
    for index in 0..cx.processes.len() {
        let process = &cx.processes[index];
        if process.zombie {
            continue;
        }
        let same = |other: &&CapturedProcess| {
            !other.zombie && kcmp(other.handle, process.handle, Kcmp::Vm, 0, 0).is_ok_and(|order| order == Ordering::Equal)
        };
        if let Some(other) = cx.processes[..index].iter().find(same) {
            section.spaces.push(AddressSpace::of_another(process.vpid, other.vpid));
            continue;
        }
        let relatives = Relatives::of(cx, index, &section.spaces);
        let space = space(cx, index, &mut objects, relatives)?;
        section.spaces.push(space);
        if section.vdso.is_none() {
            section.vdso = super::vdso::capture(cx, index)?;
        }
    }
    section.objects = objects.capture(cx)?;
    cx.section("memory", &section)
}

/// Processes that may have pages in common with one, since one was forked from the other or both from a third: where nothing was
/// executed since, both have code and stack at the same random addresses.
#[derive(Clone, Copy)]
struct Relatives<'a> {
    /// Whether there are any. Their memory is read through /proc/PID/mem then: process_vm_readv(2) is three times as fast, but it
    /// pins pages, for which the kernel gives the process a copy of each page that it shares (mm/gup.c, `gup_must_unshare`).
    any: bool,
    /// One that is captured already: its host id, and its pages. The parent is the likeliest.
    base: Option<(i32, &'a [PageRun])>,
}

impl<'a> Relatives<'a> {
    fn of(cx: &Capture, index: usize, spaces: &'a [AddressSpace]) -> Self {
        let process = &cx.processes[index];
        let place = |process: &CapturedProcess| (process.first_live().stat.start_code, process.first_live().stat.start_stack);
        let own = place(process);
        let any = cx.processes.iter().any(|other| !other.zombie && other.handle != process.handle && place(other) == own);
        let related = |space: &&AddressSpace| (space.layout.start_code, space.layout.start_stack) == own;
        let parent = spaces.iter().find(|space| space.process == process.parent).filter(related);
        let base = parent.or_else(|| spaces.iter().find(related));
        Self { any, base: base.and_then(|space| Some((cx.process(space.process)?.handle, space.runs.as_slice()))) }
    }
}

fn space(cx: &mut Capture, index: usize, objects: &mut shared::Objects, relatives: Relatives) -> Result<AddressSpace> {
    let layout = layout(cx, index)?;
    let maps = cx.processes[index].maps.clone();
    let populated = populated(cx, &cx.processes[index])?;
    let mut mappings = Vec::new();
    let mut runs = Vec::new();
    for map in &maps {
        if map.label() == "[vsyscall]" {
            continue;
        }
        let backing = backing(cx, index, map, objects)?;
        let huge = (backing == Backing::Anonymous && map.has(b"ht")).then_some(map.page_size);
        let whole = backing == Backing::Anonymous && huge.is_none() && is_lost_file(map);
        let stored = matches!(backing, Backing::Anonymous | Backing::File { .. } | Backing::Shared(_)) && !map.shared;
        if stored {
            let regions = populated_in(&populated, map, whole);
            store(cx, index, map, &regions, relatives, &mut runs)?;
        }
        let flags = KEPT_FLAGS.iter().filter(|flag| map.has(flag)).map(|flag| String::from_utf8_lossy(*flag).into_owned());
        let name = map.label().strip_prefix("[anon:").and_then(|name| name.strip_suffix(']')).map(str::to_string);
        mappings.push(MappingRecord {
            start: map.start,
            end: map.end,
            protection: map.protection(),
            shared: map.shared,
            offset: match backing {
                Backing::Anonymous => 0,
                _ => map.offset,
            },
            backing,
            flags: flags.collect(),
            name,
            huge,
        });
    }
    let process = cx.processes[index].vpid;
    let (guards, lock_future) = (guards(cx, &cx.processes[index])?, lock_future(cx, &cx.processes[index])?);
    Ok(AddressSpace { process, shared_with: None, guards, lock_future, layout, mappings, runs })
}

fn guards(cx: &Capture, process: &CapturedProcess) -> Result<Vec<(u64, u64)>> {
    let doing = || format!("find the guard pages of {}", process.title());
    let pagemap = cx.proc.open_file(&format!("{}/pagemap", process.handle), OFlag::O_RDONLY).doing(doing)?;
    let mut regions = Vec::new();
    match pagemap_guards(pagemap.as_fd(), 0, super::TASK_SIZE, &mut regions) {
        Ok(()) => Ok(regions.iter().map(|region| (region.start, region.end)).collect()),
        // before Linux 6.15 nobody can tell
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => Ok(Vec::new()),
        Err(source) => Err(Error::Io { what: doing(), source }),
    }
}

/// Whether mappings to come are locked shows in what we have mapped ourselves.
fn lock_future(cx: &Capture, process: &CapturedProcess) -> Result<Option<i32>> {
    let Some(injector) = process.injector.as_ref().filter(|_| process.maps.iter().any(|map| map.has(b"lo"))) else {
        return Ok(None);
    };
    let maps = cx.proc.maps(process.handle).doing(|| format!("read the mappings of {}", process.title()))?;
    let ours = maps.iter().find(|map| map.start <= injector.range().start && injector.range().start < map.end);
    Ok(ours.filter(|map| map.has(b"lo")).map(|map| libc::MCL_FUTURE | if map.has(b"lf") { libc::MCL_ONFAULT } else { 0 }))
}

fn layout(cx: &mut Capture, index: usize) -> Result<Layout> {
    let process = &mut cx.processes[index];
    let mut calls = [Call::new(libc::SYS_brk, [0])];
    process.batch(&mut calls)?;
    let stat = process.first_live().stat.clone();
    let title = process.title();
    let auxv = cx.proc.read(&format!("{}/auxv", process.handle)).doing(|| format!("read the auxiliary vector of {title}"))?;
    Ok(Layout {
        start_code: stat.start_code,
        end_code: stat.end_code,
        start_data: stat.start_data,
        end_data: stat.end_data,
        start_brk: stat.start_brk,
        brk: calls[0].ret as u64,
        start_stack: stat.start_stack,
        arg_start: stat.arg_start,
        arg_end: stat.arg_end,
        env_start: stat.env_start,
        env_end: stat.env_end,
        auxv,
    })
}

/// A private mapping of a file that has no name any more: its pages, read or not, are kept as anonymous memory.
fn is_lost_file(map: &Mapping) -> bool {
    map.inode != 0
}

fn backing(cx: &mut Capture, index: usize, map: &Mapping, objects: &mut shared::Objects) -> Result<Backing> {
    let process = &cx.processes[index];
    let refuse = |reason: &str, way_out: &str| {
        Err(Error::Refused {
            object: format!("the mapping {:#x} ({}) of {}", map.start, map.label(), process.title()),
            reason: reason.into(),
            way_out: way_out.into(),
        })
    };
    let label = map.label();
    match label {
        "[vdso]" | "[vvar]" | "[vvar_vclock]" => return Ok(Backing::Kernel(label.to_string())),
        "/[aio] (deleted)" | "/[aio]" => return Ok(Backing::AioRing),
        "[uprobes]" => return refuse("a probe is attached to the program", "remove the probe first"),
        _ => {}
    }
    if map.has(b"io") || map.has(b"pf") {
        return refuse("it is device memory", "let the program unmap the device first");
    }
    if label.starts_with("anon_inode:") {
        return refuse("it belongs to a kernel object that cannot be captured", "let the program close it first");
    }
    // the inode number of a segment is its id, which may be 0
    if let Some(id) = label.strip_prefix("/SYSV").filter(|_| map.shared).map(|_| map.inode as u32) {
        return Ok(Backing::SysvSegment(crate::resource::sysv_shm::segment_for(cx, id.into())?));
    }
    if map.inode == 0 {
        return Ok(Backing::Anonymous);
    }
    if let Some(table) = shim_names::table(cx)? {
        if shim_names::is_table(table, map) {
            return Ok(Backing::NamesTable);
        }
    }
    let process = &cx.processes[index];
    let deleted = label.ends_with(" (deleted)");
    if !map.shared && label.starts_with(huge::LABEL) {
        return Ok(Backing::Anonymous);
    }
    if map.shared && (label.starts_with("/memfd:") || (shared::is_anonymous(label) && deleted)) {
        return Ok(Backing::Shared(objects.add(process.vpid, map)));
    }
    if !deleted {
        let file = FileObject::by_path(&map.name).doing(|| format!("open {label}, mapped by {}", process.title()))?;
        if file.inode() == map.inode {
            let writable = map.shared && map.has(b"mw");
            return Ok(Backing::File { file, writable });
        }
    }
    // the name is gone or means another file now
    if map.shared || objects.is_reachable(cx, process.vpid, map) || objects.can_be_read(cx, map) {
        return Ok(Backing::Shared(objects.add(process.vpid, map)));
    }
    Ok(Backing::Anonymous)
}

/// The populated pages of a process that are not the zero page.
fn populated(cx: &Capture, process: &CapturedProcess) -> Result<Vec<PageRegion>> {
    let doing = || format!("find the pages of {}", process.title());
    let pagemap = cx.proc.open_file(&format!("{}/pagemap", process.handle), OFlag::O_RDONLY).doing(doing)?;
    let mut regions = Vec::new();
    match pagemap_scan(pagemap.as_fd(), 0, super::TASK_SIZE, &mut regions) {
        Ok(()) => Ok(regions),
        // before Linux 6.7
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
            regions.clear();
            for map in process.maps.iter().filter(|map| !map.label().starts_with("[v")) {
                crate::sys::memory::pagemap_read(pagemap.as_fd(), map.start, map.end, &mut regions).doing(doing)?;
            }
            Ok(regions)
        }
        Err(source) => Err(Error::Io { what: doing(), source }),
    }
}

/// The ranges of `map` with content of their own; all of it when `whole`.
fn populated_in(populated: &[PageRegion], map: &Mapping, whole: bool) -> Vec<(u64, u64)> {
    if whole {
        return vec![(map.start, map.end)];
    }
    let first = populated.partition_point(|region| region.end <= map.start);
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for region in populated[first..].iter().take_while(|region| region.start < map.end) {
        if map.inode != 0 && region.categories & PAGE_IS_FILE != 0 {
            continue;
        }
        let (start, end) = (region.start.max(map.start), region.end.min(map.end));
        match ranges.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => ranges.push((start, end)),
        }
    }
    ranges
}

/// Copies pages into the image, leaving out those that are all zeroes, and those that are there already as a relative's.
fn store(
    cx: &mut Capture,
    index: usize,
    map: &Mapping,
    ranges: &[(u64, u64)],
    relatives: Relatives,
    runs: &mut Vec<PageRun>,
) -> Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut buffer = vec![0u8; PIECE.min(map.len()) as usize];
    for &(start, end) in ranges {
        let mut at = start;
        while at < end {
            let len = (end - at).min(PIECE);
            let piece = &mut buffer[..len as usize];
            match relatives.any {
                true => read_unpinned(cx, &cx.processes[index], at, piece)?,
                false => read_pages(cx, &cx.processes[index], map, at, piece)?,
            }
            // a private file mapping shows the file where there is no page of its own: zeroes must then be kept
            let keep_zeroes = map.inode != 0 && !map.label().starts_with(huge::LABEL);
            for (offset, bytes) in filled(piece, keep_zeroes) {
                let (handle, theirs) = relatives.base.unwrap_or_default();
                let other = cx.processes.iter().find(|process| process.handle == handle);
                let read = |at: u64, to: &mut [u8]| other.is_some_and(|other| read_unpinned(cx, other, at, to).is_ok());
                for part in inherit::compare(theirs, at + offset, bytes, read) {
                    let data = match part.stored {
                        Some(start) => RunRef { start, len: (part.to - part.from) as u64 },
                        None => cx.writer.put(&bytes[part.from..part.to])?,
                    };
                    let start = at + offset + part.from as u64;
                    match runs.last_mut() {
                        Some(last) if last.end() == start && last.data.start + last.data.len == data.start => {
                            last.data.len += data.len
                        }
                        _ => runs.push(PageRun { start, data }),
                    }
                }
            }
            at += len;
        }
    }
    Ok(())
}

pub(super) fn read_pages(cx: &Capture, process: &CapturedProcess, map: &Mapping, at: u64, buffer: &mut [u8]) -> Result<()> {
    if map.read && process.read(at, buffer).is_ok() {
        return Ok(());
    }
    read_unpinned(cx, process, at, buffer)
}

/// Reads like a debugger, without read permission too, and leaves shared pages shared.
fn read_unpinned(cx: &Capture, process: &CapturedProcess, at: u64, buffer: &mut [u8]) -> Result<()> {
    let doing = || format!("read the memory of {} at {at:#x}", process.title());
    let mem = cx.proc.open_file(&format!("{}/mem", process.handle), OFlag::O_RDONLY).doing(doing)?;
    let mut done = 0;
    while done < buffer.len() {
        match nix::sys::uio::pread(&mem, &mut buffer[done..], (at + done as u64) as i64) {
            Ok(n) if n > 0 => done += n,
            // past the end of a mapped file: the program would get SIGBUS there
            Ok(_) | Err(nix::errno::Errno::EIO) => {
                let next = (done + 1).next_multiple_of(PAGE as usize).min(buffer.len());
                buffer[done..next].fill(0);
                done = next;
            }
            Err(errno) => return Err(Error::Io { what: doing(), source: errno.into() }),
        }
    }
    Ok(())
}

/// The stretches of whole pages that are not all zeroes: (offset, bytes).
pub(super) fn filled(bytes: &[u8], keep_zeroes: bool) -> Vec<(u64, &[u8])> {
    if keep_zeroes {
        return vec![(0, bytes)];
    }
    let page = PAGE as usize;
    let mut stretches = Vec::new();
    let mut start = None;
    for at in (0..bytes.len()).step_by(page) {
        let zero = is_zero(&bytes[at..(at + page).min(bytes.len())]);
        match (zero, start) {
            (true, Some(from)) => {
                stretches.push((from as u64, &bytes[from..at]));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    if let Some(from) = start {
        stretches.push((from as u64, &bytes[from..]));
    }
    stretches
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| *first == 0)
        && bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |sum, byte| sum | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_pages_are_left_out() {
        let mut bytes = vec![0u8; 5 * 4096];
        bytes[4096] = 1;
        bytes[2 * 4096 + 4095] = 1;
        bytes[4 * 4096] = 1;
        let found: Vec<(u64, usize)> = filled(&bytes, false).into_iter().map(|(at, b)| (at, b.len())).collect();
        assert_eq!(found, [(4096, 8192), (4 * 4096, 4096)]);
        assert_eq!(filled(&bytes, true).len(), 1);
        assert!(filled(&[0; 8192], false).is_empty());
    }

    #[test]
    fn regions_are_clipped_and_file_pages_skipped() {
        let region = |start, end, categories| PageRegion { start, end, categories };
        let populated = [region(0, 0x2000, 0), region(0x2000, 0x3000, PAGE_IS_FILE), region(0x3000, 0x9000, 0)];
        let map = Mapping { start: 0x1000, end: 0x4000, inode: 7, ..Mapping::default() };
        assert_eq!(populated_in(&populated, &map, false), [(0x1000, 0x2000), (0x3000, 0x4000)]);
        let anonymous = Mapping { inode: 0, ..map };
        assert_eq!(populated_in(&populated, &anonymous, false), [(0x1000, 0x4000)]);
    }
}
