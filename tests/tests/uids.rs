//! Pods whose users are their own (`--uids private`): what they are on the host, what is refused to their root, and checkpoints, also onto other
//! ids of the host. Only root can make them. The suite of views has such pods, too. Build the binaries first (`cargo build --workspace`).

use anyhow::{Context, Result, ensure};
use autopod_tests::command::{Identity, processes_of};
use autopod_tests::live::{Live, eventually, free_port};
use autopod_tests::matrix::case::{Names, User};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

fn is_root() -> bool {
    Identity::own().unwrap().is_root()
}

/// A pod on the host's tree, which finds the test's directory where it is.
fn pod(label: &str, uids: &str, kind: &str) -> Result<Live> {
    let temporary = std::env::temp_dir();
    let bind = format!("{0}:{0}", temporary.display());
    let options = ["--root", "/", "--bind", &bind, "--view", kind, "--uids", uids];
    Live::with_options(label, Names::Kernel, User::Root, &options)
}

/// The host's id for the pod's root, as the map of its only program tells.
fn base(live: &Live) -> Result<u32> {
    let programs = live.programs();
    let program = programs.first().context("no program runs")?;
    let map = std::fs::read_to_string(format!("/proc/{}/uid_map", program.pid))?;
    let numbers: Vec<u32> = map.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
    ensure!(matches!(numbers[..], [0, _, 65536]), "the map of ids is {map}");
    Ok(numbers[1])
}

/// The users of the pod's programs on the host: real, effective, saved, of files.
fn users(live: &Live) -> Vec<String> {
    let status = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |pid| status(pid).lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap_or_default().to_owned();
    let mut users: Vec<String> = live.programs().iter().map(|program| of(program.pid)).collect();
    users.sort();
    users
}

/// What a root may do, and a stranger may not.
const ATTEMPTS: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
static void told(const char *what, long result) { printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done"); }
static int port(int number) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&at, sizeof at);
}
int main(int count, char **words) {
    printf("user: %d\n", getuid());
    told("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    told("port 81", port(81));
    told("free port", port(0));
    told("write to a stranger's file", open(words[1], O_WRONLY));
    told("file", open(words[2], O_CREAT | O_WRONLY, 0644));
    told("chown", chown(words[2], 1000, 100));
    told("chown beyond", chown(words[2], 70000, 70000));
    told("device", mknod("/dev/x", S_IFBLK | 0600, 0x800));
    told("groups", setgid(33));
    told("user 33", setuid(33));
    told("back", setuid(0));
}
"#;

#[test]
fn the_root_of_a_pod_is_nobody_on_the_host() {
    if !is_root() {
        return;
    }
    let attempts = |uids: &str| -> Result<String> {
        let live = pod("nobody", uids, "fuse")?;
        let source = live.write("attempts.c", ATTEMPTS)?;
        let program = live.path("attempts");
        live.beside(&["/usr/bin/gcc", "-static", "-o", &program, &source])?;
        // of somebody whom the pod does not have
        let secret = live.write("secret", "")?;
        Command::new("chmod").args(["600", &secret]).status()?;
        Command::new("chown").args(["70000:70000", &secret]).status()?;
        let said = live.autopod(&["addproc", "-i", "p", "--", &program, &secret, &live.path("made")])?;
        let meta = std::fs::metadata(live.path("made"))?;
        ensure!((meta.uid(), meta.gid()) == if uids == "private" { (1000, 100) } else { (70000, 70000) }, "{said}: {meta:?}");
        Ok(said)
    };
    let common = "free port: done\n";
    let host = attempts("host").unwrap();
    assert!(host.starts_with(&format!("user: 0\nraw socket: done\nport 81: done\n{common}")), "{host}");
    let private = attempts("private").unwrap();
    let expected = format!(
        "user: 0\nraw socket: EPERM\nport 81: EACCES\n{common}write to a stranger's file: EACCES\nfile: done\nchown: done\n\
         chown beyond: EINVAL\ndevice: EPERM\ngroups: done\nuser 33: done\nback: EPERM\n"
    );
    assert_eq!(private, expected);
}

/// Root and a child that has become another user, with what each has; checked all the time.
const FAMILY: &str = r#"
import os, socket, struct, sys, time
os.umask(0o022)
here = os.getcwd()
def owned(name, user):
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b'kept')
    return fd, user
