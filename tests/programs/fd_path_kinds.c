// needs: any; names: any; row: "Descriptors: O_PATH"
// O_PATH descriptors of a symbolic link, a dangling one, a socket, a directory, a deleted file and link.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(symlink("nowhere/at/all", "dangling")), OK(symlink("d", "link")), OK(symlink("target of the dead", "deadlink"));
    OK(mkdir("d", 0755));
    close(t_make_file("d/inner", 5, 1)), close(t_make_file("dead", 7, 2));
    int s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un name = {AF_UNIX, "s"};
    OK(bind(s, (void *)&name, sizeof name));
    int link = OK(open("link", O_PATH | O_NOFOLLOW)), dangling = OK(open("dangling", O_PATH | O_NOFOLLOW));
    int through = OK(open("link", O_PATH)), sock = OK(open("s", O_PATH)), dead = OK(open("dead", O_PATH));
    int deadlink = OK(open("deadlink", O_PATH | O_NOFOLLOW));
    OK(unlink("dead")), OK(unlink("deadlink"));
    t_go();
    char b[64];
    struct stat st;
    EQ(OK(readlinkat(link, "", b, 64)), 1);
    EQ(OK(readlinkat(dangling, "", b, 64)), 14);
    MEMEQ(b, "nowhere/at/all", 14);
    OK(fstatat(through, "inner", &st, 0));
    EQ(st.st_size, 5);
    OK(fstat(sock, &st)), CHECK(S_ISSOCK(st.st_mode));
    OK(fstat(dead, &st)), EQ(st.st_size, 7), EQ(st.st_nlink, 0);
    EQ(OK(readlinkat(deadlink, "", b, 64)), 18);
    MEMEQ(b, "target of the dead", 18);
    FAILS(read(dead, b, 1), EBADF);
    int re = OK(open(t_text("/proc/self/fd/%d", through), O_RDONLY | O_DIRECTORY));
    OK(fstatat(re, "inner", &st, 0));
    t_pass();
}
