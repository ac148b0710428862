//! What a pod with `--cow` keeps of its changes, on disk: the directory `upper` beside the place where its view is mounted.
//!
//! A restart puts the changes of the image at its place. They are made in `upper.new` first; then the present ones are set aside and the new
//! ones renamed to `upper`. Until the restart is complete all of that can be undone, by whoever comes next: nothing is removed before that.
//!
//! | beside `upper` | |
//! |---|---|
//! | `upper.new` | not complete, or undone: to be removed |
//! | `upper.old` | the changes before the restart, which may be others than those of the image |
//! | `upper.spent` | likewise, and known to be those of the image: no program has run since |
//! | `upper.none` | there were none |
//! | `upper.before`, `upper.before-2`... | what an earlier restart has set aside; AutoPod never looks at it again |
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The places.
#[derive(Debug, Clone)]
pub struct Kept {
    view: PathBuf,
}

impl Kept {
    /// `view` is the directory in which a pod's view is prepared.
    pub fn at(view: &Path) -> Self {
        Self { view: view.to_owned() }
    }

    fn beside(&self, what: &str) -> PathBuf {
        self.view.join(format!("upper.{what}"))
    }

    /// The changes.
    pub fn upper(&self) -> PathBuf {
        self.view.join("upper")
    }

    /// An empty directory for changes to be made in.
    pub fn begin(&self) -> io::Result<PathBuf> {
        let new = self.beside("new");
        remove(&new)?;
        std::fs::create_dir_all(&self.view)?;
        std::fs::DirBuilder::new().create(&new)?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o700))?;
        Ok(new)
    }

    /// Puts what was made into place. `spent`: the present changes are those, too.
    pub fn switch(&self, spent: bool) -> io::Result<()> {
        let upper = self.upper();
        match exists(&upper) {
            true => std::fs::rename(&upper, self.beside(if spent { "spent" } else { "old" }))?,
            false => std::fs::write(self.beside("none"), [])?,
        }
        std::fs::rename(self.beside("new"), upper)
    }

    /// Undoes it all, after a restart that was not completed.
    pub fn back_out(&self) -> io::Result<()> {
        let (upper, new, none) = (self.upper(), self.beside("new"), self.beside("none"));
        let before = ["old", "spent"].map(|what| self.beside(what)).into_iter().find(|path| exists(path));
        if (before.is_some() || exists(&none)) && exists(&upper) {
            remove(&new)?;
            // in one step: what is half removed must not be taken for the changes
            std::fs::rename(&upper, &new)?;
        }
        match before {
            Some(before) => std::fs::rename(before, upper)?,
            None => remove(&none)?,
        }
        remove(&new)
    }

    /// After a restart that was completed, or where nobody can tell: drops what is not needed any more. Gives where changes are that are not
    /// in the image.
    pub fn conclude(&self) -> io::Result<Option<PathBuf>> {
        let (old, spent) = (self.beside("old"), self.beside("spent"));
        if !exists(&self.upper()) && (exists(&old) || exists(&spent)) {
            // somebody was interrupted in between
            return self.back_out().map(|()| None);
        }
        for path in [spent, self.beside("none"), self.beside("new")] {
            remove(&path)?;
        }
        if !exists(&old) {
            return Ok(None);
        }
        if old.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
            return remove(&old).map(|()| None);
        }
        let numbered = |number: u32| self.beside(&if number == 1 { "before".to_owned() } else { format!("before-{number}") });
        let free = (1..).map(numbered).find(|path| !exists(path)).expect("one of four billion is free");
        std::fs::rename(old, &free)?;
        Ok(Some(free))
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Removes a file or a tree, also one with directories that its owner may not read. Nothing that is not there is an error.
pub fn remove(path: &Path) -> io::Result<()> {
    let is_directory = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let removed = if is_directory { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    let removed = match removed {
        Err(error) if is_directory && error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            std::fs::remove_dir_all(path)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    std::fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in directory.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(directory: &Path, upper: Option<&str>) -> Kept {
        let kept = Kept::at(&directory.join("view"));
        if let Some(name) = upper {
            std::fs::create_dir_all(kept.upper().join("closed")).unwrap();
            std::fs::write(kept.upper().join(name), "").unwrap();
            std::fs::set_permissions(kept.upper().join("closed"), Permissions::from_mode(0o0)).unwrap();
        }
        let new = kept.begin().unwrap();
        std::fs::write(new.join("new"), "").unwrap();
        kept
    }

    fn all(kept: &Kept) -> Vec<String> {
        let names = kept.view.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_there_comes_back_wherever_a_restart_is_left() {
        for upper in [Some("mine"), None] {
            // the steps of a switch, and those of an undoing that was interrupted
            for steps in 0..5 {
                let directory = tempfile::tempdir().unwrap();
                let kept = kept(directory.path(), upper);
                let old = kept.beside("old");
                if steps > 0 && upper.is_some() {
                    std::fs::rename(kept.upper(), &old).unwrap();
                } else if steps > 0 {
                    std::fs::write(kept.beside("none"), []).unwrap();
                }
                if steps > 1 {
                    std::fs::rename(kept.beside("new"), kept.upper()).unwrap();
                }
                if steps > 2 {
                    std::fs::rename(kept.upper(), kept.beside("new")).unwrap();
                }
                if steps > 3 && upper.is_some() {
                    std::fs::rename(&old, kept.upper()).unwrap();
                }
                kept.back_out().unwrap();
                assert_eq!(all(&kept), upper.map_or(vec![], |_| vec!["upper".to_owned()]), "{steps}");
                assert!(upper.is_none_or(|name| kept.upper().join(name).exists()), "{steps}");
            }
        }
    }

    #[test]
    fn nothing_is_lost_when_a_restart_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        for round in 1..=3 {
            let kept = kept(directory.path(), Some("mine"));
            kept.switch(false).unwrap();
            let before = kept.conclude().unwrap().unwrap();
            assert!(before.ends_with(["upper.before", "upper.before-2", "upper.before-3"][round - 1]));
            assert!(before.join("mine").exists() && kept.upper().join("new").exists());
            assert_eq!(kept.conclude().unwrap(), None);
            remove(&kept.upper()).unwrap();
        }
        let kept = kept(directory.path(), Some("mine"));
        kept.switch(true).unwrap();
        assert_eq!(kept.conclude().unwrap(), None, "the same changes need not be kept twice");
        assert_eq!(all(&kept), ["upper", "upper.before", "upper.before-2", "upper.before-3"]);
    }

    #[test]
    fn between_the_steps_nobody_who_comes_later_finds_no_changes() {
        let directory = tempfile::tempdir().unwrap();
        let kept = kept(directory.path(), Some("mine"));
        std::fs::rename(kept.upper(), kept.beside("old")).unwrap();
        assert_eq!(kept.conclude().unwrap(), None);
        assert!(kept.upper().join("mine").exists());
        assert_eq!(all(&kept), ["upper"]);
    }
}
