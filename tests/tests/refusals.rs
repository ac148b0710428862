//! What cannot be checkpointed or restarted is refused with the object's name and a way out; nothing is lost, nothing left behind.
//! Build the binaries first (`cargo build --workspace`).

use anyhow::{Context, Result, ensure};
use autopod_tests::command::{Identity, processes_of};
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Counts on in a file, and does first what its second argument says.
const COUNTER: &str = "
import ctypes, os, sys, time
directory = sys.argv[1]
exec(sys.argv[2])
n = 0
while True:
    n += 1
    open(directory + 'count.new', 'w').write(str(n))
    os.rename(directory + 'count.new', directory + 'count')
    time.sleep(0.005)
";

struct Test {
    live: Live,
}

impl Test {
    fn new(label: &str, names: Names, user: User, first: &str) -> Result<Self> {
        let test = Self { live: Live::new(label, names, user)? };
        let script = test.live.write("counter.py", COUNTER)?;
        test.live.start(&["python3", &script, &format!("{}/", test.live.directory.display()), first])?;
        test.counts_on()?;
        Ok(test)
    }

    fn count(&self) -> u64 {
        self.live.read("count").parse().unwrap_or(0)
    }

    fn counts_on(&self) -> Result<()> {
        let before = self.count();
        eventually("the program counts on", || self.count() > before + 1)
            .with_context(|| self.live.autopod(&["logs", "p"]).unwrap_or_default())
    }

    fn image(&self) -> String {
        self.live.path("image")
    }

    /// A command that must fail with status 1, by a sentence that holds all of these.
    fn refused(&self, arguments: &[&str], expected: &[&str]) -> Result<()> {
        let done = self.live.place.run(Path::new(&self.live.path("b/autopod")), arguments, std::time::Duration::from_secs(30))?;
        ensure!(done.status.code() == Some(1), "{arguments:?} ended with {}: {}{}", done.status, done.stdout, done.stderr);
        for part in expected {
            ensure!(done.stderr.contains(part), "{arguments:?} does not say \"{part}\" but: {}", done.stderr);
        }
        ensure!(done.stderr.trim_end().lines().count() == 1, "{arguments:?} says more than a sentence: {}", done.stderr);
        Ok(())
    }

    /// A checkpoint that must be refused, and change nothing.
    fn not_checkpointed(&self, expected: &[&str]) -> Result<()> {
        self.refused(&["checkpoint", "p", "-o", &self.image()], expected)?;
        ensure!(!Path::new(&self.image()).exists(), "there is an image");
        self.counts_on()
    }

    /// A restart that must be refused, and leave nothing.
    fn not_restarted(&self, expected: &[&str]) -> Result<()> {
        self.refused(&["restart", "p", "-i", &self.image()], expected)?;
        ensure!(self.live.programs().is_empty(), "left: {:?}", self.live.programs());
        ensure!(self.live.autopod(&["list"])?.contains("checkpointed"), "{}", self.live.autopod(&["list"])?);
        Ok(())
    }

    fn checkpoint(&self) -> Result<()> {
        self.live.autopod(&["checkpoint", "p", "-o", &self.image()]).map(drop)
    }

    fn restart(&self) -> Result<()> {
        self.live.autopod(&["restart", "p", "-i", &self.image()])?;
        self.counts_on()
    }
}

fn cells(label: &str, first: &str, body: impl Fn(&Test) -> Result<()>) {
    let users = if Identity::own().unwrap().is_root() { vec![User::Root, User::Unprivileged] } else { vec![User::Root] };
    for user in users {
        for names in [Names::Kernel, Names::Shim] {
            Test::new(label, names, user, first)
                .and_then(|test| body(&test))
                .with_context(|| format!("under {names} names as {user:?}"))
                .unwrap();
        }
    }
}

/// A helper of the test, ended with it.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn commands_name_the_pod_and_the_way_out() {
    cells("states", "pass", |test| {
        test.refused(&["checkpoint", "nope", "-o", &test.image()], &["there is no pod \"nope\"", "`autopod list`"])?;
        test.refused(&["add", "p"], &["there is a pod \"p\" already", "`autopod rm p`"])?;
        test.checkpoint()?;
        test.refused(&["checkpoint", "p", "-o", &test.image()], &["pod \"p\" is not running", "autopod restart p -i"])?;
        test.restart()?;
        test.refused(&["restart", "p", "-i", &test.image()], &["pod \"p\" is running", "`autopod stop p`"])?;
        test.counts_on()?;
        // the image may be started a second time under another name, if its ids are those of a pod of its own
        test.live.autopod(&["kill", "p"])?;
        test.refused(&["checkpoint", "p", "-o", &test.live.path("other")], &["pod \"p\" has no process", "`autopod addproc p"])?;
        Ok(())
    });
}

