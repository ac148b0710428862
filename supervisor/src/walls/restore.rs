//! The filter of a pod's walls on the processes of a restart.
use super::Walls;
use super::seccomp;
use super::table;
use crate::resource::{Error, Nascent, Result};
use crate::tracee::Call;

const SET_MODE_FILTER: u64 = 1;
/// All threads of the process at once.
const FLAG_TSYNC: u64 = 1;
const PR_SET_NO_NEW_PRIVS: u64 = 38;

/// Sets the filter in every process, below those of its own and before the credentials: a program without privilege could set none. What
/// else a restart calls in a process after this the walls allow.
pub fn restore(walls: &Walls, cx: &mut Nascent) -> Result<()> {
    if walls.filters() == 0 {
        return Ok(());
    }
    let filter: Vec<u8> = seccomp::compile(table::rows(), walls)
        .iter()
        .flat_map(|i| {
            let [low, high] = i.code.to_le_bytes();
            let [a, b, c, d] = i.value.to_le_bytes();
            [low, high, i.jump_true, i.jump_false, a, b, c, d]
        })
        .collect();
    for process in &mut cx.processes {
        let code = process.write_data(16, &filter)?;
        let mut header = ((filter.len() / 8) as u64).to_le_bytes().to_vec();
        header.extend_from_slice(&code.to_le_bytes());
        let program = process.write_data(0, &header)?;
        let mut calls = Vec::new();
        if walls.no_new_privs() {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]));
        }
        calls.push(Call::new(libc::SYS_seccomp, [SET_MODE_FILTER, FLAG_TSYNC, program]));
        process.sequence("put up the walls", &mut calls)?;
        // the id of a thread that could not follow
        if let Some(thread) = calls.last().map(|call| call.ret).filter(|ret| *ret != 0) {
            return Err(Error::Inconsistent(format!("thread {thread} of process {} has filters of its own", process.vpid)));
        }
    }
    Ok(())
}
