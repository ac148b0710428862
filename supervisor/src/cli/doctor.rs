use super::{Context, table};
use crate::walls::host::{self, Finding, Standing};
use serde::Serialize;

/// Tell what this host allows, and what the walls of a pod that is made now stand on
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Diagnosis {
    host: Vec<Finding>,
    names: crate::pod::record::Names,
    walls: Vec<Standing>,
}

pub(super) fn run(_: &Context, args: Args) -> anyhow::Result<()> {
    let host = host::findings();
    let (names, walls) = host::standings(&host);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&Diagnosis { host, names, walls })?);
        return Ok(());
    }
    let word = |yes: bool, no: &str| if yes { "yes".to_owned() } else { no.to_owned() };
    let rows = host.into_iter().map(|finding| vec![finding.what.to_owned(), word(finding.there, "no"), finding.how]).collect();
    table::print(&["HOST", "ALLOWED", "HOW"], &[], rows);
    println!();
    println!("A pod made now has its names from: {names}. Its walls, with --profile default:");
    println!();
    let rows = walls.into_iter().map(|wall| vec![wall.wall.to_owned(), word(wall.stands, "OPEN"), wall.on]).collect();
    table::print(&["WALL", "STANDS", "ON"], &[], rows);
    Ok(())
}
