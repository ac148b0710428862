//! Reading an image. Every byte is verified before it is used, from the very memory that was verified: the file could change
//! between two reads.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hmac::Mac;
use sha2::{Digest, Sha256};

use super::codec::{Compression, decompress};
use super::error::{Error, Result};
use super::format::{CHUNK, HEADER_LEN, Header, SEAL_LEN, seal};
use super::key::{Key, fingerprint};
use super::manifest::{Chunk, Manifest, RunRef};
use crate::sys::buffer::{AlignedBuf, PAGE};

/// Fewer chunks than this are not worth threads.
const FEW: usize = 3;

/// What [`ImageReader::verify_all`] found to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Length of the file.
    pub bytes: u64,
    /// Length of the uncompressed stream.
    pub stream: u64,
    pub chunks: usize,
}

/// Opens the file and reads its header, which is not verified yet.
fn begin(path: &Path) -> Result<(File, Metadata, Vec<u8>, Header)> {
    let read_error = |source| Error::Read { path: path.into(), source };
    // O_NONBLOCK: opening a fifo would wait for its writer (open(2)); it means nothing to regular files
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|source| Error::Open { path: path.into(), source })?;
    let meta = file.metadata().map_err(read_error)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(Error::NotAnImage { path: path.into(), what });
    }
    let mut head = vec![0; HEADER_LEN.min(meta.len()) as usize];
    file.read_exact_at(&mut head, 0).map_err(read_error)?;
    let header = Header::decode(&head, meta.len(), path)?;
    Ok((file, meta, head, header))
}

/// The fingerprint of the key that an image says to be sealed with. Finds what is wrong with a file as far as that shows
/// without the key.
///
/// # Errors
/// As [`ImageReader::open`].
pub fn sealed_with(path: &Path) -> Result<String> {
    begin(path).map(|(.., header)| fingerprint(header.key_id))
}

/// An image whose seal has been verified.
#[derive(Debug)]
pub struct ImageReader {
    path: PathBuf,
    file: File,
    direct: Option<File>,
    header: Header,
    manifest: Manifest,
    chunks: Vec<Chunk>,
    /// The chunk last read by [`ImageReader::read`], verified and uncompressed: small blobs lie next to each other.
    last: Mutex<Option<(usize, Scratch)>>,
}

impl ImageReader {
    /// Opens the image and verifies its seal, then decodes its manifest.
    ///
    /// # Errors
    /// One kind for each way in which the file is not an image to be restarted here; see [`Error`].
    pub fn open(path: &Path, key: &Key) -> Result<Self> {
        let read_error = |source| Error::Read { path: path.into(), source };
        let damaged = |what: String| Error::Damaged { path: path.into(), what };
        let (file, meta, head, header) = begin(path)?;
        if header.key_id != key.id() {
            return Err(Error::WrongKey { path: path.into(), image_key: fingerprint(header.key_id), our_key: key.fingerprint() });
        }
        let mut tail = vec![0; (header.manifest_len + SEAL_LEN) as usize];
        file.read_exact_at(&mut tail, header.manifest_at).map_err(read_error)?;
        let (manifest, stored_seal) = tail.split_at(header.manifest_len as usize);
        seal(key, &head, manifest)
            .verify_slice(stored_seal)
            .map_err(|_| damaged("its seal does not fit its header and manifest".into()))?;
        let (manifest, chunks) =
            Manifest::decode(manifest).map_err(|e| damaged(format!("its manifest does not decode ({e})")))?;
        check_table(&chunks, &header).map_err(|what| damaged(what.into()))?;
        let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(path).ok();
        // The path could name another file by now.
        let direct = direct.filter(|d| d.metadata().is_ok_and(|m| (m.dev(), m.ino()) == (meta.dev(), meta.ino())));
        Ok(Self { path: path.into(), file, direct, header, manifest, chunks, last: Mutex::default() })
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the uncompressed stream.
    #[must_use]
    pub fn stream_len(&self) -> u64 {
        self.header.stream_len
    }

    /// Length of the file.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.header.file_len()
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Fingerprint of the key.
    #[must_use]
    pub fn key_fingerprint(&self) -> String {
        fingerprint(self.header.key_id)
    }

    /// Number of the format the image has.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Architecture as ELF's e_machine.
    #[must_use]
    pub fn arch(&self) -> u32 {
        self.header.arch
    }

    /// The compression of the image; none if no chunk got smaller.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.chunks.iter().map(|c| c.codec).find(|&c| c != Compression::None).unwrap_or_default()
    }

