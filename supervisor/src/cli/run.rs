use super::add::{PodOptions, create};
use super::addproc::Program;
use super::attach::{self, End};
use super::{Context, Global};
use crate::pod::client::{self, Client};
use std::ffi::OsString;
use std::io::IsTerminal;

/// Runs one command in a pod of its own, in the foreground.
///
/// Terminal and signals are passed on, and its exit status is that of this command (128 plus the signal that killed it).
/// The pod ends with it, and what else still runs in it is killed, unless --keep is given or the pod was checkpointed
/// meanwhile.
#[derive(Debug, clap::Parser)]
#[command(name = "autopod-run", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    /// Name of the pod [default: run- and the id of this process]
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// Leave the pod with what still runs in it when the command ends
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    options: PodOptions,
    #[command(flatten)]
    program: Program,
}

pub(super) fn run(context: &Context, cli: Cli) -> anyhow::Result<u8> {
    let name = match cli.pod {
        Some(name) => name,
        None => format!("run-{}", std::process::id()),
    };
    let mut env = environment();
    env.extend(cli.options.env().iter().map(|(key, value)| (key.into(), value.into())));
    let spawn = cli.program.request(env)?;
    create(context, &name, cli.options)?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let outcome = Client::open(&context.roots, &name)
        .map_err(Into::into)
        .and_then(|client| attach::run(context, client, &name, spawn, terminal));
    match outcome {
        Ok(End::Exited(exit)) => {
            if !cli.keep {
                client::remove(&context.roots, &name, true)?;
            }
            Ok(exit.code() as u8)
        }
        Ok(End::Checkpointed(image)) => {
            context.note(&format!(
                "pod \"{name}\" has been checkpointed; `autopod restart {name} -i {}` brings it back",
                image.display()
            ));
            Ok(0)
        }
        Err(e) => {
            // What was not started, or cannot be followed any more, leaves nothing behind.
            let _ = client::remove(&context.roots, &name, true);
            Err(e)
        }
    }
}

/// The caller's environment, as users expect of a command in the foreground; without what makes a program a pod's.
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(key, _)| key != "AUTOPOD_POD" && key != "AUTOPOD_TABLE").collect()
}
