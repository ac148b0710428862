//! Init's part in the namespace table of a pod under `--names shim`: programs that init starts get their virtual ids
//! here, and lose them when init reaps them. All other entries are the shim's.
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The pod's virtual process ids as init sees them.
#[derive(Debug)]
pub struct NamesTable {
    entries: BTreeMap<i32, i32>,
    next: i32,
}

impl NamesTable {
    /// Makes the table file; virtual id 1 is init's own.
    pub fn create(path: &Path, init: i32) -> io::Result<Self> {
        std::fs::write(path, [])?;
        Ok(Self { entries: BTreeMap::from([(init, 1)]), next: 2 })
    }

    /// Gives the host process a virtual id: `wanted`, or a free one.
    pub fn enter(&mut self, host: i32, wanted: Option<i32>) -> io::Result<i32> {
        let id = wanted.unwrap_or(self.next);
        if self.entries.values().any(|&taken| taken == id) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        self.next = self.next.max(id + 1);
        self.entries.insert(host, id);
        Ok(id)
    }

    /// Takes the host process's virtual id back, and tells which it was.
    pub fn leave(&mut self, host: i32) -> Option<i32> {
        self.entries.remove(&host)
    }
}
