//! Images as files: the format as documented, damage of every sort, and checkpoints that cannot be written. All through the commands.
//! Build the binaries first (`cargo build --workspace`).

use autopod_tests::command::{Done, Identity};
use autopod_tests::live::{Live, eventually};
use autopod_tests::matrix::case::{Names, User};
use serde_json::Value;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Some of everything that an image records, a mark in memory whose address it tells, and a counter that shows that it runs.
const PROGRAM: &str = r#"
import ctypes, os, select, socket, sys, threading, time, mmap, tempfile
mark = ctypes.create_string_buffer(b"here is the mark of the image", 64)
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(3)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0)); udp.sendto(b"waits", udp.getsockname())
a, b = socket.socketpair(); b.send(b"in the queue"); b.setblocking(False)
unix = socket.socket(socket.AF_UNIX); unix.bind("listener"); unix.listen(2)
client = socket.socket(socket.AF_UNIX); client.connect("listener")
r, w = os.pipe(); os.write(w, b"in the pipe")
epoll = select.epoll(); epoll.register(r, select.EPOLLIN)
master, slave = os.openpty(); os.write(master, b"typed\n")
shared = mmap.mmap(-1, 1 << 20); shared[:6] = b"shared"
ghost = tempfile.TemporaryFile(dir="."); ghost.write(b"no name"); ghost.flush()
passwd = open("/etc/passwd"); directory = os.open("/", os.O_RDONLY)
threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
if os.fork() == 0:
    os.setsid()
    time.sleep(1e6)
with open("mark.new", "w") as f: f.write(f"{os.getpid()} {ctypes.addressof(mark)}")
os.rename("mark.new", "mark")
count = os.open("count", os.O_WRONLY | os.O_CREAT)
while True:
    os.pwrite(count, b"%020d" % time.monotonic_ns(), 0)
    time.sleep(0.005)
"#;

const LIMIT: Duration = Duration::from_secs(60);

struct Test {
    pod: Live,
}

impl Test {
    fn new(label: &str, names: Names, user: User) -> Self {
        let pod = Live::new(label, names, user).unwrap();
        let script = pod.write("program.py", PROGRAM).unwrap();
        pod.start(&["python3", &script]).unwrap();
        eventually("the program is set up", || !pod.read("mark").is_empty()).unwrap();
        Self { pod }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.pod.place.run(&self.pod.directory.join("b/autopod"), arguments, LIMIT).unwrap()
    }

    /// Of a command that must fail with status 1, its complaint: a sentence without debris.
    fn bad(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {}{}", done.stdout, done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        assert!(done.stdout.is_empty(), "{arguments:?} printed: {}", done.stdout);
        done.stderr
    }

    fn image(&self, name: &str) -> PathBuf {
        let path = self.pod.directory.join(name);
        self.pod.autopod(&["checkpoint", "p", "--leave-running", "-o", text(&path)]).unwrap();
        path
    }

    fn runs(&self) {
        let before = self.pod.read("count");
        eventually("the program goes on", || self.pod.read("count") != before).unwrap();
    }

    /// A copy of an image in which something is changed.
    fn changed(&self, image: &Path, change: impl FnOnce(&std::fs::File)) -> String {
        let path = self.pod.directory.join("changed");
        std::fs::copy(image, &path).unwrap();
        change(&std::fs::File::options().write(true).open(&path).unwrap());
        self.own(&path);
        path.to_string_lossy().into_owned()
    }

