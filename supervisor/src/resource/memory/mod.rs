//! Memory: the address space of every process (mmap(2), proc_pid_maps(5)).
//!
//! The kernel remembers of a mapping its range, protection, what is behind it, and advice. Content is stored only where the mapping
//! itself is the only place that has it: anonymous pages, and pages of private file mappings that were written. Shared
//! anonymous memory, memfds and SysV segments are objects of their own, stored once ([`shared`]).
mod capture;
pub mod foreign_vdso;
pub mod huge;
mod inherit;
mod restore;
pub mod shared;
mod vdso;

pub use capture::capture;
pub use restore::{attach_segments, build, lock_future, take_over};

use super::Vpid;
use super::file_object::FileObject;
use crate::image::RunRef;
use serde::{Deserialize, Serialize};

/// What is behind a mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Backing {
    Anonymous,
    /// A file; `writable` when the mapping was made from a descriptor open for writing.
    File {
        file: FileObject,
        writable: bool,
    },
    /// Index in [`Section::objects`].
    Shared(u32),
    /// A SysV shared memory segment, by its id in the pod.
    SysvSegment(u32),
    /// Part of the kernel's own: `[vdso]`, `[vvar]`, `[vvar_vclock]`.
    Kernel(String),
    /// The pod's namespace table, which a restart makes anew (docs/names.md).
    NamesTable,
    /// The ring of an AIO context (io_setup(2)); made by `resource::aio`.
    AioRing,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MappingRecord {
    pub start: u64,
    pub end: u64,
    /// PROT_ bits
    pub protection: i32,
    pub shared: bool,
    pub backing: Backing,
    /// In bytes, within the file or object.
    pub offset: u64,
    /// The flags of proc_pid_smaps(5) that are state of the mapping, such as `gd` or `lo`.
    pub flags: Vec<String>,
    /// PR_SET_VMA_ANON_NAME
    pub name: Option<String>,
    /// MAP_HUGETLB: the size of its pages, of memory that is in no object of its own.
    #[serde(default)]
    pub huge: Option<u64>,
}

/// Consecutive pages with content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageRun {
    pub start: u64,
    pub data: RunRef,
}

/// The fields of struct prctl_mm_map (PR_SET_MM_MAP of prctl(2)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub start_code: u64,
    pub end_code: u64,
    pub start_data: u64,
    pub end_data: u64,
    pub start_brk: u64,
    pub brk: u64,
    pub start_stack: u64,
    pub arg_start: u64,
    pub arg_end: u64,
    pub env_start: u64,
    pub env_end: u64,
    #[serde(with = "serde_bytes")]
    pub auxv: Vec<u8>,
}

/// The memory of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressSpace {
    pub process: Vpid,
    /// The memory is that of this process (CLONE_VM), and everything below is empty.
    pub shared_with: Option<Vpid>,
    /// Guard pages (MADV_GUARD_INSTALL), as ranges.
    pub guards: Vec<(u64, u64)>,
    /// Mappings to come are locked: the flags of mlockall(2).
    pub lock_future: Option<i32>,
    pub layout: Layout,
    pub mappings: Vec<MappingRecord>,
    pub runs: Vec<PageRun>,
}

impl AddressSpace {
    /// Of a process whose memory is that of another.
    fn of_another(process: Vpid, other: Vpid) -> AddressSpace {
        AddressSpace {
            process,
            shared_with: Some(other),
            guards: Vec::new(),
            lock_future: None,
            layout: Layout::default(),
            mappings: Vec::new(),
            runs: Vec::new(),
        }
    }
}

/// The section "memory".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// The code of the vdso, the same in every process of a kernel.
    pub vdso: Option<RunRef>,
    pub objects: Vec<shared::Object>,
    pub spaces: Vec<AddressSpace>,
    /// At a restart on another kernel.
    #[serde(skip)]
    pub bridge: Option<foreign_vdso::Bridge>,
}

pub(crate) const PAGE: u64 = 4096;
/// End of user addresses on x86-64 with four-level page tables.
pub(crate) const TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// Refuses nonsense before anything is built.
pub fn check(section: &Section) -> super::Result<()> {
    for space in &section.spaces {
        for map in &space.mappings {
            let aligned = map.start % PAGE == 0 && map.end % PAGE == 0;
            if !aligned || map.start >= map.end || map.end > TASK_SIZE {
                return Err(super::Error::Inconsistent(format!(
                    "process {} has a mapping {:#x}-{:#x}",
                    space.process, map.start, map.end
                )));
            }
        }
    }
    Ok(())
}
