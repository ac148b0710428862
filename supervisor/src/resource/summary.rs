//! What is in an image, for people: a digest of its records, made without restoring anything.
use super::descriptor::{self, Description};
use super::file_object::FileObject;
use super::memory::{self, Backing};
use super::unix_socket;
use super::{
    Error, Result, Vpid, attributes, changes, credentials, mqueue, posix_shm, process, signal, sysv_msg, sysv_sem, sysv_shm, task,
};
use crate::image::{Compression, ImageReader, RunRef, arch_name};
use crate::pod::engine::PodSection;
use crate::pod::record::PodRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// An image in short.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub image: Image,
    /// `None` for an image that holds no pod.
    pub pod: Option<PodRecord>,
    pub processes: Vec<Process>,
    /// Rows of all descriptor tables.
    pub descriptors: usize,
    /// Open file descriptions by kind.
    pub descriptions: BTreeMap<&'static str, usize>,
    pub open: Vec<Open>,
    pub sockets: Vec<Socket>,
    pub memory: BTreeMap<&'static str, Amount>,
    pub ipc: Ipc,
    /// What programs have changed in the pod's tree; `None` where that is not in the image.
    pub changes: Option<Changes>,
    pub needs: Needs,
    /// What else there is of each kind, by the names of sections of the manifest: records.
    pub state: BTreeMap<String, usize>,
    /// Bytes of each section of the manifest.
    pub sections: BTreeMap<String, usize>,
}

/// The file.
#[derive(Debug, Serialize)]
pub struct Image {
    pub path: PathBuf,
    pub format: u32,
    pub architecture: String,
    pub maker: String,
    /// In seconds since the epoch; 0 if unknown.
    pub created: u64,
    pub bytes: u64,
    /// Uncompressed.
    pub stream: u64,
    pub chunks: usize,
    pub compression: Compression,
    /// Fingerprint of the key.
    pub key: String,
}

/// A process, with the names that it has in the pod.
#[derive(Debug, Serialize)]
pub struct Process {
    pub pid: Vpid,
    pub parent: Vpid,
    pub group: Vpid,
    pub session: Vpid,
    pub name: String,
    /// The program file; `None` for a zombie.
    pub program: Option<PathBuf>,
    pub state: &'static str,
    /// Effective user.
    pub user: Option<u32>,
    pub threads: Vec<Thread>,
    pub descriptors: usize,
    /// Bytes of its mappings.
    pub mapped: u64,
    /// Bytes of its own pages in the image.
    pub stored: u64,
}

#[derive(Debug, Serialize)]
pub struct Thread {
    pub tid: Vpid,
    pub name: String,
}

