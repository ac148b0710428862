//! A process of an image as an ELF core file (core(5)), for debuggers.
//!
//! What the kernel would write of the process: a PT_NOTE segment with the registers of every thread, the auxiliary vector and the files that
//! are mapped, and PT_LOAD segments for its memory. Pages of files that the process did not write are left to the debugger, which finds them
//! by NT_FILE, but for the page of an ELF header, which tells it the build id. Memory that was never touched is a hole in the file.
mod notes;
mod segments;

use super::memory::{self, AddressSpace, PAGE};
use super::{Context, Error, Result, Vpid, credentials, process, signal, sysv_shm, task};
use crate::image::ImageReader;
use object::elf;
use object::endian::{LittleEndian as LE, U16, U32, U64};
use object::pod::bytes_of;
use segments::Segment;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub threads: usize,
    pub segments: usize,
    /// With holes.
    pub bytes: u64,
}

const HEADER: u64 = size_of::<elf::FileHeader64<LE>>() as u64;
const PROGRAM_HEADER: u64 = size_of::<elf::ProgramHeader64<LE>>() as u64;
const SECTION_HEADER: u64 = size_of::<elf::SectionHeader64<LE>>() as u64;

/// Writes the core file of a process of a verified image. Nothing is overwritten, and only its maker may read it: it holds the memory.
pub fn write(reader: &ImageReader, vpid: Vpid, path: &Path) -> Result<Written> {
    let process = Process::read(reader, vpid)?;
    let segments = process.segments(reader)?;
    let doing = || format!("write the core file {}", path.display());
    let file = match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::NotHere(format!("{} is there already; name another file with --output", path.display())));
        }
        other => other.doing(doing)?,
    };
    let written = lay_out(&process, &segments, reader, &file, &doing);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// The records of one process.
struct Process {
    record: process::ProcessRecord,
    tasks: Vec<task::TaskRecord>,
    credentials: Option<credentials::CredentialsRecord>,
    signals: Option<signal::SignalRecord>,
    memory: memory::Section,
    space: AddressSpace,
}

fn section<T: DeserializeOwned + Default>(reader: &ImageReader, name: &str) -> Result<T> {
    Ok(reader.manifest().section(name)?.unwrap_or_default())
}

impl Process {
    fn read(reader: &ImageReader, vpid: Vpid) -> Result<Process> {
        let image = reader.path().display();
        let records: Vec<process::ProcessRecord> = section(reader, "processes")?;
        let record = records.into_iter().find(|record| record.process == vpid).ok_or_else(|| {
            Error::NotHere(format!("the image {image} has no process {vpid}; `autopod inspect {image}` lists those that it has"))
        })?;
        if record.exit_status.is_some() {
            return Err(Error::NotHere(format!(
                "process {vpid} ({}) of the image {image} is a zombie: it has no memory",
                record.name
            )));
        }
        let memory: memory::Section = section(reader, "memory")?;
        memory::check(&memory)?;
        let space_of = |of: Vpid| memory.spaces.iter().find(|space| space.process == of);
        let own = space_of(vpid).ok_or_else(|| Error::Inconsistent(format!("process {vpid} has no memory")))?;
        let space = own.shared_with.and_then(space_of).unwrap_or(own).clone();
        let mut tasks: Vec<task::TaskRecord> = section(reader, "tasks")?;
        tasks.retain(|task| task.process == vpid);
        tasks.sort_by_key(|task| record.tasks.iter().position(|tid| *tid == task.task));
        let credentials: Vec<credentials::CredentialsRecord> = section(reader, "credentials")?;
        let signals: Vec<signal::SignalRecord> = section(reader, "signals")?;
        Ok(Process {
            credentials: credentials.into_iter().find(|of| of.process == vpid),
            signals: signals.into_iter().find(|of| of.process == vpid),
            record,
            tasks,
            memory,
            space,
        })
    }

    fn segments(&self, reader: &ImageReader) -> Result<Vec<Segment>> {
        let sysv: Vec<sysv_shm::Record> = section(reader, "sysv_shm")?;
        Ok(self.space.mappings.iter().flat_map(|map| segments::of(map, self, &sysv)).collect())
    }
}

