#!/usr/bin/env python3
"""What POSIX and Linux ask of a file system's names, attributes and permissions, checked in a directory given as the argument.

Run by root. Prints one line per assertion: `ok NAME` or `not ok NAME: what was seen`. tests/tests/view.rs runs it on the file system of
/tmp and over a view of the same, and compares.
"""
import errno, os, select, stat, sys, time

BASE = os.path.abspath(sys.argv[1])
USER, OTHER = (65534, 65534), (65533, 65533)
KINDS = ("file", "dir", "fifo", "symlink", "socket")
LONG = "n" * 255


def report(name, passed, seen=""):
    print(("ok " if passed else "not ok ") + name + ("" if passed else ": %s" % (seen,)), flush=True)


def outcome(call, *args, **named):
    """The value of a call, or the name of its error."""
    try:
        value = call(*args, **named)
        return "ok" if value is None else value
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def expect(name, wanted, call, *args, **named):
    seen = outcome(call, *args, **named)
    report(name, seen == wanted if not callable(wanted) else wanted(seen), seen)


def as_user(user, call, *args, groups=(), **named):
    """The same as another user, in a child."""
    def run():
        os.setgroups(list(groups))
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
        return outcome(call, *args, **named)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            seen = run()
        except BaseException as e:
            seen = repr(e)
        os.write(writer, str(seen).encode())
        os._exit(0)
    os.close(writer)
    text = b""
    while chunk := os.read(reader, 4096):
        text += chunk
    os.close(reader)
    os.waitpid(pid, 0)
    return text.decode()


def expect_as(name, user, wanted, call, *args, **named):
    seen = as_user(user, call, *args, **named)
    report(name, seen == wanted, seen)


def make(kind, path, mode=0o644):
    if kind == "file":
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    elif kind == "dir":
        os.mkdir(path, mode)
    elif kind == "fifo":
        os.mkfifo(path, mode)
    elif kind == "symlink":
        os.symlink("target", path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | mode)


def remove(path):
    os.rmdir(path) if stat.S_ISDIR(os.lstat(path).st_mode) else os.unlink(path)


def touch(path, mode=0o644, owner=None):
    make("file", path, mode)
    os.chmod(path, mode)
    if owner:
        os.chown(path, *owner)
    return path


def directory(path, mode=0o755, owner=None):
    os.mkdir(path)
    if owner:
        os.chown(path, *owner)
    os.chmod(path, mode)
    return path


def opened(path, flags, mode=0o644):
    os.close(os.open(path, flags, mode))


def times(path):
    s = os.lstat(path)
    return s.st_mtime_ns, s.st_ctime_ns


def advances(name, call, watched, which):
    """A call advances (or does not) the times of what is watched."""
    before = times(watched)
    time.sleep(0.02)
    call()
    after = times(watched)
    report(name, (after[0] > before[0], after[1] > before[1]) == which, (before, after))


def errors_of_paths():
    """Every call refuses the same bad paths the same way."""
    touch("f")
    os.symlink("loop2", "loop1")
    os.symlink("loop1", "loop2")
    calls = {
        "open": lambda p: opened(p, os.O_RDONLY), "creat": lambda p: opened(p, os.O_CREAT | os.O_WRONLY), "mkdir": os.mkdir,
        "rmdir": os.rmdir, "unlink": os.unlink, "mkfifo": os.mkfifo, "symlink": lambda p: os.symlink("x", p),
        "link to": lambda p: os.link("f", p), "link from": lambda p: os.link(p, "made"), "rename to": lambda p: os.rename("f", p),
        "rename from": lambda p: os.rename(p, "made"), "chmod": lambda p: os.chmod(p, 0o600), "chown": lambda p: os.chown(p, 0, 0),
        "lchown": lambda p: os.lchown(p, 0, 0), "truncate": lambda p: os.truncate(p, 0), "utimensat": lambda p: os.utime(p, (1, 1)),
        "stat": os.stat, "lstat": os.lstat, "access": lambda p: os.access(p, os.R_OK) or os.stat(p) and None, "readlink": os.readlink,
        "listdir": os.listdir, "statvfs": os.statvfs,
    }
    for name, call in calls.items():
        expect(name + " through a file is ENOTDIR", "ENOTDIR", call, "f/x")
        expect(name + " through nothing is ENOENT", "ENOENT", call, "missing/x")
        expect(name + " through a loop is ELOOP", "ELOOP", call, "loop1/x")
        expect(name + " of a component of 256 bytes is ENAMETOOLONG", "ENAMETOOLONG", call, "n" * 256)
        expect(name + " of a path of 4096 bytes is ENAMETOOLONG", "ENAMETOOLONG", call, "d/" * 2048 + "x")
        expect(name + " of the empty path is ENOENT", "ENOENT", call, "")
    for name in ("open", "chmod", "chown", "truncate", "utimensat", "stat", "listdir"):
        expect(name + " of a loop is ELOOP", "ELOOP", calls[name], "loop1")
    for name in ("open", "rmdir", "unlink", "link from", "rename from", "chmod", "chown", "lchown", "truncate", "stat", "lstat", "readlink"):
        expect(name + " of nothing is ENOENT", "ENOENT", calls[name], "missing")


