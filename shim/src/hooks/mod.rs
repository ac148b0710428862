//! The hooks, one file per resource. Each exported function has the name and type of libc's; `raw_*` beside it does the
//! work on the level of the system call, so that `syscall()` (raw_syscall.rs) answers the same.

pub mod exec;
pub mod files;
pub mod network;
pub mod posix_ipc;
pub mod proc_files;
pub mod process;
pub mod programs;
pub mod raw_syscall;
pub mod signal;
pub mod spawn;
pub mod sysv_ipc;
pub mod terminal;
pub mod time;
pub mod uts;
pub mod wait;
