//! Pods with file trees of their own: what they see of the host, what rules hold, checkpoints, the death of who serves the tree, and what is
//! left behind. Each under both kinds of views, as ourselves and, where we are root, as an unprivileged user.
//! Build the binaries first (`cargo build --workspace`).

use autopod_tests::command::{Done, Identity, Place, copy_program, processes_of};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
/// What a tree of a test holds: programs, with the libraries that they need.
const PROGRAMS: [&str; 7] = ["bash", "cat", "ls", "sleep", "id", "rm", "mkdir"];
/// Counts in a file, keeps a deleted file and its directory, and says so in the log.
const COUNTER: &str = "cd /home; exec 5>>/var/count 6<>/var/gone; echo kept >&6; rm /var/gone; i=0
    while :; do i=$((i+1)); echo $i >&5; cat /proc/self/fd/6 >/dev/null || exit 1; echo $i $(pwd); sleep 0.1; done";

fn built(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing; run `cargo build --workspace` first", path.display());
    path
}

/// A directory of one test with a tree; dropped, it fails the test if a process or a mount is left.
struct Home {
    place: Place,
    kind: &'static str,
    /// Whose the pod's users are.
    uids: &'static str,
}

impl Home {
    fn new(kind: &'static str, identity: Identity) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("apv{}-{number}", std::process::id()));
        let tree = directory.join("tree");
        for name in ["etc", "var", "home", "tmp", "data", "usr/bin", "lib64"] {
            std::fs::create_dir_all(tree.join(name)).unwrap();
        }
        // a view through FUSE has places for what is mounted of itself
        for name in ["proc", "dev"].into_iter().filter(|_| kind == "bind") {
            std::fs::create_dir(tree.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", tree.join("bin")).unwrap();
        for program in PROGRAMS {
            let from = Path::new("/bin").join(program);
            copy(&from, &tree.join("usr/bin").join(program));
            let needed = Command::new("ldd").arg(&from).output().unwrap();
            for library in String::from_utf8_lossy(&needed.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
                copy(Path::new(library), &tree.join(&library[1..]));
            }
        }
        std::fs::write(tree.join("etc/passwd"), "root:x:0:0::/home:/bin/bash\nmail:x:8:12::/var:/bin/bash\n").unwrap();
        std::fs::write(tree.join("etc/group"), "root:x:0:\nextra:x:77:mail\n").unwrap();
        std::fs::create_dir(directory.join("b")).unwrap();
        for name in ["autopod", "libautopod_shim.so"] {
            copy_program(&built(name), &directory.join("b").join(name)).unwrap();
        }
        std::fs::create_dir(directory.join("beside")).unwrap();
        std::fs::write(directory.join("beside/file"), "from beside").unwrap();
        if identity != Identity::own().unwrap() {
            let owner = format!("{}:{}", identity.uid, identity.gid);
            assert!(Command::new("chown").args(["-R", &owner]).arg(&directory).status().unwrap().success());
        }
        let environment = vec![("AUTOPOD_HOME".into(), directory.join("h").to_string_lossy().into_owned())];
        Self { place: Place { identity, directory, environment }, kind, uids: "host" }
    }

    fn private(kind: &'static str, identity: Identity) -> Self {
        let mut home = Self::new(kind, identity);
        home.uids = "private";
        home
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
    fn good(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        let log = || std::fs::read_to_string(self.path("h/state/p/supervisor.log")).unwrap_or_default();
        assert!(
            done.status.success(),
            "{arguments:?} with {}, uids {}, as {:?}: {}{}",
            self.kind,
            self.uids,
            self.place.identity,
            done.stderr,
            log()
        );
        done.stdout.trim_end().to_owned()
    }

    fn add(&self, options: &[&str]) {
        let tree = self.path("tree");
        let uids = if self.uids == "private" { &["--uids", "private"][..] } else { &[] };
        self.good(&[&["add", "p", "--root", &tree, "--view", self.kind, "--names", "kernel"], uids, options].concat());
    }

    /// What a shell command prints in the pod, errors included.
    fn shell(&self, command: &str) -> String {
        self.good(&["addproc", "-i", "p", "--", "/bin/bash", "-c", &format!("exec 2>&1; {command}; true")])
    }

    fn count(&self, file: &str) -> u32 {
        let text = std::fs::read_to_string(self.place.directory.join(file)).unwrap_or_default();
        text.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0)
    }

    fn await_count(&self, file: &str, beyond: u32) -> u32 {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let count = self.count(file);
            if count > beyond {
                return count;
            }
            let said = || (self.autopod(&["logs", "p"]).stdout, self.autopod(&["ps", "p"]).stdout);
            assert!(Instant::now() < end, "with {} the count stays at {count}: {:?}", self.kind, said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes that serve the view, the keeper first.
    fn servers(&self) -> Vec<i32> {
        let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let found = processes_of(&self.place.directory).into_iter().map(|seen| seen.pid);
        let mut pids: Vec<i32> = found.filter(|&pid| name(pid).trim() == "autopod-view").map(|pid| pid as i32).collect();
        pids.sort_by_key(|pid| parent(*pid).is_some_and(|parent| name(parent as u32).trim() == "autopod-view"));
        pids
    }
}

fn parent(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !to.exists() {
        copy_program(from, to).unwrap();
    }
}

fn kill(pid: i32) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.autopod(&["rm", "p", "-f"]);
        let end = Instant::now() + Duration::from_secs(5);
        while !processes_of(&self.place.directory).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let left = processes_of(&self.place.directory);
        left.iter().for_each(|process| kill(process.pid as i32));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounted = mounts.contains(&*self.place.directory.to_string_lossy());
        let kept = self.place.directory.join("h/state/p").exists();
        if !std::thread::panicking() {
            assert!(left.is_empty() && !mounted && !kept, "left behind: {left:?}, mounts: {mounted}, state: {kept}");
        }
        let _ = std::fs::remove_dir_all(&self.place.directory);
    }
}

/// Each kind of view, for each user that there is; for root also with users of the pod's own.
fn each(test: impl Fn(&Home)) {
    let own = Identity::own().unwrap();
    let mut identities = vec![own, Identity::unprivileged().unwrap()];
    identities.dedup();
    for identity in identities {
        for kind in ["fuse", "bind"] {
            test(&Home::new(kind, identity));
            if identity.is_root() {
                test(&Home::private(kind, identity));
            }
        }
    }
}

#[test]
fn the_tree_is_all_that_a_pod_sees() {
    each(|home| {
        home.add(&["--private-tmp"]);
        assert_eq!(home.shell("cd /; echo *"), "bin data dev etc home lib lib64 proc tmp usr var");
        let devices = home.shell("cd /dev; echo *");
        assert_eq!(devices, "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero");
        assert_eq!(home.shell("echo /tmp/*"), "/tmp/*");
        // nothing leads back: neither dots nor the root of the first process
        assert_eq!(home.shell("cd /; cd ../../..; ls -d tree b beside"), home.shell("ls -d tree b beside"));
        home.shell("echo made > /var/made; mkdir /tmp/mine");
        assert_eq!(std::fs::read_to_string(home.path("tree/var/made")).unwrap(), "made\n");
        assert!(!Path::new(&home.path("tree/tmp/mine")).exists());
        assert!(home.good(&["list"]).contains(&home.path("tree")));
    });
}

#[test]
fn rules_hold() {
    each(|home| {
        let bind = format!("{}:/data:ro", home.path("beside"));
        home.add(&["--hide", "/bin/cat", "--ro", "/etc", "--bind", &bind]);
        assert!(home.shell("/bin/cat /etc/passwd").contains(if home.kind == "fuse" {
            "No such file"
        } else {
            "Permission denied"
        }));
        if home.kind == "fuse" {
            assert!(!home.shell("ls /bin").lines().any(|name| name == "cat"));
            assert!(home.shell("echo x > /bin/cat").contains("not permitted"));
        }
        for place in ["/etc/new", "/etc/passwd", "/data/file", "/data/new"] {
            let said = home.shell(&format!("echo x > {place}"));
            assert!(said.contains("Read-only"), "{place} with {}: {said}", home.kind);
        }
        assert!(home.shell("rm -f /etc/passwd").contains("Read-only"));
        assert_eq!(home.shell("echo $(< /data/file)"), "from beside");
        assert!(Path::new(&home.path("tree/usr/bin/cat")).exists());
    });
}

#[test]
fn users_are_those_of_the_tree() {
    for kind in ["fuse", "bind"] {
        let home = Home::new(kind, Identity::own().unwrap());
        if !home.place.identity.is_root() {
            let done = {
                home.add(&[]);
                home.autopod(&["addproc", "p", "--user", "mail", "--", "/bin/id"])
            };
            assert!(!done.status.success() && done.stderr.contains("not root's"), "{}", done.stderr);
            continue;
        }
        home.add(&[]);
        let id = home.good(&["addproc", "-i", "p", "--user", "mail", "--", "/bin/bash", "-c", "id; echo $HOME $USER"]);
        assert!(id.contains("uid=8(mail) gid=12") && id.contains("77(extra)") && id.ends_with("/var mail"), "{id}");
        let done = home.autopod(&["addproc", "p", "--user", "nobody-there", "--", "/bin/id"]);
        assert!(done.stderr.contains("/etc/passwd"), "{}", done.stderr);
    }
}

#[test]
fn a_pod_comes_back_on_its_tree() {
    each(|home| {
        home.add(&["--private-tmp"]);
        home.good(&["addproc", "p", "--", "/bin/bash", "-c", COUNTER]);
        let mut count = home.await_count("tree/var/count", 3);
        for round in 0..2 {
            let image = home.path(&format!("image{round}"));
            home.good(&["checkpoint", "p", "-o", &image]);
            assert!(home.servers().is_empty(), "served after the end of the pod");
            count = count.max(home.count("tree/var/count"));
            home.good(&["restart", "p", "-i", &image]);
            count = home.await_count("tree/var/count", count + 2);
        }
        assert!(home.good(&["logs", "p"]).ends_with("/home"));
    });
}

/// What a shell of the pod says about the directory of the host that is its input.
fn by_the_input(home: &Home) -> String {
    let script = "exec 2>&1; cat /proc/self/fd/0/file; cd /proc/self/fd/0 && echo inside; cat file; > made; true";
    let mut command = home.place.command(Path::new(&home.path("b/autopod")));
    command.args(["addproc", "-i", "p", "--", "/bin/bash", "-c", script]);
    command.stdin(std::fs::File::open(home.path("beside")).unwrap());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn descriptors_of_the_host_open_nothing_before_and_after_a_restart() {
    each(|home| {
        home.add(&[]);
        home.good(&["addproc", "p", "--", "/bin/bash", "-c", COUNTER]);
        let count = home.await_count("tree/var/count", 0);
        let image = home.path("image");
        for round in 0..2 {
            let said = by_the_input(home);
            assert!(said.matches("Permission denied").count() == 3 && said.contains("inside"), "round {round}: {said}");
            if round == 0 {
                home.good(&["checkpoint", "p", "-o", &image]);
                home.good(&["restart", "p", "-i", &image]);
                home.await_count("tree/var/count", count);
            }
        }
        // without walls, they do: it is the domain that holds them
        home.good(&["rm", "-f", "p"]);
        home.add(&["--profile", "none"]);
        let said = by_the_input(home);
        let denied = said.matches("denied").count();
        // a stranger on the host may read what everybody may
        assert!(said.matches("from beside").count() == 2 && denied == usize::from(home.uids == "private"), "{said}");
    });
}

#[test]
fn a_programs_log_is_in_its_tree_and_can_be_opened_by_name() {
    each(|home| {
        home.add(&[]);
        let script = "i=0; while :; do i=$((i+1)); echo opened $i >/dev/stdout || exit; echo $i >>/var/count; sleep 0.1; done";
        home.good(&["addproc", "p", "--", "/bin/bash", "-c", script]);
        let mut count = home.await_count("tree/var/count", 1);
        for round in 0..2 {
            let image = home.path(&format!("image{round}"));
            home.good(&["checkpoint", "p", "-o", &image]);
            home.good(&["restart", "p", "-i", &image]);
            count = home.await_count("tree/var/count", count + 2);
            let log = home.good(&["logs", "p"]);
            assert!(log.contains(&format!("opened {count}")) && !log.contains("denied"), "round {round}: {log}");
        }
    });
}

#[test]
fn programs_use_their_files_as_ever() {
    each(|home| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("posix/in_a_domain.c");
        let program = home.path("tree/usr/bin/in_a_domain");
        let built = Command::new("gcc").args(["-static", "-O1", "-Wall", "-o", &program]).arg(&source).status();
        assert!(built.unwrap().success(), "{} does not compile", source.display());
        for profile in ["none", "default", "strict"] {
            home.add(&["--profile", profile]);
            let said = home.shell(&format!("in_a_domain /var/{profile}"));
            assert_eq!(said, "done", "{profile}, {}", home.kind);
            home.good(&["rm", "-f", "p"]);
        }
    });
}

#[test]
fn a_missing_tree_is_named_and_another_can_be_given() {
    let home = Home::new("fuse", Identity::own().unwrap());
    home.add(&[]);
    home.good(&["addproc", "p", "--", "/bin/bash", "-c", COUNTER]);
    let count = home.await_count("tree/var/count", 2);
    let image = home.path("image");
    home.good(&["checkpoint", "p", "-o", &image]);
    std::fs::rename(home.path("tree"), home.path("moved")).unwrap();
    let done = home.autopod(&["restart", "p", "-i", &image]);
    assert!(!done.status.success() && done.stderr.contains("--root"), "{}", done.stderr);
    home.good(&["restart", "p", "-i", &image, "--root", &home.path("moved")]);
    home.await_count("moved/var/count", count);
}

#[test]
fn a_tree_that_many_share_stays_as_it_is() {
    each(|home| {
        if (home.kind, home.uids) == ("bind", "private") {
            let done = home.autopod(&["add", "p", "--root", &home.path("tree"), "--view", "bind", "--cow", "--uids", "private"]);
            assert!(!done.status.success() && done.stderr.contains("--view fuse"), "{}", done.stderr);
            return;
        }
        home.add(&["--cow"]);
        home.shell("rm -r /home; mkdir /new; echo changed > /etc/passwd");
        assert_eq!(
            home.shell("ls -d /home /new; echo $(< /etc/passwd)"),
            "ls: cannot access '/home': No such file or directory\n/new\nchanged"
        );
        assert!(std::fs::read_to_string(home.path("tree/etc/passwd")).unwrap().contains("mail"));
        assert!(Path::new(&home.path("tree/home")).exists() && !Path::new(&home.path("tree/new")).exists());
        home.good(&["stop", "p"]);
        assert_eq!(home.shell("echo $(< /etc/passwd)"), "changed", "a pod keeps what it changed");
    });
}

#[test]
fn who_serves_may_be_killed() {
    let own = Identity::own().unwrap();
    let mut identities = vec![own, Identity::unprivileged().unwrap()];
    identities.dedup();
    for identity in identities {
        let home = Home::new("fuse", identity);
        home.add(&[]);
        home.good(&["addproc", "p", "--", "/bin/bash", "-c", COUNTER]);
        let mut count = home.await_count("tree/var/count", 2);
        let [keeper, worker] = home.servers()[..] else { panic!("not a keeper and a worker: {:?}", home.servers()) };
        // another takes over all that was open, also what is deleted
        kill(worker);
        count = home.await_count("tree/var/count", count + 5);
        assert!(home.shell("cat /var/count").lines().count() > 5);
        // with the keeper go all descriptors, but names lead to the same files
        kill(keeper);
        let end = Instant::now() + Duration::from_secs(10);
        let again = || matches!(home.servers()[..], [first, _] if first != keeper);
        while !again() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(home.shell("echo $(< /etc/group)"), "root:x:0: extra:x:77:mail");
        assert!(count > 0);
    }
}

#[test]
fn the_shims_names_take_no_tree() {
    let home = Home::new("fuse", Identity::own().unwrap());
    let done = home.autopod(&["add", "p", "--root", &home.path("tree"), "--names", "shim"]);
    assert!(!done.status.success() && done.stderr.contains("mount namespace"), "{}", done.stderr);
    let done = home.autopod(&["add", "p", "--root", &home.path("nowhere")]);
    assert!(!done.status.success() && done.stderr.contains("nowhere"), "{}", done.stderr);
}

#[test]
fn what_changes_behind_the_view_is_seen() {
    let home = Home::new("fuse", Identity::own().unwrap());
    home.add(&[]);
    assert!(home.shell("ls /var/later; echo $(< /etc/group)").contains("extra"));
    std::fs::write(home.path("tree/var/later"), "").unwrap();
    std::fs::write(home.path("tree/etc/group"), "other\n").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(home.shell("ls /var/later; echo $(< /etc/group)"), "/var/later\nother");
}

/// The assertions of tests/posix that a view does not fulfil, with the reasons in docs/posix.md.
const NOT_FULFILLED: [&str; 3] = ["O_TMPFILE", "mknod of a block device", "mknod of a character device"];

#[test]
fn the_view_is_as_posix_asks() {
    if !Identity::own().unwrap().is_root() {
        // the assertions are about other users, too
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("posix/conformance.py");
    let failed = |directory: &Path| {
        let output = Command::new("/usr/bin/python3").arg(&script).arg(directory).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().count() > 700, "{text}{}", String::from_utf8_lossy(&output.stderr));
        let name = |line: &str| line.strip_prefix("not ok ").and_then(|rest| rest.split(": ").next()).map(str::to_owned);
        let mut names: Vec<String> = text.lines().filter_map(name).collect();
        names.sort();
        names
    };
    let base = std::env::temp_dir().join(format!("apvp{}", std::process::id()));
    for option in ["--ttl=1", "--no-passthrough"] {
        let (tree, native, view) = (base.join("tree"), base.join("native"), base.join("view"));
        [&tree, &native, &view].iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
        let mut server =
            Command::new(built("autopod-barrier")).arg("--root").args([&tree]).arg(option).arg(&view).spawn().unwrap();
        let mounted = || std::fs::read_to_string("/proc/self/mounts").unwrap().contains(&*view.to_string_lossy());
        let end = Instant::now() + Duration::from_secs(10);
        while !mounted() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (natively, through) = (failed(&native), failed(&view));
        assert!(Command::new("umount").arg(&view).status().unwrap().success());
        assert!(server.wait().unwrap().success(), "the server ends with the mount");
        std::fs::remove_dir_all(&base).unwrap();
        let more: Vec<&String> = through.iter().filter(|name| !natively.contains(name)).collect();
        assert_eq!(more, NOT_FULFILLED, "with {option}");
    }
}
