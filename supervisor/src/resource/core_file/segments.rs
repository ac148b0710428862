//! The memory of a core file.
use super::Process;
use crate::image::{ImageReader, RunRef};
use crate::resource::file_object::FileObject;
use crate::resource::memory::{Backing, MappingRecord, PAGE};
use crate::resource::{Result, memory, sysv_shm};
use object::elf;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A PT_LOAD segment: a mapping, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// PF_ bits
    pub(super) flags: u32,
    /// Offset and content of what is not zero; `None` when nothing of it is in the core file.
    pub(super) contents: Option<Vec<(u64, Content)>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Stored(RunRef),
    Page(Vec<u8>),
}

/// The longest piece that is in memory at once.
const PIECE: u64 = 1 << 20;

/// The segments of a mapping.
pub(super) fn of(map: &MappingRecord, process: &Process, sysv: &[sysv_shm::Record]) -> Vec<Segment> {
    let stored = within(process.space.runs.iter().map(|run| (run.start, run.data)), map.start, map.end);
    match &map.backing {
        // a reservation may be larger than any file
        Backing::Anonymous if map.protection == 0 => pieces(map, stored),
        Backing::Anonymous => vec![segment(map, map.start, map.end, Some(stored))],
        Backing::File { file, .. } if !map.shared => {
            let mut stored = stored;
            let header = elf_header(map, file).filter(|_| stored.first().is_none_or(|(at, _)| *at >= PAGE));
            if let Some(page) = header {
                stored.insert(0, (0, Content::Page(page)));
            }
            pieces(map, stored)
        }
        Backing::Shared(index) => match process.memory.objects.get(*index as usize).map(object_runs) {
            Some(runs) => vec![segment(map, map.start, map.end, Some(of_object(map, &runs)))],
            None => vec![segment(map, map.start, map.end, None)],
        },
        Backing::SysvSegment(id) => {
            let content = sysv.iter().find(|record| record.permissions.id as u32 == *id).map(|record| &record.content);
            vec![segment(map, map.start, map.end, content.map(|runs| of_object(map, runs)))]
        }
        Backing::Kernel(label) if label == "[vdso]" => {
            let code = process.memory.vdso.map(|run| vec![(0, Content::Stored(run.part(0, map.end - map.start)))]);
            vec![segment(map, map.start, map.end, code)]
        }
        Backing::File { .. } | Backing::Kernel(_) | Backing::NamesTable | Backing::AioRing => {
            vec![segment(map, map.start, map.end, None)]
        }
    }
}

fn segment(map: &MappingRecord, start: u64, end: u64, contents: Option<Vec<(u64, Content)>>) -> Segment {
    let bit = |prot: i32, flag: u32| if map.protection & prot != 0 { flag } else { 0 };
    let flags = bit(libc::PROT_READ, elf::PF_R) | bit(libc::PROT_WRITE, elf::PF_W) | bit(libc::PROT_EXEC, elf::PF_X);
    Segment { start, end, flags, contents }
}

/// The parts of runs (address, content) between two addresses, by their offset from the first.
fn within(runs: impl Iterator<Item = (u64, RunRef)>, start: u64, end: u64) -> Vec<(u64, Content)> {
    let parts = runs.filter_map(|(at, run)| {
        let (from, to) = (at.max(start), at.saturating_add(run.len).min(end));
        (from < to).then(|| (from - start, Content::Stored(run.part(from - at, to - from))))
    });
    parts.collect()
}

/// A segment for each stored part, and for each gap one without content.
fn pieces(map: &MappingRecord, stored: Vec<(u64, Content)>) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut at = map.start;
    for (offset, content) in stored {
        let start = map.start + offset;
        let end = start + content.len();
        if start > at {
            segments.push(segment(map, at, start, None));
        }
        segments.push(segment(map, start, end, Some(vec![(0, content)])));
        at = end;
    }
    if at < map.end {
        segments.push(segment(map, at, map.end, None));
    }
    segments
}

