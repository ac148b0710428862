//! The rules of a view: what differs between the tree behind it and what is seen.
//!
//! A rule is about one name in one directory. It is found by the directory's identity, not by a path: renaming the directory, or coming to
//! it another way, does not get around it. A *region* is a part of the view with a root of its own: the tree itself, a bind, or a part that
//! can only be read. As between mounts, nothing is renamed or linked from one to another (EXDEV).
use crate::node::Key;
use crate::sys;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is done about a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// There is nothing.
    Hide,
    /// The same, and it is well if not even its directory is there.
    Cover,
    /// It can only be read.
    ReadOnly,
    /// Something else is there: the descriptor of this index among those that came along.
    Bind {
        /// Which descriptor.
        source: usize,
        /// Whether it can only be read.
        read_only: bool,
    },
}

/// Something of the host's to be found in a view: `SRC:DST`, or `SRC:DST:ro`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// What, on the host.
    pub source: PathBuf,
    /// Where, in the view.
    pub target: PathBuf,
    /// Whether it can only be read.
    #[serde(default)]
    pub read_only: bool,
}

impl std::str::FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, read_only) = match text.strip_suffix(":ro") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        match rest.split_once(':') {
            Some((source, target)) if source.starts_with('/') && target.starts_with('/') => {
                Ok(Self { source: source.into(), target: target.into(), read_only })
            }
            _ => Err(format!("\"{text}\" is not of the form SRC:DST or SRC:DST:ro with absolute paths")),
        }
    }
}

/// A path of the view and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The path, from the view's root.
    pub path: PathBuf,
    /// What is done about it.
    pub rule: Rule,
}

/// What a name means where a rule is about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// There is nothing.
    Nothing,
    /// The root of this region.
    Region(u16),
}

/// A part of the view.
#[derive(Debug)]
pub struct Region {
    /// Its root, an O_PATH descriptor.
    pub root: OwnedFd,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Where it is, from the view's root; empty for the view itself.
    path: PathBuf,
}

/// All rules, resolved.
#[derive(Debug)]
pub struct Rules {
    /// Region 0 is the tree itself.
    pub regions: Vec<Region>,
    names: HashMap<(u64, u64), HashMap<OsString, Meaning>>,
}

/// A rule that cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The path it is about.
    pub path: PathBuf,
    /// Why.
    pub errno: Errno,
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the tree has no directory for {}: {}", self.path.display(), self.errno.desc())
    }
}

impl std::error::Error for Unresolved {}

