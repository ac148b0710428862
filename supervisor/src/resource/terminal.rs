//! Pseudo terminals (pty(7)): master and slave, what is queued between them, settings, and the session that a terminal controls.
//!
//! What is queued is read out and put back while the pod stands still. The data for the slave goes back through the line discipline in the
//! same mode, but with everything off that would change or echo it: complete lines stay complete, and a half line goes on being edited. A
//! session's members have their terminal from their leader, by fork: so a leader gets it as soon as it leads, before it has children.
use super::descriptor::{InFlight, Seen, hand_over};
use super::terminal_flow::{self as flow, Stopped};
use super::{Capture, Context, Error, Nascent, Result, Vpid, file_object, shim_names, sysv};
use crate::image::RunRef;
use crate::pod::init_client::InitClient;
use crate::proc::Proc;
use crate::sys::terminal::{self as tty, Termios};
use autopod_namespace::{HostTerminal, VirtualTerminal};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod, fstat, major, minor, stat};
use nix::unistd::{Gid, Uid, fchown};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the section "terminals".
    pub terminal: u32,
    pub side: Side,
    pub flags: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    Master,
    Slave,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// N of /dev/pts/N in the pod.
    pub index: u32,
    /// No master any more: reads of a slave end, writes fail.
    pub hung_up: bool,
    /// The slave was opened, and nobody has it open now.
    pub left: bool,
    /// Whether the slave is or was open.
    pub opened: bool,
    /// The pod's init holds the master: the terminal of a program that was started with one.
    #[serde(default)]
    pub kept: bool,
    pub locked: bool,
    pub packet_mode: bool,
    pub exclusive: bool,
    pub settings: Settings,
    /// Rows, columns, and the size in pixels.
    pub size: [u16; 4],
    pub mode: u32,
    pub owner: (u32, u32),
    /// 0 for none.
    pub session: Vpid,
    pub foreground: Vpid,
    /// Typed, and not yet read by the slave's side.
    pub input: RunRef,
    /// Written by the slave's side, and not yet read by the master's.
    pub output: RunRef,
    #[serde(default)]
    pub stopped: Option<Stopped>,
}

/// struct termios2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub modes: [u32; 4],
    pub line: u8,
    pub characters: [u8; 19],
    pub speeds: [u32; 2],
}

const SECTION: &str = "terminals";
const FOUND: &str = "terminals found";
const MADE: &str = "terminals made";
/// Major number of the first of eight for slaves of /dev/pts.
const SLAVES: u64 = 136;
const MASTER: (u64, u64) = (5, 2);
const CONTROLLING: (u64, u64) = (5, 0);

#[derive(Default)]
struct Found(BTreeMap<u32, Draft>);

/// Duplicates of what the pod has open of a terminal.
#[derive(Default)]
struct Draft {
    number: u32,
    master: Option<OwnedFd>,
    slaves: Vec<OwnedFd>,
    kept: bool,
}

fn device(seen: &Seen) -> (u64, u64) {
    (major(seen.stat.st_rdev), minor(seen.stat.st_rdev))
}

/// The index of a slave by its device number; 1048576 terminals have eight major numbers.
fn index_of(device: (u64, u64)) -> Option<u32> {
    (SLAVES..SLAVES + 8).contains(&device.0).then(|| ((device.0 - SLAVES) << 20 | device.1) as u32)
}

pub(super) fn recognise(seen: &Seen) -> bool {
    let device = device(seen);
    seen.kind() == libc::S_IFCHR
        && seen.status_flags() & libc::O_PATH == 0
        && (device == MASTER || device == CONTROLLING || index_of(device).is_some())
}

