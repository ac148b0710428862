//! A pod's life without checkpoints: the commands, init, the supervisor and its end. Each test runs under both ways of
//! realizing names, as ourselves and, where we are root, as an unprivileged user.
//! Build the binaries first (`cargo build --workspace`).

use autopod_tests::command::{Done, Identity, Place, processes_of};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A directory of one test, in which its pods live. Dropped, it ends whatever the test left behind, and fails the test if
/// that was anything.
struct Home {
    place: Place,
    names: &'static str,
}

impl Home {
    fn autopod(&self, arguments: &[&str]) -> Done {
        self.place.run(&binary("autopod"), arguments, LIMIT).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.place.run(&binary("autopod-run"), arguments, LIMIT).unwrap()
    }

    /// Of a command that must succeed, what it printed.
    fn good(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        assert!(done.status.success(), "{arguments:?} under {}: {}", self.names, done.stderr);
        done.stdout.trim_end().to_owned()
    }

    /// Of a command that must fail with status 1, its complaint.
    fn bad(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {}{}", done.stdout, done.stderr);
        done.stderr
    }

    fn add(&self, pod: &str) {
        self.good(&["add", pod, "--names", self.names, "--profile", "default"]);
    }

    /// Waits until the pod's log holds `text`.
    fn logged(&self, pod: &str, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.good(&["logs", pod]);
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < end, "the log of {pod} never held {text:?}: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ps(&self, pod: &str) -> serde_json::Value {
        serde_json::from_str(&self.good(&["ps", pod, "--json"])).unwrap()
    }

    fn runtime(&self, pod: &str) -> PathBuf {
        self.place.directory.join("run").join(pod)
    }

