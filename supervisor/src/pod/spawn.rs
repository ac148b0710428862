//! How init starts a program: a forked child turns itself into it step by step, and reports the step that failed.
use super::init_protocol::Spawn;
use super::namespaces::Refused;
use crate::sys::{confine, launch};
use crate::walls::Ready;
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, execve, setgid, setgroups, setsid, setuid};
use std::ffi::{CString, OsStr};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The child's side. `go` delivers a byte once the child may run (its names are entered), `report` takes what failed;
/// a successful exec closes it.
pub fn become_program(spawn: Spawn, stdio: Vec<OwnedFd>, walls: &Ready, mut go: std::fs::File, mut report: std::fs::File) -> ! {
    let mut byte = [0];
    // Not released: init could not enter the child's names, or is gone.
    if go.read_exact(&mut byte).is_err() {
        launch::exit_now(127);
    }
    drop(go);
    let refused = prepare_and_exec(spawn, stdio, walls, report.as_raw_fd());
    let _ = report.write_all(&rmp_serde::to_vec_named(&refused).unwrap_or_default());
    launch::exit_now(127)
}

fn prepare_and_exec(mut spawn: Spawn, stdio: Vec<OwnedFd>, walls: &Ready, report: i32) -> Refused {
    match prepare(&mut spawn, stdio, walls, report) {
        Ok(()) => exec(&spawn),
        Err(refused) => refused,
    }
}

fn prepare(spawn: &mut Spawn, mut stdio: Vec<OwnedFd>, walls: &Ready, report: i32) -> Result<(), Refused> {
    // Until it executes the program it is init's image, with init's memory, among the pod's programs.
    confine::forbid_tracing().map_err(Refused::at("forbidding to be traced"))?;
    let in_view = spawn.user_there.is_some();
    launch::reset_signals();
    setsid().map_err(Refused::at("making a session"))?;
    if let Some(log) = &spawn.log {
        stdio.extend(open_log(log)?);
    }
    for (number, fd) in stdio.iter().enumerate() {
        // The descriptors given lie above 2: init keeps 0 to 2 open for this.
        dup_to(fd, number as i32).map_err(Refused::at("passing standard descriptors"))?;
    }
    // With the originals go those that init has: its sockets are not for programs, also not for a moment.
    std::mem::forget(stdio);
    launch::close_range(3, report as u32);
    launch::close_from(report as u32 + 1);
    if spawn.terminal {
        launch::take_terminal().map_err(Refused::at("taking the terminal"))?;
    }
    umask(Mode::from_bits_truncate(spawn.umask));
    if let Some(name) = spawn.user_there.take() {
        super::users::settle(spawn, &name)?;
    }
    // Before the change of users, which takes the privilege to; what that needs the walls allow.
    walls.enter()?;
    if let Some(user) = &spawn.user {
        let groups: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        setgroups(&groups).map_err(Refused::at("setting the user's groups"))?;
        setgid(Gid::from_raw(user.gid)).map_err(Refused::at("setting the user's group"))?;
        setuid(Uid::from_raw(user.uid)).map_err(Refused::at("becoming the user"))?;
    }
    walls.seal()?;
    match std::env::set_current_dir(&spawn.cwd) {
        // the directory of whoever asked, which the pod's tree need not have
        Err(_) if in_view => std::env::set_current_dir("/").map_err(Refused::io("entering /")),
        other => other.map_err(Refused::io(format!("entering the directory {}", spawn.cwd.display()))),
    }
}

fn open_log(path: &Path) -> Result<Vec<OwnedFd>, Refused> {
    let refused = |e| Refused::io(format!("opening the log {}", path.display()))(e);
    let null = std::fs::File::open("/dev/null").map_err(Refused::io("opening /dev/null"))?;
    let log = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(refused)?;
    // Output and error are one open file, as of a shell's `>log 2>&1`.
    let error = log.try_clone().map_err(refused)?;
    Ok(vec![null.into(), log.into(), error.into()])
}

fn dup_to(fd: &OwnedFd, number: i32) -> nix::Result<()> {
    match number {
        0 => nix::unistd::dup2_stdin(fd),
        1 => nix::unistd::dup2_stdout(fd),
        _ => nix::unistd::dup2_stderr(fd),
    }
}

