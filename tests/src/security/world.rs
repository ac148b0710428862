//! The world of an attack: what stands for the host, a victim and services on it, and two pods: that of the attacker and a neighbour.
//!
//! The process that makes it is the first of a pid namespace of its own, with mount, ipc, uts and net namespaces (`unshare`, see
//! [`super::campaign`]); it ends with everything in it.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::means::Means;
use super::sys;
use crate::command::{Done, Identity, Place};

const LIMIT: Duration = Duration::from_secs(20);

/// What a pod is made by, and what others execute, too.
pub const PROGRAMS: [&str; 2] = ["autopod", "libautopod_shim.so"];

/// Where attacks run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// A directory of its own.
    pub directory: PathBuf,
    /// The attacks, autopod and the shim, where everybody can read them.
    pub binaries: PathBuf,
    /// The attacker's user on the host.
    pub attacker: Identity,
    /// Whose the pods are.
    pub owner: Identity,
    /// `--names` and `--profile` of the pods; none for controls.
    pub pods: Option<(String, String)>,
    /// Whether there is a neighbour pod even so.
    pub neighbour_pod: bool,
    /// The `--view` of the attacker's pod, if it has a file tree of its own (`--root`).
    pub view: Option<String>,
    /// Whether the victim leaves a key in its user's keyring.
    pub keys: bool,
}

/// The world, ready for attacks.
#[derive(Debug)]
pub struct World {
    pub spec: Spec,
    pub means: Means,
    pub place: Place,
    /// What must not be read, by what it is.
    pub secrets: Vec<(&'static str, String)>,
    pub listener: UnixListener,
    pub stream: UnixListener,
    pub datagrams: UnixDatagram,
    pub terminal: (File, File),
    pub other_terminal: (File, File),
    /// When the machine started, by its clock, when the world was made.
    pub boot_time: f64,
    victims: Vec<Child>,
    generation: u32,
    _inherited: File,
}

impl World {
    /// Makes it, in namespaces of our own.
    pub fn new(spec: Spec) -> Result<Self> {
        sys::loopback_up().context("taking lo up")?;
        sys::mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777").context("mounting /dev/shm")?;
        std::fs::create_dir_all("/dev/mqueue")?;
        sys::mount("mqueue", "/dev/mqueue", "mqueue", 0, "").context("mounting /dev/mqueue")?;
        sys::mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620").context("mounting /dev/pts")?;
        sys::mount("/dev/pts/ptmx", "/dev/ptmx", "", libc::MS_BIND, "").context("mounting /dev/ptmx")?;
        sys::mount("tmpfs", "/run", "tmpfs", 0, "mode=755").context("mounting /run")?;
        // Out of the way of the ids in pods, so that an id of the host never happens to be one of theirs.
        std::fs::write("/proc/sys/kernel/ns_last_pid", "20000").context("moving process ids up")?;

        let root = spec.directory.clone();
        let secrets: Vec<(&'static str, String)> =
            ["victim", "neighbour", "file", "root_file", "inherited", "environment"].map(|kind| (kind, secret(kind))).into();
        let of = |kind: &str| secrets.iter().find(|(k, _)| *k == kind).map_or("", |(_, s)| s.as_str()).to_owned();
        let open = Permissions::from_mode(0o755);
        for directory in ["secret", "dir", "home", "programs"] {
            let path = root.join(directory);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, open.clone())?;
            let whose = match directory {
                "home" => spec.owner,
                "programs" => Identity { uid: 0, gid: 0 },
                _ => spec.attacker,
            };
            chown(&path, Some(whose.uid), Some(whose.gid))?;
        }
        let mut means = Means::default();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        means.set("secret_name", "secret-file");
        means.set("secret_dir", text(&root.join("secret")));
        means.set("secret_file", text(&root.join("secret/secret-file")));
        means.set("dir", text(&root.join("dir")));
        means.set("root_file", text(&root.join("root-file")));
        means.set("uid", spec.attacker.uid);
        means.set("setuid_program", text(&spec.binaries.join("setuid_program")));
        // Copies of its own: an attack that succeeds breaks nobody else's.
        means.set("shim", text(&root.join("programs/libautopod_shim.so")));
        means.set("autopod", text(&root.join("programs/autopod")));
        let disk = std::fs::metadata("/")?.dev();
        means.set("disk_major", disk >> 8);
        means.set("disk_minor", disk & 255);
        means.set("disk", disk_path(disk).unwrap_or_else(|| "/dev/vda".into()));

        if spec.view.is_some() {
            plant_tree(&spec)?;
            means.set("dir", "/dir");
        }

        let name = format!("autopod-world-{}", rand());
        let address = SocketAddr::from_abstract_name(&name)?;
        let stream = UnixListener::bind_addr(&address)?;
        means.set("abstract", &name);
        let name = format!("{name}-datagram");
        let datagrams = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        means.set("abstract_datagram", &name);
        let listener = UnixListener::bind(root.join("secret/service"))?;
        std::fs::set_permissions(root.join("secret/service"), Permissions::from_mode(0o777))?;
        means.set("service", text(&root.join("secret/service")));
        for socket in [&listener, &stream] {
            socket.set_nonblocking(true)?;
        }
        datagrams.set_nonblocking(true)?;
        let terminals = [terminal(&spec)?, terminal(&spec)?];
        means.set("terminal", format!("/dev/pts/{}", terminals[0].2));
        means.set("other_terminal", format!("/dev/pts/{}", terminals[1].2));
        let [terminal, other_terminal] = terminals.map(|(master, slave, _)| (master, slave));

        let environment =
            vec![("AUTOPOD_HOME".into(), text(&root.join("home"))), ("SECRET_OF_THE_HOST".into(), of("environment"))];
        let place = Place { identity: spec.owner, directory: root.join("home"), environment };
        let inherited = sys::inherited_file(&of("inherited"))?;
        let mut world = Self {
            spec,
            means,
            place,
            secrets,
            listener,
            stream,
            datagrams,
            terminal,
            other_terminal,
            boot_time: super::signs::boot_time(),
            victims: Vec::new(),
            generation: 0,
            _inherited: inherited,
        };
        world.populate()?;
        world.serve_barrier()?;
        Ok(world)
    }

