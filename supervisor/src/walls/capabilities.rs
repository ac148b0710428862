//! What is left of root's privileges in a pod (capabilities(7)): what services need for their own files, users and ports, and nothing
//! that is about the host. Only a pod of root's has any to lose; in a user namespace of a pod's own they are about that pod alone, and
//! are bounded all the same.
use super::Profile;
use crate::sys::confine;

const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const FOWNER: u32 = 3;
const FSETID: u32 = 4;
const KILL: u32 = 5;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SETPCAP: u32 = 8;
const NET_BIND_SERVICE: u32 = 10;
const NET_RAW: u32 = 13;
const SYS_CHROOT: u32 = 18;
const MKNOD: u32 = 27;
const AUDIT_WRITE: u32 = 29;
const SETFCAP: u32 = 31;

/// The bits of what may be had at most.
pub fn kept(profile: Profile) -> u64 {
    let strict = [CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, SYS_CHROOT];
    let beyond = [SETPCAP, NET_RAW, MKNOD, AUDIT_WRITE, SETFCAP];
    let bits = |list: &[u32]| list.iter().fold(0, |bits, capability| bits | 1u64 << capability);
    match profile {
        Profile::None => u64::MAX,
        Profile::Default => bits(&strict) | bits(&beyond),
        Profile::Strict => bits(&strict),
    }
}

/// Bounds what execve(2) can ever give. Without the right to do so there is nothing that it could give.
pub fn bound(profile: Profile) -> nix::Result<()> {
    let kept = kept(profile);
    for capability in 0..64 {
        if kept >> capability & 1 == 1 {
            continue;
        }
        match confine::drop_from_bounding_set(capability) {
            Ok(()) => {}
            // beyond the last that this kernel has
            Err(nix::Error::EINVAL) => break,
            Err(nix::Error::EPERM) => return Ok(()),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Gives up the others that this process has.
pub fn drop_all_but(profile: Profile) -> nix::Result<()> {
    confine::clear_ambient()?;
    let mut sets = confine::capabilities()?;
    let kept = kept(profile);
    sets.effective &= kept;
    sets.permitted &= kept;
    sets.inheritable = 0;
    confine::set_capabilities(sets)
}
