//! A pod's file tree (docs/view.md): what of it is asked for (here), how init builds it (`enter`), and who serves it (`keeper`), and what is kept of changes (`kept`).
pub mod enter;
pub mod gathered;
pub mod keeper;
pub mod kept;

use anyhow::Context;
pub use autopod_fuse_barrier::rules::Bind;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a tree becomes a pod's root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Through FUSE: hidden paths do not exist, and no program can undo a rule.
    #[default]
    Fuse,
    /// By bind mounts: at the speed of the tree; hidden paths are empty.
    Bind,
}

/// A pod's file tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The directory that is the pod's root.
    pub root: PathBuf,
    /// How it becomes that.
    #[serde(default)]
    pub kind: Kind,
    /// Paths that shall not be there.
    #[serde(default)]
    pub hide: Vec<PathBuf>,
    /// Paths below which nothing can be changed.
    #[serde(default)]
    pub read_only: Vec<PathBuf>,
    /// What else is to be found in it.
    #[serde(default)]
    pub binds: Vec<Bind>,
    /// Whether the tree stays as it is, and what programs change is kept with the pod.
    #[serde(default)]
    pub cow: bool,
    /// Whether /tmp is empty at first, and gone with the pod.
    #[serde(default)]
    pub private_tmp: bool,
}

impl View {
    /// The preloaded library, if the tree has a dynamic linker that can load it.
    pub fn shim(&self) -> Option<PathBuf> {
        crate::pod::environment::find_shim().filter(|_| self.root.join("lib64/ld-linux-x86-64.so.2").exists())
    }
}

/// Options of a command line that makes a pod.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Directory that is the root of the pod's file tree [default: what is mounted for it in the barrier, else the host's]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How the directory becomes the root [default: fuse]
    #[arg(long, value_enum, value_name = "KIND")]
    view: Option<Kind>,
    /// Path of the pod that shall not be there
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    hide: Vec<PathBuf>,
    /// Path of the pod below which nothing can be changed
    #[arg(long = "ro", value_name = "PATH", value_parser = parse_path)]
    read_only: Vec<PathBuf>,
    /// Something of the host's to be found at a path of the pod
    #[arg(long, value_name = "SRC:DST[:ro]")]
    bind: Vec<Bind>,
    /// Leave the directory as it is: what programs change is kept with the pod
    #[arg(long)]
    cow: bool,
    /// Give the pod an empty /tmp of its own
    #[arg(long)]
    private_tmp: bool,
}

impl Options {
    /// The tree that is asked for, if one is: that of --root, or what is mounted for the pod in the barrier.
    pub fn view(self, barrier: &Path, mounted: Option<PathBuf>) -> anyhow::Result<Option<View>> {
        let root = match (&self.root, mounted) {
            (Some(root), Some(mounted)) => {
                anyhow::bail!(
                    "a tree is mounted at {}, and --root names {}: unmount it, or leave --root out",
                    mounted.display(),
                    root.display()
                )
            }
            // what is a link there has a meaning for who follows it, and none as a path
            (Some(root), None) if root.starts_with(barrier) => Some(root.clone()),
            (Some(root), None) => {
                // links on the way to it are those of now
                Some(root.canonicalize().with_context(|| format!("cannot use {} as the root of a pod", root.display()))?)
            }
            (None, mounted) => mounted,
        };
        if let Some(bind) = self.bind.iter().find(|bind| bind.source.starts_with(barrier)) {
            anyhow::bail!("{} is in the barrier, which no pod has anything of", bind.source.display());
        }
        let Some(root) = root else {
            let rules = !(self.hide.is_empty() && self.read_only.is_empty() && self.bind.is_empty());
            if rules || self.cow || self.private_tmp || self.view.is_some() {
                anyhow::bail!("rules of a file tree need one: give --root DIR, or mount it at {}/NAME/root", barrier.display());
            }
            return Ok(None);
        };
        Ok(Some(View {
            root,
            kind: self.view.unwrap_or_default(),
            hide: self.hide,
            read_only: self.read_only,
            binds: self.bind,
            cow: self.cow,
            private_tmp: self.private_tmp,
        }))
    }
}

fn parse_path(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') { Ok(text.into()) } else { Err(format!("\"{text}\" is not an absolute path of the pod")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_an_old_record_has_what_was_not_known_then() {
        let view: View = serde_json::from_str(r#"{"root": "/pod"}"#).unwrap();
        assert_eq!((view.kind, view.cow, view.binds.len()), (Kind::Fuse, false, 0));
    }
}
