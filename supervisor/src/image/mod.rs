//! PLACEHOLDER API until the real image module lands.
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot write or read the image: {0}")]
    Io(#[from] std::io::Error),
    #[error("cannot encode the image: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("cannot decode the image: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
}
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunRef {
    pub start: u64,
    pub len: u64,
}

#[derive(Default)]
pub struct ManifestBuilder {
    sections: BTreeMap<String, Vec<u8>>,
}
impl ManifestBuilder {
    pub fn section<T: Serialize + ?Sized>(&mut self, name: &str, records: &T) -> Result<()> {
        self.sections.insert(name.into(), rmp_serde::to_vec_named(records)?);
        Ok(())
    }
}

pub struct ImageWriter {
    path: PathBuf,
    data: Vec<u8>,
}
impl ImageWriter {
    pub fn create(path: &Path) -> Result<ImageWriter> {
        Ok(ImageWriter { path: path.into(), data: Vec::new() })
    }
    pub fn put(&mut self, data: &[u8]) -> Result<RunRef> {
        let start = self.data.len() as u64;
        self.data.extend_from_slice(data);
        Ok(RunRef { start, len: data.len() as u64 })
    }
    pub fn finish(self, manifest: ManifestBuilder) -> Result<u64> {
        let all = rmp_serde::to_vec_named(&(manifest.sections, serde_bytes::ByteBuf::from(self.data)))?;
        std::fs::write(&self.path, &all)?;
        Ok(all.len() as u64)
    }
}

pub struct Manifest {
    sections: BTreeMap<String, Vec<u8>>,
}
impl Manifest {
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        Ok(self.sections.get(name).map(|bytes| rmp_serde::from_slice(bytes)).transpose()?)
    }
}

pub struct ImageReader {
    data: Vec<u8>,
}
impl ImageReader {
    pub fn open(path: &Path) -> Result<(ImageReader, Manifest)> {
        let (sections, data): (BTreeMap<String, Vec<u8>>, serde_bytes::ByteBuf) = rmp_serde::from_slice(&std::fs::read(path)?)?;
        Ok((ImageReader { data: data.into_vec() }, Manifest { sections }))
    }
    pub fn get(&self, run: &RunRef) -> Result<Vec<u8>> {
        Ok(self.data[run.start as usize..][..run.len as usize].to_vec())
    }
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        buffer.copy_from_slice(&self.data[start as usize..][..buffer.len()]);
        Ok(())
    }
}