pub(super) fn capture(seen: &Seen, cx: &mut Capture, _: &mut InFlight<'_>) -> Result<Record> {
    let doing = || format!("look at {}", seen.title());
    let outside = || {
        seen.refuse(
            "it is a terminal outside of the pod",
            "start the program with a terminal of the pod (-t), or let it close this one",
        )
    };
    let (side, index) = match device(seen) {
        MASTER => (Side::Master, tty::index(seen.fd.as_fd()).doing(doing)?),
        CONTROLLING => (Side::Slave, tty::device(seen.fd.as_fd()).ok().and_then(index_of).ok_or_else(outside)?),
        slave => {
            // the pod's own /dev/pts has a device number of its own
            let ours = stat("/dev/pts").is_ok_and(|dir| dir.st_dev == seen.stat.st_dev);
            (Side::Slave, index_of(slave).filter(|_| ours).ok_or_else(outside)?)
        }
    };
    let fd = seen.fd.try_clone().doing(doing)?;
    let found: &mut Found = cx.remembered(FOUND);
    let number = found.0.len() as u32;
    let draft = found.0.entry(index).or_insert_with(|| Draft { number, ..Draft::default() });
    match side {
        Side::Master => draft.master = Some(fd),
        Side::Slave => draft.slaves.push(fd),
    }
    Ok(Record { terminal: draft.number, side, flags: seen.status_flags() })
}

/// Reads the terminals; every descriptor must have been captured.
pub fn conclude(cx: &mut Capture) -> Result<()> {
    let mut found = std::mem::take(cx.remembered::<Found>(FOUND)).0;
    let first = cx.processes.iter().find(|process| process.parent == 1);
    let kept = first.map(|first| kept_by(&cx.proc, first.leader().stat.ppid)).transpose();
    for master in kept.doing(|| "look for the terminals that init holds".into())?.into_iter().flatten() {
        // one that nobody uses has ended with its program
        if polled(master.as_fd(), libc::POLLIN) & libc::POLLHUP == 0 {
            let index = tty::index(master.as_fd()).doing(|| "look at a terminal that init holds".into())?;
            let number = found.len() as u32;
            let draft = found.entry(index).or_insert_with(|| Draft { number, ..Draft::default() });
            draft.kept = true;
            draft.master.get_or_insert(master);
        }
    }
    for process in &cx.processes {
        let stat = &process.first_live().stat;
        let number = stat.tty_nr as u32;
        // the kernel's encoding: 12 bits of major between the low 8 and the high 12 bits of minor
        let device = (u64::from(number >> 8 & 0xfff), u64::from(number & 0xff | number >> 12 & 0xf_ff00));
        if number != 0 && !process.zombie && index_of(device).is_none_or(|index| !found.contains_key(&index)) {
            return Err(Error::Refused {
                object: format!("the controlling terminal of {}", process.title()),
                reason: "it is outside of the pod".into(),
                way_out: "start the program with a terminal of the pod (-t), or without any".into(),
            });
        }
    }
    let mut terminals = Vec::new();
    for (index, draft) in found {
        let number = draft.number;
        terminals.push((number, read(cx, index, draft)?));
    }
    terminals.sort_by_key(|(number, _)| *number);
    let terminals: Vec<Terminal> = terminals.into_iter().map(|(_, terminal)| terminal).collect();
    cx.section(SECTION, &terminals)
}

/// The masters of terminals that a pod's init holds.
pub fn kept_by(proc: &Proc, init: i32) -> std::io::Result<Vec<OwnedFd>> {
    let pidfd = crate::sys::process::pidfd_open(init)?;
    let mut masters = Vec::new();
    for number in proc.numbers(&format!("{init}/fd"))? {
        if proc.read_link(&format!("{init}/fd/{number}")).is_ok_and(|path| path.ends_with("ptmx")) {
            masters.push(crate::sys::process::pidfd_getfd(pidfd.as_fd(), number)?);
        }
    }
    Ok(masters)
}

pub(super) fn polled(fd: BorrowedFd<'_>, events: i16) -> i16 {
    crate::sys::socket::events(fd, events).unwrap_or(0)
}

