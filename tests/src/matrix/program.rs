//! A program of `tests/programs`: its source, its header, and how to build it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

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
        let text = std::fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
        let name = source.file_stem().context("a program has a name")?.to_string_lossy().into_owned();
        let first = text.lines().next().unwrap_or_default();
        let Some(header) = first.strip_prefix("// ") else { bail!("{}: the first line is not a header", source.display()) };
        let mut program = Self { name, source: source.into(), ..Self::default() };
        for part in header.split("; ") {
            let (key, value) = part.split_once(": ").unwrap_or((part, ""));
            match (key.trim(), value.trim()) {
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
        let mut sources: Vec<PathBuf> = std::fs::read_dir(directory)
            .with_context(|| format!("cannot list {}", directory.display()))?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "c"))
            .collect();
        sources.sort();
        sources.iter().map(|source| Self::read(source)).collect()
    }

    /// Compiles the program unless the binary is newer than everything it is made of.
    pub fn build(&self, binary: &Path) -> Result<()> {
        let directory = self.source.parent().context("a source is in a directory")?;
        let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
        if let Some(built) = changed(binary) {
            let parts = [self.source.clone(), directory.join("harness.h"), directory.join("socket.h")];
            if parts.iter().filter_map(|p| changed(p)).all(|t| t < built) {
                return Ok(());
            }
        }
        let temporary = binary.with_extension("new");
        let output = Command::new("gcc")
            .args([
                "-O1",
                "-g",
                "-Wall",
                "-Wextra",
                "-Wno-unused-parameter",
                "-Wno-unused-result",
                "-Wno-format-truncation",
                "-o",
            ])
            .arg(&temporary)
            .arg(&self.source)
            .args(&self.flags)
            .args(["-pthread", "-lrt"])
            .output()
            .context("cannot run gcc; install it (apt-get install gcc libc6-dev)")?;
        if !output.status.success() {
            bail!("{} does not compile:\n{}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        std::fs::rename(&temporary, binary)?;
        Ok(())
    }
}
