//! The fixed parts of an image file: header and seal.

use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::error::{Error, Result};
use super::key::Key;
use crate::sys::buffer::PAGE;

/// First bytes of every image. The line feed and the byte above 127 show a transfer in text mode.
pub(super) const MAGIC: [u8; 8] = *b"AutoPod\n";
/// Raised when a reader of the format before could misunderstand an image.
pub const FORMAT_VERSION: u32 = 1;
/// Uncompressed length of a chunk, the unit of compression and of verification; the last of a stretch may be shorter.
pub const CHUNK: usize = 1 << 20;
pub(super) const HEADER_LEN: u64 = PAGE as u64;
pub(super) const SEAL_LEN: u64 = 32;
/// A manifest longer than this is refused before memory is allocated for it.
const MANIFEST_MAX: u64 = 1 << 30;

/// The architecture of this build, as ELF's e_machine.
pub const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    0
};

/// A name for people; unknown numbers are named by their number.
#[must_use]
pub fn arch_name(arch: u32) -> String {
    match arch {
        62 => "x86_64".into(),
        183 => "aarch64".into(),
        other => format!("architecture {other}"),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) arch: u32,
    pub(super) key_id: [u8; 8],
    /// Where the manifest begins; the chunks fill everything between the header and it.
    pub(super) manifest_at: u64,
    pub(super) manifest_len: u64,
    /// Length of the uncompressed stream of all chunks.
    pub(super) stream_len: u64,
}

impl Header {
    pub(super) fn file_len(&self) -> u64 {
        self.manifest_at + self.manifest_len + SEAL_LEN
    }

    /// Little endian throughout; the rest of the page is zero.
    pub(super) fn encode(&self) -> [u8; PAGE] {
        let mut out = [0; PAGE];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&self.version.to_le_bytes());
        out[12..16].copy_from_slice(&self.arch.to_le_bytes());
        out[16..24].copy_from_slice(&self.key_id);
        out[24..32].copy_from_slice(&self.manifest_at.to_le_bytes());
        out[32..40].copy_from_slice(&self.manifest_len.to_le_bytes());
        out[40..48].copy_from_slice(&self.stream_len.to_le_bytes());
        out
    }

    /// Checks all that can be checked without the key, in the order in which it can be told apart: `bytes` are the
    /// first bytes of a file of `file_len` bytes.
    pub(super) fn decode(bytes: &[u8], file_len: u64, path: &Path) -> Result<Self> {
        let path = || path.to_path_buf();
        let magic = &bytes[..bytes.len().min(8)];
        if magic.is_empty() {
            return Err(Error::NotAnImage { path: path(), what: "it is empty" });
        }
        if *magic != MAGIC[..magic.len()] {
            return Err(Error::NotAnImage { path: path(), what: "it does not begin with the image magic" });
        }
        if (bytes.len() as u64) < HEADER_LEN {
            return Err(Error::Truncated { path: path(), found: file_len, expected: HEADER_LEN });
        }
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let header = Self {
            version: u32_at(8),
            arch: u32_at(12),
            key_id: bytes[16..24].try_into().expect("eight bytes"),
            manifest_at: u64_at(24),
            manifest_len: u64_at(32),
            stream_len: u64_at(40),
        };
        if header.version > FORMAT_VERSION {
            return Err(Error::NewerFormat { path: path(), found: header.version });
        }
        if header.arch != ARCH {
            return Err(Error::OtherArch { path: path(), found: header.arch, here: ARCH });
        }
        let damaged = |what: &str| Error::Damaged { path: path(), what: what.into() };
        if header.version == 0 {
            return Err(damaged("its format number is zero"));
        }
        if header.manifest_at < HEADER_LEN || header.manifest_at % PAGE as u64 != 0 || header.manifest_len > MANIFEST_MAX {
            return Err(damaged("its header gives an impossible place for the manifest"));
        }
        let expected = header
            .manifest_at
            .checked_add(header.manifest_len + SEAL_LEN)
            .ok_or_else(|| damaged("its header gives an impossible length"))?;
        if file_len < expected {
            return Err(Error::Truncated { path: path(), found: file_len, expected });
        }
        if file_len > expected {
            return Err(damaged(&format!("it is {} bytes longer than its header says", file_len - expected)));
        }
        Ok(header)
    }
}

/// HMAC-SHA256 over the header page and the manifest.
pub(super) fn seal(key: &Key, header: &[u8], manifest: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.mac();
    mac.update(header);
    mac.update(manifest);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn header_round_trip(pages in 1u64..1 << 30, manifest_len in 0u64..MANIFEST_MAX, stream_len: u64, key_id: [u8; 8]) {
            let header = Header { version: 1, arch: ARCH, key_id, manifest_at: pages * PAGE as u64, manifest_len, stream_len };
            let bytes = header.encode();
            prop_assert_eq!(Header::decode(&bytes, header.file_len(), Path::new("x")).unwrap(), header);
        }

        #[test]
        fn any_header_is_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..5000), len: u64) {
            let mut with_magic = bytes.clone();
            let _ = Header::decode(&bytes, len, Path::new("x"));
            let n = with_magic.len().min(8);
            with_magic[..n].copy_from_slice(&MAGIC[..n]);
            let _ = Header::decode(&with_magic, len, Path::new("x"));
        }
    }
}
