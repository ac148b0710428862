//! Takes process ids and numbers of terminals, so that a restart cannot have them.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Result, bail};

/// Processes that hold ids, and masters of terminals; dropped, they end.
#[derive(Debug, Default)]
pub struct Occupants(Vec<Child>, Vec<File>);

/// So many terminals are made: those of the program that ended have the lowest numbers that are free.
const TERMINALS: usize = 12;

/// `ns_last_pid` and the fork after it belong together.
static LAST: Mutex<()> = Mutex::new(());

impl Occupants {
    /// Takes each id that is free. Others may fork between our two steps, so each id is tried several times.
    pub fn take(ids: &[u32]) -> Result<Self> {
        let _guard = LAST.lock();
        let mut taken = Self::default();
        for _ in 0..TERMINALS {
            taken.1.push(File::options().read(true).write(true).open("/dev/ptmx")?);
        }
        for &id in ids {
            for attempt in 0.. {
                if Path::new(&format!("/proc/{id}")).exists() {
                    break;
                }
                std::fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string())?;
                let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?;
                if child.id() == id {
                    taken.0.push(child);
                    break;
                }
                child.kill()?;
                child.wait()?;
                if attempt > 200 {
                    bail!("cannot take process id {id}");
                }
            }
        }
        Ok(taken)
    }
}

impl Drop for Occupants {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // An occupant that is gone already has nothing to be ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