    fn init_pid(&self, pod: &str) -> i32 {
        let record = std::fs::read_to_string(self.runtime(pod).join("init.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&record).unwrap()["pid"].as_i64().unwrap() as i32
    }

    /// Kills the pod's supervisor with SIGKILL.
    fn kill_supervisor(&self, pod: &str) {
        let init = self.init_pid(pod) as u32;
        let found: Vec<u32> = processes_of(&self.place.directory)
            .into_iter()
            .filter(|seen| seen.pid != init)
            .filter(|seen| {
                let line = std::fs::read_to_string(format!("/proc/{}/cmdline", seen.pid)).unwrap_or_default();
                line == format!("autopod\0supervise\0{pod}\0")
            })
            .map(|seen| seen.pid)
            .collect();
        assert_eq!(found.len(), 1, "pod {pod} should have one supervisor: {found:?}");
        kill(found[0] as i32, libc::SIGKILL);
        let end = Instant::now() + Duration::from_secs(5);
        while alive(found[0]) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        let mut left = processes_of(&self.place.directory);
        // A supervisor without a pod stays for a moment.
        while !left.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
            left = processes_of(&self.place.directory);
        }
        left.iter().for_each(|seen| kill(seen.pid as i32, libc::SIGKILL));
        let _ = std::fs::remove_dir_all(&self.place.directory);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// The end of a child, which must come in time.
fn end_of(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("{} did not end", child.id());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes two integers.
    unsafe { libc::kill(pid, signal) };
}

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn binary(name: &str) -> PathBuf {
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    dir.pop();
    let path = dir.join(name);
    assert!(path.exists(), "{} is missing; run `cargo build --workspace` first", path.display());
    path
}

/// Runs a test in all four cells.
fn everywhere(test: &str, body: impl Fn(&Home)) {
    let mut identities = vec![Identity::own().unwrap(), Identity::unprivileged().unwrap()];
    identities.dedup();
    for identity in identities {
        for names in ["kernel", "shim"] {
            let directory = std::env::temp_dir().join(format!("ap-{test}-{}-{names}-{}", identity.uid, std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            std::os::unix::fs::chown(&directory, Some(identity.uid), Some(identity.gid)).unwrap();
            let environment = vec![("AUTOPOD_HOME".into(), directory.display().to_string()), ("SECRET".into(), "x".into())];
            body(&Home { place: Place { identity, directory, environment }, names });
        }
    }
}

#[test]
fn a_pod_is_made_used_and_removed() {
    everywhere("life", |home| {
        home.add("web");
        assert!(home.bad(&["add", "web"]).contains("there is a pod \"web\" already"));
        let pid = home.good(&["addproc", "web", "--", "sleep", "1000"]);
        home.good(&["addproc", "web", "sh", "-c", "sleep 1001 & echo begun; wait"]);
        home.logged("web", "begun");
        let ps = home.ps("web");
        assert_eq!(ps.as_array().unwrap().len(), 3, "{ps}");
        assert_eq!(ps[0]["virtual_pid"].to_string(), pid);
        assert_eq!((ps[0]["virtual_ppid"].as_i64(), ps[0]["command"].as_str()), (Some(1), Some("sleep 1000")));
        // The grandchild is the shell's, under the id that the shell has in the pod.
        assert_eq!(ps[2]["virtual_ppid"], ps[1]["virtual_pid"]);
        assert!(home.good(&["ps", "web"]).contains("sleep 1001"));
        let stats: serde_json::Value = serde_json::from_str(&home.good(&["stats", "web", "--json"])).unwrap();
        assert_eq!(stats["processes"], 3);
        assert!(home.good(&["list"]).contains("running"));
        assert!(home.bad(&["rm", "web"]).contains("is running; stop it first"));
        home.good(&["kill", "web", &pid]);
        let end = Instant::now() + Duration::from_secs(5);
        while home.ps("web").as_array().unwrap().len() != 2 {
            assert!(Instant::now() < end, "process {pid} was not killed: {}", home.ps("web"));
        }
        assert!(home.bad(&["kill", "web", &pid]).contains("has no process"));
        home.good(&["stop", "web"]);
        assert!(home.good(&["list"]).contains("stopped"));
        assert_eq!(home.ps("web"), serde_json::json!([]));
        // Known and stopped, it starts again.
        home.good(&["addproc", "web", "sleep", "1000"]);
        home.good(&["rm", "-f", "web"]);
        assert_eq!(home.good(&["list", "--json"]), "[]");
        assert!(home.bad(&["ps", "web"]).contains("there is no pod \"web\""));
    });
}

#[test]
fn programs_start_clean() {
    everywhere("clean", |home| {
        home.good(&["add", "p", "--names", home.names, "--hostname", "podhost", "--env", "FROM_POD=1"]);
        home.good(&[
            "addproc",
            "p",
            "--env",
            "OWN=2",
            "--cwd",
            "/usr",
            "--",
            "sh",
            "-c",
            "env; ls /proc/$$/fd; pwd; hostname; grep -E 'Sig(Blk|Ign)|Cap(Eff|Amb|Prm)' /proc/self/status; echo end",
        ]);
        let log = home.logged("p", "CapAmb");
        for line in ["FROM_POD=1", "OWN=2", "/usr", "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "0\n1\n2\n"] {
            assert!(log.contains(line), "{line:?} is not in {log}");
        }
        assert!(!log.contains("SECRET") && !log.contains("AUTOPOD_HOME"), "{log}");
        if !home.place.identity.is_root() {
            for capabilities in ["CapPrm", "CapEff", "CapAmb"] {
                assert!(log.contains(&format!("{capabilities}:\t0000000000000000")), "{log}");
            }
        }
        if home.names == "kernel" {
            assert!(log.contains("podhost"), "{log}");
        }
        // Its session is its own, and leads to no terminal.
        home.good(&["addproc", "p", "sh", "-c", "cut -d' ' -f5-7 /proc/self/stat; (: </dev/tty) 2>&1 || echo notty"]);
        home.logged("p", "notty");
        home.good(&["rm", "-f", "p"]);
    });
}

#[test]
fn attached_programs_speak_through_us() {
    everywhere("attached", |home| {
        home.add("p");
        let done = home.autopod(&["addproc", "p", "-i", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!((done.status.code(), done.stdout.as_str(), done.stderr.as_str()), (Some(7), "out\n", "err\n"));
        let mut command = home.place.command(&binary("autopod"));
        command.args(["addproc", "p", "-t", "--", "sh"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"tty && (: </dev/tty) && echo con''trolled; exit 3\n").unwrap();
        let status = end_of(&mut child);
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(status, Some(3), "{text}");
        assert!(text.contains("/dev/pts/") && text.contains("\r\ncontrolled\r\n"), "{text}");
        // Signals reach the program, and its answer to them us.
        let mut command = home.place.command(&binary("autopod"));
        command.args(["addproc", "p", "-i", "--", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        kill(child.id() as i32, libc::SIGTERM);
        assert_eq!(end_of(&mut child), Some(9));
        home.good(&["rm", "p", "-f"]);
    });
}

#[test]
fn one_command_in_a_pod_of_its_own() {
    everywhere("run", |home| {
        let done = home.run(&["--names", home.names, "--pod", "one", "--", "sh", "-c", "echo $SECRET; sleep 1000 & exit 5"]);
        assert_eq!((done.status.code(), done.stdout.as_str()), (Some(5), "x\n"), "{}", done.stderr);
        let done = home.run(&["--names", home.names, "sh", "-c", "kill -9 $$"]);
        assert_eq!(done.status.code(), Some(137), "{}", done.stderr);
        let done = home.run(&["--names", home.names, "no-such-program"]);
        assert_eq!(done.status.code(), Some(1));
        assert!(done.stderr.contains("cannot start \"no-such-program\""), "{}", done.stderr);
        assert_eq!(home.good(&["list", "--json"]), "[]");
        let done = home.run(&["--names", home.names, "--pod", "kept", "--keep", "sh", "-c", "sleep 1000 & exit 0"]);
        assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
        assert_eq!(home.ps("kept")[0]["command"], "sleep 1000");
        home.good(&["rm", "-f", "kept"]);
    });
}

#[test]
fn programs_outlive_their_supervisor() {
    everywhere("adopt", |home| {
        home.add("p");
        let pid = home.good(&["addproc", "p", "--", "sh", "-c", "echo $PPID; sleep 2; echo $PPID; exec sleep 1000"]);
        let init = home.init_pid("p");
        home.kill_supervisor("p");
        let ps = home.ps("p");
        assert_eq!(ps[0]["virtual_pid"].to_string(), pid, "{ps}");
        assert_eq!(home.init_pid("p"), init);
        let other = home.good(&["addproc", "p", "sleep", "1001"]);
        assert_ne!(other, pid);
        // Whoever waits goes on waiting, with the next supervisor.
        let mut command = home.place.command(&binary("autopod"));
        command.args(["addproc", "p", "-i", "--", "sh", "-c", "echo ready; read x; exit 11"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        // the program may be faster than the answer that it was started
        std::thread::sleep(std::time::Duration::from_millis(500));
        home.kill_supervisor("p");
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(end_of(&mut child), Some(11));
        let log = home.good(&["logs", "p"]);
        let parents: Vec<&str> = log.lines().collect();
        assert!(parents.iter().all(|parent| *parent == parents[0]), "its parent changed: {log}");
        home.kill_supervisor("p");
        home.good(&["stop", "p", "-t", "1"]);
        home.good(&["rm", "p"]);
    });
}

#[test]
fn init_cannot_be_signalled_from_inside() {
    everywhere("init", |home| {
        home.add("p");
        let init = home.init_pid("p");
        home.good(&[
            "addproc",
            "p",
            "sh",
            "-c",
            "for s in TERM INT HUP USR1 STOP KILL; do kill -$s 1; done; echo tried; exec sleep 1000",
        ]);
        home.logged("p", "tried");
        assert_eq!(home.init_pid("p"), init);
        assert_eq!(home.good(&["addproc", "p", "-i", "echo", "alive"]), "alive");
        home.good(&["rm", "-f", "p"]);
    });
}

#[test]
fn the_control_socket_speaks_json_and_refuses_the_pod() {
    everywhere("control", |home| {
        home.add("p");
        let path = home.runtime("p").join("control.sock");
        let ask = |request: &str| -> serde_json::Value {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(format!("{request}\n").as_bytes()).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap()
        };
        let spawned = ask(r#"{"request":"spawn","argv":["sleep","1000"]}"#);
        let pid = spawned["spawned"]["virtual_pid"].as_i64().unwrap();
        assert_eq!(ask(r#"{"request":"ps"}"#)["processes"][0]["virtual_pid"], pid);
        assert_eq!(ask(r#"{"request":"status"}"#)["status"]["running"], true);
        assert!(ask("nonsense")["error"].as_str().unwrap().contains("malformed"));
        assert!(ask(r#"{"request":"kill","virtual_pid":77777,"signal":9}"#)["error"].as_str().unwrap().contains("no process"));
        assert_eq!(ask(r#"{"request":"kill","signal":9}"#), "done");
        assert_eq!(ask(r#"{"request":"ps"}"#)["processes"], serde_json::json!([]));
        // From inside the pod, the same socket gives nothing.
        let script = format!(
            "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('{}')\ntry:\n s.sendall(b'{{\"request\":\"status\"}}\\n'); print('got', s.recv(100))\nexcept OSError as e: print('got', b'')\n",
            path.display()
        );
        let done = home.autopod(&["addproc", "p", "-i", "--", "python3", "-c", &script]);
        assert_eq!(done.stdout.trim_end(), "got b''", "{}", done.stderr);
        home.good(&["rm", "-f", "p"]);
    });
}

#[test]
fn two_pods_have_the_same_ids() {
    everywhere("two", |home| {
        home.add("a");
        home.add("b");
        let first = home.good(&["addproc", "a", "sleep", "1000"]);
        assert_eq!(home.good(&["addproc", "b", "sleep", "1001"]), first);
        home.good(&["kill", "a", &first, "-s", "KILL"]);
        assert_eq!(home.ps("b")[0]["command"], "sleep 1001");
        home.good(&["rm", "-f", "a"]);
        assert_eq!(home.ps("b")[0]["command"], "sleep 1001");
        home.good(&["rm", "-f", "b"]);
    });
}

#[test]
fn mistakes_are_answered_with_a_way_out() {
    everywhere("mistakes", |home| {
        assert!(home.bad(&["addproc", "nope", "true"]).contains("`autopod add nope` makes this one"));
        assert!(home.bad(&["add", "b/../x"]).contains("cannot be the name of a pod"));
        assert_eq!(home.autopod(&["add"]).status.code(), Some(2));
        assert_eq!(home.autopod(&["kill", "p", "-s", "NOSUCH"]).status.code(), Some(2));
        home.add("p");
        assert!(home.bad(&["addproc", "p", "no-such-program"]).contains("no such program in PATH"));
        assert!(home.bad(&["addproc", "p", "/etc/passwd"]).contains("Permission denied"));
        assert!(home.bad(&["addproc", "p", "--cwd", "/no/such", "true"]).contains("/no/such"));
        assert!(home.bad(&["checkpoint", "p", "-o", "/tmp/never"]).contains("has no process"));
        assert!(home.bad(&["addproc", "p", "--user", "no-such-user", "true"]).contains("there is no user"));
        if !home.place.identity.is_root() {
            assert!(home.bad(&["addproc", "p", "--user", "root", "true"]).contains("only root's pods"));
        }
        home.good(&["stop", "p"]);
        assert!(home.bad(&["kill", "p"]).contains("is not running"));
        assert!(home.bad(&["checkpoint", "p", "-o", "/tmp/never"]).contains("is not running"));
        assert!(home.bad(&["restart", "p", "-i", "/no/such/image"]).contains("/no/such/image"));
        assert!(home.bad(&["restart", "q", "-i", "/no/such/image"]).contains("/no/such/image"));
        assert!(!home.good(&["list"]).contains('q'));
        home.good(&["rm", "p"]);
    });
}

#[test]
fn programs_the_shim_cannot_reach_are_refused_or_warned_of() {
    everywhere("static", |home| {
        let program = home.place.directory.join("static");
        // The smallest ELF header without PT_INTERP; what it would do does not matter.
        let mut elf = vec![0u8; 120];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56], elf[64]) = (64, 56, 1, 1);
        std::fs::write(&program, elf).unwrap();
        std::os::unix::fs::chown(&program, Some(home.place.identity.uid), None).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        home.add("p");
        // Under kernel names it is simply executed.
        if home.names == "shim" {
            let complaint = home.bad(&["addproc", "p", program.to_str().unwrap()]);
            assert!(complaint.contains("statically linked"), "{complaint}");
            let done = home.autopod(&["addproc", "p", "--allow-unshimmed", program.to_str().unwrap()]);
            assert!(!done.stderr.contains("cannot start") && done.stderr.contains("the names of the host"), "{}", done.stderr);
        }
        home.good(&["rm", "-f", "p"]);
    });
}

#[test]
fn root_starts_programs_as_other_users() {
    everywhere("user", |home| {
        if !home.place.identity.is_root() {
            return;
        }
        home.add("p");
        let done = home.autopod(&["addproc", "p", "-i", "--user", "nobody", "--", "sh", "-c", "id -un; id -G; echo $USER"]);
        assert_eq!(done.stdout, "nobody\n65534\nnobody\n", "{}", done.stderr);
        home.good(&["rm", "-f", "p"]);
    });
}
