use super::Context;
use crate::pod::client::Client;
use crate::pod::control::Request;
use crate::pod::{Error, registry};

/// Send a signal to one process of a pod, or to all
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// Id of the process in the pod [default: all of them]
    virtual_pid: Option<i32>,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIG", default_value = "TERM", value_parser = parse_signal)]
    signal: i32,
}

/// `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`.
fn parse_signal(text: &str) -> Result<i32, String> {
    let unknown = || format!("\"{text}\" is not a signal; `kill -l` lists those there are");
    if let Ok(number) = text.parse() {
        return if (0..=64).contains(&number) { Ok(number) } else { Err(unknown()) };
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    for (base, start) in [("RTMIN", libc::SIGRTMIN()), ("RTMAX", libc::SIGRTMAX())] {
        let Some(offset) = name.strip_prefix(base) else { continue };
        let offset: i32 = if offset.is_empty() { 0 } else { offset.parse().map_err(|_| unknown())? };
        let number = start + offset;
        return if (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number) { Ok(number) } else { Err(unknown()) };
    }
    format!("SIG{name}").parse::<nix::sys::signal::Signal>().map(|signal| signal as i32).map_err(|_| unknown())
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    registry::get(&context.roots, &args.name)?;
    if registry::running_init(&context.roots.pod(&args.name), &args.name)?.is_none() {
        return Err(Error::NotRunning(args.name).into());
    }
    let request = Request::Kill { virtual_pid: args.virtual_pid, signal: args.signal };
    Client::open(&context.roots, &args.name)?.ask(&request)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_signal;

    #[test]
    fn signals_have_many_spellings() {
        for text in ["TERM", "SIGTERM", "term", "15"] {
            assert_eq!(parse_signal(text), Ok(15), "{text}");
        }
        assert_eq!(parse_signal("RTMIN+3"), Ok(libc::SIGRTMIN() + 3));
        assert_eq!(parse_signal("rtmax-1"), Ok(63));
        for text in ["", "65", "-1", "TERMX", "RTMAX+1"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
