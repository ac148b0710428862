//! Writing an image: a stream of bytes cut into chunks, hashed, compressed and written by background threads.
//!
//! Bytes enter through a page aligned buffer which the caller fills in place ([`Run::space`]), so that memory of a process is copied
//! exactly once, by process_vm_readv, before the disk takes it from there (`O_DIRECT`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hmac::Mac;
use nix::fcntl::{FallocateFlags, fallocate};
use sha2::{Digest, Sha256};

use super::codec::{Compression, compress};
use super::error::{Error, Result};
use super::format::{ARCH, CHUNK, FORMAT_VERSION, HEADER_LEN, Header, seal};
use super::key::Key;
use super::manifest::{Chunk, ManifestBuilder, RunRef};
use super::target::Target;
use crate::sys::buffer::{AlignedBuf, PAGE};

/// Size of the buffers that pages are collected in.
pub const BUFFER: usize = 4 * CHUNK;
/// Threads beyond the processors', because each also waits for its writes.
const WAITING_THREADS: usize = 2;
/// How far ahead of the writes the file is allocated: writes that extend a file are serialized by the file system.
const ALLOCATE: u64 = 128 << 20;

/// Gives a complete image its name.
pub type Publish<'a> = dyn Fn(&mut Target, &File) -> io::Result<()> + 'a;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Length of the image file.
    pub bytes: u64,
    /// Length of the uncompressed stream.
    pub stream: u64,
}

/// An image being written. Nothing appears under its name before [`ImageWriter::finish`]; dropped before, it leaves
/// nothing behind.
///
/// Starts threads once more than [`BUFFER`] bytes have been written, and none before: a caller that must be single
/// threaded (setns into a user namespace) does that first.
#[derive(Debug)]
pub struct ImageWriter {
    target: Target,
    key: Key,
    current: AlignedBuf,
    filled: usize,
    /// Stream position of the first byte of `current`.
    start: u64,
    sink: Arc<Sink>,
    crew: Option<Crew>,
}

impl ImageWriter {
    /// Begins an image that will appear at `path`, readable by its owner only: it holds memory.
    ///
    /// # Errors
    /// When no file can be made in the directory of `path`.
    pub fn create(path: &Path, key: &Key, compression: Compression) -> Result<Self> {
        let (target, file, direct) = Target::create(path).map_err(|e| Error::write(path, e))?;
        let sink = Sink {
            path: path.into(),
            file,
            direct,
            compression,
            next: AtomicU64::new(HEADER_LEN),
            allocated: Mutex::new(0),
            chunks: Mutex::default(),
            failed: Mutex::default(),
        };
        Ok(Self {
            target,
            key: key.clone(),
            current: AlignedBuf::new(BUFFER),
            filled: 0,
            start: 0,
            sink: Arc::new(sink),
            crew: None,
        })
    }

    /// Where the next byte goes in the stream.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.start + self.filled as u64
    }

    /// Begins a run of pages, on a page boundary of the stream.
    ///
    /// # Errors
    /// When an earlier write failed.
    pub fn begin_run(&mut self) -> Result<Run<'_>> {
        let fill = self.filled.next_multiple_of(PAGE) - self.filled;
        self.current[self.filled..self.filled + fill].fill(0);
        self.filled += fill;
        let start = self.position();
        Ok(Run { writer: self, start })
    }

    /// Stores some bytes as they are; any length.
    ///
    /// # Errors
    /// When an earlier write failed.
    pub fn put(&mut self, bytes: &[u8]) -> Result<RunRef> {
        let start = self.position();
        self.write(bytes)?;
        Ok(RunRef { start, len: bytes.len() as u64 })
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let space = self.space()?;
            let n = space.len().min(bytes.len());
            space[..n].copy_from_slice(&bytes[..n]);
            self.filled += n;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    fn space(&mut self) -> Result<&mut [u8]> {
        if self.filled == BUFFER {
            self.submit()?;
        }
        Ok(&mut self.current[self.filled..])
    }

    /// Hands the current buffer to the crew and takes an empty one.
    fn submit(&mut self) -> Result<()> {
        self.sink.check()?;
        let crew = match &mut self.crew {
            Some(crew) => crew,
            none => none.insert(Crew::start(&self.sink).map_err(|e| Error::write(&self.sink.path, e))?),
        };
        let empty = crew.empty.recv().map_err(|_| self.sink.lost())?;
        let full = std::mem::replace(&mut self.current, empty);
        let len = std::mem::take(&mut self.filled);
        let job = Job { buffer: full, len, start: self.start };
        self.start += len as u64;
        crew.jobs.send(job).map_err(|_| self.sink.lost())
    }

    /// Writes manifest and seal, waits until all is on disk, and gives the image its name; replaces an older file of
    /// that name.
    ///
    /// # Errors
    /// When any byte could not be written, in which case no trace is left.
    pub fn finish(self, manifest: ManifestBuilder) -> Result<Summary> {
        self.finish_by(manifest, &Target::publish)
    }

    /// As [`Self::finish`], where somebody else may have to give it its name.
    ///
    /// # Errors
    /// As there.
    pub fn finish_by(mut self, manifest: ManifestBuilder, publish: &Publish<'_>) -> Result<Summary> {
        let stream_len = self.position();
        if let Some(crew) = self.crew.take() {
            let Crew { jobs, threads, empty } = crew;
            if self.filled > 0 {
                let buffer = std::mem::replace(&mut self.current, AlignedBuf::new(1));
                jobs.send(Job { buffer, len: self.filled, start: self.start }).map_err(|_| self.sink.lost())?;
            }
            drop((jobs, empty));
            for thread in threads {
                thread.join().map_err(|_| self.sink.lost())?;
            }
            self.sink.check()?;
        } else if self.filled > 0 {
            self.sink.take_small(&mut self.current, self.filled)?;
        }
        let sink = &self.sink;
        let mut chunks = std::mem::take(&mut *lock(&sink.chunks));
        chunks.sort_unstable_by_key(|chunk| chunk.start);
        let manifest = manifest.encode(chunks)?;
        let manifest_at = sink.next.load(Ordering::Acquire);
        let header = Header {
            version: FORMAT_VERSION,
            arch: ARCH,
            key_id: self.key.id(),
            manifest_at,
            manifest_len: manifest.len() as u64,
            stream_len,
        };
        let head = header.encode();
        let mut tail = manifest;
        let seal = seal(&self.key, &head, &tail).finalize().into_bytes();
        tail.extend_from_slice(&seal);
        (|| {
            sink.file.write_all_at(&head, 0)?;
            sink.file.write_all_at(&tail, manifest_at)?;
            if *lock(&sink.allocated) > 0 {
                sink.file.set_len(header.file_len())?;
            }
            sink.file.sync_all()?;
            publish(&mut self.target, &sink.file)
        })()
        .map_err(|e| Error::write(&sink.path, e))?;
        Ok(Summary { bytes: header.file_len(), stream: stream_len })
    }
}

