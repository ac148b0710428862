//! The state of the floating point and vector units (XSAVE), from one processor to another.
//!
//! ptrace(2) gives it in the standard form: the legacy area of 512 bytes, a header that says which components are in use, and the
//! components where the processor (CPUID leaf 0xd) has its places for them. The mask of all that the kernel knows is in the bytes that
//! the legacy area leaves to software (arch/x86/include/uapi/asm/sigcontext.h). Only x87, SSE and AVX have the same place everywhere.
use super::task::TaskRecord;
use super::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

const KNOWN: usize = 464;
const IN_USE: usize = 512;
/// End of header and AVX.
const COMMON: usize = 576 + 256;
/// x87, SSE, AVX.
const COMMON_MASK: u64 = 7;
/// Protection keys: the register's value is of no use to a program that has no keys.
const PROTECTION_KEYS: u64 = 1 << 9;
/// Bounds checking, which Linux gives no program since 5.6.
const MPX: u64 = 3 << 3;

fn word(area: &[u8], at: usize) -> u64 {
    area.get(at..at + 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
}

/// By which feature of /proc/cpuinfo the kernel tells of a component; what has none is in every processor, or makes no difference.
const FEATURES: [(u64, &str); 4] = [(1 << 2, "avx"), (7 << 5, "avx512f"), (3 << 11, "user_shstk"), (3 << 17, "amx_tile")];

fn names(mask: u64) -> Vec<&'static str> {
    const NAMES: [(u64, &str); 8] = [
        (1, "x87"),
        (1 << 1, "SSE"),
        (1 << 2, "AVX"),
        (MPX, "MPX"),
        (7 << 5, "AVX-512"),
        (PROTECTION_KEYS, "protection keys"),
        (3 << 11, "shadow stacks"),
        (3 << 17, "AMX"),
    ];
    NAMES.iter().filter(|(bits, _)| mask & bits != 0).map(|(_, name)| *name).collect()
}

/// The names of the components in use.
pub(super) fn in_use(area: &[u8]) -> Vec<&'static str> {
    names(word(area, IN_USE))
}

/// The components in use, and whether a processor with these features has each.
pub fn components(tasks: &[TaskRecord], here: &BTreeSet<String>) -> BTreeMap<&'static str, Result<()>> {
    let mut found = BTreeMap::new();
    for task in tasks {
        let in_use = word(&task.xstate, IN_USE);
        for (mask, feature) in FEATURES.iter().filter(|(mask, _)| in_use & mask != 0) {
            let holds = || if here.contains(*feature) { Ok(()) } else { Err(lost(*mask, &format!("task {}", task.task))) };
            for name in names(*mask) {
                found.entry(name).or_insert_with(holds);
            }
        }
    }
    found
}

fn lost(mask: u64, title: &str) -> Error {
    Error::NotHere(format!(
        "{title} uses {} of a processor of another kind; restart it on one like that which made the image",
        names(mask).join(", ")
    ))
}

/// The recorded state in the form of this processor, an example of which is `here`.
///
/// # Errors
/// When what is in use is not known here.
pub(super) fn convert(recorded: &[u8], here: &[u8], title: &str) -> Result<Vec<u8>> {
    if recorded.len() == here.len() && word(recorded, KNOWN) == word(here, KNOWN) {
        return Ok(recorded.to_vec());
    }
    let in_use = word(recorded, IN_USE);
    let missing = in_use & !(COMMON_MASK & word(here, KNOWN)) & !(PROTECTION_KEYS | MPX);
    if missing != 0 {
        return Err(lost(missing, title));
    }
    let mut state = here.to_vec();
    let common = COMMON.min(recorded.len()).min(here.len());
    state[..KNOWN].copy_from_slice(&recorded[..KNOWN]);
    state[IN_USE..common].copy_from_slice(&recorded[IN_USE..common]);
    // what is not in use is zero and not looked at
    state[common..].fill(0);
    state[IN_USE..IN_USE + 8].copy_from_slice(&(in_use & COMMON_MASK).to_le_bytes());
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(len: usize, known: u64, in_use: u64) -> Vec<u8> {
        let mut area: Vec<u8> = (0..len).map(|at| at as u8).collect();
        area[KNOWN..KNOWN + 8].copy_from_slice(&known.to_le_bytes());
        area[IN_USE..IN_USE + 8].copy_from_slice(&in_use.to_le_bytes());
        area
    }

    #[test]
    fn what_both_have_goes_over_and_what_one_lacks_is_named() {
        let (large, small) = (area(2696, 0x2e7, 0x207), area(832, 7, 7));
        let down = convert(&large, &small, "task 5").unwrap();
        assert_eq!((down.len(), word(&down, KNOWN), word(&down, IN_USE)), (832, 7, 7));
        assert_eq!(down[576..], large[576..832]);
        let up = convert(&small, &large, "task 5").unwrap();
        assert_eq!((up.len(), word(&up, KNOWN), word(&up, IN_USE)), (2696, 0x2e7, 7));
        assert_eq!((&up[..KNOWN], &up[576..832]), (&small[..KNOWN], &small[576..]));
        assert_eq!(convert(&large, &large, "").unwrap(), large);
        let refused = convert(&area(2696, 0x2e7, 0xe7), &small, "task 5").unwrap_err().to_string();
        assert!(refused.contains("task 5") && refused.contains("AVX-512") && !refused.contains("SSE"), "{refused}");
    }
}