fn object_runs(object: &memory::shared::Object) -> Vec<(u64, RunRef)> {
    match &object.kind {
        memory::shared::Kind::File(file) => file.ghost().map(|ghost| ghost.runs.clone()).unwrap_or_default(),
        _ => object.runs.clone(),
    }
}

/// What a mapping shows of an object.
fn of_object(map: &MappingRecord, runs: &[(u64, RunRef)]) -> Vec<(u64, Content)> {
    let end = map.offset.saturating_add(map.end - map.start);
    within(runs.iter().copied(), map.offset, end)
}

/// The first page of a program or library that is here as it was.
fn elf_header(map: &MappingRecord, file: &FileObject) -> Option<Vec<u8>> {
    let (path, _) = file.sought().filter(|_| map.offset == 0)?;
    file.check(libc::O_RDONLY).ok()?;
    let mut page = vec![0; PAGE as usize];
    File::open(path).ok()?.read_exact_at(&mut page, 0).ok()?;
    page.starts_with(&elf::ELFMAG).then_some(page)
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Content::Stored(run) => run.len,
            Content::Page(bytes) => bytes.len() as u64,
        }
    }
}

impl Segment {
    /// Gives the contents in pieces, with their offsets.
    pub(super) fn write(&self, reader: &ImageReader, sink: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut piece = Vec::new();
        for (offset, content) in self.contents.iter().flatten() {
            match content {
                Content::Page(bytes) => sink(*offset, bytes)?,
                Content::Stored(run) => {
                    let mut done = 0;
                    while done < run.len {
                        let part = run.part(done, PIECE);
                        piece.resize(part.len as usize, 0);
                        reader.read(part.start, &mut piece)?;
                        sink(offset + done, &piece)?;
                        done += part.len;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Memory of the process as the core file has it; zeroes where it has none.
pub(super) fn peek(segments: &[Segment], reader: &ImageReader, start: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for segment in segments.iter().filter(|segment| segment.start < start.saturating_add(len as u64) && segment.end > start) {
        for (offset, content) in segment.contents.iter().flatten() {
            let Content::Stored(run) = content else { continue };
            let at = segment.start + offset;
            let (from, to) = (at.max(start), (at + run.len).min(start.saturating_add(len as u64)));
            if from < to {
                let part = run.part(from - at, to - from);
                let _ = reader.read(part.start, &mut bytes[(from - start) as usize..(to - start) as usize]);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(protection: i32) -> MappingRecord {
        MappingRecord {
            start: 0x10000,
            end: 0x20000,
            protection,
            shared: false,
            backing: Backing::Anonymous,
            offset: 0x3000,
            flags: Vec::new(),
            name: None,
            huge: None,
        }
    }

    #[test]
    fn runs_are_cut_to_the_mapping_and_gaps_have_no_content() {
        let run = |start, len| RunRef { start, len };
        let runs = [(0xf000, run(0, 0x2000)), (0x12000, run(0x2000, 0x1000)), (0x1f000, run(0x3000, 0x9000))];
        let stored = within(runs.into_iter(), 0x10000, 0x20000);
        let expected = [(0, run(0x1000, 0x1000)), (0x2000, run(0x2000, 0x1000)), (0xf000, run(0x3000, 0x1000))];
        assert_eq!(stored, expected.map(|(at, run)| (at, Content::Stored(run))));
        let map = map(libc::PROT_READ | libc::PROT_EXEC);
        let pieces = pieces(&map, stored);
        let shape: Vec<_> = pieces.iter().map(|piece| (piece.start, piece.end, piece.contents.is_some())).collect();
        let expected = [
            (0x10000, 0x11000, true),
            (0x11000, 0x12000, false),
            (0x12000, 0x13000, true),
            (0x13000, 0x1f000, false),
            (0x1f000, 0x20000, true),
        ];
        assert_eq!(shape, expected);
        assert!(pieces.iter().all(|piece| piece.flags == elf::PF_R | elf::PF_X));
        assert_eq!(of_object(&map, &[(0x2000, run(0, 0x2000))]), [(0, Content::Stored(run(0x1000, 0x1000)))]);
    }
}