    /// Fills `out` from the stream, beginning at `start`.
    ///
    /// # Errors
    /// When the range is not in the image, or its chunks are damaged.
    pub fn read(&self, start: u64, out: &mut [u8]) -> Result<()> {
        let range = RunRef { start, len: out.len() as u64 };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for i in self.chunks_of(range)? {
            let chunk = &self.chunks[i];
            let (_, scratch) = match last.take() {
                Some(same) if same.0 == i => last.insert(same),
                other => {
                    let mut scratch = other.map_or_else(Scratch::new, |(_, scratch)| scratch);
                    self.load(chunk, &self.file, &mut scratch)?;
                    last.insert((i, scratch))
                }
            };
            let (from, to, at) = overlap(chunk, range);
            out[at..at + (to - from)].copy_from_slice(&scratch.bytes(chunk)[from..to]);
        }
        Ok(())
    }

    /// The bytes of a run.
    ///
    /// # Errors
    /// As [`ImageReader::read`].
    pub fn get(&self, run: &RunRef) -> Result<Vec<u8>> {
        self.chunks_of(*run)?;
        let mut out = vec![0; run.len as usize];
        self.read(run.start, &mut out)?;
        Ok(out)
    }

    /// Reads and verifies the `ranges` and gives them to `sink` in pieces (stream position, bytes), by several threads at once and in any order: pieces of
    /// different places may be delivered concurrently. Stops at the first error. Small ranges are delivered by the calling thread.
    ///
    /// # Errors
    /// When a range is not in the image, a chunk is damaged, or `sink` fails.
    pub fn stream<E>(&self, ranges: &[RunRef], sink: impl Fn(u64, &[u8]) -> Result<(), E> + Sync) -> Result<()>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // (chunk, ranges in it), each chunk once: ranges are usually many and small, next to each other.
        let mut work: Vec<(usize, RunRef)> = Vec::new();
        for &range in ranges {
            work.extend(self.chunks_of(range)?.map(|i| (i, range)));
        }
        work.sort_by_key(|&(i, _)| i);
        let work: Vec<&[(usize, RunRef)]> = work.chunk_by(|a, b| a.0 == b.0).collect();

        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let file = if work.len() > FEW { self.direct.as_ref().unwrap_or(&self.file) } else { &self.file };
        let run = || -> Result<()> {
            let mut scratch = Scratch::new();
            while !stop.load(Ordering::Relaxed) {
                let Some(part) = work.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
                let chunk = &self.chunks[part[0].0];
                let result = self.load(chunk, file, &mut scratch).and_then(|()| {
                    part.iter().try_for_each(|&(_, range)| {
                        let (from, to, at) = overlap(chunk, range);
                        sink(range.start + at as u64, &scratch.bytes(chunk)[from..to]).map_err(|e| Error::Sink(e.into()))
                    })
                });
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    return result;
                }
            }
            Ok(())
        };
        if work.len() <= FEW {
            return run();
        }
        let count = std::thread::available_parallelism().map_or(2, usize::from).min(8) + 1;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(run)).collect();
            threads.into_iter().try_for_each(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Reads the whole file and verifies every chunk.
    ///
    /// # Errors
    /// At the first damaged chunk.
    pub fn verify_all(&self) -> Result<Verified> {
        let all = RunRef { start: 0, len: self.stream_len() };
        self.stream(&[all], |_, _| Ok::<_, std::convert::Infallible>(()))?;
        Ok(Verified { bytes: self.file_len(), stream: self.stream_len(), chunks: self.chunks.len() })
    }

    /// Indices of the chunks that `range` touches.
    fn chunks_of(&self, range: RunRef) -> Result<std::ops::Range<usize>> {
        let held = self.stream_len();
        match range.start.checked_add(range.len) {
            Some(end) if end <= held => {
                let first = self.chunks.partition_point(|c| c.start + u64::from(c.len) <= range.start);
                let last = self.chunks.partition_point(|c| c.start < end);
                Ok(if range.len == 0 { 0..0 } else { first..last })
            }
            end => Err(Error::OutOfRange { start: range.start, end: end.unwrap_or(u64::MAX), held }),
        }
    }

    /// Reads one chunk, verifies it, then uncompresses it.
    fn load(&self, chunk: &Chunk, file: &File, scratch: &mut Scratch) -> Result<()> {
        let stored = &mut scratch.stored[..extent(chunk)];
        let done = match file.read_exact_at(stored, chunk.at) {
            // As for writing: O_DIRECT may be refused late.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => self.file.read_exact_at(stored, chunk.at),
            other => other,
        };
        let damaged = |what: String| Error::Damaged { path: self.path.clone(), what };
        done.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it became shorter while it was read".into()),
            _ => Error::Read { path: self.path.clone(), source },
        })?;
        if Sha256::digest(&*stored)[..] != chunk.digest {
            let number = self.chunks.partition_point(|c| c.start < chunk.start);
            let end = chunk.at + stored.len() as u64;
            return Err(damaged(format!("chunk {number} (bytes {}..{end} of the file) does not fit its digest", chunk.at)));
        }
        if chunk.codec != Compression::None {
            let unpacked = scratch.unpacked.get_or_insert_with(|| vec![0; CHUNK]);
            decompress(chunk.codec, &stored[..chunk.stored as usize], &mut unpacked[..chunk.len as usize]).map_err(damaged)?;
        }
        Ok(())
    }
}