def names():
    """Making, finding and removing names of every kind."""
    for kind in KINDS:
        expect("make a " + kind, "ok", make, kind, "a")
        expect(kind + " is of its kind", True, lambda: {"file": stat.S_ISREG, "dir": stat.S_ISDIR, "fifo": stat.S_ISFIFO,
               "symlink": stat.S_ISLNK, "socket": stat.S_ISSOCK}[kind](os.lstat("a").st_mode))
        expect(kind + " has root as its owner", (0, 0), lambda: os.lstat("a")[4:6])
        expect(kind + " is found in its directory", True, lambda: "a" in os.listdir("."))
        entry = [e for e in os.scandir(".") if e.name == "a"][0]
        report(kind + " has the same number in its directory", entry.inode() == os.lstat("a").st_ino, entry.inode())
        for again in KINDS:
            expect("make a %s where a %s is" % (again, kind), "EEXIST", make, again, "a")
        expect("rename a " + kind, "ok", os.rename, "a", LONG)
        expect(kind + " is gone from its old name", "ENOENT", os.lstat, "a")
        expect(kind + " is under a name of 255 bytes", "ok", lambda: os.lstat(LONG) and None)
        expect("unlink a " + kind, "EISDIR" if kind == "dir" else "ok", os.unlink, LONG)
        if kind == "dir":
            expect("rmdir a dir", "ok", os.rmdir, LONG)
        expect(kind + " is gone", "ENOENT", os.lstat, LONG)
        for over in KINDS:
            make(kind, "from"); make(over, "to")
            one, two = kind == "dir", over == "dir"
            wanted = "ok" if one == two else "EISDIR" if two else "ENOTDIR"
            number = os.lstat("from").st_ino
            expect("rename a %s over a %s" % (kind, over), wanted, os.rename, "from", "to")
            if wanted == "ok":
                expect("a %s over a %s is the one that was renamed" % (kind, over), number, lambda: os.lstat("to").st_ino)
            for left in ("from", "to"):
                os.path.lexists(left) and remove(left)
    expect("rmdir of a file is ENOTDIR", "ENOTDIR", lambda: (touch("f"), os.rmdir("f")))
    directory("d"); touch("d/x")
    expect("rmdir of a directory with an entry is ENOTEMPTY", lambda s: s in ("ENOTEMPTY", "EEXIST"), os.rmdir, "d")
    expect("rmdir of . is EINVAL", "EINVAL", os.rmdir, "d/.")
    expect("rmdir of .. is ENOTEMPTY", lambda s: s in ("ENOTEMPTY", "EEXIST", "EINVAL"), os.rmdir, "d/..")
    directory("e")
    expect("rename over a directory with an entry is ENOTEMPTY", lambda s: s in ("ENOTEMPTY", "EEXIST"), os.rename, "e", "d")
    directory("d/in")
    expect("rename of a directory into itself is EINVAL", "EINVAL", os.rename, "d", "d/in/x")
    expect("rename of .", lambda s: s in ("EBUSY", "EINVAL"), os.rename, "d/.", "x")
    expect("rename to itself does nothing", "ok", os.rename, "d/x", "d/x")
    for count in (1, 100, 1000):
        directory("many")
        for i in range(count):
            touch("many/%d" % i)
        expect("%d entries are listed once each" % count, sorted(map(str, range(count))), lambda: sorted(os.listdir("many")))
        for i in range(count):
            os.unlink("many/%d" % i)
        os.rmdir("many")


