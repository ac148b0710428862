//! The shim and the namespace table, without the rest: programs run natively and in a pod made by `names_init`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The preload library, built like this test.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let target = Path::new(env!("CARGO_BIN_EXE_names_init")).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "-q", "-p", "autopod-shim"]);
        if target.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
        target.join("libautopod_shim.so")
    })
}

/// A directory of this test's own, short enough for sockets, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("autopod-names-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compiles one of tests/names/*.c.
fn program(directory: &Directory, name: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("names").join(format!("{name}.c"));
    let to = directory.0.join(name);
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-w", "-o"]).arg(&to).arg(source).args(options).args(["-lrt", "-lpthread", "-lutil"]);
    assert!(gcc.status().unwrap().success(), "gcc {name}");
    to
}

/// A command that runs in a pod of the directory's name.
fn in_pod(directory: &Directory) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(env!("CARGO_BIN_EXE_names_init")).arg(&directory.0).env("NAMES_SHIM", shim());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {:?}\n{}\n{}",
        output.status,
        said(&output),
        String::from_utf8_lossy(&output.stderr)
    );
    said(&output)
}

fn sh(directory: &Directory, script: &str) -> String {
    let mut command = in_pod(directory);
    command.args(["/bin/bash", "-c", script]);
    succeeds(command)
}

/// Runs a self-verifying program natively, in a pod, and in a pod that has come far: high ids, other clocks.
fn verify(name: &str) {
    let directory = Directory::new(name);
    let program = program(&directory, name, &[]);
    succeeds(Command::new(&program));
    let mut command = in_pod(&directory);
    command.arg(&program);
    succeeds(command);
    let mut command = in_pod(&directory);
    command.arg(&program).env("NAMES_MONOTONIC", "5000000").env("NAMES_BOOTTIME", "6000000").env("NAMES_NEXT", "300");
    succeeds(command);
    as_a_user(name, &program);
}

/// The same without privilege.
fn as_a_user(name: &str, program: &Path) {
    let directory = Directory::new(&format!("{name}-user"));
    std::os::unix::fs::chown(&directory.0, Some(NOBODY), None).expect("these tests need root");
    let mut command = Command::new("timeout");
    command.args(["60", "setpriv", "--reuid", &NOBODY.to_string(), "--clear-groups", env!("CARGO_BIN_EXE_names_init")]);
    // execvp(3) tells of a directory that it may not enter
    command.arg(&directory.0).arg(program).env("NAMES_SHIM", shim()).env("PATH", "/usr/bin:/bin").current_dir("/");
    succeeds(command);
}

const NOBODY: u32 = 65534;

#[test]
fn ids_are_recycled() {
    let directory = Directory::new("recycling");
    let program = program(&directory, "recycling", &[]);
    succeeds({
        let mut command = Command::new(&program);
        command.arg("3000");
        command
    });
    // More than this host's pid_max, if that is the usual one of a small machine.
    let mut command = in_pod(&directory);
    command.arg(&program).arg("40000");
    succeeds(command);
    // Sessions, too, are forgotten once nobody is in them.
    let path = std::ffi::CString::new(directory.0.join("table").to_str().unwrap()).unwrap();
    let pairs = autopod_namespace::Table::open(&path).unwrap().pairs().count();
    assert!(pairs < 1000, "{pairs} ids are taken");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(directory.0.join("table")).unwrap());
    assert!(blocks * 512 < 4 << 20, "the table takes {} bytes", blocks * 512);
}

#[test]
fn ids_of_processes_and_threads() {
    verify("ids");
}

#[test]
fn senders_of_signals() {
    verify("signals");
}

#[test]
fn ipc_objects() {
    verify("ipc");
}

#[test]
fn owners_locks_credentials_terminals() {
    verify("files");
}

#[test]
fn proc_files() {
    verify("procfs");
}

#[test]
fn clocks_and_deadlines() {
    verify("clocks");
}

#[test]
fn executing_programs() {
    verify("programs");
}

