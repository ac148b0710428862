//! Signs of harm: everything about the host, the victim and the neighbour that an attack must not change.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sys;
use super::world::{PROGRAMS, World};

/// What is seen, by what it is.
pub type Signs = BTreeMap<String, String>;

fn text(path: impl AsRef<Path>) -> String {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) => format!("unreadable ({})", e.kind()),
    }
}

/// Looks at everything. What has arrived at services is taken.
#[must_use]
pub fn look(world: &World) -> Signs {
    let mut signs = Signs::new();
    let means = &world.means;
    for who in ["victim", "neighbour", "init", "supervisor", "neighbour_init", "neighbour_supervisor"] {
        if let Some(pid) = means.get(who).and_then(|pid| pid.parse().ok()) {
            // The native stand-ins are the neighbour again.
            if who == "victim" || who == "neighbour" || world.spec.pods.is_some() || world.spec.neighbour_pod {
                process(&mut signs, who, pid, who == "victim" || who == "neighbour");
            }
        }
    }
    for who in ["victim", "neighbour"] {
        let pid = means.number(who);
        let address = means.number(if who == "victim" { "address" } else { "neighbour_address" });
        let memory = |at| remembered(pid, at, world.secret(who));
        signs.insert(format!("memory of {who}"), memory(address));
        signs.insert(format!("shared memory of {who}"), memory(0x2000_0000));
    }
    for (kind, key) in [("shm", "shm"), ("sem", "sem"), ("msg", "msg")] {
        let id = means.get(key).unwrap_or_default();
        let list = text(format!("/proc/sysvipc/{kind}"));
        let line = list.lines().find(|line| line.split_whitespace().nth(1) == Some(id)).unwrap_or("gone");
        // Attaching and detaching is not harm by itself, what is done then shows in the memory.
        let fields: Vec<&str> = line.split_whitespace().take(if kind == "shm" { 4 } else { 20 }).collect();
        signs.insert(format!("System V {kind} of the host"), fields.join(" "));
    }
    let posix = means.get("posix").unwrap_or_default();
    signs.insert("POSIX shared memory of the host".into(), text(format!("/dev/shm/{posix}")));
    signs.insert("POSIX queue of the host".into(), text(format!("/dev/mqueue/{posix}")));
    files(&mut signs, world);
    services(&mut signs, world);
    host(&mut signs);
    let moved = boot_time() - world.boot_time;
    signs.insert("clock".into(), if moved.abs() < 2.0 { "as it was".into() } else { format!("moved by {moved:.0} s") });
    signs
}

fn process(signs: &mut Signs, who: &str, pid: u32, quiet: bool) {
    let status = text(format!("/proc/{pid}/status"));
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("gone").trim().to_owned();
    let mut note = |what: &str, value: String| drop(signs.insert(format!("{what} of {who}"), value));
    note("tracer", field("TracerPid:"));
    note("processors", field("Cpus_allowed:"));
    note("user", field("Uid:"));
    let state = field("State:");
    // Who serves runs or sleeps, as it happens.
    note("state", if matches!(state.chars().next(), Some('R' | 'S' | 'D')) { "alive".into() } else { state });
    if quiet {
        note("signals", format!("{} {}", field("SigPnd:"), field("ShdPnd:")));
    }
    let stat = text(format!("/proc/{pid}/stat"));
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace().collect();
    let at = |index: usize| fields.get(index).copied().unwrap_or("gone");
    note("nice", at(16).into());
    note("scheduling", format!("{} {}", at(37), at(38)));
    note("group and session", format!("{} {}", at(2), at(3)));
    note("I/O priority", sys::io_priority(pid).to_string());
    note("oom score", text(format!("/proc/{pid}/oom_score_adj")));
    let limits = text(format!("/proc/{pid}/limits"));
    note("limit of files", limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or("gone").into());
}

fn remembered(pid: u64, address: u64, secret: &str) -> String {
    let mut seen = vec![0; secret.len()];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|file| file.read_exact_at(&mut seen, address));
    match read {
        Ok(()) if seen == secret.as_bytes() => "as it was".into(),
        Ok(()) => format!("changed to {:?}", String::from_utf8_lossy(&seen)),
        Err(e) => format!("unreadable ({})", e.kind()),
    }
}

fn identity(path: &Path) -> String {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => format!("{} {:o} {} {} {}", meta.ino(), meta.mode(), meta.uid(), meta.size(), meta.mtime_nsec()),
        Err(e) => format!("gone ({})", e.kind()),
    }
}