def links():
    touch("a"); os.mkfifo("p"); os.symlink("nowhere", "s")
    for name in ("a", "p", "s"):
        before = os.lstat(name)
        expect("link of " + name, "ok", os.link, name, "l", follow_symlinks=False)
        expect("both names of %s are one" % name, (before.st_ino, 2), lambda: (os.lstat("l").st_ino, os.lstat(name).st_nlink))
        expect("link of %s over a name is EEXIST" % name, "EEXIST", os.link, name, "l", follow_symlinks=False)
        expect("rename of one name of %s over the other does nothing" % name, "ok", os.rename, name, "l")
        expect("and both names of %s are there" % name, True, lambda: os.path.lexists(name) and os.path.lexists("l"))
        os.unlink("l")
        expect("the other name of %s is left" % name, 1, lambda: os.lstat(name).st_nlink)
    directory("d")
    expect("link of a directory is EPERM", "EPERM", os.link, "d", "l")
    os.chmod("a", 0o640); os.link("a", "b"); os.chmod("b", 0o600)
    expect("a mode is that of all names", 0o600, lambda: os.stat("a").st_mode & 0o7777)
    for size in (1, 255, 4095):
        os.symlink("x" * size, "long%d" % size)
        expect("a symlink of %d bytes is read whole" % size, size, lambda: len(os.readlink("long%d" % size)))
        expect("a symlink of %d bytes has that size" % size, size, lambda: os.lstat("long%d" % size).st_size)
    directory("deep")
    for i in range(41):
        os.symlink("deep" if i == 0 else "c%d" % (i - 1), "c%d" % i)
    expect("40 symlinks in a row are followed", "ok", lambda: os.stat("c38") and None)
    expect("more are ELOOP", "ELOOP", os.stat, "c40")
    expect("O_NOFOLLOW of a symlink is ELOOP", "ELOOP", opened, "s", os.O_RDONLY | os.O_NOFOLLOW)
    expect("subdirectories count as links", 3, lambda: (directory("deep/sub"), os.stat("deep").st_nlink)[1])


