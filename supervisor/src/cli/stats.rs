use super::{Context, table};
use crate::pod::client::Client;
use crate::pod::control::{Answer, Request, Stats};
use crate::pod::registry;
use anyhow::bail;

/// Show what a pod uses
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let record = registry::get(&context.roots, &args.name)?;
    let running = registry::running_init(&context.roots.pod(&args.name), &args.name)?.is_some();
    let stats = match running {
        false => Stats {
            name: args.name,
            names: record.names,
            processes: 0,
            threads: 0,
            rss: 0,
            cpu_ms: 0,
            uptime: 0,
            limits: Vec::new(),
        },
        true => match Client::open(&context.roots, &args.name)?.ask(&Request::Stats)? {
            Answer::Stats(stats) => stats,
            other => bail!("the supervisor of pod \"{}\" answered {other:?}", args.name),
        },
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&stats)?);
        return Ok(());
    }
    let limits = stats.limits;
    let header = ["NAME", "NAMES", "PROCESSES", "THREADS", "RSS", "CPU", "UPTIME"];
    let row = vec![
        stats.name,
        stats.names.to_string(),
        stats.processes.to_string(),
        stats.threads.to_string(),
        table::size(stats.rss),
        format!("{:.2} s", stats.cpu_ms as f64 / 1000.0),
        table::duration(stats.uptime),
    ];
    table::print(&header, &["PROCESSES", "THREADS", "RSS", "CPU", "UPTIME"], vec![row]);
    limits.iter().for_each(|limit| println!("limit: {limit}"));
    Ok(())
}