#[test]
fn clocks_behind_the_hosts() {
    let directory = Directory::new("behind");
    let program = program(&directory, "clocks", &[]);
    for (seconds, ahead) in [("5000000", "1"), ("-3000", "0")] {
        let mut command = in_pod(&directory);
        command.arg(&program).env("NAMES_MONOTONIC", seconds).env("NAMES_BOOTTIME", seconds).env("EXPECT_MONOTONIC", ahead);
        succeeds(command);
    }
}

#[test]
fn tools_show_the_pod_only() {
    let directory = Directory::new("tools");
    // Without another process, so that the ids stay what they are.
    let started = "until read -r name </proc/$!/comm && [ $name = sleep ]; do :; done";
    let lines = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    let out = sh(&directory, &format!("sleep 30 & {started}; ps -eo pid,ppid,pgid,sid,comm; kill $!"));
    assert_eq!(lines(&out), ["PID PPID PGID SID COMMAND", "1 0 0 0 names_init", "2 1 2 2 bash", "3 2 2 2 sleep", "4 2 2 2 ps"]);
    assert_eq!(sh(&directory, &format!("sleep 30 & {started}; pgrep sleep; pkill sleep; wait $!; echo $?")), "3\n143\n");
    let tree = sh(&directory, &format!("sleep 30 & {started}; pstree -p 1; kill $!"));
    assert_eq!(tree.trim(), "names_init(1)---bash(2)-+-pstree(4)\n                        `-sleep(3)");
    let top = sh(&directory, "top -b -n1");
    assert!(top.contains("Tasks:   2 total"), "{top}");
    assert_eq!(sh(&directory, "echo $$ $PPID"), "2 1\n");
    assert_eq!(sh(&directory, "cd /proc && echo [0-9]* && cut -d' ' -f1,4 self/stat"), "1 2\n2 1\n");
    assert_eq!(
        sh(&directory, "hostname; uname -n; cat /proc/sys/kernel/hostname; dnsdomainname 2>/dev/null; true").lines().next(),
        Some("names-host")
    );
    let python = "python3 -c 'import os; print(os.getppid(), sorted(int(p) for p in os.listdir(\"/proc\") if p.isdigit()) == [1, os.getpid()])'";
    assert_eq!(sh(&directory, &format!("exec {python}")), "1 True\n");
}

#[test]
fn job_control_in_a_terminal() {
    let directory = Directory::new("jobs");
    let script = "import pty, sys; sys.exit(pty.spawn(['bash', '--norc', '--noediting', '-i', '-c', sys.argv[1]]) >> 8)";
    let jobs = "sleep 50 & sleep 60 & jobs -l; kill %1; wait %1; echo $?; kill -STOP %2; sleep 0.2; jobs -s; kill -CONT %2; kill -TERM %2; \
                fg %2; echo $?; ps -o pid,tpgid,comm";
    let mut command = in_pod(&directory);
    command.args(["python3", "-c", script, jobs]).stdin(std::process::Stdio::null());
    let out = succeeds(command).replace('\r', "");
    for expected in [" Running                 sleep 50 &", "\n143\n", "[2]+  Stopped                 sleep 60"] {
        assert!(out.contains(expected), "no {expected:?} in:\n{out}");
    }
    // The last command replaced the shell, and is the terminal's foreground group.
    let ids: Vec<_> = out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!((ids[0] == ids[1], ids[2]), (true, "ps"), "{out}");
}

#[test]
fn two_pods_share_names_and_nothing_else() {
    let (one, two) = (Directory::new("one"), Directory::new("two"));
    let program = program(&one, "ipc", &[]);
    let peer = |directory: &Directory| {
        let mut command = in_pod(directory);
        command.arg("/bin/bash").arg("-c").arg(format!(
            "for i in 1 2 3 4 5; do {program} 4711 || exit 1; done; echo x > /dev/shm/same || exit 2; cat /dev/shm/same; sleep 0.3; ls /dev/shm; \
             ps -e -o pid= | wc -l; rm /dev/shm/same; kill -0 4000 2>/dev/null && exit 3; exit 0",
            program = program.display()
        ));
        command
    };
    let (mut first, mut second) = (peer(&one), peer(&two));
    let outputs = std::thread::scope(|scope| {
        [scope.spawn(move || first.output().unwrap()), scope.spawn(move || second.output().unwrap())].map(|t| t.join().unwrap())
    });
    for output in outputs {
        assert!(output.status.success(), "{output:?}");
        assert_eq!(said(&output), "x\nsame\n4\n");
    }
}

