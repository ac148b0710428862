//! Building address spaces, by calls made in the process itself.
use super::super::descriptor::hand_over;
use super::super::{Context, Error, Nascent, NascentProcess, Result, shim_names, sysv_shm};
use super::inherit::Plan;
use super::{AddressSpace, Backing, MappingRecord, Section, TASK_SIZE, huge, vdso};
use crate::image::RunRef;
use crate::proc::{Mapping, Proc, parse_maps};
use crate::tracee::{Call, Injector, Stopped, find_hole};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const SYS_MSEAL: i64 = 462;

/// Puts the injector's area into a process that has just started, where no address space of the image has anything, so that
/// processes forked from it have it in the same place.
pub fn take_over(proc: &Proc, task: &mut Stopped, section: &Section) -> Result<Injector> {
    let maps = current(proc, task.tid())?;
    let wanted = section.spaces.iter().flat_map(|space| space.mappings.iter().map(|map| (map.start, map.end)));
    let taken = maps.iter().map(|map| (map.start, map.end)).chain(wanted);
    let base =
        find_hole(taken, Injector::size()).ok_or_else(|| Error::NotHere("the image leaves no address range free".into()))?;
    Injector::install(task, &maps, base, None).doing(|| format!("prepare process {}", task.tid()))
}

fn current(proc: &Proc, pid: i32) -> Result<Vec<Mapping>> {
    let text = proc.read(&format!("{pid}/maps")).doing(|| format!("read the mappings of process {pid}"))?;
    parse_maps(&text).ok_or_else(|| Error::Inconsistent(format!("/proc/{pid}/maps cannot be read")))
}

/// Replaces everything that a process has mapped by the recorded address space, except what it has in common with `base`, the address
/// space with which it was forked. `objects` are the shared objects of the section.
pub fn build(
    cx: &mut Nascent,
    process: &mut NascentProcess,
    space: &AddressSpace,
    base: Option<&AddressSpace>,
    section: &Section,
    objects: &[OwnedFd],
) -> Result<()> {
    let plan = Plan::new(space, base);
    let maps = current(&cx.proc, process.pid)?;
    let avoid: Vec<(u64, u64)> = space.mappings.iter().map(|map| (map.start, map.end)).collect();
    let parked = vdso::park(&mut process.tasks[0].1, &mut process.injector, &maps, &avoid)?;
    clear(process, &parked, &plan)?;
    vdso::place(&mut process.tasks[0].1, &mut process.injector, &parked, &space.mappings)?;
    map_all(cx, process, space, &plan, objects)?;
    set_layout(process, space)?;
    open_up(process, space, &plan)?;
    fill(cx, process, &plan.writes)?;
    connect_vdso(process, section, &parked)?;
    protect(process, space, &plan)
}

/// Has a vdso of another kernel use that of here, which stays where it is parked.
fn connect_vdso(process: &mut NascentProcess, section: &Section, parked: &[Mapping]) -> Result<()> {
    let (Some(bridge), Some(here)) = (&section.bridge, parked.iter().find(|map| map.label() == "[vdso]")) else { return Ok(()) };
    let vpid = process.vpid;
    for (address, bytes) in bridge.patches(vpid, here.start) {
        process.tasks[0].1.poke(address, &bytes).doing(|| format!("connect the vdso of process {vpid}"))?;
    }
    Ok(())
}

/// Unmaps everything but the injector's area, the parked vdso and what is inherited.
fn clear(process: &mut NascentProcess, parked: &[Mapping], plan: &Plan) -> Result<()> {
    let area = process.injector.range();
    let ours = parked.iter().map(|map| (map.start, map.end)).chain([(area.start, area.end)]);
    let mut kept: Vec<(u64, u64)> = ours.chain(plan.kept.iter().copied()).collect();
    kept.sort_unstable();
    let mut calls = Vec::new();
    let mut at = 0;
    for (start, end) in kept.into_iter().chain([(TASK_SIZE, TASK_SIZE)]) {
        if start > at {
            calls.push(Call::new(libc::SYS_munmap, [at, start - at]));
        }
        at = end;
    }
    process.sequence("clear the memory", &mut calls)
}

