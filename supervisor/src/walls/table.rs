//! The table of all system calls, `system-calls.toml`: what programs may do with each, and why.
use super::{Profile, Walls};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Allowed.
    Allow,
    /// Allowed, and the kernel asks for a capability that a pod does not have.
    Unprivileged,
    /// Allowed by its arguments.
    Check,
    /// Allowed by its request, which [`super::ioctls`] lists: ioctl(2).
    Listed,
    /// Refused.
    Refuse,
}

/// Error numbers that a refusal gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Errno {
    #[default]
    #[serde(rename = "EPERM")]
    Perm,
    #[serde(rename = "ENOSYS")]
    Nosys,
    #[serde(rename = "EAFNOSUPPORT")]
    Afnosupport,
    #[serde(rename = "ENOTTY")]
    Notty,
}

impl Errno {
    /// As the kernel numbers it.
    pub fn number(self) -> i32 {
        match self {
            Self::Perm => libc::EPERM,
            Self::Nosys => libc::ENOSYS,
            Self::Afnosupport => libc::EAFNOSUPPORT,
            Self::Notty => libc::ENOTTY,
        }
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Perm => "EPERM",
            Self::Nosys => "ENOSYS",
            Self::Afnosupport => "EAFNOSUPPORT",
            Self::Notty => "ENOTTY",
        })
    }
}

/// About the lower 32 bits of one argument.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Counted from zero.
    pub argument: u32,
    /// It holds if any of these bits is set,
    pub any: Option<u32>,
    /// or if the argument is one of `values` in these bits.
    pub mask: Option<u32>,
    #[serde(default)]
    pub values: Vec<u32>,
    /// This must hold, too.
    pub and: Option<Box<Condition>>,
}

/// What one profile does about a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub action: Action,
    #[serde(default)]
    pub errno: Errno,
    #[serde(default)]
    pub allow_if: Vec<Condition>,
    #[serde(default)]
    pub refuse_if: Vec<Condition>,
}

/// A row as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    number: u32,
    action: Action,
    #[serde(default)]
    errno: Errno,
    #[serde(default)]
    allow_if: Vec<Condition>,
    #[serde(default)]
    refuse_if: Vec<Condition>,
    strict: Option<Rule>,
    option: Option<String>,
    reason: String,
}

/// One system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// Its number on x86-64.
    pub number: u32,
    pub rule: Rule,
    /// What the profile `strict` does instead.
    pub strict: Option<Rule>,
    /// The option of `autopod add` that allows it.
    pub option: Option<String>,
    /// Why.
    pub reason: String,
}

impl Row {
    /// The rule for a pod.
    pub fn rule_for(&self, walls: &Walls) -> Rule {
        if self.option.as_deref() == Some("io_uring") && walls.io_uring {
            return Rule { action: Action::Allow, errno: Errno::default(), allow_if: Vec::new(), refuse_if: Vec::new() };
        }
        match &self.strict {
            Some(strict) if walls.profile == Profile::Strict => strict.clone(),
            _ => self.rule.clone(),
        }
    }
}

fn parse(text: &str) -> Result<Vec<Row>, toml::de::Error> {
    let written: BTreeMap<String, Written> = toml::from_str(text)?;
    let row = |(name, w): (String, Written)| Row {
        name,
        number: w.number,
        rule: Rule { action: w.action, errno: w.errno, allow_if: w.allow_if, refuse_if: w.refuse_if },
        strict: w.strict,
        option: w.option,
        reason: w.reason,
    };
    let mut rows: Vec<Row> = written.into_iter().map(row).collect();
    rows.sort_by_key(|row| row.number);
    Ok(rows)
}

/// All rows, by number.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| parse(include_str!("system-calls.toml")).expect("a test reads the table"))
}

#[cfg(test)]
mod tests {
    use super::super::ioctls;
    use super::*;

    fn condition(of: &Condition) -> String {
        let values = of.values.iter().map(|value| format!("{value:#x}")).collect::<Vec<_>>().join(", ");
        let first = match (of.any, of.mask) {
            (Some(bits), _) => format!("argument {} has any bit of {bits:#x}", of.argument),
            (_, Some(mask)) => format!("argument {} in the bits {mask:#x} is {values}", of.argument),
            _ => format!("argument {} is {values}", of.argument),
        };
        of.and.iter().fold(first, |first, and| format!("{first} and {}", condition(and)))
    }

