//! The pods of one user, as their directories tell.
use super::Error;
use super::paths::{Paths, Roots};
use super::record::{Names, PodRecord, check_name};
use crate::view::kept;
use crate::walls::limits::{self, Held};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Who a pod's init is: enough to find it again, and to tell it from a later process with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitRecord {
    /// Its process id on the host.
    pub pid: i32,
    /// Field 22 of its /proc/PID/stat.
    pub start_time: u64,
    /// Who realizes the names.
    pub names: Names,
    /// When it was started, in seconds since the epoch.
    pub started: u64,
    /// What holds the pod's limits.
    #[serde(default)]
    pub limits: Vec<Held>,
}

impl InitRecord {
    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        super::members::read_stat(self.pid)
            .is_some_and(|stat| stat.start_time == self.start_time && stat.state != 'Z' && stat.state != 'X')
    }
}

/// Stores `value` at `path` so that a reader, or a crash, sees the old or the new content and nothing else.
pub fn store<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| Error::file("write", path, std::io::Error::other(e)))?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_data()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Error::file("write", path, e)
    })
}

fn load<T: for<'a> Deserialize<'a>>(path: &Path, pod: &str) -> Result<Option<T>, Error> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| Error::Damaged {
            path: path.to_owned(),
            reason: e.to_string(),
            pod: pod.to_owned(),
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file("read", path, e)),
    }
}

/// The record of the pod `name`, if there is such a pod.
pub fn find(roots: &Roots, name: &str) -> Result<Option<PodRecord>, Error> {
    check_name(name)?;
    load(&roots.pod(name).record(), name)
}

/// The record of the pod `name`.
pub fn get(roots: &Roots, name: &str) -> Result<PodRecord, Error> {
    find(roots, name)?.ok_or_else(|| Error::Unknown(name.to_owned()))
}

/// The running init of the pod, if it has one.
pub fn running_init(paths: &Paths, name: &str) -> Result<Option<InitRecord>, Error> {
    Ok(load::<InitRecord>(&paths.init_record(), name)?.filter(InitRecord::is_alive))
}

/// All pods, by name.
pub fn all(roots: &Roots) -> Result<Vec<PodRecord>, Error> {
    let entries = match std::fs::read_dir(&roots.state) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::file("read the directory", &roots.state, e)),
    };
    let mut pods = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        match find(roots, &name) {
            Ok(Some(record)) => pods.push(record),
            // Not a pod's directory (the key lives here, too), or one whose making was interrupted.
            Ok(None) | Err(Error::BadName(_)) => {}
            // One damaged record must not hide the others.
            Err(e) => tracing::warn!("{e}"),
        }
    }
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pods)
}

/// Stores the pod's record.
pub fn save(paths: &Paths, record: &PodRecord) -> Result<(), Error> {
    store(&paths.record(), record)
}

/// Removes the control groups of a pod that is not running.
pub fn release_limits(paths: &Paths) {
    let record = load::<InitRecord>(&paths.init_record(), "").ok().flatten();
    record.iter().for_each(|record| limits::release(&record.limits));
}

/// Removes everything of a pod that is not running. The record goes last, so that an interrupted removal
/// leaves a pod which can be removed again.
pub fn remove(paths: &Paths) -> Result<(), Error> {
    release_limits(paths);
    remove_dir(&paths.runtime)?;
    // overlayfs and programs make directories that not even their owner may read
    let view = paths.view();
    kept::remove(&view).map_err(|e| Error::file("remove", &view, e))?;
    if let Ok(entries) = std::fs::read_dir(&paths.state) {
        for entry in entries.flatten().filter(|e| e.path() != paths.record()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    remove_dir(&paths.state)
}

fn remove_dir(dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", dir, e)),
        _ => Ok(()),
    }
}
