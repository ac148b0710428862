//! Real programs whose descriptors are captured, closed and made anew while they stand still: the self-verifying programs of
//! `tests/programs`, without a restart of the processes themselves.
use super::descriptor::{self, Descriptions, Section, tests::empty_capture, tests::nascent};
use super::{CapturedProcess, CapturedTask, NascentProcess};
use crate::proc::{Mapping, Proc};
use crate::sys::process::{own_pid, pidfd_open};
use crate::tracee::{Call, Injector, Registers, Stopped, find_hole, seize};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs")
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn stop(pid: i32, proc: &Proc, base: u64) -> CapturedProcess {
    let mut tasks: Vec<CapturedTask> = Vec::new();
    for tid in proc.tasks(pid).unwrap() {
        let stopped = seize(tid, false).unwrap().stop().unwrap();
        tasks.push(CapturedTask {
            tid,
            vtid: tid as u32,
            registers: stopped.registers().unwrap(),
            signal_mask: stopped.signal_mask().unwrap(),
            stat: proc.stat(pid, tid).unwrap(),
            status: proc.status(pid, tid).unwrap(),
            stopped: Some(stopped),
        });
    }
    let maps = proc.maps(pid).unwrap();
    let injector = Injector::install(tasks[0].stopped.as_mut().unwrap(), &maps, base, None).unwrap();
    CapturedProcess {
        pid,
        handle: pid,
        vpid: pid as u32,
        parent: 1,
        group: 0,
        session: 0,
        pidfd: pidfd_open(pid).unwrap(),
        tasks,
        maps,
        zombie: false,
        dumpable: None,
        armor: None,
        injector: Some(injector),
    }
}

/// What is needed to let a process go as it was.
struct Former {
    registers: Vec<Registers>,
    mask: u64,
}

/// Lets processes go on where they were.
fn release(processes: Vec<NascentProcess>, formers: Vec<Former>) {
    for (mut process, former) in processes.into_iter().zip(formers) {
        process.injector.retire(&mut process.tasks[0].1).unwrap();
        process.injector.remove(&mut process.tasks[0].1).unwrap();
        process.tasks[0].1.set_signal_mask(former.mask).unwrap();
        for ((_, mut task), registers) in process.tasks.into_iter().zip(former.registers) {
            task.set_registers(&registers.rewound()).unwrap();
            Stopped::detach(task).unwrap();
        }
    }
}

/// Captures a program's descriptors, and makes them anew unless it shall go on with what it has.
fn transplant(first: i32, anew: bool) {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    let mut pids = vec![first];
    pids.extend(cx.proc.descendants(first).unwrap());
    pids.retain(|pid| cx.proc.stat(*pid, *pid).is_ok_and(|stat| stat.state != 'Z'));
    let maps: Vec<Vec<Mapping>> = pids.iter().map(|pid| cx.proc.maps(*pid).unwrap()).collect();
    let taken = maps.iter().flatten().map(|map| (map.start, map.end));
    let base = find_hole(taken, Injector::size()).unwrap();
    for pid in &pids {
        let process = stop(*pid, &cx.proc, base);
        cx.virtual_ids.extend(process.tasks.iter().map(|task| (task.tid, task.vtid)));
        cx.processes.push(process);
    }
    cx.leave_running = !anew;
    let captured = descriptor::capture(&mut cx);
    if anew && captured.is_ok() {
        super::socket::silence(&cx.stash);
    }
    let (ours, theirs) = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Datagram,
        None,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let mut formers = Vec::new();
    let mut processes = Vec::new();
    for mut process in std::mem::take(&mut cx.processes) {
        let mut channel = -1;
        if anew && captured.is_ok() {
            channel = swap_descriptors(&mut process, &theirs);
        }
        formers.push(Former {
            registers: process.tasks.iter().map(|task| task.registers).collect(),
            mask: process.tasks[0].signal_mask,
        });
        processes.push(NascentProcess {
            vpid: process.vpid,
            pid: process.pid,
            tasks: process.tasks.into_iter().map(|task| (task.vtid, task.stopped.unwrap())).collect(),
            injector: process.injector.unwrap(),
            channel,
        });
    }
    if !anew || captured.is_err() {
        release(processes, formers);
        captured.unwrap();
        return;
    }
    let mut cx = nascent(cx, &image, Vec::new());
    let section: Section = cx.section("descriptors").unwrap();
    cx.descriptions = Descriptions::new(section).unwrap();
    (cx.processes, cx.sender) = (processes, ours);
    descriptor::restore(&mut cx).unwrap();
    descriptor::settle(&mut cx).unwrap();
    super::file_object::finish(&mut cx).unwrap();
    for process in &mut cx.processes {
        process.call("close the channel", libc::SYS_close, [process.channel as u64]).unwrap();
    }
    release(std::mem::take(&mut cx.processes), formers);
}

