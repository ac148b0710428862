//! The ground: raw system calls, errno, the next symbol, the shim's thread-local words.

pub mod call;
pub mod errno;
pub mod next;
pub mod scratch;
pub mod tls;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the shim is written for x86-64 Linux");
