//! The means of an attack: what an attacker would have found out, as `KEY=VALUE` arguments.

use std::collections::BTreeMap;
use std::fmt::Display;

/// Arguments of an attack by their keys.
#[derive(Debug, Clone, Default)]
pub struct Means(BTreeMap<String, String>);

impl Means {
    pub fn set(&mut self, key: &str, value: impl Display) {
        self.0.insert(key.into(), value.to_string());
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A number; zero when it is not known.
    #[must_use]
    pub fn number(&self, key: &str) -> u64 {
        self.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Takes `KEY=VALUE` words over, under their keys with `prefix` before them.
    pub fn take(&mut self, prefix: &str, line: &str) {
        for (key, value) in line.split_whitespace().filter_map(|word| word.split_once('=')) {
            self.set(&format!("{prefix}{key}"), value.trim_end_matches('.'));
        }
    }

    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        self.0.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }
}
