//! libautopod_shim.so: see ARCHITECTURE.md.
