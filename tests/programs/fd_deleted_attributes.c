// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// Extended attributes, access lists and capabilities of deleted files, directories and memfds, as far as their file system has such things.
#include "harness.h"
#include <sys/xattr.h>
// struct posix_acl_xattr_header and entries: version 2, then tag, permissions and id of each
static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
                                    16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
// struct vfs_cap_data of revision 2: CAP_CHOWN, permitted
static const unsigned char capability[20] = {0, 0, 0, 2, 1};
static const struct {
    const char *name;
    const void *value;
    size_t size;
} attributes[] = {{"user.color", "green", 5}, {"user.empty", "", 0}, {"system.posix_acl_access", acl, sizeof acl},
                  {"security.capability", capability, sizeof capability}};
enum { MOST = 4, FILES = 3 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("directory", 0755));
    int files[FILES] = {t_make_file("gone", 1000, 1), OK(open("directory", O_RDONLY | O_DIRECTORY)), OK((int)syscall(SYS_memfd_create, "memory", 0))};
    bool set[FILES][MOST];
    for (int file = 0; file < FILES; file++)
        for (int i = 0; i < MOST; i++) {
            set[file][i] = fsetxattr(files[file], attributes[i].name, attributes[i].value, attributes[i].size, 0) == 0;
            if (!set[file][i] && errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
                FAIL("%s: %s", attributes[i].name, strerror(errno));
        }
    if (!set[0][0]) fprintf(stderr, "this file system has no extended attributes\n");
    // by O_PATH alone
    int other = t_make_file("other", 10, 2);
    bool noted = fsetxattr(other, "user.of", "other", 5, 0) == 0;
    close(other);
    int path = OK(open("other", O_PATH));
    OK(unlink("gone")), OK(rmdir("directory")), OK(unlink("other"));
    t_go();
    for (int file = 0; file < FILES; file++)
        for (int i = 0; i < MOST; i++) {
            char value[100];
            ssize_t size = fgetxattr(files[file], attributes[i].name, value, sizeof value);
            if (!set[file][i]) continue;
            if (size < 0) FAIL("file %d has no %s any more: %s", file, attributes[i].name, strerror(errno));
            EQ(size, (ssize_t)attributes[i].size);
            MEMEQ(value, attributes[i].value, attributes[i].size);
        }
    char value[100];
    if (noted) {
        EQ(getxattr(t_text("/proc/self/fd/%d", path), "user.of", value, sizeof value), 5);
        MEMEQ(value, "other", 5);
    }
    t_pass();
}
