//! Paths into /proc, /dev/shm, /dev/mqueue and /dev/pts, from the pod's names to the host's.

use core::ffi::{CStr, c_char};

use autopod_namespace::{HostId, PathText, Table, VirtualId};

use crate::terminals;
use crate::text;
use crate::translate;

/// What a translated path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leads {
    /// To something whose contents have no names in them.
    Plain,
    /// To a file whose contents are translated when it is opened for reading.
    Content(Content),
    /// To a directory whose listing is translated.
    Listing(Listing),
    /// To the link `self` or `thread-self`.
    Own { thread: bool },
    /// To a new terminal, each time that it is opened.
    Master,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Stat,
    Status,
    Children,
    FdInfo,
    Sched,
    Timers,
    Locks,
    Uptime,
    LoadAverage,
    SysvShm,
    SysvSem,
    SysvMsg,
    Hostname,
    Domainname,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// /proc
    Processes,
    /// /proc/PID/task
    Threads,
    /// /dev/shm and /dev/mqueue
    Objects,
    /// /dev/pts
    Terminals,
}

pub struct Translated {
    pub path: PathText,
    pub leads: Leads,
}

/// The first pages are never mapped, and addresses with the upper bits set are not the program's: the kernel's EFAULT.
const READABLE: core::ops::Range<usize> = 4096..1 << 47;

/// Whether a path could lead to where names are: a handful of instructions for all others.
///
/// # Safety
/// `path` is a C string, or an address that nothing is mapped at in the first page.
#[inline(always)]
pub unsafe fn special(path: *const c_char) -> bool {
    // SAFETY: every byte is looked at only when the one before it is not the NUL.
    unsafe {
        READABLE.contains(&path.addr())
            && *path == b'/' as c_char
            && (*path.add(1) == b'/' as c_char
                || (*path.add(1) == b'p' as c_char && *path.add(2) == b'r' as c_char && *path.add(3) == b'o' as c_char)
                || (*path.add(1) == b'd' as c_char
                    && *path.add(2) == b'e' as c_char
                    && *path.add(3) == b'v' as c_char
                    && *path.add(4) == b'/' as c_char
                    && matches!(*path.add(5) as u8, b's' | b'm' | b'p' | b'f')))
    }
}

