//! The hooks, one file per resource. Each exported function has the name and type of libc's; `raw_*` beside it does the
//! work on the level of the system call, so that `syscall()` (raw_syscall.rs) answers the same.
//!
//! They are `C-unwind`: a cancelled thread unwinds through a hook that blocks (pthreads(7)), which a plain `C` function of Rust
//! would answer with an abort. So nothing that a hook holds over a blocking call has a destructor that matters.

pub mod directories;
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
pub mod stat;
pub mod sysv_ipc;
pub mod terminal;
pub mod terminal_names;
pub mod time;
pub mod users;
pub mod uts;
pub mod wait;
