//! What an engine does for the pod's record and the image while it is in the pod's namespaces, where neither paths lead to them nor, where
//! the pod has user ids of its own, the engine's ids have a right to them.
use super::Error;
use super::init_protocol::{receive, send};
use super::paths::Paths;
use super::record::PodRecord;
use super::registry;
use super::spawn::null_stdio;
use crate::image::{Named, Target};
use crate::sys::launch::{self, Fork};
use crate::walls::Uids;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A way to them, from before the namespaces were joined.
pub(super) struct Outside(Way);

enum Way {
    /// A working directory that is the host's root, and paths from there.
    Root(File, Paths),
    /// A process that stays outside, and ends with us.
    Process(OwnedFd),
}

/// What that process is asked to do.
#[derive(Debug, Serialize, Deserialize)]
enum Errand {
    Save(Box<PodRecord>),
    Establish,
    /// The descriptors of the directory and of the file come along.
    Publish(Named),
}

/// The error number of what failed, and a sentence.
type Outcome = Result<(), (i32, String)>;

impl Outside {
    /// To be called before the namespaces are joined, with one thread.
    pub(super) fn hold(paths: &Paths, record: &PodRecord) -> Result<Self, Error> {
        if record.walls.uids == Uids::Private {
            return start(paths).map(|socket| Self(Way::Process(socket)));
        }
        let root = Path::new("/");
        // links on the way would lead elsewhere
        let relative = |path: &Path| -> Result<PathBuf, Error> {
            let real = path.canonicalize().map_err(|e| Error::file("find", path, e))?;
            Ok(real.strip_prefix(root).unwrap_or(&real).to_owned())
        };
        let paths = Paths { runtime: relative(&paths.runtime)?, state: relative(&paths.state)? };
        Ok(Self(Way::Root(File::open(root).map_err(|e| Error::file("open", root, e))?, paths)))
    }

    /// Stores the pod's record.
    pub(super) fn save(&self, record: &PodRecord) -> Result<(), Error> {
        match &self.0 {
            Way::Root(root, paths) => {
                enter(root)?;
                registry::save(paths, record)
            }
            Way::Process(socket) => ask(socket, &Errand::Save(Box::new(record.clone())), &[]),
        }
    }

    /// Takes away the mark of a restart that is under way.
    pub(super) fn establish(&self) -> Result<(), Error> {
        match &self.0 {
            Way::Root(root, paths) => {
                enter(root)?;
                establish(paths)
            }
            Way::Process(socket) => ask(socket, &Errand::Establish, &[]),
        }
    }

    /// Gives a complete image its name.
    pub(super) fn publish(&self, target: &mut Target, file: &File) -> std::io::Result<()> {
        match &self.0 {
            Way::Root(..) => target.publish(file),
            Way::Process(socket) => {
                let (named, directory) = target.named_by_others();
                let answer = exchange(socket, &Errand::Publish(named), &[directory.as_fd(), file.as_fd()])?;
                answer.map_err(|(errno, _)| std::io::Error::from_raw_os_error(errno))?;
                target.is_published();
                Ok(())
            }
        }
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

fn start(paths: &Paths) -> Result<OwnedFd, Error> {
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
                let outcome = run(paths, incoming.message, incoming.descriptors);
                if send(theirs.as_fd(), &outcome, &[], None).is_err() {
                    break;
                }
            }
            launch::exit_now(0)
        }
    }
}

fn run(paths: &Paths, errand: Errand, descriptors: Vec<OwnedFd>) -> Outcome {
    let told = |e: Error| (libc::EIO, e.to_string());
    match errand {
        Errand::Save(record) => registry::save(paths, &record).map_err(told),
        Errand::Establish => establish(paths).map_err(told),
        Errand::Publish(named) => {
            let Ok([directory, file]) = <[OwnedFd; 2]>::try_from(descriptors) else {
                return Err((libc::EBADF, "the descriptors of the image did not come along".into()));
            };
            named.publish(directory, file.into()).map_err(|e| (e.raw_os_error().unwrap_or(libc::EIO), e.to_string()))
        }
    }
}
