use super::{Context, table};
use crate::pod::client::Client;
use crate::pod::control::{Answer, Request};
use crate::pod::registry;
use anyhow::bail;

/// Show the processes of a pod
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    registry::get(&context.roots, &args.name)?;
    let running = registry::running_init(&context.roots.pod(&args.name), &args.name)?.is_some();
    let members = match running {
        // A stopped pod has none, and needs no supervisor to say so.
        false => Vec::new(),
        true => match Client::open(&context.roots, &args.name)?.ask(&Request::Ps)? {
            Answer::Processes(members) => members,
            other => bail!("the supervisor of pod \"{}\" answered {other:?}", args.name),
        },
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&members)?);
        return Ok(());
    }
    let rows = members.into_iter().map(|member| {
        vec![
            member.virtual_pid.to_string(),
            member.virtual_ppid.to_string(),
            member.state.to_string(),
            member.threads.to_string(),
            table::size(member.rss),
            table::duration(member.cpu_ms / 1000),
            member.command,
        ]
    });
    let right = ["VPID", "PPID", "THREADS", "RSS", "TIME"];
    table::print(&["VPID", "PPID", "STATE", "THREADS", "RSS", "TIME", "COMMAND"], &right, rows.collect());
    Ok(())
}
