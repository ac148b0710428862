//! A program of `tests/programs`: its source, its header, and how to build it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::source::{self, Form};

/// What the first line of a program says (see `tests/programs/harness.h`).
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub name: String,
    pub source: PathBuf,
    pub needs_root: bool,
    pub kernel_names_only: bool,
    pub row: String,
    pub go_by_term: bool,
    pub foreground: bool,
    pub slow: bool,
    /// The profile of the pod's walls, where it is not the default one.
    pub profile: Option<String>,
    /// Huge pages of 2 MB that it uses.
    pub huge: u64,
    pub flags: Vec<String>,
    /// A checkpoint must be refused with a message that contains this.
    pub expect: Option<String>,
}

impl Program {
    /// Reads the header of one source file.
    pub fn read(source: &Path) -> Result<Self> {
        let mut program = Self { name: source::name(source)?, source: source.into(), ..Self::default() };
        for (key, value) in source::header(source, Form::Line)? {
            match (key.as_str(), value.as_str()) {
                ("needs", "any") | ("names", "any") => {}
                ("needs", "root") => program.needs_root = true,
                ("names", "kernel") => program.kernel_names_only = true,
                ("row", row) => program.row = row.trim_matches('"').to_owned(),
                ("go", "term") => program.go_by_term = true,
                ("start", "foreground") => program.foreground = true,
                ("flags", flags) => program.flags = flags.split_whitespace().map(str::to_owned).collect(),
                ("profile", profile) => program.profile = Some(profile.to_owned()),
                ("expect", word) => program.expect = Some(word.to_owned()),
                ("slow", "") => program.slow = true,
                ("huge", number) => program.huge = number.parse().context("huge: a number")?,
                (key, value) => bail!("{}: unknown attribute \"{key}: {value}\"", source.display()),
            }
        }
        if program.row.is_empty() {
            bail!("{}: the header names no row", source.display());
        }
        Ok(program)
    }

    /// All programs of a directory, in the order of their names.
    pub fn read_all(directory: &Path) -> Result<Vec<Self>> {
        source::all(directory)?.iter().map(|source| Self::read(source)).collect()
    }

    /// Compiles the program unless the binary is newer than everything it is made of.
    pub fn build(&self, binary: &Path) -> Result<()> {
        let directory = self.source.parent().context("a source is in a directory")?;
        let parts = [directory.join("harness.h"), directory.join("socket.h")];
        let options = ["-O1", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-result", "-Wno-format-truncation"];
        let libraries: Vec<&str> = self.flags.iter().map(String::as_str).chain(["-pthread", "-lrt"]).collect();
        source::compile(&self.source, &parts, binary, &options, &libraries)
    }
}
