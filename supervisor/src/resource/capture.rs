//! What capture functions work with: a pod whose tasks all are stopped.
use super::{Context, Error, Result, Vpid};
use crate::image::{ImageWriter, ManifestBuilder, RunRef};
use crate::proc::{Mapping, Proc, Stat, Status};
use crate::tracee::{Armor, Call, Injector, Registers, Stopped};
use std::any::Any;
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// A stopped task and what was read of it at once.
#[derive(Debug)]
pub struct CapturedTask {
    pub tid: i32,
    pub vtid: Vpid,
    /// `None` for a task that has ended but not been reaped: a zombie, or a leader whose other threads live on.
    pub stopped: Option<Stopped>,
    pub registers: Registers,
    pub signal_mask: u64,
    pub stat: Stat,
    pub status: Status,
}

/// A process: a group of tasks. A zombie has its record and nothing else.
#[derive(Debug)]
pub struct CapturedProcess {
    pub pid: i32,
    /// Its first live task: under this id memory and files are to be had even when the leader has ended.
    pub handle: i32,
    pub vpid: Vpid,
    /// 1 when the parent is the pod's init.
    pub parent: Vpid,
    /// 0 when outside the pod.
    pub group: Vpid,
    pub session: Vpid,
    pub pidfd: OwnedFd,
    /// The leader first.
    pub tasks: Vec<CapturedTask>,
    pub maps: Vec<Mapping>,
    pub zombie: bool,
    /// PR_GET_DUMPABLE, when it had to be changed for the time of the checkpoint: the /proc files of others are not to be read.
    pub dumpable: Option<i64>,
    pub injector: Option<Injector>,
    pub armor: Option<Armor>,
}

impl CapturedProcess {
    pub fn leader(&self) -> &CapturedTask {
        &self.tasks[0]
    }

    /// The leader, unless it has ended before other tasks.
    pub fn first_live(&self) -> &CapturedTask {
        self.tasks.iter().find(|task| task.stopped.is_some()).unwrap_or(&self.tasks[0])
    }

    /// `process 14 (nginx)`, for messages.
    pub fn title(&self) -> String {
        format!("process {} ({})", self.vpid, self.leader().stat.comm)
    }

    /// The first task that can make calls.
    pub fn live_task(&mut self) -> Option<(&Injector, &mut CapturedTask)> {
        let injector = self.injector.as_ref()?;
        let task = self.tasks.iter_mut().find(|task| task.stopped.is_some())?;
        Some((injector, task))
    }

    /// Makes calls in the process, whatever their results.
    pub fn batch(&mut self, calls: &mut [Call]) -> Result<()> {
        let title = self.title();
        let Some((injector, task)) = self.live_task() else {
            return Err(Error::Inconsistent(format!("{title} has no task that can be asked")));
        };
        let stopped = task.stopped.as_mut().expect("a live task");
        injector.batch(stopped, calls).doing(|| format!("ask {title} about its state"))
    }

    /// Reads the process's memory.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        crate::sys::memory::read(self.handle, address, buffer)
            .doing(|| format!("read the memory of {} at {address:#x}", self.title()))
    }

    /// Reads from the data area of the injector.
    pub fn read_data(&self, at: usize, buffer: &mut [u8]) -> Result<()> {
        let injector = self.injector.as_ref().ok_or_else(|| Error::Inconsistent(format!("{} cannot be asked", self.title())))?;
        self.read(injector.data(at), buffer)
    }

    /// Writes to the data area of the injector, and gives the address.
    pub fn write_data(&self, at: usize, data: &[u8]) -> Result<u64> {
        let injector = self.injector.as_ref().ok_or_else(|| Error::Inconsistent(format!("{} cannot be asked", self.title())))?;
        let address = injector.data(at);
        crate::sys::memory::write(self.handle, address, data).doing(|| format!("write arguments into {}", self.title()))?;
        Ok(address)
    }
}

/// What to do with connections whose other end is outside the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutsideConnections {
    #[default]
    Refuse,
    /// The program sees a reset after the restart.
    Close,
}

/// What resources remember, each under keys of its own.
pub type Stash = HashMap<String, Box<dyn Any>>;

/// A checkpoint under way.
pub struct Capture {
    /// The host's /proc.
    pub proc: Proc,
    /// Parents before children.
    pub processes: Vec<CapturedProcess>,
    /// Host to virtual id of every process and task, and of groups and sessions whose leader is gone.
    pub virtual_ids: HashMap<i32, Vpid>,
    pub outside: OutsideConnections,
    /// Connections that will be closed, for the report.
    pub closed_connections: Vec<String>,
    /// Whether the pod has kernel namespaces of its own (`--names kernel`).
    pub kernel_names: bool,
    /// How many seccomp filters every process has of the pod's walls.
    pub wall_filters: u32,
    /// Whether the pod goes on after the checkpoint.
    pub leave_running: bool,
    pub pod_name: String,
    pub writer: ImageWriter,
    pub manifest: ManifestBuilder,
    /// Things that resources remember from one capture function to the next, by a key of their own choice.
    pub stash: Stash,
}

impl Capture {
    /// Stores bulk data (queue contents, a deleted file) in the image.
    pub fn blob(&mut self, data: &[u8]) -> Result<RunRef> {
        Ok(self.writer.put(data)?)
    }

    /// The virtual name of a host id; 0 for one that is not of the pod.
    pub fn virtual_id(&self, host: i32) -> Vpid {
        self.virtual_ids.get(&host).copied().unwrap_or(0)
    }

    /// What a resource remembers under a key; made empty at first use.
    pub fn remembered<T: Default + 'static>(&mut self, key: &str) -> &mut T {
        let any = self.stash.entry(key.into()).or_insert_with(|| Box::new(T::default()));
        any.downcast_mut().expect("a key belongs to one resource, which uses one type")
    }

    pub fn process(&self, vpid: Vpid) -> Option<&CapturedProcess> {
        self.processes.iter().find(|process| process.vpid == vpid)
    }

    pub fn process_mut(&mut self, vpid: Vpid) -> Option<&mut CapturedProcess> {
        self.processes.iter_mut().find(|process| process.vpid == vpid)
    }

    pub fn section<T: serde::Serialize>(&mut self, name: &str, records: &T) -> Result<()> {
        self.manifest.section(name, records)?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A process that tests have stopped, as a checkpoint sees it.
    pub(crate) fn captured(proc: &Proc, process: super::super::NascentProcess) -> CapturedProcess {
        let pid = process.pid;
        let tasks = process.tasks.into_iter().map(|(vtid, stopped)| CapturedTask {
            tid: stopped.tid(),
            vtid,
            registers: stopped.registers().unwrap(),
            signal_mask: stopped.signal_mask().unwrap(),
            stat: proc.stat(pid, stopped.tid()).unwrap(),
            status: proc.status(pid, stopped.tid()).unwrap(),
            stopped: Some(stopped),
        });
        CapturedProcess {
            pid,
            handle: pid,
            dumpable: None,
            armor: None,
            vpid: process.vpid,
            parent: 1,
            group: 0,
            session: 0,
            pidfd: crate::sys::process::pidfd_open(pid).unwrap(),
            tasks: tasks.collect(),
            maps: proc.maps(pid).unwrap(),
            zombie: false,
            injector: Some(process.injector),
        }
    }
}
