//! Memory objects that several mappings or processes may share and that no path names: shared anonymous memory, memfds, and
//! files whose last name is gone.
//!
//! An object is known by device and inode of its mappings. Its content is read through whoever can: a descriptor on it if a process
//! of the pod holds one, /proc/PID/map_files where we may, else the memory of a process that maps it.
use super::super::file_object;
use super::super::{Capture, Context, Error, Nascent, Result, Vpid};
use super::{Backing, PAGE, Section, huge};
use crate::image::RunRef;
use crate::proc::Mapping;
use crate::tracee::{Call, Injector};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, OwnedFd};

/// What an object is, so that it comes back as the same kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// MAP_SHARED | MAP_ANONYMOUS
    Anonymous,
    /// A memfd that no descriptor of the pod refers to any more.
    Memfd { name: String },
    /// A deleted file, or a memfd with descriptors: recorded with the files.
    File(file_object::FileObject),
}

/// A shared memory object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub kind: Kind,
    pub size: u64,
    /// (offset, content)
    pub runs: Vec<(u64, RunRef)>,
    /// The size of its pages, if they are huge (MAP_HUGETLB, MFD_HUGETLB).
    #[serde(default)]
    pub huge: Option<u64>,
}

/// The objects found so far, by device and inode.
#[derive(Default)]
pub struct Objects {
    found: Vec<Found>,
}

struct Found {
    key: ((u32, u32), u64),
    label: String,
    /// Who maps it where.
    mapped: Vec<(Vpid, Mapping)>,
}

impl Objects {
    /// The index of the object behind a mapping.
    pub fn add(&mut self, process: Vpid, map: &Mapping) -> u32 {
        let key = (map.device, map.inode);
        let index = self.found.iter().position(|found| found.key == key).unwrap_or_else(|| {
            self.found.push(Found { key, label: map.label().to_string(), mapped: Vec::new() });
            self.found.len() - 1
        });
        self.found[index].mapped.push((process, map.clone()));
        index as u32
    }

    /// Whether a file without a name can be had, so that a private mapping of it need not become memory of its own.
    pub fn is_reachable(&self, cx: &Capture, process: Vpid, map: &Mapping) -> bool {
        let key = (map.device, map.inode);
        let found = Found { key, label: map.label().to_string(), mapped: vec![(process, map.clone())] };
        found.descriptor(cx).is_ok_and(|fd| fd.is_some())
    }

    /// Whether a file that cannot be had can be read through those who map it. Code is better made memory of its own: there may be no place
    /// for a file that can be executed.
    pub fn can_be_read(&self, cx: &Capture, map: &Mapping) -> bool {
        let same = |other: &&Mapping| (other.device, other.inode) == (map.device, map.inode);
        let mut all = cx.processes.iter().flat_map(|process| process.maps.iter()).filter(same);
        !all.any(|other| other.execute)
    }

    pub fn capture(self, cx: &mut Capture) -> Result<Vec<Object>> {
        self.found.into_iter().map(|found| found.capture(cx)).collect()
    }
}

impl Found {
    fn capture(self, cx: &mut Capture) -> Result<Object> {
        if let Some(fd) = self.descriptor(cx)? {
            let label = std::path::Path::new(&self.label);
            let any = |what: fn(&Mapping) -> bool| self.mapped.iter().any(|(_, map)| what(map));
            let file = match any(|map| map.execute) && !any(|map| map.shared) {
                true => file_object::capture_code(cx, fd.as_fd(), label)?,
                false => file_object::capture(cx, fd.as_fd(), label)?,
            };
            return Ok(Object { kind: Kind::File(file), size: 0, runs: Vec::new(), huge: None });
        }
        let path = self.label.trim_end_matches(" (deleted)");
        let kind = match path.strip_prefix("/memfd:") {
            Some(name) => Some(Kind::Memfd { name: name.to_string() }),
            None if is_anonymous(path) => Some(Kind::Anonymous),
            None => None,
        };
        let huge = self.mapped.iter().find(|(_, map)| map.has(b"ht")).map(|(_, map)| map.page_size);
        let size = self.mapped.iter().map(|(_, map)| map.offset + map.len()).max().unwrap_or(0);
        let mut runs = Vec::new();
        let mut covered: Vec<(u64, u64)> = Vec::new();
        // a private mapping may have pages of its own
        let (shared, private): (Vec<_>, Vec<_>) = self.mapped.iter().partition(|(_, map)| map.shared);
        for (process, map) in shared.into_iter().chain(private) {
            for (from, to) in uncovered(&covered, map.offset, map.offset + map.len()) {
                // mincore(2) of huge pages tells only which ones this process has touched
                read_through(cx, *process, map, from, to, kind.is_none() || huge.is_some(), &mut runs)?;
                covered.push((from, to));
            }
        }
        Ok(match kind {
            Some(kind) => Object { kind, size, runs, huge },
            None => {
                let file = file_object::unopened(cx, self.key, std::path::Path::new(path), size, runs);
                Object { kind: Kind::File(file), size: 0, runs: Vec::new(), huge: None }
            }
        })
    }

