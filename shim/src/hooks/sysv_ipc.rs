//! System V IPC. The kernel sees this pod's keys through a permutation of its own (namespace/src/ipc.rs), and ids in the
//! table tell its objects from all others.

use core::ffi::c_void;

use libc::{c_int, c_long, key_t, msqid_ds, semid_ds, shmid_ds, size_t, ssize_t, timespec};

use autopod_namespace::{HostIpc, IpcKind, Table, VirtualIpc};

use crate::init::pod;
use crate::sys::call::{RESTARTED, call, cancellable, restarted, syscall};
use crate::sys::errno::result;
use crate::translate;

/// shmget(2), semget(2), msgget(2): a key for an id.
pub fn raw_get(kind: IpcKind, number: c_long, key: key_t, second: usize, third: usize) -> isize {
    let Some(table) = pod() else {
        // SAFETY: these calls touch no memory.
        return unsafe { call!(number, key, second, third) };
    };
    // SAFETY: as above.
    let host = unsafe { call!(number, table.host_key(key), second, third) };
    if host < 0 {
        return host;
    }
    match table.virtual_ipc_for(kind, HostIpc(host as i32)) {
        Some(id) => id.0 as isize,
        None => -libc::ENOSPC as isize,
    }
}

/// A call on an object, repeated with the object's new id when a restart came in between.
///
/// # Safety
/// As for the system call.
unsafe fn on(kind: IpcKind, number: c_long, mut arguments: [usize; 6]) -> isize {
    let id = arguments[0] as i32;
    let Some(table) = pod() else {
        // SAFETY: the caller's.
        let done = unsafe { syscall(number, arguments) };
        // the pod may be one of the shim's now
        // SAFETY: the caller's.
        return if done == RESTARTED { unsafe { on(kind, number, arguments) } } else { done };
    };
    loop {
        let stamp = table.stamp();
        match translate::ipc(table, kind, id) {
            Ok(host) => arguments[0] = host as usize,
            Err(errno) => return -errno as isize,
        }
        // SAFETY: the caller's.
        let done = unsafe { syscall(number, arguments) };
        if !restarted(table, stamp, done) {
            return done;
        }
    }
}

const SHM_STAT: c_int = 13;
const SHM_INFO: c_int = 14;
const SHM_STAT_ANY: c_int = 15;
const SEM_GETPID: c_int = 11;
const SEM_STAT: c_int = 18;
const SEM_INFO: c_int = 19;
const SEM_STAT_ANY: c_int = 20;
const MSG_STAT: c_int = 11;
const MSG_INFO: c_int = 12;
const MSG_STAT_ANY: c_int = 13;

/// What a *ctl command means, independent of the kind of object.
enum Command {
    /// On an object, by id.
    Object,
    /// On an object, and fills in what the object is.
    Stat,
    /// The same, by the object's index in the kernel's array; the result is the id.
    StatIndex,
    /// About the whole system.
    System,
}

/// # Safety
/// As for the system call; `names` finds the ids and key in what a stat command filled in.
unsafe fn raw_ctl(
    kind: IpcKind,
    number: c_long,
    command: Command,
    arguments: [usize; 6],
    remove: bool,
    names: impl Fn(Table),
) -> isize {
    // SAFETY: the caller's.
    unsafe {
        let (Some(table), id) = (pod(), arguments[0] as i32) else { return syscall(number, arguments) };
        match command {
            Command::System => syscall(number, arguments),
            Command::StatIndex => {
                let host = syscall(number, arguments);
                if host < 0 {
                    return host;
                }
                // The caller, who tries every index, passes over what is EINVAL.
                let Some(id) = translate::ipc_back(table, kind, host as i32) else { return -libc::EINVAL as isize };
                names(table);
                id as isize
            }
            Command::Stat | Command::Object => {
                let done = on(kind, number, arguments);
                if done >= 0 && matches!(command, Command::Stat) {
                    names(table);
                }
                // A segment that is still attached keeps its id until the last shmdt (shmctl(2)).
                if done >= 0 && remove && kind != IpcKind::Shm {
                    table.remove_ipc(kind, VirtualIpc(id));
                }
                done
            }
        }
    }
}

/// # Safety
/// As for shmctl(2).
pub unsafe fn raw_shmctl(id: c_int, command: c_int, data: *mut shmid_ds) -> isize {
    let kind = match command {
        libc::IPC_STAT => Command::Stat,
        SHM_STAT | SHM_STAT_ANY => Command::StatIndex,
        libc::IPC_INFO | SHM_INFO => Command::System,
        _ => Command::Object,
    };
    // SAFETY: the kernel filled in the caller's structure.
    let names = |table: Table| unsafe {
        (*data).shm_perm.__key = table.virtual_key((*data).shm_perm.__key);
        (*data).shm_cpid = translate::back(table, (*data).shm_cpid);
        (*data).shm_lpid = translate::back(table, (*data).shm_lpid);
    };
    // SAFETY: the caller's.
    unsafe {
        raw_ctl(
            IpcKind::Shm,
            libc::SYS_shmctl,
            kind,
            [id as usize, command as usize, data as usize, 0, 0, 0],
            command == libc::IPC_RMID,
            names,
        )
    }
}

