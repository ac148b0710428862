use super::Context;
use super::checkpoint::{absolute, ask};
use crate::pod::client::Client;
use crate::pod::control::Request;
use crate::pod::record::NamesChoice;
use std::path::PathBuf;

/// Bring a pod back from an image
///
/// The pod need not be known on this host. If it is, it must not be running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// The image
    #[arg(short, long, value_name = "FILE")]
    image: PathBuf,
    /// Who realizes the names that programs see; auto: as in the image, where possible
    #[arg(long, value_enum, default_value_t)]
    names: NamesChoice,
    /// Key file that the image was sealed with [default: your own]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The root of the pod's file tree on this host [default: as in the image]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let request = Request::Restart {
        image: absolute(args.image)?,
        names: args.names,
        key: args.key.map(absolute).transpose()?,
        root: args.root.map(absolute).transpose()?,
    };
    let report = ask(context, &mut Client::open_unknown(&context.roots, &args.name)?, &request)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    context.note(&format!("pod \"{}\": {} processes back in {:.0} ms", args.name, report.virtual_pids.len(), report.total_ms));
    Ok(())
}
