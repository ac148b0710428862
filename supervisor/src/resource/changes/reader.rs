//! Who reads the changes of a pod with users of its own: its engine becomes the pod's root, who has no right to them. A process that stays outside
//! walks, and hands over each file to be stored.
use super::capture::walk;
use super::{Record, Section};
use crate::image::RunRef;
use crate::pod::init_protocol::{receive, send};
use crate::resource::{Context, Error, Result};
use crate::sys::launch::{self, Fork};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The process, which ends with us.
#[derive(Debug)]
pub(super) struct Reader(OwnedFd);

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// Store these contents, which come along, and answer with where.
    Store {
        size: u64,
        shown: PathBuf,
    },
    Done(Section),
    Refused {
        object: String,
        reason: String,
        way_out: String,
    },
    Failed(String),
}

impl Reader {
    /// To be called before the namespaces are joined, with one thread.
    pub(super) fn start(upper: &OwnedFd) -> Result<Self> {
        let what = || "start a process that reads the changes to the pod's tree".to_string();
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).doing(what)?;
        match launch::fork().doing(what)? {
            Fork::Parent(between) => {
                // the engine's children are its tracees and nobody else
                let _ = nix::sys::wait::waitpid(between, None);
                Ok(Self(ours))
            }
            Fork::Child => {
                if launch::fork() != Ok(Fork::Child) {
                    launch::exit_now(0);
                }
                // what the engine has open, its locks among it, ends with the engine
                let mut keep = [theirs.as_raw_fd() as u32, upper.as_raw_fd() as u32];
                keep.sort_unstable();
                launch::close_range(3, keep[0]);
                launch::close_range(keep[0] + 1, keep[1]);
                launch::close_from(keep[1] + 1);
                let _ = nix::sys::prctl::set_name(c"autopod-outside");
                while let Ok(Some(asked)) = receive::<bool>(theirs.as_fd()) {
                    let word =
                        match walk(upper.as_fd(), asked.message, &mut |file, size, shown| store(&theirs, file, size, shown)) {
                            Ok(entries) => Word::Done(Section { stamp: String::new(), entries }),
                            Err(Error::Refused { object, reason, way_out }) => Word::Refused { object, reason, way_out },
                            Err(other) => Word::Failed(other.to_string()),
                        };
                    if send(theirs.as_fd(), &word, &[], None).is_err() {
                        break;
                    }
                }
                launch::exit_now(0)
            }
        }
    }

    /// As [`walk`].
    pub(super) fn walk(
        &self,
        moving: bool,
        contents: &mut dyn FnMut(BorrowedFd<'_>, u64, &Path) -> Result<Vec<(u64, RunRef)>>,
    ) -> Result<Vec<Record>> {
        let what = || "hear of the changes to the pod's tree".to_string();
        send(self.0.as_fd(), &moving, &[], None).doing(what)?;
        loop {
            let heard = receive::<Word>(self.0.as_fd()).doing(what)?;
            let heard =
                heard.ok_or_else(|| Error::NotHere("the process that reads the changes to the pod's tree has died".into()))?;
            match (heard.message, heard.descriptors.first()) {
                // a file of which we store nothing
                (Word::Store { .. }, _) if moving => send(self.0.as_fd(), &Vec::<(u64, RunRef)>::new(), &[], None).doing(what)?,
                (Word::Store { size, shown }, Some(file)) => {
                    let runs = contents(file.as_fd(), size, &shown)?;
                    send(self.0.as_fd(), &runs, &[], None).doing(what)?;
                }
                (Word::Store { .. }, None) => {
                    return Err(Error::Inconsistent("a file of the pod's tree did not come along".into()));
                }
                (Word::Done(section), _) => return Ok(section.entries),
                (Word::Refused { object, reason, way_out }, _) => return Err(Error::Refused { object, reason, way_out }),
                (Word::Failed(reason), _) => return Err(Error::NotHere(reason)),
            }
        }
    }
}

fn store(engine: &OwnedFd, file: BorrowedFd<'_>, size: u64, shown: &Path) -> Result<Vec<(u64, RunRef)>> {
    let what = || format!("hand {} of the pod's tree over", shown.display());
    send(engine.as_fd(), &Word::Store { size, shown: shown.into() }, &[file], None).doing(what)?;
    let answer = receive::<Vec<(u64, RunRef)>>(engine.as_fd()).doing(what)?;
    Ok(answer.map(|incoming| incoming.message).unwrap_or_default())
}