fn read(cx: &mut Capture, host: u32, draft: Draft) -> Result<Terminal> {
    let index = match shim_names::table(cx)? {
        Some(table) => shim_names::name_terminal(table, host),
        None => host,
    };
    let title = format!("the terminal /dev/pts/{index}");
    let doing = || format!("read {title}");
    let empty = RunRef { start: 0, len: 0 };
    let slave = draft.slaves.first();
    let node = slave.and_then(|slave| fstat(slave).ok());
    let node = node.or_else(|| stat(format!("/dev/pts/{host}").as_str()).ok());
    let mut terminal = Terminal {
        index,
        hung_up: draft.master.is_none(),
        left: false,
        opened: slave.is_some(),
        kept: draft.kept,
        locked: false,
        packet_mode: false,
        exclusive: false,
        settings: Settings::default(),
        size: [0; 4],
        mode: node.map_or(0o620, |node| node.st_mode & 0o7777),
        owner: node.map_or((0, 0), |node| (node.st_uid, node.st_gid)),
        session: 0,
        foreground: 0,
        input: empty,
        output: empty,
        stopped: None,
    };
    let Some(master) = &draft.master else {
        let gone = slave.is_some_and(|slave| polled(slave.as_fd(), libc::POLLIN) & libc::POLLHUP != 0);
        return if gone {
            Ok(terminal)
        } else {
            Err(Error::Refused {
                object: title,
                reason: "its master is outside of the pod".into(),
                way_out: "start the program with a terminal of the pod (-t), or let it close this one".into(),
            })
        };
    };
    let master = master.as_fd();
    terminal.left = slave.is_none() && polled(master, libc::POLLIN) & libc::POLLHUP != 0;
    terminal.opened |= terminal.left;
    terminal.locked = tty::locked(master).doing(doing)?;
    terminal.packet_mode = tty::packet_mode(master).doing(doing)?;
    terminal.exclusive = slave.is_some_and(|slave| tty::exclusive(slave.as_fd()).unwrap_or(false));
    terminal.size = tty::size(master).doing(doing)?;
    terminal.session = tty::session(master).map_or(0, |id| cx.virtual_id(id));
    terminal.foreground = tty::foreground(master).map_or(0, |id| cx.virtual_id(id));
    let settings = tty::termios(master).doing(doing)?;
    terminal.settings = Settings {
        modes: [settings.input, settings.output, settings.control, settings.local],
        line: settings.line,
        characters: settings.characters,
        speeds: [settings.input_speed, settings.output_speed],
    };
    let (input, output) = queued(&draft, &settings, &mut terminal).doing(doing)?;
    terminal.input = cx.blob(&input)?;
    terminal.output = cx.blob(&output)?;
    Ok(terminal)
}

/// What is queued for the slave and for the master; taken out, and put back.
fn queued(draft: &Draft, settings: &Termios, terminal: &mut Terminal) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let Some(master) = draft.master.as_ref().map(|master| master.as_fd()) else { return Ok((Vec::new(), Vec::new())) };
    if terminal.packet_mode {
        tty::set_packet_mode(master, false)?;
    }
    let taken = take(draft, master, settings, &mut terminal.stopped);
    tty::set_termios(master, settings)?;
    if let (Some(slave), Some(how)) = (draft.slaves.first(), terminal.stopped) {
        flow::stop(master, slave.as_fd(), how, &terminal.settings)?;
    }
    if terminal.packet_mode {
        tty::set_packet_mode(master, true)?;
    }
    taken
}