/// # Safety
/// As for semctl(2).
pub unsafe fn raw_semctl(id: c_int, index: c_int, command: c_int, argument: usize) -> isize {
    let kind = match command {
        libc::IPC_STAT => Command::Stat,
        SEM_STAT | SEM_STAT_ANY => Command::StatIndex,
        libc::IPC_INFO | SEM_INFO => Command::System,
        _ => Command::Object,
    };
    let data = argument as *mut semid_ds;
    // SAFETY: the kernel filled in the caller's structure.
    let names = |table: Table| unsafe { (*data).sem_perm.__key = table.virtual_key((*data).sem_perm.__key) };
    let arguments = [id as usize, index as usize, command as usize, argument, 0, 0];
    // SAFETY: the caller's.
    let done = unsafe { raw_ctl(IpcKind::Sem, libc::SYS_semctl, kind, arguments, command == libc::IPC_RMID, names) };
    match pod() {
        Some(table) if command == SEM_GETPID && done > 0 => translate::back(table, done as i32) as isize,
        _ => done,
    }
}

/// # Safety
/// As for msgctl(2).
pub unsafe fn raw_msgctl(id: c_int, command: c_int, data: *mut msqid_ds) -> isize {
    let kind = match command {
        libc::IPC_STAT => Command::Stat,
        MSG_STAT | MSG_STAT_ANY => Command::StatIndex,
        libc::IPC_INFO | MSG_INFO => Command::System,
        _ => Command::Object,
    };
    // SAFETY: the kernel filled in the caller's structure.
    let names = |table: Table| unsafe {
        (*data).msg_perm.__key = table.virtual_key((*data).msg_perm.__key);
        (*data).msg_lspid = translate::back(table, (*data).msg_lspid);
        (*data).msg_lrpid = translate::back(table, (*data).msg_lrpid);
    };
    // SAFETY: the caller's.
    unsafe {
        raw_ctl(
            IpcKind::Msg,
            libc::SYS_msgctl,
            kind,
            [id as usize, command as usize, data as usize, 0, 0, 0],
            command == libc::IPC_RMID,
            names,
        )
    }
}

/// shmat(2), semop(2), semtimedop(2), msgsnd(2), msgrcv(2).
///
/// # Safety
/// As for the system call.
pub unsafe fn raw_on(number: c_long, arguments: [usize; 6]) -> isize {
    let kind = match number {
        libc::SYS_shmat => IpcKind::Shm,
        libc::SYS_semop | libc::SYS_semtimedop => IpcKind::Sem,
        _ => IpcKind::Msg,
    };
    // SAFETY: the caller's.
    unsafe { on(kind, number, arguments) }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn shmget(key: key_t, size: size_t, flags: c_int) -> c_int {
    result(raw_get(IpcKind::Shm, libc::SYS_shmget, key, size, flags as usize)) as c_int
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn semget(key: key_t, count: c_int, flags: c_int) -> c_int {
    result(raw_get(IpcKind::Sem, libc::SYS_semget, key, count as usize, flags as usize)) as c_int
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn msgget(key: key_t, flags: c_int) -> c_int {
    result(raw_get(IpcKind::Msg, libc::SYS_msgget, key, flags as usize, 0)) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn shmctl(id: c_int, command: c_int, data: *mut shmid_ds) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_shmctl(id, command, data) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn semctl(id: c_int, index: c_int, command: c_int, argument: usize) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_semctl(id, index, command, argument) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn msgctl(id: c_int, command: c_int, data: *mut msqid_ds) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_msgctl(id, command, data) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn shmat(id: c_int, address: *const c_void, flags: c_int) -> *mut c_void {
    // SAFETY: the caller's.
    result(unsafe { raw_on(libc::SYS_shmat, [id as usize, address as usize, flags as usize, 0, 0, 0]) }) as *mut c_void
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn semop(id: c_int, operations: *mut c_void, count: size_t) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_on(libc::SYS_semop, [id as usize, operations as usize, count, 0, 0, 0]) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn semtimedop(id: c_int, operations: *mut c_void, count: size_t, timeout: *const timespec) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { raw_on(libc::SYS_semtimedop, [id as usize, operations as usize, count, timeout as usize, 0, 0]) }) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn msgsnd(id: c_int, message: *const c_void, size: size_t, flags: c_int) -> c_int {
    // SAFETY: the caller's.
    result(unsafe { cancellable(|| raw_on(libc::SYS_msgsnd, [id as usize, message as usize, size, flags as usize, 0, 0])) })
        as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn msgrcv(id: c_int, message: *mut c_void, size: size_t, kind: c_long, flags: c_int) -> ssize_t {
    // SAFETY: the caller's.
    result(unsafe {
        cancellable(|| raw_on(libc::SYS_msgrcv, [id as usize, message as usize, size, kind as usize, flags as usize, 0]))
    })
}
