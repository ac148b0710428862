//! Round trips within one process.
use crate::resource::descriptor::tests::{refusal, round_trip};
use crate::sys::socket;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

fn pair(kind: i32) -> (OwnedFd, OwnedFd) {
    socket::pair(kind).unwrap()
}

fn put(fd: &OwnedFd, data: &[u8]) {
    socket::send(fd.as_fd(), data, &[], &[], None, libc::MSG_DONTWAIT).unwrap();
}

fn take(fd: &OwnedFd) -> Result<Vec<u8>, i32> {
    socket::receive(fd.as_fd(), 1 << 18, libc::MSG_DONTWAIT).map(|r| r.data).map_err(|e| e.raw_os_error().unwrap())
}

fn error(fd: &OwnedFd) -> i32 {
    socket::send(fd.as_fd(), b"x", &[], &[], None, libc::MSG_DONTWAIT).unwrap_err().raw_os_error().unwrap()
}

#[test]
fn streams_keep_their_data_and_each_other() {
    let (a, b) = pair(libc::SOCK_STREAM);
    put(&a, b"to b");
    put(&b, &[7; 20000]);
    let again = round_trip(vec![a, b], || ());
    assert_eq!(take(&again[1]).unwrap(), b"to b");
    assert_eq!(take(&again[0]).unwrap(), [7; 20000]);
    put(&again[0], b"more");
    assert_eq!(take(&again[1]).unwrap(), b"more");
}

#[test]
fn capture_takes_nothing() {
    let (a, b) = pair(libc::SOCK_SEQPACKET);
    put(&a, b"one");
    put(&a, b"");
    put(&a, b"two");
    let kept = (a.try_clone().unwrap(), b.try_clone().unwrap());
    round_trip(vec![a, b], || ());
    assert_eq!([take(&kept.1).unwrap(), take(&kept.1).unwrap(), take(&kept.1).unwrap()], [&b"one"[..], b"", b"two"]);
    assert_eq!(socket::option_int(kept.1.as_fd(), libc::SOL_SOCKET, socket::SO_PEEK_OFF).unwrap(), -1);
    assert_eq!(socket::option_int(kept.1.as_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED).unwrap(), 0);
}

#[test]
fn messages_keep_their_boundaries() {
    for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let (a, b) = pair(kind);
        for text in [&b"one"[..], b"", b"three", &[9; 50000]] {
            put(&a, text);
        }
        put(&b, b"back");
        let again = round_trip(vec![a, b], || ());
        for text in [&b"one"[..], b"", b"three", &[9; 50000]] {
            assert_eq!(take(&again[1]).unwrap(), text);
        }
        assert_eq!(take(&again[1]), Err(libc::EAGAIN));
        assert_eq!(take(&again[0]).unwrap(), b"back");
    }
}

#[test]
fn a_full_queue_is_full_again() {
    for piece in [4096, 700] {
        let (a, b) = pair(libc::SOCK_STREAM);
        let mut total = 0;
        while socket::send(a.as_fd(), &vec![1; piece], &[], &[], None, libc::MSG_DONTWAIT).is_ok() {
            total += piece;
        }
        let again = round_trip(vec![a, b], || ());
        assert_eq!(error(&again[0]), libc::EAGAIN);
        let mut got = 0;
        while let Ok(data) = take(&again[1]) {
            got += data.len();
        }
        assert_eq!(got, total);
    }
}

#[test]
fn halves_stay_shut_down() {
    let (a, b) = pair(libc::SOCK_STREAM);
    put(&a, b"last");
    socket::shutdown(a.as_fd(), libc::SHUT_WR).unwrap();
    let again = round_trip(vec![a, b], || ());
    assert_eq!(take(&again[1]).unwrap(), b"last");
    assert_eq!(take(&again[1]).unwrap(), b"");
    assert_eq!(error(&again[0]), libc::EPIPE);
    put(&again[1], b"back");
    assert_eq!(take(&again[0]).unwrap(), b"back");
}

