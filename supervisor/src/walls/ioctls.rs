//! The table of requests of ioctl(2), `ioctls.toml`: which of them programs may make, and why.
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The bits of a request in which the size of its argument is encoded (_IOC_SIZE).
pub const SIZE: u32 = 0x3fff_0000;

/// What becomes of a request that the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Made.
    Allow,
    /// Refused with EPERM.
    Refuse,
}

fn one() -> u32 {
    1
}

/// One request, or several that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The name of the first, as the kernel's headers have it.
    #[serde(skip)]
    pub name: String,
    /// The first.
    pub number: u32,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// Whether it is meant with all sizes of its argument.
    #[serde(default)]
    pub any_size: bool,
    pub action: Action,
    /// Why.
    pub reason: String,
}

fn parse(text: &str) -> Result<Vec<Request>, toml::de::Error> {
    let written: BTreeMap<String, Request> = toml::from_str(text)?;
    let mut requests: Vec<Request> = written.into_iter().map(|(name, request)| Request { name, ..request }).collect();
    requests.sort_by_key(|request| request.number);
    Ok(requests)
}

/// All requests that are known, by number.
pub fn requests() -> &'static [Request] {
    static REQUESTS: OnceLock<Vec<Request>> = OnceLock::new();
    REQUESTS.get_or_init(|| parse(include_str!("ioctls.toml")).expect("a test reads the table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_say_why_and_do_not_overlap() {
        let requests = requests();
        for request in requests {
            assert!(!request.reason.is_empty() && request.count > 0, "{}", request.name);
            assert!(!request.any_size || request.number & SIZE == 0 && request.count == 1, "{}", request.name);
        }
        for pair in requests.windows(2) {
            assert!(pair[0].number + pair[0].count <= pair[1].number, "{} and {}", pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn numbers_are_those_of_this_machines_kernel_headers() {
        let number = |name: &str| requests().iter().find(|request| request.name == name).map(|request| u64::from(request.number));
        for (name, expected) in [
            ("TCGETS", libc::TCGETS),
            ("TIOCSTI", libc::TIOCSTI),
            ("TIOCGPTPEER", libc::TIOCGPTPEER),
            ("FIONREAD", libc::FIONREAD),
            ("FICLONE", libc::FICLONE),
            ("FS_IOC_GETFLAGS", libc::FS_IOC_GETFLAGS),
            ("SIOCGIFCONF", libc::SIOCGIFCONF),
            ("TUNSETIFF", libc::TUNSETIFF),
            ("SECCOMP_IOCTL_NOTIF_RECV", libc::SECCOMP_IOCTL_NOTIF_RECV),
        ] {
            assert_eq!(number(name), Some(expected), "{name}");
        }
    }
}