    fn describe(rule: &Rule) -> String {
        let list = |conditions: &[Condition]| conditions.iter().map(condition).collect::<Vec<_>>().join("; or ");
        match rule.action {
            Action::Allow => "allowed".into(),
            Action::Unprivileged => "allowed without privilege".into(),
            Action::Refuse => format!("refused, {}", rule.errno),
            Action::Listed => {
                format!("if its request is [listed](#requests-of-ioctl), as is said there; else refused, {}", rule.errno)
            }
            Action::Check if rule.refuse_if.is_empty() => format!("allowed if {}; else {}", list(&rule.allow_if), rule.errno),
            Action::Check => format!("refused, {}, if {}; else allowed", rule.errno, list(&rule.refuse_if)),
        }
    }

    /// docs/system-calls.md.
    fn document(rows: &[Row]) -> String {
        let mut text = String::from(
            "# System calls in a pod\n\n\
             Made of `supervisor/src/walls/system-calls.toml`, for Linux on x86-64 up to 6.18. What is not in the table is refused with\n\
             ENOSYS, as are 32-bit and x32 calls. \"Allowed without privilege\" means that the kernel asks for a capability where it matters,\n\
             and a pod does not have that. Arguments are counted from zero. The profile `none` has no filter.\n\n\
             | number | call | profile default | profile strict, if it differs | why |\n|---|---|---|---|---|\n",
        );
        for row in rows {
            let option =
                row.option.as_ref().map(|option| format!("; `--{}` allows it", option.replace('_', "-"))).unwrap_or_default();
            let strict = row.strict.as_ref().map(describe).unwrap_or_default();
            let cells = [&row.number.to_string(), &row.name, &(describe(&row.rule) + &option), &strict, &row.reason];
            text.push_str(&format!("| {} | {} | {} | {} | {} |\n", cells[0], cells[1], cells[2], cells[3], cells[4]));
        }
        text.push_str(
            "\n## Requests of ioctl\n\n\
             Made of `supervisor/src/walls/ioctls.toml`: for both profiles. Only the lower 32 bits of a request are looked at, as the kernel does.\n\n\
             | request | name | what | why |\n|---|---|---|---|\n",
        );
        for request in ioctls::requests() {
            let last = request.number + request.count - 1;
            let number = match (request.any_size, request.count) {
                (true, _) => format!("{:#x}, any size", request.number),
                (_, 1) => format!("{:#x}", request.number),
                _ => format!("{:#x}-{last:#x}", request.number),
            };
            let what = match request.action {
                ioctls::Action::Allow => "allowed",
                ioctls::Action::Refuse => "refused, EPERM",
            };
            text.push_str(&format!("| {number} | {} | {what} | {} |\n", request.name, request.reason));
        }
        text
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/system-calls.md");
        let wanted = document(rows());
        if std::env::var_os("AUTOPOD_WRITE_DOCS").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == wanted, "docs/system-calls.md is not what the table says; run this test with AUTOPOD_WRITE_DOCS=1");
    }

    #[test]
    fn every_call_has_one_row_that_says_what_and_why() {
        let rows = rows();
        let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
        let expected: Vec<u32> = (0..=336).chain(424..=469).collect();
        assert_eq!(numbers, expected);
        for row in rows {
            assert!(!row.reason.is_empty(), "{}", row.name);
            assert!(row.option.as_deref().is_none_or(|option| option == "io_uring"), "{}", row.name);
            for rule in [Some(&row.rule), row.strict.as_ref()].into_iter().flatten() {
                let conditions = rule.allow_if.len() + rule.refuse_if.len();
                assert_eq!(rule.action == Action::Check, conditions > 0, "{}", row.name);
                assert!(rule.allow_if.is_empty() || rule.refuse_if.is_empty(), "{}", row.name);
                for condition in rule.allow_if.iter().chain(&rule.refuse_if) {
                    assert!(condition.argument < 6, "{}", row.name);
                    assert!(condition.any.is_some() == condition.values.is_empty(), "{}", row.name);
                    // the second argument takes the first one's place in the register
                    assert!(condition.and.is_none() || condition.values.len() == 1, "{}", row.name);
                }
            }
        }
    }

    #[test]
    fn numbers_are_those_of_this_machines_kernel_headers() {
        let name = |wanted: &str| rows().iter().find(|row| row.name == wanted).map(|row| i64::from(row.number));
        for (call, number) in [
            ("read", libc::SYS_read),
            ("ioctl", libc::SYS_ioctl),
            ("mknodat", libc::SYS_mknodat),
            ("clone3", libc::SYS_clone3),
            ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
            ("fchmodat2", libc::SYS_fchmodat2),
        ] {
            assert_eq!(name(call), Some(number), "{call}");
        }
    }

    #[test]
    fn a_row_with_an_unknown_field_is_an_error() {
        assert!(parse("read = { number = 0, action = \"allow\", reason = \"x\", allowif = [] }").is_err());
    }
}