/// Room for one chunk, stored and uncompressed.
#[derive(Debug)]
struct Scratch {
    stored: AlignedBuf,
    unpacked: Option<Vec<u8>>,
}

impl Scratch {
    fn new() -> Self {
        Self { stored: AlignedBuf::new(CHUNK), unpacked: None }
    }

    fn bytes(&self, chunk: &Chunk) -> &[u8] {
        match (&self.unpacked, chunk.codec) {
            (Some(unpacked), Compression::Lz4 | Compression::Zstd) => &unpacked[..chunk.len as usize],
            _ => &self.stored[..chunk.len as usize],
        }
    }
}

/// The chunk's bytes in the file, with the fill of the last page.
fn extent(chunk: &Chunk) -> usize {
    (chunk.stored as usize).next_multiple_of(PAGE)
}

/// The part of `chunk` that lies in `range`: from and to within the chunk, and where that is within the range.
fn overlap(chunk: &Chunk, range: RunRef) -> (usize, usize, usize) {
    let from = range.start.saturating_sub(chunk.start);
    let to = (range.start + range.len - chunk.start).min(u64::from(chunk.len));
    (from as usize, to as usize, (chunk.start + from - range.start) as usize)
}

/// The chunks must tile the stream, and their extents the file between header and manifest, without a gap: then no byte of the file is
/// outside the seal. The table is sealed, so this guards against writers' mistakes rather than attackers.
fn check_table(chunks: &[Chunk], header: &Header) -> Result<(), &'static str> {
    let mut position = 0u64;
    for chunk in chunks {
        let ok = chunk.start == position
            && (1..=CHUNK as u32).contains(&chunk.len)
            && (1..=CHUNK as u32).contains(&chunk.stored)
            && (chunk.codec != Compression::None || chunk.stored == chunk.len);
        if !ok {
            return Err("its table of chunks does not describe its stream");
        }
        position += u64::from(chunk.len);
    }
    if position != header.stream_len {
        return Err("its chunks do not add up to its stream");
    }
    let mut by_place: Vec<&Chunk> = chunks.iter().collect();
    by_place.sort_unstable_by_key(|c| c.at);
    let end = by_place.iter().try_fold(HEADER_LEN, |at, c| (c.at == at).then(|| at + extent(c) as u64));
    if end != Some(header.manifest_at) {
        return Err("its chunks do not fill the file between header and manifest");
    }
    Ok(())
}
