use super::table;
use crate::image::{self, ImageReader, Key};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Tell whether an image is whole, and sealed with a key of yours
///
/// Ends with 0 if every byte of the file is as it was written, and with 1 and the damage if not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image
    file: PathBuf,
    /// Key file that the image was sealed with [default: your own]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// Opens an image, whose seal is verified then. What is wrong with the file comes before what is wrong with the key.
pub(super) fn open(file: &Path, key: Option<&Path>) -> anyhow::Result<ImageReader> {
    let sealed_with = image::sealed_with(file)?;
    let key = key
        .map_or_else(Key::load, Key::load_from)
        .with_context(|| format!("the image {} is sealed with the key {sealed_with}", file.display()))?;
    Ok(ImageReader::open(file, &key)?)
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let reader = open(&args.file, args.key.as_deref())?;
    let found = reader.verify_all()?;
    let key = reader.key_fingerprint();
    if args.json {
        let report = serde_json::json!({ "whole": true, "bytes": found.bytes, "chunks": found.chunks, "key": key });
        println!("{report:#}");
        return Ok(());
    }
    let (size, chunks) = (table::size(found.bytes), found.chunks);
    println!("{} is whole: {size}, {chunks} chunks, sealed with the key {key}", args.file.display());
    Ok(())
}
