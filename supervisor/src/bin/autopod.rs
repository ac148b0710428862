//! The program `autopod`: see [`autopod::cli`].

fn main() -> std::process::ExitCode {
    autopod::cli::main()
}