    /// The barrier directory of root's pods, with a secret behind it. It is shared by all generations.
    fn serve_barrier(&mut self) -> Result<()> {
        if self.spec.owner.uid != 0 || !self.autopod_program().exists() {
            return Ok(());
        }
        self.good(&["barrier"])?;
        let barrier = self.spec.directory.join("home/run.barrier");
        let (from, root) = (self.spec.directory.join("secret"), barrier.join("v/root"));
        sys::mount(&from.to_string_lossy(), &root.to_string_lossy(), "", libc::MS_BIND, "").context("mounting in the barrier")?;
        self.means.set("barrier", barrier.display());
        Ok(())
    }

    /// Makes everybody in it, and everything that an attack may have changed, anew.
    pub fn populate(&mut self) -> Result<()> {
        self.depopulate();
        self.generation += 1;
        let root = self.spec.directory.clone();
        for (path, kind, whose) in [("secret/secret-file", "file", self.spec.attacker.uid), ("root-file", "root_file", 0)] {
            let path = root.join(path);
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, self.secret(kind))?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            chown(&path, Some(whose), None)?;
        }
        if self.spec.neighbour_pod {
            for program in PROGRAMS {
                let (from, to) = (self.spec.binaries.join(program), root.join("programs").join(program));
                let _ = std::fs::remove_file(&to);
                std::fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
            }
        }
        let key = root.join("home/key");
        let digits: String = (0..6).map(|_| format!("{:012x}", rand() & 0xffff_ffff_ffff)).collect();
        let _ = std::fs::remove_file(&key);
        std::fs::write(&key, format!("autopod-key-1 {}\n", &digits[..64]))?;
        std::fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        chown(&key, Some(self.spec.owner.uid), Some(self.spec.owner.gid))?;
        let (handle, kind) = sys::handle(&root.join("secret/secret-file")).context("naming a file by handle")?;
        self.means.set("handle", handle);
        self.means.set("handle_type", kind);
        let key = 0x4154_0000 + self.generation;
        self.means.set("ipc_key", key);
        self.means.set("key_name", format!("autopod-world-{key}-{}", rand()));
        self.means.set("posix", format!("victim-{}", self.generation));
        self.means.set("neighbour_posix", format!("neighbour-{}", self.generation));
        let line = self.start_victim("victim")?;
        self.means.take("", &line);
        if self.spec.pods.is_some() {
            self.start_pods()?;
        } else {
            let line = self.start_victim("neighbour")?;
            self.means.take("neighbour_", &line);
            // Who commands a pod natively: nobody. Any process of the host's stands for them.
            for key in ["init", "supervisor", "neighbour_init"] {
                let victim = self.means.number("neighbour");
                self.means.set(key, victim);
            }
            if self.spec.neighbour_pod {
                self.start_pod("n")?;
                self.means_of_pod("n", "neighbour_")?;
                for key in ["control", "init_socket", "state", "runtime", "key", "init", "supervisor"] {
                    let value = self.means.get(&format!("neighbour_{key}")).unwrap_or_default().to_owned();
                    self.means.set(key, value);
                }
            }
            self.means.set("native", 1);
        }
        Ok(())
    }

    #[must_use]
    pub fn secret(&self, kind: &str) -> &str {
        self.secrets.iter().find(|(k, _)| *k == kind).map_or("", |(_, secret)| secret)
    }

