//! The manifest: named sections of records, and the table of chunks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::Compression;
use super::error::{Error, Result};

/// A stretch of the image's stream of bytes: pages or a blob. Positions count uncompressed bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunRef {
    pub start: u64,
    pub len: u64,
}

impl RunRef {
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The part of the run from `offset` on, `len` bytes long; clamped to the run.
    #[must_use]
    pub fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self { start: self.start.saturating_add(offset), len: len.min(self.len - offset) }
    }
}

/// One chunk as stored: the digest is over the stored bytes and the zeroes that fill their last page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// Where its bytes begin in the uncompressed stream.
    pub(super) start: u64,
    /// Uncompressed length.
    pub(super) len: u32,
    /// Where it begins in the file; page aligned.
    pub(super) at: u64,
    /// Length in the file, without the fill.
    pub(super) stored: u32,
    pub(super) codec: Compression,
    #[serde(with = "serde_bytes")]
    pub(super) digest: [u8; 32],
}

#[derive(Debug, Serialize, Deserialize)]
struct Encoded {
    /// Program and version that made the image; for people.
    maker: String,
    /// When the image was sealed, in seconds since the epoch; 0 if the maker did not say.
    #[serde(default)]
    created: u64,
    chunks: Vec<Chunk>,
    /// Each section is MessagePack again, so that it is decoded only by who knows it.
    sections: BTreeMap<String, ByteBuf>,
}

/// Collects the records of a checkpoint.
#[derive(Debug, Default)]
pub struct ManifestBuilder {
    sections: BTreeMap<String, ByteBuf>,
}

impl ManifestBuilder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the section `name`. Fields are stored by name, so that later versions can add some (with a serde default).
    ///
    /// # Errors
    /// When the records cannot be encoded: a map with keys that are no plain values, for example.
    pub fn section<T: Serialize + ?Sized>(&mut self, name: &str, records: &T) -> Result<()> {
        let bytes = rmp_serde::to_vec_named(records).map_err(|e| Error::Encode { name: name.into(), reason: e.to_string() })?;
        self.sections.insert(name.into(), ByteBuf::from(bytes));
        Ok(())
    }

    pub(super) fn encode(self, chunks: Vec<Chunk>) -> Result<Vec<u8>> {
        let maker = concat!("autopod ", env!("CARGO_PKG_VERSION")).into();
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        rmp_serde::to_vec_named(&Encoded { maker, created, chunks, sections: self.sections })
            .map_err(|e| Error::Encode { name: "manifest".into(), reason: e.to_string() })
    }
}

/// The verified manifest of an image. Clones share the records.
#[derive(Debug, Clone)]
pub struct Manifest {
    maker: String,
    created: u64,
    sections: Arc<BTreeMap<String, ByteBuf>>,
}

impl Manifest {
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, Vec<Chunk>), String> {
        let Encoded { maker, created, chunks, sections } = rmp_serde::from_slice(bytes).map_err(|e| e.to_string())?;
        Ok((Self { maker, created, sections: Arc::new(sections) }, chunks))
    }

    /// The records of section `name`; None when the image has no such section.
    ///
    /// # Errors
    /// When the records have another shape than `T`.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.sections.get(name) else { return Ok(None) };
        rmp_serde::from_slice(bytes).map(Some).map_err(|e| Error::Section { name: name.into(), reason: e.to_string() })
    }

    pub fn section_names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// The section as it is stored: MessagePack.
    #[must_use]
    pub fn section_bytes(&self, name: &str) -> Option<&[u8]> {
        self.sections.get(name).map(|b| b.as_slice())
    }

    /// Sections of the image that are not among `known`. A restart refuses them: what they hold would be lost.
    #[must_use]
    pub fn unknown_sections(&self, known: &[&str]) -> Vec<&str> {
        self.section_names().filter(|name| !known.contains(name)).collect()
    }

    /// When the image was sealed, in seconds since the epoch; 0 if the maker did not say.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The program that made the image, with its version.
    #[must_use]
    pub fn maker(&self) -> &str {
        &self.maker
    }
}
