//! The table's fixed layout. Everything is reached by index, so that a lookup is one read and nothing can fill up: the
//! arrays cover every id the kernel could ever give. The file is sparse; only pages that are used take space.

use core::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64};

use crate::id::ID_SPACE;

/// "AutoPodN", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"AutoPodN");
pub const VERSION: u32 = 3;

/// utsname fields are 65 bytes with their NUL (__NEW_UTS_LEN in include/uapi/linux/utsname.h).
pub(crate) const UTS_LEN: usize = 65;
pub(crate) const PATH_LEN: usize = 1024;
pub(crate) const NAME_LEN: usize = 256;

/// IPCMNI: without the boot option `ipcmni_extend` an ipc id is `sequence << 15 | slot`.
pub(crate) const IPC_SLOTS: usize = 1 << 15;

/// NR_UNIX98_PTY_MAX: no host has more pseudo terminals (include/uapi/linux/major.h, drivers/tty/pty.c).
pub(crate) const TERMINALS: usize = 1 << 20;

#[repr(C)]
pub(crate) struct Header {
    pub magic: AtomicU64,
    pub version: AtomicU32,
    pub policy: AtomicU32,
    /// Random, new in every table, so that a hook notices that it was restarted into another one.
    pub stamp: AtomicU64,
    pub pod_id: AtomicU64,
    pub ipc_seed: AtomicU32,
    /// Ids are given below this: the host's pid_max when the table was made.
    pub id_limit: AtomicU32,
    pub next_id: AtomicU32,
    /// One more than the highest id ever given, so that walks over the ids end early.
    pub id_ceiling: AtomicU32,
    pub sweep_cursor: AtomicU32,
    pub uts_sequence: AtomicU32,
    /// Not zero: the kernel realizes the names now, and hooks translate nothing.
    pub dormant: AtomicU32,
    pub monotonic_offset: AtomicI64,
    pub boottime_offset: AtomicI64,
    pub hostname: [AtomicU8; UTS_LEN],
    pub domainname: [AtomicU8; UTS_LEN],
    pub pod_name: [AtomicU8; NAME_LEN],
    pub path: [AtomicU8; PATH_LEN],
}

/// One kind of System V object. An entry of `by_host` is `PRESENT | host id << 32 | virtual id`, of `by_virtual` the
/// other way round.
#[repr(C)]
pub(crate) struct IpcMaps {
    pub by_host: [AtomicU64; IPC_SLOTS],
    pub by_virtual: [AtomicU64; IPC_SLOTS],
}

/// Numbers of pseudo terminals, plus one (terminals.rs).
#[repr(C)]
pub(crate) struct TerminalMaps {
    pub by_host: [AtomicU32; TERMINALS],
    pub by_virtual: [AtomicU32; TERMINALS],
}

#[repr(C, align(4096))]
pub(crate) struct Page<T>(pub T);

#[repr(C)]
pub(crate) struct Layout {
    pub header: Page<Header>,
    /// One bit for each virtual id that is given.
    pub used: Page<[AtomicU64; ID_SPACE / 64]>,
    /// virtual id -> host id and flags (ids.rs).
    pub host: Page<[AtomicU32; ID_SPACE]>,
    /// host id -> virtual id. Believed only where `host` says the same.
    pub virtual_: Page<[AtomicU32; ID_SPACE]>,
    pub ipc: Page<[IpcMaps; 3]>,
    pub terminals: Page<TerminalMaps>,
}

/// The size of the table's file, sparse.
pub const FILE_SIZE: usize = size_of::<Layout>();

const _: () = assert!(size_of::<Header>() <= 4096);
const _: () = assert!(FILE_SIZE % 4096 == 0);