    pub fn autopod(&self, arguments: &[&str]) -> Result<Done> {
        self.place.run(&self.autopod_program(), arguments, LIMIT)
    }

    #[must_use]
    pub fn autopod_program(&self) -> PathBuf {
        self.spec.directory.join("programs/autopod")
    }

    fn good(&self, arguments: &[&str]) -> Result<String> {
        let done = self.autopod(arguments)?;
        if !done.status.success() {
            bail!("autopod {}: {}", arguments.join(" "), done.stderr.trim());
        }
        Ok(done.stdout)
    }

    /// The pod's name of this generation.
    #[must_use]
    pub fn pod(&self, letter: &str) -> String {
        format!("{letter}{}-{}", self.generation, tag(&self.spec.directory))
    }

    /// Processes that are ours to wait for.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        self.victims.iter().map(Child::id).collect()
    }

    fn victim_arguments(&self, who: &str) -> Vec<String> {
        let key = if who == "victim" { self.means.number("ipc_key") } else { 0 };
        let posix = self.means.get(if who == "victim" { "posix" } else { "neighbour_posix" }).unwrap_or_default();
        let mut arguments = vec![format!("secret={}", self.secret(who)), format!("ipc_key={key}"), format!("posix={posix}")];
        if let Some(name) = self.means.get("key_name").filter(|_| who == "victim" && self.spec.keys) {
            arguments.push(format!("key_name={name}"));
        }
        arguments
    }

    /// Starts a victim on the host, of the attacker's user; gives what it says of itself.
    fn start_victim(&mut self, who: &str) -> Result<String> {
        let place = Place {
            identity: self.spec.attacker,
            directory: self.spec.directory.clone(),
            environment: vec![("SECRET".into(), self.secret(who).into())],
        };
        let mut command = place.command(&self.spec.binaries.join("victim"));
        command.args(self.victim_arguments(who)).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the victim")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a victim has an output")?).read_line(&mut line)?;
        if !line.contains("address=") {
            bail!("the victim says: {line}");
        }
        self.means.set(who, child.id());
        self.victims.push(child);
        Ok(line)
    }

    fn start_pod(&self, letter: &str) -> Result<()> {
        let pod = self.pod(letter);
        let mut arguments = vec!["add", pod.as_str()];
        if let Some((names, profile)) = &self.spec.pods {
            arguments.extend(["--names", names, "--profile", profile]);
            if letter == "a" {
                arguments.extend(["--pids", "60", "--memory", "300M"]);
            }
        }
        let tree = self.spec.directory.join("tree").to_string_lossy().into_owned();
        if let Some(view) = self.spec.view.as_ref().filter(|_| letter == "a") {
            let private = ["--root", &tree, "--uids", "private"];
            arguments.extend(if view == "private" { private } else { ["--root", &tree, "--view", view] });
        }
        self.good(&arguments).map(drop)
    }

    /// The pod of the attacker, with a program in it, and the neighbour, in which a victim lives.
    fn start_pods(&mut self) -> Result<()> {
        for letter in ["a", "n"] {
            self.start_pod(letter)?;
        }
        let sleeper =
            if self.spec.view.is_some() { "/b/sleeper".into() } else { self.spec.binaries.join("sleeper").display().to_string() };
        self.good(&["addproc", &self.pod("a"), "--allow-unshimmed", "--cwd", "/", "--", &sleeper])?;
        let pod = self.pod("n");
        let victim = self.spec.binaries.join("victim");
        let mut arguments = vec!["addproc".to_owned(), pod.clone(), "--allow-unshimmed".into(), "--cwd".into(), "/".into()];
        if self.spec.attacker != self.spec.owner {
            arguments.extend(["--user".into(), self.spec.attacker.uid.to_string()]);
        }
        arguments.extend([
            "-e".into(),
            format!("SECRET={}", self.secret("neighbour")),
            "--".into(),
            victim.display().to_string(),
        ]);
        arguments.extend(self.victim_arguments("neighbour"));
        self.good(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
        let end = Instant::now() + LIMIT;
        let line = loop {
            let log = self.good(&["logs", &pod])?;
            if let Some(line) = log.lines().find(|line| line.contains("address=") && line.ends_with('.')) {
                break line.to_owned();
            }
            if Instant::now() > end {
                bail!("the neighbour says nothing: {log}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.means.take("neighbour_", &line);
        let ps: serde_json::Value = serde_json::from_str(&self.good(&["ps", &pod, "--json"])?)?;
        self.means.set("neighbour", ps[0]["host_pid"].as_i64().context("ps tells the neighbour's host_pid")?);
        self.means_of_pod("n", "neighbour_")?;
        self.means_of_pod("a", "")
    }

    fn means_of_pod(&mut self, letter: &str, prefix: &str) -> Result<()> {
        let pod = self.pod(letter);
        let home = self.spec.directory.join("home");
        let (runtime, state) = (home.join("run").join(&pod), home.join("state").join(&pod));
        if !runtime.join("init.json").exists() {
            self.good(&["addproc", &pod, "--cwd", "/", "--", "sleep", "100000"])?;
        }
        let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(runtime.join("init.json"))?)?;
        self.means.set(&format!("{prefix}init"), record["pid"].as_i64().context("init.json has a pid")?);
        let supervisor = supervisor_of(&pod).with_context(|| format!("pod {pod} has no supervisor"))?;
        self.means.set(&format!("{prefix}supervisor"), supervisor);
        for (key, path) in [
            ("control", runtime.join("control.sock")),
            ("init_socket", runtime.join("init.sock")),
            ("table", runtime.join("table")),
            ("runtime", runtime.clone()),
            ("state", state),
            ("key", home.join("key")),
        ] {
            self.means.set(&format!("{prefix}{key}"), path.display());
        }
        Ok(())
    }

    /// Ends everybody.
    fn depopulate(&mut self) {
        if self.generation > 0 && self.spec.pods.is_some() {
            for letter in ["a", "n"] {
                // What an attack has broken need not be removable: it ends with the world.
                let _ = self.autopod(&["rm", "-f", &self.pod(letter)]);
            }
        }
        for mut victim in self.victims.drain(..) {
            let _ = victim.kill();
            let _ = victim.wait();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.depopulate();
    }
}

/// A word that the names of all pods of one world have in them, and no others.
#[must_use]
pub fn tag(directory: &Path) -> String {
    let words = directory.iter().rev().take(2).map(|word| word.to_string_lossy().into_owned());
    words.collect::<Vec<_>>().concat()
}

/// Removes the control groups that pods of a world left, whose records attacks have destroyed.
pub fn remove_groups(directory: &Path) {
    fn walk(place: &Path, tag: &str, depth: u32) {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("autopod-") && name.contains(tag) {
                // Not empty, it has somebody in it yet, and the test of what is left behind will tell.
                let _ = std::fs::remove_dir(entry.path());
            } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), tag, depth - 1);
            }
        }
    }
    walk(Path::new("/sys/fs/cgroup"), &format!("-{}", tag(directory)), 3);
}

