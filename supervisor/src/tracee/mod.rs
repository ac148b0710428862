//! Typed ptrace (ptrace(2)): a task that runs and a task that is stopped are different types, so that reading registers of
//! a running task does not compile. Calls are made *in* a stopped task by [`Injector`].
#![allow(unsafe_code)]

mod armor;
mod inject;
mod refuge;
mod registers;

pub use armor::Armor;
pub use inject::{Call, Injector, find_hole};
pub use refuge::Refuge;
pub use registers::Registers;

use std::io;

use nix::errno::Errno;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} task {tid}: {source}")]
    Ptrace { what: &'static str, tid: i32, source: io::Error },
    #[error("task {tid} ended while it was traced")]
    Gone { tid: i32 },
    #[error("task {tid} stopped where it should not have (wait status {status:#x}, at {rip:#x})")]
    Unexpected { tid: i32, status: i32, rip: u64 },
    #[error("system call {nr} in task {tid} failed: {source}")]
    Call { tid: i32, nr: i64, source: io::Error },
    #[error("cannot access the memory of task {tid} at {address:#x}: {source}")]
    Memory { tid: i32, address: u64, source: io::Error },
    #[error("process {pid} has no free address range of {len} bytes")]
    NoRoom { pid: i32, len: u64 },
    #[error("no system call instruction found in process {pid}")]
    NoSyscallInstruction { pid: i32 },
}

impl Error {
    /// Whether the task simply no longer exists.
    pub fn is_gone(&self) -> bool {
        match self {
            Error::Gone { .. } => true,
            Error::Ptrace { source, .. } => source.raw_os_error() == Some(libc::ESRCH),
            _ => false,
        }
    }

    /// The errno of a failed injected call.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Call { source, .. } | Error::Ptrace { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;

fn ptrace(what: &'static str, request: u32, tid: i32, address: u64, data: u64) -> Result<i64> {
    crate::stage::step();
    // SAFETY: the callers of this function pass, where the request has the kernel write to us, addresses of live buffers
    // of the right size; all other requests do not touch our memory.
    let ret = unsafe { libc::ptrace(request as _, tid, address, data) };
    if ret == -1 {
        return Err(Error::Ptrace { what, tid, source: io::Error::last_os_error() });
    }
    Ok(ret)
}

/// A task that we trace and that runs.
#[derive(Debug)]
#[must_use]
pub struct Running {
    tid: i32,
}

/// A task that we trace and that is in a ptrace stop.
#[derive(Debug)]
#[must_use]
pub struct Stopped {
    tid: i32,
    /// Job control had stopped the task (group stop) before we came, with this signal.
    group_stop: Option<i32>,
    /// SIGSTOPs that arrived while calls were injected; sent again when the task is released.
    deferred_stops: u32,
    /// SIGTRAPs of the program's that came up while calls were injected; they are to be queued again ([`Injector::return_traps`]).
    deferred_traps: Vec<Trap>,
    /// Whether the task's own queue held a SIGTRAP before anything was injected.
    own_trap: bool,
    seccomp_suspended: bool,
    /// Where the task's way back lies ([`Armor`]); 0 for none.
    frame: u64,
}

/// A SIGTRAP of the program's: whether it was in the queue of the process, and its siginfo_t.
pub type Trap = (bool, [u8; 128]);

/// Why a task stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// PTRACE_EVENT_STOP: our interrupt, a new traced task's first stop, or a group stop.
    Interrupt,
    /// PTRACE_EVENT_FORK, _VFORK or _CLONE; the new task's id.
    NewTask(i32),
    /// PTRACE_EVENT_EXEC
    Exec,
    /// About to be delivered.
    Signal(i32),
}

const SUSPEND_SECCOMP: i32 = 1 << 21;
const OPTIONS: i32 = libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK | libc::PTRACE_O_TRACEEXEC;

/// Attaches to a task without stopping it (PTRACE_SEIZE).
///
/// `build` is for tasks that exist only for us: new tasks and execs are followed, and the task dies with us.
pub fn seize(tid: i32, build: bool) -> Result<Running> {
    ptrace("trace", libc::PTRACE_SEIZE, tid, 0, options(build) as u64)?;
    Ok(Running { tid })
}

fn options(build: bool) -> i32 {
    libc::PTRACE_O_TRACESYSGOOD | if build { OPTIONS | libc::PTRACE_O_EXITKILL } else { 0 }
}

fn wait(tid: i32) -> Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a live i32.
        let got = unsafe { libc::waitpid(tid, &mut status, libc::__WALL) };
        match got {
            -1 if Errno::last() == Errno::EINTR => continue,
            -1 => {
                return Err(Error::Ptrace { what: "wait for", tid, source: io::Error::last_os_error() });
            }
            _ if libc::WIFSTOPPED(status) => return Ok(status),
            _ => return Err(Error::Gone { tid }),
        }
    }
}

