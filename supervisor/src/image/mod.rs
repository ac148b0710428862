//! The image: one sealed file that holds a checkpointed pod. docs/image-format.md tells the format byte by byte.
//!
//! Writing: [`ImageWriter::create`], then any number of [`ImageWriter::put`] (blobs) and [`ImageWriter::begin_run`] (pages), each
//! answered by a [`RunRef`] to be kept in a record; the records go into a [`ManifestBuilder`] as named sections;
//! [`ImageWriter::finish`] seals. Reading: [`ImageReader::open`] verifies the seal before it decodes anything, then
//! [`ImageReader::manifest`], [`ImageReader::read`] and [`ImageReader::stream`].

mod codec;
mod error;
mod format;
mod key;
mod manifest;
mod reader;
mod target;
mod writer;

pub use codec::Compression;
pub use error::{Error, Result};
pub use format::{ARCH, CHUNK, FORMAT_VERSION, arch_name};
pub use key::{Key, KeyError, Secret};
pub use manifest::{Manifest, ManifestBuilder, RunRef};
pub use reader::{ImageReader, Verified, sealed_with};
pub use target::{Target, Unnamed, sweep};
pub use writer::{BUFFER, ImageWriter, Publish, Run, Summary};

#[cfg(test)]
mod tests;