#[test]
fn a_program_out_of_reach_is_refused_or_warned_about() {
    let directory = Directory::new("reach");
    let source = directory.0.join("static.c");
    std::fs::write(&source, "#include <unistd.h>\nint main(void) { return getpid() > 0 ? 0 : 1; }\n").unwrap();
    let program = directory.0.join("static");
    assert!(Command::new("gcc").args(["-static", "-o"]).args([&program, &source]).status().unwrap().success());
    for how in ["exec PROGRAM", "PROGRAM", "python3 -c 'import subprocess; subprocess.run([\"PROGRAM\"], check=True)'"] {
        let script = how.replace("PROGRAM", program.to_str().unwrap());
        let output = in_pod(&directory).args(["/bin/bash", "-c", &script]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{how}");
        assert!(
            errors.contains("static is statically linked, so that its names cannot be virtualized by the shim: refused;"),
            "{errors}"
        );
        let output = in_pod(&directory).args(["/bin/bash", "-c", &script]).env("NAMES_WARN", "1").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{how}: {errors}");
        assert!(errors.contains("it runs with the host's names"), "{errors}");
    }
}

#[test]
fn a_process_that_gives_up_root_stays_in_its_pod() {
    // SAFETY: no arguments.
    assert_eq!(unsafe { libc::geteuid() }, 0, "needs root");
    let directory = Directory::new("users");
    std::fs::set_permissions(&directory.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    // The library has to be where everybody may read it.
    let library = std::env::temp_dir().join(format!("libautopod_shim-{}.so", std::process::id()));
    std::fs::copy(shim(), &library).unwrap();
    let mut command = in_pod(&directory);
    command.env("NAMES_SHIM", &library).current_dir("/").args([
        "/usr/bin/setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        "/bin/sh",
        "-c",
        "id -u; echo $$ $PPID; hostname",
    ]);
    let out = succeeds(command);
    std::fs::remove_file(&library).unwrap();
    assert_eq!(out, "65534\n2 1\nnames-host\n");
    // Others still may not.
    let table = directory.0.join("table");
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", "12345", "--clear-groups", "/bin/cat"]).arg(&table);
    assert!(!command.output().unwrap().status.success());
}

/// What the engine does at a restart to a task that waits in a system call of the shim (docs/names.md), here with an object
/// whose host id changes while a process waits on it.
#[test]
fn a_restarted_call_translates_its_arguments_again() {
    use autopod_namespace::{HostIpc, IpcKind, TABLE_FILE, Table};
    let directory = Directory::new("restarted");
    let source = directory.0.join("wait.c");
    let code = "#include <sys/sem.h>\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
                int main(void) { int id = semget(IPC_PRIVATE, 1, 0600); printf(\"%ld\\n\", syscall(SYS_getpid)); fflush(stdout);\
                struct sembuf down = {0, -1, 0}; int done = semop(id, &down, 1); printf(\"%d\\n\", done); return 0; }";
    std::fs::write(&source, code).unwrap();
    let program = directory.0.join("wait");
    assert!(Command::new("gcc").arg("-o").args([&program, &source]).status().unwrap().success());
    let mut command = in_pod(&directory);
    command.arg(&program).stdout(std::process::Stdio::piped());
    let mut pod = command.spawn().unwrap();
    let mut out = std::io::BufReader::new(pod.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "2\n");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let path = std::ffi::CString::new(directory.0.join(TABLE_FILE).to_str().unwrap()).unwrap();
    let table = Table::open(&path).unwrap();
    let host = table.host_of(autopod_namespace::VirtualId::new(2).unwrap()).unwrap().raw();
    let object = table.ipcs(IpcKind::Sem).next().unwrap();
    // SAFETY: ptrace on a task that nobody else traces, with our own memory; semaphores of our own.
    unsafe {
        let new = libc::semget(libc::IPC_PRIVATE, 1, 0o600);
        assert!(new >= 0);
        table.insert_ipc(IpcKind::Sem, object.virtual_id, HostIpc(new));
        let null = std::ptr::null_mut::<libc::c_void>();
        assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, host, null, null), 0);
        assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, host, null, null), 0);
        let mut status = 0;
        assert_eq!(libc::waitpid(host, &mut status, libc::__WALL), host);
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        assert_eq!(libc::ptrace(libc::PTRACE_GETREGS, host, null, &mut registers), 0);
        assert_eq!(registers.orig_rax, libc::SYS_semop as u64);
        let maps = std::fs::read_to_string(format!("/proc/{host}/maps")).unwrap();
        let text = maps.lines().find(|line| {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let range = u64::from_str_radix(from, 16).unwrap()..u64::from_str_radix(to, 16).unwrap();
            range.contains(&registers.rip)
        });
        assert!(text.unwrap().ends_with("libautopod_shim.so"), "{text:?}");
        registers.rax = -512i64 as u64;
        registers.orig_rax = u64::MAX;
        assert_eq!(libc::ptrace(libc::PTRACE_SETREGS, host, null, &mut registers), 0);
        assert_eq!(libc::ptrace(libc::PTRACE_DETACH, host, null, null), 0);
        // The old object changes nothing any more, the new one lets the process go on.
        let mut up = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
        assert_eq!(libc::semop(object.host.0, &mut up, 1), 0);
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(pod.try_wait().unwrap().is_none());
        assert_eq!(libc::semop(new, &mut up, 1), 0);
        assert!(pod.wait().unwrap().success());
        libc::semctl(new, 0, libc::IPC_RMID);
        libc::semctl(object.host.0, 0, libc::IPC_RMID);
    }
    line.clear();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "0\n");
}

