//! The barrier directory: who passes it and who does not, trees that are mounted in it, and the death of who serves it. As root; a user needs
//! fusermount3(1), and hears so. Build the binaries first (`cargo build --workspace`).

use autopod_tests::command::{Done, Identity, Place, copy_program, processes_of};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

struct Home {
    place: Place,
    program: PathBuf,
}

impl Home {
    fn new(identity: Identity) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("apb{}-{number}", std::process::id()));
        std::fs::create_dir_all(directory.join("b")).unwrap();
        let exe = std::env::current_exe().unwrap();
        for name in ["autopod", "libautopod_shim.so"] {
            let built = exe.parent().and_then(Path::parent).unwrap().join(name);
            copy_program(&built, &directory.join("b").join(name)).unwrap();
        }
        std::os::unix::fs::chown(&directory, Some(identity.uid), Some(identity.gid)).unwrap();
        let program = directory.join("b/autopod");
        let environment = vec![("AUTOPOD_HOME".into(), directory.join("h h").to_string_lossy().into_owned())];
        Self { place: Place { identity, directory, environment }, program }
    }

    fn root() -> Option<Self> {
        let own = Identity::own().unwrap();
        own.is_root().then(|| Self::new(own))
    }

    fn path(&self, name: &str) -> String {
        self.place.directory.join(name).to_string_lossy().into_owned()
    }

    fn autopod(&self, arguments: &[&str]) -> Done {
        self.place.run(&self.program, arguments, LIMIT).unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
        done.stdout.trim_end().to_owned()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let done = self.autopod(arguments);
        assert!(!done.status.success(), "{arguments:?} succeeded: {}", done.stdout);
        done.stderr
    }

    /// What a shell command prints in the pod, errors included, with this as its standard input.
    fn shell(&self, pod: &str, command: &str, input: &str) -> String {
        let input = std::fs::File::open(input).unwrap();
        let program = ["addproc", "-i", pod, "--", "/bin/sh", "-c", command];
        let environment = self.place.environment.clone();
        let done = Command::new(&self.program).args(program).envs(environment).stdin(input).output().unwrap();
        both(&done)
    }

    fn mount(&self, from: &str, pod: &str) {
        succeeds(Command::new("mount").args(["--bind", from]).arg(self.path(&format!("h h/run.barrier/{pod}/root"))));
    }

    fn servers(&self) -> Vec<u32> {
        let all = processes_of(&self.place.directory).into_iter().map(|seen| seen.pid);
        all.filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "autopod-barrier\n"))
            .collect()
    }

    /// The two who serve, once there are two that are not `killed`.
    fn pair(&self, killed: &[u32]) -> Vec<u32> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let servers: Vec<u32> = self.servers().into_iter().filter(|pid| !killed.contains(pid)).collect();
            if servers.len() == 2 {
                return servers;
            }
            assert!(Instant::now() < end, "served by {servers:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeeds(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", both(&done));
}

fn kill(pids: &[u32]) {
    succeeds(Command::new("kill").arg("-KILL").args(pids.iter().map(u32::to_string)));
}

impl Drop for Home {
    fn drop(&mut self) {
        for pod in ["p", "q", "r", "s", "m"] {
            let _ = self.autopod(&["rm", pod, "-f"]);
        }
        let _ = Command::new("umount").args(["-l", &self.path("h h/run.barrier/p/root")]).output();
        let _ = self.autopod(&["barrier", "--stop"]);
        let end = Instant::now() + Duration::from_secs(10);
        while !processes_of(&self.place.directory).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let left = processes_of(&self.place.directory);
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounted = mounts.contains(&*self.place.directory.to_string_lossy());
        if !std::thread::panicking() {
            assert!(left.is_empty() && !mounted, "left behind: {left:?}, mounts: {mounted}");
            let _ = std::fs::remove_dir_all(&self.place.directory);
        }
    }
}

