//! Directory streams over /proc, a task directory, /dev/shm, /dev/mqueue and /dev/pts.

use core::cell::UnsafeCell;
use core::ffi::c_char;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

use libc::{DIR, dirent64};

use autopod_namespace::{HostId, PathText, Table, VirtualId};

use super::path::{Listing, object_from_host};
use crate::init::pod;
use crate::sys::call::call;
use crate::terminals;
use crate::text;

/// A stream that the program has open, and the entry that it was given last.
struct Stream {
    dir: AtomicPtr<DIR>,
    kind: AtomicU32,
    /// In /proc: the virtual id to go on from, once the files that are no processes have been listed; 0 before.
    next: AtomicU32,
    entry: UnsafeCell<dirent64>,
}

// SAFETY: an entry is written by readdir on its stream only, which the program serializes (readdir(3)).
unsafe impl Sync for Stream {}

const MOST: usize = 64;

static STREAMS: [Stream; MOST] = [const {
    Stream {
        dir: AtomicPtr::new(core::ptr::null_mut()),
        kind: AtomicU32::new(0),
        next: AtomicU32::new(0),
        // SAFETY: all zeroes is an empty entry.
        entry: UnsafeCell::new(unsafe { core::mem::zeroed() }),
    }
}; MOST];

/// How many streams are in use: while none is, readdir looks no further.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Remembers a stream. False when there are too many.
pub fn register(dir: *mut DIR, kind: Listing) -> bool {
    for stream in &STREAMS {
        if stream.dir.compare_exchange(core::ptr::null_mut(), dir, AcqRel, Relaxed).is_ok() {
            stream.kind.store(kind as u32, Relaxed);
            stream.next.store(0, Relaxed);
            USED.fetch_add(1, AcqRel);
            return true;
        }
    }
    false
}

fn find(dir: *mut DIR) -> Option<&'static Stream> {
    if USED.load(Acquire) == 0 { None } else { STREAMS.iter().find(|stream| stream.dir.load(Acquire) == dir) }
}

pub fn forget(dir: *mut DIR) {
    if let Some(stream) = find(dir) {
        USED.fetch_sub(1, AcqRel);
        stream.dir.store(core::ptr::null_mut(), Release);
    }
}

pub fn rewind(dir: *mut DIR) {
    if let Some(stream) = find(dir) {
        stream.next.store(0, Relaxed);
    }
}

/// The next entry in the pod's names; `real` is libc's readdir.
pub fn next(dir: *mut DIR, real: impl Fn() -> *mut dirent64) -> *mut dirent64 {
    let (Some(stream), Some(table)) = (find(dir), pod()) else { return real() };
    loop {
        if stream.next.load(Relaxed) > 0 {
            return next_process(table, stream);
        }
        let entry = real();
        if entry.is_null() {
            if stream.kind.load(Relaxed) != Listing::Processes as u32 {
                return entry;
            }
            stream.next.store(1, Relaxed);
            continue;
        }
        // SAFETY: libc's entry has a name that ends with a NUL.
        let name = unsafe { core::ffi::CStr::from_ptr(&raw const (*entry).d_name as *const c_char) }.to_bytes();
        // Processes are listed from the table, in the order of the pod's ids.
        let kind = stream.kind.load(Relaxed);
        if kind == Listing::Processes as u32 && text::id(name).is_some() {
            continue;
        }
        match own_name(table, kind, name) {
            Name::Same => return entry,
            Name::Hidden => {}
            // SAFETY: libc's entry is valid until the next readdir on the stream.
            Name::Other(name) => return unsafe { fill(stream, &*entry, &name) },
        }
    }
}

#[allow(clippy::large_enum_variant)]
enum Name {
    Same,
    Hidden,
    Other(PathText),
}

