//! One peer of the control socket: lines in, lines out, descriptors that come along.
use super::control::Answer;
use crate::sys::passing;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, getsockopt, send, sockopt};
use nix::unistd::{Uid, geteuid};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A request is a line of at most this length: arguments and environment of a program have megabytes at most.
const LONGEST_LINE: usize = 8 << 20;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Descriptors received and not yet used by a request.
    pub(super) descriptors: Vec<OwnedFd>,
    closed: bool,
}

impl Connection {
    /// Takes the connection if its peer may use it: the owner or root, and no process of the pod whose init is given, nor of another pod.
    pub(super) fn admit(socket: OwnedFd, init: Option<i32>) -> Option<Self> {
        let peer = getsockopt(&socket, sockopt::PeerCredentials).ok()?;
        let uid = Uid::from_raw(peer.uid());
        // A peer that is gone already cannot be told from one of the pod.
        let outside = super::members::read_stat(peer.pid()).is_some()
            && init.is_none_or(|init| !super::members::belongs(peer.pid(), init))
            && !super::members::is_of_another_pod(peer.pid());
        if (uid != geteuid() && !uid.is_root()) || !outside {
            tracing::warn!("refused a connection of process {} of user {uid}", peer.pid());
            return None;
        }
        Some(Self { socket, input: Vec::new(), output: Vec::new(), descriptors: Vec::new(), closed: false })
    }

    /// Reads what there is and returns the complete lines.
    pub(super) fn read_lines(&mut self) -> Vec<String> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match passing::receive(self.socket.as_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(received) if received.len == 0 => {
                    self.closed = true;
                    break;
                }
                Ok(received) => {
                    self.descriptors.extend(received.descriptors);
                    self.input.extend_from_slice(&buffer[..received.len]);
                    // a peer that never pauses must not keep us from the others
                    if self.input.len() > LONGEST_LINE {
                        break;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    self.closed = true;
                    break;
                }
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.input.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if !line.is_empty() {
                lines.push(line);
            }
        }
        if self.input.len() > LONGEST_LINE {
            self.closed = true;
        }
        lines
    }

    /// Queues an answer and sends what the peer takes now.
    pub(super) fn answer(&mut self, answer: &Answer) {
        if let Ok(line) = serde_json::to_vec(answer) {
            self.output.extend_from_slice(&line);
            self.output.push(b'\n');
        }
        self.flush();
    }

    /// Sends what the peer takes now.
    pub(super) fn flush(&mut self) {
        while !self.output.is_empty() {
            match send(self.socket.as_raw_fd(), &self.output, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.closed = true;
                    self.output.clear();
                }
            }
        }
    }

    /// Whether answers wait to be sent.
    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether the peer has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
