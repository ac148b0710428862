//! The command line: one file per verb, each an `Args` and a `run`. Help, man pages and completions derive from `Args`.
use crate::pod::paths::Roots;
use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;

mod add;
mod addproc;
mod attach;
mod attach_verb;
mod barrier;
mod checkpoint;
mod doctor;
mod generate;
mod inspect;
mod key;
mod kill;
mod list;
mod logs;
mod progress;
mod ps;
mod restart;
mod rm;
mod run;
mod stats;
mod stop;
mod table;
mod verify;

/// Keeps groups of unmodified programs in pods, writes a whole pod to an image, and brings it back from there.
#[derive(Debug, Parser)]
#[command(name = "autopod", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of all verbs.
#[derive(Debug, Clone, ClapArgs)]
pub struct Global {
    /// Tell more; twice, still more (RUST_LOG chooses precisely)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Tell nothing but errors and what was asked for
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(add::Args),
    Addproc(addproc::Args),
    Attach(attach_verb::Args),
    List(list::Args),
    Ps(ps::Args),
    Logs(logs::Args),
    Stats(stats::Args),
    Kill(kill::Args),
    Checkpoint(checkpoint::Args),
    Restart(restart::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Key(key::Args),
    Stop(stop::Args),
    Rm(rm::Args),
    Barrier(barrier::Args),
    Doctor(doctor::Args),
    Generate(generate::Args),
    /// Becomes a pod's supervisor; started by the other verbs
    #[command(hide = true)]
    Supervise {
        name: String,
    },
    /// Serves a pod's file tree; started by supervisors
    #[command(hide = true)]
    ServeView,
    /// Serves the barrier directory; started by `barrier`
    #[command(hide = true)]
    ServeBarrier {
        #[arg(value_parser = ["first", "next"])]
        part: String,
    },
    /// Does one checkpoint or restart; started by supervisors
    #[command(hide = true)]
    Engine {
        #[arg(value_parser = ["checkpoint", "restart", "section", "changes"])]
        verb: String,
    },
}

/// What a verb may need of its surroundings.
#[derive(Debug)]
struct Context {
    roots: Roots,
    quiet: bool,
}

impl Context {
    fn new(global: &Global) -> Self {
        Self { roots: Roots::of_caller(), quiet: global.quiet }
    }

    /// A remark beside what was asked for.
    fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("autopod: {text}");
        }
    }
}

/// The program `autopod`.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let in_background =
        matches!(cli.verb, Verb::Supervise { .. } | Verb::ServeView | Verb::ServeBarrier { .. } | Verb::Engine { .. });
    start_logging(&cli.global, in_background);
    let context = Context::new(&cli.global);
    // What the caller has open is neither for supervisors nor for pods.
    crate::sys::launch::close_on_exec_from(3);
    if !in_background {
        crate::sys::launch::die_of_closed_pipes();
    }
    let outcome = match cli.verb {
        Verb::Add(args) => add::run(&context, args),
        Verb::Addproc(args) => return finish(addproc::run(&context, args)),
        Verb::Attach(args) => return finish(attach_verb::run(&context, args)),
        Verb::List(args) => list::run(&context, args),
        Verb::Ps(args) => ps::run(&context, args),
        Verb::Logs(args) => logs::run(&context, args),
        Verb::Stats(args) => stats::run(&context, args),
        Verb::Kill(args) => kill::run(&context, args),
        Verb::Checkpoint(args) => checkpoint::run(&context, args),
        Verb::Restart(args) => restart::run(&context, args),
        Verb::Verify(args) => verify::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Key(args) => key::run(&context, args),
        Verb::Stop(args) => stop::run(&context, args),
        Verb::Rm(args) => rm::run(&context, args),
        Verb::Barrier(args) => return finish(barrier::run(&context, args)),
        Verb::Doctor(args) => doctor::run(&context, args),
        Verb::Generate(args) => generate::run(args),
        Verb::Supervise { name } => crate::pod::begin::run(&name).map_err(Into::into),
        Verb::ServeView => crate::view::keeper::serve(),
        Verb::ServeBarrier { part } => crate::barrier::serve(&part),
        Verb::Engine { verb } => crate::pod::run_engine(&verb).map_err(Into::into),
    };
    finish(outcome.map(|()| 0))
}

/// The program `autopod-run`.
pub fn run_main() -> ExitCode {
    // Supervisors and engines are started from whichever of the two programs is at hand, under this name.
    if std::env::args_os().next().is_some_and(|name| name == "autopod") {
        return main();
    }
    let cli = run::Cli::parse();
    start_logging(&cli.global, false);
    let context = Context::new(&cli.global);
    crate::sys::launch::close_on_exec_from(3);
    finish(run::run(&context, cli))
}

/// The grammars of all programs, for man pages and completions.
fn commands() -> [clap::Command; 2] {
    [Cli::command(), run::Cli::command()]
}

/// Exit status: the given one, or 1 with a sentence. 2 is clap's, for a command line that cannot be understood.
fn finish(outcome: anyhow::Result<u8>) -> ExitCode {
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            eprintln!("autopod: {}", sentence(&e));
            ExitCode::from(1)
        }
    }
}

/// The error with its causes, each told once: many name theirs themselves.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

fn start_logging(global: &Global, in_background: bool) {
    use tracing_subscriber::filter::{EnvFilter, LevelFilter};
    let level = match (global.quiet, global.verbose) {
        _ if in_background => LevelFilter::INFO,
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    // In a supervisor's log the time matters; on a command line it is now.
    let _ = if in_background { log.try_init() } else { log.without_time().with_target(false).try_init() };
}
