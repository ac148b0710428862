//! A program of a pod in the foreground: its descriptors or its terminal, signals, and its end.
use super::Context;
use crate::pod::client::Client;
use crate::pod::control::{Answer, Request, Spawn};
use crate::pod::init_protocol::Exit;
use crate::pod::registry;
use crate::sys::{launch, passing};
use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::MsgFlags;
use nix::sys::termios::{SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{read, write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How the program left.
#[derive(Debug)]
pub(super) enum End {
    /// It ended.
    Exited(Exit),
    /// It was saved in this image, and can be restarted from there.
    Checkpointed(PathBuf),
}

/// What is sent on to the program. SIGWINCH is told to its terminal instead; SIGTSTP stops only this command.
const FORWARDED: [i32; 6] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Signals as they come, readable through one descriptor.
struct Signals {
    came: Vec<(i32, Arc<AtomicBool>)>,
    wake: UnixStream,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        let (wake, sender) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut came = Vec::new();
        for signal in FORWARDED.into_iter().chain([libc::SIGWINCH]) {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, flag.clone())?;
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
            came.push((signal, flag));
        }
        Ok(Self { came, wake })
    }

    fn take(&self) -> Vec<i32> {
        let mut buffer = [0; 64];
        while read(&self.wake, &mut buffer).is_ok_and(|len| len > 0) {}
        self.came.iter().filter(|(_, flag)| flag.swap(false, Ordering::Relaxed)).map(|(signal, _)| *signal).collect()
    }
}

/// The caller's terminal in raw mode, until dropped.
struct RawMode(Termios);

impl RawMode {
    fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        let old = tcgetattr(&stdin).ok()?;
        let mut raw = old.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).ok()?;
        Some(Self(old))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

/// The terminal made for the program, our side.
struct Relay {
    master: OwnedFd,
    /// Typed, and not yet taken by the terminal.
    pending: Vec<u8>,
    end_of_file: u8,
    input_open: bool,
    output_open: bool,
}

impl Relay {
    fn new(master: OwnedFd) -> anyhow::Result<Self> {
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        // those of a terminal are asked of either side
        let end_of_file = tcgetattr(&master)?.control_chars[SpecialCharacterIndices::VEOF as usize];
        Ok(Self { master, pending: Vec::new(), end_of_file, input_open: true, output_open: true })
    }

    /// Takes the terminal that init has made.
    fn receive(socket: &UnixStream) -> anyhow::Result<Self> {
        let received = passing::receive(socket.as_fd(), &mut [0], MsgFlags::empty()).context("cannot take the terminal")?;
        let Some(master) = received.descriptors.into_iter().next() else { bail!("the pod gave no terminal") };
        Self::new(master)
    }

    fn resize(&self) {
        if let Ok(size) = launch::window_size(std::io::stdin().as_fd()) {
            let _ = launch::set_window_size(self.master.as_fd(), &size);
        }
    }

