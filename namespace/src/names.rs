//! The pod's other names: host name, domain name, clocks, and the names of its POSIX objects.

use core::sync::atomic::{AtomicU8, Ordering::*};

use crate::path::PathText;
use crate::table::{Table, read_text, write_text};

/// A clock that continues over a restart. The others are the host's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// CLOCK_MONOTONIC, and with it CLOCK_MONOTONIC_RAW and CLOCK_MONOTONIC_COARSE (as in time namespaces, time_namespaces(7)).
    Monotonic,
    /// CLOCK_BOOTTIME and CLOCK_BOOTTIME_ALARM.
    Boottime,
}

pub type Text = PathText;

/// The longest name of a POSIX object in a pod: NAME_MAX, less the pod's prefix and the "sem." that libc puts before it.
pub const POSIX_NAME_MAX: usize = 255 - PREFIX_LEN - 4;

const PREFIX: &[u8] = b"autopod-";
const PREFIX_LEN: usize = PREFIX.len() + 16 + 1;

impl Table {
    /// Nanoseconds to add to the host's clock to get the pod's.
    #[inline]
    pub fn clock_offset(&self, clock: Clock) -> i64 {
        match clock {
            Clock::Monotonic => self.header().monotonic_offset.load(Relaxed),
            Clock::Boottime => self.header().boottime_offset.load(Relaxed),
        }
    }

    pub fn set_clock_offset(&self, clock: Clock, nanoseconds: i64) {
        match clock {
            Clock::Monotonic => self.header().monotonic_offset.store(nanoseconds, Relaxed),
            Clock::Boottime => self.header().boottime_offset.store(nanoseconds, Relaxed),
        }
    }

    pub fn hostname(&self) -> Text {
        self.uts(&self.header().hostname)
    }

    pub fn domainname(&self) -> Text {
        self.uts(&self.header().domainname)
    }

    /// False when `name` is longer than 64 bytes.
    pub fn set_hostname(&self, name: &[u8]) -> bool {
        self.set_uts(&self.header().hostname, name)
    }

    /// False when `name` is longer than 64 bytes.
    pub fn set_domainname(&self, name: &[u8]) -> bool {
        self.set_uts(&self.header().domainname, name)
    }

    /// A writer makes the sequence odd while it writes. Readers retry, but not for ever: a writer may have been killed
    /// half way, and a mixed name is better than a hang.
    fn uts(&self, field: &[AtomicU8]) -> Text {
        let sequence = &self.header().uts_sequence;
        for _ in 0..1000 {
            let before = sequence.load(Acquire);
            let text = read_text(field);
            core::sync::atomic::fence(Acquire);
            if before % 2 == 0 && sequence.load(Relaxed) == before {
                return text;
            }
        }
        read_text(field)
    }

    fn set_uts(&self, field: &[AtomicU8], name: &[u8]) -> bool {
        let sequence = &self.header().uts_sequence;
        let before = sequence.load(Relaxed) & !1;
        sequence.store(before + 1, Relaxed);
        core::sync::atomic::fence(Release);
        let fits = write_text(field, name);
        sequence.store(before.wrapping_add(2), Release);
        fits
    }

    /// The host's name for the POSIX shared memory, semaphore or message queue that the pod calls `name`, both without
    /// the leading slash. For a semaphore, libc puts "sem." before it in /dev/shm. `None` when it is too long.
    pub fn host_posix_name(&self, name: &[u8]) -> Option<Text> {
        let mut text = self.posix_prefix();
        (name.len() <= POSIX_NAME_MAX && text.push(name)).then_some(text)
    }

    /// The pod's name for a POSIX object of the host, or `None` when the object is not this pod's.
    pub fn virtual_posix_name<'a>(&self, host: &'a [u8]) -> Option<&'a [u8]> {
        host.strip_prefix(self.posix_prefix().as_bytes())
    }

    /// `autopod-`, the pod's id in 16 hexadecimal digits, `-`.
    pub fn posix_prefix(&self) -> Text {
        let mut text = Text::new();
        text.push(PREFIX);
        let id = self.pod_id();
        for digit in (0..16).rev() {
            text.push(&[b"0123456789abcdef"[(id >> (digit * 4)) as usize & 15]]);
        }
        text.push(b"-");
        text
    }
}
