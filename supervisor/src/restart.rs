//! A restart from beginning to end. docs/restart-order.md gives the reasons for the order.
use crate::image::{ImageReader, Key, KeyError};
use crate::needs::{self, Records};
use crate::pod::engine::{ChangesRequest, PodSection, Progress, Report, RestartRequest, SectionRequest};
use crate::pod::init_client::InitClient;
use crate::pod::record::Names;
use crate::proc::Proc;
use crate::resource::descriptor::{self, Descriptions};
use crate::resource::{self, Context, Nascent, aio, attributes, cgroup, changes, credentials, file_object, lock, tree};
use crate::resource::{
    memory, mqueue, posix_shm, seccomp, shim_names, signal, sysv_msg, sysv_sem, sysv_shm, task, terminal, timer,
};
use crate::view::kept::Kept;
use crate::walls;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

/// Why a pod could not be restarted. No process of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot restart from {image}: {source}")]
    Resource { image: String, source: resource::Error },
    #[error("cannot restart from {image}: {source}")]
    Init { image: String, source: crate::pod::Error },
    #[error(transparent)]
    Image(crate::image::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("cannot restart from {image}: it has no section \"pod\"; it is not an image of a pod")]
    NoPod { image: String },
}

fn open(path: &Path, key: Option<&Path>) -> Result<ImageReader, Error> {
    // a wrong path shall be told before a key is missed
    std::fs::metadata(path).map_err(|source| Error::Image(crate::image::Error::Open { path: path.into(), source }))?;
    let key = key.map_or_else(Key::load, Key::load_from)?;
    ImageReader::open(path, &key).map_err(Error::Image)
}

/// What of the image has to be known before the pod's namespaces are made.
pub fn pod_section(request: &SectionRequest) -> Result<PodSection, Error> {
    let image = request.image.display().to_string();
    let fail = |source| Error::Resource { image: image.clone(), source };
    let reader = open(&request.image, request.key.as_deref())?;
    let section = reader.manifest().section("pod").map_err(|error| fail(error.into()))?;
    section.ok_or_else(|| Error::NoPod { image: image.clone() })
}

/// Makes what programs had changed in the pod's tree, beside what is there. The view is not mounted yet. Gives the stamp; nothing where the image has
/// no such thing.
pub fn changes(request: &ChangesRequest, kept: &Kept) -> Result<Option<String>, Error> {
    let image = request.image.display().to_string();
    let fail = |source| Error::Resource { image: image.clone(), source };
    let reader = open(&request.image, request.key.as_deref())?;
    let section: Option<changes::Section> = reader.manifest().section(changes::SECTION).map_err(|error| fail(error.into()))?;
    let Some(section) = section else { return Ok(None) };
    // a failure leaves what there is to whoever undoes the restart
    let new = kept.begin().doing(|| "make a directory for the changes to the pod's tree".into()).map_err(fail)?;
    crate::checkpoint::raise_descriptor_limit();
    let directory = std::fs::File::open(&new).doing(|| format!("open {}", new.display())).map_err(fail)?;
    crate::stage::reached("making changes");
    changes::restore(&section, &reader, directory.into()).map_err(fail)?;
    crate::stage::reached("changes made");
    Ok(Some(section.stamp))
}

/// Rebuilds the pod's processes. When all are complete, `conclude` has to see that the pod is a running one, whatever becomes of us; then
/// they are let go.
pub fn run(
    request: &RestartRequest,
    progress: &mut dyn FnMut(Progress),
    conclude: impl FnOnce(&mut Nascent) -> Result<(), crate::pod::Error>,
) -> Result<Report, Error> {
    let image = request.image.display().to_string();
    let begun = Instant::now();
    let fail = |source| Error::Resource { image: image.clone(), source };
    let init = InitClient::connect(&request.init_socket, &request.record.name)
        .map_err(|source| Error::Init { image: image.clone(), source })?;
    let proc = Proc::open().doing(|| "open /proc".into()).map_err(fail)?;
    let reader = open(&request.image, request.key.as_deref())?;
    let bytes = std::fs::metadata(&request.image).map(|meta| meta.len()).unwrap_or(0);
    crate::checkpoint::join(&proc, request.init_pid).map_err(fail)?;
    crate::checkpoint::raise_descriptor_limit();
    let (pair, _) = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Datagram,
        None,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
    )
    .doing(|| "make a socket pair".into())
    .map_err(fail)?;
    let mut cx = Nascent {
        proc,
        reader,
        processes: Vec::new(),
        host_ids: HashMap::from([(1, request.init_pid)]),
        kernel_names: request.names == Names::Kernel,
        walls: request.record.walls.clone(),
        pod_name: request.record.name.clone(),
        sender: pair,
        descriptions: Descriptions::default(),
        stash: HashMap::new(),
    };
    let mut stage = |name: &str| progress(Progress { stage: name.into(), done: 0, total: 0 });
    let built = check(&mut cx).and_then(|records| build(&mut cx, &init, records, &mut stage)).map_err(fail);
    let concluded = built.and_then(|virtual_pids| {
        conclude(&mut cx).map_err(|source| Error::Init { image: image.clone(), source })?;
        tree::release(&mut cx).map_err(fail)?;
        Ok(virtual_pids)
    });
    match concluded {
        Ok(virtual_pids) => {
            Ok(Report { virtual_pids, bytes, total_ms: begun.elapsed().as_secs_f64() * 1e3, ..Report::default() })
        }
        Err(error) => {
            tree::abandon(cx);
            Err(error)
        }
    }
}

