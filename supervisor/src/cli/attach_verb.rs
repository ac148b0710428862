use super::Context;
use super::attach::{self, End};
use crate::pod::client::Client;
use crate::pod::control::{Answer, Request};
use crate::proc::Proc;
use crate::resource::terminal;
use crate::sys::terminal::session;
use anyhow::{Context as _, bail};
use std::os::fd::{AsFd, OwnedFd};

/// Attach to the terminal of a program that was started with one
///
/// After a restart, for instance, or when the command that was attached has been killed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    /// The program, by its id in the pod; needed where several have terminals
    virtual_pid: Option<i32>,
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<u8> {
    let name = &args.name;
    let mut client = Client::open(&context.roots, name)?;
    let Answer::Status(status) = client.ask(&Request::Status)? else { bail!("the supervisor of pod \"{name}\" gave no status") };
    let Some(init) = status.init_pid else {
        bail!("pod \"{name}\" does not run; `autopod restart` brings it back from an image")
    };
    let Answer::Processes(members) = client.ask(&Request::Ps)? else {
        bail!("the supervisor of pod \"{name}\" named no processes")
    };
    let masters = Proc::open().and_then(|proc| terminal::kept_by(&proc, init));
    let masters = masters.with_context(|| format!("cannot look for the terminals of pod \"{name}\""))?;
    let mut found: Vec<(i32, OwnedFd)> = Vec::new();
    for master in masters {
        let leader = session(master.as_fd());
        let leader = members.iter().find(|member| Some(member.host_pid) == leader);
        found.extend(leader.map(|leader| (leader.virtual_pid, master)));
    }
    if let Some(wanted) = args.virtual_pid {
        found.retain(|(leader, _)| *leader == wanted);
    }
    let ids: Vec<String> = found.iter().map(|(leader, _)| leader.to_string()).collect();
    let (leader, master) = match (found.pop(), found.is_empty()) {
        (Some(only), true) => only,
        (None, _) => bail!("no such program of pod \"{name}\" has a terminal; `autopod addproc -t` starts one that has"),
        (Some(_), false) => bail!("programs {} of pod \"{name}\" have terminals; name one of them", ids.join(", ")),
    };
    match attach::resume(context, client, name, leader, master)? {
        End::Exited(exit) => Ok(exit.code() as u8),
        End::Checkpointed(image) => {
            context.note(&format!("pod \"{name}\" has been checkpointed to {}", image.display()));
            Ok(0)
        }
    }
}