    /// A descriptor of the engine on the object, if one can be had.
    fn descriptor(&self, cx: &Capture) -> Result<Option<OwnedFd>> {
        // shared anonymous memory has no name that a file could be made under
        if is_anonymous(&self.label) {
            return Ok(None);
        }
        for (process, map) in &self.mapped {
            let Some(process) = cx.process(*process) else { continue };
            let path = format!("{}/map_files/{:x}-{:x}", process.handle, map.start, map.end);
            // links of map_files may be followed only with CAP_CHECKPOINT_RESTORE in the first user namespace
            if let Ok(fd) = cx.proc.open_file(&path, nix::fcntl::OFlag::O_RDONLY) {
                return Ok(Some(fd));
            }
            // anybody may follow the link to the program of a process of one's own
            if let Ok(fd) = cx.proc.open_file(&format!("{}/exe", process.handle), nix::fcntl::OFlag::O_RDONLY) {
                let program = cx.proc.read_link(&format!("{}/exe", process.handle)).unwrap_or_default();
                let same = |stat: nix::sys::stat::FileStat| stat.st_ino == map.inode;
                if program.as_os_str().as_encoded_bytes() == map.name.as_os_str().as_encoded_bytes()
                    && nix::sys::stat::fstat(&fd).is_ok_and(same)
                {
                    return Ok(Some(fd));
                }
            }
        }
        // else a process of the pod may have it open
        let Some((_, map)) = self.mapped.first() else { return Ok(None) };
        for process in cx.processes.iter().filter(|process| !process.zombie) {
            for fd in cx.proc.numbers(&format!("{}/fd", process.handle)).unwrap_or_default() {
                let Ok(link) = cx.proc.read_link(&format!("{}/fd/{fd}", process.handle)) else { continue };
                if !link.as_os_str().as_encoded_bytes().ends_with(b" (deleted)") {
                    continue;
                }
                let Ok(fd) = crate::sys::process::pidfd_getfd(process.pidfd.as_fd(), fd) else { continue };
                let same = |stat: nix::sys::stat::FileStat| {
                    let device = (nix::sys::stat::major(stat.st_dev) as u32, nix::sys::stat::minor(stat.st_dev) as u32);
                    stat.st_ino == map.inode && device == map.device
                };
                if nix::sys::stat::fstat(&fd).is_ok_and(same) {
                    return Ok(Some(fd));
                }
            }
        }
        Ok(None)
    }
}

/// Whether the kernel names shared anonymous memory so.
pub(super) fn is_anonymous(label: &str) -> bool {
    label.starts_with("/dev/zero") || label.starts_with(huge::LABEL)
}

/// The parts of `[from, to)` that no range of `covered` has.
fn uncovered(covered: &[(u64, u64)], from: u64, to: u64) -> Vec<(u64, u64)> {
    let mut sorted = covered.to_vec();
    sorted.sort_unstable();
    let mut parts = Vec::new();
    let mut at = from;
    for (start, end) in sorted {
        if start > at && start < to {
            parts.push((at, start.min(to)));
        }
        if start < to {
            at = at.max(end);
        }
    }
    if at < to {
        parts.push((at, to));
    }
    parts
}

