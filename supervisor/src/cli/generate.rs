use clap::ValueEnum;
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// Write man pages or shell completions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_enum)]
    what: What,
    /// The directory to write them to; made if missing
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// autopod.1, autopod-run.1, and one page per verb
    Man,
    /// For bash, zsh, fish, elvish and PowerShell
    Completions,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.dir).map_err(|e| crate::pod::Error::file("make the directory", &args.dir, e))?;
    for mut command in super::commands() {
        match args.what {
            What::Man => man(&command, &args.dir)?,
            What::Completions => {
                let name = command.get_name().to_owned();
                for &shell in Shell::value_variants() {
                    clap_complete::generate_to(shell, &mut command, &name, &args.dir)?;
                }
            }
        }
    }
    Ok(())
}

fn man(command: &clap::Command, dir: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(command.clone().disable_help_subcommand(true), dir)?;
    Ok(())
}
