//! Whether an image can move: what programs found of the processor, and what a restart would find here.
//! Build the binaries first (`cargo build --workspace`); needs gcc and gdb.

use autopod_tests::command::Done;
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn run(pod: &Live, arguments: &[&str]) -> Done {
    pod.place.run(&pod.directory.join("b/autopod"), arguments, LIMIT).unwrap()
}

/// The needs that are not met, as `kind what: reason`.
fn unmet(pod: &Live, image: &str) -> Vec<String> {
    let done = run(pod, &["verify", "--here", image, "--json"]);
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", done.stdout, done.stderr));
    let needs = report["needs"].as_array().unwrap();
    let text = |need: &Value, field: &str| need[field].as_str().unwrap_or_default().to_owned();
    let unmet: Vec<String> = needs
        .iter()
        .filter(|need| !need["missing"].is_null())
        .map(|need| format!("{} {}: {}", text(need, "kind"), text(need, "what"), text(need, "missing")))
        .collect();
    assert_eq!(done.status.code(), Some(i32::from(!unmet.is_empty())), "{unmet:?} {}", done.stderr);
    assert_eq!(report["restartable"], unmet.is_empty());
    unmet
}

const SERVER: &str = r#"
import os, socket, time
s = socket.socket(); s.bind(("127.0.0.1", int(os.environ["PORT"]))); s.listen(3)
u = socket.socket(socket.AF_UNIX); u.bind("\0" + os.environ["NAME"]); u.listen(1)
p = socket.socket(socket.AF_UNIX); p.bind("socket"); p.listen(1)
f = open("data", "w"); f.write("x" * 1000); f.flush()
open("ready", "w").close()
time.sleep(1e6)
"#;

/// A restart is refused by exactly what `verify --here` says, in the same words, and nothing of the pod is made.
#[test]
fn what_verify_finds_missing_is_what_a_restart_refuses() {
    for (names, user) in [(Names::Kernel, User::Root), (Names::Shim, User::Unprivileged)] {
        let pod = Live::new("here", names, user).unwrap();
        let port = autopod_tests::live::free_port().unwrap();
        let name = format!("autopod-test-{}-{port}", std::process::id());
        let script = pod.write("server.py", SERVER).unwrap();
        let directory = pod.path("");
        let (port_variable, name_variable) = (format!("PORT={port}"), format!("NAME={name}"));
        let more = ["-e", &port_variable, "-e", &name_variable, "--", "python3", &script];
        pod.autopod(&[&["addproc", "p", "--cwd", &directory], &more[..]].concat()).unwrap();
        eventually("the program is set up", || std::path::Path::new(&pod.path("ready")).exists()).unwrap();
        let image = pod.path("image");
        pod.autopod(&["checkpoint", "p", "-o", &image]).unwrap();
        assert_eq!(unmet(&pod, &image), [""; 0]);
        let table = pod.autopod(&["verify", "--here", &image]).unwrap();
        for wanted in ["processor", "kernel", "user", "program", "mapped file", &format!("127.0.0.1:{port}"), "python3", "yes"] {
            assert!(table.contains(wanted), "{wanted} is not in: {table}");
        }

        let one = |what: &str| {
            let found = unmet(&pod, &image);
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            assert!(found[0].starts_with(what), "{what}: {found:?}");
            let reason = found[0].split_once(": ").unwrap().1.to_owned();
            let refused = run(&pod, &["restart", "p", "-i", &image]);
            assert!(refused.stderr.contains(&reason), "{reason}: {}", refused.stderr);
            assert!(pod.programs().is_empty(), "{:?}", pod.programs());
        };
        let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        one(&format!("address tcp 127.0.0.1:{port}"));
        drop(taken);
        let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).unwrap();
        let taken = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
        one(&format!("socket name @{name}"));
        drop(taken);
        std::fs::rename(pod.path("data"), pod.path("elsewhere")).unwrap();
        one(&format!("open file {}", pod.path("data")));
        std::fs::rename(pod.path("elsewhere"), pod.path("data")).unwrap();
        std::fs::remove_file(pod.path("socket")).unwrap();
        std::fs::write(pod.path("socket"), "in the way").unwrap();
        one("socket file");
        std::fs::remove_file(pod.path("socket")).unwrap();
        assert_eq!(unmet(&pod, &image), [""; 0]);
        pod.autopod(&["restart", "p", "-i", &image]).unwrap();
    }
}

