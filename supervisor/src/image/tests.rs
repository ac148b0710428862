//! Images as a whole: round trips, tampering, full disk.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    vpid: i32,
    name: String,
    pages: Vec<RunRef>,
}

fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed | 1;
    (0..len)
        .map(|i| {
            if i % 4096 < 2048 {
                return 0;
            }
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            x as u8
        })
        .collect()
}

/// Writes one blob and one run for each length and checks them in every way of reading.
fn round_trip(path: &Path, compression: Compression, lens: &[usize]) -> Summary {
    let key = Key::random().unwrap();
    let mut writer = ImageWriter::create(path, &key, compression).unwrap();
    let mut records = Vec::new();
    for (i, &len) in lens.iter().enumerate() {
        let blob = writer.put(&pattern(len, i as u32)).unwrap();
        let data = pattern(len, 1000 + i as u32);
        let mut run = writer.begin_run().unwrap();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let space = run.space().unwrap();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            run.commit(n);
            rest = &rest[n..];
        }
        let run = run.finish();
        assert_eq!(run.start % 4096, 0);
        records.push(Record { vpid: i as i32, name: format!("p{i}"), pages: vec![blob, run] });
    }
    let mut manifest = ManifestBuilder::new();
    manifest.section("process", &records).unwrap();
    manifest.section("empty", &()).unwrap();
    assert!(!path.exists());
    let summary = writer.finish(manifest).unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), summary.bytes);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "something is left beside the image");

    let reader = ImageReader::open(path, &key).unwrap();
    assert_eq!(reader.manifest().section_names().collect::<Vec<_>>(), ["empty", "process"]);
    assert_eq!(reader.manifest().unknown_sections(&["process"]), ["empty"]);
    assert_eq!(reader.manifest().section::<Vec<Record>>("process").unwrap().unwrap(), records);
    assert!(reader.manifest().section::<Vec<Record>>("none").unwrap().is_none());
    assert!(matches!(reader.manifest().section::<u32>("process"), Err(Error::Section { .. })));
    let mut ranges = Vec::new();
    for (i, &len) in lens.iter().enumerate() {
        assert_eq!(reader.get(&records[i].pages[0]).unwrap(), pattern(len, i as u32));
        assert_eq!(reader.get(&records[i].pages[1]).unwrap(), pattern(len, 1000 + i as u32));
        ranges.push(records[i].pages[1]);
    }
    let got = Mutex::new(lens.iter().map(|&len| vec![0xee; len]).collect::<Vec<_>>());
    let sink = |at: u64, bytes: &[u8]| {
        let i = ranges.iter().position(|r| r.start <= at && at < r.end()).unwrap();
        let at = (at - ranges[i].start) as usize;
        got.lock().unwrap()[i][at..at + bytes.len()].copy_from_slice(bytes);
        Ok::<_, Error>(())
    };
    reader.stream(&ranges, sink).unwrap();
    for (i, got) in got.into_inner().unwrap().iter().enumerate() {
        assert!(*got == pattern(lens[i], 1000 + i as u32), "stream differs for run {i} of {lens:?}");
    }
    assert_eq!(reader.verify_all().unwrap().stream, summary.stream);
    let beyond = RunRef { start: summary.stream, len: 1 };
    assert!(matches!(reader.get(&beyond), Err(Error::OutOfRange { .. })));
    assert!(matches!(reader.get(&RunRef { start: 1, len: u64::MAX }), Err(Error::OutOfRange { .. })));
    summary
}

const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

#[test]
fn round_trips() {
    for compression in ALL {
        for lens in
            [&[][..], &[0], &[1], &[4095, 4096, 4097, 3], &[CHUNK, CHUNK + 1, 5], &[BUFFER - 8192, 1, 8192, 4096], &[BUFFER; 7]]
        {
            let dir = tempfile::tempdir().unwrap();
            round_trip(&dir.path().join("image"), compression, lens);
        }
    }
}

