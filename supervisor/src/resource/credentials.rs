//! Users, groups, capabilities, securebits, no_new_privs (credentials(7), capabilities(7)). The kernel keeps them per task.
use super::{Capture, Context, Error, Nascent, Result, Vpid};
use crate::needs::Need;
use crate::proc::Proc;
use crate::tracee::Call;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The credentials of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsRecord {
    pub task: Vpid,
    pub process: Vpid,
    /// real, effective, saved, file system
    pub users: [u32; 4],
    pub groups: [u32; 4],
    pub supplementary: Vec<u32>,
    pub inheritable: u64,
    pub permitted: u64,
    pub effective: u64,
    pub bounding: u64,
    pub ambient: u64,
    pub securebits: u64,
    pub no_new_privs: bool,
}

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const PR_GET_SECUREBITS: u64 = 27;
const PR_SET_SECUREBITS: u64 = 28;
const PR_CAPBSET_DROP: u64 = 24;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_CAP_AMBIENT: u64 = 47;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

pub fn capture(cx: &mut Capture) -> Result<()> {
    let mut records = Vec::new();
    for process in cx.processes.iter_mut().filter(|process| !process.zombie) {
        let title = process.title();
        let vpid = process.vpid;
        let Some(injector) = process.injector.clone() else { continue };
        for task in &mut process.tasks {
            let Some(stopped) = task.stopped.as_mut() else { continue };
            let bits = injector
                .call(stopped, libc::SYS_prctl, [PR_GET_SECUREBITS])
                .doing(|| format!("read the securebits of {title}"))?;
            let status = &task.status;
            records.push(CredentialsRecord {
                task: task.vtid,
                process: vpid,
                users: status.uids,
                groups: status.gids,
                supplementary: status.groups.clone(),
                inheritable: status.cap_inheritable,
                permitted: status.cap_permitted,
                effective: status.cap_effective,
                bounding: status.cap_bounding,
                ambient: status.cap_ambient,
                securebits: bits as u64,
                no_new_privs: status.no_new_privs,
            });
        }
    }
    cx.section("credentials", &records)
}

/// The users and groups of the programs, and whether we may become them.
pub fn needs(records: &[CredentialsRecord], proc: &Proc) -> Result<Vec<Need>> {
    let own = crate::sys::process::own_pid();
    let status = proc.status(own, own).doing(|| "read what this process may do".into())?;
    let lists: [(&'static str, &str, u32, u32, fn(&CredentialsRecord) -> [u32; 4]); 2] = [
        ("user", "uid_map", status.uids[1], CAP_SETUID, |record| record.users),
        ("group", "gid_map", status.gids[1], CAP_SETGID, |record| record.groups),
    ];
    let mut needs = Vec::new();
    for (kind, file, me, capability, ids) in lists {
        let map = proc.read_text(&format!("{own}/{file}")).doing(|| format!("read /proc/self/{file}"))?;
        let privileged = status.cap_effective >> capability & 1 == 1;
        for id in records.iter().flat_map(ids).collect::<BTreeSet<u32>>() {
            let holds = if id == me || (privileged && is_mapped(&map, id)) {
                Ok(())
            } else {
                Err(Error::NotHere(format!(
                    "a program of the pod is of {kind} {id}, which only root may give it; restart the pod as root"
                )))
            };
            needs.push(Need::new(kind, id.to_string(), holds));
        }
    }
    Ok(needs)
}

/// Whether a map of user_namespaces(7) has an id.
pub(super) fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [inside, _, count] if (inside..inside.saturating_add(count)).contains(&u64::from(id)))
    })
}

/// Gives a task that has just begun all it may have, also across execve(2): a user other than root would lose it there.
pub fn keep_capabilities(process: &mut super::NascentProcess, permitted: u64) -> Result<()> {
    let set = capability_data(permitted, permitted, permitted);
    let (header, data) = (process.write_data(0, &set[..8])?, process.write_data(8, &set[8..])?);
    let mut calls = vec![Call::new(libc::SYS_capset, [header, data])];
    calls.extend(
        (0..64).filter(|cap| permitted >> cap & 1 == 1).map(|cap| Call::new(libc::SYS_prctl, [PR_CAP_AMBIENT, 2, cap, 0, 0])),
    );
    process.sequence("keep the capabilities", &mut calls)
}

