// needs: any; names: any; go: term; row: "Task: interrupted system call"
// A process waits on a futex in shared memory, woken by its SIGTERM handler; its child waits on the same word.
#include "harness.h"
#include <linux/futex.h>
static int *word;
static void handler(int s) {
    __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
static void wait_word(void) {
    while (!__atomic_load_n(word, __ATOMIC_SEQ_CST)) syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    word = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    struct sigaction a = {.sa_handler = handler};
    OK(sigaction(SIGTERM, &a, NULL));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        wait_word();
        _exit(9);
    }
    t_await("child");
    t_ready();
    wait_word();
    t_reap_at(__LINE__, pid, 9 << 8);
    t_pass();
}
