//! What is known of a pod beyond its processes; kept in the state directory, and part of an image.
use super::Error;
use super::processor::Level;
use crate::view::View;
use crate::walls::Walls;
use serde::{Deserialize, Serialize};

/// Who realizes the pod's virtual names (ARCHITECTURE.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// The preloaded library translates.
    Shim,
    /// Kernel namespaces of the pod's own.
    Kernel,
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shim => "shim",
            Self::Kernel => "kernel",
        })
    }
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum NamesChoice {
    /// Kernel namespaces where the host allows them, else the shim.
    #[default]
    Auto,
    /// The preloaded library.
    Shim,
    /// Kernel namespaces, or an error.
    Kernel,
}

impl From<Names> for NamesChoice {
    fn from(names: Names) -> Self {
        match names {
            Names::Shim => Self::Shim,
            Names::Kernel => Self::Kernel,
        }
    }
}

/// A checkpoint that the pod has been left at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpointed {
    /// The image.
    pub image: std::path::PathBuf,
    /// When, in seconds since the epoch.
    pub at: u64,
    /// The stamp of what it has of changes to the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
}

/// The record of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The pod's name, unique among its owner's pods.
    pub name: String,
    /// Who realizes the virtual names.
    pub names: Names,
    /// The host name that programs see.
    pub hostname: String,
    /// The NIS domain name that programs see.
    pub domainname: String,
    /// Environment variables that every program gets that is started in the pod.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Under shim names: whether programs that the shim cannot reach may be executed, with the host's names.
    #[serde(default)]
    pub allow_unshimmed: bool,
    /// What holds its programs.
    #[serde(default)]
    pub walls: Walls,
    /// Which features of the processor programs may find.
    #[serde(default)]
    pub cpu: Level,
    /// Those that programs may have found since, by the kernel's names (/proc/cpuinfo): they are needed wherever the pod is.
    #[serde(default)]
    pub features: std::collections::BTreeSet<String>,
    /// Its file tree, if it is not the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// The user who made the pod.
    pub uid: u32,
    /// That user's group.
    pub gid: u32,
    /// When it was made, in seconds since the epoch.
    pub created: u64,
    /// The checkpoint that it was left at, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpointed: Option<Checkpointed>,
}

impl PodRecord {
    /// A new pod of the calling user.
    pub fn new(name: &str, names: Names) -> Self {
        Self {
            name: name.to_owned(),
            names,
            hostname: name.to_owned(),
            domainname: "(none)".to_owned(),
            env: Vec::new(),
            allow_unshimmed: false,
            walls: Walls::default(),
            cpu: Level::Host,
            features: Default::default(),
            view: None,
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            created: now(),
            checkpointed: None,
        }
    }
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|d| d.as_secs()).unwrap_or(0)
}

/// A name that can be a directory's, a host's and a word on a command line.
pub fn check_name(name: &str) -> Result<(), Error> {
    let good = !name.is_empty()
        && name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if good { Ok(()) } else { Err(Error::BadName(name.to_owned())) }
}

/// The limit is the kernel's: `__NEW_UTS_LEN` of uname(2).
pub fn check_hostname(name: &str) -> Result<(), Error> {
    let good = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(()) } else { Err(Error::BadHostname(name.to_owned())) }
}

/// `KEY=VALUE`, as a command line gives it.
pub fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("\"{text}\" is not of the form KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_directories() {
        for good in ["web", "a", "Web-2", "x.y_z", "0"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "\u{e4}", "a\n", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_split_at_the_first_equals_sign() {
        assert_eq!(parse_variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(parse_variable("A="), Ok(("A".into(), String::new())));
        assert!(parse_variable("=x").is_err() && parse_variable("A").is_err());
    }

    #[test]
    fn a_record_survives_its_file_form() {
        let mut record = PodRecord::new("web", Names::Kernel);
        record.env.push(("A".into(), "b".into()));
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("\"kernel\""), "{text}");
        assert_eq!(serde_json::from_str::<PodRecord>(&text).unwrap(), record);
    }
}