#[test]
fn missing_and_changed_files_are_named() {
    // a program and a library of its own, and an open file
    let first = "
import shutil
f = open(directory + 'open-file', 'r+')
lib = ctypes.CDLL(directory + 'lib.so')";
    let prepare = |directory: &Path| {
        let library = std::fs::read_dir("/lib/x86_64-linux-gnu").unwrap().flatten().map(|e| e.path());
        let library = library
            .filter(|p| p.to_string_lossy().contains("/libz.so"))
            .last()
            .unwrap_or("/lib/x86_64-linux-gnu/libm.so.6".into());
        std::fs::copy(library, directory.join("lib.so")).unwrap();
        std::fs::copy("/usr/bin/python3", directory.join("program")).unwrap();
        std::fs::write(directory.join("open-file"), "what is in the file").unwrap();
        for file in ["lib.so", "program", "open-file"] {
            std::fs::set_permissions(directory.join(file), std::fs::Permissions::from_mode(0o777)).unwrap();
        }
    };
    cells("files", "pass", |test| {
        test.live.autopod(&["kill", "p"])?;
        prepare(&test.live.directory);
        let directory = format!("{}/", test.live.directory.display());
        test.live.start(&[&test.live.path("program"), &test.live.path("counter.py"), &directory, first])?;
        test.counts_on()?;
        test.checkpoint()?;
        for file in ["lib.so", "program", "open-file"] {
            let path = test.live.path(file);
            let aside = test.live.path("aside");
            std::fs::rename(&path, &aside)?;
            test.not_restarted(&[&path, "cannot restart from"]).context("missing")?;
            // another file in its place
            std::fs::copy("/bin/true", &path)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))?;
            if file != "open-file" {
                test.not_restarted(&[&path]).context("changed")?;
            }
            std::fs::remove_file(&path)?;
            std::fs::create_dir(&path)?;
            test.not_restarted(&[&path]).context("a directory")?;
            std::fs::remove_dir(&path)?;
            std::fs::rename(&aside, &path)?;
        }
        test.restart()
    });
}

#[test]
fn what_is_traced_already_is_named_with_its_tracer() {
    cells("traced", "pass", |test| {
        let pid = test.live.programs()[0].pid;
        let ends = |helper: Helper| {
            drop(helper);
            eventually("the tracing ends", || {
                std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("TracerPid:\t0"))
            })
        };
        let strace =
            Command::new("strace").args(["-qq", "-o", "/dev/null", "-p", &pid.to_string()]).stdout(Stdio::null()).spawn()?;
        let strace = Helper(strace);
        eventually("strace attaches", || {
            std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("TracerPid:\t0"))
        })?;
        let tracer = strace.0.id().to_string();
        test.not_checkpointed(&["(python3", "is traced by process", &tracer, "end the tracing first"])?;
        ends(strace)?;
        // and inside
        test.live.start(&["strace", "-qq", "-f", "-o", "/dev/null", "sleep", "1000"])?;
        eventually("sleep runs", || {
            test.live.programs().iter().any(|seen| seen.line.contains("sleep") && seen.line.contains("traced"))
        })?;
        test.not_checkpointed(&["(sleep)", "is traced by process"])?;
        let line = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        for seen in test.live.programs().iter().filter(|seen| ["strace\n", "sleep\n"].contains(&line(seen.pid).as_str())) {
            test.live.beside(&["/bin/kill", "-KILL", &seen.pid.to_string()])?;
        }
        eventually("strace is gone", || test.live.programs().len() == 1)?;
        test.checkpoint()?;
        test.restart()
    });
}

#[test]
fn what_cannot_be_captured_is_named_with_its_descriptor() {
    // userfaultfd(2) with UFFD_USER_MODE_ONLY
    cells("capture", "fd = ctypes.CDLL(None).syscall(323, 1); assert fd >= 0", |test| {
        test.not_checkpointed(&["cannot checkpoint pod \"p\"", "(python3", "descriptor 3", "userfaultfd"])
    });
}

#[test]
fn mounts_of_programs_are_named() {
    if !Identity::own().unwrap().is_root() {
        return;
    }
    let mount = "
os.mkdir(directory + 'mnt')
libc = ctypes.CDLL(None)
assert libc.mount(b'none', (directory + 'mnt').encode(), b'tmpfs', 0, None) == 0
";
    let test = Test::new("mounts", Names::Kernel, User::Root, mount).unwrap();
    let point = test.live.path("mnt");
    test.not_checkpointed(&["(tmpfs)", &point, "a program of the pod has mounted it", "unmount it"]).unwrap();
    // what the host mounts is none of the pod's doing
    let host = test.live.path("host");
    std::fs::create_dir(&host).unwrap();
    test.live.beside(&["/bin/mount", "-t", "tmpfs", "none", &host]).unwrap();
    test.live.autopod(&["addproc", "p", "-i", "--", "umount", &point]).unwrap();
    let checkpointed = test.checkpoint().and_then(|()| test.restart());
    test.live.beside(&["/bin/umount", &host]).unwrap();
    checkpointed.unwrap();
}

#[test]
fn other_users_and_the_pod_itself_have_no_say() {
    if !Identity::own().unwrap().is_root() {
        return;
    }
    let test = Test::new("others", Names::Kernel, User::Root, "pass").unwrap();
    let mut place = test.live.place.clone();
    place.identity = Identity::unprivileged().unwrap();
    place.directory = test.live.directory.join("o");
    std::fs::create_dir(&place.directory).unwrap();
    let done = place
        .run(
            Path::new(&test.live.path("b/autopod")),
            &["checkpoint", "p", "-o", "/tmp/never"],
            std::time::Duration::from_secs(30),
        )
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stderr.contains("Permission denied") && done.stderr.contains("/h/"), "{}", done.stderr);
    // a directory that is closed to everybody
    test.live.beside(&["/bin/mkdir", &test.live.path("disk")]).unwrap();
    let disk = test.live.path("disk");
    test.live.beside(&["/bin/mount", "-t", "tmpfs", "-o", "ro", "none", &disk]).unwrap();
    let output = format!("{disk}/image");
    let refused =
        test.refused(&["checkpoint", "p", "-o", &output], &["cannot write the image", &output, "Read-only file system", "-o"]);
    test.live.beside(&["/bin/umount", &disk]).unwrap();
    refused.unwrap();
    test.counts_on().unwrap();
    drop(test);
    assert!(processes_of(Path::new("/tmp/never")).is_empty());
}