/// Waits until no task that we trace is left; all must have been killed.
pub fn await_all_ends() {
    while !matches!(wait(-1), Err(Error::Ptrace { .. })) {}
}

/// Puts a process of ours into a group stop with this signal, as job control would. Its tasks sit on traps of the injector, have
/// the default actions, and still run what is injected.
pub fn stop_group(tasks: Vec<Stopped>, signal: i32) -> Result<Vec<Stopped>> {
    let mut tasks = tasks.into_iter();
    let Some(mut leader) = tasks.next() else { return Ok(Vec::new()) };
    let tid = leader.tid;
    let mask = leader.signal_mask()?;
    leader.set_signal_mask(0)?;
    let mut deliver = signal;
    let mut leader = loop {
        // SIGSTOP only brings the task to a stop where the real signal can be given in its place
        crate::sys::process::tgkill(tid, tid, libc::SIGSTOP).map_err(|source| Error::Ptrace { what: "stop", tid, source })?;
        let (stopped, stop) = leader.resume(0)?.wait()?;
        if stop != Stop::Signal(libc::SIGSTOP) {
            leader = stopped;
            continue;
        }
        let (stopped, stop) = stopped.resume(deliver)?.wait()?;
        if stop == Stop::Interrupt {
            break stopped;
        }
        // the terminal's stop signals do nothing in an orphaned process group
        (leader, deliver) = (stopped, libc::SIGSTOP);
    };
    leader.set_signal_mask(mask)?;
    let mut all = vec![leader];
    for task in tasks {
        all.push(task.resume(0)?.wait_interrupted()?);
    }
    Ok(all)
}

/// Ends a stop by job control, as SIGCONT does: the parent can ask about it (waitpid(2), WCONTINUED). The signal itself stays pending.
pub fn continue_group(tasks: Vec<Stopped>) -> Result<Vec<Stopped>> {
    if let Some(leader) = tasks.first() {
        let tid = leader.tid;
        crate::sys::process::tgkill(tid, tid, libc::SIGCONT).map_err(|source| Error::Ptrace { what: "continue", tid, source })?;
    }
    tasks.into_iter().map(|task| task.resume(0)?.wait_interrupted()).collect()
}

impl Running {
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// Asks the task to stop; [`Running::wait`] tells when it has.
    pub fn interrupt(&self) -> Result<()> {
        ptrace("interrupt", libc::PTRACE_INTERRUPT, self.tid, 0, 0).map(drop)
    }

    /// Waits for the next stop.
    pub fn wait(self) -> Result<(Stopped, Stop)> {
        let status = wait(self.tid)?;
        let signal = libc::WSTOPSIG(status);
        let mut stopped = Stopped {
            tid: self.tid,
            group_stop: None,
            deferred_stops: 0,
            deferred_traps: Vec::new(),
            own_trap: false,
            seccomp_suspended: false,
            frame: 0,
        };
        let stop = match status >> 16 {
            libc::PTRACE_EVENT_STOP => {
                if signal != libc::SIGTRAP {
                    stopped.group_stop = Some(signal);
                }
                Stop::Interrupt
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                let mut new = 0u64;
                ptrace("read the event of", libc::PTRACE_GETEVENTMSG, self.tid, 0, &mut new as *mut u64 as u64)?;
                Stop::NewTask(new as i32)
            }
            libc::PTRACE_EVENT_EXEC => Stop::Exec,
            _ => Stop::Signal(signal),
        };
        Ok((stopped, stop))
    }

    /// Interrupts the task and waits until that stop, whatever it is about to do. A signal that was about to be delivered goes
    /// back into the queue.
    pub fn stop(self) -> Result<Stopped> {
        self.interrupt()?;
        self.wait_interrupted()
    }

    /// Lets the task run for a while.
    pub fn interrupt_later(&self, delay: std::time::Duration) -> Result<()> {
        std::thread::sleep(delay);
        Ok(())
    }

    /// Like [`Running::wait_interrupted`], but gives the task back when it has not stopped yet.
    pub fn try_wait_interrupted(self) -> Result<std::result::Result<Stopped, Running>> {
        // WNOWAIT would leave the stop for `wait`, so that both ways of waiting share one decoder
        // SAFETY: a zeroed siginfo_t is valid, and the kernel fills it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
        // SAFETY: `info` is a live siginfo_t.
        if unsafe { libc::waitid(libc::P_PID, self.tid as u32, &mut info, flags) } == -1 {
            return Err(Error::Ptrace { what: "wait for", tid: self.tid, source: io::Error::last_os_error() });
        }
        // SAFETY: waitid filled the fields of SIGCHLD, or left si_pid zero.
        if unsafe { info.si_pid() } == 0 {
            return Ok(Err(self));
        }
        let (stopped, stop) = self.wait()?;
        match stop {
            Stop::Interrupt => Ok(Ok(stopped)),
            Stop::Signal(signal) => Ok(Err(stopped.resume(signal)?)),
            Stop::NewTask(_) | Stop::Exec => Ok(Err(stopped.resume(0)?)),
        }
    }