impl Drop for ImageWriter {
    fn drop(&mut self) {
        if let Some(Crew { jobs, threads, empty }) = self.crew.take() {
            drop((jobs, empty));
            for thread in threads {
                let _ = thread.join();
            }
        }
    }
}

/// A run being written.
#[derive(Debug)]
pub struct Run<'w> {
    writer: &'w mut ImageWriter,
    start: u64,
}

impl Run<'_> {
    /// Where the next bytes go: never empty, at most [`BUFFER`] long, whole pages as long as whole pages are committed. Follow with
    /// [`Run::commit`].
    ///
    /// # Errors
    /// When an earlier write failed.
    pub fn space(&mut self) -> Result<&mut [u8]> {
        self.writer.space()
    }

    /// Counts the first `n` bytes of [`Run::space`] as written.
    ///
    /// # Panics
    /// When there was less space.
    pub fn commit(&mut self, n: usize) {
        assert!(n <= BUFFER - self.writer.filled, "committed more than there was space for");
        self.writer.filled += n;
    }

    /// Copies `bytes`.
    ///
    /// # Errors
    /// When an earlier write failed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write(bytes)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.writer.position() - self.start
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a record keeps to find the run again.
    #[must_use]
    pub fn finish(self) -> RunRef {
        RunRef { start: self.start, len: self.len() }
    }
}

struct Job {
    buffer: AlignedBuf,
    len: usize,
    start: u64,
}

