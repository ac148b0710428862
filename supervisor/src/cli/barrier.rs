use super::Context;
use crate::barrier::{self, State};

/// Serve the barrier directory: the roots of all pods, for who administers them, and for no process of a pod
///
/// It is /autopod for root. NAME/root in it leads to the root of the pod NAME; or mount a tree there, and a pod that is made afterwards
/// has it as its root.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Unmount it
    #[arg(long, conflicts_with = "status")]
    stop: bool,
    /// Tell whether it is served; the exit status is 1 if it is not
    #[arg(long)]
    status: bool,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<u8> {
    let directory = context.roots.barrier();
    let shown = directory.display();
    if args.stop {
        barrier::stop(&context.roots)?;
        return Ok(0);
    }
    if args.status {
        let state = barrier::state(&directory);
        match state {
            State::Served => println!("{shown} is served"),
            State::Absent => println!("{shown} is not served"),
            State::Dead => println!("{shown} is mounted, and nobody serves it; `autopod barrier` mounts it anew"),
        }
        return Ok(u8::from(state != State::Served));
    }
    if barrier::start(&context.roots)? == State::Dead {
        context.note(&format!("those who served {shown} were killed; what was mounted below has to be mounted again"));
    }
    Ok(0)
}
