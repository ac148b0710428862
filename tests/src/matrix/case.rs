//! One cell of the matrix: a program, a mode, a way of realizing names, a user.

use std::fmt;

/// What happens between a program's ready and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing, and there is no pod either: the control.
    Native,
    /// Nothing, in a pod.
    Pod,
    /// `checkpoint --leave-running`.
    Resume,
    /// A checkpoint, everything is gone, a restart.
    Restart,
    /// The same with all host ids of the program taken by others.
    Occupied,
    /// Three checkpoints and restarts in a row.
    Rounds,
    /// A restart under the other way of realizing names.
    Crossed,
    /// Two restarts as on kernels with other vdsos.
    Foreign,
}

impl Mode {
    pub const ALL: [Self; 8] =
        [Self::Native, Self::Pod, Self::Resume, Self::Restart, Self::Occupied, Self::Rounds, Self::Crossed, Self::Foreign];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Names {
    Kernel,
    Shim,
}

impl Names {
    pub const ALL: [Self; 2] = [Self::Kernel, Self::Shim];

    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Kernel => Self::Shim,
            Self::Shim => Self::Kernel,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum User {
    Root,
    Unprivileged,
}

impl User {
    pub const ALL: [Self; 2] = [Self::Root, Self::Unprivileged];
}

macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal),* }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),* })
            }
        }
        impl std::str::FromStr for $type {
            type Err = anyhow::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => anyhow::bail!(concat!("\"{}\" is none of", $(" ", $word),*), text),
                }
            }
        }
    };
}
words!(Mode { Native = "native", Pod = "pod", Resume = "resume", Restart = "restart", Occupied = "occupied", Rounds = "rounds", Crossed = "crossed", Foreign = "foreign" });
words!(Names { Kernel = "kernel", Shim = "shim" });
words!(User { Root = "root", Unprivileged = "user" });

/// One run to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Case {
    pub program: usize,
    pub mode: Mode,
    pub names: Names,
    pub user: User,
}

/// A line of `tests/programs/known-gaps`: `program mode names user reason`, `*` stands for all.
#[derive(Debug, Clone)]
pub struct Gap {
    pub fields: [String; 4],
    pub reason: String,
}

impl Gap {
    /// Parses the list; empty lines and lines that begin with # say nothing.
    pub fn parse(text: &str) -> anyhow::Result<Vec<Self>> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| {
                let mut words = line.split_whitespace();
                let mut next = || words.next().map(str::to_owned);
                let (Some(a), Some(b), Some(c), Some(d)) = (next(), next(), next(), next()) else {
                    anyhow::bail!("known-gaps: \"{line}\" is not \"program mode names user reason\"");
                };
                let reason = words.collect::<Vec<_>>().join(" ");
                if reason.is_empty() {
                    anyhow::bail!("known-gaps: \"{line}\" gives no reason");
                }
                Ok(Self { fields: [a, b, c, d], reason })
            })
            .collect()
    }

    #[must_use]
    pub fn covers(&self, program: &str, case: &Case) -> bool {
        let actual = [program.to_owned(), case.mode.to_string(), case.names.to_string(), case.user.to_string()];
        self.fields.iter().zip(&actual).all(|(want, is)| want == "*" || want.split(',').any(|w| w == is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_match_by_field_and_wildcard() {
        let gaps = Gap::parse("# none\n\nmem_x restart,rounds * user  pages are lost\n").unwrap();
        let case = Case { program: 0, mode: Mode::Rounds, names: Names::Shim, user: User::Unprivileged };
        assert!(gaps[0].covers("mem_x", &case));
        assert!(!gaps[0].covers("mem_y", &case));
        assert!(!gaps[0].covers("mem_x", &Case { user: User::Root, ..case }));
        assert!(!gaps[0].covers("mem_x", &Case { mode: Mode::Pod, ..case }));
        assert!(Gap::parse("mem_x restart * user").is_err());
    }

    #[test]
    fn words_go_both_ways() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse::<Mode>().unwrap(), mode);
        }
        assert!("nothing".parse::<Mode>().is_err());
    }
}