/// An open file description that is no socket.
#[derive(Debug, Serialize)]
pub struct Open {
    pub kind: &'static str,
    /// Its path, where it has one.
    pub path: Option<PathBuf>,
    /// `PID:FD` of each descriptor.
    pub held_by: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Socket {
    pub kind: &'static str,
    /// `the TCP socket of 127.0.0.1:80`
    pub what: String,
    pub state: &'static str,
    /// `PID:FD` of each descriptor.
    pub held_by: Vec<String>,
}

/// Memory of one kind.
#[derive(Debug, Default, Serialize)]
pub struct Amount {
    pub mappings: usize,
    pub mapped: u64,
    /// In the image.
    pub stored: u64,
}

#[derive(Debug, Default, Serialize)]
pub struct Ipc {
    pub sysv_shm: usize,
    pub sysv_sem: usize,
    pub sysv_msg: usize,
    pub posix_queues: usize,
    /// Files in /dev/shm.
    pub posix_shm: usize,
}

/// What programs have changed in the pod's tree.
#[derive(Debug, Default, Serialize)]
pub struct Changes {
    /// By kind: names.
    pub counts: BTreeMap<&'static str, usize>,
    /// Bytes of files, without their holes.
    pub stored: u64,
    /// What each name is, in the order of the tree.
    pub names: Vec<Changed>,
}

/// A name in the pod's tree.
#[derive(Debug, Serialize)]
pub struct Changed {
    pub path: PathBuf,
    pub kind: &'static str,
    /// Of a file, with its holes.
    pub size: Option<u64>,
}

/// What has to be on the machine where the image is restarted.
#[derive(Debug, Default, Serialize)]
pub struct Needs {
    pub architecture: String,
    /// State components of the processor that some thread uses (XSAVE).
    pub processor: BTreeSet<&'static str>,
    /// The level that the pod was limited to (`--cpu`).
    pub level: Option<String>,
    /// Features of the processor that programs may have found when they started, by the kernel's names.
    pub features: BTreeSet<String>,
    pub programs: BTreeSet<PathBuf>,
    /// Files that are mapped: libraries, above all.
    pub mapped: BTreeSet<PathBuf>,
    /// Files that are open.
    pub files: BTreeSet<PathBuf>,
    pub directories: BTreeSet<PathBuf>,
    pub devices: BTreeSet<PathBuf>,
    /// Internet addresses that must be free.
    pub addresses: BTreeSet<String>,
    pub users: BTreeSet<u32>,
    pub groups: BTreeSet<u32>,
}

/// Reads a summary from a verified image.
pub fn summary(reader: &ImageReader) -> Result<Summary> {
    let manifest = reader.manifest();
    let image = Image {
        path: reader.path().to_owned(),
        format: reader.version(),
        architecture: arch_name(reader.arch()),
        maker: manifest.maker().to_owned(),
        created: manifest.created(),
        bytes: reader.file_len(),
        stream: reader.stream_len(),
        chunks: reader.chunks(),
        compression: reader.compression(),
        key: reader.key_fingerprint(),
    };
    let sections =
        manifest.section_names().map(|name| (name.to_owned(), manifest.section_bytes(name).map_or(0, <[u8]>::len))).collect();
    let mut summary = Summary {
        needs: Needs { architecture: image.architecture.clone(), ..Needs::default() },
        image,
        pod: manifest.section::<PodSection>("pod").map_err(Error::from)?.map(|pod| pod.record),
        processes: Vec::new(),
        descriptors: 0,
        descriptions: BTreeMap::new(),
        open: Vec::new(),
        sockets: Vec::new(),
        memory: BTreeMap::new(),
        ipc: Ipc {
            sysv_shm: count::<sysv_shm::Record>(reader, "sysv_shm")?,
            sysv_sem: count::<sysv_sem::Record>(reader, "sysv_sem")?,
            sysv_msg: count::<sysv_msg::Record>(reader, "sysv_msg")?,
            posix_queues: count::<mqueue::Queue>(reader, "mqueues")?,
            posix_shm: count::<posix_shm::Record>(reader, "posix_shm")?,
        },
        changes: manifest.section(changes::SECTION).map_err(Error::from)?.map(|section| changes_of(&section)).transpose()?,
        state: BTreeMap::new(),
        sections,
    };
    if let Some(pod) = &summary.pod {
        summary.needs.level = Some(pod.cpu.to_string());
        summary.needs.features = pod.features.clone();
    }
    for name in ["timers", "locks", "aio", "seccomp", "cgroups"] {
        let records: Vec<serde::de::IgnoredAny> = section(reader, name)?;
        summary.state.insert(name.to_owned(), records.len());
    }
    let signals: Vec<signal::SignalRecord> = section(reader, "signals")?;
    let pending =
        signals.iter().map(|of| of.queued.len() + of.task_queues.iter().map(|(_, queue)| queue.len()).sum::<usize>()).sum();
    summary.state.insert("pending signals".into(), pending);
    summary.add_processes(reader)?;
    summary.add_descriptors(&section(reader, "descriptors")?);
    summary.add_memory(&section(reader, "memory")?);
    summary.add_attributes(reader)?;
    Ok(summary)
}

fn changes_of(section: &changes::Section) -> Result<Changes> {
    section.check()?;
    let mut all = Changes::default();
    for (index, record) in section.entries.iter().enumerate() {
        let (kind, size) = match &record.content {
            changes::Content::Directory { opaque: false, redirect: None } => ("directories", None),
            changes::Content::Directory { redirect: Some(_), .. } => ("renamed directories", None),
            changes::Content::Directory { .. } => ("directories that hide the tree's", None),
            changes::Content::File { size, .. } => ("files", Some(*size)),
            changes::Content::Link(_) => ("further names", None),
            changes::Content::Symlink(_) => ("links", None),
            changes::Content::Fifo => ("fifos", None),
            changes::Content::Socket => ("sockets", None),
            changes::Content::Removed => ("removed", None),
        };
        if let changes::Content::File { runs, .. } = &record.content {
            all.stored += runs.iter().map(|(_, run)| run.len).sum::<u64>();
        }
        *all.counts.entry(kind).or_default() += 1;
        all.names.push(Changed { path: section.path(index), kind, size });
    }
    Ok(all)
}

fn section<T: DeserializeOwned + Default>(reader: &ImageReader, name: &str) -> Result<T> {
    Ok(reader.manifest().section(name)?.unwrap_or_default())
}

fn count<T: DeserializeOwned>(reader: &ImageReader, name: &str) -> Result<usize> {
    Ok(section::<Vec<T>>(reader, name)?.len())
}

impl Summary {
    fn add_processes(&mut self, reader: &ImageReader) -> Result<()> {
        let records: Vec<process::ProcessRecord> = section(reader, "processes")?;
        let tasks: Vec<task::TaskRecord> = section(reader, "tasks")?;
        for record in records {
            let thread = |&tid: &Vpid| {
                let name = tasks.iter().find(|task| task.task == tid).map(|task| text(&task.name));
                Thread { tid, name: name.unwrap_or_else(|| record.name.clone()) }
            };
            let state = match (&record.exit_status, &record.stopped) {
                (Some(_), _) => "zombie",
                (None, Some(_)) => "stopped",
                (None, None) => "running",
            };
            let program = record.program.as_ref().map(|program| program.path().to_owned());
            self.needs.programs.extend(program.clone());
            self.processes.push(Process {
                pid: record.process,
                parent: record.parent,
                group: record.group,
                session: record.session,
                threads: record.tasks.iter().map(thread).collect(),
                name: record.name.clone(),
                program,
                state,
                user: None,
                descriptors: 0,
                mapped: 0,
                stored: 0,
            });
        }
        for task in &tasks {
            self.needs.processor.extend(super::xstate::in_use(&task.xstate));
        }
        Ok(())
    }