#[test]
fn only_root_may_restart_programs_of_other_users() {
    if !autopod_tests::command::Identity::own().unwrap().is_root() {
        panic!("this test makes an image as root; run it as root");
    }
    let pod = Live::new("users", Names::Shim, User::Root).unwrap();
    pod.autopod(&["addproc", "p", "--user", "nobody", "--cwd", "/", "--", "sleep", "1000"]).unwrap();
    let image = pod.path("image");
    pod.autopod(&["checkpoint", "p", "-o", &image]).unwrap();
    assert_eq!(unmet(&pod, &image), [""; 0]);
    let other = Live::new("other", Names::Shim, User::Unprivileged).unwrap();
    let theirs = other.path("image");
    std::fs::copy(&image, &theirs).unwrap();
    let key = other.path("key");
    std::fs::copy(pod.path("h/key"), &key).unwrap();
    for file in [&theirs, &key] {
        std::os::unix::fs::chown(file, Some(other.place.identity.uid), Some(other.place.identity.gid)).unwrap();
    }
    let done = run(&other, &["verify", "--here", &theirs, "--key", &key]);
    assert_eq!(done.status.code(), Some(1), "{}", done.stdout);
    assert!(done.stdout.contains("restart the pod as root"), "{}{}", done.stdout, done.stderr);
    let refused = run(&other, &["restart", "p", "-i", &theirs, "--key", &key]);
    assert!(refused.stderr.contains("restart the pod as root"), "{}", refused.stderr);
}

/// Uses functions of the C library that are chosen by the processor, through the dynamic linker's tables.
const CHOOSER: &str = r#"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
void *(*volatile copy)(void *, const void *, size_t) = memcpy;
size_t (*volatile length)(const char *) = strlen;
int main(void) { char text[100]; copy(text, "abc", 4); FILE *f = fopen("ready", "w"); fprintf(f, "%zu", length(text)); fclose(f); for (;;) pause(); }
"#;

/// Which functions the C library chose, by the names that gdb gives them in a core file of the image.
fn chosen(level: &str) -> (String, Value) {
    let pod = Live::new("level", Names::Kernel, User::Root).unwrap();
    pod.autopod(&["add", level, "--cpu", level, "-e", "GLIBC_TUNABLES=glibc.malloc.perturb=7"]).unwrap();
    let (source, program, image, core) = (pod.write("t.c", CHOOSER).unwrap(), pod.path("t"), pod.path("image"), pod.path("core"));
    pod.beside(&["gcc", "-g", "-O0", "-o", &program, &source]).unwrap();
    let pid = pod.autopod(&["addproc", level, "--cwd", &pod.path(""), "--", &program]).unwrap();
    eventually("the program is set up", || pod.read("ready") == "3").unwrap();
    pod.autopod(&["checkpoint", level, "-o", &image]).unwrap();
    pod.autopod(&["inspect", &image, "--core", pid.trim(), "-o", &core]).unwrap();
    let words = ["gdb", "-batch", "-nx", "-ex", "info symbol copy", "-ex", "info symbol length"];
    let told = pod.beside(&[&words[..], &[&program, &core]].concat()).unwrap();
    let summary = serde_json::from_str(&pod.autopod(&["inspect", &image, "--json"]).unwrap()).unwrap();
    pod.autopod(&["restart", level, "-i", &image]).unwrap();
    pod.autopod(&["rm", level, "-f"]).unwrap();
    (told, summary)
}

#[test]
fn programs_of_a_pod_with_a_level_find_no_feature_beyond() {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |flag: &str| flags.split_ascii_whitespace().any(|word| word == flag);
    let (told, summary) = chosen("x86-64-v2");
    assert!(told.contains("memmove_") || told.contains("memcpy_"), "{told}");
    for beyond in ["avx", "evex"] {
        assert!(!told.contains(beyond), "a pod of x86-64-v2 uses {beyond}: {told}");
    }
    assert_eq!(summary["needs"]["level"], "x86-64-v2");
    let features = summary["needs"]["features"].to_string();
    assert!(features.contains("sse4_2") && !features.contains("avx"), "{features}");
    if has("avx2") {
        let (told, summary) = chosen("x86-64-v3");
        assert!(told.contains("avx") && !told.contains("evex") && !told.contains("avx512") && !told.contains("rtm"), "{told}");
        let features = summary["needs"]["features"].to_string();
        assert!(features.contains("avx2") && !features.contains("avx512"), "{features}");
    }
    let (_, summary) = chosen("host");
    assert_eq!(summary["needs"]["features"].to_string().contains("avx2"), has("avx2"));
}

#[test]
fn programs_see_the_level_and_the_users_own_tunables() {
    let pod = Live::new("tunables", Names::Shim, User::Unprivileged).unwrap();
    pod.autopod(&["add", "q", "--names", "shim", "--cpu", "x86-64-v2", "-e", "GLIBC_TUNABLES=glibc.malloc.perturb=7"]).unwrap();
    let told =
        pod.autopod(&["addproc", "q", "-i", "--", "/bin/sh", "-c", "env; exec /lib64/ld-linux-x86-64.so.2 --list-tunables"]);
    let told = told.unwrap();
    assert!(told.contains("glibc.malloc.perturb: 0x7 ") || told.contains("glibc.malloc.perturb: 7 "), "{told}");
    assert!(told.contains("LD_BIND_NOW=1") && told.contains(":glibc.cpu.hwcaps=-AVX,"), "{told}");
    pod.autopod(&["rm", "q", "-f"]).unwrap();
}
