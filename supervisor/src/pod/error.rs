use std::path::{Path, PathBuf};

/// Why something about a pod could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be a pod's.
    #[error("\"{0}\" cannot be the name of a pod: use up to 63 letters, digits, \"-\", \"_\" and \".\", a letter or digit first")]
    BadName(String),
    /// The name cannot be a host's.
    #[error("\"{0}\" cannot be a host name: use 1 to 64 printable characters")]
    BadHostname(String),
    /// No pod has this name.
    #[error("there is no pod \"{0}\"; `autopod list` shows the pods there are, `autopod add {0}` makes this one")]
    Unknown(String),
    /// Another pod has this name.
    #[error("there is a pod \"{0}\" already; choose another name, or remove it with `autopod rm {0}`")]
    Exists(String),
    /// The pod has an init, and must not have one.
    #[error("pod \"{0}\" is running; stop it first with `autopod stop {0}`")]
    Running(String),
    /// The pod has no init, and must have one.
    #[error(
        "pod \"{0}\" is not running; start a program in it with `autopod addproc {0} COMMAND`, or restart it from an image with `autopod restart {0} -i FILE`"
    )]
    NotRunning(String),
    /// The pod has no process.
    #[error("pod \"{0}\" has no process; start one with `autopod addproc {0} COMMAND`")]
    Empty(String),
    /// No process of the pod has this id.
    #[error("pod \"{pod}\" has no process {virtual_pid}; `autopod ps {pod}` shows those it has")]
    NoProcess {
        /// The pod.
        pod: String,
        /// The id as the pod sees it.
        virtual_pid: i32,
    },
    /// An operation on the whole pod is under way.
    #[error("pod \"{0}\" is being checkpointed or restarted; try again when that is done")]
    Busy(String),
    /// A file of ours could not be used.
    #[error("cannot {what} {path}: {error}", path = path.display())]
    File {
        /// What was being done to it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: std::io::Error,
    },
    /// A file of ours does not hold what it should.
    #[error("{path} is damaged ({reason}); remove the pod with `autopod rm -f {pod}`", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The pod it belongs to.
        pod: String,
    },
    /// The directory in which pods live is somebody else's.
    #[error("{path} belongs to user {owner}; point AUTOPOD_HOME to a directory of your own", path = path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The pod's namespaces could not be made.
    #[error("cannot give pod \"{pod}\" kernel namespaces of its own: {reason}; use --names shim")]
    NoKernelNames {
        /// The pod.
        pod: String,
        /// What was refused, and how.
        reason: String,
    },
    /// Init could not be started for another reason.
    #[error("cannot start the init of pod \"{pod}\": {reason}")]
    InitFailed {
        /// The pod.
        pod: String,
        /// What failed.
        reason: String,
    },
    /// Init went away, or talks nonsense.
    #[error("the init of pod \"{pod}\" does not answer ({reason}); remove what is left with `autopod rm -f {pod}`")]
    InitSilent {
        /// The pod.
        pod: String,
        /// What was seen.
        reason: String,
    },
    /// The supervisor could not be started, or went away.
    #[error("the supervisor of pod \"{pod}\" {reason}; its log is {log}", log = log.display())]
    Supervisor {
        /// The pod.
        pod: String,
        /// What happened.
        reason: String,
        /// Where it may have told more.
        log: PathBuf,
    },
    /// A program could not be started.
    #[error("cannot start \"{program}\" in pod \"{pod}\": {reason}")]
    Program {
        /// The pod.
        pod: String,
        /// The program as given.
        program: String,
        /// Why.
        reason: String,
    },
    /// Whatever the supervisor answered: a whole sentence already.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// A failed operation on a file.
    pub fn file(what: &'static str, path: &Path, error: impl Into<std::io::Error>) -> Self {
        Self::File { what, path: path.to_owned(), error: error.into() }
    }
}