fn take(
    draft: &Draft,
    master: BorrowedFd<'_>,
    settings: &Termios,
    stopped: &mut Option<Stopped>,
) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let output = drain(master)?;
    if let Some(slave) = draft.slaves.first() {
        *stopped = flow::start(slave.as_fd(), settings)?;
    }
    let mut input = Vec::new();
    if let Some(slave) = draft.slaves.first() {
        tty::set_termios(master, &raw(settings, false))?;
        input = drain(slave.as_fd())?;
        type_in(master, Some(slave.as_fd()), settings, &input)?;
        tty::set_termios(master, &raw(settings, true))?;
        fill(slave.as_fd(), &output)?;
    } else if !output.is_empty() {
        // it was left behind by a slave that is closed
        tty::set_termios(master, &raw(settings, true))?;
        fill(tty::peer(master, libc::O_RDWR)?.as_fd(), &output)?;
    }
    Ok((input, output))
}

/// Settings under which nothing is changed or echoed on its way; with `lines`, lines are lines where they were.
fn raw(settings: &Termios, lines: bool) -> Termios {
    let canonical = settings.local & libc::ICANON;
    Termios {
        input: 0,
        output: 0,
        control: settings.control,
        local: if lines { canonical } else { 0 },
        line: settings.line,
        // _POSIX_VDISABLE; VMIN and VTIME of zero let reads end at once
        characters: [0; 19],
        input_speed: settings.input_speed,
        output_speed: settings.output_speed,
    }
}

