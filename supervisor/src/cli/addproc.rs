use super::Context;
use super::attach::{self, End};
use crate::pod::client::Client;
use crate::pod::control::{Answer, Bytes, Request, Spawn};
use crate::pod::record::parse_variable;
use anyhow::{Context as _, bail};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Start a program in a pod, and print its id there
///
/// It runs detached, its output goes to the pod's log (see `autopod logs`), unless -i or -t is given: then its exit
/// status becomes that of this command.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// Attached: it reads, writes and is signalled through this command
    #[arg(short, long, conflicts_with = "terminal")]
    interactive: bool,
    /// Attached through a terminal of its own
    #[arg(short, long)]
    terminal: bool,
    #[command(flatten)]
    variables: Variables,
    /// Run it even where the shim cannot be preloaded into it: with the host's names
    #[arg(long)]
    allow_unshimmed: bool,
    #[command(flatten)]
    program: Program,
}

/// A program and how it is started.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Program {
    /// Run it as this user (root's pods only)
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Its working directory [default: the present one]
    #[arg(long, value_name = "D")]
    cwd: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Program {
    /// The request to start it, with these variables beyond the pod's.
    pub(super) fn request(self, env: Vec<(OsString, OsString)>) -> anyhow::Result<Spawn> {
        let bytes = |text: OsString| Bytes(text.into_vec());
        let cwd = match self.cwd {
            Some(dir) => super::checkpoint::absolute(dir)?,
            None => std::env::current_dir().context("the present directory is gone; choose another with --cwd")?,
        };
        // There is no other way to read it but to set it.
        let umask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
        nix::sys::stat::umask(umask);
        Ok(Spawn {
            argv: self.command.into_iter().map(bytes).collect(),
            env: env.into_iter().map(|(key, value)| (bytes(key), bytes(value))).collect(),
            cwd,
            umask: umask.bits(),
            user: self.user,
            attached: false,
            terminal: false,
            allow_unshimmed: false,
        })
    }
}

/// Variables of single programs, for verbs whose pod exists.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Variables {
    /// Variable that the program gets beyond the pod's
    #[arg(long = "env", short = 'e', value_name = "K=V", value_parser = parse_variable)]
    env: Vec<(String, String)>,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<u8> {
    let mut client = Client::open(&context.roots, &args.name)?;
    let mut spawn = args.program.request(args.variables.env.into_iter().map(|(k, v)| (k.into(), v.into())).collect())?;
    spawn.allow_unshimmed = args.allow_unshimmed;
    if args.interactive || args.terminal {
        return match attach::run(context, client, &args.name, spawn, args.terminal)? {
            End::Exited(exit) => Ok(exit.code() as u8),
            End::Checkpointed(image) => {
                context.note(&format!("pod \"{}\" has been checkpointed to {}", args.name, image.display()));
                Ok(0)
            }
        };
    }
    match client.ask(&Request::Spawn(spawn))? {
        Answer::Spawned(spawned) => {
            spawned.warning.iter().for_each(|warning| context.note(warning));
            println!("{}", spawned.virtual_pid);
            Ok(0)
        }
        other => bail!("the supervisor of pod \"{}\" answered {other:?}", args.name),
    }
}
