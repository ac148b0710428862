//! AutoPod's own directories, in the mount namespace of a pod that has the host's files: the control sockets of other pods and their records
//! must not be within reach of programs, which run as the same user. Only the pod's own two directories remain.
use crate::pod::namespaces::Refused;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The directories of all pods of the owner, and those of one.
#[derive(Debug, Clone)]
pub struct OwnFiles {
    /// Below which everything is hidden,
    pub all: Vec<PathBuf>,
    /// but for these.
    pub pods: Vec<PathBuf>,
}

/// In init, once its mount namespace has a /proc of its own.
pub fn hide(files: &OwnFiles) -> Result<(), Refused> {
    let none = None::<&str>;
    // a pod with a root of its own has none of these
    let kept: Vec<_> = files
        .pods
        .iter()
        .filter(|dir| dir.is_dir())
        .map(|dir| {
            let held = open(dir, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
            held.map(|held| (dir, held)).map_err(Refused::at(format!("opening {}", dir.display())))
        })
        .collect::<Result<_, _>>()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mut covered: Vec<&PathBuf> = Vec::new();
    for dir in files.all.iter().filter(|dir| dir.is_dir()) {
        // one may lie in the other
        if covered.iter().any(|outer| dir.starts_with(outer)) {
            continue;
        }
        let refused = || Refused::at(format!("covering {}", dir.display()));
        mount(Some("autopod"), dir, Some("tmpfs"), flags, Some("mode=0700,size=64k,nr_inodes=32")).map_err(refused())?;
        for (kept, held) in kept.iter().filter(|(kept, _)| kept.starts_with(dir)) {
            std::fs::create_dir_all(kept).map_err(Refused::io(format!("making {}", kept.display())))?;
            let from = format!("/proc/self/fd/{}", held.as_raw_fd());
            mount(Some(from.as_str()), *kept, none, MsFlags::MS_BIND, none)
                .map_err(Refused::at(format!("keeping {}", kept.display())))?;
        }
        mount(none, dir, none, flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_BIND, none).map_err(refused())?;
        covered.push(dir);
    }
    Ok(())
}
