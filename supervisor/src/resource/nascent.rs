//! What restore functions work with: a pod under construction.
use super::descriptor::{Description, Descriptions};
use super::{Context, Error, Result, Vpid};
use crate::image::{ImageReader, RunRef};
use crate::proc::Proc;
use crate::tracee::{Call, Injector, Stopped};
use crate::walls::Walls;
use std::any::Any;
use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A process under construction: its tasks are stopped, the injector's area is mapped.
#[derive(Debug)]
pub struct NascentProcess {
    pub vpid: Vpid,
    /// The host's id.
    pub pid: i32,
    /// (virtual id, task); the leader first.
    pub tasks: Vec<(Vpid, Stopped)>,
    pub injector: Injector,
    /// Where the end of the socket pair sits over which descriptors are handed in.
    pub channel: i32,
}

impl NascentProcess {
    /// Makes one call in the leader; `what` completes "cannot ... process N".
    pub fn call<const N: usize>(&mut self, what: &str, nr: i64, args: [u64; N]) -> Result<i64> {
        let vpid = self.vpid;
        self.injector.call(&mut self.tasks[0].1, nr, args).doing(|| format!("{what} of process {vpid}"))
    }

    /// Makes one call in a given task.
    pub fn call_in<const N: usize>(&mut self, task: usize, what: &str, nr: i64, args: [u64; N]) -> Result<i64> {
        let vtid = self.tasks[task].0;
        self.injector.call(&mut self.tasks[task].1, nr, args).doing(|| format!("{what} of task {vtid}"))
    }

    /// Makes calls up to the first that fails.
    pub fn sequence(&mut self, what: &str, calls: &mut [Call]) -> Result<()> {
        let vpid = self.vpid;
        self.injector.sequence(&mut self.tasks[0].1, calls).doing(|| format!("{what} of process {vpid}"))
    }

    pub fn sequence_in(&mut self, task: usize, what: &str, calls: &mut [Call]) -> Result<()> {
        let vtid = self.tasks[task].0;
        self.injector.sequence(&mut self.tasks[task].1, calls).doing(|| format!("{what} of task {vtid}"))
    }

    /// Writes into the data area, and gives the address there.
    pub fn write_data(&self, at: usize, data: &[u8]) -> Result<u64> {
        if at + data.len() > Injector::ROOM {
            return Err(Error::Inconsistent(format!("{} bytes of arguments for process {}", data.len(), self.vpid)));
        }
        let address = self.injector.data(at);
        crate::sys::memory::write(self.pid, address, data).doing(|| format!("write arguments into process {}", self.vpid))?;
        Ok(address)
    }

    pub fn read_data(&self, at: usize, buffer: &mut [u8]) -> Result<()> {
        crate::sys::memory::read(self.pid, self.injector.data(at), buffer)
            .doing(|| format!("read results from process {}", self.vpid))
    }
}

/// A restart under way.
pub struct Nascent {
    /// The host's /proc.
    pub proc: Proc,
    pub reader: ImageReader,
    /// Parents before children.
    pub processes: Vec<NascentProcess>,
    /// Virtual to host id of every process and task that exists by now.
    pub host_ids: HashMap<Vpid, i32>,
    pub kernel_names: bool,
    pub walls: Walls,
    pub pod_name: String,
    /// The engine's end of the socket pair over which descriptors are handed to processes.
    pub sender: OwnedFd,
    pub descriptions: Descriptions,
    /// Things that resources keep for one another, by a key of their own choice.
    pub stash: HashMap<String, Box<dyn Any>>,
}

impl Nascent {
    pub fn section<T: serde::de::DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        Ok(self.reader.manifest().section(name)?.unwrap_or_default())
    }

    /// Bulk data that capture stored with `blob`.
    pub fn blob(&self, run: &RunRef) -> Result<Vec<u8>> {
        Ok(self.reader.get(run)?)
    }

    /// The host's id for a virtual one; an error when there is none by now.
    pub fn host_id(&self, virtual_id: Vpid) -> Result<i32> {
        self.host_ids
            .get(&virtual_id)
            .copied()
            .ok_or_else(|| Error::Inconsistent(format!("id {virtual_id} is used but no process or task of the image has it")))
    }

    /// The name of a task, group or session in calls that the pod's processes make themselves.
    pub fn kernel_id(&self, virtual_id: Vpid) -> Result<i32> {
        if self.kernel_names { Ok(virtual_id as i32) } else { self.host_id(virtual_id) }
    }

    pub fn process_mut(&mut self, vpid: Vpid) -> Result<&mut NascentProcess> {
        self.processes
            .iter_mut()
            .find(|process| process.vpid == vpid)
            .ok_or_else(|| Error::Inconsistent(format!("process {vpid} is used but not in the image")))
    }

    /// The engine's descriptor for an open file description; made now if it was not yet.
    pub fn description(&mut self, id: u32) -> Result<BorrowedFd<'_>> {
        if !self.descriptions.is_open(id) {
            let record: Description = self.descriptions.record(id)?.clone();
            let fd = record.open(id, self)?;
            self.descriptions.set_open(id, fd);
        }
        self.descriptions.fd(id)
    }

    /// Another handle on [`Nascent::sender`].
    pub fn channel_sender(&self) -> Result<OwnedFd> {
        self.sender.try_clone().doing(|| "duplicate the descriptor channel".into())
    }

    /// What a resource remembers under a key; made empty at first use.
    pub fn remembered<T: Default + 'static>(&mut self, key: &str) -> &mut T {
        let any = self.stash.entry(key.into()).or_insert_with(|| Box::new(T::default()));
        any.downcast_mut().expect("a key belongs to one resource, which uses one type")
    }

    /// Keeps a descriptor for another resource.
    pub fn keep(&mut self, key: String, fd: OwnedFd) {
        self.stash.insert(key, Box::new(fd));
    }

    /// Takes back what [`Nascent::keep`] kept.
    pub fn take_kept(&mut self, key: &str) -> Option<OwnedFd> {
        self.stash.remove(key).and_then(|any| any.downcast::<OwnedFd>().ok()).map(|fd| *fd)
    }
}