    fn process(&mut self, pid: Vpid) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.pid == pid)
    }

    fn add_descriptors(&mut self, section: &descriptor::Section) {
        for table in &section.tables {
            if table.task.is_some() {
                self.descriptors += table.descriptors.len();
                continue;
            }
            let own = section.tables.iter().find(|other| Some(other.process) == table.shared_with).unwrap_or(table);
            let count = own.descriptors.len();
            if table.shared_with.is_none() {
                self.descriptors += count;
            }
            if let Some(process) = self.process(table.process) {
                process.descriptors = count;
            }
        }
        for record in &section.descriptions {
            *self.descriptions.entry(record.description.kind()).or_default() += 1;
            self.add_needs_of(&record.description);
            let rows = section.tables.iter().flat_map(|table| {
                let mine = table.descriptors.iter().filter(|d| d.description == record.id);
                mine.map(move |d| format!("{}:{}", table.process, d.fd))
            });
            let held_by = rows.collect();
            match socket(&record.description) {
                Some((kind, what, state)) => self.sockets.push(Socket { kind, what, state, held_by }),
                None => self.open.push(Open { kind: record.description.kind(), path: path(&record.description), held_by }),
            }
        }
    }

    fn add_needs_of(&mut self, description: &Description) {
        match description {
            Description::Regular(record) => self.add_file(&record.file),
            Description::Pipe(record) => record.buffer.fifo.iter().for_each(|fifo| self.add_file(fifo)),
            Description::Device(record) => {
                self.needs.devices.insert(record.path.clone());
            }
            Description::InetSocket(record) => self.needs.addresses.extend(record.bound_to()),
            _ => {}
        }
    }

    fn add_file(&mut self, file: &FileObject) {
        if let Some((path, directory)) = file.sought() {
            let list = if directory { &mut self.needs.directories } else { &mut self.needs.files };
            list.insert(path.to_owned());
        }
    }

    fn add_memory(&mut self, section: &memory::Section) {
        for space in &section.spaces {
            let mapped = space.mappings.iter().fold(0, |sum: u64, map| sum.saturating_add(size(map)));
            let stored = space.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.data.len));
            if let Some(process) = self.process(space.process) {
                (process.mapped, process.stored) = (mapped, stored);
            }
            if space.shared_with.is_some() {
                continue;
            }
            for map in &space.mappings {
                let amount = self.memory.entry(kind(map)).or_default();
                amount.mappings += 1;
                amount.mapped = amount.mapped.saturating_add(size(map));
                // a run of pages may go on from one mapping into the next
                let within = |run: &memory::PageRun| {
                    let end = run.start.saturating_add(run.data.len).min(map.end);
                    end.saturating_sub(run.start.max(map.start))
                };
                amount.stored = space.runs.iter().map(within).fold(amount.stored, u64::saturating_add);
                if let Backing::File { file, .. } = &map.backing {
                    self.needs.mapped.extend(file.sought().map(|(path, _)| path.to_owned()));
                }
            }
        }
        let runs = |runs: &[(u64, RunRef)]| runs.iter().map(|(_, run)| run.len).fold(0, u64::saturating_add);
        let shared: u64 = section.objects.iter().map(|object| runs(&object.runs)).fold(0, u64::saturating_add);
        if shared > 0 {
            self.memory.entry("shared objects").or_default().stored = shared;
        }
        self.needs.mapped.retain(|path| !self.needs.programs.contains(path));
    }

    fn add_attributes(&mut self, reader: &ImageReader) -> Result<()> {
        for record in section::<Vec<attributes::AttributesRecord>>(reader, "attributes")? {
            let directories = [Some(&record.working_directory), record.root.as_ref()];
            directories.into_iter().flatten().for_each(|directory| self.add_file(directory));
        }
        for record in section::<Vec<credentials::CredentialsRecord>>(reader, "credentials")? {
            self.needs.users.extend(record.users);
            self.needs.groups.extend(record.groups);
            if let Some(process) = self.process(record.task) {
                process.user = Some(record.users[1]);
            }
        }
        Ok(())
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()
}