/// A file tree for a pod, with nothing but the attacks in it, and a directory for what they make.
fn plant_tree(spec: &Spec) -> Result<()> {
    let tree = spec.directory.join("tree");
    for (directory, mode) in
        [("", 0o755), ("b", 0o755), ("dir", 0o755), ("tmp", 0o1777), ("proc", 0o755), ("dev", 0o755), ("etc", 0o755)]
    {
        let path = tree.join(directory);
        std::fs::create_dir(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
        let whose = if directory == "dir" { spec.attacker } else { spec.owner };
        chown(&path, Some(whose.uid), Some(whose.gid))?;
    }
    let user = spec.attacker;
    let account = format!("root:x:0:0::/:/bin/sh\nattacker:x:{}:{}::/:/bin/sh\n", user.uid.max(1), user.gid.max(1));
    std::fs::write(tree.join("etc/passwd"), account)?;
    for entry in std::fs::read_dir(&spec.binaries)?.flatten() {
        if !PROGRAMS.map(std::ffi::OsStr::new).contains(&entry.file_name().as_os_str()) {
            std::fs::copy(entry.path(), tree.join("b").join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The supervisor of a pod, by its command line.
#[must_use]
pub fn supervisor_of(pod: &str) -> Option<u32> {
    let wanted = format!("autopod\0supervise\0{pod}\0");
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    pids.find(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
}

fn terminal(spec: &Spec) -> Result<(File, File, u32)> {
    let (master, number) = sys::terminal().context("making a terminal")?;
    let path = format!("/dev/pts/{number}");
    chown(&path, Some(spec.attacker.uid), None)?;
    let slave = File::options().read(true).write(true).open(&path)?;
    sys::without_lines(&slave);
    Ok((master, slave, number))
}

fn disk_path(device: u64) -> Option<String> {
    let entries = std::fs::read_dir("/dev").ok()?.flatten();
    let mut paths =
        entries.filter(|e| e.metadata().is_ok_and(|m| m.mode() & libc::S_IFMT == libc::S_IFBLK && m.rdev() == device));
    paths.next().map(|entry| entry.path().to_string_lossy().into_owned())
}

fn rand() -> u64 {
    let mut bytes = [0; 8];
    let filled = File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    // Two worlds at a time differ by their directories, too.
    if filled.is_err() { 0 } else { u64::from_ne_bytes(bytes) >> 16 }
}

fn secret(kind: &str) -> String {
    format!("secret-{kind}-{:012x}", rand())
}