    /// Like [`Running::stop`] after an earlier [`Running::interrupt`].
    pub fn wait_interrupted(self) -> Result<Stopped> {
        let mut task = self;
        loop {
            let (stopped, stop) = task.wait()?;
            match stop {
                Stop::Interrupt => return Ok(stopped),
                // deliver it: the interrupt is still pending and stops the task before the handler's first instruction
                Stop::Signal(signal) => task = stopped.resume(signal)?,
                Stop::NewTask(_) | Stop::Exec => task = stopped.resume(0)?,
            }
        }
    }
}

impl Stopped {
    pub fn tid(&self) -> i32 {
        self.tid
    }

    /// A task that a traced parent has just created: it is attached, and stops before its first instruction.
    pub fn newborn(tid: i32) -> Result<Stopped> {
        Running { tid }.wait_interrupted()
    }

    /// The signal with which job control had stopped the task before we came.
    pub fn group_stop(&self) -> Option<i32> {
        self.group_stop
    }

    pub fn resume(self, signal: i32) -> Result<Running> {
        ptrace("resume", libc::PTRACE_CONT, self.tid, 0, signal as u64)?;
        Ok(Running { tid: self.tid })
    }

    /// Waits for a task that has been killed to end. Its parent is told only when the tracer knows.
    pub fn await_end(self) {
        while wait(self.tid).is_ok() {}
    }

    /// Has the task live on should we die.
    pub fn keep(&mut self) -> Result<()> {
        ptrace("set options of", libc::PTRACE_SETOPTIONS, self.tid, 0, 0).map(drop)
    }

