//! Which programs a preloaded library cannot reach (ld.so(8)): statically linked ones, which have no dynamic linker, and
//! those that gain privilege, for which the dynamic linker ignores LD_PRELOAD.
use super::spawn::candidates;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the library would not be loaded into `program`, or nothing if it would be (or if the program cannot be read: then
/// starting it tells more).
pub fn unreachable_by_shim(program: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Option<String> {
    let file = candidates(program, path)
        .into_iter()
        .map(|file| cwd.join(file))
        .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))?;
    check(&file, 0).unwrap_or(None)
}

fn check(path: &Path, depth: u32) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let shown = path.display();
    let me = nix::unistd::geteuid().as_raw();
    let gains_user = meta.mode() & libc::S_ISUID != 0 && meta.uid() != me;
    let gains_group = meta.mode() & libc::S_ISGID != 0 && meta.gid() != nix::unistd::getegid().as_raw();
    if gains_user || gains_group {
        return Ok(Some(format!("{shown} is set-user-id or set-group-id, and no library can be preloaded into such programs")));
    }
    let mut head = [0; 256];
    let len = (&file).take(256).read(&mut head)?;
    if let Some(line) = head[..len].strip_prefix(b"#!") {
        let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
        let interpreter = line.split(|b| b" \t".contains(b)).find(|word| !word.is_empty());
        return match interpreter {
            // The kernel, too, follows a short chain of interpreters only.
            Some(word) if depth < 5 => check(&PathBuf::from(OsStr::from_bytes(word)), depth + 1),
            _ => Ok(None),
        };
    }
    if is_static(&file, &head[..len])? {
        return Ok(Some(format!("{shown} is statically linked, and no library can be preloaded into such programs")));
    }
    Ok(None)
}

/// Whether this is an ELF program (elf(5)) without a PT_INTERP segment. 64-bit, little-endian, as are all hosts that
/// AutoPod runs on; other formats are not ours to judge.
fn is_static(file: &File, head: &[u8]) -> io::Result<bool> {
    const PT_INTERP: u32 = 3;
    if head.len() < 64 || !head.starts_with(b"\x7fELF\x02\x01") {
        return Ok(false);
    }
    let number = |at: usize, size: usize| head[at..at + size].iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let (offset, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    for index in 0..count {
        let mut kind = [0; 4];
        file.read_exact_at(&mut kind, offset.saturating_add(index * size))?;
        if u32::from_le_bytes(kind) == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn static_programs_are_told_from_dynamic_ones_and_scripts() {
        let dir = tempfile::tempdir().unwrap();
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1;
        write(dir.path(), "static", &elf, 0o755);
        elf[64] = 3;
        write(dir.path(), "dynamic", &elf, 0o755);
        let script = format!("#! {} -x\n", dir.path().join("static").display());
        write(dir.path(), "script", script.as_bytes(), 0o755);
        write(dir.path(), "loop", format!("#!{}\n", dir.path().join("loop").display()).as_bytes(), 0o755);
        let why = |name: &str| unreachable_by_shim(OsStr::new(name), Some(dir.path().as_os_str()), Path::new("/"));
        assert!(why("static").is_some_and(|why| why.contains("statically")));
        assert!(why("script").is_some_and(|why| why.contains("statically")));
        assert_eq!(why("dynamic"), None);
        assert_eq!(why("loop"), None);
        assert_eq!(why("missing"), None);
    }

    #[test]
    fn the_shell_is_reachable() {
        assert_eq!(unreachable_by_shim(OsStr::new("sh"), None, Path::new("/")), None);
    }
}
