//! The general registers (NT_PRSTATUS of ptrace(2)), and what a stop in the middle of a system call leaves in them.
use serde::{Deserialize, Serialize};

pub(super) const NT_PRSTATUS: u64 = 1;
pub(super) const NT_X86_XSTATE: u64 = 0x202;

/// struct user_regs_struct of x86-64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

const ERESTARTSYS: i64 = -512;
const ERESTARTNOINTR: i64 = -513;
const ERESTARTNOHAND: i64 = -514;
const ERESTART_RESTARTBLOCK: i64 = -516;

impl Registers {
    /// As the kernel has them, one after another.
    pub fn words(&self) -> [u64; 27] {
        let r = self;
        [
            r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi, r.orig_rax,
            r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
        ]
    }

    /// Whether the task was stopped inside a system call.
    pub fn in_syscall(&self) -> bool {
        self.orig_rax as i64 >= 0
    }

    /// Whether the task waits in a system call that has not come to a result.
    pub fn interrupted(&self) -> bool {
        let result = self.rax as i64;
        let unfinished = matches!(result, ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK);
        self.in_syscall() && (unfinished || result == -i64::from(libc::EINTR))
    }

    /// The registers as they must be in a *new* process, in which the kernel knows of no call to go on with: a call that
    /// would have been restarted is issued again.
    ///
    /// -516 (ERESTART_RESTARTBLOCK) has its remaining time in a kernel structure; the original call is issued again, except
    /// that `nanosleep` and `clock_nanosleep` have their remaining time in user memory (see `resource::interrupted`).
    /// -4 (EINTR) comes from calls that are never restarted after a stop signal (signal(7)); to a program that
    /// got no signal it would be spurious, so these, too, are issued again.
    pub fn rewound(mut self) -> Registers {
        if self.in_syscall() {
            let result = self.rax as i64;
            let again = matches!(result, ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND | ERESTART_RESTARTBLOCK)
                || (result == -i64::from(libc::EINTR) && restarts_after_stop(self.orig_rax as i64));
            if again {
                self.rax = self.orig_rax;
                self.rip -= 2;
            }
            self.orig_rax = u64::MAX;
        }
        self
    }
}

/// The calls that fail with EINTR after a stop although no handler ran (signal(7), "Interruption of system calls and library
/// functions by stop signals").
fn restarts_after_stop(nr: i64) -> bool {
    matches!(
        nr,
        libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_semop
            | libc::SYS_semtimedop
            | libc::SYS_rt_sigtimedwait
            | libc::SYS_read
            | libc::SYS_readv
            | libc::SYS_recvfrom
            | libc::SYS_recvmsg
            | libc::SYS_recvmmsg
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_write
            | libc::SYS_writev
            | libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_sendmmsg
            | libc::SYS_connect
            | libc::SYS_io_getevents
            | libc::SYS_msgrcv
            | libc::SYS_msgsnd
            | libc::SYS_mq_timedreceive
            | libc::SYS_mq_timedsend
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(nr: i64, result: i64) -> Registers {
        Registers { orig_rax: nr as u64, rax: result as u64, rip: 0x1002, ..Registers::default() }
    }

    #[test]
    fn a_restartable_call_is_issued_again() {
        let regs = stopped(libc::SYS_read, -512).rewound();
        assert_eq!((regs.rip, regs.rax, regs.orig_rax), (0x1000, libc::SYS_read as u64, u64::MAX));
    }

    #[test]
    fn a_partial_result_is_kept() {
        let regs = stopped(libc::SYS_write, 42).rewound();
        assert_eq!((regs.rip, regs.rax), (0x1002, 42));
        let regs = stopped(libc::SYS_close, -4).rewound();
        assert_eq!((regs.rip, regs.rax as i64), (0x1002, -4));
    }

    #[test]
    fn user_code_is_left_alone() {
        let regs = Registers { rax: -512i64 as u64, orig_rax: u64::MAX, rip: 7, ..Registers::default() };
        assert_eq!(regs.rewound(), regs);
    }
}
