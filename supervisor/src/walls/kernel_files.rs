//! Files by which the kernel is administered, in the mount namespace of a pod: /sys with the control groups below it, and what of /proc is
//! the whole host's. Their permissions ask for the user 0 only, not for a capability: a root without any could have the kernel execute a
//! program of its choice outside (core_pattern in /proc/sys/kernel), or leave its control group.
use crate::pod::namespaces::Refused;
use crate::sys::confine;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::path::{Path, PathBuf};

/// Files and directories of /proc, as far as this kernel has them.
const OF_PROC: [&str; 8] = ["sys", "sysrq-trigger", "irq", "bus", "fs", "scsi", "acpi", "mtrr"];

/// In init, once it has a /proc of its own: nothing in them can be written from here on. They can still be read.
pub fn make_read_only() -> Result<(), Refused> {
    let none = None::<&str>;
    for path in OF_PROC.map(|name| Path::new("/proc").join(name)).iter().filter(|path| path.exists()) {
        let refused = || Refused::at(format!("making {} read-only", path.display()));
        mount(Some(path), path, none, MsFlags::MS_BIND, none).map_err(refused())?;
        remount(path).map_err(refused())?;
    }
    if !Path::new("/sys").is_dir() {
        return Ok(());
    }
    match confine::make_mounts_read_only(c"/sys") {
        // before Linux 5.12: one by one
        Err(Errno::ENOSYS) => mounts_below(Path::new("/sys")).iter().try_for_each(|path| remount(path)),
        // no mount point
        Err(Errno::EINVAL) => Ok(()),
        other => other,
    }
    .map_err(Refused::at("making /sys read-only"))
}

fn remount(path: &Path) -> nix::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    // flags that a user namespace has locked must be kept (mount_namespaces(7))
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let none = None::<&str>;
    mount(none, path, none, flags | kept, none)
}

fn mounts_below(top: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| crate::proc::unescape(point.as_bytes()));
    points.filter(|point| point.starts_with(top)).collect()
}
