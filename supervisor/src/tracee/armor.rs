//! What brings a task back by itself when we die while it is stopped.
//!
//! When a tracer dies, the kernel lets its tasks run from where they are (ptrace(2)). A task that makes calls of ours is
//! in our code then, so that code goes on, after the trap that hands control to us, with rt_sigreturn(2) on a frame
//! which holds the registers, the FPU state and the signal mask that the program had. A trap without tracer raises SIGTRAP; for the time
//! of the checkpoint its handler is the same way back.
use super::{Injector, Registers, Result, Stopped};

/// struct rt_sigframe without its first word, up to the FPU state: ucontext (see arch/x86/include/uapi/asm/sigcontext.h).
const CONTEXT: usize = 304;
const UC_FP_XSTATE: u64 = 1;
const UC_SIGCONTEXT_SS: u64 = 2;
const UC_STRICT_RESTORE_SS: u64 = 4;
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
const FP_XSTATE_MAGIC2: u32 = 0x4650_5845;
/// Offset of struct _fpx_sw_bytes in the FXSAVE area; the kernel's ptrace view has the mask of components in its first word.
const SW_BYTES: usize = 464;

/// The area of the frames in one process, one for each of its tasks.
#[derive(Debug)]
pub struct Armor {
    base: u64,
    slot: u64,
    slots: u64,
}

impl Armor {
    /// Maps room for the frames of so many tasks.
    pub fn install(injector: &Injector, task: &mut Stopped, tasks: usize) -> Result<Armor> {
        let slot = (CONTEXT + 64 + task.xstate()?.len() + 4).next_multiple_of(64) as u64;
        let len = (slot * tasks as u64).next_multiple_of(4096);
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let base = injector.call(task, libc::SYS_mmap, [0, len, protection, flags, u64::MAX, 0])? as u64;
        Ok(Armor { base, slot, slots: tasks as u64 })
    }

    /// Where the area is.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.base..self.base + (self.slot * self.slots).next_multiple_of(4096)
    }

    /// Writes the frame of task number `index`: what the task goes on with should we die.
    pub fn protect(&self, task: &mut Stopped, index: usize, registers: &Registers, mask: u64) -> Result<()> {
        let at = self.base + self.slot * index as u64;
        let frame = frame(at, registers, mask, &task.xstate()?);
        task.write(at, &frame)?;
        task.frame = at;
        Ok(())
    }

    /// Unmaps the area; no task may be in need of it, and the injector has retired.
    pub fn remove(self, injector: &Injector, task: &mut Stopped) -> Result<()> {
        injector.unmap(task, self.range())
    }
}

/// A frame that lies at `at`, which is a multiple of 64.
pub(super) fn frame(at: u64, regs: &Registers, mask: u64, xstate: &[u8]) -> Vec<u8> {
    let fpu_at = CONTEXT.next_multiple_of(64);
    let mut words: Vec<u64> = Vec::with_capacity(CONTEXT / 8);
    words.extend([UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS, 0]);
    // uc_stack: the kernel takes no stack of size zero, and leaves what is set
    words.extend([0, 0, 0]);
    words.extend([regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15]);
    words.extend([regs.rdi, regs.rsi, regs.rbp, regs.rbx, regs.rdx, regs.rax, regs.rcx, regs.rsp, regs.rip, regs.eflags]);
    words.push((regs.cs & 0xffff) | (regs.ss & 0xffff) << 48);
    // err, trapno, oldmask, cr2
    words.extend([0; 4]);
    words.push(at + fpu_at as u64);
    words.extend([0; 8]);
    words.push(mask);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    debug_assert!(bytes.len() <= CONTEXT);
    bytes.resize(fpu_at, 0);
    let len = xstate.len() as u32;
    bytes.extend_from_slice(xstate);
    let components = &xstate[SW_BYTES..SW_BYTES + 8];
    let sw = &mut bytes[fpu_at + SW_BYTES..];
    sw[8..16].copy_from_slice(components);
    sw[16..20].copy_from_slice(&len.to_le_bytes());
    sw[..4].copy_from_slice(&FP_XSTATE_MAGIC1.to_le_bytes());
    sw[4..8].copy_from_slice(&(len + 4).to_le_bytes());
    bytes.extend_from_slice(&FP_XSTATE_MAGIC2.to_le_bytes());
    bytes
}
