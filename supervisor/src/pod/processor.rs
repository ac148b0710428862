//! Which features of the processor a pod's programs may find, so that it can move to hosts with lesser ones.
//!
//! The GNU C library chooses its functions (memcpy(3) and many more), and the directories that libraries are taken from, by what the
//! processor has when a program starts. The tunable `glibc.cpu.hwcaps` hides features from it. Eager binding (LD_BIND_NOW of ld.so(8))
//! avoids the lazy resolver, whose way of saving vector registers is chosen likewise. Programs that ask the processor
//! themselves are not impressed.
use super::environment::Environment;
use super::record::PodRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// A level of the x86-64 psABI ("Micro-Architecture Levels"), or what the host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
pub enum Level {
    /// Up to SSE4.2: processors since about 2009.
    #[value(name = "x86-64-v2", alias = "v2")]
    #[serde(rename = "x86-64-v2")]
    V2,
    /// Up to AVX2: processors since about 2015.
    #[value(name = "x86-64-v3", alias = "v3")]
    #[serde(rename = "x86-64-v3")]
    V3,
    /// With AVX-512.
    #[value(name = "x86-64-v4", alias = "v4")]
    #[serde(rename = "x86-64-v4")]
    V4,
    /// All that this host's processor has.
    #[default]
    #[value(name = "host")]
    #[serde(rename = "host")]
    Host,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
            Self::V4 => "x86-64-v4",
            Self::Host => "host",
        })
    }
}

/// The lowest level that includes a feature (`Host`: none), its name in /proc/cpuinfo, and that of the C library.
const FEATURES: [(Level, &str, &str); 23] = [
    (Level::V2, "pni", "SSE3"),
    (Level::V2, "ssse3", "SSSE3"),
    (Level::V2, "sse4_1", "SSE4_1"),
    (Level::V2, "sse4_2", "SSE4_2"),
    (Level::V2, "popcnt", "POPCNT"),
    (Level::V2, "cx16", "CMPXCHG16B"),
    (Level::V2, "lahf_lm", "LAHF64_SAHF64"),
    (Level::V3, "avx", "AVX"),
    (Level::V3, "avx2", "AVX2"),
    (Level::V3, "bmi1", "BMI1"),
    (Level::V3, "bmi2", "BMI2"),
    (Level::V3, "f16c", "F16C"),
    (Level::V3, "fma", "FMA"),
    (Level::V3, "abm", "LZCNT"),
    (Level::V3, "movbe", "MOVBE"),
    (Level::V4, "avx512f", "AVX512F"),
    (Level::V4, "avx512bw", "AVX512BW"),
    (Level::V4, "avx512cd", "AVX512CD"),
    (Level::V4, "avx512dq", "AVX512DQ"),
    (Level::V4, "avx512vl", "AVX512VL"),
    (Level::Host, "fma4", "FMA4"),
    (Level::Host, "rtm", "RTM"),
    (Level::Host, "xsavec", "XSAVEC"),
];
/// What follows from AVX without being a feature of its own, and chooses functions that use it.
const PREFERENCE: &str = "AVX_Fast_Unaligned_Load";
const TUNABLES: &[u8] = b"GLIBC_TUNABLES";
const HWCAPS: &str = "glibc.cpu.hwcaps=";

/// The features of this host's processor, by the kernel's names.
pub fn here() -> std::io::Result<&'static BTreeSet<String>> {
    // with many processors the file takes its time
    static HERE: OnceLock<BTreeSet<String>> = OnceLock::new();
    if let Some(here) = HERE.get() {
        return Ok(here);
    }
    let text = std::fs::read_to_string("/proc/cpuinfo")?;
    Ok(HERE.get_or_init(|| crate::proc::parse_features(&text)))
}

