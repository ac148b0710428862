//! C sources of the tests: what their headers say, and how they are compiled.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The name of a source, without its suffix.
pub fn name(source: &Path) -> Result<String> {
    Ok(source.file_stem().context("a source has a name")?.to_string_lossy().into_owned())
}

/// The sources of a directory, in the order of their names.
pub fn all(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// How a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `// key: value; key: value`, in the first line.
    Line,
    /// `// key: value`, one in each of the first lines.
    Lines,
}

/// The keys and values of a source's header, in order; a word without a value has an empty one.
pub fn header(source: &Path, form: Form) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut lines = text.lines().map_while(|line| line.strip_prefix("// "));
    let parts: Vec<&str> = match form {
        Form::Line => lines.next().into_iter().flat_map(|line| line.split("; ")).collect(),
        Form::Lines => lines.collect(),
    };
    if parts.is_empty() {
        bail!("{}: the first line is not a header", source.display());
    }
    let pair = |part: &str| {
        let (key, value) = part.split_once(": ").unwrap_or((part, ""));
        (key.trim().to_owned(), value.trim().to_owned())
    };
    Ok(parts.into_iter().map(pair).collect())
}

/// Compiles a source by gcc unless the binary is newer than it and `parts`. Libraries among the arguments come after the source.
pub fn compile(source: &Path, parts: &[PathBuf], binary: &Path, options: &[&str], libraries: &[&str]) -> Result<()> {
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    if let Some(built) = changed(binary) {
        if [source].into_iter().chain(parts.iter().map(PathBuf::as_path)).filter_map(changed).all(|t| t < built) {
            return Ok(());
        }
    }
    // Others may compile the same one, or execute it.
    let temporary = binary.with_extension(std::process::id().to_string());
    let output = Command::new("gcc")
        .args(options)
        .arg("-o")
        .arg(&temporary)
        .arg(source)
        .args(libraries)
        .output()
        .context("cannot run gcc; install it (apt-get install gcc libc6-dev)")?;
    if !output.status.success() {
        bail!("{} does not compile:\n{}", source.display(), String::from_utf8_lossy(&output.stderr));
    }
    std::fs::rename(&temporary, binary)?;
    Ok(())
}