    /// Has a program that fills the screen draw it again: on a terminal of another size, which it gets for a moment if ours is like its own.
    fn redraw(&self) {
        let ours = launch::window_size(std::io::stdin().as_fd());
        let (Ok(ours), Ok(mut size)) = (ours, launch::window_size(self.master.as_fd())) else { return };
        if (ours.ws_row, ours.ws_col) == (size.ws_row, size.ws_col) && size.ws_col > 1 {
            size.ws_col -= 1;
            let _ = launch::set_window_size(self.master.as_fd(), &size);
            // programs that were told look at once, and would otherwise find that nothing has changed
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn read_input(&mut self) {
        let mut buffer = [0; 4096];
        match read(std::io::stdin(), &mut buffer) {
            Ok(0) => {
                // The end of a file is typed, on a terminal.
                self.pending.push(self.end_of_file);
                self.input_open = false;
            }
            Ok(len) => self.pending.extend_from_slice(&buffer[..len]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.input_open = false,
        }
    }

    fn write_input(&mut self) {
        match write(&self.master, &self.pending) {
            Ok(len) => drop(self.pending.drain(..len)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.pending.clear(),
        }
    }

    /// Passes output on; whether there may be more.
    fn copy_output(&mut self) -> anyhow::Result<bool> {
        use std::io::Write;
        let mut buffer = [0; 16 * 1024];
        match read(&self.master, &mut buffer) {
            Ok(len) if len > 0 => {
                let mut out = std::io::stdout().lock();
                out.write_all(&buffer[..len])?;
                out.flush()?;
                Ok(true)
            }
            Err(Errno::EINTR) => Ok(true),
            Err(Errno::EAGAIN) => Ok(false),
            // EIO: nobody has the other side open.
            _ => {
                self.output_open = false;
                Ok(false)
            }
        }
    }
}

/// Starts the program and stays with it until its end.
pub(super) fn run(context: &Context, mut client: Client, pod: &str, mut spawn: Spawn, terminal: bool) -> anyhow::Result<End> {
    let signals = Signals::catch().context("cannot catch signals")?;
    spawn.attached = true;
    spawn.terminal = terminal;
    let mut relay = None;
    let answer = if terminal {
        // the terminal is made in the pod, like ours, and comes through the socket
        let (ours, theirs) = UnixStream::pair()?;
        let stdin = std::io::stdin();
        let answer = client.ask_with(&Request::Spawn(spawn), &[stdin.as_fd(), theirs.as_fd(), theirs.as_fd()], &mut |_| {})?;
        drop(theirs);
        relay = Some(Relay::receive(&ours)?);
        answer
    } else {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        client.ask_with(&Request::Spawn(spawn), &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()], &mut |_| {})?
    };
    let Answer::Spawned(spawned) = answer else { bail!("the supervisor of pod \"{pod}\" answered {answer:?}") };
    spawned.warning.iter().for_each(|warning| context.note(warning));
    follow(context, client, pod, spawned.virtual_pid, &signals, relay)
}

/// Stays with a program that runs, through its terminal.
pub(super) fn resume(context: &Context, client: Client, pod: &str, virtual_pid: i32, master: OwnedFd) -> anyhow::Result<End> {
    let signals = Signals::catch().context("cannot catch signals")?;
    let relay = Relay::new(master)?;
    relay.redraw();
    relay.resize();
    follow(context, client, pod, virtual_pid, &signals, Some(relay))
}

fn follow(
    context: &Context,
    client: Client,
    pod: &str,
    virtual_pid: i32,
    signals: &Signals,
    mut relay: Option<Relay>,
) -> anyhow::Result<End> {
    let raw = relay.is_some().then(RawMode::enter).flatten();
    let end = stay(context, client, pod, virtual_pid, signals, &mut relay);
    while relay.as_mut().is_some_and(|relay| relay.copy_output().unwrap_or(false)) {}
    drop(raw);
    end
}

fn stay(
    context: &Context,
    mut client: Client,
    pod: &str,
    virtual_pid: i32,
    signals: &Signals,
    relay: &mut Option<Relay>,
) -> anyhow::Result<End> {
    let wait = Request::Wait { virtual_pid };
    client.post(&wait)?;
    let stdin = std::io::stdin();
    loop {
        let mut polled =
            vec![PollFd::new(client.as_fd(), PollFlags::POLLIN), PollFd::new(signals.wake.as_fd(), PollFlags::POLLIN)];
        if let Some(relay) = &*relay {
            let want = |yes: bool, flag: PollFlags| if yes { flag } else { PollFlags::empty() };
            let master = want(relay.output_open, PollFlags::POLLIN) | want(!relay.pending.is_empty(), PollFlags::POLLOUT);
            // A descriptor that hung up is ready for ever, whatever is asked of it: leave it out.
            if !master.is_empty() && relay.output_open {
                polled.push(PollFd::new(relay.master.as_fd(), master));
            }
            if relay.input_open && relay.pending.is_empty() {
                polled.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => drop(other?),
        }
        let ready: Vec<bool> = polled.iter().map(|p| p.any().unwrap_or(true)).collect();
        drop(polled);
        if let Some(relay) = relay {
            pump(relay, &ready[2..])?;
        }
        if ready[1] {
            forward(context, pod, virtual_pid, signals, relay);
        }
        if ready[0] {
            match client.answer() {
                Ok(Answer::Exited(exit)) => return Ok(End::Exited(exit)),
                Ok(Answer::Checkpointed(image)) => return Ok(End::Checkpointed(image)),
                Ok(Answer::Error(reason)) => return ended_unseen(context, pod, reason),
                Ok(other) => bail!("the supervisor of pod \"{pod}\" answered {other:?}"),
                // The supervisor was killed. The pod runs on: have another one adopt it.
                Err(_) => {
                    client = match Client::open(&context.roots, pod) {
                        Ok(client) => client,
                        Err(e) => return ended_unseen(context, pod, e.to_string()),
                    };
                    client.post(&wait)?;
                }
            }
        }
    }
}

/// The pod is gone, and nobody saw how the program ended.
fn ended_unseen(context: &Context, pod: &str, reason: String) -> anyhow::Result<End> {
    match registry::find(&context.roots, pod)?.and_then(|record| record.checkpointed) {
        Some(checkpointed) => Ok(End::Checkpointed(checkpointed.image)),
        None => bail!(reason),
    }
}

fn pump(relay: &mut Relay, ready: &[bool]) -> anyhow::Result<()> {
    let had_output = relay.output_open;
    let had_input = relay.input_open && relay.pending.is_empty();
    let master_ready = had_output && ready.first().copied().unwrap_or(false);
    let input_ready = had_input && ready.last().copied().unwrap_or(false);
    if master_ready {
        relay.copy_output()?;
        if !relay.pending.is_empty() {
            relay.write_input();
        }
    }
    if input_ready {
        relay.read_input();
        relay.write_input();
    }
    Ok(())
}

fn forward(context: &Context, pod: &str, virtual_pid: i32, signals: &Signals, relay: &Option<Relay>) {
    for signal in signals.take() {
        if signal == libc::SIGWINCH {
            relay.iter().for_each(Relay::resize);
            continue;
        }
        let request = Request::Kill { virtual_pid: Some(virtual_pid), signal };
        // It may have ended at this moment; then there is nothing to forward to.
        if let Err(e) = Client::open(&context.roots, pod).and_then(|mut client| client.ask(&request)) {
            tracing::info!("signal {signal} was not passed on: {e}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