#[test]
fn outside_of_a_pod_the_library_does_nothing() {
    let directory = Directory::new("outside");
    for name in ["ids", "signals", "ipc", "files", "procfs", "clocks", "programs"] {
        let mut command = Command::new(program(&directory, name, &[]));
        command.env("LD_PRELOAD", shim()).env_remove("AUTOPOD_POD");
        succeeds(command);
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo $$; readlink /proc/self/exe"]).env("LD_PRELOAD", shim());
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "echo ran"])
        .env("LD_PRELOAD", shim())
        .env("AUTOPOD_POD", "nonexistent-pod")
        .env("AUTOPOD_HOME", &directory.0);
    let output = command.output().unwrap();
    assert_eq!(said(&output), "ran\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "autopod: pod \"nonexistent-pod\" is not running here; this program runs outside of it\n"
    );
}

#[test]
fn a_program_joins_by_hand() {
    let home = Directory::new("home");
    let run = Directory(home.0.join("run/joined"));
    std::fs::create_dir_all(&run.0).unwrap();
    let mut pod = in_pod(&run);
    pod.args(["/bin/bash", "-c", "ipcmk -M 100 -p 0600 >/dev/null; touch $(dirname $AUTOPOD_TABLE)/ready; sleep 2; ipcrm -a"]);
    let mut pod = pod.spawn().unwrap();
    for _ in 0..200 {
        if run.0.join("ready").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo $PPID; pgrep -x names_init; pgrep -x bash; ipcs -m | grep -c 600; hostname"]);
    command.env("LD_PRELOAD", shim()).env("AUTOPOD_POD", "joined").env("AUTOPOD_HOME", &home.0);
    assert_eq!(succeeds(command), "0\n1\n2\n1\nnames-host\n");
    assert!(pod.wait().unwrap().success());
}