fn files(signs: &mut Signs, world: &World) {
    let mut note = |what: &str, value: String| drop(signs.insert(what.into(), value));
    let root = &world.spec.directory;
    let secrets = root.join("secret");
    for (what, path) in [("secret file", secrets.join("secret-file")), ("root's file", root.join("root-file"))] {
        note(what, format!("{} {}", identity(&path), text(&path)));
    }
    let listed = |directory: &Path| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.join(" ")
    };
    note("secret directory", listed(&secrets));
    for program in ["victim", "setuid_program"] {
        note(program, identity(&world.spec.binaries.join(program)));
    }
    if world.spec.neighbour_pod {
        for program in PROGRAMS {
            note(program, identity(&root.join("programs").join(program)));
        }
    }
    if let Some(key) = world.means.get("key") {
        note("key", format!("{} {}", identity(Path::new(key)), text(key)));
    }
    for who in ["", "neighbour_"] {
        let (Some(state), Some(runtime)) = (world.means.get(&format!("{who}state")), world.means.get(&format!("{who}runtime")))
        else {
            continue;
        };
        let [state, runtime] = [state, runtime].map(Path::new);
        for (what, path) in [("record", state.join("pod.json")), ("init.json", runtime.join("init.json"))] {
            note(&format!("{who}{what}"), format!("{} {}", identity(&path), text(&path)));
        }
        for what in ["control.sock", "init.sock", "supervisor.lock", "mounts"] {
            note(&format!("{who}{what}"), identity(&runtime.join(what)));
        }
        note(&format!("{who}state directory"), listed(state));
        note(&format!("{who}runtime directory"), listed(runtime));
    }
    let mut planted = Vec::new();
    // Where attacks may write, on the host's tree or on one of their own.
    let places = [root.join("dir"), root.join("tree/dir")].map(std::fs::read_dir);
    for entry in places.into_iter().flatten().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        if meta.mode() & 0o6000 != 0 && meta.uid() == 0 {
            planted.push(format!("{name} is set-user-id of root"));
        }
        if sys::has_capabilities(&entry.path()) {
            planted.push(format!("{name} has capabilities"));
        }
        // What a set-user-id program of root would do for whoever runs it, it does once.
        if meta.mode() & 0o6000 != 0 {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    note("planted programs", planted.join(", "));
}

/// What was received: attackers talk to those that listen.
fn services(signs: &mut Signs, world: &World) {
    let mut received = Vec::new();
    for (what, listener) in [("service with a path", &world.listener), ("abstract service", &world.stream)] {
        while listener.accept().is_ok() {
            received.push(what.to_owned());
        }
    }
    let mut bytes = [0; 256];
    while world.datagrams.recv(&mut bytes).is_ok() {
        received.push("abstract datagram service".into());
    }
    signs.insert("received by services".into(), received.join(", "));
    signs.insert("typed into the terminal".into(), sys::waiting(&world.terminal.1).to_string());
    let mut seen = String::new();
    for (what, (master, _)) in [("terminal", &world.terminal), ("other terminal", &world.other_terminal)] {
        let n = (&*master).read(&mut bytes).unwrap_or(0);
        if n > 0 {
            seen += &format!("{what}: {}", String::from_utf8_lossy(&bytes[..n]));
        }
    }
    signs.insert("written to terminals".into(), seen);
}

fn host(signs: &mut Signs) {
    let mut note = |what: &str, value: &dyn Display| drop(signs.insert(what.into(), value.to_string()));
    for what in ["kernel/hostname", "kernel/domainname", "kernel/core_pattern", "kernel/panic", "kernel/modprobe"] {
        note(what, &text(format!("/proc/sys/{what}")));
    }
    note("mounts", &text("/proc/self/mountinfo"));
    note("addresses", &text("/proc/self/net/fib_trie"));
    note("lo", &text("/sys/class/net/lo/flags"));
    note("swap areas", &text("/proc/swaps"));
}

/// When this machine started, by its clock: no later than a moment ago, unless somebody set the clock.
#[must_use]
pub fn boot_time() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    let uptime: f64 = text("/proc/uptime").split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0.0);
    now - uptime
}

/// What changed, in one line; empty if nothing.
#[must_use]
pub fn difference(before: &Signs, after: &Signs) -> String {
    let mut changes = Vec::new();
    for (what, was) in before {
        let is = after.get(what).map_or("gone", String::as_str);
        if is != was {
            let (was, is) = differing_lines(was, is);
            changes.push(format!("{what}: {was:?} became {is:?}"));
        }
    }
    changes.extend(after.keys().filter(|what| !before.contains_key(*what)).map(|what| format!("{what} appeared")));
    changes.join("; ")
}

/// Of long texts, the lines that are in one only.
fn differing_lines(was: &str, is: &str) -> (String, String) {
    let only = |a: &str, b: &str| {
        let lines: Vec<&str> = a.lines().filter(|line| !b.lines().any(|other| other == *line)).take(2).collect();
        lines.join(" / ").chars().take(160).collect::<String>()
    };
    (only(was, is), only(is, was))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_lines() {
        let signs = |mounts: &str| Signs::from([("mounts".to_owned(), mounts.to_owned()), ("lo".into(), "1".into())]);
        assert_eq!(difference(&signs("a\nb"), &signs("a\nb")), "");
        assert_eq!(difference(&signs("a\nb"), &signs("a\nb\nc")), "mounts: \"\" became \"c\"");
    }
}
