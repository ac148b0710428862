//! How init makes a tree the root of the pod's mount namespace: mounts it at a place nobody else sees, furnishes it, and turns there
//! (pivot_root(2)). What was the root before is gone from the namespace, so nothing leads back.
//!
//! Every place in the tree is found by a descriptor, resolved within the tree (openat2(2), RESOLVE_IN_ROOT): a link in a tree that
//! somebody else has made must not lead a mount to the host.
use super::gathered::open_fuse;
use super::{Kind, View};
use crate::pod::namespaces::Refused;
use autopod_fuse_barrier::keeper::Plan;
use autopod_fuse_barrier::rules::{Point, Rule};
use autopod_fuse_barrier::sys;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where in the pod what is ours is found.
pub const OURS: &str = "/dev/.autopod";
/// The devices of a pod, beside its terminals.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const NONE: Option<&str> = None;

/// What init needs to know to build a view.
#[derive(Debug, Clone)]
pub struct Place {
    /// What is asked for.
    pub view: View,
    /// Paths of the pod that are hidden if they are there: they are ours.
    pub ours: Vec<PathBuf>,
    /// A directory of ours in which `root`, `empty`, `upper` and `work` are.
    pub directory: PathBuf,
    /// The log of the pod's programs.
    pub log: PathBuf,
    /// The preloaded library, if it shall be found in the tree.
    pub shim: Option<PathBuf>,
    /// Of a pod with user ids of its own: the device, opened while that was allowed,
    pub device: Option<Rc<OwnedFd>>,
    /// and the directory by which the paths above lead.
    pub held: Option<Rc<OwnedFd>>,
}

/// A view that is mounted and waits to be served: its plan and descriptors.
#[derive(Debug)]
pub struct Unserved {
    /// What the server is told.
    pub plan: Plan,
    /// /dev/fuse, the tree, memory for who serves, and what is bound into it.
    pub descriptors: Vec<OwnedFd>,
}

impl Place {
    /// Makes what must be there before init is started. Called outside of the pod.
    pub fn prepare(&self) -> std::io::Result<()> {
        let directory = |name: &str| std::fs::create_dir_all(self.directory.join(name));
        self.prepare_own()?;
        directory("gathered")?;
        if self.view.cow {
            directory("work")?;
            let upper = self.directory.join("upper");
            if !upper.exists() {
                // it is the pod's root directory, and under another name until it looks like it
                directory("upper.new")?;
                let new = self.directory.join("upper.new");
                let from = std::fs::metadata(&self.view.root)?;
                std::fs::set_permissions(&new, from.permissions())?;
                std::fs::rename(new, upper)?;
            }
        }
        std::fs::OpenOptions::new().append(true).create(true).open(&self.log).map(drop)
    }

