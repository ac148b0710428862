//! What an engine does for the pod's record and the image while it is in the pod's namespaces, where neither paths lead to them nor, where
//! the pod has user ids of its own, the engine's ids have a right to them.
use super::Error;
use super::init_protocol::{receive, send};
use super::paths::Paths;
use super::record::{PodRecord, now};
use super::registry;
use super::spawn::null_stdio;
use crate::image::{Target, Unnamed};
use crate::sys::launch::{self, Fork};
use crate::walls::Uids;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A way to them, from before the namespaces were joined.
pub(super) struct Outside {
    work: Work,
    way: Way,
}

/// What there is to be done.
struct Work {
    /// What is saved.
    record: PodRecord,
    /// The image that is made.
    image: Option<PathBuf>,
}

enum Way {
    /// A working directory that is the host's root, and paths from there.
    Root(File, Paths),
    /// A process that stays outside, and ends with us.
    Process(OwnedFd),
}

/// What that process is asked to do. It knows the rest from before: in the pod an engine reads what programs have made, and whoever misled it
/// must have no say outside.
#[derive(Debug, Serialize, Deserialize)]
enum Errand {
    Save,
    Establish,
    /// The descriptor of the file comes along.
    Publish(Unnamed),
}

/// The error number of what failed, and a sentence.
type Outcome = Result<(), (i32, String)>;

impl Outside {
    /// To be called before the namespaces are joined, with one thread. `record` is what will be saved, `image` what is made.
    pub(super) fn hold(paths: &Paths, record: &PodRecord, image: Option<&Path>) -> Result<Self, Error> {
        let work = Work { record: record.clone(), image: image.map(Path::to_owned) };
        if record.walls.uids == Uids::Private {
            let way = Way::Process(start(paths, &work)?);
            return Ok(Self { work, way });
        }
        let root = Path::new("/");
        // links on the way would lead elsewhere
        let relative = |path: &Path| -> Result<PathBuf, Error> {
            let real = path.canonicalize().map_err(|e| Error::file("find", path, e))?;
            Ok(real.strip_prefix(root).unwrap_or(&real).to_owned())
        };
        let paths = Paths { runtime: relative(&paths.runtime)?, state: relative(&paths.state)? };
        let way = Way::Root(File::open(root).map_err(|e| Error::file("open", root, e))?, paths);
        Ok(Self { work, way })
    }

    /// Stores the pod's record; a checkpoint that it tells of is of now.
    pub(super) fn save(&self) -> Result<(), Error> {
        match &self.way {
            Way::Root(root, paths) => {
                enter(root)?;
                self.work.save(paths)
            }
            Way::Process(socket) => ask(socket, &Errand::Save, &[]),
        }
    }

    /// Takes away the mark of a restart that is under way.
    pub(super) fn establish(&self) -> Result<(), Error> {
        match &self.way {
            Way::Root(root, paths) => {
                enter(root)?;
                establish(paths)
            }
            Way::Process(socket) => ask(socket, &Errand::Establish, &[]),
        }
    }

    /// Gives a complete image its name.
    pub(super) fn publish(&self, target: &mut Target, file: &File) -> std::io::Result<()> {
        match &self.way {
            Way::Root(..) => target.publish(file),
            Way::Process(socket) => {
                let answer = exchange(socket, &Errand::Publish(target.unnamed()), &[file.as_fd()])?;
                answer.map_err(|(errno, _)| std::io::Error::from_raw_os_error(errno))?;
                target.is_published();
                Ok(())
            }
        }
    }
}

impl Work {
    fn save(&self, paths: &Paths) -> Result<(), Error> {
        let mut record = self.record.clone();
        if let Some(checkpointed) = &mut record.checkpointed {
            checkpointed.at = now();
        }
        registry::save(paths, &record)
    }
}

fn enter(root: &File) -> Result<(), Error> {
    nix::unistd::fchdir(root).map_err(|e| Error::file("enter", Path::new("/"), e))
}

fn establish(paths: &Paths) -> Result<(), Error> {
    let marker = paths.restarting();
    std::fs::remove_file(&marker).map_err(|e| Error::file("remove", &marker, e))
}

fn exchange(socket: &OwnedFd, errand: &Errand, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> std::io::Result<Outcome> {
    send(socket.as_fd(), errand, descriptors, None)?;
    let answer = receive::<Outcome>(socket.as_fd())?;
    answer.map(|incoming| incoming.message).ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
}

fn ask(socket: &OwnedFd, errand: &Errand, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), Error> {
    let lost = |e: std::io::Error| Error::Refused(format!("the engine's process outside of the pod is gone: {e}"));
    exchange(socket, errand, descriptors).map_err(lost)?.map_err(|(_, reason)| Error::Refused(reason))
}

fn start(paths: &Paths, work: &Work) -> Result<OwnedFd, Error> {
    let failed = |e: nix::Error| Error::Refused(format!("cannot start a process that stays outside of the pod: {}", e.desc()));
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).map_err(failed)?;
    match launch::fork().map_err(failed)? {
        Fork::Parent(between) => {
            // the engine's children are its tracees and nobody else
            let _ = nix::sys::wait::waitpid(between, None);
            Ok(ours)
        }
        Fork::Child => {
            if launch::fork() != Ok(Fork::Child) {
                launch::exit_now(0);
            }
            // what the engine has open, its locks among it, ends with the engine
            let _ = null_stdio(2);
            launch::close_range(3, theirs.as_raw_fd() as u32);
            launch::close_from(theirs.as_raw_fd() as u32 + 1);
            let _ = nix::sys::prctl::set_name(c"autopod-outside");
            while let Ok(Some(incoming)) = receive::<Errand>(theirs.as_fd()) {
                let outcome = run(paths, work, incoming.message, incoming.descriptors);
                if send(theirs.as_fd(), &outcome, &[], None).is_err() {
                    break;
                }
            }
            launch::exit_now(0)
        }
    }
}

fn run(paths: &Paths, work: &Work, errand: Errand, descriptors: Vec<OwnedFd>) -> Outcome {
    let told = |e: Error| (libc::EIO, e.to_string());
    match errand {
        Errand::Save => work.save(paths).map_err(told),
        Errand::Establish => establish(paths).map_err(told),
        Errand::Publish(unnamed) => {
            let (Ok([file]), Some(image)) = (<[OwnedFd; 1]>::try_from(descriptors), &work.image) else {
                return Err((libc::EBADF, "no image is made, or its descriptor did not come along".into()));
            };
            unnamed.publish(image, file.into()).map_err(|e| (e.raw_os_error().unwrap_or(libc::EIO), e.to_string()))
        }
    }
}
