//! System calls made in a stopped task.
//!
//! One mapping of ours in the traced process holds a few instructions and a data area. The instructions run an array of
//! calls in one go and then trap, so that a hundred calls cost one stop (about 3 us a call instead of 80).
use super::{Error, Refuge, Registers, Result, Running, Stop, Stopped, wait};
use crate::proc::Mapping;
use std::io;

/// One system call: number, arguments, and after [`Injector::run`] its raw result.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    pub nr: i64,
    pub args: [u64; 6],
    pub ret: i64,
}

impl Call {
    pub fn new<const N: usize>(nr: i64, args: [u64; N]) -> Call {
        let mut call = Call { nr, ..Call::default() };
        call.args[..N].copy_from_slice(&args);
        call
    }

    /// The result, as libc would report it.
    pub fn result(&self) -> io::Result<i64> {
        if (-4095..0).contains(&self.ret) { Err(io::Error::from_raw_os_error(-self.ret as i32)) } else { Ok(self.ret) }
    }
}

/// `r12`: next call; `r13`: how many; `r14`: stop at the first error when not zero.
#[rustfmt::skip]
const RUN: [u8; 69] = [
    0x4d, 0x85, 0xed,                         // 0  test r13, r13
    0x74, 0x3f,                               // 3  jz done (68)
    0x49, 0x8b, 0x04, 0x24,                   // 5  mov rax, [r12]
    0x49, 0x8b, 0x7c, 0x24, 0x08,             // 9  mov rdi, [r12+8]
    0x49, 0x8b, 0x74, 0x24, 0x10,             // 14 mov rsi, [r12+16]
    0x49, 0x8b, 0x54, 0x24, 0x18,             // 19 mov rdx, [r12+24]
    0x4d, 0x8b, 0x54, 0x24, 0x20,             // 24 mov r10, [r12+32]
    0x4d, 0x8b, 0x44, 0x24, 0x28,             // 29 mov r8, [r12+40]
    0x4d, 0x8b, 0x4c, 0x24, 0x30,             // 34 mov r9, [r12+48]
    0x0f, 0x05,                               // 39 syscall
    0x49, 0x89, 0x44, 0x24, 0x38,             // 41 mov [r12+56], rax
    0x49, 0x83, 0xc4, 0x40,                   // 46 add r12, 64
    0x49, 0xff, 0xcd,                         // 50 dec r13
    0x4d, 0x85, 0xf6,                         // 53 test r14, r14
    0x74, 0xc6,                               // 56 jz 0
    0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,       // 58 cmp rax, -4095
    0x72, 0xbe,                               // 64 jb 0
    0x90, 0x90,                               // 66
    0xcc,                                     // 68 int3
];
const DONE: u64 = 68;
/// Follows the trap of [`RUN`], and is what SIGTRAP calls while a checkpoint lasts: the way back of [`super::Armor`]. `r15`: its frame.
#[rustfmt::skip]
const BACK: [u8; 38] = [
    0xb8, 0x0d, 0x00, 0x00, 0x00,             // 0  mov eax, SYS_rt_sigaction
    0xbf, 0x05, 0x00, 0x00, 0x00,             // 5  mov edi, SIGTRAP
    0x48, 0x8d, 0x35, 0x00, 0x00, 0x00, 0x00, // 10 lea rsi, [the program's action]
    0x31, 0xd2,                               // 17 xor edx, edx
    0x41, 0xba, 0x08, 0x00, 0x00, 0x00,       // 19 mov r10d, 8
    0x0f, 0x05,                               // 25 syscall
    0x4c, 0x89, 0xfc,                         // 27 mov rsp, r15
    0xb8, 0x0f, 0x00, 0x00, 0x00,             // 30 mov eax, SYS_rt_sigreturn
    0x0f, 0x05,                               // 35 syscall
    0xcc,                                     // 37 int3
];
const BACK_AT: u64 = DONE + 1;
/// Offset in [`BACK`] of the operand that says where the action is, and of the instruction after it.
const BACK_OPERAND: (usize, u64) = (13, 17);
/// What the program does about SIGTRAP, and what is done about it meanwhile (struct kernel_sigaction).
const PROGRAM_ACTION: u64 = CODE;
const OUR_ACTION: u64 = CODE + 32;
const ACTION_LEN: usize = 32;
/// SA_RESTORER | SA_NODEFER: the restorer is never used, but the kernel takes no x86-64 handler without.
const OUR_ACTION_FLAGS: u64 = 0x0400_0000 | libc::SA_NODEFER as u64;
/// A lone `syscall; int3` for calls that create tasks: both parent and child must stop right after it.
const LONE: u64 = 128;
const LONE_CODE: [u8; 3] = [0x0f, 0x05, 0xcc];
/// Size of the part that is executed.
const CODE: u64 = 4096;
const CALLS: u64 = CODE + 64;
const MAX_CALLS: usize = 512;
const DATA: u64 = CALLS + (MAX_CALLS * size_of::<Call>()) as u64;
const SIZE: u64 = (DATA + 256 * 1024 + SLOTS * ACTION_LEN as u64).next_multiple_of(4096);
/// Processes that share their memory, but not their signal handlers, keep what they do about SIGTRAP at the end, each in a slot of its own.
const SLOTS: u64 = 64;

