//! An attack: its source, its header (see `tests/security/attacks/attack.h`), and how to build it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::source::{self, Form};

/// What an attack has as its standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Input {
    #[default]
    Nothing,
    /// The terminal of whoever invoked autopod.
    Terminal,
    /// A directory of the host, which the attacker's user owns.
    Directory,
    /// A file of the host that the attacker's user owns, to be read.
    File,
    /// The barrier directory, where it is served.
    Barrier,
}

/// What the first lines of an attack say.
#[derive(Debug, Clone, Default)]
pub struct Attack {
    pub name: String,
    pub source: PathBuf,
    pub tries: String,
    pub wall: String,
    /// Outside of any pod, root succeeds with it.
    pub root_succeeds: bool,
    /// Outside of any pod, an unprivileged user succeeds with it.
    pub user_succeeds: bool,
    /// Why nobody does, where that is so.
    pub never: Option<String>,
    /// What the control may answer instead, on kernels that lack the thing, and why.
    pub unless: Vec<String>,
    pub unless_reason: String,
    /// The control has a neighbour pod, too.
    pub needs_pods: bool,
    /// The harm is about files: meaningless where a pod has the host's own tree.
    pub needs_tree: bool,
    pub input: Input,
    /// Profiles that hold it; all, if empty.
    pub profiles: Vec<String>,
    /// There is nothing of the kind under kernel names.
    pub shim_names_only: bool,
}

impl Attack {
    /// Reads the header of one source file.
    pub fn read(source: &Path) -> Result<Self> {
        let mut attack = Self { name: source::name(source)?, source: source.into(), ..Self::default() };
        for (key, value) in source::header(source, Form::Lines)? {
            let value = value.as_str();
            match key.as_str() {
                "tries" => attack.tries = value.into(),
                "wall" => attack.wall = value.into(),
                "control" => match value.split_once(' ').unwrap_or((value, "")) {
                    ("both", "") => (attack.root_succeeds, attack.user_succeeds) = (true, true),
                    ("root", "") => attack.root_succeeds = true,
                    ("user", "") => attack.user_succeeds = true,
                    ("none", reason) if !reason.is_empty() => attack.never = Some(reason.into()),
                    _ => bail!("{}: \"control: {value}\" is none of both, root, user, none REASON", source.display()),
                },
                "unless" => {
                    let (errors, reason) = value.split_once(' ').with_context(|| format!("{}: no reason", source.display()))?;
                    attack.unless = errors.split(',').map(str::to_owned).collect();
                    attack.unless_reason = reason.into();
                }
                "needs" => match value {
                    "pods" => attack.needs_pods = true,
                    "tree" => attack.needs_tree = true,
                    "terminal" => attack.input = Input::Terminal,
                    "directory" => attack.input = Input::Directory,
                    "barrier" => attack.input = Input::Barrier,
                    "file" => attack.input = Input::File,
                    _ => bail!("{}: unknown need \"{value}\"", source.display()),
                },
                "profiles" => attack.profiles = value.split(' ').map(str::to_owned).collect(),
                _ => bail!("{}: unknown line \"{key}: {value}\"", source.display()),
            }
        }
        if attack.tries.is_empty() || attack.wall.is_empty() {
            bail!("{}: the header does not say what it tries and which wall holds it", source.display());
        }
        if !attack.root_succeeds && !attack.user_succeeds && attack.never.is_none() {
            bail!("{}: the header says nothing of the control", source.display());
        }
        Ok(attack)
    }

    /// All attacks of a directory, in the order of their names.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>> {
        source::all(directory)?.iter().map(|source| Self::read(source)).collect()
    }

    /// Whether a pod of this kind is meant to hold it.
    #[must_use]
    pub fn concerns(&self, names: &str, profile: &str) -> bool {
        (self.profiles.is_empty() || self.profiles.iter().any(|p| p == profile)) && !(self.shim_names_only && names == "kernel")
    }

    /// Whether it is a program, and not a story of the runner's own ([`super::tables`], [`super::poison`]).
    #[must_use]
    pub fn is_program(&self) -> bool {
        !self.source.as_os_str().is_empty()
    }
}

/// Compiles one source to a static program without a C library, unless the binary is newer than everything it is made of.
pub fn build(source: &Path, binary: &Path) -> Result<()> {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("security/attacks/attack.h");
    let options = ["-static", "-nostdlib", "-O1", "-Wall", "-Wextra", "-fno-stack-protector", "-fno-builtin"];
    source::compile(source, &[header], binary, &options, &[])
}