def contents():
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"0123456789")
    expect("what is written is read", b"0123456789", os.pread, fd, 100, 0)
    expect("the size is known", 10, lambda: os.stat("f").st_size)
    for size in (5, 0, 20, 1 << 20, 3):
        expect("truncate to %d" % size, size, lambda: (os.truncate("f", size), os.fstat(fd).st_size)[1])
        expect("ftruncate to %d" % (size + 1), size + 1, lambda: (os.ftruncate(fd, size + 1), os.stat("f").st_size)[1])
    os.ftruncate(fd, 0); os.pwrite(fd, b"x", 1 << 22)
    expect("a hole is zeros", b"\0" * 100, os.pread, fd, 100, 1 << 21)
    expect("a hole takes no room", True, lambda: os.fstat(fd).st_blocks < 1000)
    expect("SEEK_DATA finds what is after the hole", 1 << 22, os.lseek, fd, 0, os.SEEK_DATA)
    expect("SEEK_HOLE finds it", 0, os.lseek, fd, 0, os.SEEK_HOLE)
    expect("SEEK_DATA beyond the end is ENXIO", "ENXIO", os.lseek, fd, 1 << 23, os.SEEK_DATA)
    expect("truncate of a directory is EISDIR", "EISDIR", os.truncate, directory("d"), 0)
    expect("a negative size is EINVAL", "EINVAL", os.truncate, "f", -1)
    expect("O_APPEND writes at the end", b"abcd", lambda: append())
    expect("O_TRUNC empties", 0, lambda: (opened("f", os.O_WRONLY | os.O_TRUNC), os.fstat(fd).st_size)[1])
    expect("O_EXCL of what is there is EEXIST", "EEXIST", opened, "f", os.O_CREAT | os.O_EXCL)
    expect("O_DIRECTORY of a file is ENOTDIR", "ENOTDIR", opened, "f", os.O_DIRECTORY)
    expect("writing to a directory is EISDIR", "EISDIR", opened, "d", os.O_WRONLY)
    expect("O_CREAT of a directory is EISDIR", "EISDIR", opened, "d", os.O_CREAT | os.O_RDWR)
    os.unlink("f")
    expect("what is unlinked is read on", (0, 1), lambda: (os.fstat(fd).st_nlink, os.write(fd, b"y")))
    expect("posix_fallocate makes it longer", 1 << 16, lambda: (os.posix_fallocate(fd, 0, 1 << 16), os.fstat(fd).st_size)[1])
    other = os.open("g", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"copied", 0)
    expect("copy_file_range copies", b"copied", lambda: (os.copy_file_range(fd, other, 6, 0, 0), os.pread(other, 10, 0))[1])
    expect("extended attributes are kept", b"v", lambda: (os.setxattr("g", "user.k", b"v"), os.getxattr("g", "user.k"))[1])
    expect("they are listed", ["user.k"], os.listxattr, "g")
    expect("XATTR_CREATE of what is there is EEXIST", "EEXIST", os.setxattr, "g", "user.k", b"w", os.XATTR_CREATE)
    expect("XATTR_REPLACE of what is not is ENODATA", "ENODATA", os.setxattr, "g", "user.n", b"w", os.XATTR_REPLACE)
    expect("they are removed", "ENODATA", lambda: (os.removexattr("g", "user.k"), os.getxattr("g", "user.k")))
    os.mkfifo("p")
    expect("a fifo without a reader is ENXIO", "ENXIO", opened, "p", os.O_WRONLY | os.O_NONBLOCK)
    both = os.open("p", os.O_RDWR | os.O_NONBLOCK); os.write(both, b"in")
    expect("a fifo passes bytes", b"in", os.read, both, 10)
    expect("fsync", "ok", os.fsync, other)
    expect("fdatasync", "ok", os.fdatasync, other)
    expect("fsync of a directory", "ok", lambda: os.fsync(os.open("d", os.O_RDONLY)))


def append():
    for part in (b"ab", b"cd"):
        fd = os.open("app", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, part); os.close(fd)
    with open("app", "rb") as f:
        return f.read()