/// Status of a stop at the entry or the exit of a call, without its low byte (PTRACE_O_TRACESYSGOOD).
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// Blocks every signal but SIGTRAP: an `int3` under a blocked SIGTRAP would make the kernel reset its handler.
const MASK: u64 = !(1 << (libc::SIGTRAP - 1));

/// The means to make calls in one process. Each [`Stopped`] task of that process can be given calls to make.
#[derive(Clone, Debug)]
pub struct Injector {
    base: u64,
    /// Address of a `syscall` instruction for the first and the last calls: the refuge's, or one of the process's own.
    gate: u64,
    refuge: Option<Refuge>,
    /// Offset of what the program does about SIGTRAP.
    action: u64,
}

impl Injector {
    /// Bytes that [`Injector::data`] may address.
    pub const ROOM: usize = (SIZE - DATA - SLOTS * ACTION_LEN as u64) as usize;

    /// Maps the area into the process at `base` (see [`find_hole`]), using a `syscall` instruction found in `maps`. A process that
    /// shall live on without us comes back with these registers and this signal mask.
    ///
    /// The task's registers are left changed: the caller saves them before, and sets them after.
    pub fn install(task: &mut Stopped, maps: &[Mapping], base: u64, back: Option<(&Registers, u64)>) -> Result<Injector> {
        let mut injector = Injector { base, gate: find_gate(task, maps)?, action: PROGRAM_ACTION, refuge: None };
        if let Some((registers, mask)) = back
            && let Some(refuge) = Refuge::find(task, maps)?
        {
            refuge.fill(task, registers, mask)?;
            refuge.enter(task)?;
            injector.gate = refuge.gate();
            injector.refuge = Some(refuge);
        }
        let installed = injector.set_up(task, base);
        if let (Err(_), Some(refuge)) = (&installed, &injector.refuge) {
            refuge.clear(task)?;
        }
        installed.map(|()| injector)
    }

    fn set_up(&mut self, task: &mut Stopped, base: u64) -> Result<()> {
        let injector = self;
        Injector::hold_signals(task)?;
        let mut writable = true;
        let everything = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
        injector.base = match injector.map(task, base, SIZE, everything, libc::MAP_FIXED_NOREPLACE) {
            // a process may deny itself what can be both written and executed (PR_SET_MDWE)
            Err(error) if error.errno() == Some(libc::EACCES) => {
                writable = false;
                let data = (libc::PROT_READ | libc::PROT_WRITE) as u64;
                injector.map(task, base, SIZE, data, libc::MAP_FIXED_NOREPLACE)?
            }
            other => other?,
        };
        if injector.base != base {
            let call = Call::new(libc::SYS_munmap, [injector.base, SIZE]);
            injector.through_gate(task, call)?;
            return Err(Error::NoRoom { pid: task.tid, len: SIZE });
        }
        if !writable {
            injector.map(task, base, CODE, (libc::PROT_READ | libc::PROT_EXEC) as u64, libc::MAP_FIXED)?;
        }
        let mut code = [0xccu8; 256];
        code[..RUN.len()].copy_from_slice(&RUN);
        code[BACK_AT as usize..][..BACK.len()].copy_from_slice(&BACK);
        let distance = (PROGRAM_ACTION - BACK_AT - BACK_OPERAND.1) as u32;
        code[BACK_AT as usize + BACK_OPERAND.0..][..4].copy_from_slice(&distance.to_le_bytes());
        code[LONE as usize..][..LONE_CODE.len()].copy_from_slice(&LONE_CODE);
        task.poke(injector.base, &code)?;
        let ours = [injector.base + BACK_AT, OUR_ACTION_FLAGS, injector.base + BACK_AT, 0];
        let ours: Vec<u8> = ours.iter().flat_map(|word| word.to_le_bytes()).collect();
        task.write(injector.base + OUR_ACTION, &ours)?;
        let (new, old) = (injector.base + OUR_ACTION, injector.base + PROGRAM_ACTION);
        // the first call through the area's own code would trap under the program's action
        injector.through_gate(task, Call::new(libc::SYS_rt_sigaction, [libc::SIGTRAP as u64, new, old, 8]))?;
        Ok(())
    }

