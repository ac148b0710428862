//! Keyrings (keyrings(7)). Keys are secrets of this kernel, often not readable even for their owner: a program that keeps any in keyrings
//! of its own is refused.
use super::{Capture, CapturedProcess, Error, Result};
use crate::tracee::{Call, Injector, Stopped};

const GET_KEYRING_ID: u64 = 0;
const DESCRIBE: u64 = 6;
const READ: u64 = 11;
/// Thread, process, session: KEY_SPEC_ constants.
const KINDS: [(i64, &str); 3] = [(-1, "thread"), (-2, "process"), (-3, "session")];

/// Refuses processes whose tasks hold keys.
pub fn refuse(cx: &mut Capture) -> Result<()> {
    let login = crate::sys::process::session_keyring();
    for process in cx.processes.iter_mut().filter(|process| !process.zombie) {
        refuse_in(process, login)?;
    }
    Ok(())
}

/// `login` is the session keyring in which the pod itself runs: what it holds is the user's, not the program's.
fn refuse_in(process: &mut CapturedProcess, login: Option<i32>) -> Result<()> {
    let title = process.title();
    let Some(injector) = process.injector.clone() else { return Ok(()) };
    for task in process.tasks.iter_mut().filter_map(|task| task.stopped.as_mut()) {
        let mut calls = KINDS.map(|(kind, _)| Call::new(libc::SYS_keyctl, [GET_KEYRING_ID, kind as u64, 0]));
        ask(&injector, task, &mut calls, &title)?;
        for (call, (_, kind)) in calls.iter().zip(KINDS) {
            // without one, or without keys in the kernel, the call fails
            let Ok(id) = call.result() else { continue };
            if kind == "session" && login == Some(id as i32) {
                continue;
            }
            if let Some(key) = first_key(&injector, task, id as u64, &title)? {
                return Err(Error::Refused {
                    object: title,
                    reason: format!("its {kind} keyring holds the key \"{key}\", which is in this kernel only"),
                    way_out: "let the program remove its keys (keyctl(2)) first".into(),
                });
            }
        }
    }
    Ok(())
}

fn ask(injector: &Injector, task: &mut Stopped, calls: &mut [Call], title: &str) -> Result<()> {
    injector.batch(task, calls).map_err(|source| Error::Tracee { what: format!("read the keyrings of {title}"), source })
}

/// What a keyring holds beside the keyrings that the kernel itself links there for a login.
fn first_key(injector: &Injector, task: &mut Stopped, keyring: u64, title: &str) -> Result<Option<String>> {
    const ROOM: usize = 4096;
    let at = injector.data(0);
    let mut calls = [Call::new(libc::SYS_keyctl, [READ, keyring, at, ROOM as u64])];
    ask(injector, task, &mut calls, title)?;
    let length = match calls[0].result() {
        Ok(length) => (length as usize).min(ROOM),
        Err(error) => return Ok(Some(format!("(not to be read: {error})"))),
    };
    let memory = |source| Error::Tracee { what: format!("read the keyrings of {title}"), source };
    let mut ids = vec![0; length];
    task.read(at, &mut ids).map_err(memory)?;
    for id in ids.chunks_exact(4) {
        let id = u32::from_le_bytes(id.try_into().expect("four bytes"));
        let mut calls = [Call::new(libc::SYS_keyctl, [DESCRIBE, id.into(), at, 512])];
        ask(injector, task, &mut calls, title)?;
        let Ok(length) = calls[0].result() else { return Ok(Some(format!("{id:x}"))) };
        let mut text = vec![0; (length as usize).min(512)];
        task.read(at, &mut text).map_err(memory)?;
        let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_string();
        // type;uid;gid;permissions;description
        let description = text.splitn(5, ';').nth(4).unwrap_or(&text).to_string();
        if !(text.starts_with("keyring;") && description.starts_with("_uid")) {
            return Ok(Some(description));
        }
    }
    Ok(None)
}
