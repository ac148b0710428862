//! What is fuzzed, and what must hold.

use super::mutate::{self, Random};
use super::value::Value;
use crate::live::{Live, eventually};
use crate::matrix::case::{Names, User};
use autopod::image::{ImageReader, Key, RunRef};
use autopod::needs::{self, Records};
use autopod::pod::{control, engine, init_protocol};
use autopod::proc::{self, diag};
use autopod::resource::{self, attributes, core_file, credentials, memory, signal, summary, task, timer};
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// One parser, or several that read the same.
pub trait Target {
    /// Tries one input. True if it was taken for good.
    ///
    /// # Errors
    /// When the answer is wrong: a sentence.
    fn run(&mut self, random: &mut Random) -> Result<bool, String>;
}

pub const NAMES: [&str; 3] = ["image", "proc", "control"];

#[must_use]
pub fn by_name(name: &str) -> Option<Box<dyn Target>> {
    Some(match name {
        "image" => Box::new(Image::new().unwrap_or_else(|e| panic!("no image to begin with: {e:#}"))),
        "proc" => Box::new(ProcFiles::new()),
        "control" => Box::new(Control),
        _ => return None,
    })
}

/// A real image, changed before and behind the seal: who has the key can seal nonsense.
struct Image {
    _pod: Live,
    path: PathBuf,
    file: File,
    key: Key,
    secret: Vec<u8>,
    head: Vec<u8>,
    manifest: Vec<u8>,
    manifest_at: u64,
    tree: Value,
    sections: Vec<(String, Value)>,
}

/// A program that has some of everything.
const PROGRAM: &str = r#"
import os, socket, threading, time, mmap, select, signal
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(3)
c = socket.create_connection(s.getsockname()); d, _ = s.accept(); c.send(b"on its way")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); u.sendto(b"waits", u.getsockname())
a, b = socket.socketpair(); r, w = os.pipe(); os.write(w, b"in the pipe")
socket.send_fds(a, [b"with it"], [r])
l = socket.socket(socket.AF_UNIX); l.bind("listener"); l.listen(2)
e = select.epoll(); e.register(r, select.EPOLLIN)
m = mmap.mmap(-1, 8192); m[:6] = b"shared"
f = open("/etc/passwd"); t = open("gone", "w+"); t.write("x"); t.flush(); os.unlink("gone")
signal.setitimer(signal.ITIMER_REAL, 1e6)
threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(1e6)
    time.sleep(1e6)
if os.fork() == 0: os._exit(3)
time.sleep(0.1)
open("ready", "w").write("yes")
time.sleep(1e6)
"#;

