//! The user and group ids that a pod with `--uids private` has to itself (user_namespaces(7)): 0 to 65535 in the pod are a range on the host
//! that nobody else uses. No program of the pod is root on the host then, or any user of the host, nor of another pod.
use super::Error;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many ids a pod has: those that services and people of a distribution have.
pub const SIZE: u32 = 0x1_0000;
/// Ids that distributions and systemd leave alone (systemd's UIDS-GIDS document).
const FIRST: u32 = 0x7000_0000;
const LAST: u32 = 0x7ffd_0000;
/// One for all pods of the host, whatever directories they have (`AUTOPOD_HOME`).
const DIRECTORY: &str = "/run/autopod-ids";

/// A range, claimed as long as a descriptor of the claim is open: by the supervisor first, then by the pod's init, so that it is free
/// again when the pod has ended in whatever way.
#[derive(Debug)]
pub struct Range {
    /// The host's id for the pod's 0.
    pub base: u32,
    /// Locked (flock(2)). Closing a duplicate does not unlock it.
    pub claim: File,
}

impl Range {
    /// Claims a range that no running pod and nobody in /etc/subuid and /etc/subgid has.
    pub fn claim() -> Result<Self, Error> {
        let given = ["/etc/subuid", "/etc/subgid"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
        Self::claim_in(Path::new(DIRECTORY), &given)
    }

    fn claim_in(directory: &Path, given: &[String]) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|e| Error::file("make the directory", directory, e))?;
        for base in (FIRST..=LAST).step_by(SIZE as usize).filter(|&base| !given.iter().any(|text| overlaps(text, base))) {
            let path = directory.join(base.to_string());
            let claim = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
            let claim = claim.map_err(|e| Error::file("open", &path, e))?;
            match claim.try_lock() {
                Ok(()) => return Ok(Self { base, claim }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(Error::file("lock", &path, e)),
            }
        }
        Err(Error::Refused("every range of user ids is in use; end a pod that has --uids private".into()))
    }

    /// The line of a map of user_namespaces(7).
    pub fn map(&self) -> String {
        format!("0 {} {SIZE}", self.base)
    }

    /// Where claims are made: what a pod's tree must not show.
    pub fn directory() -> PathBuf {
        DIRECTORY.into()
    }
}

/// Whether a map of user_namespaces(7) has all that are given to pods.
pub fn mapped(map: &str) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [inside, _, count] = numbers[..] else { return false };
        inside <= u64::from(FIRST) && u64::from(LAST + SIZE) <= inside.saturating_add(count)
    })
}

/// Whether subuid(5) has given away an id of the range that begins at `base`.
fn overlaps(text: &str, base: u32) -> bool {
    text.lines().any(|line| {
        let mut numbers = line.split(':').skip(1).map(|number| number.trim().parse::<u64>().unwrap_or(0));
        let (start, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        start < u64::from(base) + u64::from(SIZE) && u64::from(base) < start.saturating_add(count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_excludes_others_until_its_last_descriptor_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let claim = || Range::claim_in(directory.path(), &[]).unwrap();
        let (first, second) = (claim(), claim());
        assert_eq!((first.base, second.base), (FIRST, FIRST + SIZE));
        let kept = first.claim.try_clone().unwrap();
        drop(first);
        let third = claim();
        assert_eq!(third.base, FIRST + 2 * SIZE);
        drop(kept);
        assert_eq!(claim().base, FIRST);
    }

    #[test]
    fn what_was_given_to_users_is_left_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let given = format!("alice:100000:65536\nbob:{}:1\nbroken\ncarol:{}:70000\n", FIRST + 5, FIRST + SIZE);
        let range = Range::claim_in(directory.path(), &[String::new(), given]).unwrap();
        assert_eq!(range.base, FIRST + 3 * SIZE);
        assert!(mapped("0 0 4294967295") && !mapped("0 100000 65536") && !mapped(""));
        assert_eq!(range.map(), format!("0 {} 65536", FIRST + 3 * SIZE));
    }
}
