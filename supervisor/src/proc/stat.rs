//! /proc/PID/stat (proc_pid_stat(5)).

/// The fields that a checkpoint needs, named as in proc_pid_stat(5). Ids are those of the /proc that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub comm: String,
    pub state: char,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    pub tty_nr: i32,
    pub tpgid: i32,
    pub flags: u32,
    pub utime: u64,
    pub stime: u64,
    pub threads: i32,
    /// Clock ticks after boot: with the pid, the identity of a process.
    pub start_time: u64,
    pub vsize: u64,
    pub rss_pages: u64,
    pub start_code: u64,
    pub end_code: u64,
    pub start_stack: u64,
    /// The signal that the parent gets when this process ends.
    pub exit_signal: i32,
    pub start_data: u64,
    pub end_data: u64,
    pub start_brk: u64,
    pub arg_start: u64,
    pub arg_end: u64,
    pub env_start: u64,
    pub env_end: u64,
    /// In the form of waitpid(2).
    pub exit_code: i32,
}

impl Stat {
    pub fn parse(text: &str) -> Option<Stat> {
        let open = text.find('(')?;
        let close = text.rfind(')')?;
        let rest: Vec<&str> = text.get(close + 1..)?.split_ascii_whitespace().collect();
        // rest[0] is field 3 of proc_pid_stat(5)
        let field = |number: usize| rest.get(number - 3).copied();
        let int = |number: usize| field(number).and_then(|f| f.parse::<i64>().ok()).map(|v| v as i32);
        let long = |number: usize| field(number).and_then(|f| f.parse::<u64>().ok());
        let late = |number: usize| field(number).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        Some(Stat {
            pid: text.get(..open)?.trim().parse().ok()?,
            comm: text.get(open + 1..close)?.to_string(),
            state: field(3)?.chars().next()?,
            ppid: int(4)?,
            pgrp: int(5)?,
            session: int(6)?,
            tty_nr: int(7)?,
            tpgid: int(8)?,
            flags: long(9)? as u32,
            utime: long(14)?,
            stime: long(15)?,
            threads: int(20)?,
            start_time: long(22)?,
            vsize: long(23)?,
            rss_pages: field(24)?.parse::<i64>().ok()?.max(0) as u64,
            start_code: long(26)?,
            end_code: long(27)?,
            start_stack: long(28)?,
            exit_signal: int(38)?,
            start_data: late(45),
            end_data: late(46),
            start_brk: late(47),
            arg_start: late(48),
            arg_end: late(49),
            env_start: late(50),
            env_end: late(51),
            exit_code: int(52).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comm_with_parentheses_and_spaces_does_not_shift_fields() {
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let parsed = Stat::parse(&own).unwrap();
        let close = own.rfind(')').unwrap();
        let odd = format!("{} (a) b (c{}", parsed.pid, &own[close..]);
        let again = Stat::parse(&odd).unwrap();
        assert_eq!(again.comm, "a) b (c");
        assert_eq!(Stat { comm: parsed.comm.clone(), ..again }, parsed);
        assert_eq!(parsed.pid, std::process::id() as i32);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1", "1 (x", "1 (x)", "1 (x) S", ")(", "1 )x( S 1 2 3"] {
            assert_eq!(Stat::parse(text), None, "{text:?}");
        }
    }
}
