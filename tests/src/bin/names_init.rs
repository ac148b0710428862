//! `names_init DIR PROGRAM [ARG...]`: the least that the shim needs of a pod. Makes a namespace table in DIR, is the pod's
//! init (virtual id 1, child subreaper), runs PROGRAM with the shim and reaps until it has ended; exits as it did.
//! NAMES_WARN=1 lets programs run that the shim cannot reach; NAMES_MONOTONIC and NAMES_BOOTTIME are clock offsets in
//! seconds; NAMES_NEXT is the virtual id to go on from.

use std::ffi::CString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, exit};

use autopod_namespace::{Clock, HostId, Settings, TABLE_FILE, Table, Unreachable, VirtualId};

fn number(name: &str) -> Option<i64> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, program, rest @ ..] = &arguments[..] else {
        eprintln!("usage: names_init DIR PROGRAM [ARG...]");
        exit(2);
    };
    let path = std::path::absolute(directory).unwrap().join(TABLE_FILE);
    let name = std::path::Path::new(directory).file_name().unwrap().to_str().unwrap();
    let settings = Settings {
        pod_name: name,
        pod_id: 0,
        hostname: b"names-host",
        domainname: b"names.example",
        unreachable: if number("NAMES_WARN").is_some() { Unreachable::Warn } else { Unreachable::Refuse },
    };
    let table = Table::create(&CString::new(path.to_str().unwrap()).unwrap(), &settings).expect("table");
    table.set_clock_offset(Clock::Monotonic, number("NAMES_MONOTONIC").unwrap_or(0) * 1_000_000_000);
    table.set_clock_offset(Clock::Boottime, number("NAMES_BOOTTIME").unwrap_or(0) * 1_000_000_000);
    table.insert(VirtualId::INIT, HostId::new(std::process::id() as i32).unwrap());
    if let Some(next) = number("NAMES_NEXT") {
        table.set_next_id(VirtualId::new(next as i32).unwrap());
    }
    // SAFETY: prctl touches no memory here.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let shim = std::env::var("NAMES_SHIM").expect("NAMES_SHIM is the path of libautopod_shim.so");
    let mut command = Command::new(program);
    command.args(rest).env("LD_PRELOAD", shim).env("AUTOPOD_POD", name).env("AUTOPOD_TABLE", &path);
    command
        .env_remove("NAMES_SHIM")
        .env_remove("NAMES_WARN")
        .env_remove("NAMES_MONOTONIC")
        .env_remove("NAMES_BOOTTIME")
        .env_remove("NAMES_NEXT");
    // SAFETY: setsid and prctl are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    let child = command.spawn().expect("program").id() as i32;
    if let Some(id) = table.virtual_for_task(HostId::new(child).unwrap()) {
        table.mark_session(id);
    }
    loop {
        let mut status = 0;
        // SAFETY: wait4 writes our status.
        let reaped = unsafe { libc::wait4(-1, &mut status, 0, std::ptr::null_mut()) };
        if reaped < 0 {
            exit(3);
        }
        table.reaped(HostId::new(reaped).unwrap());
        if reaped == child {
            let status = std::process::ExitStatus::from_raw(status);
            exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        }
    }
}
