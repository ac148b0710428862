//! The vdso (vdso(7)): code of the kernel's, mapped into every process, and its data pages `[vvar]`.
//!
//! Programs keep its address (the auxiliary vector, glibc's function pointers), so it must come back where it was. All of its mappings can
//! be moved with mremap(2). The code is that of the kernel that built it: on another kernel see [`super::foreign_vdso`].
use super::super::{Capture, Context, Error, Result};
use super::{Backing, MappingRecord};
use crate::image::RunRef;
use crate::proc::Mapping;
use crate::tracee::{Call, Injector, Stopped, find_hole};

/// Stores the code, so that a restart can tell whether its kernel has the same.
pub(super) fn capture(cx: &mut Capture, index: usize) -> Result<Option<RunRef>> {
    let process = &cx.processes[index];
    let Some(vdso) = process.maps.iter().find(|map| map.label() == "[vdso]") else { return Ok(None) };
    let mut code = vec![0; vdso.len() as usize];
    process.read(vdso.start, &mut code)?;
    Ok(Some(cx.writer.put(&code)?))
}

/// The kernel's own mappings of a process.
pub(super) fn is_kernel(map: &Mapping) -> bool {
    matches!(map.label(), "[vdso]" | "[vvar]" | "[vvar_vclock]")
}

/// Moves the vdso of this process out of the way of the recorded mappings. Gives the mappings where they are then.
pub(super) fn park(task: &mut Stopped, injector: &mut Injector, maps: &[Mapping], avoid: &[(u64, u64)]) -> Result<Vec<Mapping>> {
    let parts: Vec<&Mapping> = maps.iter().filter(|map| is_kernel(map)).collect();
    let Some(first) = parts.first().map(|map| map.start) else { return Ok(Vec::new()) };
    let len = parts.last().map_or(0, |map| map.end) - first;
    let area = injector.range();
    let taken = maps.iter().map(|map| (map.start, map.end)).chain(avoid.iter().copied()).chain([(area.start, area.end)]);
    let base = find_hole(taken, len).ok_or_else(|| Error::NotHere("no room to park the vdso".into()))?;
    let moved: Vec<Mapping> = parts
        .iter()
        .map(|map| Mapping { start: map.start - first + base, end: map.end - first + base, ..(*map).clone() })
        .collect();
    relocate(task, injector, &parts, &moved)?;
    Ok(moved)
}

/// Moves parked parts to where the image has them.
pub(super) fn place(task: &mut Stopped, injector: &mut Injector, parked: &[Mapping], wanted: &[MappingRecord]) -> Result<()> {
    let mut from = Vec::new();
    let mut to = Vec::new();
    for part in parked {
        let target = wanted.iter().find(|map| matches!(&map.backing, Backing::Kernel(label) if label == part.label()));
        let Some(target) = target else { continue };
        if target.end - target.start != part.len() {
            return Err(Error::NotHere(format!("the kernel's {} has another size here than in the image", part.label())));
        }
        from.push(part);
        to.push(Mapping { start: target.start, end: target.end, ..part.clone() });
    }
    relocate(task, injector, &from, &to)
}

fn relocate(task: &mut Stopped, injector: &mut Injector, from: &[&Mapping], to: &[Mapping]) -> Result<()> {
    let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64;
    for (old, new) in from.iter().zip(to) {
        if old.start == new.start {
            continue;
        }
        let mut calls = [Call::new(libc::SYS_mremap, [old.start, old.len(), old.len(), flags, new.start])];
        injector.sequence(task, &mut calls).doing(|| format!("move {}", old.label()))?;
        if (old.start..old.end).contains(&injector.gate()) {
            injector.move_gate(new.start.wrapping_sub(old.start) as i64);
        }
    }
    Ok(())
}
