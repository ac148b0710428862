// needs: any; names: any; row: "Process: child subreaper"
// A child subreaper adopts orphans after the go signal; its attribute shows.
#include "harness.h"
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t middle = t_fork();
    if (!middle) {
        pid_t leaf = t_fork();
        if (!leaf) {
            t_mark("leaf");
            t_await("orphan");
            _exit(9);
        }
        int fd = OK(open("leaf.pid", O_WRONLY | O_CREAT, 0644));
        OK(write(fd, &leaf, sizeof leaf));
        t_mark("middle");
        t_wait();
        _exit(0);
    }
    t_await("leaf"), t_await("middle");
    t_go();
    int on = 0;
    OK(prctl(PR_GET_CHILD_SUBREAPER, &on));
    EQ(on, 1);
    t_reap(middle);
    t_mark("orphan");
    pid_t leaf;
    EQ(OK(read(OK(open("leaf.pid", O_RDONLY)), &leaf, sizeof leaf)), sizeof leaf);
    t_reap_at(__LINE__, leaf, 9 << 8);
    t_pass();
}
