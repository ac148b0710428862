use super::Context;
use crate::barrier;
use crate::pod::client;
use crate::pod::processor::{self, Level};
use crate::pod::record::{NamesChoice, PodRecord, parse_variable};
use crate::walls::limits::{self, Limits};
use crate::walls::{Profile, Uids, Walls};
use anyhow::Context as _;

/// Make a pod
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the pod
    name: String,
    #[command(flatten)]
    options: PodOptions,
}

/// What can be chosen for a new pod.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PodOptions {
    /// Who realizes the names that programs see
    #[arg(long, value_enum, default_value_t)]
    names: NamesChoice,
    /// Host name that programs see [default: the pod's name]
    #[arg(long, value_name = "H")]
    hostname: Option<String>,
    /// Variable that every program of the pod gets
    #[arg(long = "env", short = 'e', value_name = "K=V", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// Have programs use no feature of the processor beyond this level, so that the pod can move to lesser ones
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t)]
    cpu: Level,
    /// Run programs that the shim cannot be preloaded into (static, set-uid) with the host's names
    #[arg(long)]
    allow_unshimmed: bool,
    #[command(flatten)]
    view: crate::view::Options,
    /// How strictly programs are held; docs/threat-model.md tells what each profile holds [default: "default" with --root, else
    /// "none"]
    #[arg(long, value_enum, value_name = "P")]
    profile: Option<Profile>,
    /// Whose the pod's users are: the host's, or the pod's own, which are nobody outside; the latter for root's pods with --root
    #[arg(long, value_enum, value_name = "WHOSE", default_value_t)]
    uids: Uids,
    /// Allow io_uring, whose requests no filter sees, and which a checkpoint refuses
    #[arg(long)]
    io_uring: bool,
    /// Memory that the pod may use: bytes, or 512M, 2G
    #[arg(long, value_name = "SIZE", value_parser = limits::parse_size)]
    memory: Option<u64>,
    /// Processes and threads that the pod may have
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pids: Option<u64>,
    /// Processors' time that the pod may use: 0.5 is half of one
    #[arg(long, value_name = "N", value_parser = limits::parse_cpus)]
    cpus: Option<u64>,
}

impl PodOptions {
    /// Its variables.
    pub(super) fn env(&self) -> &[(String, String)] {
        &self.env
    }
}

/// Makes the pod `name`.
pub(super) fn create(context: &Context, name: &str, options: PodOptions) -> anyhow::Result<()> {
    let mut record = PodRecord::new(name, crate::pod::record::Names::Shim);
    if let Some(hostname) = options.hostname {
        record.hostname = hostname;
    }
    record.env = options.env;
    record.allow_unshimmed = options.allow_unshimmed;
    record.view = options.view.view(&context.roots.barrier(), barrier::mounted(&context.roots, name))?;
    // on the host's own files a pod's user may do what it may do anyway, and programs find what they are used to
    let profile = if record.view.is_some() { Profile::Default } else { Profile::None };
    record.walls = Walls {
        profile: options.profile.unwrap_or(profile),
        io_uring: options.io_uring,
        limits: Limits { memory: options.memory, pids: options.pids, cpus: options.cpus },
        uids: options.uids,
    };
    let lacking = options.cpu.lacking(processor::here().context("cannot read /proc/cpuinfo")?);
    if !lacking.is_empty() {
        let (level, lacking) = (options.cpu, lacking.join(", "));
        anyhow::bail!("this host's processor is none of level {level}, as it lacks {lacking}; choose a lower level");
    }
    record.cpu = options.cpu;
    record.features = processor::found_in(&record)?;
    let (names, note) = client::create(&context.roots, record, options.names)?;
    tracing::info!("pod \"{name}\" is made; its names are realized by: {names}");
    if let Some(reason) = note {
        tracing::info!("kernel namespaces are not available here ({reason}), so the shim translates");
    }
    Ok(())
}

pub(super) fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    create(context, &args.name, args.options)
}
