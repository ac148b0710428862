use super::Context;
use crate::pod::{Error, registry};
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// Show what the detached programs of a pod have printed
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// Go on showing what is printed, as long as the pod runs
    #[arg(short, long)]
    follow: bool,
    /// As JSON: one string per line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    registry::get(&context.roots, &args.name)?;
    let paths = context.roots.pod(&args.name);
    let path = paths.log();
    let mut out = Printer { json: args.json, rest: Vec::new() };
    let mut file = None;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // Before reading, so that what a program printed last is not missed.
        let running = args.follow && registry::running_init(&paths, &args.name)?.is_some();
        if file.is_none() {
            match File::open(&path) {
                Ok(opened) => file = Some(opened),
                // Nothing was printed yet.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::file("read", &path, e).into()),
            }
        }
        while let Some(file) = &mut file {
            let len = file.read(&mut buffer).map_err(|e| Error::file("read", &path, e))?;
            if len == 0 {
                break;
            }
            out.print(&buffer[..len])?;
        }
        if !running {
            return out.finish();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

struct Printer {
    json: bool,
    rest: Vec<u8>,
}

impl Printer {
    fn print(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if !self.json {
            out.write_all(bytes)?;
            return Ok(out.flush()?);
        }
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|&b| b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            writeln!(out, "{}", serde_json::to_string(&String::from_utf8_lossy(&line[..end]))?)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        if !self.rest.is_empty() {
            self.print(b"\n")?;
        }
        Ok(())
    }
}
