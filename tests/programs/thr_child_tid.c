// needs: any; names: any; row: "Task: clear_child_tid"
// The word that the kernel clears when a thread ends, set by the thread itself: cleared, and whoever waits there is woken.
#include "harness.h"
#include <linux/futex.h>
static volatile int word = 1;
static void *run(void *u) {
    OK(syscall(SYS_set_tid_address, &word));
    t_mark("thread");
    t_wait();
    t_ms(50);
    syscall(SYS_exit, 0);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t = t_thread(run, NULL);
    PT(pthread_detach(t));
    t_await("thread");
    t_ready();
    struct timespec long_enough = {20, 0};
    while (word == 1)
        if (syscall(SYS_futex, &word, FUTEX_WAIT, 1, &long_enough, NULL, 0) && errno == ETIMEDOUT) FAIL("nobody cleared the word");
    EQ(word, 0);
    CHECK(t_exists("go"));
    t_pass();
}