impl Image {
    fn new() -> anyhow::Result<Self> {
        let pod = Live::new("fuzz", Names::Kernel, User::Root)?;
        let script = pod.write("program.py", PROGRAM)?;
        pod.start(&["python3", &script])?;
        eventually("the program is set up", || pod.read("ready") == "yes")?;
        pod.autopod(&["checkpoint", "p", "-o", &pod.path("image")])?;
        let path = pod.directory.join("image");
        let text = pod.autopod(&["key", "export", "--stdout"])?;
        let hex = text.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        let secret = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16)).collect::<Result<_, _>>()?;
        let key = Key::parse(&text, "the export")?;
        let file = File::options().read(true).write(true).open(&path)?;
        let mut head = vec![0; 4096];
        file.read_exact_at(&mut head, 0)?;
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (manifest_at, len) = (word(24), word(32));
        let mut manifest = vec![0; len as usize];
        file.read_exact_at(&mut manifest, manifest_at)?;
        let mut tree = Value::decode(&manifest).ok_or_else(|| anyhow::anyhow!("the manifest is no MessagePack"))?;
        let Some(Value::Map(sections)) = tree.get_mut("sections") else { anyhow::bail!("the manifest has no sections") };
        let sections = sections
            .iter()
            .map(|pair| match pair {
                (Value::Text(name), Value::Bin(bytes)) => {
                    Value::decode(bytes).map(|value| (String::from_utf8_lossy(name).into_owned(), value))
                }
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| anyhow::anyhow!("a section is no MessagePack"))?;
        Ok(Self { _pod: pod, path, file, key, secret, head, manifest, manifest_at, tree, sections })
    }

    /// Writes header, manifest and seal over those of the file.
    fn write(&self, head: &[u8], manifest: &[u8], seal: &[u8]) {
        let tail = [manifest, seal].concat();
        self.file.write_all_at(head, 0).expect("the image is ours");
        self.file.write_all_at(&tail, self.manifest_at).expect("the image is ours");
        self.file.set_len(self.manifest_at + tail.len() as u64).expect("the image is ours");
    }

    fn seal(&self, head: &[u8], manifest: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length will do");
        mac.update(head);
        mac.update(manifest);
        mac.finalize().into_bytes().to_vec()
    }

    /// Sealed as if it were meant.
    fn write_sealed(&self, manifest: &[u8]) {
        let mut head = self.head.clone();
        head[32..40].copy_from_slice(&(manifest.len() as u64).to_le_bytes());
        self.write(&head, manifest, &self.seal(&head, manifest));
    }

    /// Changed without the key: must be refused, unless nothing changed.
    fn tampered(&self, random: &mut Random) -> Result<bool, String> {
        let mut seal = self.seal(&self.head, &self.manifest);
        let (mut head, mut manifest) = (self.head.clone(), self.manifest.clone());
        let part = match random.below(3) {
            0 => &mut head,
            1 => &mut manifest,
            _ => &mut seal,
        };
        mutate::bytes(part, random, &[b"AutoPod\n"]);
        if part.as_slice() == self.head || part.as_slice() == self.manifest {
            return Ok(true);
        }
        let unchanged = seal == self.seal(&self.head, &self.manifest) && head == self.head && manifest == self.manifest;
        // a header of another length is a file whose parts have moved
        head.resize(4096, 0);
        let unchanged =
            unchanged || head == self.head && manifest == self.manifest && seal == self.seal(&self.head, &self.manifest);
        self.write(&head, &manifest, &seal);
        match ImageReader::open(&self.path, &self.key) {
            Ok(_) if !unchanged => Err("an image that was changed without the key was opened".into()),
            _ => Ok(unchanged),
        }
    }
}

fn section<T: DeserializeOwned>(reader: &ImageReader, name: &str) -> Option<T> {
    reader.manifest().section(name).ok().flatten()
}

/// Everything that a restart does with an image before it makes anything.
fn exercise(reader: &ImageReader, random: &mut Random) {
    let _ = summary::summary(reader).map(|summary| serde_json::to_string(&summary));
    if let Ok(records) = Records::read(reader) {
        // files and ports that nonsense names are looked for like others
        let _ = proc::Proc::open().map(|proc| needs::of(&records, &proc, random.one_in(2)));
        if let (Some(process), true) = (records.processes.first(), random.one_in(20)) {
            let path = reader.path().with_extension("core");
            let _ = core_file::write(reader, process.process, &path);
            let _ = std::fs::remove_file(path);
        }
    }
    if let Some(section) = section::<memory::Section>(reader, "memory") {
        let _ = memory::check(&section);
        for run in section.spaces.iter().flat_map(|space| &space.runs) {
            if random.one_in(100) {
                let _ = reader.get(&run.data.part(random.number(), random.number() % 4096));
            }
            let _ = run.data.end();
        }
    }
    section::<Vec<task::TaskRecord>>(reader, "tasks");
    section::<Vec<signal::SignalRecord>>(reader, "signals");
    section::<Vec<timer::TimerRecord>>(reader, "timers");
    section::<Vec<credentials::CredentialsRecord>>(reader, "credentials");
    section::<Vec<attributes::AttributesRecord>>(reader, "attributes");
    section::<Vec<resource::lock::Record>>(reader, "locks");
    section::<Vec<resource::aio::Record>>(reader, "aio");
    section::<engine::PodSection>(reader, "pod");
    let mut buffer = vec![0; 5000];
    let _ = reader.read(random.number(), &mut buffer);
    let ranges = [RunRef { start: random.number() % (reader.stream_len() + 2), len: random.number() % 8192 }];
    let _ = reader.stream(&ranges, |_, _| Ok::<_, std::convert::Infallible>(()));
}