#[test]
fn a_closed_peer_stays_closed() {
    let (a, b) = pair(libc::SOCK_STREAM);
    put(&b, b"words");
    drop(b);
    let again = round_trip(vec![a], || ());
    assert_eq!(take(&again[0]).unwrap(), b"words");
    assert_eq!(take(&again[0]).unwrap(), b"");
    assert_eq!(error(&again[0]), libc::EPIPE);
    let (a, b) = pair(libc::SOCK_STREAM);
    put(&a, b"unread");
    put(&b, b"words");
    drop(b);
    let again = round_trip(vec![a], || ());
    assert_eq!(take(&again[0]).unwrap(), b"words");
    assert_eq!(take(&again[0]), Err(libc::ECONNRESET));
    let (a, b) = pair(libc::SOCK_DGRAM);
    put(&b, b"words");
    drop(b);
    let again = round_trip(vec![a], || ());
    assert_eq!(take(&again[0]).unwrap(), b"words");
    assert_eq!(error(&again[0]), libc::ECONNREFUSED);
}

#[test]
fn descriptors_in_flight_arrive_with_their_bytes() {
    let (a, b) = pair(libc::SOCK_STREAM);
    let (inner, far) = pair(libc::SOCK_DGRAM);
    put(&far, b"inside");
    put(&a, b"plain ");
    socket::send(a.as_fd(), b"with", &[], &[inner.as_fd()], None, 0).unwrap();
    put(&a, b" after");
    // the end that will receive itself
    socket::send(b.as_fd(), b"self", &[], &[a.as_fd()], None, 0).unwrap();
    drop(inner);
    let again = round_trip(vec![a, b, far], || ());
    let first = socket::receive(again[1].as_fd(), 6, 0).unwrap();
    assert_eq!((&first.data[..], first.fds.len()), (&b"plain "[..], 0));
    let second = socket::receive(again[1].as_fd(), 100, 0).unwrap();
    assert_eq!((&second.data[..], second.fds.len()), (&b"with"[..], 1));
    assert_eq!(take(&second.fds[0]).unwrap(), b"inside");
    assert_eq!(take(&again[1]).unwrap(), b" after");
    put(&again[2], b"still a pair");
    assert_eq!(take(&second.fds[0]).unwrap(), b"still a pair");
    let own = socket::receive(again[0].as_fd(), 100, 0).unwrap();
    put(&again[1], b"hello");
    assert_eq!(take(&own.fds[0]).unwrap(), b"hello");
}

#[test]
fn credentials_stay_with_their_messages() {
    let (a, b) = pair(libc::SOCK_STREAM);
    socket::set_option_int(b.as_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, 1).unwrap();
    put(&a, b"me");
    let again = round_trip(vec![a, b], || ());
    let got = socket::receive(again[1].as_fd(), 100, 0).unwrap();
    assert_eq!(got.credentials.unwrap().0, std::process::id() as i32);
}

#[test]
fn listeners_come_back_with_connections() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let listener = UnixListener::bind(&path).unwrap();
    let mut accepted = UnixStream::connect(&path).unwrap();
    let server = listener.accept().unwrap().0;
    accepted.write_all(b"for the server").unwrap();
    let mut early = UnixStream::connect(&path).unwrap();
    early.write_all(b"early").unwrap();
    let mut gone = UnixStream::connect(&path).unwrap();
    gone.write_all(b"gone").unwrap();
    drop(gone);
    let again = round_trip(vec![early.into(), listener.into(), server.into(), accepted.into()], || ());
    let listener = UnixListener::from(again[1].try_clone().unwrap());
    assert_eq!(listener.local_addr().unwrap().as_pathname().unwrap(), path);
    assert_eq!(take(&again[2]).unwrap(), b"for the server");
    assert_eq!(UnixStream::from(again[3].try_clone().unwrap()).peer_addr().unwrap().as_pathname().unwrap(), path);
    let first: OwnedFd = listener.accept().unwrap().0.into();
    assert_eq!(take(&first).unwrap(), b"early");
    put(&first, b"answer");
    assert_eq!(take(&again[0]).unwrap(), b"answer");
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "gone");
    drop(UnixStream::connect(&path).unwrap());
}