/// The threads behind a large image.
#[derive(Debug)]
struct Crew {
    jobs: Sender<Job>,
    empty: Receiver<AlignedBuf>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    fn start(sink: &Arc<Sink>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(2, usize::from).min(8) + WAITING_THREADS;
        let (jobs, todo) = channel::<Job>();
        let (done, empty) = channel();
        let todo = Arc::new(Mutex::new(todo));
        // One for each thread and one for the caller: memory is bounded, and nobody waits for a buffer that is idle.
        for _ in 0..count {
            done.send(AlignedBuf::new(BUFFER)).expect("the receiver is here");
        }
        let threads = (0..count)
            .map(|_| {
                let (sink, todo, done) = (Arc::clone(sink), Arc::clone(&todo), done.clone());
                std::thread::Builder::new().name("image".into()).spawn(move || {
                    let mut packed = (sink.compression != Compression::None).then(|| AlignedBuf::new(BUFFER));
                    loop {
                        let Ok(mut job) = ({ lock(&todo).recv() }) else { return };
                        if let Err(e) = sink.take(&mut job, packed.as_mut()) {
                            lock(&sink.failed).get_or_insert(e);
                        }
                        let _ = done.send(job.buffer);
                    }
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { jobs, empty, threads })
    }
}

/// Where buffers end: the file and the table of its chunks.
#[derive(Debug)]
struct Sink {
    path: PathBuf,
    file: File,
    /// The same file opened with `O_DIRECT`, where the file system has it.
    direct: Option<File>,
    compression: Compression,
    /// The next free place in the file; page aligned.
    next: AtomicU64,
    allocated: Mutex<u64>,
    chunks: Mutex<Vec<Chunk>>,
    failed: Mutex<Option<io::Error>>,
}

impl Sink {
    fn check(&self) -> Result<()> {
        lock(&self.failed).take().map_or(Ok(()), |e| Err(Error::write(&self.path, e)))
    }

    /// The error to give when the threads are gone: theirs, or that they are gone.
    fn lost(&self) -> Error {
        self.check().err().unwrap_or_else(|| Error::write(&self.path, io::Error::other("a thread that writes it died")))
    }

    fn take(&self, job: &mut Job, packed: Option<&mut AlignedBuf>) -> io::Result<()> {
        let (mut chunks, total) = match packed {
            Some(packed) => {
                let answer = self.pack(&job.buffer[..job.len], job.start, packed);
                std::mem::swap(&mut job.buffer, packed);
                answer
            }
            None => describe(&mut job.buffer, job.len, job.start),
        };
        let at = self.next.fetch_add(total as u64, Ordering::AcqRel);
        self.allocate(at + total as u64);
        let file = self.direct.as_ref().unwrap_or(&self.file);
        let bytes = &job.buffer[..total];
        match file.write_all_at(bytes, at) {
            // Some file systems accept the flag and refuse the write (open(2), NOTES on O_DIRECT).
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => self.file.write_all_at(bytes, at)?,
            other => other?,
        }
        chunks.iter_mut().for_each(|chunk| chunk.at += at);
        lock(&self.chunks).append(&mut chunks);
        Ok(())
    }

    /// The whole stream of a small image: no threads (but for a second one that shares the hashing), and the page cache
    /// takes it faster than the disk.
    fn take_small(&self, buffer: &mut AlignedBuf, len: usize) -> Result<()> {
        let mut packed = (self.compression != Compression::None).then(|| AlignedBuf::new(BUFFER));
        let (mut chunks, total) = match &mut packed {
            Some(packed) => self.pack(&buffer[..len], 0, packed),
            None => describe(buffer, len, 0),
        };
        let bytes = &packed.as_ref().unwrap_or(buffer)[..total];
        self.file.write_all_at(bytes, HEADER_LEN).map_err(|e| Error::write(&self.path, e))?;
        self.next.store(HEADER_LEN + total as u64, Ordering::Release);
        chunks.iter_mut().for_each(|chunk| chunk.at += HEADER_LEN);
        lock(&self.chunks).append(&mut chunks);
        Ok(())
    }

    /// Compresses chunk by chunk into `packed`; `at` of the answer counts from its beginning.
    fn pack(&self, bytes: &[u8], start: u64, packed: &mut AlignedBuf) -> (Vec<Chunk>, usize) {
        let mut chunks = Vec::with_capacity(BUFFER / CHUNK);
        let mut at = 0;
        for (i, bytes) in bytes.chunks(CHUNK).enumerate() {
            let (codec, stored) = match compress(self.compression, bytes, &mut packed[at..]) {
                Some(stored) => (self.compression, stored),
                None => {
                    packed[at..at + bytes.len()].copy_from_slice(bytes);
                    (Compression::None, bytes.len())
                }
            };
            let end = (at + stored).next_multiple_of(PAGE);
            packed[at + stored..end].fill(0);
            chunks.push(Chunk {
                start: start + (i * CHUNK) as u64,
                len: bytes.len() as u32,
                at: at as u64,
                stored: stored as u32,
                codec,
                digest: Sha256::digest(&packed[at..end]).into(),
            });
            at = end;
        }
        (chunks, at)
    }

    /// Sees that the file is allocated up to `end`. Only a matter of speed: where the file system cannot, or has no
    /// room for so much, the writes themselves tell.
    fn allocate(&self, end: u64) {
        let mut allocated = lock(&self.allocated);
        if end > *allocated {
            let step = ALLOCATE.max(end - *allocated);
            let done = fallocate(&self.file, FallocateFlags::empty(), *allocated as i64, step as i64);
            *allocated = if done.is_ok() { *allocated + step } else { u64::MAX };
        }
    }
}

/// The chunks of an uncompressed buffer; fills its last page with zeroes.
fn describe(buffer: &mut AlignedBuf, len: usize, start: u64) -> (Vec<Chunk>, usize) {
    let total = len.next_multiple_of(PAGE);
    buffer[len..total].fill(0);
    let one = |at: usize| {
        let stored = CHUNK.min(len - at);
        Chunk {
            start: start + at as u64,
            len: stored as u32,
            at: at as u64,
            stored: stored as u32,
            codec: Compression::None,
            digest: Sha256::digest(&buffer[at..(at + stored).next_multiple_of(PAGE)]).into(),
        }
    };
    ((0..len).step_by(CHUNK).map(one).collect(), total)
}

/// A lock outlives a panic of another thread here: what it guards is then never published.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