fn own_name(table: Table, kind: u32, name: &[u8]) -> Name {
    if name == b"." || name == b".." {
        return Name::Same;
    }
    if kind == Listing::Objects as u32 {
        return object_from_host(table, name).map_or(Name::Hidden, Name::Other);
    }
    if kind == Listing::Terminals as u32 {
        return terminals::from_host(table, name).map_or(Name::Hidden, Name::Other);
    }
    match text::id(name).and_then(HostId::new) {
        None => Name::Same,
        Some(host) if kind == Listing::Processes as u32 => match table.virtual_of(host) {
            Some(id) => Name::Other(number(id)),
            None => Name::Hidden,
        },
        Some(host) => match table.virtual_for(host) {
            Some(id) => Name::Other(number(id)),
            None => Name::Hidden,
        },
    }
}

/// Translates the entries that getdents64(2) gave. How many bytes of `to` they take now; what does not fit is left out.
pub fn rewrite(table: Table, kind: Listing, from: &[u8], to: &mut [u8]) -> usize {
    const NAME: usize = core::mem::offset_of!(dirent64, d_name);
    let (mut at, mut used) = (0, 0);
    while let Some(entry) = from.get(at..).filter(|rest| rest.len() > NAME) {
        let len = usize::from(u16::from_ne_bytes([entry[16], entry[17]]));
        let name = entry[NAME..].split(|c| *c == 0).next().unwrap_or(b"");
        let other;
        let name = match own_name(table, kind as u32, name) {
            Name::Same => Some(name),
            Name::Hidden => None,
            Name::Other(text) => {
                other = text;
                Some(other.as_bytes())
            }
        };
        if let Some(name) = name {
            let new = (NAME + name.len() + 1).next_multiple_of(8);
            if let Some(slot) = to.get_mut(used..used + new) {
                slot.fill(0);
                slot[..NAME].copy_from_slice(&entry[..NAME]);
                slot[16..18].copy_from_slice(&(new as u16).to_ne_bytes());
                slot[NAME..NAME + name.len()].copy_from_slice(name);
                used += new;
            }
        }
        at += len.max(1);
    }
    used
}

fn number(id: VirtualId) -> PathText {
    let mut text = PathText::new();
    text.push_number(id.raw() as u64);
    text
}

fn next_process(table: Table, stream: &Stream) -> *mut dirent64 {
    while let Some(ids) = table.pair_from(stream.next.load(Relaxed)) {
        stream.next.store(ids.virtual_id.raw() as u32 + 1, Relaxed);
        let host = ids.host.raw();
        // Whether there is a process of this id, not only a thread.
        // SAFETY: tgkill touches no memory.
        let process = unsafe { call!(libc::SYS_tgkill, host, host, 0) } != -libc::ESRCH as isize;
        if process && !ids.reaped {
            // SAFETY: all zeroes is an empty entry.
            let mut like: dirent64 = unsafe { core::mem::zeroed() };
            like.d_type = libc::DT_DIR;
            // As the kernel numbers them (fs/proc/base.c: TGID_OFFSET); the inode only has to be one.
            like.d_off = i64::from(ids.virtual_id.raw()) + 257;
            like.d_ino = ids.virtual_id.raw() as u64 + 0x1000;
            return fill(stream, &like, &number(ids.virtual_id));
        }
    }
    core::ptr::null_mut()
}

fn fill(stream: &Stream, like: &dirent64, name: &PathText) -> *mut dirent64 {
    let entry = stream.entry.get();
    let name = name.as_c_str().to_bytes_with_nul();
    // SAFETY: the entry is this stream's, which one thread at a time reads; a name of a directory fits.
    unsafe {
        (*entry).d_ino = like.d_ino;
        (*entry).d_off = like.d_off;
        (*entry).d_type = like.d_type;
        let len = name.len().min((*entry).d_name.len());
        core::ptr::copy_nonoverlapping(name.as_ptr().cast(), (&raw mut (*entry).d_name).cast::<u8>(), len);
        (*entry).d_reclen = (core::mem::offset_of!(dirent64, d_name) + len).next_multiple_of(8) as u16;
    }
    entry
}
