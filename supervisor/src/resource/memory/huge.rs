//! Huge pages of the kernel's pool (hugetlbpage.rst of the kernel; MAP_HUGETLB of mmap(2), MFD_HUGETLB, SHM_HUGETLB).
//!
//! They are read like any others. They can be written only through mappings, and are there only if the machine's administrator has
//! set them aside.
use super::super::{Error, Result};
use super::Section;
use nix::sys::memfd::MFdFlags;
use std::collections::BTreeMap;

/// What the kernel calls anonymous memory of huge pages in /proc/PID/maps.
pub(super) const LABEL: &str = "/anon_hugepage";

/// The size of the pages, as flags of mmap(2), shmget(2) and memfd_create(2) tell it.
fn size_bits(page: u64) -> i32 {
    const SHIFT: u32 = 26;
    (page.trailing_zeros() << SHIFT) as i32
}

pub(super) fn mmap_flags(page: u64) -> i32 {
    libc::MAP_HUGETLB | size_bits(page)
}

pub fn shmget_flags(page: u64) -> i32 {
    libc::SHM_HUGETLB | size_bits(page)
}

pub fn memfd_flags(page: Option<u64>) -> MFdFlags {
    page.map_or(MFdFlags::empty(), |page| MFdFlags::MFD_HUGETLB | MFdFlags::from_bits_retain(size_bits(page) as u32))
}

/// Refuses an image for which there are too few of them.
pub fn check(section: &Section) -> Result<()> {
    let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
    let private = section.spaces.iter().flat_map(|space| &space.mappings);
    // without a reservation they are needed only as they are used
    let private = private.filter(|map| !map.flags.iter().any(|flag| flag == "nr"));
    let private = private.filter_map(|map| Some((map.huge?, map.end - map.start)));
    let objects = section.objects.iter().filter_map(|object| Some((object.huge?, object.size)));
    for (page, len) in private.chain(objects) {
        *needed.entry(page).or_default() += len.div_ceil(page.max(1));
    }
    for (page, wanted) in needed {
        let pool = format!("/sys/kernel/mm/hugepages/hugepages-{}kB", page / 1024);
        let number = |name: &str| std::fs::read_to_string(format!("{pool}/{name}")).ok()?.trim().parse::<u64>().ok();
        let (free, reserved) = (number("free_hugepages"), number("resv_hugepages").unwrap_or(0));
        // where /sys cannot be seen, mmap(2) tells
        let Some(free) = free.map(|free| (free + number("nr_overcommit_hugepages").unwrap_or(0)).saturating_sub(reserved)) else {
            continue;
        };
        if free < wanted {
            return Err(Error::NotHere(format!(
                "the image needs {wanted} huge pages of {} kB, and {free} are free here; set more aside ({pool}/nr_hugepages)",
                page / 1024
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_tell_the_size() {
        assert_eq!(mmap_flags(2 << 20), libc::MAP_HUGETLB | libc::MAP_HUGE_2MB);
        assert_eq!(shmget_flags(1 << 30), libc::SHM_HUGETLB | libc::MAP_HUGE_1GB);
        assert_eq!(memfd_flags(None), MFdFlags::empty());
        assert!(memfd_flags(Some(2 << 20)).contains(MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB));
    }
}
