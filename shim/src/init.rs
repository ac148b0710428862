//! Joining the pod: which one, from the environment, and mapping its table. Hooks run before any constructor of ours
//! (those of the program's libraries come first), so each of them asks `pod()`, and the first to ask does the work.

use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::{AtomicIsize, AtomicPtr, Ordering::*};

use autopod_namespace::{FILE_SIZE, PathText, Table, default_table_path};

use crate::cache;
use crate::sys::call::call;
use crate::sys::tls;

/// What the engine finds by its first bytes, and changes when a pod is restarted with its names realized the other way.
#[repr(C, align(16))]
struct Link {
    magic: [u8; 16],
    /// Null: not looked yet. NONE: hooks translate nothing. Otherwise the table's address.
    pod: AtomicPtr<c_void>,
    /// Where the table is, or shall be once the names are the shim's.
    table: AtomicPtr<c_void>,
    /// Where each thread's words are (`tls::offset`).
    words: AtomicIsize,
}

#[used]
static LINK: Link = Link {
    magic: *b"AutoPod shim v2\0",
    pod: AtomicPtr::new(core::ptr::null_mut()),
    table: AtomicPtr::new(core::ptr::null_mut()),
    words: AtomicIsize::new(0),
};
const NONE: *mut c_void = core::ptr::without_provenance_mut(1);

/// The pod this process is in.
#[inline(always)]
pub fn pod() -> Option<Table> {
    let address = LINK.pod.load(Acquire);
    if address.addr() > NONE.addr() {
        // SAFETY: `join` mapped it there and found a table; it is never unmapped.
        return Some(unsafe { Table::at_known(address) });
    }
    if address.is_null() { look() } else { None }
}

/// Whether this process is in a pod, whoever realizes its names.
pub fn in_pod() -> bool {
    pod().is_some() || !LINK.table.load(Acquire).is_null()
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// An environment variable, without libc's lock-protected table.
pub fn variable(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: libc's environment is an array of C strings that ends with null; null itself before libc is set up.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = CStr::from_ptr(*entry);
            if let Some(value) = text.to_bytes().strip_prefix(name.to_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
                return CStr::from_bytes_with_nul(core::slice::from_raw_parts(value.as_ptr(), value.len() + 1)).ok();
            }
            entry = entry.add(1);
        }
    }
    None
}

#[cold]
fn look() -> Option<Table> {
    // SAFETY: only whether libc has an environment yet.
    if unsafe { environ }.is_null() {
        return None;
    }
    LINK.words.store(tls::offset(), Release);
    let Some(pod) = variable(c"AUTOPOD_POD").filter(|name| !name.is_empty()) else {
        LINK.pod.store(NONE, Release);
        return None;
    };
    if variable(c"AUTOPOD_TABLE").is_some_and(|path| path.to_bytes() == b"kernel") {
        rest();
        return None;
    }
    let table = table_path(pod).and_then(|path| map(path.as_c_str()));
    let Some(address) = table else {
        if LINK.pod.swap(NONE, AcqRel).is_null() {
            complain(&[b"pod \"", pod.to_bytes(), b"\" is not running here; this program runs outside of it"]);
        }
        return None;
    };
    if address == NONE {
        LINK.pod.store(NONE, Release);
        return None;
    }
    match LINK.pod.compare_exchange(core::ptr::null_mut(), address, AcqRel, Acquire) {
        Ok(_) => {
            LINK.table.store(address, Release);
            crate::environment::remember();
            cache::prepare();
        }
        Err(_) => {
            // Another thread was first.
            // SAFETY: our own mapping, used by nobody.
            unsafe { call!(libc::SYS_munmap, address, FILE_SIZE) };
        }
    }
    pod_again()
}

/// The kernel realizes the pod's names: hooks translate nothing, but all is ready for a restart where the shim does.
fn rest() {
    // SAFETY: a new mapping at a place of the kernel's choice, which nobody can touch.
    let place = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        call!(libc::SYS_mmap, 0, FILE_SIZE, libc::PROT_NONE, flags, usize::MAX, 0)
    };
    if place > 0 {
        LINK.table.store(place as *mut c_void, Release);
        crate::environment::remember();
        cache::prepare();
    }
    LINK.pod.store(NONE, Release);
}

fn pod_again() -> Option<Table> {
    let address = LINK.pod.load(Acquire);
    // SAFETY: as in `pod`.
    (address.addr() > NONE.addr()).then(|| unsafe { Table::at_known(address) })
}

fn table_path(pod: &CStr) -> Option<PathText> {
    if let Some(given) = variable(c"AUTOPOD_TABLE").filter(|path| !path.is_empty()) {
        let mut path = PathText::new();
        return path.push(given.to_bytes()).then_some(path);
    }
    let home = variable(c"AUTOPOD_HOME").map(CStr::to_bytes);
    let runtime = variable(c"XDG_RUNTIME_DIR").map(CStr::to_bytes);
    // SAFETY: geteuid has no arguments.
    let uid = unsafe { call!(libc::SYS_geteuid) } as u32;
    default_table_path(pod.to_bytes(), home, runtime, uid)
}

/// Maps the table by raw calls. The mapping is the shim's only trace of where the table is: the engine puts the next
/// table over it, at the same address.
fn map(path: &CStr) -> Option<*mut c_void> {
    // SAFETY: plain system calls; the new mapping is at an address of the kernel's choice.
    unsafe {
        let fd = call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC, 0);
        if fd < 0 {
            return None;
        }
        // A file shorter than its mapping would be a SIGBUS later.
        let len = call!(libc::SYS_lseek, fd, 0, libc::SEEK_END);
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let address =
            if len < FILE_SIZE as isize { -1 } else { call!(libc::SYS_mmap, 0, FILE_SIZE, prot, libc::MAP_SHARED, fd, 0) };
        call!(libc::SYS_close, fd);
        if address <= 0 {
            return None;
        }
        let address = address as *mut c_void;
        if Table::at(address).is_ok_and(|table| table.is_dormant()) {
            call!(libc::SYS_munmap, address, FILE_SIZE);
            return Some(NONE);
        }
        if Table::at(address).is_err() {
            call!(libc::SYS_munmap, address, FILE_SIZE);
            return None;
        }
        Some(address)
    }
}

/// A line on standard error, in one write so that it stays whole.
#[cold]
pub fn complain(parts: &[&[u8]]) {
    let mut line = PathText::new();
    line.push(b"autopod: ");
    for part in parts {
        line.push(part);
    }
    line.push(b"\n");
    // SAFETY: writes our own bytes.
    unsafe { call!(libc::SYS_write, 2, line.as_bytes().as_ptr(), line.as_bytes().len()) };
}

extern "C" fn constructor() {
    if pod().is_some() {
        cache::pid();
        crate::procfs::notice_cwd();
    }
}

// SAFETY: the dynamic linker calls what it finds in .init_array, with arguments that `constructor` ignores.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;