#[test]
fn unlinked_and_replaced_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let old = UnixDatagram::bind(&path).unwrap();
    let to_old = UnixDatagram::unbound().unwrap();
    to_old.connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let new = UnixDatagram::bind(&path).unwrap();
    to_old.send(b"old message").unwrap();
    let moved = dir.path().join("m");
    let renamed = UnixDatagram::bind(&moved).unwrap();
    std::fs::rename(&moved, dir.path().join("elsewhere")).unwrap();
    let again = round_trip(vec![to_old.into(), old.into(), new.into(), renamed.into()], || ());
    assert_eq!(take(&again[1]).unwrap(), b"old message");
    put(&again[0], b"still old");
    assert_eq!(take(&again[1]).unwrap(), b"still old");
    UnixDatagram::unbound().unwrap().send_to(b"new", &path).unwrap();
    assert_eq!(take(&again[2]).unwrap(), b"new");
    assert_eq!(UnixDatagram::from(again[1].try_clone().unwrap()).local_addr().unwrap().as_pathname().unwrap(), path);
    assert_eq!(UnixDatagram::from(again[3].try_clone().unwrap()).local_addr().unwrap().as_pathname().unwrap(), moved);
    let elsewhere = dir.path().join("elsewhere");
    UnixDatagram::unbound().unwrap().send_to(b"renamed", elsewhere).unwrap();
    assert_eq!(take(&again[3]).unwrap(), b"renamed");
    let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["elsewhere", "p"]);
}

#[test]
fn datagrams_keep_their_senders() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let server = UnixDatagram::bind(at("server")).unwrap();
    let client = UnixDatagram::bind(at("client")).unwrap();
    client.connect(at("server")).unwrap();
    let closed = UnixDatagram::bind(at("closed")).unwrap();
    client.send(b"one").unwrap();
    closed.send_to(b"two", at("server")).unwrap();
    drop(closed);
    UnixDatagram::unbound().unwrap().send_to(b"three", at("server")).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut more = 0;
    while client.send(b"more").is_ok() {
        more += 1;
    }
    let again = round_trip(vec![client.into(), server.into()], || ());
    assert_eq!(error(&again[0]), libc::EAGAIN);
    let server = UnixDatagram::from(again[1].try_clone().unwrap());
    let mut buffer = [0; 10];
    let mut next = || server.recv_from(&mut buffer).map(|(n, a)| (n, a.as_pathname().map(std::path::Path::to_path_buf))).unwrap();
    assert_eq!(next(), (3, Some(at("client"))));
    assert_eq!(next(), (3, Some(at("closed"))));
    assert_eq!(next(), (5, None));
    for _ in 0..more {
        assert_eq!(next(), (4, Some(at("client"))));
    }
    put(&again[0], b"again");
    assert_eq!(take(&again[1]).unwrap(), b"again");
}

#[test]
fn peek_offset_and_options() {
    let (a, b) = pair(libc::SOCK_STREAM);
    put(&a, b"0123456789");
    socket::set_option_int(b.as_fd(), libc::SOL_SOCKET, socket::SO_PEEK_OFF, 4).unwrap();
    socket::set_option_int(b.as_fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT, 3).unwrap();
    let again = round_trip(vec![a, b], || ());
    assert_eq!(socket::receive(again[1].as_fd(), 3, libc::MSG_PEEK).unwrap().data, b"456");
    assert_eq!(take(&again[1]).unwrap(), b"0123456789");
    assert_eq!(socket::option_int(again[1].as_fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT).unwrap(), 3);
}

#[test]
fn abstract_names_come_back() {
    let fd = socket::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
    socket::bind(fd.as_fd(), &(libc::AF_UNIX as u16).to_ne_bytes()).unwrap();
    socket::listen(fd.as_fd(), 5).unwrap();
    let name = socket::name(fd.as_fd()).unwrap();
    let client = socket::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
    socket::connect(client.as_fd(), &name).unwrap();
    let again = round_trip(vec![client, fd], || ());
    assert_eq!(socket::name(again[1].as_fd()).unwrap(), name);
    let server = socket::accept(again[1].as_fd()).unwrap();
    put(&again[0], b"x");
    assert_eq!(take(&server).unwrap(), b"x");
}

#[test]
fn a_peer_outside_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outside");
    let _listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (_server, _) = _listener.accept().unwrap();
    let text = refusal(client.as_fd());
    assert!(text.contains("--tcp close") && text.contains("outside"), "{text}");
}

#[test]
fn a_datagram_socket_finds_its_outside_peer_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = UnixDatagram::bind(dir.path().join("log")).unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.connect(dir.path().join("log")).unwrap();
    let again = round_trip(vec![client.into()], || ());
    put(&again[0], b"line");
    let mut buffer = [0; 10];
    assert_eq!(log.recv(&mut buffer).unwrap(), 4);
}

fn peer_pid(fd: &OwnedFd) -> i32 {
    let raw = socket::option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, 12).unwrap();
    i32::from_ne_bytes(raw[..4].try_into().unwrap())
}