#[test]
fn compression_shrinks() {
    let write = |compression| {
        let dir = tempfile::tempdir().unwrap();
        round_trip(&dir.path().join("image"), compression, &[3 * CHUNK, 20 * CHUNK])
    };
    let plain = write(Compression::None);
    for compression in [Compression::Lz4, Compression::Zstd] {
        let small = write(compression);
        assert_eq!(small.stream, plain.stream);
        assert!(small.bytes < plain.bytes * 6 / 10, "{} of {}", small.bytes, plain.bytes);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn any_lengths(lens in proptest::collection::vec(0usize..300_000, 0..12), which in 0usize..3) {
        let dir = tempfile::tempdir().unwrap();
        round_trip(&dir.path().join("image"), ALL[which], &lens);
    }
}

fn small_image(path: &Path, compression: Compression) -> Key {
    let key = Key::random().unwrap();
    let mut writer = ImageWriter::create(path, &key, compression).unwrap();
    let blob = writer.put(&pattern(5000, 1)).unwrap();
    let mut manifest = ManifestBuilder::new();
    manifest.section("process", &[Record { vpid: 1, name: "init".into(), pages: vec![blob] }]).unwrap();
    writer.finish(manifest).unwrap();
    key
}

fn open_and_verify(path: &Path, key: &Key) -> Result<()> {
    ImageReader::open(path, key)?.verify_all().map(|_| ())
}

#[test]
fn every_flipped_byte_is_found() {
    for compression in [Compression::None, Compression::Zstd] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let key = small_image(&path, compression);
        open_and_verify(&path, &key).unwrap();
        let good = fs::read(&path).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        for (at, &byte) in good.iter().enumerate() {
            for flip in [1, 0x80, 0xff] {
                std::os::unix::fs::FileExt::write_all_at(&file, &[byte ^ flip], at as u64).unwrap();
                let e = open_and_verify(&path, &key).expect_err(&format!("byte {at} flipped by {flip:#x} was not noticed"));
                let right = match at {
                    0..8 => matches!(e, Error::NotAnImage { .. }),
                    8..12 => matches!(e, Error::NewerFormat { .. } | Error::Damaged { .. }),
                    12..16 => matches!(e, Error::OtherArch { .. }),
                    16..24 => matches!(e, Error::WrongKey { .. }),
                    24..40 => matches!(e, Error::Truncated { .. } | Error::Damaged { .. }),
                    _ => matches!(e, Error::Damaged { .. }),
                };
                assert!(right, "byte {at}: {e}");
            }
            std::os::unix::fs::FileExt::write_all_at(&file, &[byte], at as u64).unwrap();
        }
        open_and_verify(&path, &key).unwrap();
    }
}

#[test]
fn every_cut_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let key = small_image(&path, Compression::None);
    let good = fs::read(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    for len in (0..good.len()).rev() {
        file.set_len(len as u64).unwrap();
        let e = open_and_verify(&path, &key).expect_err(&format!("cut to {len} was not noticed"));
        if len > 0 {
            assert!(matches!(e, Error::Truncated { .. }), "{len}: {e}");
        }
    }
    fs::write(&path, [&good[..], b"x"].concat()).unwrap();
    assert!(matches!(open_and_verify(&path, &key), Err(Error::Damaged { .. })));
}

#[test]
fn wrong_key_and_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    small_image(&path, Compression::None);
    let e = open_and_verify(&path, &Key::random().unwrap()).unwrap_err();
    assert!(matches!(e, Error::WrongKey { .. }), "{e}");
    for (what, bytes) in [("text", &b"#!/bin/sh\n"[..]), ("empty", b""), ("long", &[0; 9000])] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(open_and_verify(&path, &Key::random().unwrap()), Err(Error::NotAnImage { .. })), "{what}");
    }
    assert!(matches!(open_and_verify(dir.path(), &Key::random().unwrap()), Err(Error::NotAnImage { .. })));
    assert!(matches!(open_and_verify(&dir.path().join("none"), &Key::random().unwrap()), Err(Error::Open { .. })));
}

#[test]
fn dropped_writer_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    fs::write(&path, "the image of yesterday").unwrap();
    for len in [10, 3 * BUFFER] {
        let mut writer = ImageWriter::create(&path, &Key::random().unwrap(), Compression::None).unwrap();
        writer.put(&vec![1; len]).unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"the image of yesterday");
    }
    assert!(matches!(ImageWriter::create(dir.path(), &Key::random().unwrap(), Compression::None), Err(Error::Write { .. })));
    let nowhere = dir.path().join("no/such/image");
    assert!(matches!(ImageWriter::create(&nowhere, &Key::random().unwrap(), Compression::None), Err(Error::Write { .. })));
}

/// The body of `full_disk`, run again in a mount namespace with a small tmpfs.
#[test]
fn full_disk_inner() {
    let Some(dir) = std::env::var_os("AUTOPOD_TEST_SMALL_DISK").map(std::path::PathBuf::from) else { return };
    let path = dir.join("image");
    for (compression, len) in [(Compression::None, 3 * CHUNK), (Compression::None, 12 * BUFFER), (Compression::Zstd, 12 * BUFFER)]
    {
        let mut writer = ImageWriter::create(&path, &Key::random().unwrap(), compression).unwrap();
        let written = (0..len / CHUNK).try_for_each(|_| writer.put(&pattern(CHUNK, 7)).map(|_| ()));
        let e = written.and_then(|()| writer.finish(ManifestBuilder::new()).map(|_| ())).unwrap_err();
        assert!(matches!(e, Error::DiskFull { .. }), "{e}");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }
    round_trip(&path, Compression::None, &[4096]);
    println!("full disk handled");
}

#[test]
fn full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m none \"$1\" && export AUTOPOD_TEST_SMALL_DISK=\"$1\" && exec \"$2\" --exact image::tests::full_disk_inner --nocapture";
    let out = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && text.contains("full disk handled"), "{text}");
}