/// Finds out whether the whole image can be restarted here, before anything is made.
fn check(cx: &mut Nascent) -> resource::Result<Records> {
    // the supervisor has made the pod by the record that it read before: another image at its place must not come behind other walls
    let pod: Option<PodSection> = cx.reader.manifest().section("pod")?;
    if pod.is_some_and(|pod| pod.record.walls != cx.walls) {
        return Err(resource::Error::NotHere("the image was exchanged for another while the pod was made; restart again".into()));
    }
    let mut records = Records::read(&cx.reader)?;
    needs::refuse_unmet(needs::of(&records, &cx.proc, cx.kernel_names)?)?;
    cx.descriptions = Descriptions::new(std::mem::take(&mut records.descriptors))?;
    memory::foreign_vdso::adapt(&mut records.memory, &records.tasks, cx)?;
    Ok(records)
}

fn build(cx: &mut Nascent, init: &InitClient, records: Records, stage: &mut dyn FnMut(&str)) -> resource::Result<Vec<i32>> {
    stage("building processes");
    shim_names::prepare(cx, &records.memory)?;
    posix_shm::restore(cx)?;
    terminal::restore(cx)?;
    let objects: Vec<OwnedFd> = memory::shared::restore(&records.memory, cx)?;
    let helpers = tree::grow(cx, init, &records.processes, &records.plan, &records.memory, &objects)?;
    drop(objects);
    sysv_shm::restore(cx)?;
    memory::attach_segments(cx, &records.memory)?;
    sysv_shm::finish(cx)?;
    tree::add_threads(cx, &records.processes)?;
    tree::set_groups(cx, &records.processes, &helpers)?;
    helpers.end()?;
    terminal::bring_to_foreground(cx)?;
    shim_names::restore(cx, &records.processes)?;
    task::restore(&records.tasks, cx)?;

    sysv_sem::restore(cx)?;
    sysv_msg::restore(cx)?;
    mqueue::restore(cx)?;

    stage("opening files");
    aio::restore(cx)?;
    descriptor::restore(cx)?;
    descriptor::settle(cx)?;
    file_object::finish(cx)?;
    mqueue::finish(cx)?;
    attributes::restore(&records.attributes, cx)?;
    lock::restore(cx)?;

    stage("restoring state");
    timer::restore(&records.timers, cx)?;
    tree::end_zombies(cx, &records.processes)?;
    tree::stop(cx, &records.processes)?;
    signal::drain(cx)?;
    signal::restore(&records.signals, cx)?;
    cgroup::restore(&records.cgroups, cx)?;
    walls::restore::restore(&cx.walls.clone(), cx)?;
    seccomp::restore(&records.seccomp, cx)?;
    credentials::restore(&records.credentials, cx)?;
    attributes::restore_last(&records.attributes, cx)?;
    task::restore_last(&records.tasks, cx)?;
    memory::lock_future(cx, &records.memory)?;
    task::restore_scheduling(&records.tasks, cx)?;
    timer::start(&records.timers, cx)?;

    posix_shm::correct_caches(cx, &records.memory)?;
    let shim_then = records.names() == Names::Shim;
    shim_names::correct_memory(cx, &records.processes, &records.tasks, &records.memory, shim_then)?;

    terminal::keep(cx, init)?;
    // what the engine holds open would keep the pod from seeing ends of files
    cx.descriptions = Descriptions::default();
    cx.stash.retain(|key, _| key == shim_names::RENAMED);
    tree::finish(cx, &records.processes, &records.tasks)?;
    Ok(records.processes.iter().map(|record| record.process as i32).collect())
}