#[test]
fn no_process_of_a_pod_passes() {
    let Some(home) = Home::root() else { return needs_fusermount() };
    // in the mount namespace of p the barrier arrives later, or not at all; under the shim's names it is the host's
    home.good(&["add", "p", "--names", "kernel"]);
    home.good(&["add", "q", "--names", "shim", "--profile", "none"]);
    home.good(&["barrier"]);
    home.good(&["add", "r", "--names", "shim", "--profile", "default"]);
    let barrier = home.path("h h/run.barrier");
    home.mount("/etc", "s");
    let ways = [
        format!("ls '{barrier}'"),
        format!("ls -d '{barrier}'"),
        format!("cat '{barrier}/s/root/hostname'"),
        format!("cd '{barrier}/s/root'"),
        "ls /proc/self/fd/0/".to_owned(),
        "cat /proc/self/fd/0/s/root/hostname /proc/self/fd/0/root/hostname".to_owned(),
        "cd -P /proc/self/fd/0 && cd s/root && cat hostname".to_owned(),
        "cd /proc/self/fd/0/s/root && cat hostname".to_owned(),
    ];
    let outside = |way: &str, input: &str| {
        let input = std::fs::File::open(input).unwrap();
        both(&Command::new("/bin/sh").args(["-c", way]).stdin(input).output().unwrap())
    };
    for input in [barrier.clone(), format!("{barrier}/s")] {
        for way in &ways {
            for pod in ["p", "q", "r"] {
                let said = home.shell(pod, way, &input);
                // dash's cd does not tell why
                let denied = said.contains("Permission denied") || said.contains("can't cd");
                let absent = pod == "p" && (said.is_empty() || said.trim_end() == barrier || said.contains("No such file"));
                assert!(denied || absent, "{pod}: {way}: {said}");
            }
        }
    }
    // `..` from what is mounted there leads before the barrier, not through it
    let said = home.shell("q", "cd -P /proc/self/fd/0 && ls .. ../root/hostname", &format!("{barrier}/s/root"));
    assert!(said.contains("Permission denied") && !said.contains("\nhostname"), "{said}");
    // the same ways are open to who administers
    assert!(outside(&ways[0], &barrier).contains("p\nq\nr\n"));
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap();
    assert_eq!(outside(&ways[2], &barrier), hostname);
    assert_eq!(outside(&ways[6], &barrier), hostname);
    // and to no other user of the host
    let Identity { uid, gid } = Identity::unprivileged().unwrap();
    let user = format!("--reuid={uid}");
    let done =
        Command::new("setpriv").args([&user, &format!("--regid={gid}"), "--clear-groups", "ls", &barrier]).output().unwrap();
    assert!(both(&done).contains("Permission denied"), "{}", both(&done));
    succeeds(Command::new("umount").arg(format!("{barrier}/s/root")));
}

#[test]
fn what_is_mounted_for_a_pod_is_its_root() {
    let Some(home) = Home::root() else { return needs_fusermount() };
    // many at once: one of them mounts it
    let four = "for i in 1 2 3 4; do \"$0\" barrier || echo failed & done; wait";
    let done = home.place.run(Path::new("/bin/sh"), &["-c", four, &home.program.to_string_lossy()], LIMIT).unwrap();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert_eq!(mounts.matches(&home.path(r"h\040h/run.barrier")).count(), 1);
    let (barrier, root) = (home.path("h h/run.barrier"), home.path("h h/run.barrier/p/root"));
    let said = home.refused(&["add", "p", "--hide", "/etc/passwd"]);
    assert!(said.contains("--root DIR") && said.contains(&barrier), "{said}");
    let said = home.refused(&["add", "p", "--root", &root]);
    assert!(said.contains("no tree is mounted"), "{said}");
    // as the paper has it: the tree first, then the pod
    home.mount("/", "p");
    home.good(&["add", "p", "--hide", "/etc/passwd", "--bind", "/tmp:/tmp"]);
    assert!(home.shell("p", "ls /etc/passwd; cat /proc/mounts", "/dev/null").contains("cannot access '/etc/passwd'"));
    let said = home.refused(&["add", "q", "--root", "/autopod-nowhere"]);
    assert!(said.contains("/autopod-nowhere"), "{said}");
    home.good(&["addproc", "p", "--", "/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done"]);
    let image = home.path("image");
    std::thread::sleep(Duration::from_millis(300));
    home.good(&["checkpoint", "p", "-o", &image]);
    succeeds(Command::new("umount").arg(&root));
    let said = home.refused(&["restart", "p", "-i", &image]);
    assert!(said.contains(&root) && said.contains("--root"), "{said}");
    home.mount("/", "p");
    home.good(&["restart", "p", "-i", &image]);
    let before = home.good(&["logs", "p"]).lines().count();
    std::thread::sleep(Duration::from_millis(500));
    assert!(home.good(&["logs", "p"]).lines().count() > before);
    // a tree that comes too late is not passed over in silence
    home.good(&["add", "q"]);
    home.mount("/", "q");
    let said = home.refused(&["addproc", "q", "/bin/true"]);
    assert!(said.contains("after the pod was made"), "{said}");
    succeeds(Command::new("umount").arg(home.path("h h/run.barrier/q/root")));
    home.good(&["addproc", "q", "/bin/true"]);
    home.good(&["rm", "-f", "p"]);
    let said = home.refused(&["add", "p", "--root", "/usr"]);
    assert!(said.contains("unmount it"), "{said}");
    let said = home.refused(&["barrier", "--stop"]);
    assert!(said.contains("in use"), "{said}");
    succeeds(Command::new("umount").arg(&root));
}

