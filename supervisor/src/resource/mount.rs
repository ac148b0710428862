//! Mounts that a program made or undid in the pod's mount namespace (mount_namespaces(7)). An image holds none, so they are refused.
//!
//! What init has mounted when the first program starts is noted (`mounts` in the runtime directory, a copy of its mountinfo). A mount
//! that came later is the host's if it receives from a mount at the same place there, or else a program's.
use super::{Context, Error, Result};
use crate::proc::Proc;
use std::collections::HashSet;
use std::path::Path;

/// A line of mountinfo (proc_pid_mountinfo(5)), as far as we want to know.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    id: &'a str,
    /// With blanks as `\040`.
    point: &'a str,
    kind: &'a str,
    /// The peer group that it sends to.
    peers: Option<&'a str>,
    /// The peer group that it receives from.
    master: Option<&'a str>,
}

fn parse(text: &str) -> Vec<Mount<'_>> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ');
    let id = fields.next()?;
    let point = fields.nth(3)?;
    let optional: Vec<&str> = fields.skip(1).collect();
    let tagged = |tag: &str| optional.iter().find_map(|field| field.strip_prefix(tag));
    Some(Mount { id, point, kind: right.split(' ').next()?, peers: tagged("shared:"), master: tagged("master:") })
}

/// What was mounted in the pod when it was made, and what is on the host now. To be read before the pod's namespaces are joined.
#[derive(Debug)]
pub struct Mounts {
    first: Option<String>,
    host: String,
}

impl Mounts {
    /// Reads both.
    pub fn load(proc: &Proc, runtime: &Path) -> Result<Mounts> {
        let host =
            proc.read_text(&format!("{}/mountinfo", crate::sys::process::own_pid())).doing(|| "read our own mounts".into())?;
        Ok(Mounts { first: std::fs::read_to_string(runtime.join("mounts")).ok(), host })
    }

    /// Refuses a pod whose mounts are not those it was made with.
    pub fn refuse(&self, proc: &Proc, init: i32) -> Result<()> {
        let Some(first) = &self.first else { return Ok(()) };
        let now = proc.read_text(&format!("{init}/mountinfo")).doing(|| "read the pod's mounts".into())?;
        compare(first, &now, &self.host)
    }
}

pub(super) fn compare(first: &str, now: &str, host: &str) -> Result<()> {
    let (first, now, host) = (parse(first), parse(now), parse(host));
    let (known, present): (HashSet<&str>, HashSet<&str>) =
        (first.iter().map(|mount| mount.id).collect(), now.iter().map(|mount| mount.id).collect());
    for mount in now.iter().filter(|mount| !known.contains(mount.id)) {
        let arrived = |there: &Mount<'_>| there.point == mount.point && there.peers == mount.master;
        if mount.master.is_none() || !host.iter().any(arrived) {
            return Err(refusal(
                mount,
                "a program of the pod has mounted it",
                "unmount it, or mount it on the host before the pod is made",
            ));
        }
    }
    for mount in first.iter().filter(|mount| !present.contains(mount.id)) {
        if host.iter().any(|there| there.point == mount.point && there.kind == mount.kind) {
            return Err(refusal(
                mount,
                "a program of the pod has unmounted it",
                "mount it again on the host, or let the program run without it",
            ));
        }
    }
    Ok(())
}

fn refusal(mount: &Mount<'_>, reason: &str, way_out: &str) -> Error {
    Error::Refused {
        object: format!("the file system ({}) at {}", mount.kind, mount.point.replace("\\040", " ")),
        reason: reason.into(),
        way_out: way_out.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw\n5 1 0:5 / /mnt rw shared:7 - tmpfs none rw\n";
    const FIRST: &str = "31 30 8:1 / / rw master:1 - ext4 /dev/sda rw\n32 31 0:40 / /proc rw - proc proc rw\n";

    fn with(line: &str) -> String {
        format!("{FIRST}{line}\n")
    }

    #[test]
    fn what_arrives_from_the_host_is_nobodys() {
        compare(FIRST, FIRST, HOST).unwrap();
        compare(FIRST, &with("40 31 0:5 / /mnt rw master:7 - tmpfs none rw"), HOST).unwrap();
    }

    #[test]
    fn what_a_program_mounts_is_named() {
        for line in [
            "40 31 0:9 / /mnt rw - tmpfs none rw",
            // a bind mount receives from where its source does
            "40 31 8:1 /srv /other\\040place rw master:1 - ext4 /dev/sda rw",
        ] {
            let error = compare(FIRST, &with(line), HOST).unwrap_err().to_string();
            assert!(error.contains("has mounted it") && !error.contains("\\040"), "{error}");
        }
    }

    #[test]
    fn what_a_program_unmounts_is_named() {
        let first = with("40 31 0:5 / /mnt rw master:7 - tmpfs none rw");
        assert!(compare(&first, FIRST, HOST).unwrap_err().to_string().contains("/mnt"));
        let gone_there_too = HOST.lines().next().unwrap();
        compare(&first, FIRST, gone_there_too).unwrap();
    }
}