/// Makes inherited mappings ready to be written to, and drops the pages that the process does not have.
fn open_up(process: &mut NascentProcess, space: &AddressSpace, plan: &Plan) -> Result<()> {
    const WRITABLE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let mut calls = Vec::new();
    for map in space.mappings.iter().filter(|map| plan.keeps(map) && plan.fills(map) && map.protection & WRITABLE != WRITABLE) {
        calls.push(Call::new(libc::SYS_mprotect, [map.start, map.end - map.start, (map.protection | WRITABLE) as u64]));
    }
    let drops = plan.drops.iter().map(|(start, end)| [*start, end - start, libc::MADV_DONTNEED as u64]);
    calls.extend(drops.map(|arguments| Call::new(libc::SYS_madvise, arguments)));
    process.sequence("prepare the inherited memory", &mut calls)
}

fn map_all(cx: &mut Nascent, process: &mut NascentProcess, space: &AddressSpace, plan: &Plan, objects: &[OwnedFd]) -> Result<()> {
    // the files behind the mappings, each opened once
    let mut sources: Vec<(Source, OwnedFd)> = Vec::new();
    for map in space.mappings.iter().filter(|map| !plan.keeps(map)) {
        let Some(source) = Source::of(map) else { continue };
        if sources.iter().any(|(known, _)| *known == source) {
            continue;
        }
        let fd = match &map.backing {
            Backing::File { file, writable } => file.open(cx, if *writable { libc::O_RDWR } else { libc::O_RDONLY })?,
            Backing::NamesTable => {
                let path = shim_names::table_file(cx);
                let file = std::fs::OpenOptions::new().read(true).write(true).open(&path);
                file.doing(|| format!("open {}", path.display()))?.into()
            }
            Backing::Shared(index) => {
                let object = objects.get(*index as usize);
                let object = object.ok_or_else(|| Error::Inconsistent(format!("shared memory object {index} is missing")))?;
                object.try_clone().doing(|| "duplicate a descriptor".into())?
            }
            _ => continue,
        };
        sources.push((source, fd));
    }
    let sender = cx.channel_sender()?;
    let mut numbers = Vec::new();
    let fds: Vec<BorrowedFd<'_>> = sources.iter().map(|(_, fd)| fd.as_fd()).collect();
    for batch in fds.chunks(250) {
        numbers.extend(hand_over(process, sender.as_fd(), batch)?);
    }
    let mut calls = Vec::new();
    for map in space.mappings.iter().filter(|map| !plan.keeps(map)) {
        let fd = match Source::of(map) {
            Some(source) => {
                let at = sources.iter().position(|(known, _)| *known == source).expect("listed above");
                numbers[at] as u64
            }
            None => u64::MAX,
        };
        match &map.backing {
            Backing::Kernel(_) | Backing::AioRing | Backing::SysvSegment(_) => continue,
            _ => {}
        }
        let protection = if plan.fills(map) { map.protection | libc::PROT_READ | libc::PROT_WRITE } else { map.protection };
        let mut flags = libc::MAP_FIXED_NOREPLACE | if map.shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        if map.backing == Backing::Anonymous {
            flags |= libc::MAP_ANONYMOUS;
        }
        flags |= map.huge.map_or(0, huge::mmap_flags);
        for (flag, bit) in [("gd", libc::MAP_GROWSDOWN), ("nr", libc::MAP_NORESERVE), ("dp", 0)] {
            if map.flags.iter().any(|f| f == flag) {
                flags |= bit;
            }
        }
        let len = map.end - map.start;
        calls.push(Call::new(libc::SYS_mmap, [map.start, len, protection as u64, flags as u64, fd, map.offset]));
    }
    calls.extend(numbers.iter().map(|fd| Call::new(libc::SYS_close, [*fd as u64])));
    process.sequence("map the memory", &mut calls)
}

/// Has mappings to come locked, where that was so, and mappings sealed (mseal(2)); what we map ourselves must be there by then, and children
/// that were forked with a sealed mapping could not be rid of it.
pub fn lock_future(cx: &mut Nascent, section: &Section) -> Result<()> {
    for space in &section.spaces {
        let sealed = space.mappings.iter().filter(|map| map.flags.iter().any(|flag| flag == "sl"));
        let mut seals: Vec<Call> = sealed.map(|map| Call::new(SYS_MSEAL, [map.start, map.end - map.start, 0])).collect();
        if !seals.is_empty() {
            cx.process_mut(space.process)?.sequence("seal the memory", &mut seals)?;
        }
        if let Some(flags) = space.lock_future {
            cx.process_mut(space.process)?.call("lock mappings to come", libc::SYS_mlockall, [flags as u64])?;
        }
    }
    Ok(())
}

