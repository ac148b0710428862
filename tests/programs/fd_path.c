// needs: any; names: any; row: "Descriptors: O_PATH"
// O_PATH descriptors of a file, a directory, a symbolic link and a socket.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    close(t_make_file("f", 100, 1));
    OK(symlink("f", "l"));
    struct sockaddr_un u = {.sun_family = AF_UNIX, .sun_path = "s"};
    OK(bind(OK(socket(AF_UNIX, SOCK_DGRAM, 0)), (void *)&u, sizeof u));
    int f = OK(open("f", O_PATH)), d = OK(open(".", O_PATH | O_CLOEXEC)), l = OK(open("l", O_PATH | O_NOFOLLOW)), s = OK(open("s", O_PATH));
    t_go();
    struct stat st;
    char c;
    FAILS(read(f, &c, 1), EBADF);
    CHECK(fcntl(f, F_GETFL) & O_PATH);
    EQ(OK(read(OK(open(t_text("/proc/self/fd/%d", f), O_RDONLY)), &c, 1)), 1);
    OK(fstatat(d, "f", &st, 0));
    EQ(st.st_size, 100);
    EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
    OK(fstat(l, &st));
    CHECK(S_ISLNK(st.st_mode));
    char to[10] = {0};
    OK(readlinkat(l, "", to, 9));
    STREQ(to, "f");
    OK(fstat(s, &st));
    CHECK(S_ISSOCK(st.st_mode));
    t_pass();
}
