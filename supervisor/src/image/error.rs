use std::io;
use std::path::PathBuf;

use super::format::{FORMAT_VERSION, arch_name};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be wrong with an image, or with writing one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the image {path}: {source}; check the path and your permission to read it")]
    Open { path: PathBuf, source: io::Error },

    #[error("{path} is not an AutoPod image: {what}; give the file that `autopod checkpoint -o` wrote")]
    NotAnImage { path: PathBuf, what: &'static str },

    #[error("the image {path} is cut off: it has {found} bytes of {expected}; copy it again from where it was made")]
    Truncated { path: PathBuf, found: u64, expected: u64 },

    #[error("the image {path} has format {found}, and this AutoPod reads formats up to {FORMAT_VERSION}; use a newer AutoPod")]
    NewerFormat { path: PathBuf, found: u32 },

    #[error("the image {path} was made on {}, and this is {}; restart it on a machine of its own kind",
            arch_name(*.found), arch_name(*.here))]
    OtherArch { path: PathBuf, found: u32, here: u32 },

    #[error(
        "the image {path} was sealed with the key {image_key}, and the key here is {our_key}; \
             bring the other key with `autopod key export` there and `autopod key import` here"
    )]
    WrongKey { path: PathBuf, image_key: String, our_key: String },

    #[error("the image {path} is damaged or was tampered with: {what}; use another copy of it")]
    Damaged { path: PathBuf, what: String },

    #[error(
        "the image {path} holds a section \"{name}\" which this AutoPod does not know; use the version that made it, or a newer one"
    )]
    UnknownSection { path: PathBuf, name: String },

    #[error(
        "the section \"{name}\" of the image does not decode: {reason}; it was made by another version of AutoPod, use that one"
    )]
    Section { name: String, reason: String },

    #[error("the records of section \"{name}\" cannot be encoded: {reason}")]
    Encode { name: String, reason: String },

    #[error(
        "an image record points to bytes {start}..{end}, and the image holds only {held}; it was made by another version of AutoPod"
    )]
    OutOfRange { start: u64, end: u64, held: u64 },

    #[error("cannot write the image {path}: the disk is full; free some space or choose another place with -o")]
    DiskFull { path: PathBuf },

    #[error("cannot write the image {path}: {source}; choose another place with -o")]
    Write { path: PathBuf, source: io::Error },

    #[error("cannot read the image {path}: {source}")]
    Read { path: PathBuf, source: io::Error },

    /// The sink of [`super::ImageReader::stream`] failed.
    #[error(transparent)]
    Sink(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(super) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull { path },
            _ => Self::Write { path, source },
        }
    }
}
