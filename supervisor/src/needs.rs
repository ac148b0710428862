//! What an image needs of the machine where it is restarted, and whether this one has it. Every restart asks before it builds anything, and
//! `autopod verify --here` asks without building.
use crate::image::ImageReader;
use crate::pod::engine::PodSection;
use crate::pod::processor;
use crate::pod::record::{Names, PodRecord};
use crate::proc::Proc;
use crate::resource::descriptor::{self, Description};
use crate::resource::file_object::FileObject;
use crate::resource::memory::Backing;
use crate::resource::{
    self, Context, Error, attributes, cgroup, changes, credentials, memory, process, seccomp, shim_names, signal, task, timer,
    xstate,
};
use crate::walls::Uids;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;

/// Everything that is known of an image beside pages.
pub struct Records {
    pub pod: Option<PodRecord>,
    pub descriptors: descriptor::Section,
    pub processes: Vec<process::ProcessRecord>,
    pub tasks: Vec<task::TaskRecord>,
    pub signals: Vec<signal::SignalRecord>,
    pub timers: Vec<timer::TimerRecord>,
    pub credentials: Vec<credentials::CredentialsRecord>,
    pub attributes: Vec<attributes::AttributesRecord>,
    pub seccomp: Vec<seccomp::SeccompRecord>,
    pub cgroups: Vec<cgroup::CgroupRecord>,
    pub memory: memory::Section,
    pub changes: Option<changes::Section>,
    pub plan: Vec<process::Step>,
}

impl Records {
    /// Decodes them. An error says that the image makes no sense anywhere.
    pub fn read(reader: &ImageReader) -> resource::Result<Records> {
        fn section<T: DeserializeOwned + Default>(reader: &ImageReader, name: &str) -> resource::Result<T> {
            Ok(reader.manifest().section(name)?.unwrap_or_default())
        }
        let processes: Vec<process::ProcessRecord> = section(reader, "processes")?;
        let memory = section(reader, "memory")?;
        memory::check(&memory)?;
        let changes: Option<changes::Section> = reader.manifest().section(changes::SECTION)?;
        changes.as_ref().map_or(Ok(()), changes::Section::check)?;
        Ok(Records {
            pod: reader.manifest().section::<PodSection>("pod")?.map(|pod| pod.record),
            descriptors: section(reader, "descriptors")?,
            plan: process::plan(&processes)?,
            processes,
            tasks: section(reader, "tasks")?,
            signals: section(reader, "signals")?,
            timers: section(reader, "timers")?,
            credentials: section(reader, "credentials")?,
            attributes: section(reader, "attributes")?,
            seccomp: section(reader, "seccomp")?,
            cgroups: section(reader, "cgroups")?,
            memory,
            changes,
        })
    }

    /// Who realized the names when the image was made.
    pub fn names(&self) -> Names {
        self.pod.as_ref().map_or(Names::Kernel, |pod| pod.names)
    }
}

/// A condition of a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// `file`, `address`, ...
    pub kind: &'static str,
    pub what: String,
    /// Why it does not hold here: a sentence with the way out.
    pub missing: Option<String>,
}

impl Need {
    pub fn new(kind: &'static str, what: impl Into<String>, holds: resource::Result<()>) -> Need {
        Need { kind, what: what.into(), missing: holds.err().map(|error| error.to_string()) }
    }
}

/// All needs of an image. `kernel_names`: who shall realize the names.
pub fn of(records: &Records, proc: &Proc, kernel_names: bool) -> resource::Result<Vec<Need>> {
    let mut needs = processor(records)?;
    needs.extend(kernel(records));
    if records.pod.as_ref().is_some_and(|pod| pod.walls.uids == Uids::Private) {
        let refusal = || Error::NotHere("only root may give a pod users of its own; restart it as root".into());
        needs.push(Need::new("users", "of the pod's own", nix::unistd::geteuid().is_root().then_some(()).ok_or_else(refusal)));
    }
    let names = if kernel_names { Names::Kernel } else { Names::Shim };
    let names = format!("made under names of the {}, to be restarted under names of the {names}", records.names());
    needs.push(Need::new("names", names, shim_names::check(kernel_names, records.names(), &records.memory)));
    if let Some(record) = records.seccomp.first() {
        let what = format!("seccomp filters of process {}", record.process);
        needs.push(Need::new("privilege", what, seccomp::check(&records.seccomp, proc)));
    }
    for record in &records.cgroups {
        needs.push(Need::new("control group", &record.path, cgroup::check(record, proc)));
    }
    needs.extend(credentials::needs(&records.credentials, proc)?);
    let huge = |section: &memory::Section| {
        let mut mappings = section.spaces.iter().flat_map(|space| &space.mappings);
        mappings.any(|map| map.huge.is_some()) || section.objects.iter().any(|object| object.huge.is_some())
    };
    if huge(&records.memory) {
        needs.push(Need::new("memory", "huge pages", memory::huge::check(&records.memory)));
    }
    needs.extend(records.changes.iter().flat_map(changes::needs));
    needs.extend(files(records));
    for record in &records.descriptors.descriptions {
        match &record.description {
            Description::InetSocket(socket) => needs.extend(socket.need()),
            Description::UnixSocket(socket) => needs.extend(socket.need()),
            _ => {}
        }
    }
    Ok(needs)
}

