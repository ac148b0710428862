use super::Context;
use crate::image::{Key, KeyError};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Show, export or import the key that seals your images
///
/// Whoever has the key can make images that you would restart: hand it on as you would a password.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Tell where your key lies and its fingerprint; never the key itself
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write your key to a file that only you can read
    Export {
        /// The file to write; it must not exist
        #[arg(required_unless_present = "stdout", conflicts_with = "stdout")]
        file: Option<PathBuf>,
        /// Write the key to standard output
        #[arg(long)]
        stdout: bool,
    },
    /// Make the key in a file yours
    Import {
        /// What `autopod key export` wrote; - for standard input
        file: PathBuf,
        /// Even if you have another: images sealed with that cannot be read any more
        #[arg(short, long)]
        force: bool,
    },
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::Show { json } => show(json),
        Verb::Export { file: Some(file), .. } => export(context, &file),
        Verb::Export { file: None, .. } => {
            let key = Key::load()?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", key.export().as_str())?;
            Ok(out.flush()?)
        }
        Verb::Import { file, force } => import(context, &file, force),
    }
}

fn show(json: bool) -> anyhow::Result<()> {
    let path = Key::location()?;
    let key = Key::load()?;
    if json {
        println!("{:#}", serde_json::json!({ "path": path, "fingerprint": key.fingerprint() }));
    } else {
        println!("{}  {}", key.fingerprint(), path.display());
    }
    Ok(())
}

fn export(context: &Context, path: &Path) -> anyhow::Result<()> {
    let key = Key::load()?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("cannot export the key to {}: there is such a file already; choose another name", path.display())
        }
        _ => anyhow::anyhow!("cannot export the key to {}: {e}; choose another place", path.display()),
    })?;
    let written = writeln!(file, "{}", key.export().as_str()).and_then(|()| file.sync_all());
    if let Err(e) = written {
        // half a key is of no use to anybody
        let _ = std::fs::remove_file(path);
        bail!("cannot export the key to {}: {e}; choose another place", path.display());
    }
    context.note(&format!(
        "the key {} is in {}; whoever reads it can make images in your name",
        key.fingerprint(),
        path.display()
    ));
    Ok(())
}

fn import(context: &Context, path: &Path, force: bool) -> anyhow::Result<()> {
    let stdin = path.as_os_str() == "-";
    let shown = if stdin { "standard input".to_owned() } else { path.display().to_string() };
    // more than a key, so that what goes on after one is noticed
    const LIMIT: u64 = 4096;
    let mut text = zeroize::Zeroizing::new(String::with_capacity(LIMIT as usize));
    let read = if stdin {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text))
    };
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => return Err(KeyError::Malformed { from: shown }.into()),
        other => other.with_context(|| format!("cannot read the key from {shown}"))?,
    };
    let key = Key::parse(&text, &shown)?;
    let place = Key::location()?;
    key.store(&place, force)?;
    context.note(&format!("the key {} is yours now, in {}", key.fingerprint(), place.display()));
    Ok(())
}
