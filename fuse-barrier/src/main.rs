//! `autopod-barrier`: serves a view.
use anyhow::Context;
use autopod_fuse_barrier::keeper::{self, Descriptors, Plan};
use autopod_fuse_barrier::rules::{Bind, Point, Rule};
use autopod_fuse_barrier::sys;
use clap::Parser;
use nix::mount::{MsFlags, mount};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Serve a directory tree as a pod sees it
#[derive(Debug, Parser)]
#[command(name = "autopod-barrier", version)]
struct Args {
    /// The tree
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// A path that shall not be there
    #[arg(long, value_name = "PATH")]
    hide: Vec<PathBuf>,
    /// A path below which nothing can be changed
    #[arg(long = "ro", value_name = "PATH")]
    read_only: Vec<PathBuf>,
    /// Something else to be found at a path
    #[arg(long, value_name = "SRC:DST[:ro]")]
    bind: Vec<Bind>,
    /// Seconds for which names and attributes may be believed without asking again
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    ttl: f64,
    /// Have all contents come through this program
    #[arg(long)]
    no_passthrough: bool,
    /// Where to mount it
    mountpoint: PathBuf,
}

fn tree(path: &Path) -> anyhow::Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // without privilege, what is mounted below is part of it
    sys::clone_tree(&name)
        .or_else(|_| sys::open_at(nix::fcntl::AT_FDCWD.as_fd(), &name, libc::O_PATH, 0))
        .with_context(|| format!("cannot open {}", path.display()))
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut points: Vec<Point> = Vec::new();
    points.extend(args.hide.iter().map(|path| Point { path: path.clone(), rule: Rule::Hide }));
    points.extend(args.read_only.iter().map(|path| Point { path: path.clone(), rule: Rule::ReadOnly }));
    let mut sources = Vec::new();
    for bind in &args.bind {
        points.push(Point { path: bind.target.clone(), rule: Rule::Bind { source: sources.len(), read_only: bind.read_only } });
        sources.push(tree(&bind.source)?);
    }
    let plan = Plan { points, ttl: (args.ttl * 1000.0) as u64, passthrough: !args.no_passthrough, ..Plan::default() };
    let root = tree(&args.root)?;
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").context("cannot open /dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions,allow_other",
        sys::number(&device),
        nix::unistd::getuid(),
        nix::unistd::getgid()
    );
    mount(Some("autopod"), &args.mountpoint, Some("fuse.autopod"), MsFlags::MS_NODEV, Some(options.as_str()))
        .with_context(|| format!("cannot mount at {}", args.mountpoint.display()))?;
    keeper::run(&plan, Descriptors { connection: device.into(), root, sources, memory: sys::memory()? }, &drop)
}