    /// The way back for when there is no other.
    pub fn refuge(&self) -> Option<&Refuge> {
        self.refuge.as_ref()
    }

    fn map(&self, task: &mut Stopped, at: u64, len: u64, protection: u64, how: i32) -> Result<u64> {
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | how) as u64;
        let call = Call::new(libc::SYS_mmap, [at, len, protection, flags, u64::MAX, 0]);
        Ok(self.through_gate(task, call)? as u64)
    }

    /// Keeps signals from a task while it makes calls of ours.
    fn hold_signals(task: &mut Stopped) -> Result<()> {
        task.own_trap = task.queued_signals(false)?.iter().any(|info| info[..4] == libc::SIGTRAP.to_le_bytes());
        task.set_signal_mask(MASK)
    }

    /// Puts a task on its way back ([`super::Armor`]), from which it makes calls of ours, and keeps signals from it.
    pub fn enter(&self, task: &mut Stopped) -> Result<()> {
        let mut regs = task.registers()?;
        regs.rip = self.base + BACK_AT;
        regs.r15 = task.frame;
        regs.orig_rax = u64::MAX;
        task.set_registers(&regs)?;
        Injector::hold_signals(task)
    }

    /// Size of the mapping that [`Injector::install`] makes.
    pub const fn size() -> u64 {
        SIZE
    }

    pub fn range(&self) -> std::ops::Range<u64> {
        self.base..self.base + SIZE
    }

    /// Keeps apart, from 1 on, what a process does about SIGTRAP that shares its memory with others.
    pub fn use_slot(&mut self, slot: u64) -> io::Result<()> {
        if slot > SLOTS {
            return Err(io::Error::other(format!("more than {SLOTS} processes share memory with others")));
        }
        self.action = SIZE - slot * ACTION_LEN as u64;
        Ok(())
    }

    /// The gate is in the vdso; this follows it when the vdso moves.
    pub fn move_gate(&mut self, distance: i64) {
        self.gate = self.gate.wrapping_add_signed(distance);
    }

    pub fn gate(&self) -> u64 {
        self.gate
    }

    /// Gives SIGTRAP back to the program: after this, only [`Injector::return_traps`], [`Injector::unmap`] and
    /// [`Injector::remove`] may be called.
    pub fn retire(&self, task: &mut Stopped) -> Result<()> {
        let action = Call::new(libc::SYS_rt_sigaction, [libc::SIGTRAP as u64, self.base + self.action, 0, 8]);
        self.through_gate(task, action).map(drop)
    }

    /// Queues the program's own SIGTRAPs again, which are blocked from here on. `process` and `id` are what the task calls itself.
    pub fn return_traps(&self, task: &mut Stopped, process: i32, id: i32) -> Result<()> {
        for (shared, info) in std::mem::take(&mut task.deferred_traps) {
            task.set_signal_mask(u64::MAX)?;
            let at = self.data(0);
            task.write(at, &info)?;
            let (process, id, trap) = (process as u64, id as u64, libc::SIGTRAP as u64);
            let call = match shared {
                true => Call::new(libc::SYS_rt_sigqueueinfo, [process, trap, at]),
                false => Call::new(libc::SYS_rt_tgsigqueueinfo, [process, id, trap, at]),
            };
            self.through_gate(task, call)?;
        }
        Ok(())
    }

    /// Unmaps something else of ours after [`Injector::retire`].
    pub(super) fn unmap(&self, task: &mut Stopped, range: std::ops::Range<u64>) -> Result<()> {
        self.through_gate(task, Call::new(libc::SYS_munmap, [range.start, range.end - range.start])).map(drop)
    }

    /// Removes the area. The task's registers are left changed.
    pub fn remove(self, task: &mut Stopped) -> Result<()> {
        self.unmap(task, self.range())
    }

    /// What the program does about SIGTRAP, in the form of the kernel; an injector has an action of its own there.
    pub fn trap_action(&self, task: &Stopped) -> Result<[u8; ACTION_LEN]> {
        let mut action = [0; ACTION_LEN];
        task.read(self.base + self.action, &mut action)?;
        Ok(action)
    }

    /// Sets what the program will do about SIGTRAP once the injector is removed.
    pub fn set_trap_action(&self, task: &mut Stopped, action: &[u8; ACTION_LEN]) -> Result<()> {
        task.write(self.base + self.action, action)
    }

    /// Points the stack pointer of a task that has no state of its own yet into the area.
    pub fn park_stack(&self, task: &mut Stopped) -> Result<()> {
        let mut regs = task.registers()?;
        regs.rsp = self.base + 2048;
        task.set_registers(&regs)
    }

    /// Address in the process of byte `at` of the data area.
    pub fn data(&self, at: usize) -> u64 {
        debug_assert!(at < Self::ROOM);
        self.base + DATA + at as u64
    }

    /// Makes one call and gives its result.
    pub fn call<const N: usize>(&self, task: &mut Stopped, nr: i64, args: [u64; N]) -> Result<i64> {
        let mut calls = [Call::new(nr, args)];
        self.run(task, &mut calls, false)?;
        calls[0].result().map_err(|source| Error::Call { tid: task.tid, nr, source })
    }

    /// Makes a list of calls, whatever their results.
    pub fn batch(&self, task: &mut Stopped, calls: &mut [Call]) -> Result<()> {
        self.run(task, calls, false)
    }

    /// Makes a list of calls, up to the first that fails.
    pub fn sequence(&self, task: &mut Stopped, calls: &mut [Call]) -> Result<()> {
        self.run(task, calls, true)?;
        match calls.iter().find_map(|call| Some((call.nr, call.result().err()?))) {
            Some((nr, source)) => Err(Error::Call { tid: task.tid, nr, source }),
            None => Ok(()),
        }
    }

    fn run(&self, task: &mut Stopped, calls: &mut [Call], stop_at_error: bool) -> Result<()> {
        for chunk in calls.chunks_mut(MAX_CALLS) {
            let mut image = Vec::with_capacity(size_of_val(chunk));
            for call in chunk.iter() {
                image.extend_from_slice(&call.nr.to_le_bytes());
                call.args.iter().for_each(|arg| image.extend_from_slice(&arg.to_le_bytes()));
                image.extend_from_slice(&0i64.to_le_bytes());
            }
            task.write(self.base + CALLS, &image)?;
            let mut regs = task.registers()?;
            regs.rip = self.base;
            regs.r12 = self.base + CALLS;
            regs.r13 = chunk.len() as u64;
            regs.r14 = stop_at_error.into();
            regs.r15 = task.frame;
            regs.orig_rax = u64::MAX;
            task.set_registers(&regs)?;
            super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
            self.wait_trap(task, self.base + BACK_AT)?;
            task.read(self.base + CALLS, &mut image)?;
            for (call, raw) in chunk.iter_mut().zip(image.chunks_exact(size_of::<Call>())) {
                call.ret = i64::from_le_bytes(raw[56..64].try_into().expect("eight bytes"));
            }
            if stop_at_error && chunk.iter().any(|call| call.result().is_err()) {
                break;
            }
        }
        Ok(())
    }

    /// Makes a call that creates a task (fork, vfork, clone, clone3), and gives the new task, stopped before its first
    /// instruction, under the id by which *we* know it.
    pub fn create_task<const N: usize>(&self, task: &mut Stopped, nr: i64, args: [u64; N]) -> Result<Stopped> {
        let call = Call::new(nr, args);
        self.prepare(task, call, self.base + LONE)?;
        super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
        let mut new = None;
        loop {
            let running = Running { tid: task.tid };
            let (stopped, stop) = running.wait()?;
            match stop {
                Stop::NewTask(tid) => {
                    new = Some(tid);
                    super::ptrace("resume", libc::PTRACE_CONT, stopped.tid, 0, 0)?;
                }
                Stop::Signal(libc::SIGTRAP) if stopped.registers()?.rip == self.base + LONE + 3 => {
                    break;
                }
                Stop::Signal(libc::SIGSTOP) => {
                    task.deferred_stops += 1;
                    super::ptrace("resume", libc::PTRACE_CONT, stopped.tid, 0, 0)?;
                }
                _ => drop(stopped.resume(0)?),
            }
        }
        let ret = task.registers()?.rax as i64;
        match new {
            Some(tid) => Stopped::newborn(tid),
            None => Err(Error::Call { tid: task.tid, nr, source: io::Error::from_raw_os_error(-ret as i32) }),
        }
    }

    /// execveat(2) in the task: on success its memory, and this injector's area in it, are gone.
    pub fn exec(self, task: &mut Stopped, fd: i32, path: u64, argv: u64, envp: u64, flags: i32) -> Result<()> {
        let call = Call::new(libc::SYS_execveat, [fd as u64, path, argv, envp, flags as u64]);
        self.prepare(task, call, self.base + LONE)?;
        super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
        loop {
            let (stopped, stop) = Running { tid: task.tid }.wait()?;
            match stop {
                Stop::Exec => return Ok(()),
                Stop::Signal(libc::SIGTRAP) => {
                    let ret = stopped.registers()?.rax as i64;
                    return Err(Error::Call {
                        tid: task.tid,
                        nr: libc::SYS_execveat,
                        source: io::Error::from_raw_os_error(-ret as i32),
                    });
                }
                _ => drop(stopped.resume(0)?),
            }
        }
    }

    /// Has the task's process exit, and waits until it is gone.
    pub fn exit(&self, mut task: Stopped, status: u64) -> Result<()> {
        self.prepare(&mut task, Call::new(libc::SYS_exit_group, [status]), self.base + LONE)?;
        super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
        self.see_off(task.tid)
    }

    /// Has a leader end while other tasks of its process live on. It stays traced, without being told of anything more.
    pub fn end_leader(&self, mut task: Stopped) -> Result<()> {
        // else the whole process would die with us
        let options = libc::PTRACE_O_TRACEEXIT | if task.seccomp_suspended { super::SUSPEND_SECCOMP } else { 0 };
        super::ptrace("set options of", libc::PTRACE_SETOPTIONS, task.tid, 0, options as u64)?;
        self.prepare(&mut task, Call::new(libc::SYS_exit, [0]), self.base + LONE)?;
        loop {
            super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
            // from its exit stop on it needs no code of ours
            if wait(task.tid)? >> 16 == libc::PTRACE_EVENT_EXIT {
                return super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0).map(drop);
            }
        }
    }

    /// Has the process (virtual id `pid`) kill itself with a signal, and waits until it is gone.
    pub fn die(&self, mut task: Stopped, pid: u32, signal: i32) -> Result<()> {
        self.prepare(&mut task, Call::new(libc::SYS_kill, [pid.into(), signal as u64]), self.base + LONE)?;
        task.set_signal_mask(0)?;
        super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
        self.see_off(task.tid)
    }

    fn see_off(&self, tid: i32) -> Result<()> {
        let mut task = Running { tid };
        loop {
            match task.wait() {
                Ok((stopped, Stop::Signal(signal))) => task = stopped.resume(signal)?,
                Ok((stopped, _)) => task = stopped.resume(0)?,
                Err(Error::Gone { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn prepare(&self, task: &mut Stopped, call: Call, rip: u64) -> Result<()> {
        let mut regs: Registers = task.registers()?;
        regs.rip = rip;
        regs.rax = call.nr as u64;
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = call.args;
        regs.r15 = task.frame;
        regs.orig_rax = u64::MAX;
        task.set_registers(&regs)
    }

    /// Makes a call by the process's own `syscall` instruction. Its stops are no signals, so that what the program does about SIGTRAP
    /// stays what it is.
    fn through_gate(&self, task: &mut Stopped, call: Call) -> Result<i64> {
        self.prepare(task, call, self.gate)?;
        let mut entered = false;
        loop {
            super::ptrace("resume", libc::PTRACE_SYSCALL, task.tid, 0, 0)?;
            let (status, at) = self.wait_stop(task)?;
            if status >> 8 != SYSCALL_STOP {
                self.pass(task, status, at)?;
                continue;
            }
            let regs = task.registers()?;
            if regs.rip != self.gate + 2 {
                // from a stop inside a call (PTRACE_EVENT_EXEC) the first stop is the end of that call, whose result is in rax
                self.prepare(task, call, self.gate)?;
            } else if entered {
                let call = Call { ret: regs.rax as i64, ..call };
                return call.result().map_err(|source| Error::Call { tid: task.tid, nr: call.nr, source });
            } else {
                entered = true;
            }
        }
    }

    /// Waits until the task traps with `rip` there, letting pass the stops that have nothing to do with us.
    fn wait_trap(&self, task: &mut Stopped, rip: u64) -> Result<()> {
        loop {
            let (status, at) = self.wait_stop(task)?;
            if status >> 8 == libc::SIGTRAP && at == rip {
                return Ok(());
            }
            self.pass(task, status, at)?;
            super::ptrace("resume", libc::PTRACE_CONT, task.tid, 0, 0)?;
        }
    }

    fn wait_stop(&self, task: &mut Stopped) -> Result<(i32, u64)> {
        Ok((wait(task.tid)?, task.registers()?.rip))
    }

    /// What to do about a stop that was not waited for.
    fn pass(&self, task: &mut Stopped, status: i32, at: u64) -> Result<()> {
        match (status >> 16, libc::WSTOPSIG(status)) {
            // an interrupt or a group stop that was still due
            (libc::PTRACE_EVENT_STOP, _) => Ok(()),
            (0, libc::SIGSTOP) => {
                task.deferred_stops += 1;
                Ok(())
            }
            (0, libc::SIGTRAP) => {
                // the task's own queue goes before that of its process
                let shared = !std::mem::take(&mut task.own_trap);
                let info = task.signal_info()?;
                task.deferred_traps.push((shared, info));
                Ok(())
            }
            _ => Err(Error::Unexpected { tid: task.tid, status, rip: at }),
        }
    }
}

/// Finds a `syscall` instruction: in the vdso, which every kernel gives one for its fallbacks, else in any code.
fn find_gate(task: &Stopped, maps: &[Mapping]) -> Result<u64> {
    let vdso = maps.iter().filter(|m| m.label() == "[vdso]");
    let others = maps.iter().filter(|m| m.execute && m.read && !m.shared && m.label() != "[vdso]" && m.label() != "[vsyscall]");
    for mapping in vdso.chain(others) {
        let mut code = vec![0u8; mapping.len().min(16 << 20) as usize];
        if task.read(mapping.start, &mut code).is_err() {
            continue;
        }
        if let Some(at) = code.windows(2).position(|pair| pair == [0x0f, 0x05]) {
            return Ok(mapping.start + at as u64);
        }
    }
    Err(Error::NoSyscallInstruction { pid: task.tid })
}

/// A page-aligned address where `len` bytes are free in every one of the given lists of ranges (each sorted or not).
pub fn find_hole(taken: impl IntoIterator<Item = (u64, u64)>, len: u64) -> Option<u64> {
    const LOWEST: u64 = 0x1_0000_0000;
    const HIGHEST: u64 = 0x7fff_ffff_0000;
    let mut ranges: Vec<(u64, u64)> = taken.into_iter().collect();
    ranges.sort_unstable();
    let mut at = LOWEST;
    for (start, end) in ranges {
        // leave room below: a stack may grow down into the hole
        if start > at && start - at >= len + (64 << 20) {
            return Some(at);
        }
        at = at.max(end.next_multiple_of(4096));
    }
    (HIGHEST.saturating_sub(at) >= len).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_of_the_code_land_where_the_comments_say() {
        assert_eq!(RUN.len() as u64, DONE + 1);
        assert_eq!(5 + i64::from(RUN[4] as i8), DONE as i64);
        assert_eq!(58 + i64::from(RUN[57] as i8), 0);
        assert_eq!(66 + i64::from(RUN[65] as i8), 0);
    }

    #[test]
    fn a_hole_avoids_all_ranges() {
        let hole = find_hole([(0x1_0000_0000, 0x2_0000_0000), (0x2_0000_1000, 0x3_0000_0000)], 0x10000).unwrap();
        assert_eq!(hole, 0x3_0000_0000);
    }
}
