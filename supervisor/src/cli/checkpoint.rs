use super::progress::Bar;
use super::{Context, table};
use crate::image::Compression;
use crate::pod::client::Client;
use crate::pod::control::{Answer, Request};
use crate::pod::engine::{Report, Tcp};
use crate::pod::{Error, registry};
use anyhow::{Context as _, bail};
use std::path::PathBuf;

/// Write a pod to an image, and end its processes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// The image to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Let the pod run on
    #[arg(long)]
    leave_running: bool,
    /// How to store memory
    #[arg(long, value_enum, default_value_t)]
    compress: Compression,
    /// What to do about TCP connections to the outside
    #[arg(long, value_enum, default_value_t)]
    tcp: Tcp,
    /// Key file to seal the image with [default: your own]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// The path as the supervisor, whose working directory is another, has to be told it.
pub(super) fn absolute(path: PathBuf) -> anyhow::Result<PathBuf> {
    std::path::absolute(&path).with_context(|| format!("cannot tell where \"{}\" is", path.display()))
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    registry::get(&context.roots, &args.name)?;
    if registry::running_init(&context.roots.pod(&args.name), &args.name)?.is_none() {
        return Err(Error::NotRunning(args.name).into());
    }
    let request = Request::Checkpoint {
        image: absolute(args.output)?,
        leave_running: args.leave_running,
        compress: args.compress,
        tcp: args.tcp,
        key: args.key.map(absolute).transpose()?,
    };
    let report = ask(context, &mut Client::open(&context.roots, &args.name)?, &request)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    context.note(&format!(
        "pod \"{}\": {} processes in {}, {:.0} ms, stopped for {:.0} ms",
        args.name,
        report.virtual_pids.len(),
        table::size(report.bytes),
        report.total_ms,
        report.stopped_ms
    ));
    Ok(())
}

/// Has the supervisor do long work, and shows its progress and notes.
pub(super) fn ask(context: &Context, client: &mut Client, request: &Request) -> anyhow::Result<Report> {
    let bar = Bar::new(context.quiet);
    let answer = client.ask_with(request, &[], &mut |step| bar.show(&step));
    drop(bar);
    match answer? {
        Answer::Report(report) => {
            for note in &report.notes {
                context.note(note);
            }
            Ok(report)
        }
        other => bail!("the supervisor answered {other:?}"),
    }
}
