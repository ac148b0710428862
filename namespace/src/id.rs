//! The newtypes of process names. In the kernel pids, tids, process groups and sessions share one space of numbers; so
//! they do here.

use core::fmt;

/// A process, thread, group or session as the programs of the pod see it. Stable across restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct VirtualId(i32);

/// A process, thread, group or session as this host's kernel names it. Means nothing outside this host and this boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct HostId(i32);

/// Ids are below the kernel's PID_MAX_LIMIT on 64 bit, 4 * 1024 * 1024 (include/linux/threads.h).
pub(crate) const ID_SPACE: usize = 4 << 20;

macro_rules! id {
    ($name:ident) => {
        impl $name {
            /// `None` unless `raw` is a number that the kernel could give to a task: 1 up to PID_MAX_LIMIT - 1.
            #[inline]
            pub const fn new(raw: i32) -> Option<$name> {
                if raw > 0 && (raw as usize) < ID_SPACE { Some($name(raw)) } else { None }
            }

            #[inline]
            pub const fn raw(self) -> i32 {
                self.0
            }

            #[inline]
            pub(crate) const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(VirtualId);
id!(HostId);

impl VirtualId {
    /// The pod's init, parent of all its orphans.
    pub const INIT: VirtualId = VirtualId(1);
}
