//! /proc/PID/fdinfo/FD (proc_pid_fdinfo(5)).

/// What the kernel tells of one descriptor: position, flags, and lines that depend on the kind of file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdInfo {
    pub position: i64,
    /// As given to open(2), with O_CLOEXEC for the descriptor's own flag.
    pub flags: i32,
    pub mount: i32,
    pub inode: u64,
    /// The other lines: (key, value).
    pub extra: Vec<(String, String)>,
}

impl FdInfo {
    pub fn parse(text: &str) -> Option<FdInfo> {
        let mut info = FdInfo::default();
        let mut seen_flags = false;
        for line in text.lines().filter(|line| !line.is_empty()) {
            // inotify and fanotify lines have no colon after their first word
            let Some((key, value)) = line.split_once(':').filter(|(key, _)| !key.contains(' ')) else {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                info.extra.push((key.to_string(), value.trim().to_string()));
                continue;
            };
            let value = value.trim();
            match key {
                "pos" => info.position = value.parse().ok()?,
                "flags" => {
                    info.flags = i32::from_str_radix(value, 8).ok()?;
                    seen_flags = true;
                }
                "mnt_id" => info.mount = value.parse().ok()?,
                "ino" => info.inode = value.parse().ok()?,
                _ => info.extra.push((key.to_string(), value.to_string())),
            }
        }
        seen_flags.then_some(info)
    }

    /// The value of the first line with this key.
    pub fn get<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).next()
    }

    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.extra.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inotify_and_epoll_lines() {
        let text = "pos:\t0\nflags:\t02004000\nmnt_id:\t15\nino:\t9\ninotify wd:1 ino:2 sdev:3 mask:fff\ntfd:        5 events:  19 data: 5\n";
        let info = FdInfo::parse(text).unwrap();
        assert_eq!(info.flags, 0o2004000);
        assert_eq!(info.get("inotify"), Some("wd:1 ino:2 sdev:3 mask:fff"));
        assert_eq!(info.get("tfd"), Some("5 events:  19 data: 5"));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(FdInfo::parse("pos: 1\n"), None);
        assert_eq!(FdInfo::parse("flags: 9\n"), None);
    }
}
