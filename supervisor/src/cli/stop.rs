use super::Context;
use crate::pod::client::Client;
use crate::pod::control::Request;
use crate::pod::registry;

/// End all processes of a pod: SIGTERM, and SIGKILL for those that stay
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// Seconds between the two
    #[arg(short, long, value_name = "S", default_value_t = 10.0)]
    timeout: f64,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    registry::get(&context.roots, &args.name)?;
    if registry::running_init(&context.roots.pod(&args.name), &args.name)?.is_some() {
        Client::open(&context.roots, &args.name)?.ask(&Request::Stop { timeout: args.timeout })?;
    }
    Ok(())
}
