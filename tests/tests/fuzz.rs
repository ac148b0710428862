//! The short form of the fuzz tests, always with the same inputs; `scripts/fuzz` is the long one, with others every time.
//! Build the binaries first (`cargo build --workspace`).

use autopod_tests::fuzz::mutate::Random;
use autopod_tests::fuzz::{Length, run, targets};
use autopod_tests::live::Live;
use autopod_tests::matrix::case::{Names, User};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

fn short(name: &str, runs: u64) {
    let outcome = run(name, Length::Runs(runs), 1).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    assert_eq!(outcome.runs, runs);
    assert!(outcome.accepted > runs / 40, "only {} of {runs} inputs got past the first check", outcome.accepted);
}

#[test]
fn images_of_nonsense_are_refused_or_read() {
    short("image", 1500);
}

#[test]
fn proc_files_of_nonsense_are_refused_or_read() {
    short("proc", 20_000);
}

#[test]
fn requests_of_nonsense_are_refused_or_read() {
    short("control", 20_000);
}

/// A supervisor answers every line with one, an error or what was asked for, and lives on.
#[test]
fn a_supervisor_outlives_nonsense() {
    let pod = Live::new("nonsense", Names::Kernel, User::Root).unwrap();
    pod.start(&["sleep", "1000"]).unwrap();
    let socket = pod.directory.join("h/run/p/control.sock");
    let connect = || {
        let stream = UnixStream::connect(&socket).unwrap_or_else(|e| panic!("{}: {e}", socket.display()));
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let mut random = Random::new(3);
    let mut stream = BufReader::new(connect());
    for round in 0..400 {
        let line = targets::control_line(&mut random);
        if String::from_utf8_lossy(&line).trim().is_empty() {
            continue;
        }
        stream.get_mut().write_all(&[&line[..], b"\n"].concat()).unwrap();
        let mut answer = String::new();
        stream.read_line(&mut answer).unwrap_or_else(|e| panic!("no answer to {}: {e}", String::from_utf8_lossy(&line)));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        assert!(answer.is_object() || answer.is_string(), "{answer}");
        if round % 20 == 0 {
            // cut off in the middle of a line, or filled with bytes that are none
            let mut other = connect();
            let half = line.len() / 2;
            other.write_all(&line[..half]).unwrap();
            if random.one_in(2) {
                let _ = other.write_all(&vec![b'x'; 1 << 20]);
            }
        }
    }
    // a line without an end is given up, the peer with it
    let mut endless = connect();
    let block = vec![b'['; 1 << 20];
    let sent = (0..64).take_while(|_| endless.write_all(&block).is_ok()).count();
    assert!(sent < 64, "64 MB of one line were taken");
    let _ = endless.read(&mut [0]);
    let status = pod.autopod(&["ps", "p"]).unwrap();
    assert!(status.contains("sleep"), "{status}");
}