def modes_and_owners():
    os.umask(0)
    for mode in (0o000, 0o111, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777):
        for kind in ("file", "dir", "fifo", "socket"):
            make(kind, "m", mode & 0o777)
            expect("%s is made with %o" % (kind, mode & 0o777), mode & 0o777, lambda: os.lstat("m").st_mode & 0o7777)
            expect("chmod of a %s to %o" % (kind, mode), mode, lambda: (os.chmod("m", mode), os.lstat("m").st_mode & 0o7777)[1])
            remove("m")
    os.umask(0o27)
    for kind in ("file", "dir", "fifo", "socket"):
        make(kind, "m", 0o777)
        expect("the umask is taken from a " + kind, 0o750, lambda: os.lstat("m").st_mode & 0o7777)
        remove("m")
    os.umask(0o22)
    for kind in KINDS:
        make(kind, "o")
        for owner in (USER, (0, 5), (7, 0), (-1, 3), (4, -1)):
            before = os.lstat("o")
            wanted = tuple(b if o == -1 else o for o, b in zip(owner, (before.st_uid, before.st_gid)))
            expect("lchown of a %s to %s" % (kind, owner), wanted, lambda: (os.lchown("o", *owner), os.lstat("o")[4:6])[1])
        remove("o")
    touch("s")
    for mode, left in ((0o4755, 0o755), (0o2755, 0o755), (0o6755, 0o755), (0o2644, 0o2644)):
        os.chown("s", *USER); os.chmod("s", mode)
        expect("chown by root takes %o to %o" % (mode, left), left, lambda: (os.chown("s", *USER), os.stat("s").st_mode & 0o7777)[1])
        os.chmod("s", mode)
        expect_as("a write by its user takes %o to %o" % (mode, left), USER, str(left), lambda: (write("s"), os.stat("s").st_mode & 0o7777)[1])
        os.chmod("s", mode)
        expect_as("truncate by its user takes %o to %o" % (mode, left), USER, str(left),
                  lambda: (os.truncate("s", 1), os.stat("s").st_mode & 0o7777)[1])
    expect_as("the user may not give his file away", USER, "EPERM", os.chown, "s", *OTHER)
    expect_as("the user may give it to a group of his", USER, "ok", os.chown, "s", -1, 7, groups=(7,))
    expect_as("and to no other", USER, "EPERM", os.chown, "s", -1, 8, groups=(7,))
    os.chown("s", *USER)
    expect_as("chmod by another is EPERM", OTHER, "EPERM", os.chmod, "s", 0o600)
    expect_as("chown by another is EPERM", OTHER, "EPERM", os.chown, "s", -1, OTHER[1])
    expect_as("utime by another is EPERM", OTHER, "EPERM", os.utime, "s", (1, 1))
    os.chmod("s", 0o644); os.chown("s", USER[0], 9)
    expect_as("chmod takes set-group-id where the group is not one's own", USER, str(0o755),
              lambda: (os.chmod("s", 0o2755), os.stat("s").st_mode & 0o7777)[1])
    directory("g", 0o2777, (0, 7))
    for kind in ("file", "dir", "fifo", "symlink", "socket"):
        as_user(USER, make, kind, "g/x")
        expect("a %s in a set-group-id directory has its group" % kind, (USER[0], 7), lambda: os.lstat("g/x")[4:6])
        if kind == "dir":
            expect("and a directory passes it on", True, lambda: bool(os.lstat("g/x").st_mode & stat.S_ISGID))
        remove("g/x")


def write(path):
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, b"w"); os.close(fd)


def permissions():
    who = {"owner": (USER, 0o100), "group": ((1234, USER[1]), 0o010), "other": (OTHER, 0o001)}
    for name, (user, unit) in who.items():
        for bits in range(8):
            path = touch("p", bits * unit, USER)
            expect_as("%s with %o may read" % (name, bits), user, "ok" if bits & 4 else "EACCES", opened, path, os.O_RDONLY)
            expect_as("%s with %o may write" % (name, bits), user, "ok" if bits & 2 else "EACCES", opened, path, os.O_WRONLY)
            expect_as("%s with %o may both" % (name, bits), user, "ok" if bits & 6 == 6 else "EACCES", opened, path, os.O_RDWR)
            expect_as("%s with %o may execute" % (name, bits), user, str(bool(bits & 1)), os.access, path, os.X_OK)
            os.unlink(path)
            directory("pd"); touch("pd/f", 0o777); os.chown("pd", *USER); os.chmod("pd", bits * unit)
            expect_as("%s with %o may list" % (name, bits), user, "ok" if bits & 4 else "EACCES", lambda: os.listdir("pd") and None)
            expect_as("%s with %o may pass" % (name, bits), user, "ok" if bits & 1 else "EACCES", opened, "pd/f", os.O_RDONLY)
            expect_as("%s with %o may make" % (name, bits), user, "ok" if bits & 3 == 3 else "EACCES", make, "file", "pd/new")
            expect_as("%s with %o may rename" % (name, bits), user, "ok" if bits & 3 == 3 else "EACCES", os.rename, "pd/f", "pd/g")
            expect_as("%s with %o may remove" % (name, bits), user, "ok" if bits & 3 == 3 else "EACCES", os.unlink,
                      "pd/g" if bits & 3 == 3 else "pd/f")
            os.chmod("pd", 0o700)
            for left in os.listdir("pd"):
                os.unlink("pd/" + left)
            os.rmdir("pd")
    directory("sticky", 0o1777)
    for mine, maker, wanted in (("his own", USER, "ok"), ("another's", OTHER, "EPERM")):
        for kind in KINDS:
            as_user(maker, make, kind, "sticky/x")
            expect_as("rename of %s %s in a sticky directory" % (mine, kind), USER, wanted, os.rename, "sticky/x", "sticky/y")
            os.path.lexists("sticky/y") or os.rename("sticky/x", "sticky/y")
            gone = os.rmdir if kind == "dir" else os.unlink
            expect_as("removal of %s %s in a sticky directory" % (mine, kind), USER, wanted, gone, "sticky/y")
            os.path.lexists("sticky/y") and remove("sticky/y")
    as_user(OTHER, make, "file", "sticky/t"); as_user(USER, make, "file", "sticky/s")
    expect_as("rename over another's file in a sticky directory", USER, "EPERM", os.rename, "sticky/s", "sticky/t")
    touch("r", 0o600)
    expect("root reads what nobody may", "ok", lambda: (os.chmod("r", 0), opened("r", os.O_RDWR))[1])
    expect("root does not execute what nobody may", False, os.access, "r", os.X_OK)


