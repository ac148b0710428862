//! Names that the shim realizes (docs/names.md): which virtual id belongs to which task of the host, the table that the programs map, and
//! what of the host's ids is in their memory all the same.
//!
//! The shim keeps virtual ids only, but the C library caches the id that the kernel gave to each thread, and writes it into the locks
//! that the thread holds. After a restart these words are put right.
use super::descriptor::hand_over;
use super::memory::{Backing, Section as Memory};
use super::process::ProcessRecord;
use super::task::TaskRecord;
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use super::{shim_link, sysv};
use crate::pod::record::Names;
use crate::proc::Mapping;
use crate::tracee::{Call, Registers};
use autopod_namespace::{Clock, FILE_SIZE, HostId, HostIpc, HostTerminal, IpcKind, Settings, Table, VirtualId, VirtualIpc};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What of the table has to outlive it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Where giving ids goes on.
    pub next_id: u32,
    /// The pod's clock was the host's plus this, in nanoseconds.
    pub monotonic_offset: i64,
    pub boottime_offset: i64,
    /// Ids that are given to tasks which are just about to be made.
    #[serde(default)]
    pub reserved: Vec<Vpid>,
}

const SECTION: &str = "shim_names";

/// The pod's table; `None` under kernel names.
pub fn table(cx: &mut Capture) -> Result<Option<Table>> {
    sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)
}

/// The virtual id of a task of the pod.
pub fn name_task(table: Table, host: i32) -> Result<Vpid> {
    let id = HostId::new(host).and_then(|host| table.virtual_for(host));
    id.map(|id| id.raw() as Vpid).ok_or_else(|| Error::NotHere("the pod's namespace table is full".into()))
}

/// The virtual id of a group or session; 0 when it is not of the pod.
pub fn name(table: Table, host: i32) -> Vpid {
    HostId::new(host).and_then(|host| table.virtual_of(host)).map_or(0, |id| id.raw() as Vpid)
}

/// The pod's number of a terminal.
pub fn name_terminal(table: Table, host: u32) -> u32 {
    let exists = |other: HostTerminal| std::path::Path::new(&format!("/dev/pts/{}", other.0)).exists();
    table.virtual_terminal_for(HostTerminal(host), exists).map_or(host, |number| number.0)
}

/// Notes what else has a name, and refuses programs that were injected by hand: they are no descendants of the pod's init.
pub fn capture(cx: &mut Capture) -> Result<()> {
    let Some(table) = table(cx)? else { return Ok(()) };
    // the supervisor and the engine map the table as well, and may have the id of a task that is gone
    let ours = [crate::sys::process::own_pid(), nix::unistd::getppid().as_raw()];
    for ids in table.pairs() {
        let host = ids.host.raw();
        if cx.virtual_ids.contains_key(&host) {
            continue;
        }
        let lives = !ids.reaped && !ours.contains(&host);
        if lives && cx.proc.maps(host).is_ok_and(|maps| maps.iter().any(|map| is_table(table, map))) {
            return Err(Error::Refused {
                object: format!("process {} ({host} of the host)", ids.virtual_id.raw()),
                reason: "it joined the pod by LD_PRELOAD, and is no descendant of the pod's init".into(),
                way_out: "end it, or start it by `autopod addproc`".into(),
            });
        }
        cx.virtual_ids.insert(host, ids.virtual_id.raw() as Vpid);
    }
    let (monotonic_offset, boottime_offset) = (table.clock_offset(Clock::Monotonic), table.clock_offset(Clock::Boottime));
    let reserved = table.reservations().map(|id| id.raw() as Vpid).collect();
    let section = Section { next_id: table.next_id(), monotonic_offset, boottime_offset, reserved };
    cx.section(SECTION, &section)
}

/// Whether a mapping is one of the pod's table.
pub fn is_table(table: Table, map: &Mapping) -> bool {
    map.shared && map.len() == FILE_SIZE as u64 && map.label().trim_end_matches(" (deleted)") == table.path().as_str()
}

