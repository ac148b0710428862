//! /proc/PID/maps and /proc/PID/smaps (proc_pid_maps(5), proc_pid_smaps(5)).
use std::path::PathBuf;

/// One line of /proc/PID/maps, with the VmFlags of smaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    pub read: bool,
    pub write: bool,
    pub execute: bool,
    pub shared: bool,
    pub offset: u64,
    pub device: (u32, u32),
    pub inode: u64,
    /// A path, or a name in brackets, or nothing.
    pub name: PathBuf,
    /// The two-letter flags of smaps, such as `gd` for a mapping that grows down.
    pub flags: Vec<[u8; 2]>,
    /// Size of a page of this mapping, in bytes.
    pub page_size: u64,
}

impl Mapping {
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn has(&self, flag: &[u8; 2]) -> bool {
        self.flags.contains(flag)
    }

    /// The name as text, for comparisons with the kernel's own names.
    pub fn label(&self) -> &str {
        self.name.to_str().unwrap_or("")
    }

    pub fn protection(&self) -> i32 {
        let bit = |on, value| if on { value } else { 0 };
        bit(self.read, libc::PROT_READ) | bit(self.write, libc::PROT_WRITE) | bit(self.execute, libc::PROT_EXEC)
    }

    fn parse(line: &[u8]) -> Option<Mapping> {
        let mut rest = line;
        let mut next = || {
            let start = rest.iter().position(|c| *c != b' ')?;
            let end = rest[start..].iter().position(|c| *c == b' ').map_or(rest.len(), |n| start + n);
            let field = std::str::from_utf8(&rest[start..end]).ok()?;
            rest = &rest[end..];
            Some(field)
        };
        let (start, end) = next()?.split_once('-')?;
        let protection = next()?.as_bytes();
        let offset = next()?;
        let (major, minor) = next()?.split_once(':')?;
        let inode = next()?;
        let name = rest.iter().position(|c| *c != b' ').map_or(&rest[rest.len()..], |n| &rest[n..]);
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let mapping = Mapping {
            start: hex(start)?,
            end: hex(end)?,
            read: protection.first()? == &b'r',
            write: protection.get(1)? == &b'w',
            execute: protection.get(2)? == &b'x',
            shared: protection.get(3)? == &b's',
            offset: hex(offset)?,
            device: (hex(major)? as u32, hex(minor)? as u32),
            inode: inode.parse().ok()?,
            name: super::unescape(name),
            flags: Vec::new(),
            page_size: 4096,
        };
        (mapping.start < mapping.end).then_some(mapping)
    }
}

/// Parses /proc/PID/maps.
pub fn parse_maps(text: &[u8]) -> Option<Vec<Mapping>> {
    text.split(|c| *c == b'\n').filter(|line| !line.is_empty()).map(Mapping::parse).collect()
}

/// Parses /proc/PID/smaps: the lines of maps, each followed by `Key: value` lines.
pub fn parse_smaps(text: &[u8]) -> Option<Vec<Mapping>> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.split(|c| *c == b'\n').filter(|line| !line.is_empty()) {
        if !line[0].is_ascii_uppercase() {
            mappings.push(Mapping::parse(line)?);
            continue;
        }
        let current = mappings.last_mut()?;
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            current.flags = flags.split(|c| *c == b' ').filter_map(|flag| <[u8; 2]>::try_from(flag).ok()).collect();
        } else if let Some(size) = line.strip_prefix(b"KernelPageSize:") {
            let digits = std::str::from_utf8(size).ok()?.trim().trim_end_matches(" kB");
            current.page_size = digits.parse::<u64>().ok()?.checked_mul(1024)?;
        }
    }
    Some(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_smaps_of_this_process_agree() {
        let maps = parse_maps(&std::fs::read("/proc/self/maps").unwrap()).unwrap();
        let smaps = parse_smaps(&std::fs::read("/proc/self/smaps").unwrap()).unwrap();
        let stack = |list: &[Mapping]| list.iter().find(|m| m.label() == "[stack]").cloned().unwrap();
        assert!(stack(&smaps).has(b"gd"));
        assert_eq!(stack(&maps).start, stack(&smaps).start);
    }

    #[test]
    fn names_with_spaces_and_newlines_survive() {
        let line = b"7f00-7f10 r-xs 00001000 08:01 42                         /a b\\012c (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!(mapping.label(), "/a b\nc (deleted)");
        assert_eq!((mapping.inode, mapping.device, mapping.shared), (42, (8, 1), true));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [&b"x"[..], b"1-0 r--p 0 0:0 0", b"Size: 4 kB", b"0-1 r", b"0-1 r-xp 0 00 0"] {
            assert_eq!(parse_smaps(text), None);
        }
    }
}
