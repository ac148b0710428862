//! Core files from images, as debuggers read them. Build the binaries first (`cargo build --workspace`); needs gcc and gdb.

use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use std::os::unix::fs::PermissionsExt;

/// Threads in known functions, data of every kind, and a child with memory of its own.
const PROGRAM: &str = r#"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>
int answer = 41;
const char *constant = "never written";
char *heap, *shared, *segment, *reserved;
static void *worker(void *number) { volatile long mine = 100 + (long)number; while (mine) sleep(1000); return 0; }
static void deeper(int depth) { if (depth) deeper(depth - 1); else { FILE *f = fopen("ready", "w"); fclose(f); for (;;) pause(); } }
int main(void) {
    pthread_t thread;
    heap = strdup("on the heap");
    shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(shared + 4096, "shared");
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    segment = shmat(id, 0, 0);
    shmctl(id, IPC_RMID, 0);
    strcpy(segment, "segment");
    reserved = mmap(0, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (long k = 0; k < 3; k++) pthread_create(&thread, 0, worker, (void *)k);
    if (!fork()) { answer = 1; for (;;) pause(); }
    answer++;
    deeper(2);
}
"#;

fn core_of_threads(names: Names, user: User) {
    let pod = Live::new("core", names, user).unwrap();
    let (source, program, image, core) = (pod.write("t.c", PROGRAM).unwrap(), pod.path("t"), pod.path("image"), pod.path("core"));
    pod.beside(&["gcc", "-g", "-O0", "-pthread", "-o", &program, &source]).unwrap();
    let pid = pod.start(&[&program]).unwrap().to_string();
    eventually("the program is set up", || std::path::Path::new(&pod.path("ready")).exists()).unwrap();
    pod.autopod(&["checkpoint", "p", "-o", &image]).unwrap();
    pod.autopod(&["inspect", &image, "--core", &pid, "-o", &core]).unwrap();
    let mode = std::fs::metadata(&core).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the core file holds the memory");

    let ask = |core: &str, commands: &[&str]| {
        let mut words = vec!["gdb", "-batch", "-nx"];
        commands.iter().for_each(|command| words.extend(["-ex", command]));
        pod.beside(&[&words[..], &[&program, core]].concat()).unwrap()
    };
    let told = ask(
        &core,
        &[
            "info threads",
            "bt",
            "print answer",
            "print constant",
            "print heap",
            "print shared + 4096",
            "print segment",
            "info symbol $pc",
            "thread apply all bt",
            "info auxv",
        ],
    );
    for wanted in [
        "= 42",
        "\"never written\"",
        "\"on the heap\"",
        "\"shared\"",
        "\"segment\"",
        "in deeper (depth=0)",
        "in deeper (depth=2)",
        "in main ()",
        "worker (number=0x2)",
        "AT_SYSINFO_EHDR",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in: {told}");
    }
    assert_eq!(told.matches("worker (number=").count(), 3, "{told}");
    assert!(told.contains(&format!("(LWP {pid})")), "the threads have their names in the pod: {told}");

    // nothing is overwritten; the child has a core of its own; what is not there is named
    let refused = pod.autopod(&["inspect", &image, "--core", &pid, "-o", &core]).unwrap_err().to_string();
    assert!(refused.contains("is there already"), "{refused}");
    let refused = pod.autopod(&["inspect", &image, "--core", "4711", "-o", &core]).unwrap_err().to_string();
    assert!(refused.contains("has no process 4711"), "{refused}");
    let summary: serde_json::Value = serde_json::from_str(&pod.autopod(&["inspect", &image, "--json"]).unwrap()).unwrap();
    let pids = summary["processes"].as_array().unwrap().iter().map(|process| process["pid"].to_string());
    let child = pids.into_iter().find(|other| *other != pid).unwrap();
    let core = pod.path("core-of-child");
    pod.autopod(&["inspect", &image, "--core", &child, "-o", &core]).unwrap();
    let told = ask(&core, &["print answer", "info threads"]);
    assert!(told.contains("= 1\n") && !told.contains("worker"), "{told}");
}

#[test]
fn a_debugger_finds_threads_stacks_and_data() {
    core_of_threads(Names::Kernel, User::Root);
}

#[test]
fn a_debugger_finds_them_of_an_unprivileged_pod_of_the_shim() {
    core_of_threads(Names::Shim, User::Unprivileged);
}