fn capability_data(effective: u64, permitted: u64, inheritable: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(32);
    let words = [CAPABILITY_VERSION_3, 0];
    let low = [effective as u32, permitted as u32, inheritable as u32];
    let high = [(effective >> 32) as u32, (permitted >> 32) as u32, (inheritable >> 32) as u32];
    words.iter().chain(&low).chain(&high).for_each(|word| data.extend_from_slice(&word.to_le_bytes()));
    data
}

/// Sets the credentials of every task: after this it can do no more than the program could.
pub fn restore(records: &[CredentialsRecord], cx: &mut Nascent) -> Result<()> {
    super::shim_names::admit(cx, records.iter().flat_map(|record| record.users));
    for record in records {
        let tid = cx.host_id(record.task)?;
        let process_id = cx.process_mut(record.process)?.pid;
        let here = cx.proc.status(process_id, tid).doing(|| format!("read the credentials of task {}", record.task))?;
        let process = cx.process_mut(record.process)?;
        let index = process.tasks.iter().position(|(vtid, _)| *vtid == record.task).unwrap_or(0);
        let mut calls = Vec::new();
        let may_set_groups = here.cap_effective >> 6 & 1 == 1;
        if here.groups != record.supplementary && may_set_groups {
            let raw: Vec<u8> = record.supplementary.iter().flat_map(|id| id.to_le_bytes()).collect();
            let at = process.write_data(4096, &raw)?;
            calls.push(Call::new(libc::SYS_setgroups, [record.supplementary.len() as u64, at]));
        }
        // securebits first as SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS: changing users must not touch capabilities
        let may_set_bits = here.cap_effective >> 8 & 1 == 1;
        if may_set_bits {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_SECUREBITS, 1 << 2 | 1 << 4]));
            calls.extend(
                (0..64)
                    .filter(|cap| here.cap_bounding >> cap & 1 == 1 && record.bounding >> cap & 1 == 0)
                    .map(|cap| Call::new(libc::SYS_prctl, [PR_CAPBSET_DROP, cap, 0, 0, 0])),
            );
        }
        let words = |ids: &[u32; 4]| [u64::from(ids[0]), u64::from(ids[1]), u64::from(ids[2])];
        if here.gids != record.groups {
            calls.push(Call::new(libc::SYS_setresgid, words(&record.groups)));
            calls.push(Call::new(libc::SYS_setfsgid, [record.groups[3].into()]));
        }
        if here.uids != record.users {
            calls.push(Call::new(libc::SYS_setresuid, words(&record.users)));
            calls.push(Call::new(libc::SYS_setfsuid, [record.users[3].into()]));
        }
        // ambient capabilities live only while they are permitted and inheritable: clear, set what is wanted last
        calls.push(Call::new(libc::SYS_prctl, [PR_CAP_AMBIENT, 4, 0, 0, 0]));
        let keep = here.cap_permitted;
        let before = capability_data(keep, keep, record.inheritable & (keep | here.cap_inheritable));
        let (header, data) = (process.write_data(0, &before[..8])?, process.write_data(8, &before[8..])?);
        calls.push(Call::new(libc::SYS_capset, [header, data]));
        calls.extend(
            (0..64)
                .filter(|cap| (record.ambient & keep & record.inheritable) >> cap & 1 == 1)
                .map(|cap| Call::new(libc::SYS_prctl, [PR_CAP_AMBIENT, 2, cap, 0, 0])),
        );
        if may_set_bits {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_SECUREBITS, record.securebits]));
        }
        if record.no_new_privs {
            calls.push(Call::new(libc::SYS_prctl, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]));
        }
        let after =
            capability_data(record.effective & keep, record.permitted & keep, record.inheritable & (keep | here.cap_inheritable));
        let (header, data) = (process.write_data(64, &after[..8])?, process.write_data(72, &after[8..])?);
        calls.push(Call::new(libc::SYS_capset, [header, data]));
        process.sequence_in(index, "set the credentials", &mut calls)?;
    }
    Ok(())
}
