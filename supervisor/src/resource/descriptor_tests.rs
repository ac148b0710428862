//! Round trips: descriptors of ours are captured, and opened again, in this process or in a traced child.
use super::*;
use crate::image::{Compression, ImageReader, ImageWriter, Key, ManifestBuilder};
use crate::proc::Proc;

/// A capture without processes.
pub(crate) fn empty_capture(image: &std::path::Path) -> Capture {
    Capture {
        proc: Proc::open().unwrap(),
        processes: Vec::new(),
        virtual_ids: Default::default(),
        outside: Default::default(),
        closed_connections: Vec::new(),
        kernel_names: false,
        wall_filters: 0,
        leave_running: false,
        pod_name: "test".into(),
        writer: ImageWriter::create(image, &key_beside(image), Compression::None).unwrap(),
        manifest: ManifestBuilder::default(),
        stash: Default::default(),
    }
}

/// Captures duplicates of the given descriptors; equal descriptions become one.
pub(crate) fn capture_own(cx: &mut Capture, fds: &[BorrowedFd<'_>]) -> Result<(Vec<u32>, Vec<DescriptionRecord>)> {
    let (mut seen, mut order) = (Vec::new(), Vec::new());
    let mut ids = Vec::new();
    let proc = Proc::duplicate(&cx.proc).unwrap();
    for fd in fds {
        let holder = Holder { pid: own_pid(), vpid: 2, comm: "test".into(), fd: fd.as_raw_fd() };
        ids.push(identify(&mut seen, &mut order, &proc, fd.try_clone_to_owned().unwrap(), Some(holder))?);
    }
    Ok((ids, describe(&mut seen, &mut order, Vec::new(), cx)?.descriptions))
}

fn key_beside(image: &std::path::Path) -> Key {
    Key::load_or_create_at(&image.with_file_name("key")).unwrap()
}

pub(crate) fn nascent(capture: Capture, image: &std::path::Path, descriptions: Vec<DescriptionRecord>) -> Nascent {
    capture.writer.finish(capture.manifest).unwrap();
    let reader = ImageReader::open(image, &key_beside(image)).unwrap();
    Nascent {
        proc: capture.proc,
        reader,
        processes: Vec::new(),
        host_ids: capture.virtual_ids.iter().map(|(host, vpid)| (*vpid, *host)).collect(),
        kernel_names: false,
        walls: Default::default(),
        pod_name: "test".into(),
        sender: std::fs::File::open("/dev/null").unwrap().into(),
        descriptions: Descriptions::new(Section { tables: Vec::new(), descriptions }).unwrap(),
        stash: Default::default(),
    }
}

/// Captures, lets `between` happen, and opens again.
pub(crate) fn round_trip(fds: Vec<OwnedFd>, between: impl FnOnce()) -> Vec<OwnedFd> {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    cx.virtual_ids.insert(own_pid(), 2);
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let (ids, descriptions) = capture_own(&mut cx, &borrowed).unwrap();
    drop(borrowed);
    super::super::socket::silence(&cx.stash);
    drop(fds);
    between();
    let mut cx = nascent(cx, &image, descriptions);
    for id in 0..cx.descriptions.section().descriptions.len() as u32 {
        cx.description(id).unwrap();
    }
    settle(&mut cx).unwrap();
    let opened = ids.iter().map(|id| cx.description(*id).unwrap().try_clone_to_owned().unwrap()).collect();
    super::super::file_object::finish(&mut cx).unwrap();
    opened
}

/// What capturing a descriptor is refused with.
pub(crate) fn refusal(fd: BorrowedFd<'_>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut cx = empty_capture(&directory.path().join("image"));
    capture_own(&mut cx, &[fd]).expect_err("refused").to_string()
}

/// A stopped child with the descriptors of ours given, under the same numbers.
pub(crate) struct Restored {
    pub cx: Nascent,
    child: std::process::Child,
    pidfd: OwnedFd,
}

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.cx.processes.clear();
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(self.child.id() as i32), None);
    }
}

impl Restored {
    /// What the child has under a number.
    pub(crate) fn fd(&self, number: i32) -> OwnedFd {
        pidfd_getfd(self.pidfd.as_fd(), number).unwrap()
    }

    pub(crate) fn info(&self, number: i32) -> FdInfo {
        self.cx.proc.fdinfo(self.child.id() as i32, number).unwrap()
    }
}

/// A child under restart, process 2, with an empty image.
pub(crate) fn traced_child(
    descriptions: Vec<DescriptionRecord>,
    table: Vec<Descriptor>,
    capture: Capture,
    image: &std::path::Path,
) -> Restored {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let child = std::process::Command::new("/bin/sleep").arg("100").stdin(theirs).spawn().unwrap();
    let pid = child.id() as i32;
    let mut stopped = crate::tracee::seize(pid, false).unwrap().stop().unwrap();
    let mut cx = nascent(capture, image, descriptions.clone());
    let maps = cx.proc.maps(pid).unwrap();
    let base = crate::tracee::find_hole(maps.iter().map(|map| (map.start, map.end)), crate::tracee::Injector::size()).unwrap();
    let injector = crate::tracee::Injector::install(&mut stopped, &maps, base, None).unwrap();
    cx.sender = ours;
    let tables = vec![Table { process: 2, shared_with: None, task: None, descriptors: table }];
    cx.descriptions = Descriptions::new(Section { tables, descriptions }).unwrap();
    cx.host_ids.insert(2, pid);
    cx.processes.push(super::super::NascentProcess { vpid: 2, pid, tasks: vec![(2, stopped)], injector, channel: 0 });
    Restored { cx, child, pidfd: crate::sys::process::pidfd_open(pid).unwrap() }
}

/// Captures descriptors of ours and gives them to a traced child, where all is settled.
pub(crate) fn into_child(fds: Vec<OwnedFd>) -> Restored {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let (ids, records) = capture_own(&mut cx, &borrowed).unwrap();
    let row = |(fd, id): (&BorrowedFd<'_>, &u32)| Descriptor { fd: fd.as_raw_fd(), close_on_exec: false, description: *id };
    let table = borrowed.iter().zip(&ids).map(row).collect();
    let mut restored = traced_child(records, table, cx, &image);
    restore(&mut restored.cx).unwrap();
    settle(&mut restored.cx).unwrap();
    restored
}

#[test]
fn every_descriptor_gets_its_number() {
    // the numbers among which they arrive, gaps, more than one message, and the number of the channel
    let null = std::fs::File::open("/dev/null").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    let (_, records) = capture_own(&mut cx, &[null.as_fd()]).unwrap();
    let row = |fd| Descriptor { fd, close_on_exec: fd % 3 == 0, description: 0 };
    let mut table: Vec<Descriptor> = (0..10).chain(20..600).chain([900, 1000]).map(row).collect();
    table.reverse();
    let mut restored = traced_child(records, table.clone(), cx, &image);
    restore(&mut restored.cx).unwrap();
    let pid = restored.cx.processes[0].pid;
    let mut found = restored.cx.proc.numbers(&format!("{pid}/fd")).unwrap();
    found.retain(|number| *number != restored.cx.processes[0].channel);
    table.reverse();
    assert_eq!(found, table.iter().map(|row| row.fd).collect::<Vec<_>>());
    for row in table {
        assert_eq!(restored.info(row.fd).flags & libc::O_CLOEXEC != 0, row.close_on_exec, "descriptor {}", row.fd);
    }
}
