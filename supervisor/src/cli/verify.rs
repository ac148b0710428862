use super::table;
use crate::image::{self, ImageReader, Key};
use crate::needs::{self, Need, Records};
use crate::pod::namespaces;
use crate::pod::record::{Names, NamesChoice};
use crate::proc::Proc;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Tell whether an image is whole, and sealed with a key of yours
///
/// Ends with 0 if every byte of the file is as it was written, and with 1 and the damage if not. With --here, tells whether a restart would
/// find what it needs on this host.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image
    file: PathBuf,
    /// Key file that the image was sealed with [default: your own]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Tell what the image needs instead, and whether this host has it: 0 if it has all, 1 if not
    #[arg(long)]
    here: bool,
    /// Who shall realize the names that programs see; auto: as in the image, where possible
    #[arg(long, value_enum, default_value_t, requires = "here")]
    names: NamesChoice,
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
    if args.here {
        return here(&args, &reader);
    }
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

/// The checks are those of a restart. It can still fail: of limits, or because another program is quicker.
fn here(args: &Args, reader: &ImageReader) -> anyhow::Result<()> {
    let records = Records::read(reader)?;
    let proc = Proc::open().context("cannot open /proc")?;
    let wanted = match (args.names, records.names()) {
        (NamesChoice::Auto, Names::Shim) => NamesChoice::Shim,
        (choice, _) => choice,
    };
    let refused = if wanted == NamesChoice::Shim { None } else { namespaces::refused()? };
    let kernel_names = wanted != NamesChoice::Shim && refused.is_none();
    let mut needs = needs::of(&records, &proc, kernel_names)?;
    if let Some(reason) = refused.filter(|_| wanted == NamesChoice::Kernel) {
        let missing = Some(format!("kernel namespaces are not available here ({reason}); restart under --names shim"));
        needs.push(Need { kind: "privilege", what: "kernel namespaces of the pod's own".into(), missing });
    }
    let unmet = needs.iter().filter(|need| need.missing.is_some()).count();
    if args.json {
        println!("{:#}", serde_json::json!({ "restartable": unmet == 0, "needs": needs }));
    } else {
        let rows = needs.iter().map(|need| {
            let (word, reason) = need.missing.as_ref().map_or(("yes", ""), |reason| ("no", reason));
            vec![need.kind.to_owned(), super::inspect::printable(&need.what), word.to_owned(), super::inspect::printable(reason)]
        });
        table::print(&["NEED", "WHAT", "HERE", "WHY NOT"], &[], rows.collect());
    }
    let file = args.file.display();
    anyhow::ensure!(unmet == 0, "{file} cannot be restarted here: {unmet} of {} needs are not met", needs.len());
    Ok(())
}
