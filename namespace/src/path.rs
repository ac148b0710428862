//! Where the table is.

use core::ffi::CStr;
use core::fmt;

/// The file name of every pod's table, in the pod's runtime directory. The engine recognises the mapping by it.
pub const TABLE_FILE: &str = "table";

const CAPACITY: usize = 1024;

/// A short text with a NUL behind it, on the stack.
#[derive(Clone, Copy)]
pub struct PathText {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Default for PathText {
    fn default() -> Self {
        PathText::new()
    }
}

impl PathText {
    pub const fn new() -> PathText {
        PathText { bytes: [0; CAPACITY], len: 0 }
    }

    /// False, and nothing appended, when it does not fit.
    pub fn push(&mut self, text: &[u8]) -> bool {
        let end = self.len + text.len();
        if end >= CAPACITY {
            return false;
        }
        self.bytes[self.len..end].copy_from_slice(text);
        self.len = end;
        true
    }

    pub fn push_number(&mut self, mut number: u64) -> bool {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.push(&digits[at..]);
            }
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }

    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

impl fmt::Debug for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for PathText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for PathText {
    fn eq(&self, other: &PathText) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// The path of a pod's table when nobody gave one: `$AUTOPOD_HOME/run/NAME/table`; for root `/run/autopod/NAME/table`;
/// for others `$XDG_RUNTIME_DIR/autopod/NAME/table`, or without that directory `/tmp/autopod-UID/NAME/table`.
/// `None` when it is too long, or `pod` no name for a directory.
pub fn default_table_path(pod: &[u8], home: Option<&[u8]>, runtime: Option<&[u8]>, uid: u32) -> Option<PathText> {
    if pod.is_empty() || pod.contains(&b'/') || pod == b"." || pod == b".." {
        return None;
    }
    let some = |text: Option<&'_ [u8]>| text.is_some_and(|t| !t.is_empty());
    let mut path = PathText::new();
    let whole = if some(home) {
        path.push(home?) && path.push(b"/run/")
    } else if uid == 0 {
        path.push(b"/run/autopod/")
    } else if some(runtime) {
        path.push(runtime?) && path.push(b"/autopod/")
    } else {
        path.push(b"/tmp/autopod-") && path.push_number(uid.into()) && path.push(b"/")
    };
    (whole && path.push(pod) && path.push(b"/") && path.push(TABLE_FILE.as_bytes())).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_table_is_where_the_documentation_says() {
        let path = |home: Option<&str>, runtime: Option<&str>, uid| {
            default_table_path(b"web", home.map(str::as_bytes), runtime.map(str::as_bytes), uid).map(|p| p.to_string())
        };
        assert_eq!(path(None, None, 0).as_deref(), Some("/run/autopod/web/table"));
        assert_eq!(path(Some("/h"), Some("/run/user/7"), 0).as_deref(), Some("/h/run/web/table"));
        assert_eq!(path(Some(""), Some("/run/user/7"), 7).as_deref(), Some("/run/user/7/autopod/web/table"));
        assert_eq!(path(None, None, 1000).as_deref(), Some("/tmp/autopod-1000/web/table"));
        assert_eq!(default_table_path(b"../x", None, None, 0), None);
        assert_eq!(default_table_path(&[b'a'; 2000], None, None, 0), None);
    }
}
