//! How a supervisor comes to be: started by a command, alone for its pod, in the background.
use super::Error;
use super::paths::Paths;
use super::record::{Names, NamesChoice, PodRecord};
use super::spawn::null_stdio;
use super::supervisor::Supervisor;
use crate::sys::launch::{self, Fork};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;

/// What a new supervisor is to do first; JSON on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// Make the pod.
    Create {
        /// The pod; its `names` are settled by `choice`.
        record: Box<PodRecord>,
        /// Who shall realize its names.
        choice: NamesChoice,
    },
    /// Adopt the pod's init if it runs.
    Open,
}

/// What a new supervisor says on its standard output once it serves, or cannot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begun {
    /// It serves.
    Serving {
        /// Who realizes the names.
        names: Option<Names>,
        /// Why it is not kernel namespaces, where the choice was ours.
        note: Option<String>,
    },
    /// Another supervisor has the pod.
    Taken,
    /// It cannot.
    Failed(String),
}

/// `autopod supervise NAME`: becomes the pod's supervisor in the background.
pub fn run(name: &str) -> Result<(), Error> {
    let mut text = Vec::new();
    let broken = |e: std::io::Error| Error::Refused(format!("cannot start a supervisor: {e}"));
    std::io::stdin().read_to_end(&mut text).map_err(broken)?;
    let begin: Begin = serde_json::from_slice(&text).map_err(|e| broken(e.into()))?;
    // Away from the terminal, the session and the parent of whoever called us.
    match launch::fork().map_err(|e| broken(e.into()))? {
        Fork::Parent(_) => launch::exit_now(0),
        Fork::Child => {}
    }
    let _ = nix::unistd::setsid();
    let _ = nix::sys::prctl::set_name(c"autopod-super");
    // An init whose go-between has ended, and orphans of an init that was killed, shall be ours to reap.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let _ = std::env::set_current_dir("/");
    let mut word = std::io::stdout();
    let say = |word: &mut std::io::Stdout, begun: &Begun| {
        let _ = serde_json::to_writer(&mut *word, begun);
        let _ = word.write_all(b"\n");
        let _ = word.flush();
    };
    match Supervisor::begin(name, begin) {
        Ok(Some((supervisor, begun))) => {
            say(&mut word, &begun);
            let _ = null_stdio(2);
            supervisor.serve();
        }
        Ok(None) => say(&mut word, &Begun::Taken),
        Err(e) => say(&mut word, &Begun::Failed(e.to_string())),
    }
    Ok(())
}

/// Takes the lock that makes this process the pod's only supervisor; nothing if another has it.
pub(super) fn take_lock(paths: &Paths) -> Result<Option<Flock<File>>, Error> {
    let path = paths.supervisor_lock();
    loop {
        let file = match File::create(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                paths.make()?;
                continue;
            }
            other => other.map_err(|e| Error::file("open", &path, e))?,
        };
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else { return Ok(None) };
        // The pod may have been removed in between, the file with it: a lock on it would exclude nobody.
        let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
        match (lock.metadata(), std::fs::metadata(&path)) {
            (Ok(held), Ok(there)) if same(&held, &there) => return Ok(Some(lock)),
            _ => paths.make()?,
        }
    }
}
