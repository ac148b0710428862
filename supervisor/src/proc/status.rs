//! /proc/PID/status (proc_pid_status(5)).

/// The fields that a checkpoint needs. `ns_*` list an id in each pid namespace, the innermost last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub umask: Option<u32>,
    pub state: char,
    pub tgid: i32,
    pub ns_tgid: Vec<i32>,
    pub ns_pid: Vec<i32>,
    pub ns_pgid: Vec<i32>,
    pub ns_sid: Vec<i32>,
    pub ppid: i32,
    pub tracer: i32,
    /// real, effective, saved, file system
    pub uids: [u32; 4],
    pub gids: [u32; 4],
    pub groups: Vec<u32>,
    pub signals_pending: u64,
    pub shared_pending: u64,
    pub blocked: u64,
    pub ignored: u64,
    pub caught: u64,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub cap_bounding: u64,
    pub cap_ambient: u64,
    pub no_new_privs: bool,
    /// 0 none, 1 strict, 2 filters
    pub seccomp: u32,
    pub seccomp_filters: u32,
}

impl Status {
    pub fn parse(text: &str) -> Option<Status> {
        let mut status = Status::default();
        let mut seen_tgid = false;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            let hex = || u64::from_str_radix(value, 16).ok();
            let list = || value.split_ascii_whitespace().map(|n| n.parse().ok()).collect::<Option<Vec<i32>>>();
            let ids = || {
                let ids = value.split_ascii_whitespace().map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>()?;
                <[u32; 4]>::try_from(ids).ok()
            };
            match key {
                "Umask" => status.umask = u32::from_str_radix(value, 8).ok(),
                "State" => status.state = value.chars().next()?,
                "Tgid" => {
                    status.tgid = value.parse().ok()?;
                    seen_tgid = true;
                }
                "NStgid" => status.ns_tgid = list()?,
                "NSpid" => status.ns_pid = list()?,
                "NSpgid" => status.ns_pgid = list()?,
                "NSsid" => status.ns_sid = list()?,
                "PPid" => status.ppid = value.parse().ok()?,
                "TracerPid" => status.tracer = value.parse().ok()?,
                "Uid" => status.uids = ids()?,
                "Gid" => status.gids = ids()?,
                "Groups" => status.groups = value.split_ascii_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?,
                "SigPnd" => status.signals_pending = hex()?,
                "ShdPnd" => status.shared_pending = hex()?,
                "SigBlk" => status.blocked = hex()?,
                "SigIgn" => status.ignored = hex()?,
                "SigCgt" => status.caught = hex()?,
                "CapInh" => status.cap_inheritable = hex()?,
                "CapPrm" => status.cap_permitted = hex()?,
                "CapEff" => status.cap_effective = hex()?,
                "CapBnd" => status.cap_bounding = hex()?,
                "CapAmb" => status.cap_ambient = hex()?,
                "NoNewPrivs" => status.no_new_privs = value == "1",
                "Seccomp" => status.seccomp = value.parse().ok()?,
                "Seccomp_filters" => status.seccomp_filters = value.parse().ok()?,
                _ => {}
            }
        }
        seen_tgid.then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_status() {
        let status = Status::parse(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        assert_eq!(status.tgid, std::process::id() as i32);
        assert_eq!(status.ns_tgid.last(), Some(&status.tgid));
        assert_eq!(status.uids[0], nix::unistd::getuid().as_raw());
    }

    #[test]
    fn truncated_lines_are_refused() {
        assert_eq!(Status::parse(""), None);
        assert_eq!(Status::parse("Tgid:\t1\nUid:\t0\t0\n"), None);
        assert_eq!(Status::parse("Tgid:\tx\n"), None);
    }
}
