//! The walls of a pod: there from a program's first instruction, and back after a restart. What attacks do about them is tested elsewhere; here
//! is what the pod's own programs notice. Build the binaries first (`cargo build --workspace`).

use anyhow::{Context, Result, ensure};
use autopod_tests::command::Identity;
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};

/// Every combination that can run here.
fn everywhere(test: impl Fn(Names, User) -> Result<()>) {
    let root = Identity::own().unwrap().is_root();
    for user in User::ALL.into_iter().filter(|user| root || *user != User::Root) {
        for names in Names::ALL {
            test(names, user).with_context(|| format!("under {names} names as {user}")).unwrap();
        }
    }
}

/// What the kernel tells of the walls of a pod's only program.
fn walls_of(live: &Live) -> Result<Vec<String>> {
    let programs = live.programs();
    let program = programs.first().context("the program is gone")?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid))?;
    let fields = ["Seccomp:", "Seccomp_filters:", "CapBnd:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"];
    Ok(status.lines().filter(|line| fields.iter().any(|field| line.starts_with(field))).map(str::to_owned).collect())
}

#[test]
fn filter_and_capabilities_are_back_after_a_restart() {
    everywhere(|names, user| {
        let mut live = Live::walled("back", names, user)?;
        live.start(&["sleep", "1000"])?;
        eventually("the program runs", || live.programs().len() == 1)?;
        let before = walls_of(&live)?;
        ensure!(before.contains(&"Seccomp:\t2".to_owned()), "no filter: {before:?}");
        if user == User::Root {
            ensure!(before.contains(&"CapBnd:\t00000000a80425fb".to_owned()), "not bounded: {before:?}");
        } else {
            ensure!(before.contains(&"NoNewPrivs:\t1".to_owned()), "may gain privileges: {before:?}");
        }
        for _ in 0..2 {
            live.round()?;
            let after = walls_of(&live)?;
            ensure!(after == before, "{before:?} became {after:?}");
        }
        Ok(())
    });
}

/// Servers at abstract names, of both kinds.
const SERVER: &str = "\
import socket, sys
name = '\\0autopod-walls-' + sys.argv[1]
stream = socket.socket(socket.AF_UNIX); stream.bind(name); stream.listen()
packets = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); packets.bind(name + '-d')
open('ready', 'w').close()
while True:
    peer, _ = stream.accept()
    peer.sendall(packets.recv(100)); peer.close()
";

const CLIENT: &str = "\
import socket, sys
name = '\\0autopod-walls-' + sys.argv[1]
packets = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
packets.sendto(b'well met', name + '-d')
stream = socket.socket(socket.AF_UNIX); stream.connect(name)
print(stream.recv(100).decode())
";

#[test]
fn abstract_sockets_take_new_connections_after_a_restart_and_none_from_a_neighbour() {
    everywhere(|names, user| {
        let mut live = Live::walled("abstract", names, user)?;
        let word = format!("{}-{names}-{user}", std::process::id());
        let (server, client) = (live.write("server.py", SERVER)?, live.write("client.py", CLIENT)?);
        live.start(&["python3", &server, &word])?;
        eventually("the server is ready", || std::path::Path::new(&live.path("ready")).exists())?;
        live.autopod(&["add", "q", "--names", &names.to_string(), "--profile", "default"])?;
        let ask = |live: &Live, pod: &str| -> Result<String> {
            let output = live.command(&["addproc", pod, "-i", "--", "python3", &client, &word]).output()?;
            Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
        };
        let outcome = (|| {
            ensure!(ask(&live, "p")? == "well met\n", "not before the restart");
            let neighbour = ask(&live, "q")?;
            ensure!(neighbour.contains("PermissionError"), "a neighbour came through: {neighbour}");
            Ok(())
        })();
        live.autopod(&["rm", "-f", "q"])?;
        outcome?;
        live.round()?;
        let after = ask(&live, "p")?;
        ensure!(after == "well met\n", "not after the restart: {after}");
        Ok(())
    });
}

/// Connects to a control socket and asks for what that pod does.
const INTRUDER: &str = "\
import socket, sys
try:
    control = socket.socket(socket.AF_UNIX); control.settimeout(10); control.connect(sys.argv[1])
    control.sendall(b'{\"request\":\"ps\"}\\n')
    print('answered' if control.recv(1000) else 'hung up')
