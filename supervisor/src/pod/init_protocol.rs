//! What is said between init and those it serves (supervisor, engine): one SOCK_SEQPACKET message per request and per
//! answer, MessagePack with named fields, descriptors by SCM_RIGHTS. Each request has exactly one answer; that of
//! [`Request::Wait`] comes when the process has ended, so it is asked on a connection of its own.
use crate::sys::passing;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::MsgFlags;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Larger messages travel in a memory file: a packet socket takes no more than its send buffer, while
/// arguments and environment may have megabytes.
const INLINE: usize = 32 * 1024;

/// What init can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Start a program. Descriptors: its standard input, output and error, in this order; or none, where
    /// [`Spawn::log`] is set.
    Spawn(Spawn),
    /// Make an empty child: default signals, no descriptor, one task that waits for ever.
    Seed {
        /// The id that it shall have in the pod; any if none.
        virtual_pid: Option<i32>,
    },
    /// Tell how a child of init's ended, as soon as it has.
    Wait {
        /// The child's id in the pod.
        virtual_pid: i32,
    },
    /// Give out what a new server of the view needs: its plan and descriptors.
    View,
    /// Hold the master of a terminal that was restored; it comes along.
    Keep,
    /// The restart is complete: the pod's life does not hang on supervisor and engine any more.
    Establish,
    /// Kill everything in the pod and end.
    Shutdown,
}

/// A program to start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spawn {
    /// The program and its arguments.
    pub argv: Vec<serde_bytes::ByteBuf>,
    /// Its environment, `KEY=VALUE` each; PATH of it is where the program is looked for.
    pub env: Vec<serde_bytes::ByteBuf>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its umask.
    pub umask: u32,
    /// Whom it shall run as; as init if none.
    pub user: Option<UserIds>,
    /// In a tree of the pod's own: the user's name or number, to be looked up there.
    #[serde(default)]
    pub user_there: Option<String>,
    /// The file that its output is appended to, and its input empty. Opened here, in the pod's mount namespace, so that
    /// the program holds a file of its own tree.
    pub log: Option<PathBuf>,
    /// Whether a terminal shall control its session: one to be made like descriptor 0, whose master goes to the socket that is
    /// descriptor 1; or descriptor 0, if there is no socket.
    pub terminal: bool,
}

/// The ids of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What init answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A process was made. Where init has a pid namespace of its own, the host's id comes as SCM_CREDENTIALS, which
    /// the kernel translates; else it is `host_pid`.
    Started {
        /// Its id in the pod.
        virtual_pid: i32,
        /// Its id as init sees it.
        host_pid: i32,
    },
    /// The child ended.
    Exited(Exit),
    /// What was asked for; the descriptors come along.
    View(autopod_fuse_barrier::keeper::Plan),
    /// The terminal is held.
    Kept,
    /// The pod lives on.
    Established,
    /// All is killed; init ends now.
    ShuttingDown,
    /// It could not be done.
    Failed {
        /// What was being done.
        doing: String,
        /// The kernel's error number.
        errno: i32,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// It exited with this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// As a shell would tell it in `$?`.
    pub fn code(self) -> i32 {
        match self {
            Self::Status(status) => status,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Sends one message with `descriptors`, naming `process` to the receiver.
pub fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    process: Option<i32>,
) -> io::Result<()> {
    let mut bytes = vec![0];
    rmp_serde::encode::write_named(&mut bytes, message).map_err(io::Error::other)?;
    if bytes.len() <= INLINE {
        passing::send(socket, &bytes, descriptors, process)?;
        return Ok(());
    }
    let mut file = File::from(memfd_create(c"autopod-message", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&bytes[1..])?;
    let mut all = vec![file.as_fd()];
    all.extend_from_slice(descriptors);
    passing::send(socket, &[1], &all, process)?;
    Ok(())
}

/// A message that came.
#[derive(Debug)]
pub struct Incoming<T> {
    /// The message itself.
    pub message: T,
    /// The descriptors that came along.
    pub descriptors: Vec<OwnedFd>,
    /// The process that it names, under the receiver's id for it.
    pub process: Option<i32>,
}

/// Receives one message; `None` when the peer has closed.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<Incoming<T>>> {
    let mut buffer = vec![0; INLINE];
    let received = match passing::receive(socket, &mut buffer, MsgFlags::empty()) {
        Err(Errno::ECONNRESET) => return Ok(None),
        other => other?,
    };
    let mut descriptors = received.descriptors;
    let bytes = match buffer[..received.len].split_first() {
        None => return Ok(None),
        Some((0, bytes)) => bytes.to_vec(),
        Some(_) if !descriptors.is_empty() => {
            let mut file = File::from(descriptors.remove(0));
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            bytes
        }
        Some(_) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let message = rmp_serde::from_slice(&bytes).map_err(io::Error::other)?;
    Ok(Some(Incoming { message, descriptors, process: received.process }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn small_and_large_messages_pass_with_their_descriptors() {
        let (a, b) = pair();
        for size in [1, INLINE - 1, INLINE, 3 << 20] {
            let spawn = Spawn { argv: vec![serde_bytes::ByteBuf::from(vec![0xff; size])], ..Spawn::default() };
            let (given, _) = pair();
            send(a.as_fd(), &Request::Spawn(spawn), &[given.as_fd()], None).unwrap();
            let incoming = receive::<Request>(b.as_fd()).unwrap().unwrap();
            let Request::Spawn(spawn) = incoming.message else { panic!("another request arrived") };
            assert_eq!(spawn.argv[0].len(), size);
            assert_eq!(incoming.descriptors.len(), 1);
        }
        drop(a);
        assert!(receive::<Request>(b.as_fd()).unwrap().is_none());
    }
}
