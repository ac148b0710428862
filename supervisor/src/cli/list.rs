use super::{Context, table};
use crate::pod::record::PodRecord;
use crate::pod::{members, registry};
use serde::Serialize;

/// Show all pods
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    record: PodRecord,
    state: &'static str,
    processes: usize,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for record in registry::all(&context.roots)? {
        // From files and /proc: listing must not start supervisors.
        let init = registry::running_init(&context.roots.pod(&record.name), &record.name).unwrap_or_default();
        let processes = init.as_ref().map_or(0, |init| members::descendants(init.pid).len());
        let state = match (&init, &record.checkpointed) {
            (Some(_), _) if processes > 0 => "running",
            (Some(_), _) => "empty",
            (None, Some(_)) => "checkpointed",
            (None, None) => "stopped",
        };
        rows.push(Row { record, state, processes });
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let rows = rows.into_iter().map(|row| {
        let image = row.record.checkpointed.map(|c| c.image.display().to_string()).unwrap_or_default();
        vec![
            row.record.name,
            row.state.to_owned(),
            row.processes.to_string(),
            row.record.names.to_string(),
            row.record.hostname,
            row.record.view.map(|view| view.root.display().to_string()).unwrap_or_default(),
            image,
        ]
    });
    table::print(&["NAME", "STATE", "PROCESSES", "NAMES", "HOSTNAME", "ROOT", "IMAGE"], &["PROCESSES"], rows.collect());
    Ok(())
}