/// Whether an instruction belongs to the shim, or to the vdso of a program with the shim, which calls it from a hook.
pub fn in_shim(maps: &[Mapping], rip: u64) -> bool {
    let is_shim = |map: &Mapping| map.label().ends_with("/libautopod_shim.so");
    let at = maps.partition_point(|map| map.end <= rip);
    let Some(map) = maps.get(at).filter(|map| map.start <= rip && map.execute) else { return false };
    is_shim(map) || (map.label() == "[vdso]" && maps.iter().any(is_shim))
}

/// The registers of a task as a new process must have them: a hook of the shim repeats its call itself, since the arguments that it gave to
/// the kernel are names of the host.
pub fn rewound(maps: &[Mapping], registers: &Registers) -> Registers {
    let mut rewound = registers.rewound();
    if rewound.rip != registers.rip && repeats(registers) && in_shim(maps, registers.rip) {
        const ERESTARTSYS: i64 = -512;
        rewound.rip = registers.rip;
        rewound.rax = ERESTARTSYS as u64;
    }
    rewound
}

/// Whether a call, if a hook of the shim makes it, is one that the hook repeats (RESTARTED in its `call.rs`).
fn repeats(registers: &Registers) -> bool {
    match registers.orig_rax as i64 {
        libc::SYS_wait4 | libc::SYS_waitid | libc::SYS_semop | libc::SYS_semtimedop | libc::SYS_msgsnd | libc::SYS_msgrcv => true,
        libc::SYS_clock_nanosleep => registers.rsi == libc::TIMER_ABSTIME as u64,
        libc::SYS_futex => waits_until(registers),
        _ => false,
    }
}

/// Whether the arguments are those of a futex(2) wait with an absolute timeout on the monotonic clock.
fn waits_until(registers: &Registers) -> bool {
    const FUTEX_WAIT_BITSET: u64 = 9;
    const FUTEX_WAIT_REQUEUE_PI: u64 = 11;
    const FUTEX_LOCK_PI2: u64 = 13;
    const FUTEX_CLOCK_REALTIME: u64 = 256;
    let absolute = matches!(registers.rsi & 127, FUTEX_WAIT_BITSET | FUTEX_WAIT_REQUEUE_PI | FUTEX_LOCK_PI2);
    absolute && registers.rsi & FUTEX_CLOCK_REALTIME == 0 && registers.r10 != 0
}

