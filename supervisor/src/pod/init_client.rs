//! The other end of [`super::init_protocol`]: how supervisor and engine ask init for processes.
use super::Error;
use super::init_protocol::{Answer, Exit, Incoming, Request, Spawn, receive, send};
use super::socket::connect_to;
use nix::sys::socket::{SockType, setsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A process that init has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its id in the pod.
    pub virtual_pid: i32,
    /// Its id in the caller's pid namespace.
    pub host_pid: i32,
}

/// A connection to a pod's init.
#[derive(Debug)]
pub struct InitClient {
    socket: OwnedFd,
    pod: String,
}

impl InitClient {
    /// Connects to the init of `pod`, which listens at `path`.
    pub fn connect(path: &Path, pod: &str) -> Result<Self, Error> {
        let connect = || -> io::Result<OwnedFd> {
            let socket = connect_to(path, SockType::SeqPacket)?;
            // Processes are named to us as SCM_CREDENTIALS.
            setsockopt(&socket, sockopt::PassCred, &true)?;
            Ok(socket)
        };
        let socket = connect().map_err(|e| Error::InitSilent { pod: pod.to_owned(), reason: e.to_string() })?;
        Ok(Self { socket, pod: pod.to_owned() })
    }

    /// Starts a program with these three standard descriptors, or with none if it has a log.
    pub fn spawn(&self, spawn: Spawn, stdio: &[BorrowedFd<'_>]) -> Result<Started, Error> {
        let program = spawn.argv.first().map(|p| String::from_utf8_lossy(p).into_owned()).unwrap_or_default();
        self.started(&Request::Spawn(spawn), stdio, &program)
    }

    /// Makes an empty child, with the given virtual id if there is one.
    pub fn seed(&self, virtual_pid: Option<i32>) -> Result<Started, Error> {
        self.started(&Request::Seed { virtual_pid }, &[], "seed")
    }

    /// Asks to be told of the child's end; the answer is to be fetched with [`Self::ended`].
    pub fn await_end(&self, virtual_pid: i32) -> Result<(), Error> {
        self.send(&Request::Wait { virtual_pid }, &[])
    }

    /// Blocks until the child for which [`Self::await_end`] asked has ended.
    pub fn ended(&self) -> Result<Exit, Error> {
        match self.receive()?.0 {
            Answer::Exited(exit) => Ok(exit),
            other => Err(self.silent(format!("it answered {other:?}"))),
        }
    }

    /// What a new server of the view needs.
    pub fn view(&self) -> Result<(autopod_fuse_barrier::keeper::Plan, Vec<OwnedFd>), Error> {
        self.send(&Request::View, &[])?;
        match receive::<Answer>(self.socket.as_fd()) {
            Ok(Some(Incoming { message: Answer::View(plan), descriptors, .. })) => Ok((plan, descriptors)),
            other => Err(self.silent(format!("it answered {other:?}"))),
        }
    }

    /// Gives init the master of a terminal to hold.
    pub fn keep(&self, master: BorrowedFd<'_>) -> Result<(), Error> {
        self.send(&Request::Keep, &[master])?;
        match self.receive()?.0 {
            Answer::Kept => Ok(()),
            other => Err(self.silent(format!("it answered {other:?}"))),
        }
    }

    /// Tells init that the restart is complete, and the pod shall live on without us.
    pub fn establish(&self) -> Result<(), Error> {
        self.send(&Request::Establish, &[])?;
        self.receive().map(drop)
    }

    /// Kills everything in the pod, and init.
    pub fn shut_down(&self) -> Result<(), Error> {
        self.begin_shut_down()?;
        self.await_shut_down()
    }

    /// Has everything in the pod killed, and init, whatever becomes of the caller.
    pub fn begin_shut_down(&self) -> Result<(), Error> {
        self.send(&Request::Shutdown, &[])
    }

    /// Waits until all is killed for which [`Self::begin_shut_down`] asked.
    pub fn await_shut_down(&self) -> Result<(), Error> {
        self.receive().map(drop)
    }

    fn started(&self, request: &Request, stdio: &[BorrowedFd<'_>], program: &str) -> Result<Started, Error> {
        self.send(request, stdio)?;
        match self.receive()? {
            (Answer::Started { virtual_pid, host_pid }, named) => {
                Ok(Started { virtual_pid, host_pid: named.unwrap_or(host_pid) })
            }
            (Answer::Failed { doing, errno }, _) => {
                let errno = nix::errno::Errno::from_raw(errno);
                let reason = match (doing.as_str(), errno) {
                    ("executing it", nix::errno::Errno::ENOENT) if !program.contains('/') => {
                        "no such program in PATH; give its full path".to_owned()
                    }
                    ("executing it", errno) => errno.desc().to_owned(),
                    (doing, errno) => format!("{doing}: {}", errno.desc()),
                };
                Err(Error::Program { pod: self.pod.clone(), program: program.to_owned(), reason })
            }
            (other, _) => Err(self.silent(format!("it answered {other:?}"))),
        }
    }

    fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        send(self.socket.as_fd(), request, descriptors, None).map_err(|e| self.silent(e.to_string()))
    }

    fn receive(&self) -> Result<(Answer, Option<i32>), Error> {
        match receive::<Answer>(self.socket.as_fd()) {
            // The kernel names the sender where it names no other; 0 is one of another pid namespace.
            Ok(Some(incoming)) => {
                let named = match (&incoming.message, incoming.process) {
                    (Answer::Started { host_pid, virtual_pid }, Some(pid)) if pid > 0 && host_pid == virtual_pid => Some(pid),
                    _ => None,
                };
                Ok((incoming.message, named))
            }
            Ok(None) => Err(self.silent("it closed the connection".into())),
            Err(e) => Err(self.silent(e.to_string())),
        }
    }

    fn silent(&self, reason: String) -> Error {
        Error::InitSilent { pod: self.pod.clone(), reason }
    }
}

impl AsFd for InitClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