/// Attaches System V segments (shmop(2)) where they were. Processes must exist, and the segments.
pub fn attach_segments(cx: &mut Nascent, section: &Section) -> Result<()> {
    let sizes = sysv_shm::sizes(cx)?;
    for space in &section.spaces {
        let mut calls = Vec::new();
        let mut done = 0;
        for (index, map) in space.mappings.iter().enumerate() {
            let Backing::SysvSegment(id) = map.backing else { continue };
            if index < done {
                continue;
            }
            // mprotect(2) splits an attachment into several mappings
            let base = map.start - map.offset;
            let parts = space.mappings[index..].iter();
            let parts = parts.take_while(|part| part.backing == map.backing && part.start.wrapping_sub(part.offset) == base);
            let parts: Vec<&MappingRecord> = parts.collect();
            done = index + parts.len();
            let any = |bit: i32| parts.iter().any(|part| part.protection & bit != 0);
            const SHM_EXEC: i32 = 0o100000;
            let flags =
                if any(libc::PROT_WRITE) { 0 } else { libc::SHM_RDONLY } | if any(libc::PROT_EXEC) { SHM_EXEC } else { 0 };
            let host = sysv_shm::host_id(cx, id)?;
            let (size, page) = sizes.get(&id).copied().unwrap_or((0, super::PAGE));
            let whole = map.offset == 0 && parts.windows(2).all(|two| two[0].end == two[1].start);
            if whole && parts.last().is_some_and(|last| last.end - base == size) {
                calls.push(Call::new(libc::SYS_shmat, [host as u64, base, flags as u64]));
            } else {
                // where the program unmapped the rest there may be something else: attached elsewhere, and moved there
                let pid = cx.process_mut(space.process)?.pid;
                let maps = current(&cx.proc, pid)?;
                let taken = maps.iter().map(|map| (map.start, map.end));
                let taken = taken.chain(space.mappings.iter().map(|map| (map.start, map.end)));
                let aside = find_hole(taken, size + page);
                let aside = aside.ok_or_else(|| Error::NotHere("there is no room to attach a segment".into()))?;
                let aside = aside.next_multiple_of(page);
                calls.push(Call::new(libc::SYS_shmat, [host as u64, aside, flags as u64]));
                calls.extend(parts.iter().map(|part| {
                    let len = part.end - part.start;
                    let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64;
                    Call::new(libc::SYS_mremap, [aside + part.offset, len, len, flags, part.start])
                }));
                calls.push(Call::new(libc::SYS_munmap, [aside, size]));
            }
            calls.extend(
                parts
                    .iter()
                    .map(|part| Call::new(libc::SYS_mprotect, [part.start, part.end - part.start, part.protection as u64])),
            );
        }
        if !calls.is_empty() {
            cx.process_mut(space.process)?.sequence("attach the shared memory segments", &mut calls)?;
        }
    }
    Ok(())
}

/// What a mapping is made from, as a key.
#[derive(PartialEq)]
enum Source<'a> {
    File(&'a super::FileObject, bool),
    Shared(u32),
    NamesTable,
}

impl Source<'_> {
    fn of(map: &MappingRecord) -> Option<Source<'_>> {
        match &map.backing {
            Backing::File { file, writable } => Some(Source::File(file, *writable)),
            Backing::Shared(index) => Some(Source::Shared(*index)),
            Backing::NamesTable => Some(Source::NamesTable),
            _ => None,
        }
    }
}