    /// Lets the task go.
    pub fn detach(self) -> Result<()> {
        for _ in 0..self.deferred_stops {
            // the task is stopped, so this cannot overtake the detach
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.tid), nix::sys::signal::Signal::SIGSTOP);
        }
        ptrace("detach from", libc::PTRACE_DETACH, self.tid, 0, 0).map(drop)
    }

    pub fn registers(&self) -> Result<Registers> {
        let mut regs = Registers::default();
        let iov = libc::iovec { iov_base: (&raw mut regs).cast(), iov_len: size_of::<Registers>() };
        ptrace("read the registers of", libc::PTRACE_GETREGSET, self.tid, registers::NT_PRSTATUS, &raw const iov as u64)?;
        Ok(regs)
    }

    pub fn set_registers(&mut self, regs: &Registers) -> Result<()> {
        let iov = libc::iovec { iov_base: std::ptr::from_ref(regs).cast_mut().cast(), iov_len: size_of::<Registers>() };
        ptrace("set the registers of", libc::PTRACE_SETREGSET, self.tid, registers::NT_PRSTATUS, &raw const iov as u64).map(drop)
    }

    /// The XSAVE area (NT_X86_XSTATE), in the layout of this processor.
    pub fn xstate(&self) -> Result<Vec<u8>> {
        let mut area = vec![0u8; 16 * 1024];
        let mut iov = libc::iovec { iov_base: area.as_mut_ptr().cast(), iov_len: area.len() };
        ptrace("read the FPU state of", libc::PTRACE_GETREGSET, self.tid, registers::NT_X86_XSTATE, &raw mut iov as u64)?;
        area.truncate(iov.iov_len);
        Ok(area)
    }

    pub fn set_xstate(&mut self, area: &[u8]) -> Result<()> {
        let iov = libc::iovec { iov_base: area.as_ptr().cast_mut().cast(), iov_len: area.len() };
        ptrace("set the FPU state of", libc::PTRACE_SETREGSET, self.tid, registers::NT_X86_XSTATE, &raw const iov as u64)
            .map(drop)
    }

    /// The blocked signals, bit `n - 1` for signal `n`.
    pub fn signal_mask(&self) -> Result<u64> {
        let mut mask = 0u64;
        ptrace("read the signal mask of", 0x420a, self.tid, 8, &raw mut mask as u64)?;
        Ok(mask)
    }

    pub fn set_signal_mask(&mut self, mask: u64) -> Result<()> {
        ptrace("set the signal mask of", 0x420b, self.tid, 8, &raw const mask as u64).map(drop)
    }

    /// The queued signals (PTRACE_PEEKSIGINFO), as raw siginfo_t, in the order of the queue: of the task, or of its process.
    pub fn queued_signals(&self, shared: bool) -> Result<Vec<[u8; 128]>> {
        #[repr(C)]
        struct PeekArgs {
            offset: u64,
            flags: u32,
            count: i32,
        }
        let mut queue = Vec::new();
        loop {
            let mut infos = [[0u8; 128]; 32];
            let args = PeekArgs { offset: queue.len() as u64, flags: shared.into(), count: infos.len() as i32 };
            let n = ptrace("read the signals of", 0x4209, self.tid, &raw const args as u64, infos.as_mut_ptr() as u64)?;
            queue.extend_from_slice(&infos[..n as usize]);
            if n < infos.len() as i64 {
                return Ok(queue);
            }
        }
    }

    /// The rseq registration (PTRACE_GET_RSEQ_CONFIGURATION): address, size, signature; `None` when there is none.
    pub fn rseq(&self) -> Result<Option<(u64, u32, u32)>> {
        let mut config = [0u8; 24];
        ptrace("read the rseq area of", 0x420f, self.tid, 24, config.as_mut_ptr() as u64)?;
        let word = |at: usize| u32::from_le_bytes([config[at], config[at + 1], config[at + 2], config[at + 3]]);
        let address = u64::from(word(0)) | u64::from(word(4)) << 32;
        Ok((address != 0).then_some((address, word(8), word(12))))
    }

    /// Syscall user dispatch (PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG): mode, selector, offset, length.
    pub fn syscall_user_dispatch(&self) -> Result<[u64; 4]> {
        let mut config = [0u64; 4];
        ptrace("read the syscall dispatch of", 0x4211, self.tid, 32, config.as_mut_ptr() as u64)?;
        Ok(config)
    }

    pub fn set_syscall_user_dispatch(&mut self, config: &[u64; 4]) -> Result<()> {
        ptrace("set the syscall dispatch of", 0x4210, self.tid, 32, config.as_ptr() as u64).map(drop)
    }

    /// PTRACE_O_SUSPEND_SECCOMP: filters of the task are not run while we trace it. Needs CAP_SYS_ADMIN. `build` as for [`seize`].
    pub fn suspend_seccomp(&mut self, build: bool) -> Result<()> {
        let options = (options(build) | SUSPEND_SECCOMP) as u64;
        ptrace("suspend the seccomp filters of", libc::PTRACE_SETOPTIONS, self.tid, 0, options)?;
        self.seccomp_suspended = true;
        Ok(())
    }

    /// A seccomp filter (PTRACE_SECCOMP_GET_FILTER), 0 being the oldest, and its flags; `None` when there are no more.
    /// Needs CAP_SYS_ADMIN.
    pub fn seccomp_filter(&self, index: u32) -> Result<Option<(Vec<u8>, u64)>> {
        const WHAT: &str = "read the seccomp filters of";
        let mut code = vec![0u8; 8 * 4096];
        let count = match ptrace(WHAT, 0x420c, self.tid, index.into(), code.as_mut_ptr() as u64) {
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(None),
            other => other?,
        };
        code.truncate(count as usize * 8);
        let mut metadata = [u64::from(index), 0];
        ptrace(WHAT, 0x420d, self.tid, 16, metadata.as_mut_ptr() as u64)?;
        Ok(Some((code, metadata[1])))
    }

    /// SIGTRAPs of the program's that our calls took out of the queues.
    pub fn deferred_traps(&self) -> &[Trap] {
        &self.deferred_traps
    }

    /// Has a SIGTRAP queued when [`Injector::return_traps`] is called.
    pub fn defer_trap(&mut self, shared: bool, info: [u8; 128]) {
        self.deferred_traps.push((shared, info));
    }

    /// The siginfo_t of the signal about to be delivered.
    fn signal_info(&self) -> Result<[u8; 128]> {
        let mut info = [0u8; 128];
        ptrace("read the signal of", libc::PTRACE_GETSIGINFO, self.tid, 0, info.as_mut_ptr() as u64)?;
        Ok(info)
    }

    /// Reads memory through ptrace's own rights, whatever the page's protection.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        crate::sys::memory::read(self.tid, address, buffer).map_err(|source| Error::Memory { tid: self.tid, address, source })
    }

    pub fn write(&self, address: u64, data: &[u8]) -> Result<()> {
        crate::sys::memory::write(self.tid, address, data).map_err(|source| Error::Memory { tid: self.tid, address, source })
    }

    /// Writes memory that the task itself may not write (PTRACE_POKEDATA); a multiple of 8 bytes.
    pub(crate) fn poke(&mut self, address: u64, data: &[u8]) -> Result<()> {
        for (at, word) in (address..).step_by(8).zip(data.chunks_exact(8)) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            ptrace("write the memory of", libc::PTRACE_POKEDATA, self.tid, at, word)?;
        }
        Ok(())
    }

    pub fn read_u64(&self, address: u64) -> Result<u64> {
        let mut word = [0; 8];
        self.read(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}
