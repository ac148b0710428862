//! The key that seals images: 32 random bytes in a file only its owner can read, made at first use.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A key in its text form: one line, as in the key file and as exported. Wiped from memory when dropped.
pub type Secret = Zeroizing<String>;

const PREFIX: &str = "autopod-key-1 ";
const TEXT_LEN: usize = PREFIX.len() + 64;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no key at {path}; bring the one that sealed the image with `autopod key import`, or make an image first")]
    Missing { path: PathBuf },
    #[error(
        "the key file {path} can be read by others (mode {mode:04o}); run `chmod 600 {path}`, and make a new key if it may have leaked"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the key file {path} belongs to user {owner}, not to you; give it to the right user with chown, or remove it")]
    Foreign { path: PathBuf, owner: u32 },
    #[error("{from} does not hold a key; expected the one line that `autopod key export` prints")]
    Malformed { from: String },
    #[error(
        "there is another key ({fingerprint}) at {path} already; images sealed with it could no longer be read. \
             Export it first, then import with --force"
    )]
    Exists { path: PathBuf, fingerprint: String },
    #[error("cannot {what} the key file {path}: {source}; check the permissions of its directory, or set AUTOPOD_HOME")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("no place for the key: neither AUTOPOD_HOME, XDG_DATA_HOME nor HOME is set; set one of them")]
    NoHome,
    #[error("the system gives no random bytes for a new key: {0}")]
    Random(getrandom::Error),
}

/// Wiped from memory when dropped; its `Debug` shows the fingerprint only.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.fingerprint())
    }
}

impl Key {
    /// Where this user's key lives: `$AUTOPOD_HOME/key`, else for root `/var/lib/autopod/key`, else
    /// `$XDG_DATA_HOME/autopod/key` or `~/.local/share/autopod/key`.
    ///
    /// # Errors
    /// When an ordinary user has no home.
    pub fn location() -> Result<PathBuf, KeyError> {
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(home) = var("AUTOPOD_HOME") {
            return Ok(home.join("key"));
        }
        if nix::unistd::geteuid().is_root() {
            return Ok("/var/lib/autopod/key".into());
        }
        let data = var("XDG_DATA_HOME").or_else(|| var("HOME").map(|home| home.join(".local/share"))).ok_or(KeyError::NoHome)?;
        Ok(data.join("autopod/key"))
    }

    /// The user's key, for reading images.
    ///
    /// # Errors
    /// When there is none, or others could have read or replaced it.
    pub fn load() -> Result<Self, KeyError> {
        Self::load_from(&Self::location()?)
    }

    /// The user's key, for writing images; made if there is none.
    ///
    /// # Errors
    /// As [`Key::load`], and when a new one cannot be written.
    pub fn load_or_create() -> Result<Self, KeyError> {
        Self::load_or_create_at(&Self::location()?)
    }

    /// As [`Key::load_or_create`], at a path of the caller's.
    ///
    /// # Errors
    /// As there.
    pub fn load_or_create_at(path: &Path) -> Result<Self, KeyError> {
        match Self::load_from(path) {
            Err(KeyError::Missing { .. }) => {}
            other => return other,
        }
        match Self::random()?.store(path, false) {
            // Somebody else made one meanwhile: theirs counts.
            Err(KeyError::Exists { .. }) | Ok(()) => Self::load_from(path),
            Err(e) => Err(e),
        }
    }

