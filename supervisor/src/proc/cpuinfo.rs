//! /proc/cpuinfo: what the processors have, by the kernel's names of features.
use std::collections::BTreeSet;

/// The features that every processor has; empty for text without any.
pub fn parse_features(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':')).filter(|(key, _)| key.trim() == "flags");
    let sets = lines.map(|(_, flags)| flags.split_ascii_whitespace().map(str::to_owned).collect::<BTreeSet<_>>());
    sets.reduce(|one, other| one.intersection(&other).cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::parse_features;

    #[test]
    fn what_one_processor_lacks_is_not_there() {
        let text = "processor\t: 0\nflags\t\t: fpu avx avx2\nbugs\t\t: spectre_v1\n\nprocessor\t: 1\nflags\t\t: fpu avx\n";
        assert_eq!(parse_features(text), ["avx", "fpu"].map(str::to_owned).into());
        assert!(parse_features("flags").is_empty());
    }
}