    /// What is in the directory in any case.
    pub(super) fn prepare_own(&self) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let directory = |name: &str| std::fs::create_dir_all(self.directory.join(name));
        directory("root")?;
        directory("empty")?;
        let nothing = self.directory.join("nothing");
        if !nothing.exists() {
            std::fs::write(&nothing, [])?;
            std::fs::set_permissions(&nothing, std::fs::Permissions::from_mode(0o0))?;
        }
        std::fs::set_permissions(self.directory.join("empty"), std::fs::Permissions::from_mode(0o755))?;
        if let Some(preload) = self.preload() {
            std::fs::write(&preload, format!("{OURS}/libautopod_shim.so\n"))?;
            std::fs::set_permissions(&preload, std::fs::Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    /// Descriptors that must stay open until the view is entered.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [&self.device, &self.held].into_iter().flatten().map(|fd| fd.as_fd())
    }

    /// The file that has the dynamic linker load the shim whatever a program's environment says (ld.so(8)).
    fn preload(&self) -> Option<PathBuf> {
        self.shim.as_ref().map(|_| self.directory.join("ld.so.preload"))
    }

    fn staging(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Mounts the tree; what is to be served, if it is a FUSE one.
    pub fn mount(&self) -> Result<Option<Unserved>, Refused> {
        // In a user namespace the tree is a slave already, and must not become less.
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE).map_err(Refused::at("separating the mounts"))?;
        if self.view.cow {
            self.mount_overlay(&self.staging())?;
        }
        match self.view.kind {
            Kind::Bind => self.bind_tree().map(|()| None),
            Kind::Fuse => self.mount_fuse().map(Some),
        }
    }

    pub(super) fn mount_overlay(&self, at: &Path) -> Result<(), Refused> {
        let (upper, work) = (self.directory.join("upper"), self.directory.join("work"));
        let (lower, upper, work) = (self.view.root.display(), upper.display(), work.display());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        if options.contains(['\\', ':']) || options.matches(',').count() != 2 {
            return Err(Refused {
                doing: format!("stacking a directory on {lower} (its path has a comma, colon or backslash)"),
                errno: libc::EINVAL,
            });
        }
        // Without privilege outside, attributes of the system cannot be set. With it the same on every kernel, whatever it was built for: directories of the tree can be renamed; files that are changed are
        // copied as a whole; nothing but the upper directory says what was changed.
        let private = match nix::unistd::geteuid().is_root() {
            true => ",redirect_dir=on,metacopy=off,index=off",
            false => ",userxattr",
        };
        let options = options + private;
        mount(Some("overlay"), at, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .map_err(Refused::at(format!("stacking a directory that takes the changes on {lower} (overlayfs)")))
    }

    fn tree(&self) -> Result<OwnedFd, Refused> {
        match self.view.cow {
            false => host_tree(&self.view.root),
            true => {
                let tree = host_tree(&self.staging())?;
                umount2(&self.staging(), MntFlags::MNT_DETACH).map_err(Refused::at("taking the stack into use"))?;
                Ok(tree)
            }
        }
    }

    fn mount_fuse(&self) -> Result<Unserved, Refused> {
        let tree = self.tree()?;
        let device = match &self.device {
            Some(device) => device.try_clone().map_err(Refused::io("holding /dev/fuse"))?,
            None => open_fuse()?,
        };
        let options = format!(
            "fd={},rootmode=40000,user_id={},group_id={},default_permissions,allow_other",
            device.as_raw_fd(),
            nix::unistd::geteuid(),
            nix::unistd::getegid()
        );
        mount(Some("autopod"), &self.staging(), Some("fuse.autopod"), MsFlags::MS_NODEV, Some(options.as_str()))
            .map_err(Refused::at("mounting the view"))?;
        let mut points = Vec::new();
        let memory = sys::memory().map_err(Refused::io("making the view's memory"))?;
        let mut descriptors = vec![device, tree, memory];
        let mut bind = |target: &Path, source: OwnedFd, read_only: bool, points: &mut Vec<Point>| {
            descriptors.push(source);
            let rule = Rule::Bind { source: descriptors.len() - 4, read_only };
            points.push(Point { path: target.to_owned(), rule });
        };
        let view = &self.view;
        points.extend(view.hide.iter().map(|path| Point { path: path.clone(), rule: Rule::Hide }));
        points.extend(self.ours.iter().map(|path| Point { path: path.clone(), rule: Rule::Cover }));
        points.extend(view.read_only.iter().map(|path| Point { path: path.clone(), rule: Rule::ReadOnly }));
        for wanted in &view.binds {
            bind(&wanted.target, host_tree(&wanted.source)?, wanted.read_only, &mut points);
        }
        let root = host_tree(&self.view.root)?;
        for missing in ["proc", "dev", "tmp"].into_iter().filter(|name| *name != "tmp" || view.private_tmp) {
            if within(root.as_fd(), Path::new(missing)).is_err() {
                bind(&Path::new("/").join(missing), host_tree(&self.directory.join("empty"))?, true, &mut points);
            }
        }
        if let Some(preload) = self.preload().filter(|_| within(root.as_fd(), Path::new("etc")).is_ok()) {
            bind(Path::new("/etc/ld.so.preload"), host_tree(&preload)?, true, &mut points);
        }
        Ok(Unserved { plan: Plan { points, ..Plan::default() }, descriptors })
    }

    fn bind_tree(&self) -> Result<(), Refused> {
        let staging = self.staging();
        if !self.view.cow {
            let from = Some(&self.view.root);
            mount(from, &staging, NONE, MsFlags::MS_BIND, NONE)
                // mounts below it that are locked to it in a user namespace
                .or_else(|_| mount(from, &staging, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))
                .map_err(Refused::at(format!("binding {}", self.view.root.display())))?;
        }
        let root = open(&staging)?;
        for bind in &self.view.binds {
            bind_at(root.as_fd(), &bind.source, &bind.target, bind.read_only)?;
        }
        for path in &self.view.read_only {
            let here = at(root.as_fd(), path)?;
            let source = PathBuf::from(format!("/proc/self/fd/{}", here.as_raw_fd()));
            bind_at(root.as_fd(), &source, path, true)?;
        }
        for path in self.view.hide.iter().chain(&self.ours) {
            let Ok(there) = within(root.as_fd(), path) else { continue };
            let directory = is_directory(there.as_fd());
            let cover = self.directory.join(if directory { "empty" } else { "nothing" });
            bind_at(root.as_fd(), &cover, path, true)?;
        }
        let glibc = within(root.as_fd(), Path::new("etc/ld.so.preload")).is_ok();
        match self.preload().filter(|_| glibc) {
            Some(preload) => bind_at(root.as_fd(), &preload, Path::new("/etc/ld.so.preload"), true),
            None => Ok(()),
        }
    }

    /// Mounts what every pod has in its tree, and makes that the root. A FUSE view must be served by now.
    pub fn enter(&self) -> Result<(), Refused> {
        let staging = self.staging();
        let root = open(&staging)?;
        let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount_at(root.as_fd(), "proc", "proc", plain, None)?;
        // programs of ours are executed from there
        mount_at(root.as_fd(), "dev", "tmpfs", MsFlags::MS_NOSUID, Some("mode=0755"))?;
        self.furnish_devices(root.as_fd())?;
        if within(root.as_fd(), Path::new("sys")).is_ok() {
            mount_at(root.as_fd(), "sys", "tmpfs", plain | MsFlags::MS_RDONLY, Some("mode=0555"))?;
        }
        if self.view.private_tmp {
            mount_at(root.as_fd(), "tmp", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=1777"))?;
        }
        std::env::set_current_dir(&staging).map_err(Refused::io("entering the view"))?;
        nix::unistd::pivot_root(".", ".").map_err(Refused::at("making the view the root"))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(Refused::at("letting go of the old root"))?;
        std::env::set_current_dir("/").map_err(Refused::io("entering the new root"))
    }

    fn furnish_devices(&self, root: BorrowedFd<'_>) -> Result<(), Refused> {
        let dev = at(root, Path::new("dev"))?;
        let path = |name: &str| format!("/proc/self/fd/{}/{name}", dev.as_raw_fd());
        let refused = |name: &str| Refused::io(format!("making /dev/{name}"));
        for name in DEVICES {
            std::fs::write(path(name), []).map_err(refused(name))?;
            bind_at(root, &Path::new("/dev").join(name), &Path::new("/dev").join(name), false)?;
        }
        let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx")];
        for (name, target) in links {
            std::os::unix::fs::symlink(target, path(name)).map_err(refused(name))?;
        }
        for name in ["pts", "shm", "mqueue", ".autopod"] {
            std::fs::create_dir(path(name)).map_err(refused(name))?;
        }
        let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        let terminals = "newinstance,ptmxmode=0666,mode=0620";
        let with_group = format!("{terminals},gid=5");
        // the group tty is not known in every user namespace
        mount_at(root, "dev/pts", "devpts", quiet, Some(with_group.as_str()))
            .or_else(|_| mount_at(root, "dev/pts", "devpts", quiet, Some(terminals)))?;
        mount_at(root, "dev/shm", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=1777"))?;
        mount_at(root, "dev/mqueue", "mqueue", quiet | MsFlags::MS_NODEV, None)?;
        let ours = |name: &str| Path::new(OURS).join(name);
        let files = [(Some(&self.log), "log", false), (self.shim.as_ref(), "libautopod_shim.so", true)];
        for (source, name, read_only) in files {
            let Some(source) = source else { continue };
            std::fs::write(path(&format!(".autopod/{name}")), []).map_err(refused(name))?;
            bind_at(root, source, &ours(name), read_only)?;
        }
        Ok(())
    }
}

pub(super) fn c_path(path: &Path) -> Result<CString, Refused> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Refused { doing: format!("naming {}", path.display()), errno: libc::EINVAL })
}

fn open(path: &Path) -> Result<OwnedFd, Refused> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    sys::open_at(nix::fcntl::AT_FDCWD, &c_path(path)?, flags, 0).map_err(Refused::at(format!("opening {}", path.display())))
}

/// A tree of the host's, without what is mounted below it where we may separate that.
fn host_tree(path: &Path) -> Result<OwnedFd, Refused> {
    let name = c_path(path)?;
    sys::clone_tree(&name)
        .or_else(|_| sys::open_at(nix::fcntl::AT_FDCWD, &name, libc::O_PATH, 0))
        .map_err(Refused::at(format!("opening {}", path.display())))
}

/// A path of the pod, as the pod would find it.
fn within(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let name = CString::new(relative.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    sys::open_at2(root, &name, libc::O_PATH, libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS)
}

fn at(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Refused> {
    within(root, path).map_err(Refused::at(format!("finding {} in the pod's tree", path.display())))
}

fn is_directory(fd: BorrowedFd<'_>) -> bool {
    sys::stat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

fn mount_at(root: BorrowedFd<'_>, path: &str, kind: &str, flags: MsFlags, options: Option<&str>) -> Result<(), Refused> {
    let target = within(root, Path::new(path)).map_err(Refused::at(format!(
        "finding /{path} in the pod's tree, where something is to be mounted (make it, or use --view fuse)"
    )))?;
    let target = format!("/proc/self/fd/{}", target.as_raw_fd());
    mount(Some(kind), target.as_str(), Some(kind), flags, options).map_err(Refused::at(format!("mounting /{path}")))
}

fn bind_at(root: BorrowedFd<'_>, source: &Path, path: &Path, read_only: bool) -> Result<(), Refused> {
    let target = at(root, path)?;
    let target = format!("/proc/self/fd/{}", target.as_raw_fd());
    let refused = || Refused::at(format!("binding {} at {}", source.display(), path.display()));
    mount(Some(source), target.as_str(), NONE, MsFlags::MS_BIND, NONE)
        .or_else(|_| mount(Some(source), target.as_str(), NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE))
        .map_err(refused())?;
    if read_only {
        // what was there before is hidden by now: the path leads to the mount
        sys::set_read_only(at(root, path)?.as_fd()).map_err(refused())?;
    }
    Ok(())
}
