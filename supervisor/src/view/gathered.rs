//! A pod with user ids of its own may enter no directory of AutoPod's, nor all that lead to its tree. So what its init needs of the host is
//! gathered in one directory before the privilege is gone, in a mount namespace of which the pod gets a copy.
use super::Kind;
use super::enter::{Place, c_path};
use crate::pod::namespaces::Refused;
use autopod_fuse_barrier::sys;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const NONE: Option<&str> = None;

/// Something of the tree, as a mount that is nowhere yet.
#[derive(Debug)]
pub struct Apart {
    /// The mount.
    pub mount: OwnedFd,
    /// What it is called where things are gathered,
    name: String,
    /// and on the host.
    pub source: PathBuf,
}

impl Place {
    /// Where things are gathered: nothing is mounted there on the host.
    pub(super) fn gathering(&self) -> PathBuf {
        self.directory.join("gathered")
    }

    /// With the host's privilege, in the process that makes the pod's namespaces: enters a mount namespace, and the directory with all
    /// that the view needs.
    ///
    /// What is to be mounted as it is (`--view bind`) comes back, as mounts that still need the pod's users for their owners.
    pub fn gather(&self) -> Result<Vec<Apart>, Refused> {
        unshare(CloneFlags::CLONE_NEWNS).map_err(Refused::at("making a mount namespace"))?;
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE).map_err(Refused::at("separating the mounts"))?;
        let here = self.gathering();
        mount(Some("autopod"), &here, Some("tmpfs"), MsFlags::empty(), Some("mode=0755,size=1m"))
            .map_err(Refused::at(format!("mounting {}", here.display())))?;
        let there = Place { directory: here.clone(), ..self.clone() };
        there.prepare_own().map_err(Refused::io(format!("preparing {}", here.display())))?;
        let mut apart = Vec::new();
        if self.view.cow {
            make(&here.join("tree"), true)?;
            self.mount_overlay(&here.join("tree"))?;
        } else {
            bring(&self.view.root, &here.join("tree"))?;
        }
        let mut names = vec!["tree".to_owned()];
        for (number, wanted) in self.view.binds.iter().enumerate() {
            names.push(format!("bind{number}"));
            bring(&wanted.source, &here.join(&names[number + 1]))?;
        }
        if self.view.kind == Kind::Bind {
            let sources = [&self.view.root].into_iter().chain(self.view.binds.iter().map(|wanted| &wanted.source));
            for (name, source) in names.into_iter().zip(sources) {
                let mount = sys::clone_tree(&c_path(&here.join(&name))?);
                let mount = mount.map_err(Refused::at(format!("separating {}", source.display())))?;
                apart.push(Apart { mount, name, source: source.clone() });
            }
        }
        bring(&self.log, &here.join("log"))?;
        if let Some(shim) = &self.shim {
            bring(shim, &here.join("shim"))?;
        }
        std::env::set_current_dir(&here).map_err(Refused::io(format!("entering {}", here.display())))?;
        Ok(apart)
    }

    /// In the pod's user namespace, before its ids are taken on: opens what only the host's root may.
    pub fn open_device(&mut self) -> Result<(), Refused> {
        if self.view.kind == Kind::Fuse {
            self.device = Some(Rc::new(open_fuse()?));
        }
        Ok(())
    }

    /// The view as it is found in the pod's mount namespace, after [`Self::gather`].
    pub fn gathered(mut self, apart: Vec<Apart>) -> Result<Self, Refused> {
        // the working directory is in the copy of the mounts (unshare(2))
        let here = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let here = here.map_err(Refused::at("opening what was gathered"))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", here.as_raw_fd()));
        self.held = Some(Rc::new(here));
        for Apart { mount, name, source } in apart {
            sys::attach(mount.as_fd(), &c_path(&path.join(name))?)
                .map_err(Refused::at(format!("mounting {} with the pod's owners", source.display())))?;
        }
        self.view.root = path.join("tree");
        self.view.cow = false;
        for (number, wanted) in self.view.binds.iter_mut().enumerate() {
            wanted.source = path.join(format!("bind{number}"));
        }
        self.log = path.join("log");
        self.shim = self.shim.map(|_| path.join("shim"));
        self.directory = path;
        Ok(self)
    }
}

/// Opens the device of a FUSE mount that is to be made.
pub(super) fn open_fuse() -> Result<OwnedFd, Refused> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map(OwnedFd::from)
        .map_err(Refused::io("opening /dev/fuse (--view bind does without)"))
}

fn make(at: &Path, directory: bool) -> Result<(), Refused> {
    if directory { std::fs::create_dir(at) } else { std::fs::write(at, []) }
        .map_err(Refused::io(format!("making {}", at.display())))
}

/// Has something of the host's at a path of the gathering, without what is mounted below it where that can be separated.
fn bring(source: &Path, at: &Path) -> Result<(), Refused> {
    let meta = std::fs::metadata(source).map_err(Refused::io(format!("opening {}", source.display())))?;
    make(at, meta.is_dir())?;
    mount(Some(source), at, NONE, MsFlags::MS_BIND, NONE)
        .or_else(|_| mount(Some(source), at, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))
        .map_err(Refused::at(format!("binding {}", source.display())))
}
