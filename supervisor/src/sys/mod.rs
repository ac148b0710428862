//! Raw system calls that nix does not wrap. The one place of the supervisor (with `tracee`) that may use `unsafe`.
#![allow(unsafe_code)]