/// Whether programs that lived under names of this kind can live under those of here.
pub fn check(kernel_names: bool, then: Names, memory: &Memory) -> Result<()> {
    match (then, kernel_names) {
        (Names::Shim, true) => {
            let mut own = memory.spaces.iter().filter(|space| space.shared_with.is_none());
            let unshimmed = own.find(|space| !space.mappings.iter().any(|map| map.backing == Backing::NamesTable));
            match unshimmed {
                // it has seen names of the old host
                Some(space) => Err(Error::NotHere(format!(
                    "process {} of the image ran without the shim under `--names shim` (`--allow-unshimmed`); restart it under `--names shim`",
                    space.process
                ))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// The file that takes the place of the table of old.
pub fn table_file(cx: &Nascent) -> PathBuf {
    crate::pod::paths::Roots::of_caller().pod(&cx.pod_name).table()
}

/// Lets programs of these users open the table of here, as their changes of user did at the time.
pub fn admit(cx: &Nascent, users: impl Iterator<Item = u32>) {
    let users: std::collections::BTreeSet<u32> = users.filter(|user| *user != 0).collect();
    if users.is_empty() || !nix::unistd::geteuid().is_root() {
        return;
    }
    let Ok(path) = CString::new(table_file(cx).into_os_string().into_encoded_bytes()) else { return };
    // under names of the kernel there may be none
    let Ok(table) = Table::open(&path) else { return };
    for user in users {
        autopod_namespace::admit(table, user, &crate::sys::process::system_call);
    }
}

/// Under this key of the stash: the table of programs that were under the shim and now have names of the kernel's.
const DORMANT: &str = "dormant table";

/// Makes the table of such programs. To be called before memory is built.
pub fn prepare(cx: &mut Nascent, memory: &Memory) -> Result<()> {
    let shimmed = memory.spaces.iter().any(|space| space.mappings.iter().any(|map| map.backing == Backing::NamesTable));
    if !cx.kernel_names || !shimmed {
        return Ok(());
    }
    let path = table_file(cx);
    let doing = || format!("make {}", path.display());
    let c_path = CString::new(path.as_os_str().as_bytes()).map_err(std::io::Error::from).doing(doing)?;
    let settings = Settings {
        pod_name: &cx.pod_name,
        pod_id: 0,
        hostname: b"",
        domainname: b"",
        unreachable: autopod_namespace::Unreachable::Warn,
    };
    let table = Table::create(&c_path, &settings).map_err(std::io::Error::other).doing(doing)?;
    table.set_dormant();
    cx.stash.insert(DORMANT.into(), Box::new(table));
    Ok(())
}

/// Names of the kernel's from now on: the shim of each program finds itself outside of any pod, and its hooks are the calls themselves.
fn disarm(cx: &mut Nascent, memory: &Memory) -> Result<()> {
    for space in memory.spaces.iter().filter(|space| space.mappings.iter().any(|map| map.backing == Backing::NamesTable)) {
        let pid = cx.process_mut(space.process)?.pid;
        let Some(link) = shim_link::find(pid, space)? else {
            return Err(Error::NotHere(format!(
                "the shim of process {} is of another version; restart it under `--names shim`",
                space.process
            )));
        };
        crate::sys::memory::write(pid, link.pod_at(), &shim_link::NONE.to_le_bytes())
            .doing(|| format!("disarm the shim of process {}", space.process))?;
    }
    let Some(table) = cx.stash.get(DORMANT).and_then(|any| any.downcast_ref::<Table>()).copied() else { return Ok(()) };
    // a hook that was in the middle of a call translates once more: every name is itself
    for vpid in cx.host_ids.keys() {
        if let (Some(id), Some(host)) = (VirtualId::new(*vpid as i32), HostId::new(*vpid as i32)) {
            table.insert(id, host);
        }
    }
    for (kind, id) in sysv::recorded(cx)? {
        table.insert_ipc(kind, VirtualIpc(id), HostIpc(id));
    }
    Ok(())
}

/// Names of the shim's from now on, of programs in which it had nothing to do before.
fn arm(cx: &mut Nascent, tasks: &[TaskRecord], memory: &Memory) -> Result<()> {
    let path = table_file(cx);
    let sender = cx.channel_sender()?;
    for space in memory.spaces.iter().filter(|space| space.shared_with.is_none()) {
        let doing = || format!("arm the shim of process {}", space.process);
        let process = cx.process_mut(space.process)?;
        let Some(link) = shim_link::find(process.pid, space)?.filter(|link| link.table != 0) else {
            return Err(Error::NotHere(format!(
                "process {} of the image runs without the shim (it is static, or its environment was cleared); restart it under `--names kernel`",
                space.process
            )));
        };
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).doing(doing)?;
        let fd = hand_over(process, sender.as_fd(), &[file.as_fd()])?[0] as u64;
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as u64;
        let mut calls = [
            Call::new(libc::SYS_mmap, [link.table, FILE_SIZE as u64, protection, flags, fd, 0]),
            Call::new(libc::SYS_close, [fd]),
        ];
        process.sequence("map the namespace table", &mut calls)?;
        crate::sys::memory::write(process.pid, link.pod_at(), &link.table.to_le_bytes()).doing(doing)?;
    }
    for task in tasks {
        rename_arguments(cx, task)?;
    }
    Ok(())
}

/// The names in a call that was interrupted, and is issued again as it was.
fn rename_arguments(cx: &mut Nascent, task: &TaskRecord) -> Result<()> {
    const P_PID: u64 = 1;
    const P_PGID: u64 = 2;
    let mut registers = task.registers;
    let renamed = |cx: &Nascent, id: u64| -> u64 {
        let id = id as i32;
        let known = cx.host_ids.get(&id.unsigned_abs()).map_or(id, |host| host * id.signum());
        i64::from(known) as u64
    };
    match registers.rax as i64 {
        libc::SYS_wait4 if !matches!(registers.rdi as i32, 0 | -1) => registers.rdi = renamed(cx, registers.rdi),
        libc::SYS_waitid if matches!(registers.rdi, P_PID | P_PGID) => registers.rsi = renamed(cx, registers.rsi),
        libc::SYS_semop | libc::SYS_semtimedop => registers.rdi = sysv::host_id(cx, IpcKind::Sem, registers.rdi as i32)? as u64,
        libc::SYS_msgsnd | libc::SYS_msgrcv => registers.rdi = sysv::host_id(cx, IpcKind::Msg, registers.rdi as i32)? as u64,
        _ => return Ok(()),
    }
    let renamed: &mut HashMap<Vpid, Registers> = cx.remembered(RENAMED);
    renamed.insert(task.task, registers);
    Ok(())
}

/// Registers in which names had to be changed, by task.
pub const RENAMED: &str = "renamed registers";

/// The registers with which a task begins.
pub fn registers_of(cx: &mut Nascent, task: &TaskRecord) -> Registers {
    let renamed: &HashMap<Vpid, Registers> = cx.remembered(RENAMED);
    renamed.get(&task.task).copied().unwrap_or(task.registers)
}

/// Enters every name into the new table, before any task runs.
pub fn restore(cx: &mut Nascent, records: &[ProcessRecord]) -> Result<()> {
    let Some(table) = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)? else { return Ok(()) };
    let section: Section = cx.section(SECTION)?;
    for id in section.reserved.iter().filter_map(|id| VirtualId::new(*id as i32)) {
        table.insert_reserved(id);
    }
    for (vpid, host) in cx.host_ids.iter().filter(|(vpid, _)| **vpid != 1) {
        if let (Some(id), Some(host)) = (VirtualId::new(*vpid as i32), HostId::new(*host)) {
            table.insert(id, host);
        }
    }
    for record in records {
        if let Some(id) = VirtualId::new(record.session as i32) {
            table.mark_session(id);
        }
    }
    if let Some(next) = VirtualId::new(section.next_id as i32) {
        table.set_next_id(next);
    }
    Ok(())
}

/// Puts host ids and host times in the programs' memory right. `kernel_ids`: what each task was for the kernel when it was captured.
pub fn correct_memory(
    cx: &mut Nascent,
    processes: &[ProcessRecord],
    tasks: &[TaskRecord],
    memory: &Memory,
    shim_then: bool,
) -> Result<()> {
    let mut renamed: HashMap<u32, u32> = HashMap::new();
    for record in processes {
        for (index, vtid) in record.tasks.iter().enumerate() {
            let then = if shim_then { record.host_tasks.get(index).copied().unwrap_or(0) } else { *vtid as i32 };
            let Ok(now) = cx.kernel_id(*vtid) else { continue };
            if then > 0 && then != now {
                renamed.insert(then as u32, now as u32);
            }
        }
    }
    let section: Section = cx.section(SECTION)?;
    match (shim_then, cx.kernel_names) {
        (true, true) => disarm(cx, memory)?,
        (false, false) => arm(cx, tasks, memory)?,
        _ => {}
    }
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    let now = |clock| table.map_or(0, |table| table.clock_offset(clock));
    let (monotonic, boottime) = (now(Clock::Monotonic), now(Clock::Boottime));
    for task in tasks {
        correct_timeout(cx, task, section.monotonic_offset - monotonic, section.boottime_offset - boottime)?;
    }
    if renamed.is_empty() {
        return Ok(());
    }
    for task in tasks {
        correct_cache(cx, task, &renamed)?;
        correct_locker(cx, task, &renamed)?;
    }
    for space in &memory.spaces {
        let process = cx.process_mut(space.process)?;
        let pid = process.pid;
        // process_vm_readv(2) would give each process copies of the pages that it shares with its relatives
        let mem = cx
            .proc
            .open_file(&format!("{pid}/mem"), OFlag::O_RDONLY)
            .doing(|| format!("read the memory of process {}", space.process))?;
        for map in space.mappings.iter().filter(|map| map.protection & libc::PROT_WRITE != 0) {
            let ranges: Vec<(u64, u64)> = match map.backing {
                Backing::Anonymous | Backing::File { .. } if !map.shared => {
                    let runs = space.runs.iter().filter(|run| run.start < map.end && run.start + run.data.len > map.start);
                    runs.map(|run| (run.start.max(map.start), (run.start + run.data.len).min(map.end))).collect()
                }
                Backing::Shared(_) | Backing::SysvSegment(_) => vec![(map.start, map.end)],
                _ => Vec::new(),
            };
            for (start, end) in ranges {
                correct_locks(&mem, pid, start, end, &renamed)?;
            }
        }
    }
    Ok(())
}

/// Absolute times on the pod's clocks, in calls that were interrupted and are issued again as they were: for the kernel they are times of the
/// host under the shim, of the pod under names of the kernel's.
fn correct_timeout(cx: &mut Nascent, task: &TaskRecord, monotonic: i64, boottime: i64) -> Result<()> {
    let regs = &task.registers;
    let (at, shift) = match regs.rax as i64 {
        libc::SYS_futex if waits_until(regs) => (regs.r10, monotonic),
        libc::SYS_clock_nanosleep if regs.rsi == libc::TIMER_ABSTIME as u64 => match regs.rdi as i32 {
            libc::CLOCK_MONOTONIC => (regs.rdx, monotonic),
            libc::CLOCK_BOOTTIME | libc::CLOCK_BOOTTIME_ALARM => (regs.rdx, boottime),
            _ => (0, 0),
        },
        _ => (0, 0),
    };
    if shift == 0 || at == 0 {
        return Ok(());
    }
    let process = cx.process_mut(task.process)?;
    let doing = || format!("put the timeout of task {} right", task.task);
    let mut raw = [0u8; 16];
    crate::sys::memory::read(process.pid, at, &mut raw).doing(doing)?;
    let word = |at: usize| i64::from_le_bytes(raw[at..at + 8].try_into().expect("eight bytes"));
    let time = i128::from(word(0)) * 1_000_000_000 + i128::from(word(8)) + i128::from(shift);
    let time = time.max(0);
    let (seconds, nanoseconds) = ((time / 1_000_000_000) as i64, (time % 1_000_000_000) as i64);
    let raw = [seconds.to_le_bytes(), nanoseconds.to_le_bytes()].concat();
    crate::sys::memory::write(process.pid, at, &raw).doing(doing)
}

/// The word in which the C library remembers a thread's id: where the kernel clears it at the thread's end, and `struct pthread`.
fn correct_cache(cx: &mut Nascent, task: &TaskRecord, renamed: &HashMap<u32, u32>) -> Result<()> {
    /// Offset of `tid` in `struct pthread` of the GNU C library on x86-64, 2.4 to 2.41.
    const TID_IN_PTHREAD: u64 = 720;
    let pid = cx.process_mut(task.process)?.pid;
    for at in [task.clear_child_tid, task.registers.fs_base.wrapping_add(TID_IN_PTHREAD)] {
        let mut word = [0u8; 4];
        if at == 0 || crate::sys::memory::read(pid, at, &mut word).is_err() {
            continue;
        }
        if let Some(now) = renamed.get(&u32::from_le_bytes(word)) {
            crate::sys::memory::write(pid, at, &now.to_le_bytes()).doing(|| format!("put the id of task {} right", task.task))?;
        }
    }
    Ok(())
}

/// The C library has a thread's id at hand, in registers and on its stack, while it waits for a robust or a priority inheriting mutex.
fn correct_locker(cx: &mut Nascent, task: &TaskRecord, renamed: &HashMap<u32, u32>) -> Result<()> {
    /// How far up the stack: the frames of pthread_mutex_lock and what it calls.
    const FRAMES: usize = 512;
    if task.registers.rax as i64 != libc::SYS_futex {
        return Ok(());
    }
    let pid = cx.process_mut(task.process)?.pid;
    // the cached id is right by now: whose it was before is its key
    let now = cx.kernel_id(task.task)? as u32;
    let Some(then) = renamed.iter().find_map(|(then, new)| (*new == now).then_some(*then)) else { return Ok(()) };
    let mut registers = registers_of(cx, task);
    for register in
        [&mut registers.rbx, &mut registers.rbp, &mut registers.r12, &mut registers.r13, &mut registers.r14, &mut registers.r15]
    {
        if *register == u64::from(then) {
            *register = now.into();
        }
    }
    let known: &mut HashMap<Vpid, Registers> = cx.remembered(RENAMED);
    known.insert(task.task, registers);
    let mut stack = vec![0u8; FRAMES];
    let at = task.registers.rsp & !3;
    if crate::sys::memory::read(pid, at, &mut stack).is_err() {
        return Ok(());
    }
    for (index, word) in stack.chunks_exact(4).enumerate() {
        if word == then.to_le_bytes() {
            let doing = || format!("put the id of task {} right", task.task);
            crate::sys::memory::write(pid, at + index as u64 * 4, &now.to_le_bytes()).doing(doing)?;
        }
    }
    Ok(())
}

/// Owners of held mutexes and of read-write locks held for writing.
fn correct_locks(mem: &OwnedFd, pid: i32, start: u64, end: u64, renamed: &HashMap<u32, u32>) -> Result<()> {
    const PIECE: u64 = 1 << 20;
    /// Before and after a word, what [`lock_at`] looks at.
    const AROUND: u64 = 64;
    let (lowest, highest) = (*renamed.keys().min().unwrap_or(&0), *renamed.keys().max().unwrap_or(&0));
    let mut at = start;
    let mut buffer = Vec::new();
    while at < end {
        let stop = (at + PIECE).min(end);
        let (from, to) = (at.saturating_sub(AROUND).max(start), (stop + AROUND).min(end));
        buffer.resize((to - from) as usize, 0);
        // what cannot be read holds no lock of this program
        if nix::sys::uio::pread(mem, &mut buffer, from as i64).is_ok_and(|n| n == buffer.len()) {
            let words: Vec<u32> =
                buffer.chunks_exact(4).map(|raw| u32::from_le_bytes(raw.try_into().expect("four bytes"))).collect();
            let first = ((at - from) / 4) as usize;
            for index in first..first + ((stop - at) / 4) as usize {
                let word = words[index];
                if word < lowest || word > highest {
                    continue;
                }
                let Some(now) = renamed.get(&word) else { continue };
                for (offset, value) in lock_at(&words, index, word, *now) {
                    let address = from.wrapping_add_signed((index as i64 + offset) * 4);
                    crate::sys::memory::write(pid, address, &value.to_le_bytes())
                        .doing(|| "put the owner of a lock right".into())?;
                }
            }
        }
        at = stop;
    }
    Ok(())
}

/// Whether the word at `index` is the owner in a lock of the GNU C library; what to write, as (offset in words, value). Every word of the
/// structure has to be as in a held lock, so that other numbers are not taken for one.
fn lock_at(words: &[u32], index: usize, then: u32, now: u32) -> Vec<(i64, u32)> {
    const TID_MASK: u32 = 0x3fff_ffff;
    const USERS: u32 = 1 << 15;
    // struct __pthread_mutex_s: lock, count, owner, nusers, kind, spins and elision, two pointers of a list
    if let Some(&[lock, count, _, users, kind, spins, ref list @ ..]) = index.checked_sub(2).and_then(|at| words.get(at..at + 10))
    {
        const RECURSIVE: u32 = 1;
        const ERROR_CHECK: u32 = 2;
        const KIND: u32 = 3;
        const ROBUST: u32 = 16;
        const INHERIT: u32 = 32;
        const PROTECT: u32 = 64;
        const SHARED: u32 = 128;
        let known = kind & !(KIND | ROBUST | INHERIT | PROTECT | SHARED) == 0;
        let listed = list != [0; 4];
        let by_kernel = kind & (ROBUST | INHERIT) != 0;
        let counted = if by_kernel || kind & KIND == RECURSIVE { (1..1 << 20).contains(&count) } else { count == 0 };
        let plausible = known && counted && (1..USERS).contains(&users) && spins == 0;
        if plausible && by_kernel && lock & TID_MASK == then && (kind & ROBUST != 0) == listed {
            return vec![(-2, lock & !TID_MASK | now), (0, now)];
        }
        // a ceiling is in the upper bits of the lock; owners of other kinds are not looked at
        let held = matches!(lock, 1 | 2) || (kind & PROTECT != 0 && matches!(lock & 0x7_ffff, 1 | 2));
        if plausible && !by_kernel && !listed && held && matches!(kind & KIND, RECURSIVE | ERROR_CHECK) {
            return vec![(0, now)];
        }
    }
    // struct __pthread_rwlock_arch_t: readers, writers, two futexes, padding, cur_writer, shared, elision and padding, flags
    if let Some(&[readers, writers, phase, futex, 0, 0, _, shared, 0, 0, 0, 0, flags, _]) =
        index.checked_sub(6).and_then(|at| words.get(at..at + 14))
    {
        let waiting = writers & !(1 << 31);
        if readers & 3 == 3 && readers >> 3 < USERS && waiting < USERS && phase <= 3 && futex <= 3 && shared <= 1 && flags <= 2 {
            return vec![(0, now)];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_from_other_numbers() {
        // recursive, error checking, shared between processes
        assert_eq!(lock_at(&[1, 1, 77, 1, 1, 0, 0, 0, 0, 0], 2, 77, 99), [(0, 99)]);
        assert_eq!(lock_at(&[2, 0, 77, 3, 2, 0, 0, 0, 0, 0], 2, 77, 99), [(0, 99)]);
        assert_eq!(lock_at(&[2, 0, 77, 3, 130, 0, 0, 0, 0, 0], 2, 77, 99), [(0, 99)]);
        // robust, and priority inheriting
        assert_eq!(lock_at(&[77 | 1 << 31, 1, 77, 1, 16, 0, 8, 1, 9, 1], 2, 77, 99), [(-2, 99 | 1 << 31), (0, 99)]);
        assert_eq!(lock_at(&[77, 1, 77, 1, 32, 0, 0, 0, 0, 0], 2, 77, 99), [(-2, 99), (0, 99)]);
        // free; nobody's; of a kind whose owner is not looked at
        assert_eq!(lock_at(&[0, 1, 77, 1, 1, 0, 0, 0, 0, 0], 2, 77, 99), []);
        assert_eq!(lock_at(&[1, 1, 77, 0, 1, 0, 0, 0, 0, 0], 2, 77, 99), []);
        assert_eq!(lock_at(&[1, 0, 77, 1, 0, 0, 0, 0, 0, 0], 2, 77, 99), []);
        // a read-write lock held for writing
        assert_eq!(lock_at(&[11, 0, 1, 2, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0], 6, 77, 99), [(0, 99)]);
        // numbers in a row
        assert_eq!(lock_at(&[3, 1, 3, 3, 3, 3, 3, 3, 0, 0], 2, 3, 99), []);
        assert_eq!(lock_at(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 2, 3, 99), []);
        assert_eq!(lock_at(&[77], 0, 77, 99), []);
    }
}
