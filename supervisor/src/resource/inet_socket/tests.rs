//! Round trips within one process.
use crate::resource::descriptor::tests::{capture_own, empty_capture, refusal, round_trip};
use crate::resource::inet_socket::tcp_restore;
use crate::sys::socket;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const LOCAL: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

/// (client, server)
fn pair(at: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(at).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn tcp(fd: &OwnedFd) -> TcpStream {
    let stream = TcpStream::from(fd.try_clone().unwrap());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

fn expect(stream: &mut TcpStream, text: &[u8]) {
    let mut got = vec![0; text.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, text);
}

fn state(fd: &OwnedFd) -> u8 {
    super::tcp::info(fd.as_fd()).unwrap().0
}

#[test]
fn connections_keep_data_and_addresses() {
    for at in LOCAL {
        let (mut client, mut server) = pair(at);
        client.write_all(b"to the server").unwrap();
        server.write_all(b"to the client").unwrap();
        let addresses = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let again = round_trip(vec![client.into(), server.into()], || ());
        let (mut client, mut server) = (tcp(&again[0]), tcp(&again[1]));
        assert_eq!((client.local_addr().unwrap(), client.peer_addr().unwrap()), addresses);
        assert_eq!((server.peer_addr().unwrap(), server.local_addr().unwrap()), addresses);
        expect(&mut server, b"to the server");
        expect(&mut client, b"to the client");
        client.write_all(b"more").unwrap();
        expect(&mut server, b"more");
    }
}

/// Writes until nothing more goes in; the bytes count up.
fn stuff(stream: &TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut total, mut idle) = (0usize, 0);
    while idle < 20 {
        let block: Vec<u8> = (0..8192).map(|i| ((total + i) % 251) as u8).collect();
        match (&*stream).write(&block) {
            Ok(n) => (total, idle) = (total + n, 0),
            Err(_) => {
                std::thread::sleep(Duration::from_millis(2));
                idle += 1;
            }
        }
    }
    total
}

fn unstuff(stream: &mut TcpStream, total: usize) {
    let mut got = vec![0; total];
    stream.read_exact(&mut got).unwrap();
    assert!(got.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
}

#[test]
fn full_queues_arrive_whole() {
    let (client, server) = pair(LOCAL[0]);
    let (to_server, to_client) = (stuff(&client), stuff(&server));
    let again = round_trip(vec![client.into(), server.into()], || ());
    let (mut client, mut server) = (tcp(&again[0]), tcp(&again[1]));
    unstuff(&mut server, to_server);
    unstuff(&mut client, to_client);
    client.write_all(b"open").unwrap();
    expect(&mut server, b"open");
}

#[test]
fn capture_takes_nothing_of_full_queues() {
    let (client, server) = pair(LOCAL[0]);
    let total = stuff(&client);
    let directory = tempfile::tempdir().unwrap();
    let mut cx = empty_capture(&directory.path().join("image"));
    cx.leave_running = true;
    capture_own(&mut cx, &[client.as_fd(), server.as_fd()]).unwrap();
    drop(cx);
    let reuse = socket::option_int(client.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR).unwrap();
    assert_eq!(reuse, 0);
    let mut server = tcp(&server.into());
    unstuff(&mut server, total);
}

#[test]
fn half_closed_connections() {
    let (mut client, mut server) = pair(LOCAL[0]);
    client.write_all(b"last").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    server.write_all(b"queued").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let again = round_trip(vec![client.into(), server.into()], || ());
    assert_eq!((state(&again[0]), state(&again[1])), (super::tcp::FIN_WAIT2, super::tcp::CLOSE_WAIT));
    let (mut client, mut server) = (tcp(&again[0]), tcp(&again[1]));
    let mut text = String::new();
    server.read_to_string(&mut text).unwrap();
    assert_eq!(text, "last");
    server.write_all(b" more").unwrap();
    expect(&mut client, b"queued more");
}

#[test]
fn closed_and_reset_peers() {
    let (client, mut server) = pair(LOCAL[0]);
    server.write_all(b"words").unwrap();
    drop(server);
    let again = round_trip(vec![client.into()], || ());
    let mut text = String::new();
    tcp(&again[0]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "words");
    let (client, server) = pair(LOCAL[0]);
    let now = [1i32.to_ne_bytes(), 0i32.to_ne_bytes()].concat();
    socket::set_option(server.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &now).unwrap();
    drop(server);
    let again = round_trip(vec![client.into()], || ());
    let error = tcp(&again[0]).read(&mut [0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn listeners_and_connections_that_wait() {
    let listener = TcpListener::bind(LOCAL[0]).unwrap();
    let place = listener.local_addr().unwrap();
    let established = TcpStream::connect(place).unwrap();
    let mut server = listener.accept().unwrap().0;
    server.write_all(b"hello").unwrap();
    let mut early = TcpStream::connect(place).unwrap();
    early.write_all(b"early").unwrap();
    let mut gone = TcpStream::connect(place).unwrap();
    gone.write_all(b"gone").unwrap();
    drop(gone);
    std::thread::sleep(Duration::from_millis(20));
    let again = round_trip(vec![early.into(), established.into(), listener.into(), server.into()], || ());
    let listener = TcpListener::from(again[2].try_clone().unwrap());
    assert_eq!(listener.local_addr().unwrap(), place);
    expect(&mut tcp(&again[1]), b"hello");
    let mut first = listener.accept().unwrap().0;
    expect(&mut first, b"early");
    first.write_all(b"answer").unwrap();
    expect(&mut tcp(&again[0]), b"answer");
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "gone");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    drop(TcpStream::connect(place).unwrap());
}

#[test]
fn urgent_data_keeps_its_place() {
    let (client, server) = pair(LOCAL[0]);
    let put = |data: &[u8], flags| socket::send(client.as_fd(), data, &[], &[], None, flags).unwrap();
    put(b"abc", 0);
    put(b"!", libc::MSG_OOB);
    put(b"def", 0);
    std::thread::sleep(Duration::from_millis(30));
    let again = round_trip(vec![client.into(), server.into()], || ());
    let urgent = socket::receive(again[1].as_fd(), 1, libc::MSG_OOB).unwrap();
    assert_eq!(urgent.data, b"!");
    let mut server = tcp(&again[1]);
    let mut buffer = [0; 10];
    assert_eq!((server.read(&mut buffer).unwrap(), &buffer[..3]), (3, &b"abc"[..]));
    assert_eq!((server.read(&mut buffer).unwrap(), &buffer[..3]), (3, &b"def"[..]));
}

#[test]
fn a_taken_port_is_named() {
    let listener = TcpListener::bind(LOCAL[0]).unwrap();
    let place = listener.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    let (ids, records) = capture_own(&mut cx, &[listener.as_fd()]).unwrap();
    let mut cx = crate::resource::descriptor::tests::nascent(cx, &image, records);
    let error = cx.description(ids[0]).unwrap_err().to_string();
    assert!(error.contains(&format!("port {} is taken", place.port())), "{error}");
}

#[test]
fn a_connection_to_the_outside_is_refused_or_reset() {
    let (client, server) = pair(LOCAL[0]);
    let text = refusal(client.as_fd());
    assert!(text.contains("--tcp close") && text.contains(&client.peer_addr().unwrap().to_string()), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    cx.outside = crate::resource::capture::OutsideConnections::Close;
    let (ids, records) = capture_own(&mut cx, &[client.as_fd()]).unwrap();
    assert_eq!(cx.closed_connections.len(), 1);
    drop((client, server));
    let mut cx = crate::resource::descriptor::tests::nascent(cx, &image, records);
    let fd = cx.description(ids[0]).unwrap().try_clone_to_owned().unwrap();
    crate::resource::descriptor::settle(&mut cx).unwrap();
    let error = tcp(&fd).read(&mut [0]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn datagrams_keep_senders_and_boundaries() {
    for at in LOCAL {
        let receiver = UdpSocket::bind(at).unwrap();
        let place = receiver.local_addr().unwrap();
        let sender = UdpSocket::bind(at).unwrap();
        let closed = UdpSocket::bind(at).unwrap();
        let connected = UdpSocket::bind(at).unwrap();
        connected.connect(place).unwrap();
        let names = [&sender, &closed, &connected].map(|socket| socket.local_addr().unwrap());
        sender.send_to(b"one", place).unwrap();
        sender.send_to(b"", place).unwrap();
        closed.send_to(b"closed", place).unwrap();
        connected.send(b"three").unwrap();
        receiver.send_to(b"back", names[2]).unwrap();
        drop(closed);
        let again = round_trip(vec![connected.into(), receiver.into(), sender.into()], || ());
        let receiver = UdpSocket::from(again[1].try_clone().unwrap());
        receiver.set_nonblocking(true).unwrap();
        let mut buffer = [0; 100];
        for (text, name) in [(&b"one"[..], names[0]), (b"", names[0]), (b"closed", names[1]), (b"three", names[2])] {
            let (n, from) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..n], from), (text, name));
        }
        let connected = UdpSocket::from(again[0].try_clone().unwrap());
        assert_eq!(connected.peer_addr().unwrap(), place);
        assert_eq!(connected.recv(&mut buffer).unwrap(), 4);
    }
}

#[test]
fn a_corked_datagram_is_refused() {
    let receiver = UdpSocket::bind(LOCAL[0]).unwrap();
    let sender = UdpSocket::bind(LOCAL[0]).unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    socket::send(sender.as_fd(), b"part", &[], &[], None, libc::MSG_MORE).unwrap();
    assert!(refusal(sender.as_fd()).contains("UDP_CORK"));
}

#[test]
fn connections_that_wait_without_data_are_left_alone() {
    let listener = TcpListener::bind(LOCAL[0]).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let mut cx = empty_capture(&image);
    cx.leave_running = true;
    let (ids, records) = capture_own(&mut cx, &[listener.as_fd(), client.as_fd()]).unwrap();
    let mut server = listener.accept().unwrap().0;
    server.write_all(b"undisturbed").unwrap();
    expect(&mut tcp(&client.try_clone().unwrap().into()), b"undisturbed");
    crate::resource::socket::put_back::reset(client.as_fd());
    crate::resource::socket::put_back::reset(server.as_fd());
    drop((listener, client, server));
    let mut cx = crate::resource::descriptor::tests::nascent(cx, &image, records);
    let again: Vec<OwnedFd> = ids.iter().map(|id| cx.description(*id).unwrap().try_clone_to_owned().unwrap()).collect();
    crate::resource::descriptor::settle(&mut cx).unwrap();
    let mut server = TcpListener::from(again[0].try_clone().unwrap()).accept().unwrap().0;
    server.write_all(b"again").unwrap();
    expect(&mut tcp(&again[1]), b"again");
}

#[test]
fn waiting_data_is_not_taken_from_a_pod_that_goes_on() {
    let listener = TcpListener::bind(LOCAL[0]).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"early").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut cx = empty_capture(&directory.path().join("image"));
    cx.leave_running = true;
    let error = capture_own(&mut cx, &[listener.as_fd(), client.as_fd()]).map(drop).unwrap_err().to_string();
    assert!(error.contains("waits there to be accepted"), "{error}");
    expect(&mut listener.accept().unwrap().0, b"early");
}

#[test]
fn a_port_of_strangers_connections_serves_for_ours_too() {
    for at in LOCAL {
        let (theirs, ours) = (TcpListener::bind(at).unwrap(), TcpListener::bind(at).unwrap());
        let stranger = TcpStream::connect(theirs.local_addr().unwrap()).unwrap();
        let from = stranger.local_addr().unwrap();
        let family = if from.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let end = socket::socket(family, libc::SOCK_STREAM, 0).unwrap();
        let local = socket::name(stranger.as_fd()).unwrap();
        assert_eq!(socket::bind(end.as_fd(), &local).unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        tcp_restore::share_port(&end, &local).unwrap();
        socket::connect(end.as_fd(), &socket::name(ours.as_fd()).unwrap()).unwrap();
        assert_eq!(socket::name(end.as_fd()).unwrap(), local);
        assert_eq!(ours.accept().unwrap().1, from);
    }
}