def creds(s): return struct.unpack('3i', s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
files = [owned('/dev/shm/root', 0), owned(here + '/root', 0), owned(here + '/deleted', 0)]
os.unlink(here + '/deleted')
a, b = socket.socketpair()
os.mkdir('mail'); os.chown('mail', 33, 33)
listener = socket.socket(socket.AF_UNIX); listener.bind('sock'); listener.listen(); os.chmod('sock', 0o777)
pid, me, name = os.fork(), 0, 'root'
if pid == 0:
    os.setgroups([33, 44]); os.setgid(33); os.setuid(33)
    me, name = 33, 'mail/user'
    files = [owned('/dev/shm/user', 33), owned(here + '/mail/file', 33), owned(here + '/mail/deleted', 33)]
    os.unlink(here + '/mail/deleted')
    peer = socket.socket(socket.AF_UNIX); peer.connect('sock')
else:
    peer, _ = listener.accept()
groups, expected = os.getgroups(), creds(peer)
count = 0
def check(what, good):
    if not good:
        open(here + '/error', 'a').write(f'{me}: {what}\n') if me == 0 else print(what, flush=True)
while True:
    check(('users', os.getresuid()), os.getresuid() == (me, me, me))
    check(('groups', os.getgroups()), os.getgroups() == groups)
    for fd, user in files:
        stat = os.fstat(fd)
        check(('owner', os.readlink(f'/proc/self/fd/{fd}'), stat.st_uid), stat.st_uid == user)
        check('contents', os.pread(fd, 10, 0) == b'kept')
    check(('peer', creds(peer)), creds(peer) == expected)
    count += 1
    open(name + '.new', 'w').write(str(count)); os.rename(name + '.new', name + '.count')
    time.sleep(0.02)
"#;

fn count(live: &Live, name: &str) -> u64 {
    live.read(name).trim().parse().unwrap_or(0)
}

fn goes_on(live: &Live) -> Result<()> {
    for name in ["root.count", "mail/user.count"] {
        let before = count(live, name);
        eventually(name, || count(live, name) > before + 3)
            .with_context(|| format!("{}; {}", live.read("error"), live.autopod(&["logs", "p"]).unwrap_or_default()))?;
    }
    let wrong = live.read("error") + &live.autopod(&["logs", "p"])?;
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

#[test]
fn users_come_back_on_other_ids_of_the_host() {
    if !is_root() {
        return;
    }
    for kind in ["fuse", "bind"] {
        let run = || -> Result<()> {
            let live = pod("family", "private", kind)?;
            let script = live.write("family.py", FAMILY)?;
            live.start(&["/usr/bin/python3", &script])?;
            goes_on(&live)?;
            let first = base(&live)?;
            let expected = |base: u32| [0, 33].map(|id| [base + id; 4].map(|id| id.to_string()).join("\t")).to_vec();
            ensure!(users(&live) == expected(first), "{:?}", users(&live));
            let owner = |name: &str| std::fs::metadata(live.path(name)).map(|meta| meta.uid());
            ensure!((owner("root")?, owner("mail/file")?) == (0, 33), "the tree has owners of the host's");
            let image = live.path("image");
            live.autopod(&["checkpoint", "p", "-o", &image, "--leave-running"])?;
            goes_on(&live)?;
            live.autopod(&["checkpoint", "p", "-o", &image])?;
            // its ids, free again, are taken
            let taken = std::fs::File::options().write(true).open(format!("/run/autopod-ids/{first}"))?;
            eventually("the range of an ended pod is free", || taken.try_lock().is_ok())?;
            live.autopod(&["restart", "p", "-i", &image])?;
            goes_on(&live)?;
            let second = base(&live)?;
            ensure!(second != first && users(&live) == expected(second), "{second}: {:?}", users(&live));
            drop(taken);
            live.autopod(&["checkpoint", "p", "-o", &image])?;
            live.autopod(&["restart", "p", "-i", &image])?;
            goes_on(&live)
        };
        run().with_context(|| format!("with --view {kind}")).unwrap();
    }
}

#[test]
fn a_server_goes_on() {
    if !is_root() {
        return;
    }
    let run = || -> Result<()> {
        let mut live = pod("redis", "private", "fuse")?;
        let (port, directory) = (free_port()?.to_string(), live.path(""));
        live.start(&["redis-server", "--port", &port, "--save", "", "--dir", &directory, "--io-threads", "2"])?;
        let ask = |live: &Live, words: &[&str]| -> Result<String> {
            Ok(live.beside(&[&["/usr/bin/redis-cli", "-p", &port], words].concat())?.trim().to_owned())
        };
        eventually("redis answers", || ask(&live, &["PING"]).is_ok_and(|answer| answer == "PONG"))?;
        ask(&live, &["SET", "key", "value"])?;
        for _ in 0..2 {
            live.round()?;
            eventually("redis answers", || ask(&live, &["PING"]).is_ok_and(|answer| answer == "PONG"))?;
            ensure!(ask(&live, &["GET", "key"])? == "value");
        }
        Ok(())
    };
    run().unwrap();
}

#[test]
fn an_engine_that_loses_its_process_outside_lets_the_pod_run_on() {
    if !is_root() {
        return;
    }
    let run = || -> Result<()> {
        let live = pod("outside", "private", "fuse")?;
        let script = live.write("family.py", FAMILY)?;
        live.start(&["/usr/bin/python3", &script])?;
        goes_on(&live)?;
        let image = live.path("image");
        live.write("h/run/p/stop-at", "writing")?;
        let named = |wanted: &str| {
            let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            processes_of(&live.directory).into_iter().find(|seen| name(seen.pid).trim() == wanted)
        };
        let stopped = || {
            let engine = processes_of(&live.directory).into_iter().find(|seen| seen.line.contains(" T "));
            engine.filter(|engine| engine.line.contains("exe")).map(|engine| engine.pid)
        };
        let signal = |pid: u32, signal: &str| Command::new("kill").args([signal, &pid.to_string()]).status();
        for doomed in ["outside", "engine"] {
            let mut command = live.command(&["checkpoint", "p", "-o", &image]);
            let child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn()?;
            eventually("the engine stops itself", || stopped().is_some())?;
            let engine = stopped().context("the engine is gone")?;
            let outside = named("autopod-outside").context("no process outside")?.pid;
            signal(if doomed == "outside" { outside } else { engine }, "-KILL")?;
            signal(engine, "-CONT")?;
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(!output.status.success() && !std::path::Path::new(&image).exists(), "without its {doomed}: {said}");
            eventually("nothing of the engine is left", || named("autopod-outside").is_none())?;
            goes_on(&live)?;
        }
        Ok(())
    };
    run().unwrap();
}

#[test]
fn what_cannot_have_users_of_its_own_is_refused_by_name() {
    let refusal = |user: User, words: &[&str]| {
        let live = Live::new("refused", Names::Kernel, user).unwrap();
        let output = live.command(words).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("private user ids"), "{said}");
        said
    };
    let said = refusal(User::Unprivileged, &["add", "q", "--uids", "private", "--root", "/"]);
    assert!(said.contains("only root"), "{said}");
    if is_root() {
        let said = refusal(User::Root, &["add", "q", "--uids", "private"]);
        assert!(said.contains("--root DIR"), "{said}");
    }
}
