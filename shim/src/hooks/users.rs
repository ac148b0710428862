//! Changing user. A process that gives up root would find the pod's table closed to it at its next exec: the table is its
//! owner's alone. So just before, while it still may, it adds the new user to the table's access list (acl(5)), and to those of
//! the directories that it is in.

use libc::{c_int, uid_t};

use autopod_namespace::admit;

use crate::init::pod;
use crate::sys::call::{call, syscall};
use crate::sys::next::next;

/// Before a change of user to one of these; -1 stands for no change.
#[inline]
pub fn before(users: &[uid_t]) {
    // SAFETY: no arguments.
    let Some(table) = pod().filter(|_| unsafe { call!(libc::SYS_geteuid) } == 0) else { return };
    for user in users.iter().filter(|user| **user != 0 && **user != uid_t::MAX) {
        // SAFETY: `admit` asks for calls on its own memory only.
        admit(table, *user, &|number, [a, b, c, d, e]| unsafe { syscall(number, [a, b, c, d, e, 0]) });
    }
}

macro_rules! changing_user {
    ($($text:literal $name:ident($($user:ident),*);)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name($($user: uid_t),*) -> c_int {
            before(&[$($user),*]);
            // SAFETY: no memory is touched.
            unsafe { next!($text, fn($(changing_user!(@ $user)),*) -> c_int)($($user),*) }
        }
    )*};
    (@ $user:ident) => { uid_t };
}

changing_user! {
    "setuid" setuid(user);
    "seteuid" seteuid(user);
    "setreuid" setreuid(real, effective);
    "setresuid" setresuid(real, effective, saved);
}
