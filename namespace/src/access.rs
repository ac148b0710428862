//! Who may open a table: its owner alone, unless users are added to the access list (acl(5)) of its file, and of the directories it is in.

use core::ffi::CStr;

use crate::path::PathText;
use crate::table::Table;

/// Issues a system call with pointers into our own memory; the result is the kernel's, an errno negated.
type Call<'a> = &'a dyn Fn(libc::c_long, [usize; 5]) -> isize;

/// One user's line, or one of the fixed ones, of an access list (include/uapi/linux/posix_acl_xattr.h).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NOBODY: u32 = u32::MAX;
const VERSION: u32 = 2;

/// More users than this in one pod are let in by the mode for everyone.
const MOST: usize = 64;

#[repr(C)]
struct List {
    version: u32,
    entries: [Entry; MOST],
}

const EMPTY: Entry = Entry { tag: 0, permissions: 0, id: NOBODY };

const READ_WRITE: u16 = 6;
const SEARCH: u16 = 1;

/// `list` with `user`, in the order that the kernel demands (tags, then ids); `None` when it is there already or does not fit.
fn with_user(list: &[Entry], user: u32, permissions: u16) -> Option<([Entry; MOST], usize)> {
    let mut new = [EMPTY; MOST];
    let mut count = 0;
    let mut push = |entry: Entry| {
        let slot = new.get_mut(count)?;
        *slot = entry;
        count += 1;
        Some(())
    };
    if list.iter().any(|entry| entry.tag == USER && entry.id == user && entry.permissions & permissions == permissions) {
        return None;
    }
    let own = Entry { tag: USER, permissions, id: user };
    let mut waiting = true;
    let mut mask = false;
    for entry in list.iter().filter(|entry| !(entry.tag == USER && entry.id == user)) {
        if waiting && (entry.tag > USER || entry.tag == USER && entry.id > user) {
            push(own)?;
            waiting = false;
        }
        if entry.tag == MASK {
            mask = true;
        } else if entry.tag == OTHER && !mask {
            push(Entry { tag: MASK, permissions, id: NOBODY })?;
        }
        let wider = if entry.tag == MASK { permissions } else { 0 };
        push(Entry { permissions: entry.permissions | wider, ..*entry })?;
    }
    Some((new, count))
}

const ATTRIBUTE: &CStr = c"system.posix_acl_access";

fn admit_to(path: &CStr, user: u32, permissions: u16, call: Call<'_>) {
    let mut list = List { version: VERSION, entries: [EMPTY; MOST] };
    // SAFETY: a stat of zeroes is valid.
    let mut state: libc::stat = unsafe { core::mem::zeroed() };
    let got =
        call(libc::SYS_getxattr, [path.as_ptr().addr(), ATTRIBUTE.as_ptr().addr(), (&raw mut list).addr(), size_of::<List>(), 0]);
    let mut count = (got.max(4) as usize - 4) / size_of::<Entry>();
    if call(libc::SYS_stat, [path.as_ptr().addr(), (&raw mut state).addr(), 0, 0, 0]) != 0 {
        return;
    }
    let mode = state.st_mode as u16;
    if mode & permissions == permissions {
        return;
    }
    if got < 0 {
        // The list that the mode stands for.
        let plain = |tag, shift: u16| Entry { tag, permissions: mode >> shift & 7, id: NOBODY };
        list.entries[..3].copy_from_slice(&[plain(USER_OBJ, 6), plain(GROUP_OBJ, 3), plain(OTHER, 0)]);
        count = 3;
    }
    let Some((entries, count)) = with_user(&list.entries[..count.min(MOST)], user, permissions) else { return };
    list = List { version: VERSION, entries };
    let len = 4 + count * size_of::<Entry>();
    if call(libc::SYS_setxattr, [path.as_ptr().addr(), ATTRIBUTE.as_ptr().addr(), (&raw const list).addr(), len, 0]) != 0 {
        // A file system without access lists.
        call(libc::SYS_chmod, [path.as_ptr().addr(), (state.st_mode & 0o7777 | u32::from(permissions)) as usize, 0, 0, 0]);
    }
}

/// Lets another user open the table: programs executed in the pod by that user. `call` issues system calls, and returns an errno negated.
///
/// For processes of the pod: the path is what the table says, and whoever has it mapped may write there. With more rights than the
/// pod, use [`admit_at`].
pub fn admit(table: Table, user: u32, call: Call<'_>) {
    let path = table.path();
    admit_at(path.as_c_str(), path.as_bytes(), user, call);
}

/// As [`admit`], for the table that is reached by `file`, in the directories of `path`.
pub fn admit_at(file: &CStr, path: &[u8], user: u32, call: Call<'_>) {
    admit_to(file, user, READ_WRITE, call);
    // The pod's directory, that of all pods, and AUTOPOD_HOME: what the supervisor made for its owner alone.
    let mut rest = path;
    for _ in 0..3 {
        let Some(end) = rest.iter().rposition(|c| *c == b'/').filter(|end| *end > 0) else { return };
        rest = &rest[..end];
        let mut directory = PathText::new();
        if directory.push(rest) {
            admit_to(directory.as_c_str(), user, SEARCH, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_user_is_added_in_order_and_once() {
        let plain = [(USER_OBJ, 6, NOBODY), (GROUP_OBJ, 0, NOBODY), (OTHER, 0, NOBODY)];
        let list: Vec<Entry> = plain.iter().map(|&(tag, permissions, id)| Entry { tag, permissions, id }).collect();
        let (one, count) = with_user(&list, 1000, 6).unwrap();
        let tags = |list: &[Entry]| list.iter().map(|e| (e.tag, e.permissions, e.id)).collect::<Vec<_>>();
        assert_eq!(
            tags(&one[..count]),
            [(USER_OBJ, 6, NOBODY), (USER, 6, 1000), (GROUP_OBJ, 0, NOBODY), (MASK, 6, NOBODY), (OTHER, 0, NOBODY)]
        );
        assert!(with_user(&one[..count], 1000, 6).is_none());
        let (two, count) = with_user(&one[..count], 33, 6).unwrap();
        assert_eq!(tags(&two[..count])[1..3], [(USER, 6, 33), (USER, 6, 1000)]);
        assert_eq!(count, 6);
    }
}
