//! Typed ptrace.
#![allow(unsafe_code)]