    /// As [`Key::load`], from a path of the caller's.
    ///
    /// # Errors
    /// As there.
    pub fn load_from(path: &Path) -> Result<Self, KeyError> {
        let io_error = |source| KeyError::Io { what: "read", path: path.into(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(KeyError::Missing { path: path.into() }),
            Err(e) => return Err(io_error(e)),
        };
        let meta = file.metadata().map_err(io_error)?;
        if meta.uid() != nix::unistd::geteuid().as_raw() {
            return Err(KeyError::Foreign { path: path.into(), owner: meta.uid() });
        }
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.into(), mode: meta.permissions().mode() & 0o7777 });
        }
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN + 2));
        file.take(TEXT_LEN as u64 + 2).read_to_string(&mut text).map_err(io_error)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, KeyError> {
        let mut key = Self(Zeroizing::new([0; 32]));
        getrandom::fill(&mut *key.0).map_err(KeyError::Random)?;
        Ok(key)
    }

    /// Reads the text form; `from` names its origin in the error.
    ///
    /// # Errors
    /// When it is not a key.
    pub fn parse(text: &str, from: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { from: from.into() };
        let hex = text.trim().strip_prefix(PREFIX).ok_or_else(malformed)?.as_bytes();
        if hex.len() != 64 {
            return Err(malformed());
        }
        let digit = |c: u8| (c as char).to_digit(16).ok_or_else(malformed);
        let mut key = Self(Zeroizing::new([0; 32]));
        for (byte, pair) in key.0.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(key)
    }

    /// The text form.
    #[must_use]
    pub fn export(&self) -> Secret {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN));
        text.push_str(PREFIX);
        for byte in self.0.iter() {
            text.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble"));
            text.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble"));
        }
        text
    }

    /// Makes this the key at `path`. The file appears complete and on disk or not at all. Replaces another key only with `force`.
    ///
    /// # Errors
    /// When there is another key, or the file cannot be written.
    pub fn store(&self, path: &Path, force: bool) -> Result<(), KeyError> {
        let io_error = |source| KeyError::Io { what: "write", path: path.into(), source };
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error)?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(KeyError::Random)?;
        let temp = dir.join(format!(".key.{:016x}", u64::from_le_bytes(nonce)));
        let result = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp)?;
            file.write_all(self.export().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            // A link never replaces, a rename always does.
            if force {
                fs::rename(&temp, path)?
            } else {
                fs::hard_link(&temp, path)?
            }
            File::open(dir)?.sync_all()
        })();
        let _ = fs::remove_file(&temp);
        match result {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match Self::load_from(path) {
                Ok(there) if there.0 == self.0 => Ok(()),
                Ok(there) => Err(KeyError::Exists { path: path.into(), fingerprint: there.fingerprint() }),
                Err(e) => Err(e),
            },
            other => other.map_err(io_error),
        }
    }

    /// Names the key without giving it away; what images carry in their header.
    #[must_use]
    pub(super) fn id(&self) -> [u8; 8] {
        let mut mac = self.mac();
        mac.update(b"autopod key fingerprint");
        mac.finalize().into_bytes()[..8].try_into().expect("eight of 32 bytes")
    }

    /// [`Key::id`] for people: 16 hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.id())
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&*self.0).expect("HMAC takes keys of any length")
    }
}

pub(super) fn fingerprint(id: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/key");
        assert!(matches!(Key::load_from(&path), Err(KeyError::Missing { .. })));
        let key = Key::load_or_create_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(Key::load_or_create_at(&path).unwrap().0, key.0);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_a_key_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        Key::load_or_create_at(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let e = Key::load_from(&path).unwrap_err();
            assert!(matches!(e, KeyError::Exposed { mode: m, .. } if m == mode), "{e}");
            assert!(matches!(Key::load_or_create_at(&path), Err(KeyError::Exposed { .. })));
        }
    }

    #[test]
    fn export_import() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (a, b) = (Key::random().unwrap(), Key::random().unwrap());
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_eq!(Key::parse(&format!("{}\n", *a.export()), "x").unwrap().0, a.0);
        a.store(&path, false).unwrap();
        a.store(&path, false).unwrap();
        assert!(matches!(b.store(&path, false), Err(KeyError::Exists { .. })));
        assert_eq!(Key::load_from(&path).unwrap().0, a.0);
        b.store(&path, true).unwrap();
        assert_eq!(Key::load_from(&path).unwrap().0, b.0);
    }

    #[test]
    fn rubbish_is_no_key() {
        for text in [
            "",
            "autopod-key-1 ",
            "autopod-key-1 00",
            &format!("{PREFIX}{}", "g".repeat(64)),
            &format!("{PREFIX}{}", "é".repeat(32)),
        ] {
            assert!(matches!(Key::parse(text, "x"), Err(KeyError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        let key = Key::random().unwrap();
        let hex = key.export()[PREFIX.len()..].to_string();
        assert!(!format!("{key:?}").contains(&hex[..16]));
    }
}
