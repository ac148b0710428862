//! Init's and the supervisor's part in the namespace table of a pod under `--names shim`. Init gives virtual ids to the
//! programs it starts and takes them back from whatever it reaps; all other entries are the shim's.
use super::init::Setup;
use crate::sys::ipc;
use autopod_namespace::{Clock, HostId, IpcKind, Settings, Table, Unreachable, VirtualId};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The pod's virtual process ids. Programs of the pod may write whatever they like into the table: it says names, and is asked nothing on which
/// a right would hang.
#[derive(Debug)]
pub struct NamesTable {
    table: Table,
    path: PathBuf,
    file: File,
}

fn path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn host(pid: i32) -> io::Result<HostId> {
    HostId::new(pid).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl NamesTable {
    /// Makes the table file; virtual id 1 is `init`.
    pub fn create(setup: &Setup, init: i32) -> io::Result<Self> {
        let settings = Settings {
            pod_name: &setup.name,
            pod_id: 0,
            hostname: setup.hostname.as_bytes(),
            domainname: setup.domainname.as_bytes(),
            unreachable: if setup.allow_unshimmed { Unreachable::Warn } else { Unreachable::Refuse },
        };
        let table = Table::create(&path(&setup.table)?, &settings).map_err(io::Error::other)?;
        let file = File::open(&setup.table)?;
        table.set_clock_offset(Clock::Monotonic, setup.clocks.monotonic);
        table.set_clock_offset(Clock::Boottime, setup.clocks.boottime);
        table.insert(VirtualId::INIT, host(init)?);
        table.mark_session(VirtualId::INIT);
        Ok(Self { table, path: setup.table.clone(), file })
    }

    /// Opens the table of a running pod.
    pub fn open(file: &Path) -> io::Result<Self> {
        // One file, also if its name leads to another by now.
        let opened = File::options().read(true).write(true).open(file)?;
        let table = Table::from_fd(opened.as_raw_fd()).map_err(io::Error::other)?;
        Ok(Self { table, path: file.to_owned(), file: opened })
    }

    /// Gives the new process a virtual id: `wanted`, or a free one.
    pub fn enter(&self, pid: i32, wanted: Option<i32>) -> io::Result<i32> {
        match wanted {
            Some(wanted) => {
                let id = VirtualId::new(wanted).ok_or(io::ErrorKind::InvalidInput)?;
                if self.table.task_of(id).is_some() {
                    return Err(Errno::EEXIST.into());
                }
                self.table.insert(id, host(pid)?);
                Ok(wanted)
            }
            None => {
                let reserved = self.table.reserve().ok_or(Errno::EAGAIN)?;
                self.table.bind(reserved, host(pid)?);
                Ok(reserved.id().raw())
            }
        }
    }

    /// Lets programs of this user open the table: it is its owner's alone otherwise.
    pub fn admit(&self, user: u32) {
        if user != nix::unistd::geteuid().as_raw() {
            // Neither by the path that the table claims to have, nor by its name, which the pod's root may have made to lead elsewhere.
            let file = CString::new(format!("/proc/self/fd/{}", self.file.as_raw_fd())).unwrap_or_default();
            autopod_namespace::admit_at(&file, self.path.as_os_str().as_bytes(), user, &crate::sys::process::system_call);
        }
    }

    /// Notes that the process leads a session.
    pub fn leads_session(&self, virtual_pid: i32) {
        VirtualId::new(virtual_pid).into_iter().for_each(|id| self.table.mark_session(id));
    }

    /// The process's virtual id.
    pub fn virtual_of(&self, pid: i32) -> Option<i32> {
        self.table.virtual_of(HostId::new(pid)?).map(VirtualId::raw)
    }

    /// Removes from the host what System V and POSIX objects the pod has: they end with it, as those of an ipc namespace do.
    pub fn remove_objects(&self) {
        for kind in [IpcKind::Shm, IpcKind::Sem, IpcKind::Msg] {
            for object in self.table.ipcs(kind) {
                let host = object.host.0;
                // some may be gone by now
                let _ = match kind {
                    IpcKind::Shm => ipc::shm_command(host, libc::IPC_RMID),
                    IpcKind::Sem => ipc::sem_remove(host),
                    IpcKind::Msg => ipc::msg_remove(host),
                };
            }
        }
        let prefix = self.table.posix_prefix();
        let is_ours = |name: &[u8]| name.strip_prefix(b"sem.").unwrap_or(name).starts_with(prefix.as_bytes());
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if is_ours(entry.file_name().as_bytes()) {
                let _ = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
            }
        }
        for name in ipc::mq_names().unwrap_or_default() {
            if is_ours(name.as_bytes()) {
                let _ = CString::new(name).map(|name| ipc::mq_unlink(&name));
            }
        }
    }

    /// Notes that the process was reaped, and tells which it was.
    pub fn leave(&self, pid: i32) -> Option<i32> {
        let id = self.virtual_of(pid)?;
        self.table.reaped(HostId::new(pid)?);
        Some(id)
    }
}