fn drain(fd: BorrowedFd<'_>) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0u8; 4096];
    while polled(fd, libc::POLLIN) & libc::POLLIN != 0 {
        match nix::unistd::read(fd, &mut buffer) {
            Ok(0) | Err(Errno::EAGAIN | Errno::EIO) => break,
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(all)
}

/// Puts input back. A worker of the kernel takes to the line discipline what is written to a master, in its own time, and by the settings
/// of that time. So a stop and a start character (termios(3), IXON), two that do not occur in the input, tell when all is there.
fn type_in(master: BorrowedFd<'_>, slave: Option<BorrowedFd<'_>>, settings: &Termios, input: &[u8]) -> std::io::Result<()> {
    /// Of the 4096 bytes of a line discipline: a full one would take no character that stops it.
    const MOST: usize = 4000;
    let mut plain = raw(settings, true);
    let mut absent = (1..=u8::MAX).filter(|byte| !input.contains(byte));
    let (stop, start) = (absent.next(), absent.next());
    let writable = |slave| polled(slave, libc::POLLOUT) & libc::POLLOUT != 0;
    let (Some(slave), Some(stop), Some(start), 1..MOST) = (slave.filter(|slave| writable(*slave)), stop, start, input.len())
    else {
        tty::set_termios(master, &plain)?;
        return fill(master, input);
    };
    plain.input = libc::IXON;
    (plain.characters[libc::VSTOP], plain.characters[libc::VSTART]) = (stop, start);
    tty::set_termios(master, &plain)?;
    fill(master, input)?;
    for (character, then_writable) in [(stop, false), (start, true)] {
        fill(master, &[character])?;
        let begun = std::time::Instant::now();
        while writable(slave) != then_writable {
            if begun.elapsed() > std::time::Duration::from_secs(2) {
                return Err(std::io::Error::other("the line discipline does not take what was typed"));
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }
    Ok(())
}

fn fill(fd: BorrowedFd<'_>, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() && polled(fd, libc::POLLOUT) & libc::POLLOUT != 0 {
        data = &data[nix::unistd::write(fd, &data[..data.len().min(1024)])?..];
    }
    Ok(())
}

/// A terminal of the new pod, as the engine holds it.
struct Made {
    terminal: Terminal,
    master: OwnedFd,
    /// Keeps the terminal from being hung up before its holders are there.
    slave: Option<OwnedFd>,
}

/// Makes the terminals with what is queued in them. To be called before processes are made.
pub fn restore(cx: &mut Nascent) -> Result<()> {
    let terminals: Vec<Terminal> = cx.section(SECTION)?;
    let mut order: Vec<usize> = (0..terminals.len()).collect();
    order.sort_by_key(|number| terminals[*number].index);
    let mut made: BTreeMap<usize, Made> = BTreeMap::new();
    let table = sysv::table(cx.kernel_names, &cx.pod_name, &mut cx.stash)?;
    // terminals get the lowest number that is free
    let mut spare = Vec::new();
    for number in order {
        let terminal = terminals[number].clone();
        let doing = || format!("make the terminal /dev/pts/{}", terminal.index);
        let master = loop {
            let master =
                nix::fcntl::open("/dev/ptmx", OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty()).doing(doing)?;
            let host = tty::index(master.as_fd()).doing(doing)?;
            match table {
                Some(table) if table.insert_terminal(VirtualTerminal(terminal.index), HostTerminal(host)) => break master,
                None if host == terminal.index => break master,
                None if host < terminal.index => spare.push(master),
                _ => {
                    return Err(Error::Inconsistent(format!("the terminal /dev/pts/{} cannot have its number", terminal.index)));
                }
            }
        };
        made.insert(number, fill_new(cx, terminal, master)?);
    }
    let made: Vec<Made> = made.into_values().collect();
    cx.stash.insert(MADE.into(), Box::new(made));
    Ok(())
}

fn fill_new(cx: &Nascent, terminal: Terminal, master: OwnedFd) -> Result<Made> {
    let doing = || format!("restore the terminal /dev/pts/{}", terminal.index);
    let (input, output) = (cx.blob(&terminal.input)?, cx.blob(&terminal.output)?);
    tty::set_locked(master.as_fd(), false).doing(doing)?;
    tty::set_size(master.as_fd(), terminal.size).doing(doing)?;
    let slave = terminal.opened.then(|| tty::peer(master.as_fd(), libc::O_RDWR)).transpose().doing(doing)?;
    if terminal.hung_up {
        return Ok(Made { terminal, master, slave });
    }
    let [modes_input, modes_output, control, local] = terminal.settings.modes;
    let settings = Termios {
        input: modes_input,
        output: modes_output,
        control,
        local,
        line: terminal.settings.line,
        characters: terminal.settings.characters,
        input_speed: terminal.settings.speeds[0],
        output_speed: terminal.settings.speeds[1],
    };
    type_in(master.as_fd(), slave.as_ref().map(AsFd::as_fd), &settings, &input).doing(doing)?;
    tty::set_termios(master.as_fd(), &raw(&settings, true)).doing(doing)?;
    if let Some(slave) = &slave {
        fill(slave.as_fd(), &output).doing(doing)?;
    }
    tty::set_termios(master.as_fd(), &settings).doing(doing)?;
    if let Some(slave) = &slave {
        if let Some(how) = terminal.stopped {
            flow::stop(master.as_fd(), slave.as_fd(), how, &terminal.settings).doing(doing)?;
        }
        tty::set_exclusive(slave.as_fd(), terminal.exclusive).doing(doing)?;
        match fchown(slave, Some(Uid::from_raw(terminal.owner.0)), Some(Gid::from_raw(terminal.owner.1))) {
            // without privilege it stays as the kernel made it
            Ok(()) | Err(Errno::EPERM | Errno::EINVAL) => {}
            Err(errno) => return Err(errno).doing(doing),
        }
        match fchmod(slave, Mode::from_bits_truncate(terminal.mode)) {
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno).doing(doing),
        }
    }
    tty::set_packet_mode(master.as_fd(), terminal.packet_mode).doing(doing)?;
    tty::set_locked(master.as_fd(), terminal.locked).doing(doing)?;
    Ok(Made { terminal, master, slave })
}

fn made(cx: &Nascent, number: u32) -> Result<&Made> {
    let all = cx.stash.get(MADE).and_then(|any| any.downcast_ref::<Vec<Made>>());
    let made = all.and_then(|all| all.get(number as usize));
    made.ok_or_else(|| Error::Inconsistent(format!("terminal {number} is used but not in the image")))
}

/// A new description of a slave, by its master.
fn open_slave(made: &Made, flags: i32) -> Result<OwnedFd> {
    let doing = || format!("open the terminal /dev/pts/{}", made.terminal.index);
    let master = made.master.as_fd();
    // a locked terminal can be opened by nobody, and only the first user of an exclusive one may open it again
    tty::set_locked(master, false).doing(doing)?;
    let exclusive = made.terminal.exclusive && made.slave.is_some();
    if let Some(slave) = made.slave.as_ref().filter(|_| exclusive) {
        tty::set_exclusive(slave.as_fd(), false).doing(doing)?;
    }
    let fd = tty::peer(master, flags & !libc::O_ASYNC);
    if exclusive {
        made.slave.iter().try_for_each(|slave| tty::set_exclusive(slave.as_fd(), true)).doing(doing)?;
    }
    tty::set_locked(master, made.terminal.locked).doing(doing)?;
    fd.doing(doing)
}

/// Gives a process that has just become the leader of a session the terminal that its session has.
pub fn control(cx: &mut Nascent, leader: Vpid) -> Result<()> {
    with_session(cx, leader, |process, number| {
        process.call("get the controlling terminal", libc::SYS_ioctl, [number, libc::TIOCSCTTY, 0]).map(drop)
    })
}

/// Puts the foreground groups of all terminals in place. Groups must exist.
pub fn bring_to_foreground(cx: &mut Nascent) -> Result<()> {
    let terminals: Vec<Terminal> = cx.section(SECTION)?;
    for terminal in terminals.iter().filter(|terminal| terminal.session != 0 && terminal.foreground != 0) {
        // a group that has ended has no number any more
        let Ok(group) = cx.kernel_id(terminal.foreground) else { continue };
        with_session(cx, terminal.session, |process, number| {
            let at = process.write_data(0, &group.to_le_bytes())?;
            process.call("set the foreground group", libc::SYS_ioctl, [number, libc::TIOCSPGRP, at]).map(drop)
        })?;
    }
    Ok(())
}

fn with_session(cx: &mut Nascent, leader: Vpid, act: impl Fn(&mut super::NascentProcess, u64) -> Result<()>) -> Result<()> {
    let all = cx.stash.get(MADE).and_then(|any| any.downcast_ref::<Vec<Made>>());
    let Some(made) = all.and_then(|all| all.iter().find(|made| made.terminal.session == leader && !made.terminal.hung_up)) else {
        return Ok(());
    };
    let slave = open_slave(made, libc::O_RDWR)?;
    let sender = cx.channel_sender()?;
    let Ok(process) = cx.process_mut(leader) else { return Ok(()) };
    let number = hand_over(process, sender.as_fd(), &[slave.as_fd()])?[0] as u64;
    act(process, number)?;
    process.call("close a terminal", libc::SYS_close, [number]).map(drop)
}

/// Gives init the terminals that it held.
pub fn keep(cx: &Nascent, init: &InitClient) -> Result<()> {
    let all = cx.stash.get(MADE).and_then(|any| any.downcast_ref::<Vec<Made>>());
    for made in all.into_iter().flatten().filter(|made| made.terminal.kept) {
        let kept = init.keep(made.master.as_fd());
        kept.map_err(|error| Error::Inconsistent(format!("/dev/pts/{} cannot be kept: {error}", made.terminal.index)))?;
    }
    Ok(())
}

pub(super) fn open(record: &Record, _: u32, cx: &mut Nascent) -> Result<OwnedFd> {
    let made = made(cx, record.terminal)?;
    match record.side {
        Side::Slave => open_slave(made, record.flags),
        Side::Master => {
            let doing = || format!("hand out the master of /dev/pts/{}", made.terminal.index);
            let fd = made.master.try_clone().doing(doing)?;
            file_object::set_status(&fd, record.flags & !libc::O_ASYNC).doing(doing)?;
            Ok(fd)
        }
    }
}

pub(super) fn settle(_: &Record, _: u32, _: &mut Nascent) -> Result<()> {
    Ok(())
}
