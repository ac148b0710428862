//! What programs change in the tree of a pod with `--cow` is saved with the pod: restarts on a host that has nothing but the image and the tree, on one
//! that has other changes by now, and such that fail or are killed. Under both kinds of views, as ourselves and, where we are root, as an
//! unprivileged user, and with users of the pod's own. Build the binaries first (`cargo build --workspace`).

use autopod_tests::command::{Done, Identity, Place, copy_program, processes_of};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
const PROGRAMS: [&str; 7] = ["bash", "cat", "ls", "sleep", "rm", "mkdir", "mknod"];
const WAITS: &str = "while :; do sleep 0.1; done";

/// A directory of one test with a tree; dropped, it fails the test if a process or a mount is left.
struct Home {
    place: Place,
    kind: &'static str,
}

impl Home {
    fn new(kind: &'static str, identity: Identity) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("apc{}-{number}", std::process::id()));
        let tree = directory.join("tree");
        for name in ["etc", "home", "tmp", "usr/bin", "lib64", "proc", "dev", "data/sub", "data/ren/deep", "data/many"] {
            std::fs::create_dir_all(tree.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", tree.join("bin")).unwrap();
        for program in PROGRAMS {
            copy_with_libraries(&Path::new("/bin").join(program).canonicalize().unwrap(), &tree, program);
        }
        let built = directory.join("changes");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/cow/changes.c");
        assert!(Command::new("cc").args(["-o", text(&built), source]).status().unwrap().success());
        copy_with_libraries(&built, &tree, "changes");
        for (name, content) in [("one", "1\n"), ("two", "2\n"), ("three", "3\n"), ("sub/x", "x\n"), ("ren/y", "y\n")] {
            std::fs::write(tree.join("data").join(name), content).unwrap();
        }
        std::fs::write(tree.join("data/ren/deep/z"), "z\n").unwrap();
        for number in 0..10 {
            std::fs::write(tree.join(format!("data/many/{number}")), format!("{number}\n")).unwrap();
        }
        let user = format!("root:x:0:0::/:/bin/bash\nuser:x:{}:{}::/:/bin/bash\n", identity.uid, identity.gid);
        std::fs::write(tree.join("etc/passwd"), user).unwrap();
        std::fs::create_dir(directory.join("b")).unwrap();
        let exe = std::env::current_exe().unwrap();
        for name in ["autopod", "libautopod_shim.so"] {
            let from = exe.parent().and_then(Path::parent).unwrap().join(name);
            copy_program(&from, &directory.join("b").join(name)).unwrap();
        }
        if identity != Identity::own().unwrap() {
            let owner = format!("{}:{}", identity.uid, identity.gid);
            assert!(Command::new("chown").args(["-R", &owner]).arg(&directory).status().unwrap().success());
        }
        let environment = vec![("AUTOPOD_HOME".into(), directory.join("h").to_string_lossy().into_owned())];
        Self { place: Place { identity, directory, environment }, kind }
    }

    fn path(&self, name: &str) -> String {
        self.place.directory.join(name).to_string_lossy().into_owned()
    }

    fn autopod(&self, arguments: &[&str]) -> Done {
        let program = self.path("b/autopod");
        let open = std::fs::metadata("/dev/fuse").is_ok_and(|meta| meta.permissions().mode() & 0o006 == 0o006);
        if open || self.place.identity == Identity::own().unwrap() {
            return self.place.run(Path::new(&program), arguments, LIMIT).unwrap();
        }
        // Where /dev/fuse is root's only, the user gets one of his own, as distributions have it.
        let Identity { uid, gid } = self.place.identity;
        let script = format!(
            "mount --make-rprivate /; [ -e $0.fuse ] || mknod -m 666 $0.fuse c 10 229; mount --bind $0.fuse /dev/fuse
             exec setpriv --reuid {uid} --regid {gid} --clear-groups $0 \"$@\""
        );
        let root = Place { identity: Identity::own().unwrap(), ..self.place.clone() };
        let all: Vec<&str> = ["--mount", "sh", "-c", &script, &program].into_iter().chain(arguments.iter().copied()).collect();
        root.run(Path::new("/usr/bin/unshare"), &all, LIMIT).unwrap()
    }

    /// Of a command that must succeed, what it printed.
    fn good(&self, arguments: &[&str]) -> Done {
        let done = self.autopod(arguments);
        let log = || std::fs::read_to_string(self.path("h/state/p/supervisor.log")).unwrap_or_default();
        assert!(done.status.success(), "{arguments:?} with {} as {:?}: {}{}", self.kind, self.place.identity, done.stderr, log());
        done
    }

    fn bad(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {}{}", done.stdout, done.stderr);
        done.stderr
    }

    fn add(&self, pod: &str) {
        let (view, uids) = if self.kind == "private" { ("fuse", "private") } else { (self.kind, "host") };
        let tree = self.path("tree");
        self.good(&["add", pod, "--root", &tree, "--view", view, "--uids", uids, "--names", "kernel", "--cow"]);
    }

    /// What a shell command prints in a pod, errors included.
    fn shell(&self, pod: &str, command: &str) -> String {
        let line = format!("exec 2>&1; cd /data; {command}; true");
        self.good(&["addproc", "-i", pod, "--", "/bin/bash", "-c", &line]).stdout.trim_end().to_owned()
    }

    /// What a file of the pod holds, when it is there.
    fn await_file(&self, name: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.shell("p", &format!("[ -e {name} ] && cat {name}"));
            if !found.is_empty() {
                return found;
            }
            assert!(Instant::now() < end, "no {name} with {} as {:?}", self.kind, self.place.identity);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A pod whose program has changed all that there is to change.
    fn changed(&self) {
        self.add("p");
        self.good(&["addproc", "p", "--", "/bin/changes"]);
        assert_eq!(self.await_file("ready"), "good", "{} as {:?}", self.kind, self.place.identity);
    }

    /// Names beside the changes that are kept.
    fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("h/state/p/view")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("upper")).collect();
        names.sort();
        names
    }

    fn tree(&self) -> Vec<String> {
        listing(&self.place.directory.join("tree"))
    }

    fn upper(&self) -> Vec<String> {
        listing(&self.place.directory.join("h/state/p/view/upper"))
    }
}

/// All that can be seen of a tree without reading it, but times of access.
fn listing(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = path.symlink_metadata().unwrap();
        let size = if meta.is_dir() { 0 } else { meta.len() };
        let modified = (meta.mtime(), meta.mtime_nsec());
        all.push(format!("{} {:o} {} {size} {modified:?} {}", path.display(), meta.mode(), meta.uid(), meta.ino()));
        if meta.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all.sort();
    all
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn copy_with_libraries(from: &Path, tree: &Path, name: &str) {
    copy(from, &tree.join("usr/bin").join(name));
    let needed = Command::new("ldd").arg(from).output().unwrap();
    for library in String::from_utf8_lossy(&needed.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        copy(Path::new(library), &tree.join(&library[1..]));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !to.exists() {
        copy_program(from, to).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for pod in ["p", "q"] {
            let _ = self.autopod(&["rm", pod, "-f"]);
        }
        let end = Instant::now() + Duration::from_secs(5);
        while !processes_of(&self.place.directory).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let left = processes_of(&self.place.directory);
        for process in &left {
            let _ = Command::new("kill").args(["-KILL", &process.pid.to_string()]).status();
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounted = mounts.contains(&*self.place.directory.to_string_lossy());
        let kept = self.place.directory.join("h/state/p").exists();
        if !std::thread::panicking() {
            assert!(left.is_empty() && !mounted && !kept, "left behind: {left:?}, mounts: {mounted}, state: {kept}");
        }
        let _ = std::fs::remove_dir_all(&self.place.directory);
    }
}

fn identities() -> Vec<Identity> {
    let mut identities = vec![Identity::own().unwrap(), Identity::unprivileged().unwrap()];
    identities.dedup();
    identities
}

fn each(test: impl Fn(&Home)) {
    for identity in identities() {
        // those with users of their own are root's
        let kinds = ["fuse", "bind", "private"].into_iter().filter(|kind| *kind != "private" || identity.is_root());
        kinds.for_each(|kind| test(&Home::new(kind, identity)));
    }
}

#[test]
fn all_changes_come_back_from_the_image_alone() {
    each(|home| {
        let before = home.tree();
        home.changed();
        let image = home.path("image");
        for (round, leave_running) in [true, false].into_iter().enumerate() {
            if leave_running {
                home.good(&["checkpoint", "p", "--leave-running", "-o", &image]);
            } else {
                home.good(&["checkpoint", "p", "-o", &image]);
            }
            home.good(&["verify", &image]);
            home.good(&["rm", "p", "-f"]);
            assert!(!Path::new(&home.path("h/state/p")).exists());
            home.good(&["restart", "p", "-i", &image]);
            assert_eq!(home.kept(), ["upper"], "round {round}");
        }
        home.shell("p", "echo > go");
        assert_eq!(home.await_file("verdict"), "good", "{} as {:?}", home.kind, home.place.identity);
        assert_eq!(home.tree(), before, "the tree stays as it is");
        let list = home.good(&["inspect", &image, "--changes"]).stdout;
        for line in ["/data/one", "/data/sparse", "/data/closed/inner"] {
            assert!(list.lines().any(|shown| shown.ends_with(line)), "{line}: {list}");
        }
        let short = home.good(&["inspect", &image]).stdout;
        assert!(short.contains(" removed"), "{short}");
        // without privilege, overlayfs has programs copy them
        assert_eq!(short.contains("1 renamed directories"), home.place.identity.is_root(), "{short}");
    });
}

#[test]
fn later_changes_are_set_aside_and_those_of_the_image_only_once_there() {
    each(|home| {
        home.add("p");
        home.good(&["addproc", "p", "--", "/bin/bash", "-c", WAITS]);
        home.shell("p", "echo at the checkpoint > two; rm one");
        let image = home.path("image");
        home.good(&["checkpoint", "p", "-o", &image]);
        // nothing has run since: they are the same
        let done = home.good(&["restart", "p", "-i", &image]);
        assert!(!done.stderr.contains("upper.before") && home.kept() == ["upper"], "{:?}", done.stderr);
        home.good(&["stop", "p"]);
        home.shell("p", "echo later > two; echo also > one");
        home.good(&["stop", "p"]);
        for (round, before) in ["upper.before", "upper.before-2"].into_iter().enumerate() {
            let done = home.good(&["restart", "p", "-i", &image]);
            assert!(done.stderr.contains(&format!("{before}:")), "{}", done.stderr);
            assert_eq!(
                home.shell("p", "cat two; ls one"),
                "at the checkpoint\nls: cannot access 'one': No such file or directory"
            );
            assert_eq!(home.kept(), ["upper", "upper.before", "upper.before-2"][..round + 2]);
            home.good(&["stop", "p"]);
        }
        let kept = home.path("h/state/p/view/upper.before/data/two");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "later\n");
    });
}

#[test]
fn a_restart_that_fails_leaves_all_as_it_was() {
    each(|home| {
        home.changed();
        let image = home.path("image");
        // a key is made at first use
        let other = home.path("other-key");
        home.good(&["checkpoint", "p", "--leave-running", "--key", &other, "-o", &home.path("other-image")]);
        home.good(&["checkpoint", "p", "-o", &image]);
        let restart = |more: &[&str]| home.bad(&[&["restart", "p", "-i", &image], more].concat());
        let moved = |test: &dyn Fn()| {
            std::fs::rename(home.path("tree"), home.path("moved")).unwrap();
            test();
            std::fs::rename(home.path("moved"), home.path("tree")).unwrap();
        };
        let fails = |unchanged: &dyn Fn()| {
            assert!(restart(&["--key", &other]).contains("key"));
            unchanged();
            moved(&|| assert!(restart(&[]).contains("--root")));
            unchanged();
            // the program is gone: found out by the engine, when the view is mounted
            std::fs::rename(home.path("tree/usr/bin/changes"), home.path("gone")).unwrap();
            assert!(restart(&[]).contains("changes"));
            std::fs::rename(home.path("gone"), home.path("tree/usr/bin/changes")).unwrap();
            unchanged();
        };
        // with changes that are others
        home.shell("p", "echo later > later");
        home.good(&["stop", "p"]);
        let closed = home.path("h/state/p/view/upper/data/closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        let before = home.upper();
        fails(&|| {
            assert_eq!(home.kept(), ["upper"]);
            assert_eq!(home.upper(), before);
        });
        assert_eq!(home.shell("p", "cat later"), "later");
        home.good(&["rm", "p", "-f"]);
        fails(&|| {
            let end = Instant::now() + Duration::from_secs(5);
            while Path::new(&home.path("h/state/p")).exists() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(!Path::new(&home.path("h/state/p")).exists(), "{:?}", home.kept());
        });
        home.good(&["restart", "p", "-i", &image]);
        home.shell("p", "echo > go");
        assert_eq!(home.await_file("verdict"), "good");
    });
}

/// Waits for a process of ours to stop itself.
fn stopped(home: &Home, stage: &str) -> i32 {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let found = processes_of(&home.place.directory).into_iter().map(|seen| seen.pid);
        let is = |pid: &u32| state(*pid).rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
        if let Some(pid) = found.into_iter().find(is) {
            return pid as i32;
        }
        assert!(Instant::now() < end, "nobody has stopped at {stage}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_restart_that_is_killed_loses_no_changes() {
    for identity in identities() {
        let home = Home::new("fuse", identity);
        home.changed();
        let image = home.path("image");
        home.good(&["checkpoint", "p", "-o", &image]);
        home.shell("p", "echo later > later");
        home.good(&["stop", "p"]);
        let closed = home.path("h/state/p/view/upper/data/closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        let before = home.upper();
        for stage in ["making changes", "changes made", "tree changed", "init started", "begun", "restored", "recorded"] {
            let runtime = PathBuf::from(home.path("h/run/p"));
            if std::fs::create_dir(&runtime).is_ok() {
                std::os::unix::fs::chown(&runtime, Some(identity.uid), Some(identity.gid)).unwrap();
            }
            std::fs::write(runtime.join("stop-at"), stage).unwrap();
            std::thread::scope(|scope| {
                let restart = scope.spawn(|| home.autopod(&["restart", "p", "-i", &image]));
                let pid = stopped(&home, stage);
                std::fs::remove_file(runtime.join("stop-at")).unwrap();
                assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
                assert!(!restart.join().unwrap().status.success(), "{stage}");
            });
            // whoever comes next tidies up
            assert_eq!(home.shell("p", "cat later"), "later", "{stage}");
            home.good(&["stop", "p"]);
            assert_eq!(home.kept(), ["upper"], "{stage}");
            assert_eq!(home.upper(), before, "{stage}");
        }
        home.good(&["restart", "p", "-i", &image]);
        home.shell("p", "echo > go");
        assert_eq!(home.await_file("verdict"), "good");
        assert_eq!(home.kept(), ["upper", "upper.before"]);
    }
}

#[test]
fn two_pods_share_a_tree() {
    each(|home| {
        let before = home.tree();
        for pod in ["p", "q"] {
            home.add(pod);
            home.good(&["addproc", pod, "--", "/bin/bash", "-c", WAITS]);
            home.shell(pod, &format!("echo of {pod} > two; rm one; mkdir in-{pod}"));
        }
        for pod in ["p", "q"] {
            home.good(&["checkpoint", pod, "-o", &home.path(pod)]);
            home.good(&["rm", pod, "-f"]);
        }
        for pod in ["p", "q"] {
            home.good(&["restart", pod, "-i", &home.path(pod)]);
            assert_eq!(
                home.shell(pod, "cat two; ls -d one in-*"),
                format!("of {pod}\nls: cannot access 'one': No such file or directory\nin-{pod}")
            );
        }
        assert_eq!(home.tree(), before);
    });
}

#[test]
fn a_device_is_refused_by_name_and_the_pod_runs_on() {
    let own = Identity::own().unwrap();
    if !own.is_root() {
        // nobody else can make one
        return;
    }
    let home = Home::new("bind", own);
    let tree = home.path("tree");
    home.good(&["add", "p", "--root", &tree, "--view", "bind", "--names", "kernel", "--cow", "--profile", "none"]);
    home.good(&["addproc", "p", "--", "/bin/bash", "-c", WAITS]);
    home.shell("p", "mknod device c 1 3");
    let image = home.path("image");
    let said = home.bad(&["checkpoint", "p", "-o", &image]);
    assert!(said.contains("/data/device") && said.contains("remove it"), "{said}");
    assert!(!Path::new(&image).exists());
    home.shell("p", "rm device");
    home.good(&["checkpoint", "p", "-o", &image]);
}

#[test]
fn a_checkpoint_that_is_killed_leaves_the_pod_as_it_was() {
    each(|home| {
        home.changed();
        let image = home.path("image");
        let runtime = PathBuf::from(home.path("h/run/p"));
        for stage in ["reading changes to the tree", "reading memory"] {
            std::fs::write(runtime.join("stop-at"), stage).unwrap();
            std::thread::scope(|scope| {
                let checkpoint = scope.spawn(|| home.autopod(&["checkpoint", "p", "-o", &image]));
                let pid = stopped(home, stage);
                std::fs::remove_file(runtime.join("stop-at")).unwrap();
                assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
                assert!(!checkpoint.join().unwrap().status.success(), "{stage}");
            });
            assert!(!Path::new(&image).exists(), "{stage}");
            assert_eq!(home.shell("p", "cat two"), "changed", "{stage}");
        }
        home.good(&["checkpoint", "p", "-o", &image]);
        home.good(&["restart", "p", "-i", &image]);
        home.shell("p", "echo > go");
        assert_eq!(home.await_file("verdict"), "good", "{} as {:?}", home.kind, home.place.identity);
        assert_eq!(home.kept(), ["upper"]);
    });
}