/// # Safety
/// As for `special`.
#[inline(always)]
pub unsafe fn translate_c(table: Table, path: *const c_char) -> Option<PathText> {
    // SAFETY: the caller's.
    unsafe { if special(path) { translate(table, CStr::from_ptr(path).to_bytes()).map(|found| found.path) } else { None } }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|c| *c == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// `None`: the path stays as it is.
pub fn translate(table: Table, path: &[u8]) -> Option<Translated> {
    let mut parts = components(path);
    match parts.next()? {
        b"proc" => translate_proc(table, path),
        b"dev" => match parts.next()? {
            b"shm" => translate_objects(table, b"/dev/shm", path),
            b"mqueue" => translate_objects(table, b"/dev/mqueue", path),
            b"pts" => translate_terminal(table, path),
            b"ptmx" => Some(Translated { path: whole(path)?, leads: Leads::Master }),
            // A link to /proc/self/fd, whose entries may be links to terminals.
            b"fd" => Some(Translated { path: whole(path)?, leads: Leads::Plain }),
            _ => None,
        },
        _ => None,
    }
}

fn whole(path: &[u8]) -> Option<PathText> {
    let mut text = PathText::new();
    text.push(path).then_some(text)
}

fn translate_terminal(table: Table, path: &[u8]) -> Option<Translated> {
    let mut host = PathText::new();
    host.push(b"/dev/pts");
    let mut parts = components(path).skip(2);
    let Some(name) = parts.next() else { return Some(Translated { path: host, leads: Leads::Listing(Listing::Terminals) }) };
    // What is behind a terminal's name is ENOTDIR, whatever it is.
    let behind = parts.next();
    if name == b".." || behind == Some(b"..") {
        return None;
    }
    let complete = host.push(b"/") && host.push(terminals::to_host(table, name).as_bytes());
    let complete = complete && (behind.is_none() && !path.ends_with(b"/") || host.push(b"/"));
    let leads = if name == b"ptmx" { Leads::Master } else { Leads::Plain };
    complete.then_some(Translated { path: host, leads })
}

fn content(parts: &[&[u8]]) -> Option<Content> {
    Some(match parts {
        [b"stat"] => Content::Stat,
        [b"status"] => Content::Status,
        [b"children"] => Content::Children,
        [b"sched"] => Content::Sched,
        [b"timers"] => Content::Timers,
        [b"fdinfo", _] => Content::FdInfo,
        _ => return None,
    })
}

fn system_content(parts: &[&[u8]]) -> Option<Content> {
    Some(match parts {
        [b"locks"] => Content::Locks,
        [b"uptime"] => Content::Uptime,
        [b"loadavg"] => Content::LoadAverage,
        [b"sysvipc", b"shm"] => Content::SysvShm,
        [b"sysvipc", b"sem"] => Content::SysvSem,
        [b"sysvipc", b"msg"] => Content::SysvMsg,
        [b"sys", b"kernel", b"hostname"] => Content::Hostname,
        [b"sys", b"kernel", b"domainname"] => Content::Domainname,
        _ => return None,
    })
}

/// The most components that say where a path leads; what follows is copied.
const DEEP: usize = 6;

fn translate_proc(table: Table, path: &[u8]) -> Option<Translated> {
    let mut first = [&b""[..]; DEEP];
    let mut count = 0;
    let mut host = PathText::new();
    host.push(b"/proc");
    for (at, part) in components(path).skip(1).enumerate() {
        // Lexically: the only links below are `self` and those that leave /proc.
        if part == b".." {
            return None;
        }
        let of_task = at >= 1 && is_task(first[0]);
        let number = if at == 0 || at == 2 && of_task && first[1] == b"task" { text::id(part) } else { None };
        host.push(b"/");
        let whole = match number {
            // No task has the number 0, so that the kernel says ENOENT.
            Some(id) => host.push_number(translate::task(table, id).unwrap_or(0) as u64),
            None => host.push(part),
        };
        if !whole {
            return None;
        }
        if let Some(slot) = first.get_mut(at) {
            *slot = part;
        }
        count = at + 1;
    }
    let parts = &first[..count.min(DEEP)];
    let leads = match parts {
        [] => Leads::Listing(Listing::Processes),
        [b"self"] if !path.ends_with(b"/") => Leads::Own { thread: false },
        [b"thread-self"] if !path.ends_with(b"/") => Leads::Own { thread: true },
        [task, b"task"] if is_task(task) => Leads::Listing(Listing::Threads),
        [task, b"task", _, rest @ ..] if is_task(task) => content(rest).map_or(Leads::Plain, Leads::Content),
        [task, rest @ ..] if is_task(task) => content(rest).map_or(Leads::Plain, Leads::Content),
        rest => system_content(rest).map_or(Leads::Plain, Leads::Content),
    };
    let deeper = count > DEEP && matches!(leads, Leads::Content(_));
    Some(Translated { path: host, leads: if deeper { Leads::Plain } else { leads } })
}

fn is_task(part: &[u8]) -> bool {
    part == b"self" || part == b"thread-self" || text::id(part).is_some()
}

fn translate_objects(table: Table, directory: &[u8], path: &[u8]) -> Option<Translated> {
    let mut host = PathText::new();
    host.push(directory);
    let mut parts = components(path).skip(2);
    let Some(name) = parts.next() else { return Some(Translated { path: host, leads: Leads::Listing(Listing::Objects) }) };
    if name == b".." {
        return None;
    }
    host.push(b"/");
    let mut whole = host.push(object_to_host(table, name)?.as_bytes());
    for part in parts {
        whole &= host.push(b"/") && host.push(part);
    }
    whole.then_some(Translated { path: host, leads: Leads::Plain })
}

/// A name in /dev/shm, where libc puts "sem." before a semaphore's.
pub fn object_to_host(table: Table, name: &[u8]) -> Option<PathText> {
    let (kind, name) = name.strip_prefix(b"sem.").map_or((&b""[..], name), |rest| (b"sem.", rest));
    let mut host = PathText::new();
    (host.push(kind) && host.push(table.host_posix_name(name)?.as_bytes())).then_some(host)
}

/// The pod's name for an entry of /dev/shm; `None` when it is not the pod's.
pub fn object_from_host(table: Table, name: &[u8]) -> Option<PathText> {
    let (kind, name) = name.strip_prefix(b"sem.").map_or((&b""[..], name), |rest| (b"sem.", rest));
    let mut own = PathText::new();
    (own.push(kind) && own.push(table.virtual_posix_name(name)?)).then_some(own)
}

/// A path that the kernel gave, in the pod's names: "/proc/4711/task/4712" and the like. `None`: it has none.
pub fn from_host(table: Table, path: &[u8]) -> Option<PathText> {
    // The name of a terminal that was hung up stays with those who have it open.
    let gone = b" (deleted)";
    if let Some(host) = terminals::in_path(path.strip_suffix(gone).unwrap_or(path)) {
        let mut own = terminals::path(terminals::number(table, host));
        return (!path.ends_with(gone) || own.push(gone)).then_some(own);
    }
    let rest = path.strip_prefix(b"/proc/")?;
    let mut own = PathText::new();
    own.push(b"/proc");
    let mut before = &b""[..];
    for (at, part) in rest.split(|c| *c == b'/').enumerate() {
        own.push(b"/");
        let number = if at == 0 || at == 2 && before == b"task" { text::id(part).and_then(HostId::new) } else { None };
        let whole = match number {
            Some(host) => own.push_number(table.virtual_of(host).map_or(0, VirtualId::raw) as u64),
            None => own.push(part),
        };
        if !whole {
            return None;
        }
        before = part;
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autopod_namespace::{HostTerminal, Settings, Unreachable, VirtualTerminal};

    fn table() -> Table {
        let path = format!("/tmp/autopod-path-{}-{:?}\0", std::process::id(), std::thread::current().id());
        let path = CStr::from_bytes_with_nul(path.as_bytes()).unwrap();
        let settings =
            Settings { pod_name: "t", pod_id: 0xab, hostname: b"t", domainname: b"", unreachable: Unreachable::Refuse };
        let table = Table::create(path, &settings).unwrap();
        std::fs::remove_file(path.to_str().unwrap()).unwrap();
        table.insert(VirtualId::new(7).unwrap(), HostId::new(7000).unwrap());
        table.insert(VirtualId::new(8).unwrap(), HostId::new(8000).unwrap());
        table.insert_terminal(VirtualTerminal(0), HostTerminal(60));
        table
    }

    #[test]
    fn paths_lead_to_the_hosts_names() {
        let table = table();
        let cases: &[(&str, Option<(&str, Leads)>)] = &[
            ("/proc", Some(("/proc", Leads::Listing(Listing::Processes)))),
            ("/proc//", Some(("/proc", Leads::Listing(Listing::Processes)))),
            ("/proc/7", Some(("/proc/7000", Leads::Plain))),
            ("/proc/./7/stat", Some(("/proc/7000/stat", Leads::Content(Content::Stat)))),
            ("/proc/9/stat", Some(("/proc/0/stat", Leads::Content(Content::Stat)))),
            ("/proc/7000/cmdline", Some(("/proc/0/cmdline", Leads::Plain))),
            ("/proc/7/task", Some(("/proc/7000/task", Leads::Listing(Listing::Threads)))),
            ("/proc/7/task/8/children", Some(("/proc/7000/task/8000/children", Leads::Content(Content::Children)))),
            ("/proc/self/task/8/status", Some(("/proc/self/task/8000/status", Leads::Content(Content::Status)))),
            ("/proc/self", Some(("/proc/self", Leads::Own { thread: false }))),
            ("/proc/self/fdinfo/7", Some(("/proc/self/fdinfo/7", Leads::Content(Content::FdInfo)))),
            ("/proc/self/fd/7", Some(("/proc/self/fd/7", Leads::Plain))),
            ("/proc/uptime", Some(("/proc/uptime", Leads::Content(Content::Uptime)))),
            ("/proc/sysvipc/shm", Some(("/proc/sysvipc/shm", Leads::Content(Content::SysvShm)))),
            ("/proc/self/../7/stat", None),
            ("/process", None),
            ("//proc/7", Some(("/proc/7000", Leads::Plain))),
            ("/dev/shm", Some(("/dev/shm", Leads::Listing(Listing::Objects)))),
            ("/dev/shm/x", Some(("/dev/shm/autopod-00000000000000ab-x", Leads::Plain))),
            ("/dev/shm/sem.x", Some(("/dev/shm/sem.autopod-00000000000000ab-x", Leads::Plain))),
            ("/dev/shm/x/7", Some(("/dev/shm/autopod-00000000000000ab-x/7", Leads::Plain))),
            ("/dev/mqueue/x", Some(("/dev/mqueue/autopod-00000000000000ab-x", Leads::Plain))),
            ("/dev/pts", Some(("/dev/pts", Leads::Listing(Listing::Terminals)))),
            ("/dev/pts/0", Some(("/dev/pts/60", Leads::Plain))),
            ("/dev//pts/./60", Some(("/dev/pts/-1", Leads::Plain))),
            ("/dev/pts/0/", Some(("/dev/pts/60/", Leads::Plain))),
            ("/dev/pts/../shm", None),
            ("/dev/pts/ptmx", Some(("/dev/pts/ptmx", Leads::Master))),
            ("/dev/ptmx", Some(("/dev/ptmx", Leads::Master))),
            ("/dev/sda", None),
        ];
        for (path, expected) in cases {
            let found = translate(table, path.as_bytes());
            let found = found.as_ref().map(|found| (found.path.as_str(), found.leads));
            assert_eq!(found, *expected, "{path}");
        }
    }

    #[test]
    fn paths_come_back_in_the_pods_names() {
        let table = table();
        let back = |path: &str| from_host(table, path.as_bytes()).map(|path| path.as_str().to_owned());
        assert_eq!(back("/proc/7000/task/8000/fd").as_deref(), Some("/proc/7/task/8/fd"));
        assert_eq!(back("/proc/7000/fd/8000").as_deref(), Some("/proc/7/fd/8000"));
        assert_eq!(back("/dev/pts/60").as_deref(), Some("/dev/pts/0"));
        assert_eq!(back("/dev/pts/60 (deleted)").as_deref(), Some("/dev/pts/0 (deleted)"));
        assert_eq!(back("/home"), None);
        assert_eq!(object_from_host(table, b"sem.autopod-00000000000000ab-x").unwrap().as_str(), "sem.x");
        assert!(object_from_host(table, b"other").is_none());
    }
}
