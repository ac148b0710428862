//! The hooks, one file per resource. Each exported function has the name and type of libc's; `raw_*` beside it does the
//! work on the level of the system call, so that `syscall()` (raw_syscall.rs) answers the same.

pub mod exec;
pub mod process;
pub mod signal;
pub mod spawn;
pub mod wait;