fn exec(spawn: &Spawn) -> Refused {
    let strings = |list: &[serde_bytes::ByteBuf]| -> Vec<CString> {
        // Nothing with a zero byte inside can come from a command line or an environment.
        list.iter().filter_map(|bytes| CString::new(bytes.as_slice()).ok()).collect()
    };
    let (argv, env) = (strings(&spawn.argv), strings(&spawn.env));
    let program = spawn.argv.first().map(|p| OsStr::from_bytes(p)).unwrap_or_default();
    let path = spawn.env.iter().find_map(|v| v.strip_prefix(b"PATH="));
    let mut worst = Errno::ENOENT;
    for candidate in candidates(program, path.map(OsStr::from_bytes)) {
        let Ok(file) = CString::new(candidate.as_os_str().as_bytes()) else { continue };
        let Err(errno) = execve(&file, &argv, &env);
        // As execvp(3): go on looking after "not here", and remember "here, but not permitted".
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => worst = errno,
            Errno::ENOEXEC => {
                // A script without a `#!` line, which execvp(3) gives to the shell.
                let mut shell = vec![c"sh".to_owned(), file];
                shell.extend(argv.iter().skip(1).cloned());
                let Err(errno) = execve(c"/bin/sh", &shell, &env);
                worst = errno;
                break;
            }
            _ => {
                worst = errno;
                break;
            }
        }
    }
    Refused::at("executing it")(worst)
}

/// The files that `program` may mean, in order: itself if it has a slash, else one per directory of `path`.
pub fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![program.into()];
    }
    if program.is_empty() {
        return Vec::new();
    }
    let path = path.unwrap_or(OsStr::new(super::environment::DEFAULT_PATH));
    std::env::split_paths(path)
        .map(|dir| if dir.as_os_str().is_empty() { Path::new(".").join(program) } else { dir.join(program) })
        .collect()
}

/// Forks a child that becomes the program. Returns its id, the pipe's end that releases it and the one on which it
/// reports.
pub fn fork_program(spawn: Spawn, stdio: Vec<OwnedFd>, walls: &Ready) -> Result<(i32, std::fs::File, std::fs::File), Refused> {
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(Refused::at("making a pipe"));
    let (go_read, go_write) = pipe()?;
    let (report_read, report_write) = pipe()?;
    match launch::fork().map_err(Refused::at("forking"))? {
        launch::Fork::Child => {
            // Otherwise the child would hold its own release open after init's end.
            drop((go_write, report_read));
            become_program(spawn, stdio, walls, go_read.into(), report_write.into())
        }
        launch::Fork::Parent(pid) => Ok((pid.as_raw(), go_write.into(), report_read.into())),
    }
}

/// Makes an empty child: no descriptor, default signals, one task that waits for ever.
pub fn fork_seed(id: Option<i32>) -> Result<i32, Refused> {
    let forked = match id {
        Some(id) => launch::fork_with_id(id).map_err(Refused::at(format!("making a process with the id {id}")))?,
        None => launch::fork().map_err(Refused::at("forking"))?,
    };
    match forked {
        launch::Fork::Child => {
            launch::reset_signals();
            launch::close_from(0);
            launch::wait_forever()
        }
        launch::Fork::Parent(pid) => Ok(pid.as_raw()),
    }
}

/// Opens /dev/null in place of the first `count` standard descriptors of a long-lived process of ours.
pub fn null_stdio(count: i32) -> Result<(), Refused> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(Refused::io("opening /dev/null"))?;
    let fd = OwnedFd::from(null);
    for number in 0..count {
        if fd.as_raw_fd() != number {
            dup_to(&fd, number).map_err(Refused::at("setting standard descriptors"))?;
        }
    }
    if fd.as_raw_fd() < 3 {
        // One of the three was closed, and the file opened took its place: it has to stay.
        std::mem::forget(fd);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_as_execvp_does() {
        let of = |program: &str, path: Option<&str>| -> Vec<String> {
            candidates(program.as_ref(), path.map(OsStr::new)).iter().map(|p| p.display().to_string()).collect()
        };
        assert_eq!(of("a/b", Some("/bin")), ["a/b"]);
        assert_eq!(of("ls", Some("/x::/bin")), ["/x/ls", "./ls", "/bin/ls"]);
        assert!(of("ls", None).contains(&"/usr/bin/ls".to_owned()));
        assert!(of("", Some("/bin")).is_empty());
    }
}