impl Level {
    /// The features that the level stands for and that are not among these.
    pub fn lacking(self, here: &BTreeSet<String>) -> Vec<&'static str> {
        let of_level = FEATURES.iter().filter(|(level, ..)| self != Self::Host && *level <= self);
        of_level.map(|(_, name, _)| *name).filter(|name| !here.contains(*name)).collect()
    }

    /// Hides from programs what is beyond the level. What the user hides is kept.
    pub fn limit(self, env: &mut Environment) {
        if self == Self::Host {
            return;
        }
        let mut hidden: Vec<String> =
            FEATURES.iter().filter(|(level, ..)| *level > self).map(|(.., name)| format!("-{name}")).collect();
        if self < Self::V3 {
            hidden.push(format!("-{PREFERENCE}"));
        }
        let before = env.get(TUNABLES).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
        let mut tunables: Vec<String> = before.split(':').filter(|one| !one.is_empty()).map(str::to_owned).collect();
        let own = tunables.iter_mut().find(|one| one.starts_with(HWCAPS));
        match own {
            // the library takes the last of two tunables of one name
            Some(own) => *own = format!("{own},{}", hidden.join(",")),
            None => tunables.push(format!("{HWCAPS}{}", hidden.join(","))),
        }
        env.insert(TUNABLES.to_vec(), tunables.join(":").into_bytes());
        env.insert(b"LD_BIND_NOW".to_vec(), b"1".to_vec());
    }
}

/// The features, by the kernel's names, that the C library of a program with this environment may choose functions by.
pub fn found(here: &BTreeSet<String>, env: &Environment) -> BTreeSet<String> {
    let tunables = env.get(TUNABLES).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
    let hidden: Vec<&str> =
        tunables.split(':').filter_map(|one| one.strip_prefix(HWCAPS)).flat_map(|list| list.split(',')).collect();
    let visible = |name: &str| !hidden.iter().any(|one| one.strip_prefix('-') == Some(name));
    let seen = FEATURES.iter().filter(|(_, name, library)| here.contains(*name) && visible(library));
    seen.map(|(_, name, _)| (*name).to_owned()).collect()
}

/// The same of the programs of a pod that are given no variables of their own.
pub fn found_in(record: &PodRecord) -> std::io::Result<BTreeSet<String>> {
    let mut env = super::environment::standard(record, &super::environment::owner());
    record.cpu.limit(&mut env);
    Ok(found(here()?, &env))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_level_hides_what_is_beyond_and_keeps_what_the_user_hides() {
        let here = set(&["sse4_2", "avx", "avx2", "avx512f", "rtm", "fpu"]);
        let mut env = Environment::new();
        assert_eq!(found(&here, &env), set(&["sse4_2", "avx", "avx2", "avx512f", "rtm"]));
        Level::Host.limit(&mut env);
        assert!(env.is_empty());
        env.insert(TUNABLES.to_vec(), b"glibc.malloc.check=1:glibc.cpu.hwcaps=-AVX2:glibc.rtld.nns=5".to_vec());
        Level::V3.limit(&mut env);
        let text = String::from_utf8(env[TUNABLES].clone()).unwrap();
        assert!(text.starts_with("glibc.malloc.check=1:glibc.cpu.hwcaps=-AVX2,-AVX512F,"), "{text}");
        assert!(text.ends_with(":glibc.rtld.nns=5") && !text.contains("-AVX,") && !text.contains(PREFERENCE), "{text}");
        assert_eq!(found(&here, &env), set(&["sse4_2", "avx"]));
        assert_eq!(env[b"LD_BIND_NOW".as_slice()], b"1");
        let mut env = Environment::new();
        Level::V2.limit(&mut env);
        assert_eq!(found(&here, &env), set(&["sse4_2"]));
        assert!(String::from_utf8(env[TUNABLES].clone()).unwrap().contains(PREFERENCE));
    }

    #[test]
    fn what_a_processor_lacks_of_a_level_is_named() {
        let nehalem = set(&["pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm"]);
        assert!(Level::V2.lacking(&nehalem).is_empty() && Level::Host.lacking(&nehalem).is_empty());
        assert!(Level::V3.lacking(&nehalem).contains(&"avx2"));
        assert_eq!(Level::V4.lacking(&nehalem).len(), 13);
    }

    #[test]
    fn levels_have_the_names_of_the_psabi() {
        for level in [Level::V2, Level::V3, Level::V4, Level::Host] {
            assert_eq!(serde_json::to_value(level).unwrap(), level.to_string());
        }
    }
}