#[test]
fn the_root_of_a_pod_with_a_tree_is_reached_through_it() {
    let Some(home) = Home::root() else { return needs_fusermount() };
    home.good(&["barrier"]);
    std::fs::create_dir(home.path("tree")).unwrap();
    let root = PathBuf::from(home.path("h h/run.barrier/p/root"));
    home.good(&["add", "p", "--root", "/", "--bind", &format!("{}:/mnt", home.path("tree")), "--hide", "/etc/passwd"]);
    home.shell("p", "echo made > /mnt/made; exec 2>/dev/null; mkdir /dev/shm/its-own", "/dev/null");
    assert_eq!(std::fs::read_to_string(root.join("mnt/made")).unwrap(), "made\n");
    assert!(root.join("dev/shm/its-own").exists() && !root.join("etc/passwd").exists());
    let bind = format!("{}:/mnt", home.path("h h/run.barrier/p"));
    assert!(home.refused(&["add", "q", "--root", "/", "--bind", &bind]).contains("in the barrier"));
    let said = home.refused(&["add", "q", "--root", &root.to_string_lossy()]);
    assert!(said.contains("no tree is mounted"), "{said}");
    home.good(&["stop", "p"]);
    assert_eq!(std::fs::read_link(&root).unwrap(), Path::new("/"));
    // a view that is in a user namespace nobody outside enters: it is the tree that is shown
    std::fs::write(home.path("tree/file"), "in the tree").unwrap();
    home.good(&["add", "s", "--root", &home.path("tree"), "--uids", "private"]);
    assert_eq!(std::fs::read_to_string(home.path("h h/run.barrier/s/root/file")).unwrap(), "in the tree");
    home.mount(&home.path("tree"), "m");
    home.good(&["add", "m", "--uids", "private"]);
    ["s", "m"].iter().for_each(|pod| drop(home.good(&["rm", "-f", pod])));
    succeeds(Command::new("umount").arg(home.path("h h/run.barrier/m/root")));
}

#[test]
fn who_serves_it_may_be_killed() {
    let Some(home) = Home::root() else { return needs_fusermount() };
    home.good(&["barrier"]);
    home.mount("/etc", "p");
    let kept = home.path("h h/run.barrier/p/root/hostname");
    let mut killed = Vec::new();
    for round in 0..6 {
        let pair = home.pair(&killed);
        killed.push(pair[round % 2]);
        kill(&pair[round % 2..=round % 2]);
        assert!(std::fs::read_to_string(&kept).is_ok(), "round {round}");
    }
    // both at once: nobody passes any more, and the next one says what is lost
    let pair = home.pair(&killed);
    succeeds(Command::new("kill").arg("-STOP").args(pair.iter().map(u32::to_string)));
    kill(&pair);
    let end = Instant::now() + Duration::from_secs(10);
    while !home.autopod(&["barrier", "--status"]).stdout.contains("nobody serves") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(std::fs::read_to_string(&kept).is_err());
    let done = home.autopod(&["barrier"]);
    assert!(done.status.success() && done.stderr.contains("mounted again"), "{}", done.stderr);
    home.mount("/etc", "p");
    assert!(std::fs::read_to_string(&kept).is_ok());
    succeeds(Command::new("umount").arg(home.path("h h/run.barrier/p/root")));
    home.good(&["barrier", "--stop"]);
    let said = home.refused(&["barrier", "--stop"]);
    assert!(said.contains("no barrier is mounted"), "{said}");
}

/// Without privilege nothing but fusermount3 mounts outside of a user namespace.
#[test]
fn a_user_needs_fusermount() {
    needs_fusermount();
}

fn needs_fusermount() {
    let home = Home::new(Identity::unprivileged().unwrap());
    let barrier = home.path("h h/run.barrier");
    let there = Command::new("fusermount3").arg("-V").output().is_ok();
    let done = home.autopod(&["barrier"]);
    if !there {
        assert!(
            !done.status.success() && done.stderr.contains("fusermount3") && done.stderr.contains(&barrier),
            "{}",
            done.stderr
        );
        return;
    }
    assert!(done.status.success(), "{}", done.stderr);
    home.good(&["add", "p"]);
    let list = format!("ls '{barrier}'");
    assert_eq!(home.place.run(Path::new("/bin/sh"), &["-c", &list], LIMIT).unwrap().stdout, "p\n");
    let done = home.autopod(&["addproc", "-i", "p", "--", "/bin/sh", "-c", &list]);
    assert!(done.stderr.contains("Permission denied"), "{}{}", done.stdout, done.stderr);
}
