//! The pod's namespace: id types and the table that maps virtual names to host names.
#![no_std]