except OSError as error:
    print('refused', error)
";

#[test]
fn programs_of_one_pod_do_not_administer_another() {
    everywhere(|names, user| {
        let live = Live::walled("intruder", names, user)?;
        let script = live.write("intruder.py", INTRUDER)?;
        live.autopod(&["add", "q", "--names", &names.to_string(), "--profile", "default"])?;
        let outcome = ["h/run/q/control.sock", "h/run/p/control.sock", "h/run/q/init.sock"]
            .map(|socket| live.autopod(&["addproc", "p", "-i", "--", "python3", &script, &live.path(socket)]));
        let outside = live.beside(&["python3", &script, &live.path("h/run/q/control.sock")]);
        live.autopod(&["rm", "-f", "q"])?;
        for printed in outcome {
            let printed = printed?;
            ensure!(printed.starts_with("hung up") || printed.starts_with("refused"), "{printed}");
        }
        ensure!(outside?.starts_with("answered"), "the owner is not answered");
        Ok(())
    });
}

/// By a control group, which a user has where the host lends him one, or by the limits of each process (setrlimit(2)).
#[test]
fn limits_hold_a_users_pod_before_and_after_a_restart() {
    for names in Names::ALL {
        let limits = ["--profile", "default", "--pids", "500", "--memory", "3G"];
        let mut live = Live::with_options("user-limits", names, User::Unprivileged, &limits).unwrap();
        live.start(&["sleep", "1000"]).unwrap();
        for round in 0..2 {
            eventually("the program runs", || live.programs().len() == 1).unwrap();
            let own = std::fs::read_to_string(format!("/proc/{}/limits", live.programs()[0].pid)).unwrap();
            let limit = |what: &str| {
                let line = own.lines().find(|line| line.starts_with(what)).unwrap_or_default();
                line[what.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
            };
            let stats = live.autopod(&["stats", "p"]).unwrap();
            let held = limit("Max address space") == ["3221225472"; 2] || stats.contains("3221225472 bytes");
            assert!(held, "round {round}, {names}: {own}{stats}");
            let held = limit("Max processes") == ["500"; 2] || stats.contains("500 processes");
            assert!(held, "round {round}, {names}: {own}{stats}");
            live.round().unwrap();
        }
    }
}

#[test]
fn limits_hold_a_pod_before_and_after_a_restart() {
    if !Identity::own().unwrap().is_root() {
        // the next test is what there is without privilege
        eprintln!("not root: no control group of a pod can be tested");
        return;
    }
    let bomb = "n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n+1)); done";
    let mut live =
        Live::with_options("limits", Names::Kernel, User::Root, &["--profile", "default", "--pids", "12", "--memory", "200M"])
            .unwrap();
    live.start(&["bash", "-c", bomb]).unwrap();
    eventually("the pod is full", || live.programs().len() >= 11).unwrap();
    assert!(live.programs().len() <= 12, "{}", live.programs().len());
    live.round().unwrap();
    let more = live.autopod(&["stats", "p"]).unwrap();
    assert!(more.contains("12 processes") && more.contains("209715200 bytes"), "{more}");
    assert!(live.programs().len() <= 12);
    let refused = live.start(&["bash", "-c", bomb]);
    assert!(refused.is_err() || live.programs().len() <= 12);
}

#[test]
fn a_pod_cannot_administer_the_kernel_by_files() {
    // A user may have been lent control groups, which are his then.
    let script = "
        groups=$(find /sys/fs/cgroup -name cgroup.procs)
        [ $(id -u) = 0 ] || groups=
        for file in /proc/sys/kernel/core_pattern /proc/sysrq-trigger $groups; do
            if (echo $$ > $file) 2>/dev/null; then echo written $file; fi
        done
        mount -o remount,rw,bind /proc/sys 2>/dev/null && echo remounted
        cat /proc/sys/kernel/ostype";
    let root = Identity::own().unwrap().is_root();
    for user in User::ALL.into_iter().filter(|user| root || *user != User::Root) {
        let live = Live::with_options("files", Names::Kernel, user, &["--profile", "default", "--pids", "50"]).unwrap();
        let printed = live.autopod(&["addproc", "p", "-i", "--", "sh", "-c", script]).unwrap();
        assert_eq!(printed, "Linux\n", "as {user}");
    }
}
