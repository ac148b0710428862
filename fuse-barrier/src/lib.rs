//! The barrier directory.
