//! Pipes and fifos (pipe(7), fifo(7)): one buffer with a size, data in it, and descriptions of either end.
//!
//! The data is copied without being taken: tee(2) into a pipe of ours, which is then read. A buffer written in packet mode (O_DIRECT of
//! pipe(2)) ends a read, so that one read is one packet. The buffer is recorded with the first of its descriptions. At restart the first
//! to need it makes it; a description that was made by opening /proc/PID/fd/N (it has O_LARGEFILE, which those of pipe(2) lack) is
//! made that way again.
use super::descriptor::{InFlight, Seen};
use super::file_object::{self, FileObject, own_fd, set_status};
use super::{Capture, Context, Error, Nascent, Result};
use crate::image::RunRef;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub buffer: Buffer,
    pub flags: i32,
    /// The other end is held outside the pod only.
    #[serde(default)]
    pub outside: bool,
}

/// What all descriptions of a pipe share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// Equal in all records of one pipe.
    pub id: u32,
    /// `None` for a pipe without a name.
    pub fifo: Option<FileObject>,
    pub size: i32,
    pub data: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    pub data: RunRef,
    /// A packet, to be written as one.
    pub packet: bool,
}

const O_LARGEFILE: i32 = 0o100000;

pub(super) fn recognise(seen: &Seen) -> bool {
    seen.kind() == libc::S_IFIFO
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, flight: &mut InFlight<'_>) -> Result<Record> {
    type Buffers = HashMap<(u64, u64), Buffer>;
    const KEY: &str = "pipes";
    let key = (seen.stat.st_dev, seen.stat.st_ino);
    let ends = flight.with_inode(key.0, key.1);
    let flags = seen.status_flags();
    let buffer = match cx.remembered::<Buffers>(KEY).get(&key) {
        Some(buffer) => buffer.clone(),
        None => {
            let packets = ends.iter().filter_map(|id| flight.fd(*id)).any(|fd| {
                fcntl(fd, FcntlArg::F_GETFL).is_ok_and(|f| f & libc::O_ACCMODE != libc::O_RDONLY && f & libc::O_DIRECT != 0)
            });
            let fifo = match seen.label().starts_with("pipe:") {
                true => None,
                false => Some(file_object::capture(cx, seen.fd.as_fd(), &seen.link)?),
            };
            let size = fcntl(&seen.fd, FcntlArg::F_GETPIPE_SZ).doing(|| format!("read the size of {}", seen.title()))?;
            let data = contents(seen, cx, size, packets)?;
            let known: &mut Buffers = cx.remembered(KEY);
            let buffer = Buffer { id: known.len() as u32, fifo, size, data };
            known.insert(key, buffer.clone());
            buffer
        }
    };
    let outside = buffer.fifo.is_none() && other_end_is_outside(seen, &ends, flight);
    if outside {
        other_end(seen, cx)?;
    }
    Ok(Record { buffer, flags, outside })
}

/// Whether a pipe whose other end no process of the pod holds has one nevertheless.
fn other_end_is_outside(seen: &Seen, ends: &[u32], flight: &InFlight<'_>) -> bool {
    let mode = seen.status_flags() & libc::O_ACCMODE;
    let missing = if mode == libc::O_RDONLY { libc::O_WRONLY } else { libc::O_RDONLY };
    let held = ends
        .iter()
        .filter_map(|id| flight.fd(*id))
        .any(|fd| fcntl(fd, FcntlArg::F_GETFL).is_ok_and(|flags| [missing, libc::O_RDWR].contains(&(flags & libc::O_ACCMODE))));
    if held {
        return false;
    }
    let mut polled = [PollFd::new(seen.fd.as_fd(), PollFlags::empty())];
    let _ = poll(&mut polled, PollTimeout::ZERO);
    // POLLERR: nobody could read; POLLHUP: nobody could write
    !polled[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
}

/// Standard streams that lead out of the pod lead to whoever restarts it; other pipes are connections to the outside.
fn other_end(seen: &Seen, cx: &mut Capture) -> Result<()> {
    if seen.holders.iter().all(|holder| holder.fd > 2) && cx.outside == super::capture::OutsideConnections::Refuse {
        return Err(seen.refuse(
            "its other end is held outside the pod",
            "start the other program in the pod too, or let outside connections be closed",
        ));
    }
    cx.closed_connections.push(seen.title());
    Ok(())
}

/// Copies what is in the pipe.
fn contents(seen: &Seen, cx: &mut Capture, size: i32, packets: bool) -> Result<Vec<Piece>> {
    let doing = || format!("copy the contents of {}", seen.title());
    if crate::sys::events::readable_bytes(seen.fd.as_fd()).is_ok_and(|n| n == 0) {
        return Ok(Vec::new());
    }
    let reader = match seen.status_flags() & libc::O_ACCMODE {
        libc::O_WRONLY => cx.proc.open_file(&own_fd(seen.fd.as_fd()), OFlag::O_RDONLY | OFlag::O_NONBLOCK).doing(doing)?,
        _ => seen.fd.try_clone().doing(doing)?,
    };
    let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).doing(doing)?;
    match set_size(into.as_fd(), size) {
        // the user has so many pipes that new ones are small (pipe(7), pipe-user-pages-soft): there may be room enough
        Err(Errno::EPERM) => {}
        other => other.doing(|| format!("make room for the contents of {}", seen.title()))?,
    }
    crate::sys::files::tee(reader.as_fd(), into.as_fd()).doing(doing)?;
    let bytes = |fd: BorrowedFd<'_>| crate::sys::events::readable_bytes(fd).doing(doing);
    if bytes(out.as_fd())? != bytes(reader.as_fd())? {
        return Err(seen.refuse(
            "there is no room to copy what is in it, as the user has too many pipes (pipe(7))",
            "raise /proc/sys/fs/pipe-user-pages-soft",
        ));
    }
    drop(into);
    let mut pieces = Vec::new();
    let mut buffer = vec![0u8; size.max(1 << 16) as usize];
    loop {
        let n = nix::unistd::read(&out, &mut buffer).doing(doing)?;
        if n == 0 {
            break;
        }
        pieces.push(Piece { data: cx.blob(&buffer[..n])?, packet: true });
    }
    // only a packet ends a read early; the last read may have ended for lack of more
    if let Some(last) = pieces.last_mut() {
        last.packet = packets;
    }
    Ok(pieces)
}