impl Target for Image {
    fn run(&mut self, random: &mut Random) -> Result<bool, String> {
        match random.below(10) {
            0..3 => return self.tampered(random),
            3 => {
                let mut manifest = self.manifest.clone();
                mutate::bytes(
                    &mut manifest,
                    random,
                    &[b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\xc0", b"\xdf\x00\x10\x00\x00"],
                );
                self.write_sealed(&manifest);
            }
            4 => {
                let mut tree = self.tree.clone();
                if let (Some(chunks), true) = (tree.get_mut("chunks"), random.one_in(2)) {
                    chunks.mutate(random);
                } else {
                    tree.mutate(random);
                }
                self.write_sealed(&tree.encode());
            }
            _ => {
                let (name, mut value) = random.pick(&self.sections).clone();
                let mut tree = self.tree.clone();
                value.mutate(random);
                let mut bytes = value.encode();
                if random.one_in(8) {
                    mutate::bytes(&mut bytes, random, &[b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff"]);
                }
                if let Some(place) = tree.get_mut("sections").and_then(|sections| sections.get_mut(&name)) {
                    *place = Value::Bin(bytes);
                }
                self.write_sealed(&tree.encode());
            }
        }
        let Ok(reader) = ImageReader::open(&self.path, &self.key) else { return Ok(false) };
        exercise(&reader, random);
        if random.one_in(200) {
            let _ = reader.verify_all();
        }
        Ok(true)
    }
}

/// Files of /proc and answers of sock_diag(7).
struct ProcFiles {
    texts: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

impl ProcFiles {
    fn new() -> Self {
        let mut texts = Vec::new();
        for name in [
            "stat",
            "status",
            "maps",
            "smaps",
            "mountinfo",
            "fdinfo/0",
            "fdinfo/1",
            "fdinfo/2",
            "cgroup",
            "uid_map",
            "net/igmp",
            "net/igmp6",
        ] {
            for pid in ["self", "1"] {
                texts.extend(std::fs::read(format!("/proc/{pid}/{name}")).ok().filter(|text| !text.is_empty()));
            }
        }
        texts.extend(std::fs::read("/proc/cpuinfo"));
        texts.push(b"pos:\t0\nflags:\t02\nmnt_id:\t16\nino:\t1057\ntfd:        5 events:       19 data:                5  pos:0 ino:4f2 sdev:f\n".to_vec());
        texts.push(b"pos:\t0\nflags:\t04002\ninotify wd:1 ino:2 sdev:800001 mask:fce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:02000000\n".to_vec());
        texts.push(b"pos:\t7\nflags:\t0100000\nlock:\t1: POSIX  ADVISORY  WRITE 12 00:19:123 0 EOF\n".to_vec());
        texts.push(b"71 (a ) b) S 1 71 71 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 5 0 0 18446744073709551615\n".to_vec());
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = [(4 + value.len() as u16).to_le_bytes(), kind.to_le_bytes()].concat();
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let message = |kind: u16, body: &[u8]| {
            let mut bytes = (16 + body.len() as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.resize(16, 0);
            bytes.extend_from_slice(body);
            bytes
        };
        let unix = [
            &[1, 1, 10, 0][..],
            &4242u32.to_le_bytes(),
            &[0; 8],
            &attribute(0, b"/tmp/socket\0"),
            &attribute(1, &[1; 8]),
            &attribute(2, &[7; 4]),
            &attribute(3, &[1; 8]),
            &attribute(4, &[2; 8]),
        ]
        .concat();
        let mut inet = vec![2, 10, 0, 0, 0x1f, 0x90, 0, 0, 127, 0, 0, 1];
        inet.resize(72, 0);
        inet.extend(attribute(8, &[3]));
        let done = message(3, &[0; 4]);
        let answers = [unix, inet].iter().map(|body| [message(20, body), message(20, body), done.clone()].concat()).collect();
        Self { texts, answers }
    }
}

impl Target for ProcFiles {
    fn run(&mut self, random: &mut Random) -> Result<bool, String> {
        if random.one_in(3) {
            let mut answer = random.pick(&self.answers).clone();
            mutate::bytes(&mut answer, random, &[b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x03\0", b"\x02\0"]);
            let answers = (diag::unix_answer(&answer), diag::inet_answer(&answer));
            return Ok(answers.0.is_ok_and(|(found, _)| !found.is_empty()) || answers.1.is_ok_and(|(found, _)| !found.is_empty()));
        }
        let mut bytes = random.pick(&self.texts).clone();
        let other = random.pick(&self.texts);
        let from = random.below(other.len());
        let piece = &other[from..(from + 60).min(other.len())];
        mutate::bytes(&mut bytes, random, &[b"\n", b" ", b"\t", b":", b"-", b")", b"\\777", b"\0", b"\xff", b"kB", piece]);
        let text = String::from_utf8_lossy(&bytes);
        let mut good = proc::Stat::parse(&text).is_some() | proc::Status::parse(&text).is_some();
        good |= !proc::parse_features(&text).is_empty() | resource::try_parsers(&text);
        if let Some(info) = proc::FdInfo::parse(&text) {
            good = true;
            let _ = (info.get("pos"), info.all("tfd").count(), info.all("lock").count());
        }
        for mappings in [proc::parse_maps(&bytes), proc::parse_smaps(&bytes)].into_iter().flatten() {
            good |= !mappings.is_empty();
            for map in &mappings {
                if map.start > map.end {
                    return Err(format!("a mapping ends before it begins: {:x}-{:x}", map.start, map.end));
                }
                let _ = (map.len(), map.is_empty(), map.label(), map.protection(), map.has(b"gd"));
            }
        }
        let plain = proc::unescape(&bytes);
        if plain.as_os_str().len() > bytes.len() {
            return Err("a path grew when its escapes were undone".into());
        }
        Ok(good)
    }
}

/// Requests to supervisors, engines and inits.
struct Control;

const REQUESTS: [&str; 12] = [
    r#"{"request":"status"}"#,
    r#"{"request":"ps"}"#,
    r#"{"request":"stats"}"#,
    r#"{"request":"spawn","argv":["/bin/true",[104,105,255]],"env":[["A","b"]],"cwd":"/tmp","umask":18,"user":"nobody","attached":true,"terminal":false}"#,
    r#"{"request":"spawn","argv":["true"]}"#,
    r#"{"request":"wait","virtual_pid":2}"#,
    r#"{"request":"kill","virtual_pid":2,"signal":15}"#,
    r#"{"request":"kill","virtual_pid":null,"signal":64}"#,
    r#"{"request":"stop","timeout":0.5}"#,
    r#"{"request":"stop"}"#,
    r#"{"request":"checkpoint","image":"/tmp/x","leave_running":true,"compress":"zstd","tcp":"close","key":"/k"}"#,
    r#"{"request":"restart","image":"/tmp/x","names":"shim","key":null}"#,
];

const WORDS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\"request\":\"ps\"",
    b"true",
    b"[[[[[[[[",
];

impl Control {
    /// A request, changed.
    fn line(random: &mut Random) -> Vec<u8> {
        let mut line = random.pick(&REQUESTS).as_bytes().to_vec();
        mutate::bytes(&mut line, random, &WORDS);
        if random.one_in(50) {
            let depth = random.below(100_000);
            line.splice(0..0, vec![b'['; depth]);
        }
        line
    }
}

/// A line for a control socket: a request, changed, and without an effect outside its pod.
#[must_use]
pub fn control_line(random: &mut Random) -> Vec<u8> {
    loop {
        let mut line = Control::line(random);
        line.retain(|byte| *byte != b'\n');
        let effect = |request: control::Request| {
            use control::Request::{Checkpoint, Kill, Restart, Spawn, Stop};
            matches!(request, Checkpoint { .. } | Restart { .. } | Spawn(_) | Stop { .. } | Kill { .. })
        };
        if !serde_json::from_slice(String::from_utf8_lossy(&line).trim().as_bytes()).is_ok_and(effect) {
            return line;
        }
    }
}

impl Target for Control {
    fn run(&mut self, random: &mut Random) -> Result<bool, String> {
        let line = Self::line(random);
        let text = String::from_utf8_lossy(&line);
        let _ = (serde_json::from_str::<control::Answer>(&text), serde_json::from_str::<engine::CheckpointRequest>(&text));
        // init speaks MessagePack
        let _ = (rmp_serde::from_slice::<init_protocol::Request>(&line), rmp_serde::from_slice::<init_protocol::Answer>(&line));
        let Ok(request) = serde_json::from_str::<control::Request>(text.trim()) else { return Ok(false) };
        let again = serde_json::to_string(&request).map_err(|e| format!("a request that was read cannot be written: {e}"))?;
        let back: control::Request =
            serde_json::from_str(&again).map_err(|e| format!("what was written cannot be read: {e}: {again}"))?;
        // decimal fractions may lose their last digit
        let exact = !matches!(request, control::Request::Stop { .. });
        if exact && format!("{request:?}") != format!("{back:?}") {
            return Err(format!("{request:?} became {back:?}"));
        }
        Ok(true)
    }
}