/// Reads `[from, to)` of the object through a process that maps it. mincore(2) tells which pages exist: reading others would
/// allocate them. Of a file it only tells which are in memory: all are read.
fn read_through(
    cx: &mut Capture,
    vpid: Vpid,
    map: &Mapping,
    from: u64,
    to: u64,
    file: bool,
    runs: &mut Vec<(u64, RunRef)>,
) -> Result<()> {
    let piece = (Injector::ROOM as u64 / 2) * PAGE;
    let mut at = from;
    while at < to {
        let len = (to - at).min(piece);
        let address = map.start + (at - map.offset);
        let Some(process) = cx.process_mut(vpid) else {
            return Err(Error::Inconsistent(format!("process {vpid} maps shared memory but is not captured")));
        };
        let mut present = vec![1u8; (len / PAGE) as usize];
        if !file {
            let vector = process.write_data(0, &[])?;
            let mut calls = [Call::new(libc::SYS_mincore, [address, len, vector])];
            process.batch(&mut calls)?;
            if calls[0].result().is_ok() {
                process.read_data(0, &mut present)?;
            }
        }
        let mut page = 0;
        while page < present.len() {
            if present[page] & 1 == 0 {
                page += 1;
                continue;
            }
            let end = present[page..].iter().position(|p| p & 1 == 0).map_or(present.len(), |n| page + n).min(page + 256);
            let mut bytes = vec![0u8; (end - page) * PAGE as usize];
            let process = cx.process(vpid).expect("found above");
            super::capture::read_pages(cx, process, map, address + page as u64 * PAGE, &mut bytes)?;
            for (offset, stretch) in super::capture::filled(&bytes, false) {
                let data = cx.writer.put(stretch)?;
                runs.push((at + page as u64 * PAGE + offset, data));
            }
            page = end;
        }
        at += len;
    }
    Ok(())
}

/// Makes the objects, as descriptors of the engine.
pub fn restore(section: &Section, cx: &mut Nascent) -> Result<Vec<OwnedFd>> {
    let mut fds = Vec::new();
    for (index, object) in section.objects.iter().enumerate() {
        let name = match &object.kind {
            Kind::File(file) => {
                // a program cannot be executed while anybody could write to it (ETXTBSY)
                let backing = Backing::Shared(index as u32);
                let shared =
                    section.spaces.iter().flat_map(|space| &space.mappings).any(|map| map.shared && map.backing == backing);
                fds.push(file.open(cx, if shared { libc::O_RDWR } else { libc::O_RDONLY })?);
                continue;
            }
            Kind::Memfd { name } => name.as_str(),
            Kind::Anonymous => "shared anonymous memory",
        };
        let c_name = crate::proc::c_string(name.as_bytes()).doing(|| format!("name the shared memory {name}"))?;
        let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC | huge::memfd_flags(object.huge);
        let fd = nix::sys::memfd::memfd_create(c_name.as_c_str(), flags).doing(|| format!("make the shared memory {name}"))?;
        nix::unistd::ftruncate(&fd, object.size as i64).doing(|| format!("size the shared memory {name}"))?;
        for (offset, run) in &object.runs {
            let data = cx.blob(run)?;
            if let Some(page) = object.huge {
                crate::sys::memory::write_mapped(fd.as_fd(), *offset, &data, page)
                    .doing(|| format!("fill the shared memory {name}"))?;
                continue;
            }
            let mut done = 0;
            while done < data.len() {
                done += nix::sys::uio::pwrite(&fd, &data[done..], (*offset + done as u64) as i64)
                    .doing(|| format!("fill the shared memory {name}"))?;
            }
        }
        fds.push(fd);
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::uncovered;

    #[test]
    fn only_new_parts_are_read() {
        assert_eq!(uncovered(&[], 0, 10), [(0, 10)]);
        assert_eq!(uncovered(&[(2, 4), (6, 8)], 0, 10), [(0, 2), (4, 6), (8, 10)]);
        assert_eq!(uncovered(&[(0, 10)], 2, 5), []);
        assert_eq!(uncovered(&[(20, 30)], 0, 10), [(0, 10)]);
    }
}