fn set_size(fd: BorrowedFd<'_>, size: i32) -> nix::Result<()> {
    if fcntl(fd, FcntlArg::F_GETPIPE_SZ)? != size {
        fcntl(fd, FcntlArg::F_SETPIPE_SZ(size))?;
    }
    Ok(())
}

/// A pipe under restart: its two ends, until a description takes them.
struct Ends {
    /// For opening more descriptions.
    any: OwnedFd,
    read: Option<OwnedFd>,
    write: Option<OwnedFd>,
}

const KEY: &str = "pipes made";
type Made = HashMap<u32, Ends>;

pub(super) fn open(record: &Record, id: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let buffer = &record.buffer;
    let flags = record.flags & !libc::O_ASYNC;
    let doing = || format!("open the pipe of open file {id}");
    if record.outside {
        tracing::warn!("open file {id} was a pipe to outside the pod; it is /dev/null now");
        let flags = OFlag::from_bits_retain(flags & !libc::O_DIRECT | libc::O_CLOEXEC);
        return nix::fcntl::open("/dev/null", flags, nix::sys::stat::Mode::empty()).doing(doing);
    }
    if !cx.remembered::<Made>(KEY).contains_key(&buffer.id) {
        let ends = make(buffer, cx)?;
        cx.remembered::<Made>(KEY).insert(buffer.id, ends);
    }
    if let Some(fifo) = &buffer.fifo {
        return fifo.open(cx, flags);
    }
    let ends = cx.remembered::<Made>(KEY).get_mut(&buffer.id).expect("made above");
    let original = match flags & libc::O_ACCMODE {
        libc::O_RDONLY if flags & O_LARGEFILE == 0 => ends.read.take(),
        libc::O_WRONLY if flags & O_LARGEFILE == 0 => ends.write.take(),
        _ => None,
    };
    let fd = match original {
        Some(fd) => fd,
        None => {
            let path = own_fd(ends.any.as_fd());
            cx.proc.open_file(&path, OFlag::from_bits_retain(flags & libc::O_ACCMODE) | OFlag::O_NONBLOCK).doing(doing)?
        }
    };
    set_status(&fd, flags).doing(doing)?;
    Ok(fd)
}

fn make(buffer: &Buffer, cx: &mut Nascent) -> Result<Ends> {
    let doing = || "make a pipe".to_string();
    let (any, read, write) = match &buffer.fifo {
        // open for both, so that no open of one end waits for the other
        Some(fifo) => (fifo.open(cx, libc::O_RDWR | libc::O_NONBLOCK)?, None, None),
        None => {
            let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).doing(doing)?;
            (write.try_clone().doing(doing)?, Some(read), Some(write))
        }
    };
    match set_size(any.as_fd(), buffer.size) {
        // as above: only what does not fit is an error
        Err(Errno::EPERM) => {
            tracing::warn!("a pipe of {} bytes is smaller now: the user has too many (pipe-user-pages-soft)", buffer.size)
        }
        other => other.doing(|| format!("give a pipe its size of {} bytes (see /proc/sys/fs/pipe-max-size)", buffer.size))?,
    }
    if buffer.data.is_empty() {
        return Ok(Ends { any, read, write });
    }
    for piece in &buffer.data {
        let data = cx.blob(&piece.data)?;
        set_status(&any, libc::O_NONBLOCK | if piece.packet { libc::O_DIRECT } else { 0 }).doing(doing)?;
        let n = nix::unistd::write(&any, &data).doing(|| format!("put {} bytes back into a pipe", data.len()))?;
        if n != data.len() {
            return Err(Error::Inconsistent(format!("a pipe of {} bytes took only {n} of {}", buffer.size, data.len())));
        }
    }
    set_status(&any, libc::O_NONBLOCK).doing(doing)?;
    Ok(Ends { any, read, write })
}