/// Closes every descriptor, and gives the number of the one that new ones will come through.
fn swap_descriptors(process: &mut CapturedProcess, channel: &OwnedFd) -> i32 {
    let (me, number) = (own_pid() as u64, channel.as_raw_fd() as u64);
    let mut calls = [Call::new(libc::SYS_close_range, [0, u32::MAX.into(), 0]), Call::new(libc::SYS_pidfd_open, [me, 0])];
    process.batch(&mut calls).unwrap();
    let mut fetch = [Call::new(libc::SYS_pidfd_getfd, [calls[1].result().unwrap() as u64, number, 0])];
    process.batch(&mut fetch).unwrap();
    process.batch(&mut [Call::new(libc::SYS_close, [calls[1].ret as u64])]).unwrap();
    fetch[0].result().unwrap() as i32
}

/// Runs a program of tests/programs and gives its result.
fn run(name: &str, anew: bool) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (program, work) = (directory.path().join(name), directory.path().join("work"));
    std::fs::create_dir(&work).unwrap();
    let source = programs().join(format!("{name}.c"));
    let compiled = Command::new("gcc").args(["-O1", "-o"]).arg(&program).arg(source).args(["-pthread", "-lrt"]).status().unwrap();
    assert!(compiled.success());
    // without what the test runner left open for its children
    let clean = r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -gt 2 ] && eval "exec $fd>&-"; done; exec "$@""#;
    Command::new("bash").args(["-c", clean, "bash"]).arg(&program).arg("--daemon").arg(&work).status().unwrap();
    let result = || std::fs::read_to_string(work.join("result")).unwrap_or_default();
    wait_for("set-up", || work.join("ready").exists() || !result().is_empty());
    if !result().is_empty() {
        return result();
    }
    std::thread::sleep(Duration::from_millis(20));
    let pid: i32 = std::fs::read_to_string(work.join("ready")).unwrap().trim().parse().unwrap();
    let done = std::panic::catch_unwind(|| transplant(pid, anew));
    std::fs::write(work.join("go"), "").unwrap();
    if let Err(panic) = done {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-pid), nix::sys::signal::SIGKILL);
        return format!("FAIL: {text}");
    }
    let deadline = Instant::now() + Duration::from_secs(15);
    while result().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-pid), nix::sys::signal::SIGKILL);
    let text = result();
    if text.is_empty() { "FAIL: no result".into() } else { text }
}

const SOCKETS: [&str; 6] = ["sock_", "unix_", "tcp_", "udp_", "inet_", "sys_accept"];

/// Runs every program whose name begins so; TRANSPLANT in the environment chooses some of them.
fn run_all(prefixes: &[&str], anew: bool, refused: &[(&str, &str)]) {
    let only = std::env::var("TRANSPLANT").ok();
    let mut failures = Vec::new();
    let mut names: Vec<String> = std::fs::read_dir(programs())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok()?.strip_suffix(".c").map(str::to_string))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| only.as_ref().is_none_or(|only| name.contains(only.as_str())))
        .collect();
    names.sort();
    assert!(!names.is_empty() || only.is_some());
    for name in names {
        let result = run(&name, anew);
        let refused = refused.iter().find(|(program, _)| *program == name);
        if refused.map_or(result.trim() != "PASS", |(_, reason)| !result.contains(reason)) {
            failures.push(format!("{name}: {}", result.trim()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn sockets_made_anew() {
    run_all(&SOCKETS, true, &[("udp_cork", "UDP_CORK")]);
}

#[test]
fn sockets_looked_at() {
    run_all(&SOCKETS, false, &[("udp_cork", "UDP_CORK")]);
}