    /// Gives a file of ours to the test's user.
    fn own(&self, path: &Path) {
        let identity = self.pod.place.identity;
        std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid)).unwrap();
    }

    fn partial_files(&self, directory: &Path) -> Vec<String> {
        let entries =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        entries.filter(|name| name.contains(".partial")).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Root, and where we are root an unprivileged user too.
fn users() -> Vec<User> {
    if Identity::own().unwrap().is_root() { vec![User::Root, User::Unprivileged] } else { vec![User::Root] }
}

fn everywhere(label: &str, body: impl Fn(&Test)) {
    for user in users() {
        for names in [Names::Kernel, Names::Shim] {
            body(&Test::new(label, names, user));
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_reader_written_from_the_document_agrees() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/image-format.md")).unwrap();
    let described: std::collections::HashSet<&str> = document.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    everywhere("format", |test| {
        let image = test.image("image");
        let key = test.pod.path("h/key");
        let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/image/read_image.py")).unwrap();
        let script = test.pod.write("read_image.py", &script).unwrap();
        let read = |more: &[&str]| test.pod.beside(&[&["/usr/bin/python3", &script, text(&image), &key], more].concat()).unwrap();
        let theirs: Value = serde_json::from_str(&read(&[])).unwrap();
        let ours: Value = serde_json::from_str(&test.pod.autopod(&["inspect", text(&image), "--json"]).unwrap()).unwrap();

        for field in ["format", "maker", "created", "key", "chunks", "stream"] {
            assert_eq!(theirs[field], ours["image"][field], "{field}");
        }
        assert_eq!(theirs["pod"], ours["pod"]["name"]);
        let names: Vec<&str> = ours["sections"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(theirs["sections"], serde_json::json!(names));
        let processes = ours["processes"].as_array().unwrap();
        assert_eq!(processes.len(), 2, "{ours}");
        for process in processes {
            let other = &theirs["processes"][process["pid"].to_string()];
            assert_eq!((&other["name"], &other["parent"]), (&process["name"], &process["parent"]));
            let threads: Vec<&Value> = process["threads"].as_array().unwrap().iter().map(|thread| &thread["tid"]).collect();
            assert_eq!(other["threads"], serde_json::json!(threads));
            assert_eq!(theirs["stored"][process["pid"].to_string()], process["stored"]);
        }
        // Epoll there, epoll here; InetSocket there, inet_socket here
        let plain = |name: &str| name.replace('_', "").to_lowercase();
        let count = |value: &Value| {
            let pairs = value.as_object().unwrap().iter().map(|(kind, count)| (plain(kind), count.as_u64().unwrap()));
            pairs.collect::<std::collections::BTreeMap<_, _>>()
        };
        assert_eq!(count(&theirs["descriptions"]), count(&ours["descriptions"]));
        assert!(count(&theirs["descriptions"])["epoll"] == 1, "{theirs}");

        let mark = test.pod.read("mark");
        let (pid, address) = mark.split_once(' ').unwrap();
        let memory = read(&[pid, address, "29"]);
        let expected: String = b"here is the mark of the image".iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(memory.trim(), expected);

        let missing: Vec<&str> =
            theirs["fields"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|f| !described.contains(f)).collect();
        assert!(missing.is_empty(), "docs/image-format.md does not mention {missing:?}");

        // it finds damage as we do
        let broken = test.changed(&image, |file| file.write_all_at(b"x", 4096 + 17).unwrap());
        let failed = test.pod.beside(&["/usr/bin/python3", &script, &broken, &key]).unwrap_err().to_string();
        assert!(failed.contains("does not fit its digest"), "{failed}");
    });
}

#[test]
fn cut_off_images_are_refused() {
    let test = Test::new("cut", Names::Kernel, User::Root);
    let image = test.image("image");
    let good = std::fs::read(&image).unwrap();
    let (manifest, len) = (u64_at(&good, 24) as usize, good.len());
    let near = |at: usize| [at - 1, at, at + 1];
    let mut lengths = vec![0, 1, 7, 8, 9, 47, 48];
    lengths.extend(near(4096).into_iter().chain(near(1 << 20)).chain(near(manifest)).chain([
        len - 33,
        len - 32,
        len - 31,
        len - 1,
    ]));
    lengths.extend((1..20).map(|step| len * step / 20));
    for cut in lengths {
        let path = test.changed(&image, |file| file.set_len(cut as u64).unwrap());
        for verb in ["verify", "inspect"] {
            let said = test.bad(&[verb, &path]);
            let expected = if cut == 0 { "it is empty" } else { "is cut off" };
            assert!(said.contains(expected), "{verb}, {cut} of {len} bytes: {said}");
        }
    }
    let path = test.changed(&image, |file| file.write_all_at(b"more", len as u64).unwrap());
    assert!(test.bad(&["verify", &path]).contains("4 bytes longer"));
}

/// The unit tests flip every byte of a small image; here the whole way from the command is taken.
#[test]
fn changed_images_are_refused() {
    let test = Test::new("flip", Names::Kernel, User::Root);
    let image = test.image("image");
    let good = std::fs::read(&image).unwrap();
    let (manifest, len) = (u64_at(&good, 24) as usize, good.len());
    let mut places: Vec<usize> = (0..48).chain([48, 1000, 4095]).collect();
    places.extend((manifest..len - 32).step_by((len - 32 - manifest) / 60));
    places.extend(len - 32..len);
    for at in places {
        let path = test.changed(&image, |file| file.write_all_at(&[good[at] ^ 0x41], at as u64).unwrap());
        for verb in ["verify", "inspect"] {
            let said = test.bad(&[verb, &path]);
            let right = match at {
                0..8 => said.contains("not an AutoPod image"),
                8..12 => said.contains("use a newer AutoPod"),
                12..16 => said.contains("restart it on a machine of its own kind"),
                16..24 => said.contains("sealed with the key"),
                24..40 => said.contains("cut off") || said.contains("damaged"),
                _ => said.contains("its seal does not fit"),
            };
            assert!(right, "{verb}, byte {at}: {said}");
        }
    }
    for at in [4096, 5000, manifest / 2, manifest * 3 / 4 + 711, manifest - 1] {
        let path = test.changed(&image, |file| file.write_all_at(&[good[at] ^ 1], at as u64).unwrap());
        let said = test.bad(&["verify", &path]);
        // "chunk 2 (bytes 2101248..3149824 of the file) does not fit its digest"
        let range = said
            .split_once("(bytes ")
            .and_then(|(_, rest)| rest.split_once(' '))
            .unwrap_or_else(|| panic!("byte {at}, manifest at {manifest}: {said}"))
            .0;
        let (from, to) = range.split_once("..").unwrap();
        assert!((from.parse().unwrap()..to.parse().unwrap()).contains(&at), "byte {at}: {said}");
        assert!(said.contains("does not fit its digest"), "{said}");
    }
}

#[test]
fn damaged_images_are_not_restarted_and_leave_no_process() {
    everywhere("broken", |test| {
        let image = test.image("image");
        test.pod.autopod(&["rm", "p", "-f"]).unwrap();
        let len = std::fs::metadata(&image).unwrap().len();
        let good = std::fs::read(&image).unwrap();
        let flip = |at: u64| {
            let other = !good[at as usize];
            move |file: &std::fs::File| file.write_all_at(&[other], at).unwrap()
        };
        let manifest = u64_at(&good, 24);
        let tries: [(&str, Box<dyn FnOnce(&std::fs::File)>); 5] = [
            ("is cut off", Box::new(move |file| file.set_len(len / 2).unwrap())),
            ("not an AutoPod image", Box::new(flip(0))),
            ("its seal does not fit", Box::new(flip(manifest + 100))),
            ("its seal does not fit", Box::new(move |file| file.write_all_at(&u64::MAX.to_le_bytes(), len - 9).unwrap())),
            // found when everything else is built already: the last of the memory
            ("does not fit its digest", Box::new(move |file| file.write_all_at(&[0xa5; 4096], manifest - 4096).unwrap())),
        ];
        for (expected, change) in tries {
            let path = test.changed(&image, change);
            let said = test.bad(&["restart", "p", "-i", &path]);
            assert!(said.contains(expected), "{said}");
            eventually("nothing is left", || test.pod.programs().is_empty())
                .unwrap_or_else(|e| panic!("{e}: {:?}", test.pod.programs()));
        }
        // the undamaged one restarts after all that
        test.pod.autopod(&["restart", "p", "-i", text(&image)]).unwrap();
        test.runs();
    });
}

#[test]
fn keys_are_told_apart() {
    everywhere("keys", |test| {
        let image = test.image("image");
        let image = text(&image);
        let other = test.pod.write("other", &format!("autopod-key-1 {}\n", "5a".repeat(32))).unwrap();
        let show = test.pod.autopod(&["key", "show"]).unwrap();
        let fingerprint = show.split_whitespace().next().unwrap();
        test.own(Path::new(&other));
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(test.bad(&["verify", image, "--key", &other]).contains("can be read by others"));
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
        for verb in [&["verify", image][..], &["inspect", image], &["restart", "q", "-i", image]] {
            let said = test.bad(&[verb, &["--key", &other]].concat());
            assert!(said.contains(fingerprint) && said.contains("autopod key import"), "{said}");
            let said = test.bad(&[verb, &["--key", &test.pod.path("none")]].concat());
            assert!(said.contains("there is no key"), "{said}");
        }
        assert!(test.pod.autopod(&["verify", image]).unwrap().contains("is whole"));

        // export, import
        let exported = test.pod.path("exported");
        test.pod.autopod(&["key", "export", &exported]).unwrap();
        assert_eq!(std::fs::metadata(&exported).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(test.bad(&["key", "export", &exported]).contains("already"));
        let secret = std::fs::read_to_string(&exported).unwrap();
        assert_eq!(test.pod.autopod(&["key", "export", "--stdout"]).unwrap(), secret);
        assert!(!show.contains(&secret[14..30]));
        assert_eq!(test.run(&["key", "export"]).status.code(), Some(2), "no secret without being asked");
        test.pod.autopod(&["key", "import", &exported]).unwrap();
        assert!(test.bad(&["key", "import", &other]).contains("--force"));
        test.pod.autopod(&["key", "import", &other, "--force"]).unwrap();
        assert!(test.bad(&["verify", image]).contains(fingerprint));
        test.pod.autopod(&["key", "import", &exported, "--force"]).unwrap();
        test.pod.autopod(&["verify", image]).unwrap();
        assert!(test.bad(&["key", "import", "/etc/passwd"]).contains("does not hold a key"));
        assert!(test.bad(&["key", "import", "/nowhere"]).contains("/nowhere"));
    });
}

#[test]
fn what_is_no_image_is_named() {
    let user = *users().last().unwrap();
    let test = Test::new("noimage", Names::Kernel, user);
    let image = test.image("image");
    let fifo = test.pod.path("fifo");
    test.pod.beside(&["/usr/bin/mkfifo", &fifo]).unwrap();
    let newer = test.changed(&image, |file| file.write_all_at(&[2], 8).unwrap());
    for verb in ["verify", "inspect"] {
        assert!(test.bad(&[verb, "/"]).contains("it is a directory"));
        assert!(test.bad(&[verb, &fifo]).contains("no regular file"));
        assert!(test.bad(&[verb, "/dev/zero"]).contains("no regular file"));
        assert!(test.bad(&[verb, "/etc/passwd"]).contains("does not begin with the image magic"));
        assert!(test.bad(&[verb, "/no/such/image"]).contains("No such file"));
        assert!(test.bad(&[verb, &newer]).contains("has format 2"));
        if !test.pod.place.identity.is_root() {
            assert!(test.bad(&[verb, "/etc/shadow"]).contains("Permission denied"));
        }
    }
    for wrong in ["/", &fifo, "/etc/passwd", "/no/such/image", &newer] {
        test.bad(&["restart", "q", "-i", wrong]);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_changes_nothing() {
    everywhere("nowrite", |test| {
        let target = test.pod.directory.join("target");
        std::fs::write(&target, "the image of yesterday").unwrap();
        let closed = test.pod.directory.join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
        let in_closed = closed.join("image");
        let mut tries = vec![("/no/such/directory/image", "No such file"), ("/", "directory"), ("/dev/full", "no regular file")];
        if !test.pod.place.identity.is_root() {
            tries.push((text(&in_closed), "Permission denied"));
        }
        for (output, expected) in tries {
            for more in [&[][..], &["--leave-running"]] {
                let said = test.bad(&[&["checkpoint", "p", "-o", output], more].concat());
                assert!(said.contains(expected) && said.contains("-o"), "{output}: {said}");
                test.runs();
            }
        }
        // a key that others can read
        let key = test.pod.write("exposed", &format!("autopod-key-1 {}\n", "5a".repeat(32))).unwrap();
        test.bad(&["checkpoint", "p", "-o", text(&target), "--key", &key]);
        test.runs();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "the image of yesterday");
        assert_eq!(test.partial_files(&test.pod.directory), Vec::<String>::new());
        test.pod.autopod(&["checkpoint", "p", "-o", text(&target)]).unwrap();
        test.pod.autopod(&["verify", text(&target)]).unwrap();
        test.pod.autopod(&["restart", "p", "-i", text(&target)]).unwrap();
        test.runs();
    });
}

/// A directory on a disk of 2 MB.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_pod_running_and_the_older_image() {
    if !Identity::own().unwrap().is_root() {
        panic!("this test mounts a small disk, and needs root for it");
    }
    for user in [User::Root, User::Unprivileged] {
        for names in [Names::Kernel, Names::Shim] {
            let test = Test::new("full", names, user);
            let disk = SmallDisk(test.pod.directory.join("disk"));
            std::fs::create_dir(&disk.0).unwrap();
            let mounted =
                std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=777", "none"]).arg(&disk.0).status();
            assert!(mounted.unwrap().success());
            let target = disk.0.join("image");
            std::fs::write(&target, "the image of yesterday").unwrap();
            for more in [&[][..], &["--leave-running"], &["--compress", "lz4"]] {
                let said = test.bad(&[&["checkpoint", "p", "-o", text(&target)], more].concat());
                assert!(said.contains("the disk is full"), "{said}");
                test.runs();
                assert_eq!(std::fs::read_to_string(&target).unwrap(), "the image of yesterday");
                assert_eq!(test.partial_files(&disk.0), Vec::<String>::new());
            }
        }
    }
}

/// setrlimit(2), RLIMIT_FSIZE: a write beyond it is EFBIG, and SIGXFSZ, which would end the engine in the middle.
#[test]
fn a_limit_of_file_sizes_is_told() {
    let test = Test::new("fsize", Names::Kernel, User::Root);
    let target = test.pod.path("image");
    let autopod = test.pod.path("b/autopod");
    // a new supervisor, started under the limit, makes the checkpoint
    let script = format!("ulimit -f 2000; exec {autopod} checkpoint p -o {target}");
    let supervisors = autopod_tests::command::processes_of(&test.pod.directory);
    let supervisor = supervisors.iter().find(|seen| {
        std::fs::read_to_string(format!("/proc/{}/cmdline", seen.pid)).is_ok_and(|line| line == "autopod\0supervise\0p\0")
    });
    let supervisor = supervisor.expect("the pod has a supervisor").pid.to_string();
    test.pod.beside(&["/bin/kill", "-KILL", &supervisor]).unwrap();
    let done = test.pod.place.run(Path::new("/bin/sh"), &["-c", &script], LIMIT).unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("File too large"), "{}", done.stderr);
    test.runs();
    assert!(!Path::new(&target).exists());
    assert_eq!(test.partial_files(&test.pod.directory), Vec::<String>::new());
}