/// A path from the view's root: without `.`, `..` and a slash at either end.
fn relative(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => clean.push(name),
            std::path::Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

fn c_path(path: &Path) -> Result<CString, Errno> {
    let bytes = if path.as_os_str().is_empty() { b"." } else { path.as_os_str().as_bytes() };
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}

impl Rules {
    /// Resolves the points, in the order of their depth: a rule may be about a path within a bind.
    pub fn new(root: OwnedFd, read_only: bool, points: &[Point], sources: Vec<OwnedFd>) -> Result<Self, Unresolved> {
        let mut rules = Self { regions: vec![Region { root, read_only, path: PathBuf::new() }], names: HashMap::new() };
        let mut sources: Vec<Option<OwnedFd>> = sources.into_iter().map(Some).collect();
        let mut points: Vec<(PathBuf, &Point)> = points.iter().map(|point| (relative(&point.path), point)).collect();
        points.sort_by_key(|(path, _)| path.components().count());
        for (path, point) in points {
            match rules.add(&path, point, &mut sources) {
                Err(Errno::ENOENT | Errno::ENOTDIR) if point.rule == Rule::Cover => {}
                added => added.map_err(|errno| Unresolved { path: point.path.clone(), errno })?,
            }
        }
        Ok(rules)
    }

    fn add(&mut self, path: &Path, point: &Point, sources: &mut [Option<OwnedFd>]) -> Result<(), Errno> {
        let Some(name) = path.file_name() else {
            return match point.rule {
                Rule::ReadOnly => {
                    self.regions[0].read_only = true;
                    Ok(())
                }
                _ => Err(Errno::EBUSY),
            };
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let within = (0..self.regions.len()).rev().find(|&index| parent.starts_with(&self.regions[index].path)).unwrap_or(0);
        let region = &self.regions[within];
        let rest = parent.strip_prefix(&region.path).unwrap_or(parent);
        let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
        let directory = sys::open_at2(region.root.as_fd(), &c_path(rest)?, libc::O_PATH | libc::O_DIRECTORY, resolve)?;
        let stat = sys::stat(directory.as_fd())?;
        let here = || sys::open_at(directory.as_fd(), &sys::c_name(name)?, libc::O_PATH | libc::O_NOFOLLOW, 0);
        let meaning = match &point.rule {
            Rule::Hide | Rule::Cover => Meaning::Nothing,
            Rule::ReadOnly => self.add_region(here()?, true, path),
            Rule::Bind { source, read_only } => {
                let source = sources.get_mut(*source).and_then(Option::take).ok_or(Errno::EINVAL)?;
                self.add_region(source, *read_only, path)
            }
        };
        self.names.entry((stat.st_dev, stat.st_ino)).or_default().insert(name.to_owned(), meaning);
        Ok(())
    }

    fn add_region(&mut self, root: OwnedFd, read_only: bool, path: &Path) -> Meaning {
        self.regions.push(Region { root, read_only, path: path.to_owned() });
        Meaning::Region((self.regions.len() - 1) as u16)
    }

    /// What a rule says about a name in a directory.
    pub fn about(&self, directory: Key, name: &OsStr) -> Option<Meaning> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(&(directory.0, directory.1))?.get(name).copied()
    }

    /// All names in a directory that rules are about.
    pub fn names_in(&self, directory: Key) -> impl Iterator<Item = (&OsString, Meaning)> {
        self.names.get(&(directory.0, directory.1)).into_iter().flatten().map(|(name, meaning)| (name, *meaning))
    }

    /// Whether a region can only be read.
    pub fn is_read_only(&self, region: u16) -> bool {
        self.regions.get(usize::from(region)).is_none_or(|region| region.read_only)
    }

    /// Whether some part can only be read while the whole is not so.
    pub fn has_read_only_parts(&self) -> bool {
        self.regions.iter().any(|region| region.read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_fd(path: &Path) -> OwnedFd {
        sys::open_at2(nix::fcntl::AT_FDCWD, &c_path(path).unwrap(), libc::O_PATH, 0).unwrap()
    }

    fn key(path: &Path, region: u16) -> Key {
        let stat = nix::sys::stat::stat(path).unwrap();
        (stat.st_dev, stat.st_ino, region)
    }

    #[test]
    fn a_bind_is_two_absolute_paths() {
        let bind = "/a:/b:ro".parse::<Bind>().unwrap();
        assert_eq!((bind.source.as_path(), bind.target.as_path(), bind.read_only), (Path::new("/a"), Path::new("/b"), true));
        assert!(!"/a:/b".parse::<Bind>().unwrap().read_only);
        for bad in ["/a", "a:/b", "/a:b", ":", "/a:ro"] {
            assert!(bad.parse::<Bind>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rules_are_found_by_the_directory_however_it_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, other) = (dir.path().join("tree"), dir.path().join("other"));
        std::fs::create_dir_all(tree.join("usr/bin")).unwrap();
        std::fs::create_dir_all(other.join("deep")).unwrap();
        // resolved within the tree, not on the host
        std::os::unix::fs::symlink("/usr/bin", tree.join("bin")).unwrap();
        let point = |path: &str, rule| Point { path: path.into(), rule };
        let points = [
            point("/data/deep/secret", Rule::Hide),
            point("/bin/sh", Rule::Hide),
            point("/data", Rule::Bind { source: 0, read_only: true }),
            point("/usr", Rule::ReadOnly),
        ];
        let rules = Rules::new(path_fd(&tree), false, &points, vec![path_fd(&other)]).unwrap();
        assert_eq!(rules.about(key(&tree.join("usr/bin"), 0), OsStr::new("sh")), Some(Meaning::Nothing));
        assert_eq!(rules.about(key(&tree.join("usr/bin"), 0), OsStr::new("ls")), None);
        let Some(Meaning::Region(data)) = rules.about(key(&tree, 0), OsStr::new("data")) else { panic!("no region") };
        assert!(rules.is_read_only(data) && !rules.is_read_only(0));
        assert_eq!(rules.about(key(&other.join("deep"), data), OsStr::new("secret")), Some(Meaning::Nothing));
        assert_eq!(rules.names_in(key(&tree, 0)).count(), 2);
    }

    #[test]
    fn a_rule_without_its_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let points = [Point { path: "/no/such".into(), rule: Rule::Hide }];
        let error = Rules::new(path_fd(dir.path()), false, &points, Vec::new()).unwrap_err();
        assert!(error.to_string().contains("/no/such"), "{error}");
        let points = [Point { path: "/no/such".into(), rule: Rule::Cover }];
        assert!(Rules::new(path_fd(dir.path()), false, &points, Vec::new()).is_ok());
        let points = [Point { path: "/../..".into(), rule: Rule::Hide }];
        assert!(Rules::new(path_fd(dir.path()), false, &points, Vec::new()).is_err(), "the root itself");
    }
}