def times_of_things():
    touch("t")
    for second in (0, 1, 2**31 - 1, 2**31 + 5):
        for fraction in (0, 1, 999999999):
            ns = second * 10**9 + fraction
            expect("utimensat keeps %d.%09d" % (second, fraction), (ns, ns), lambda: (os.utime("t", ns=(ns, ns)), times_kept("t"))[1])
    for kind in KINDS:
        make(kind, "k")
        expect("utimensat of a %s itself" % kind, (5, 6), lambda: (os.utime("k", ns=(5, 6), follow_symlinks=False), times_kept("k"))[1])
        remove("k")
    directory("d"); os.utime("t")
    both, changed, none = (True, True), (False, True), (False, False)
    for kind in KINDS:
        advances("making a %s changes its directory" % kind, lambda: make(kind, "d/x"), "d", both)
        advances("rename of a %s changes its directory" % kind, lambda: os.rename("d/x", "d/y"), "d", both)
        advances("removing a %s changes its directory" % kind, lambda: remove("d/y"), "d", both)
    advances("link changes the times of a file", lambda: os.link("t", "l"), "t", changed)
    advances("unlink of a name changes the times of a file", lambda: os.unlink("l"), "t", changed)
    advances("chmod changes the times of a file", lambda: os.chmod("t", 0o600), "t", changed)
    advances("chown changes the times of a file", lambda: os.chown("t", 0, 0), "t", changed)
    advances("a write changes the times of a file", lambda: write("t"), "t", both)
    advances("truncate changes the times of a file", lambda: os.truncate("t", 9), "t", both)
    advances("a read changes neither", lambda: opened("t", os.O_RDONLY), "t", none)
    advances("a failed mkdir changes no directory", lambda: outcome(os.mkdir, "."), ".", none)


def times_kept(path):
    s = os.lstat(path)
    return s.st_atime_ns, s.st_mtime_ns


def devices():
    for name, kind in (("character", stat.S_IFCHR), ("block", stat.S_IFBLK)):
        expect("mknod of a %s device" % name, "ok", lambda: os.mknod("dev", kind | 0o600, os.makedev(1, 3)))
        os.path.lexists("dev") and os.unlink("dev")
    expect("O_TMPFILE", "ok", opened, ".", os.O_TMPFILE | os.O_RDWR)
    expect_as("mknod of a device by a user is EPERM", USER, "EPERM", lambda: os.mknod("dev", stat.S_IFCHR, os.makedev(1, 3)))


for index, part in enumerate((errors_of_paths, names, links, contents, modes_and_owners, permissions, times_of_things, devices)):
    place = os.path.join(BASE, "part%d" % index)
    os.mkdir(place)
    os.chmod(place, 0o777)
    os.chdir(place)
    os.umask(0o22)
    try:
        part()
    except Exception as e:
        report("the part \"%s\" ends" % part.__name__, False, repr(e))
    os.chdir(BASE)
