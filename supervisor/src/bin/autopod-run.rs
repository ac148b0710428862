//! The program `autopod-run`: see [`autopod::cli`].

fn main() -> std::process::ExitCode {
    autopod::cli::run_main()
}