/// An error at the first need that is not met.
pub fn refuse_unmet(needs: Vec<Need>) -> resource::Result<()> {
    needs.into_iter().find_map(|need| need.missing).map_or(Ok(()), |missing| Err(Error::NotHere(missing)))
}

fn processor(records: &Records) -> resource::Result<Vec<Need>> {
    let here = processor::here().doing(|| "read /proc/cpuinfo".into())?;
    let mut needs = Vec::new();
    for (component, holds) in xstate::components(&records.tasks, here) {
        needs.push(Need::new("processor", format!("vector state {component}"), holds));
    }
    if let Some(pod) = records.pod.as_ref().filter(|pod| !pod.features.is_empty()) {
        let lacking: Vec<&str> = pod.features.iter().filter(|name| !here.contains(*name)).map(String::as_str).collect();
        let holds = lacking.is_empty().then_some(()).ok_or_else(|| {
            Error::NotHere(format!(
                "programs of the pod chose their functions on a processor with {}, which this one lacks; restart it on one like that, \
                 or make the pod with --cpu and a lower level",
                lacking.join(", ")
            ))
        });
        let features: Vec<&str> = pod.features.iter().map(String::as_str).collect();
        needs.push(Need::new("processor", format!("features {} (--cpu {})", features.join(" "), pod.cpu), holds));
    }
    Ok(needs)
}

/// What not every kernel since the oldest that we support has.
fn kernel(records: &Records) -> Vec<Need> {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
    let here = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let guards = records.memory.spaces.iter().any(|space| !space.guards.is_empty());
    let dispatch = records.tasks.iter().any(|task| task.syscall_dispatch.is_some());
    let wanted = [
        (true, (5, 10), "everything that AutoPod asks for"),
        (dispatch, (6, 4), "syscall user dispatch that can be set from outside"),
        (guards, (6, 13), "guard pages (MADV_GUARD_INSTALL)"),
    ];
    let needed = wanted.into_iter().filter(|(needed, ..)| *needed);
    needed
        .map(|(_, (major, minor), what)| {
            let holds = (here >= (major, minor)).then_some(()).ok_or_else(|| {
                Error::NotHere(format!("this kernel ({release}) has no {what}; restart on Linux {major}.{minor} or newer"))
            });
            Need::new("kernel", format!("Linux {major}.{minor}: {what}"), holds)
        })
        .collect()
}

/// Programs, mapped and open files, directories: each once for each way of opening it.
fn files(records: &Records) -> Vec<Need> {
    let mut seen = HashSet::new();
    let mut needs = Vec::new();
    let mut add = |kind, file: &FileObject, flags: i32| {
        let Some((path, directory)) = file.sought() else { return };
        let kind = if directory { "directory" } else { kind };
        if seen.insert((path.to_owned(), file.inode(), flags & (libc::O_ACCMODE | libc::O_APPEND | libc::O_PATH))) {
            needs.push(Need::new(kind, path.display().to_string(), file.check(flags)));
        }
    };
    for program in records.processes.iter().filter_map(|record| record.program.as_ref()) {
        add("program", program, libc::O_RDONLY);
    }
    for map in records.memory.spaces.iter().flat_map(|space| &space.mappings) {
        if let Backing::File { file, writable } = &map.backing {
            add("mapped file", file, if *writable { libc::O_RDWR } else { libc::O_RDONLY });
        }
    }
    for record in &records.descriptors.descriptions {
        match &record.description {
            Description::Regular(record) => add("open file", &record.file, record.flags),
            Description::Pipe(record) => record.buffer.fifo.iter().for_each(|fifo| add("fifo", fifo, record.flags)),
            _ => {}
        }
    }
    for record in &records.attributes {
        for directory in [Some(&record.working_directory), record.root.as_ref()].into_iter().flatten() {
            add("directory", directory, libc::O_RDONLY | libc::O_DIRECTORY);
        }
    }
    needs
}