fn lay_out(
    process: &Process,
    segments: &[Segment],
    reader: &ImageReader,
    file: &File,
    doing: &dyn Fn() -> String,
) -> Result<Written> {
    let notes = notes::all(process, segments, reader);
    let count = segments.len() as u64 + 1;
    // beyond 16 bits the number is in a section header (elf(5))
    let many = count >= u64::from(elf::PN_XNUM);
    let notes_at = HEADER + count * PROGRAM_HEADER + if many { SECTION_HEADER } else { 0 };
    let mut at = (notes_at + notes.len() as u64).next_multiple_of(PAGE);
    let mut headers = vec![program_header(elf::PT_NOTE, 0, notes_at, (0, notes.len() as u64), (notes.len() as u64, 4))];
    let mut places = Vec::new();
    for segment in segments {
        let len = segment.end - segment.start;
        let in_file = if segment.contents.is_some() { len } else { 0 };
        headers.push(program_header(elf::PT_LOAD, segment.flags, at, (segment.start, in_file), (len, PAGE)));
        places.push(at);
        at = at.checked_add(in_file).ok_or_else(|| Error::Inconsistent("more memory than addresses".into()))?;
    }
    let mut head = bytes_of(&file_header(count, many)).to_vec();
    headers.iter().for_each(|header| head.extend_from_slice(bytes_of(header)));
    if many {
        head.extend_from_slice(bytes_of(&counting_section(count)));
    }
    head.extend_from_slice(&notes);
    file.set_len(at).doing(doing)?;
    file.write_all_at(&head, 0).doing(doing)?;
    for (segment, place) in segments.iter().zip(places) {
        segment.write(reader, &mut |offset, bytes| file.write_all_at(bytes, place + offset).doing(doing))?;
    }
    Ok(Written { threads: process.tasks.len(), segments: segments.len(), bytes: at })
}

fn file_header(count: u64, many: bool) -> elf::FileHeader64<LE> {
    let (sections, section_size) = if many { (1, SECTION_HEADER as u16) } else { (0, 0) };
    elf::FileHeader64 {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_CORE),
        e_machine: U16::new(LE, elf::EM_X86_64),
        e_version: U32::new(LE, 1),
        e_entry: U64::new(LE, 0),
        e_phoff: U64::new(LE, HEADER),
        e_shoff: U64::new(LE, if many { HEADER + count * PROGRAM_HEADER } else { 0 }),
        e_flags: U32::new(LE, 0),
        e_ehsize: U16::new(LE, HEADER as u16),
        e_phentsize: U16::new(LE, PROGRAM_HEADER as u16),
        e_phnum: U16::new(LE, if many { elf::PN_XNUM } else { count as u16 }),
        e_shentsize: U16::new(LE, section_size),
        e_shnum: U16::new(LE, sections),
        e_shstrndx: U16::new(LE, 0),
    }
}

/// `(address, bytes in the file)`, `(bytes in memory, alignment)`
fn program_header(kind: u32, flags: u32, at: u64, file: (u64, u64), memory: (u64, u64)) -> elf::ProgramHeader64<LE> {
    elf::ProgramHeader64 {
        p_type: U32::new(LE, kind),
        p_flags: U32::new(LE, flags),
        p_offset: U64::new(LE, at),
        p_vaddr: U64::new(LE, file.0),
        p_paddr: U64::new(LE, 0),
        p_filesz: U64::new(LE, file.1),
        p_memsz: U64::new(LE, if kind == elf::PT_NOTE { 0 } else { memory.0 }),
        p_align: U64::new(LE, memory.1),
    }
}

fn counting_section(count: u64) -> elf::SectionHeader64<LE> {
    let (zero, none) = (U32::new(LE, 0), U64::new(LE, 0));
    elf::SectionHeader64 {
        sh_name: zero,
        sh_type: zero,
        sh_flags: none,
        sh_addr: none,
        sh_offset: none,
        sh_size: U64::new(LE, 1),
        sh_link: zero,
        sh_info: U32::new(LE, count as u32),
        sh_addralign: none,
        sh_entsize: none,
    }
}
