use super::Context;
use crate::pod::client;

/// Remove a pod with its log and record; images stay
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// Even if it runs: its processes are killed
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    Ok(client::remove(&context.roots, &args.name, args.force)?)
}
