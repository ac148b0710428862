use super::capture::Upper;
use super::*;
use crate::resource::descriptor::tests::{empty_capture, nascent};
use crate::sys::xattr::{self, Of};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use proptest::prelude::*;
use serde_bytes::ByteBuf;
use std::ffi::CString;
use std::fs::Permissions;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// The working directory of this test becomes its own.
fn alone() {
    unshare(CloneFlags::CLONE_FS).unwrap();
}

fn note(path: &Path, name: &str, value: &[u8]) {
    let name = CString::new([notes(), name.as_bytes()].concat()).unwrap();
    xattr::set(Of::Open(std::fs::File::open(path).unwrap().as_fd()), &name, value).unwrap();
}

fn captured(upper: &Path, image: &Path) -> crate::resource::Nascent {
    let mut cx = empty_capture(image);
    let upper = Upper::open(upper, "stamp", false).unwrap();
    refuse(&upper).unwrap();
    capture(&mut cx, &upper).unwrap();
    nascent(cx, image, Vec::new())
}

fn section_of(cx: &crate::resource::Nascent) -> Section {
    cx.reader.manifest().section(SECTION).unwrap().unwrap()
}

#[test]
fn all_comes_back_and_is_captured_as_the_same() {
    alone();
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    for path in ["", "a", "a/b", "a/closed", "opaque", "moved"] {
        std::fs::create_dir(old.join(path)).unwrap();
    }
    let file = std::fs::File::create(old.join("a/sparse")).unwrap();
    file.set_len(300 << 20).unwrap();
    for (at, text) in [(0, "first"), (100 << 20, "middle")] {
        file.write_all_at(text.as_bytes(), at).unwrap();
    }
    // longer than what is read at once
    file.write_all_at(&(0..5u32 << 20).map(|n| (n >> 8) as u8).collect::<Vec<_>>(), 200 << 20).unwrap();
    std::fs::write(old.join("a/closed/secret"), "s").unwrap();
    std::fs::hard_link(old.join("a/closed/secret"), old.join("b")).unwrap();
    std::fs::set_permissions(old.join("b"), Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::symlink("../x", old.join("a/link")).unwrap();
    std::os::unix::fs::symlink("../x", old.join("a/link2")).unwrap();
    std::fs::hard_link(old.join("a/link"), old.join("same link")).unwrap();
    for (name, kind) in [("fifo", SFlag::S_IFIFO), ("socket", SFlag::S_IFSOCK), ("gone", SFlag::S_IFCHR)] {
        mknod(&old.join(name), kind, Mode::from_bits_truncate(0o640), 0).unwrap();
    }
    // overlayfs has one file for all that is gone
    std::fs::hard_link(old.join("gone"), old.join("gone too")).unwrap();
    note(&old.join("opaque"), "opaque", b"y");
    note(&old.join("opaque"), "origin", b"of this mount only");
    note(&old.join("a/sparse"), "protattr", b"a");
    note(&old.join("b"), "overlay.opaque", b"set by a program");
    if nix::unistd::geteuid().is_root() {
        note(&old.join("moved"), "redirect", b"/where/it/was");
        std::os::unix::fs::lchown(old.join("a/link"), Some(7), Some(8)).unwrap();
    }
    std::fs::set_permissions(old.join("a/closed"), Permissions::from_mode(0o0)).unwrap();
    std::fs::set_permissions(&old, Permissions::from_mode(0o1755)).unwrap();

    let cx = captured(&old, &directory.path().join("image"));
    let section = section_of(&cx);
    std::fs::create_dir(&new).unwrap();
    restore(&section, &cx.reader, std::fs::File::open(&new).unwrap().into()).unwrap();

    let again = section_of(&captured(&new, &directory.path().join("image2")));
    assert_eq!(again.stamp, "stamp");
    for (before, after) in section.entries.iter().zip(&again.entries) {
        let mut after = after.clone();
        // reading changes it
        after.times[0] = before.times[0];
        assert_eq!(*before, after);
    }
    assert_eq!(section.entries.len(), again.entries.len());
    let find = |name: &str| section.entries.iter().find(|record| record.name == name.as_bytes()).unwrap();
    assert_eq!(find("gone").content, Content::Removed);
    assert_eq!(find("gone too").content, Content::Removed);
    assert_eq!(find("opaque").content, Content::Directory { opaque: true, redirect: None });
    assert!(find("opaque").attributes.is_empty() && find("sparse").append_only);
    let own = [notes(), b"opaque"].concat();
    let record = |record: &&Record| record.attributes.iter().any(|attribute| attribute.name == own);
    assert_eq!(section.entries.iter().filter(record).count(), 1);

    let (a, b) = (old.join("a/sparse"), new.join("a/sparse"));
    let mut pieces = [vec![0; 6 << 20], vec![0; 6 << 20]];
    for at in [0, 99 << 20, 199 << 20] {
        for (path, piece) in [&a, &b].into_iter().zip(&mut pieces) {
            std::fs::File::open(path).unwrap().read_exact_at(piece, at).unwrap();
        }
        assert!(pieces[0] == pieces[1], "at {at}");
    }
    assert!(b.metadata().unwrap().blocks() * 512 < 30 << 20, "holes stay holes");
    assert_eq!(new.join("b").metadata().unwrap().mode() & 0o7777, 0o4751);
    std::fs::set_permissions(new.join("a/closed"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(new.join("a/closed/secret").metadata().unwrap().ino(), new.join("b").metadata().unwrap().ino());
    std::fs::set_permissions(old.join("a/closed"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn devices_and_unknown_notes_are_refused_by_name() {
    alone();
    let directory = tempfile::tempdir().unwrap();
    let refused = |path: &Path| refuse(&Upper::open(path, "", false).unwrap()).unwrap_err().to_string();
    let (noted, device) = (directory.path().join("noted"), directory.path().join("device"));
    for path in [&noted, &device] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(noted.join("file"), "").unwrap();
    note(&noted.join("file"), "metacopy", b"");
    assert!(refused(&noted).starts_with("/file of the pod's tree cannot be captured: overlayfs has noted metacopy"));
    if nix::unistd::geteuid().is_root() {
        mknod(&device.join("null"), SFlag::S_IFCHR, Mode::empty(), nix::sys::stat::makedev(1, 3)).unwrap();
        assert!(refused(&device).contains("/null of the pod's tree cannot be captured") && refused(&device).contains("a device"));
    }
}

fn record(parent: u32, name: &[u8], content: Content) -> Record {
    Record {
        parent,
        name: name.to_vec(),
        mode: 0o700,
        owner: (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
        times: [(1, 0); 2],
        attributes: Vec::new(),
        append_only: false,
        immutable: false,
        content,
    }
}

fn plain() -> Content {
    Content::Directory { opaque: false, redirect: None }
}

fn section(entries: &[Record]) -> Section {
    Section { stamp: String::new(), entries: [&[record(0, b"", plain())], entries].concat() }
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let file = |size, runs| Content::File { size, runs };
    let redirect = |to: &[u8]| Content::Directory { opaque: false, redirect: Some(ByteBuf::from(to)) };
    let link = || Content::Symlink("/etc".into());
    let attribute = |name: &[u8]| {
        let attributes = vec![Attribute { name: name.to_vec(), value: Vec::new() }];
        Record { attributes, ..record(0, b"a", plain()) }
    };
    let long = vec![b'x'; 256];
    let deep: Vec<Record> = (0..2000).map(|depth| record(depth, b"d", plain())).collect();
    let bad: Vec<Vec<Record>> = vec![
        vec![record(0, b"..", plain())],
        vec![record(0, b".", plain())],
        vec![record(0, b"", plain())],
        vec![record(0, b"a/b", plain())],
        vec![record(0, b"/", plain())],
        vec![record(0, b"a\0", plain())],
        vec![record(0, &long, plain())],
        vec![record(1, b"a", plain())],
        vec![record(7, b"a", plain())],
        // a link in the middle
        vec![record(0, b"a", link()), record(1, b"passwd", file(0, vec![]))],
        vec![record(0, b"a", plain()), record(0, b"a", link())],
        vec![record(0, b"a", plain()), record(0, b"b", plain()), record(1, b"c", plain())],
        vec![record(0, b"a", Content::Link(0))],
        vec![record(0, b"a", Content::Link(1))],
        vec![record(0, b"a", Content::Link(9))],
        vec![record(0, b"a", Content::Removed), record(0, b"b", Content::Link(1))],
        vec![record(0, b"a", file(1, vec![(0, RunRef { start: 0, len: 2 })]))],
        vec![record(0, b"a", file(u64::MAX, vec![]))],
        vec![record(0, b"a", file(9, vec![(u64::MAX, RunRef { start: 0, len: 2 })]))],
        vec![record(0, b"a", Content::Symlink("".into()))],
        vec![record(0, b"a", redirect(b""))],
        vec![record(0, b"a", redirect(b"/"))],
        vec![record(0, b"a", redirect(b"/a/../.."))],
        vec![record(0, b"a", redirect(b".."))],
        vec![record(0, b"a", redirect(b"a/b"))],
        vec![attribute(b"security.selinux")],
        vec![attribute(b"system.nonsense")],
        vec![attribute(b"user.")],
        vec![attribute(b"user.a\0b")],
        vec![Record { mode: 0o10000, ..record(0, b"a", plain()) }],
        vec![Record { times: [(0, -1); 2], ..record(0, b"a", plain()) }],
        deep,
    ];
    for entries in bad {
        let refused = section(&entries).check();
        assert!(refused.is_err(), "{:?}", &entries[..entries.len().min(3)]);
    }
    assert!(Section::default().check().is_err(), "no root");
    let good = [
        record(0, b"a", plain()),
        record(1, b"a", file(5, vec![(3, RunRef { start: 0, len: 2 })])),
        record(0, b"b", Content::Link(2)),
        record(0, b"c", redirect(b"/x/y")),
        attribute(b"user.autopod"),
    ];
    let mut good = section(&good);
    good.entries[5].name = b"d".to_vec();
    good.check().unwrap();
}

#[test]
fn every_field_is_documented() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/image-format.md")).unwrap();
    let words: HashSet<&str> = document.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let attributes = vec![Attribute { name: Vec::new(), value: Vec::new() }];
    let directory = Record { attributes, ..record(0, b"", Content::Directory { opaque: true, redirect: Some(ByteBuf::new()) }) };
    let file = record(0, b"", Content::File { size: 0, runs: vec![(0, RunRef::default())] });
    let others = ["Link", "Symlink", "Fifo", "Socket", "Removed"].map(str::to_owned);
    let mut fields: Vec<String> = others.into();
    let mut values = vec![serde_json::to_value(section(&[directory, file])).unwrap()];
    while let Some(value) = values.pop() {
        match value {
            serde_json::Value::Object(map) => {
                for (name, value) in map {
                    fields.push(name);
                    values.push(value);
                }
            }
            serde_json::Value::Array(array) => values.extend(array),
            _ => {}
        }
    }
    assert!(fields.iter().any(|field| field == "append_only"));
    let missing: Vec<&String> = fields.iter().filter(|field| !words.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "docs/image-format.md does not mention {missing:?}");
}

fn any_content() -> impl Strategy<Value = Content> {
    let run = (0..20u64, 0..9u64, 0..9u64).prop_map(|(at, start, len)| (at, RunRef { start, len }));
    prop_oneof![
        4 => (any::<bool>(), Just(None)).prop_map(|(opaque, redirect)| Content::Directory { opaque, redirect }),
        2 => (0..30u64, proptest::collection::vec(run, 0..3)).prop_map(|(size, runs)| Content::File { size, runs }),
        1 => (0..9u32).prop_map(Content::Link),
        2 => prop_oneof![Just("../../outside"), Just("/tmp"), Just(".."), Just("a")].prop_map(|to| Content::Symlink(to.into())),
        1 => Just(Content::Fifo),
        1 => Just(Content::Removed),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let names: [&[u8]; 7] = [b"a", b"b", b"outside", b"..", b"a/b", b".", b"../outside"];
    let name = prop_oneof![8 => 0..3usize, 1 => 3..7usize].prop_map(move |index| names[index]);
    (0..6u32, name, any_content(), 0..0o10000u32)
        .prop_map(|(parent, name, content, mode)| Record { mode, ..record(parent, name, content) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever an image says, nothing is made but in the directory that is given.
    #[test]
    fn nothing_is_made_elsewhere(entries in proptest::collection::vec(any_record(), 0..7)) {
        alone();
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("x/root");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(directory.path().join("outside"), "as it was").unwrap();
        let mut cx = empty_capture(&directory.path().join("image"));
        cx.blob(b"contents of files").unwrap();
        let cx = nascent(cx, &directory.path().join("image"), Vec::new());
        let section = section(&entries);
        let restored = restore(&section, &cx.reader, std::fs::File::open(&root).unwrap().into());
        prop_assert!(section.check().is_ok() || restored.is_err());
        let names = |path: &Path| path.read_dir().unwrap().count();
        prop_assert_eq!((names(&directory.path().join("x")), names(directory.path())), (1, 4));
        prop_assert_eq!(std::fs::read(directory.path().join("outside")).unwrap(), b"as it was");
        crate::view::kept::remove(&root).unwrap();
    }
}