/// PR_SET_MM_MAP: where code, data, heap, stack, arguments and environment are.
fn set_layout(process: &mut NascentProcess, space: &AddressSpace) -> Result<()> {
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP: u64 = 14;
    let layout = &space.layout;
    let auxv = process.write_data(256, &layout.auxv)?;
    let mut map = Vec::with_capacity(104);
    for word in [
        layout.start_code,
        layout.end_code,
        layout.start_data,
        layout.end_data,
        layout.start_brk,
        layout.brk,
        layout.start_stack,
        layout.arg_start,
        layout.arg_end,
        layout.env_start,
        layout.env_end,
        auxv,
    ] {
        map.extend_from_slice(&word.to_le_bytes());
    }
    map.extend_from_slice(&(layout.auxv.len() as u32).to_le_bytes());
    map.extend_from_slice(&u32::MAX.to_le_bytes());
    let address = process.write_data(0, &map)?;
    process.call("set the memory layout", libc::SYS_prctl, [PR_SET_MM, PR_SET_MM_MAP, address, map.len() as u64, 0]).map(drop)
}

/// Writes the recorded pages, as they come from the image, by several threads.
fn fill(cx: &Nascent, process: &NascentProcess, writes: &[super::PageRun]) -> Result<()> {
    let mut runs: Vec<&super::PageRun> = writes.iter().collect();
    runs.sort_unstable_by_key(|run| run.data.start);
    let ranges: Vec<RunRef> = runs.iter().map(|run| run.data).collect();
    let (pid, vpid) = (process.pid, process.vpid);
    let write = |position: u64, bytes: &[u8]| {
        let run = runs[runs.partition_point(|run| run.data.start + run.data.len <= position)];
        let address = run.start + (position - run.data.start);
        crate::sys::memory::write(pid, address, bytes).doing(|| format!("write the memory of process {vpid} at {address:#x}"))
    };
    Ok(cx.reader.stream(&ranges, write)?)
}

/// Final protection, advice, locks and names.
fn protect(process: &mut NascentProcess, space: &AddressSpace, plan: &Plan) -> Result<()> {
    const ADVICE: [(&str, i32); 8] = [
        ("sr", libc::MADV_SEQUENTIAL),
        ("rr", libc::MADV_RANDOM),
        ("dc", libc::MADV_DONTFORK),
        ("dd", libc::MADV_DONTDUMP),
        ("wf", libc::MADV_WIPEONFORK),
        ("mg", libc::MADV_MERGEABLE),
        ("hg", libc::MADV_HUGEPAGE),
        ("nh", libc::MADV_NOHUGEPAGE),
    ];
    const PR_SET_VMA: u64 = 0x5356_4d41;
    let mut calls = Vec::new();
    let mut named = Vec::new();
    for map in &space.mappings {
        if matches!(map.backing, Backing::Kernel(_) | Backing::AioRing) {
            continue;
        }
        let len = map.end - map.start;
        let has = |flag: &str| map.flags.iter().any(|f| f == flag);
        if plan.fills(map) && map.protection & (libc::PROT_READ | libc::PROT_WRITE) != libc::PROT_READ | libc::PROT_WRITE {
            calls.push(Call::new(libc::SYS_mprotect, [map.start, len, map.protection as u64]));
        }
        for (flag, advice) in ADVICE {
            if has(flag) {
                calls.push(Call::new(libc::SYS_madvise, [map.start, len, advice as u64]));
            }
        }
        if has("lo") {
            let on_fault = if has("lf") { 1 } else { 0 };
            calls.push(Call::new(libc::SYS_mlock2, [map.start, len, on_fault]));
        }
        if let Some(name) = map.name.as_ref().filter(|_| !plan.keeps(map)) {
            named.push((map, name));
        }
    }
    process.sequence("protect the memory", &mut calls)?;
    for (map, name) in named {
        let mut bytes = name.clone().into_bytes();
        bytes.push(0);
        let address = process.write_data(0, &bytes)?;
        // kernels without CONFIG_ANON_VMA_NAME refuse; a name is decoration
        let mut calls = [Call::new(libc::SYS_prctl, [PR_SET_VMA, 0, map.start, map.end - map.start, address])];
        let task = &mut process.tasks[0].1;
        process.injector.batch(task, &mut calls).doing(|| format!("name a mapping of process {}", process.vpid))?;
    }
    const MADV_GUARD_INSTALL: u64 = 102;
    let guards = space.guards.iter().map(|(start, end)| Call::new(libc::SYS_madvise, [*start, end - start, MADV_GUARD_INSTALL]));
    process.sequence("install guard pages", &mut guards.collect::<Vec<_>>())
}