#[test]
fn credentials_are_those_of_the_restored_process() {
    use crate::resource::descriptor::tests::{capture_own, empty_capture, traced_child};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l");
    let listener: OwnedFd = UnixListener::bind(&path).unwrap().into();
    let client: OwnedFd = UnixStream::connect(&path).unwrap().into();
    let server = socket::accept(listener.as_fd()).unwrap();
    // without a listener
    let other_path = dir.path().join("m");
    let gone = UnixListener::bind(&other_path).unwrap();
    let other_client: OwnedFd = UnixStream::connect(&other_path).unwrap().into();
    let other_server: OwnedFd = gone.accept().unwrap().0.into();
    drop(gone);
    let (a, b) = pair(libc::SOCK_STREAM);
    let (c, d) = pair(libc::SOCK_DGRAM);
    for fd in [&b, &d] {
        socket::set_option_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, 1).unwrap();
    }
    put(&a, b"from process 2");
    put(&c, b"from process 2");
    let image = dir.path().join("image");
    let mut cx = empty_capture(&image);
    cx.virtual_ids.insert(std::process::id() as i32, 2);
    let fds = [&listener, &client, &server, &a, &b, &c, &d, &other_client, &other_server];
    let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    let (ids, records) = capture_own(&mut cx, &borrowed).unwrap();
    drop((listener, client, server, a, b, c, d, other_client, other_server));
    let mut restored = traced_child(records, Vec::new(), cx, &image);
    crate::resource::descriptor::restore(&mut restored.cx).unwrap();
    crate::resource::descriptor::settle(&mut restored.cx).unwrap();
    let child = restored.cx.processes[0].pid;
    let again: Vec<OwnedFd> = ids.iter().map(|id| restored.cx.description(*id).unwrap().try_clone_to_owned().unwrap()).collect();
    for index in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
        assert_eq!(peer_pid(&again[index]), child, "socket {index}");
    }
    for index in [4, 6] {
        let got = socket::receive(again[index].as_fd(), 100, 0).unwrap();
        assert_eq!((&got.data[..], got.credentials.unwrap().0), (&b"from process 2"[..], child));
    }
    let uid = u32::from_ne_bytes(
        socket::option(again[1].as_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, 12).unwrap()[4..8].try_into().unwrap(),
    );
    assert_eq!(uid, nix::unistd::geteuid().as_raw());
    put(&again[1], b"x");
    assert_eq!(take(&again[2]).unwrap(), b"x");
    // nothing stays open in the process beside what its table says
    let pid = child;
    let sockets = restored.cx.proc.numbers(&format!("{pid}/fd")).unwrap().into_iter().filter(|fd| {
        restored.cx.proc.read_link(&format!("{pid}/fd/{fd}")).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    });
    assert_eq!(sockets.collect::<Vec<_>>(), [restored.cx.processes[0].channel]);
}

#[test]
fn urgent_data_is_refused() {
    let (a, b) = pair(libc::SOCK_STREAM);
    socket::send(a.as_fd(), b"!", &[], &[], None, libc::MSG_OOB).unwrap();
    assert!(refusal(b.as_fd()).contains("urgent"));
}

#[test]
fn the_owner_of_a_socket_comes_back() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::{MetadataExt, fchown};
    let (a, b) = pair(libc::SOCK_STREAM);
    fchown(&a, Some(1234), Some(1235)).unwrap();
    let again = round_trip(vec![a, b], || ());
    let meta = |fd: &OwnedFd| std::fs::File::from(fd.try_clone().unwrap()).metadata().unwrap();
    assert_eq!((meta(&again[0]).uid(), meta(&again[0]).gid(), meta(&again[1]).uid()), (1234, 1235, 0));
}

#[test]
fn packets_that_wait_at_a_listener() {
    let dir = tempfile::tempdir().unwrap();
    let name = super::name::address(&dir.path().join("q")).unwrap();
    let make = || socket::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0).unwrap();
    let (listener, client) = (make(), make());
    socket::bind(listener.as_fd(), &name).unwrap();
    socket::listen(listener.as_fd(), 8).unwrap();
    socket::connect(client.as_fd(), &name).unwrap();
    put(&client, b"one");
    put(&client, b"two");
    let again = round_trip(vec![listener, client], || ());
    let server = socket::accept(again[0].as_fd()).unwrap();
    assert_eq!((take(&server).unwrap(), take(&server).unwrap()), (b"one".to_vec(), b"two".to_vec()));
    put(&server, b"back");
    assert_eq!(take(&again[1]).unwrap(), b"back");
}
