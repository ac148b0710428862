//! What was received on a TCP connection and not yet read, with the urgent mark.
use crate::resource::Capture;
use crate::resource::socket::Bytes;
use crate::resource::{Nascent, Result};
use crate::sys::socket::{self, MSG_PEEK_NOW, SO_PEEK_OFF};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::BorrowedFd;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    pub data: Bytes,
    /// Where in `data` the urgent byte is.
    pub mark: Option<u64>,
}

/// Bytes and the mark in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub data: Vec<u8>,
    pub mark: Option<usize>,
}

impl Content {
    pub(super) fn store(self, cx: &mut Capture) -> Result<Stream> {
        Ok(Stream { mark: self.mark.map(|at| at as u64), data: Bytes::new(self.data, cx)? })
    }
}

impl Stream {
    pub(super) fn load(&self, cx: &Nascent) -> Result<Content> {
        let data = self.data.load(cx)?;
        let mark = self.mark.map(|at| at as usize).filter(|at| *at < data.len());
        Ok(Content { data, mark })
    }
}

/// Reads a receive queue without changing it.
///
/// A peek ends at the urgent mark, and one that begins there goes on behind it; SO_PEEK_OFF is what moves it on (Linux 6.9).
pub(super) fn peek(fd: BorrowedFd<'_>, closed: bool) -> io::Result<Content> {
    let before = socket::option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF).unwrap_or(-1);
    let content = peek_all(fd, closed);
    if before >= 0 || content.as_ref().is_ok_and(|content| content.mark.is_some()) {
        socket::set_option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF, before)?;
    }
    content
}

fn peek_all(fd: BorrowedFd<'_>, closed: bool) -> io::Result<Content> {
    let seek = |at: usize| socket::set_option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF, at as i32);
    if socket::option_int(fd, libc::SOL_SOCKET, SO_PEEK_OFF).unwrap_or(-1) >= 0 {
        seek(0)?;
    }
    // up to the mark, unless urgent data stays in line
    let waiting = socket::count(fd, libc::FIONREAD)?;
    let mut content = Content::default();
    if waiting > 0 {
        content.data = socket::receive(fd, waiting, MSG_PEEK_NOW)?.data;
    }
    if content.data.len() < waiting {
        content.mark = Some(content.data.len());
        seek(content.data.len())?;
        let rest = socket::receive(fd, waiting - content.data.len(), MSG_PEEK_NOW)?.data;
        content.data.extend_from_slice(&rest);
        return Ok(content);
    }
    // a call on a connection that broke would take its error away
    if closed {
        return Ok(content);
    }
    if let Ok(urgent) = socket::receive(fd, 1, MSG_PEEK_NOW | libc::MSG_OOB) {
        content.mark = Some(content.data.len());
        let at = content.data.len();
        content.data.extend_from_slice(&urgent.data);
        let mut position = at;
        loop {
            seek(position)?;
            match socket::receive(fd, 1 << 20, MSG_PEEK_NOW) {
                Ok(more) if more.data.is_empty() => break,
                Ok(more) => {
                    // the kernel counts the urgent byte, which it left out
                    position += more.data.len() + usize::from(position == at);
                    content.data.extend_from_slice(&more.data);
                }
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(content)
}

/// Sends content again; what does not fit is left over.
pub(super) fn send(fd: BorrowedFd<'_>, content: &Content, from: usize) -> io::Result<usize> {
    let mut at = from;
    while at < content.data.len() {
        let (end, flags) = match content.mark {
            Some(mark) if at < mark => (mark, 0),
            Some(mark) if at == mark => (mark + 1, libc::MSG_OOB),
            _ => (content.data.len(), 0),
        };
        match socket::send(fd, &content.data[at..end], &[], &[], None, flags | libc::MSG_DONTWAIT) {
            Ok(n) => at += n,
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}