/// Closes the ends that only the making needed: a reader must see the end of the data when no writer is left.
pub(super) fn settle(record: &Record, _: u32, cx: &mut Nascent) -> Result<()> {
    cx.remembered::<Made>(KEY).remove(&record.buffer.id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::descriptor::tests::{refusal, round_trip};
    use super::*;
    use nix::unistd::{pipe2, read, write};

    fn text(fd: &OwnedFd) -> Vec<u8> {
        let mut buffer = vec![0u8; 1 << 20];
        match read(fd, &mut buffer) {
            Ok(n) => buffer[..n].to_vec(),
            Err(errno) => format!("{errno}").into_bytes(),
        }
    }

    #[test]
    fn data_and_size_come_back() {
        let (r, w) = pipe2(OFlag::O_NONBLOCK).unwrap();
        fcntl(&w, FcntlArg::F_SETPIPE_SZ(1 << 18)).unwrap();
        write(&w, &[7u8; 200_000]).unwrap();
        let again = round_trip(vec![w, r], || ());
        assert_eq!(fcntl(&again[1], FcntlArg::F_GETPIPE_SZ), Ok(1 << 18));
        assert_eq!(fcntl(&again[1], FcntlArg::F_GETFL), Ok(libc::O_NONBLOCK));
        assert_eq!(fcntl(&again[0], FcntlArg::F_GETFL), Ok(libc::O_WRONLY | libc::O_NONBLOCK));
        assert_eq!(text(&again[1]), [7u8; 200_000]);
        write(&again[0], b"more").unwrap();
        assert_eq!(text(&again[1]), b"more");
    }

    #[test]
    fn capture_takes_nothing() {
        let (r, w) = pipe2(OFlag::O_NONBLOCK).unwrap();
        write(&w, b"still here").unwrap();
        let kept = r.try_clone().unwrap();
        let writer = w.try_clone().unwrap();
        round_trip(vec![r, w], || ());
        assert_eq!(text(&kept), b"still here");
        drop(writer);
    }

    #[test]
    fn packets_keep_their_boundaries() {
        let (r, w) = pipe2(OFlag::O_DIRECT | OFlag::O_NONBLOCK).unwrap();
        for packet in [&b"one"[..], b"second", b"3"] {
            write(&w, packet).unwrap();
        }
        let again = round_trip(vec![r, w], || ());
        write(&again[1], b"after").unwrap();
        let packets: Vec<_> = (0..4).map(|_| text(&again[0])).collect();
        assert_eq!(packets, [&b"one"[..], b"second", b"3", b"after"]);
    }

    #[test]
    fn a_missing_writer_stays_missing() {
        let (r, w) = pipe2(OFlag::O_NONBLOCK).unwrap();
        write(&w, b"last words").unwrap();
        drop(w);
        let again = round_trip(vec![r], || ());
        assert_eq!((text(&again[0]), text(&again[0])), (b"last words".to_vec(), vec![]));
    }

    #[test]
    fn a_reopened_end_is_a_description_of_its_own() {
        let (r, w) = pipe2(OFlag::empty()).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&r));
        let more = nix::fcntl::open(path.as_str(), OFlag::O_RDONLY | OFlag::O_NONBLOCK, nix::sys::stat::Mode::empty()).unwrap();
        write(&w, b"abc").unwrap();
        let again = round_trip(vec![more, r, w], || ());
        assert_eq!(fcntl(&again[0], FcntlArg::F_GETFL), Ok(libc::O_NONBLOCK | O_LARGEFILE));
        assert_eq!(fcntl(&again[1], FcntlArg::F_GETFL), Ok(0));
        assert_eq!(text(&again[1]), b"abc");
    }

    #[test]
    fn fifos_come_back_with_data() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let both = nix::fcntl::open(&path, OFlag::O_RDWR, nix::sys::stat::Mode::empty()).unwrap();
        let reader = nix::fcntl::open(&path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, nix::sys::stat::Mode::empty()).unwrap();
        write(&both, b"named").unwrap();
        let again = round_trip(vec![both, reader], || {
            std::fs::remove_file(&path)
                .map(|()| {
                    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
                })
                .unwrap()
        });
        assert_eq!(text(&again[1]), b"named");
    }

    #[test]
    fn an_end_outside_is_refused() {
        let (r, _w) = pipe2(OFlag::empty()).unwrap();
        assert!(refusal(r.as_fd()).contains("outside the pod"));
    }
}