fn size(map: &memory::MappingRecord) -> u64 {
    map.end.saturating_sub(map.start)
}

fn kind(map: &memory::MappingRecord) -> &'static str {
    match (&map.backing, map.shared) {
        (Backing::Anonymous, _) => "anonymous",
        (Backing::File { .. }, false) => "private file",
        (Backing::File { .. }, true) => "shared file",
        (Backing::Shared(_), _) => "shared objects",
        (Backing::SysvSegment(_), _) => "SysV segments",
        (Backing::Kernel(_), _) => "kernel's own",
        (Backing::NamesTable, _) => "names table",
        (Backing::AioRing, _) => "AIO rings",
    }
}

fn path(description: &Description) -> Option<PathBuf> {
    match description {
        Description::Regular(record) => Some(record.file.path().to_owned()),
        Description::Pipe(record) => record.buffer.fifo.as_ref().map(|fifo| fifo.path().to_owned()),
        Description::Device(record) => Some(record.path.clone()),
        _ => None,
    }
}

fn socket(description: &Description) -> Option<(&'static str, String, &'static str)> {
    match description {
        Description::UnixSocket(record) => {
            let state = match &record.state {
                unix_socket::State::Unconnected => "unconnected",
                unix_socket::State::Listening { .. } => "listening",
                unix_socket::State::Connected(_) => "connected",
            };
            Some(("unix", record.what(), state))
        }
        Description::InetSocket(record) => Some(("inet", record.what(), record.state_name())),
        Description::NetlinkSocket(_) => Some(("netlink", "a netlink socket".into(), "idle")),
        _ => None,
    }
}
