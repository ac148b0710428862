//! The environment that a program executed in the pod gets: its own, with the shim and the pod in it, whatever it says.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicU8, Ordering::*};

use autopod_namespace::{PathText, Table};

use crate::init::variable;
use crate::sys::scratch::Scratch;

const SHIM_LEN: usize = 768;

/// The path by which the shim was preloaded.
static SHIM: [AtomicU8; SHIM_LEN] = [const { AtomicU8::new(0) }; SHIM_LEN];

pub fn remember() {
    let preload = variable(c"LD_PRELOAD").map_or(&b""[..], CStr::to_bytes);
    let ours = preload.split(|c| matches!(c, b':' | b' ')).find(|path| is_shim(path));
    let path = ours.or_else(|| {
        // SAFETY: dladdr fills in our structure; the name lives as long as the library.
        unsafe {
            let mut found: libc::Dl_info = core::mem::zeroed();
            let known = libc::dladdr(remember as *const _, &mut found) != 0 && !found.dli_fname.is_null();
            known.then(|| CStr::from_ptr(found.dli_fname).to_bytes())
        }
    });
    for (slot, byte) in SHIM.iter().take(SHIM_LEN - 1).zip(path.unwrap_or(b"libautopod_shim.so")) {
        slot.store(*byte, Relaxed);
    }
}

fn is_shim(path: &[u8]) -> bool {
    let name = path.rsplit(|c| *c == b'/').next().unwrap_or(path);
    name.starts_with(b"libautopod_shim")
}

fn shim() -> PathText {
    let mut text = PathText::new();
    for byte in &SHIM {
        match byte.load(Relaxed) {
            0 => break,
            byte => text.push(&[byte]),
        };
    }
    text
}

/// An envp, as exec takes it.
pub type Vector = *const *const c_char;

/// # Safety
/// `envp` is null or an array of C strings that ends with null.
unsafe fn entries(envp: Vector) -> impl Iterator<Item = &'static CStr> {
    let mut entry = envp;
    core::iter::from_fn(move || {
        // SAFETY: the caller's; not past the null.
        unsafe {
            if entry.is_null() || (*entry).is_null() {
                return None;
            }
            let text = CStr::from_ptr(*entry);
            entry = entry.add(1);
            Some(text)
        }
    })
}

fn value<'a>(entry: &'a CStr, name: &[u8]) -> Option<&'a [u8]> {
    entry.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

const NAMES: [&[u8]; 3] = [b"LD_PRELOAD", b"AUTOPOD_POD", b"AUTOPOD_TABLE"];

/// Calls `exec` with an environment in which the program stays in its pod: with `envp` itself where it does already.
///
/// # Safety
/// `envp` is null or an array of C strings that ends with null.
pub unsafe fn with<R>(table: Table, envp: Vector, exec: impl FnOnce(Vector) -> R) -> R {
    let (pod, path) = (table.pod_name(), table.path());
    let (mut count, mut kept) = (0, [false; 3]);
    // SAFETY: the caller's.
    for entry in unsafe { entries(envp) } {
        count += 1;
        // The first of several counts, and must be right.
        for (kept, (name, wanted)) in kept.iter_mut().zip(NAMES.iter().zip([None, Some(&pod), Some(&path)])) {
            if let Some(found) = value(entry, name) {
                *kept = match wanted {
                    Some(wanted) => found == wanted.as_bytes(),
                    None => found.split(|c| matches!(c, b':' | b' ')).any(is_shim),
                };
            }
        }
    }
    if kept == [true; 3] {
        return exec(envp);
    }
    // SAFETY: the caller's.
    unsafe { rebuilt(&pod, &path, envp, count, exec) }
}

/// A frame of its own: only an environment that lost the pod needs this much stack.
#[inline(never)]
unsafe fn rebuilt<R>(pod: &PathText, path: &PathText, envp: Vector, count: usize, exec: impl FnOnce(Vector) -> R) -> R {
    let mut lines = [PathText::new(); 3];
    for (line, name) in lines.iter_mut().zip(NAMES) {
        line.push(name);
        line.push(b"=");
    }
    lines[0].push(shim().as_bytes());
    lines[1].push(pod.as_bytes());
    lines[2].push(path.as_bytes());
    // SAFETY: the caller's.
    for entry in unsafe { entries(envp) } {
        if let Some(theirs) = value(entry, NAMES[0]) {
            for other in theirs.split(|c| matches!(c, b':' | b' ')).filter(|path| !path.is_empty() && !is_shim(path)) {
                lines[0].push(b":");
                lines[0].push(other);
            }
        }
    }
    const FEW: usize = 128;
    let mut few = [0usize; FEW];
    // A vfork child cannot give this back to its parent's memory; such an environment is rare enough.
    let mut many = if count + 4 > FEW { Scratch::new((count + 4) * size_of::<usize>()) } else { None };
    let room = many.as_mut().map_or(&mut few[..], Scratch::words);
    let ours = lines.iter().map(|line| line.as_bytes().as_ptr().addr());
    // SAFETY: the caller's.
    let theirs = unsafe { entries(envp) }.filter(|entry| NAMES.iter().all(|name| value(entry, name).is_none()));
    let last = room.len() - 1;
    let mut used = 0;
    for (slot, entry) in room[..last].iter_mut().zip(ours.chain(theirs.map(|entry| entry.as_ptr().addr()))) {
        *slot = entry;
        used += 1;
    }
    room[used] = 0;
    exec(room.as_ptr().cast())
}
