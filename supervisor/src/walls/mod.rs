//! The walls of a pod: what holds programs that do not want to be held. docs/threat-model.md tells which wall holds what.
//!
//! They are put up in two places. The Landlock domain ([`landlock`]) is entered by the pod's init, of which every process of the pod is a
//! child. Capabilities ([`capabilities`]) and the seccomp filter ([`seccomp`]) are each program's: init must be able to give ids to
//! processes that it makes. A restart puts them on each process, as the last thing before its own filters and credentials.
pub mod capabilities;
pub mod host;
pub mod ioctls;
pub mod kernel_files;
pub mod landlock;
pub mod limits;
pub mod own_files;
pub mod restore;
pub mod seccomp;
pub mod table;

use crate::pod::namespaces::Refused;
use crate::sys::confine;
use limits::Limits;
use own_files::OwnFiles;
use serde::{Deserialize, Serialize};

/// How strictly a pod is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What services need and no more: see docs/system-calls.md.
    Default,
    /// Also without tracing, set-user-id programs and most of root's capabilities.
    Strict,
    /// No walls but the namespaces.
    // pods of before there were walls have none
    #[default]
    None,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Strict => "strict",
            Self::None => "none",
        })
    }
}

/// Whose the users of a pod are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Uids {
    /// The host's: the pod's root is root.
    #[default]
    Host,
    /// The pod's own, which are nobody on the host.
    Private,
}

/// What of a pod's record is about its walls. The filters themselves are not kept in an image: they are made of this, by the AutoPod that
/// restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// How strictly the pod is held.
    #[serde(default)]
    pub profile: Profile,
    /// Whether io_uring is allowed.
    #[serde(default)]
    pub io_uring: bool,
    /// What it may use at most.
    #[serde(default)]
    pub limits: Limits,
    /// Whose its users are.
    #[serde(default)]
    pub uids: Uids,
}

impl Walls {
    /// How many seccomp filters each process of the pod has of these walls.
    pub fn filters(&self) -> u32 {
        (self.profile != Profile::None).into()
    }

    /// Whether programs may not gain privilege by execve(2): where there is none to gain, or none is wanted.
    pub fn no_new_privs(&self) -> bool {
        match self.profile {
            Profile::None => false,
            Profile::Default => !nix::unistd::geteuid().is_root(),
            Profile::Strict => true,
        }
    }
}

/// The walls of a pod, ready to be put up.
#[derive(Debug, Clone)]
pub struct Ready {
    walls: Walls,
    filter: seccomp::Program,
    /// What each process is limited to, as no control group can be made for it.
    each: Limits,
    hidden: OwnFiles,
}

impl Ready {
    /// Makes what takes time, before a process waits for it.
    pub fn new(walls: &Walls, hidden: OwnFiles) -> Self {
        let each = limits::without_group(&walls.limits);
        Self { walls: walls.clone(), filter: seccomp::compile(table::rows(), walls), each, hidden }
    }

    /// In init, when its mounts are made and before it makes a process. `own_mounts` tells whether it has a mount namespace, `own_tree`
    /// whether that is of a file tree of the pod's own.
    pub fn surround(&self, own_mounts: bool, own_tree: bool) -> Result<(), Refused> {
        if self.walls.profile == Profile::None {
            return Ok(());
        }
        if own_mounts {
            own_files::hide(&self.hidden)?;
            if nix::unistd::geteuid().is_root() {
                kernel_files::make_read_only()?;
            }
        }
        // the session keyring of whoever made the pod is not for it; without keyrings in the kernel there is none
        let _ = confine::new_session_keyring();
        // without privilege, a domain can be entered only so
        if self.walls.no_new_privs() {
            nix::sys::prctl::set_no_new_privs().map_err(Refused::at("giving up new privileges"))?;
        }
        landlock::enter(own_tree).map(drop).map_err(Refused::at("entering a Landlock domain"))
    }

    /// In a process that is about to become a program, while it still has init's privileges. After this it may change to the program's
    /// user.
    pub fn enter(&self) -> Result<(), Refused> {
        limits::limit_process(&self.each).map_err(Refused::at("setting the pod's limits"))?;
        if self.walls.profile == Profile::None {
            return Ok(());
        }
        if self.walls.no_new_privs() {
            nix::sys::prctl::set_no_new_privs().map_err(Refused::at("giving up new privileges"))?;
        }
        capabilities::bound(self.walls.profile).map_err(Refused::at("dropping capabilities"))?;
        confine::set_filter(&self.filter)
            .map_err(Refused::at("setting the seccomp filter of the walls (--profile none of `autopod add` does without)"))
    }

    /// The last of it, as the program's user.
    pub fn seal(&self) -> Result<(), Refused> {
        match self.walls.profile {
            Profile::None => Ok(()),
            profile => capabilities::drop_all_but(profile).map_err(Refused::at("dropping capabilities")),
        }
    }
}
