//! The control socket's language, documented for others in docs/control-socket.md: newline-delimited JSON.
use super::engine::{Progress, Report, Tcp};
use super::init_protocol::Exit;
use super::members::Member;
use super::record::{Names, NamesChoice, PodRecord};
use crate::image::Compression;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;

/// A byte string: JSON text where it is UTF-8, else an array of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Raw(Vec<u8>),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into_bytes(),
            Either::Raw(raw) => raw,
        }))
    }
}

/// What a supervisor can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The pod's record and whether it runs.
    Status,
    /// Its processes.
    Ps,
    /// What it uses.
    Stats,
    /// Start a program.
    Spawn(Spawn),
    /// Answer when that process, a child of init, has ended.
    Wait {
        /// Its id in the pod.
        virtual_pid: i32,
    },
    /// Send a signal.
    Kill {
        /// To this process; to all if none.
        #[serde(default)]
        virtual_pid: Option<i32>,
        /// Its number.
        signal: i32,
    },
    /// End all processes, politely first, and the supervisor.
    Stop {
        /// How long to wait between SIGTERM and SIGKILL, in seconds.
        #[serde(default = "ten")]
        timeout: f64,
    },
    /// Make an image.
    Checkpoint {
        /// Its absolute path.
        image: PathBuf,
        /// Whether the pod shall run on.
        #[serde(default)]
        leave_running: bool,
        /// How to store memory.
        #[serde(default)]
        compress: Compression,
        /// What to do about connections to the outside.
        #[serde(default)]
        tcp: Tcp,
        /// The key file.
        #[serde(default)]
        key: Option<PathBuf>,
    },
    /// Restart the pod from an image.
    Restart {
        /// Its absolute path.
        image: PathBuf,
        /// Who shall realize the names; as in the image, if `auto` and possible.
        #[serde(default)]
        names: NamesChoice,
        /// The key file.
        #[serde(default)]
        key: Option<PathBuf>,
        /// The absolute path of the pod's root; as in the image if none.
        #[serde(default)]
        root: Option<PathBuf>,
    },
}

fn ten() -> f64 {
    10.0
}

/// A program to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spawn {
    /// Program and arguments.
    pub argv: Vec<Bytes>,
    /// Variables beyond the pod's own.
    #[serde(default)]
    pub env: Vec<(Bytes, Bytes)>,
    /// Absolute path of the working directory.
    #[serde(default = "root")]
    pub cwd: PathBuf,
    /// The umask.
    #[serde(default = "usual_umask")]
    pub umask: u32,
    /// Name or number of the user to run it as.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether the three descriptors that come with the request are its standard ones; else it gets /dev/null and the log.
    #[serde(default)]
    pub attached: bool,
    /// Whether the first of them is a terminal that shall control its session.
    #[serde(default)]
    pub terminal: bool,
    /// Run it even where the shim cannot reach it.
    #[serde(default)]
    pub allow_unshimmed: bool,
}

fn root() -> PathBuf {
    "/".into()
}

fn usual_umask() -> u32 {
    0o022
}

/// A line that answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// More lines follow.
    Progress(Progress),
    /// It could not be done: a sentence.
    Error(String),
    /// Done, and nothing to tell.
    Done,
    /// To `status`.
    Status(Box<Status>),
    /// To `ps`.
    Processes(Vec<Member>),
    /// To `stats`.
    Stats(Stats),
    /// To `spawn`.
    Spawned(Spawned),
    /// To `wait`.
    Exited(Exit),
    /// To `wait`, when the process was not left to end: the pod was checkpointed to this image.
    Checkpointed(PathBuf),
    /// To `checkpoint` and `restart`.
    Report(Report),
}

/// The pod as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its record.
    pub record: PodRecord,
    /// Whether it has an init.
    pub running: bool,
    /// Init's id on the host.
    pub init_pid: Option<i32>,
}

/// A program that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Its id in the pod.
    pub virtual_pid: i32,
    /// Its id on the host.
    pub host_pid: i32,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// What a pod uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The pod.
    pub name: String,
    /// Who realizes its names.
    pub names: Names,
    /// Number of processes.
    pub processes: usize,
    /// Number of threads of all processes.
    pub threads: u64,
    /// Resident memory of all processes, in bytes; shared pages count once per process.
    pub rss: u64,
    /// User and system time of the processes that live, in milliseconds.
    pub cpu_ms: u64,
    /// Seconds since init was started.
    pub uptime: u64,
    /// What it may use at most, and what holds it there: one phrase each.
    #[serde(default)]
    pub limits: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_need_no_more_than_they_say() {
        let spawn: Request = serde_json::from_str(r#"{"request":"spawn","argv":["sleep","1"]}"#).unwrap();
        let Request::Spawn(spawn) = spawn else { panic!("another request") };
        assert_eq!((spawn.cwd.to_str(), spawn.umask, spawn.attached), (Some("/"), 0o022, false));
        assert!(serde_json::from_str::<Request>(r#"{"request":"kill","signal":9,"pid":1}"#).is_err());
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        let bytes = Bytes(vec![0xff, b'a']);
        let text = serde_json::to_string(&bytes).unwrap();
        assert_eq!(text, "[255,97]");
        assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap(), bytes);
        assert_eq!(serde_json::to_string(&Bytes(b"x".to_vec())).unwrap(), "\"x\"");
    }
}
