// needs: any; names: any; row: "Memory: stack with guard and growth, brk heap, PROT_NONE reservations, vdso/vvar"
// Protection keys (pkeys(7)) where the processor has them: allocated ones, of mappings, and the rights of each thread.
#include "harness.h"
#include <setjmp.h>
static sigjmp_buf back;
static void on(int sig) { siglongjmp(back, 1); }
static bool faults(volatile char *at) {
    if (sigsetjmp(back, 1)) return true;
    *at = 1;
    return false;
}
static int key;
static char *memory;
static void *run(void *arg) {
    OK(pkey_set(key, PKEY_DISABLE_ACCESS));
    t_mark("thread");
    t_wait();
    EQ(pkey_get(key), PKEY_DISABLE_ACCESS);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    key = pkey_alloc(0, 0);
    if (key < 0) { // not in this processor or kernel: nothing to keep, and nothing that could be lost
        t_go();
        CHECK(pkey_alloc(0, 0) < 0);
        t_pass();
    }
    memory = t_map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    memory[5] = 'k';
    OK(pkey_mprotect(memory, PAGE, PROT_READ | PROT_WRITE, key));
    pthread_t t = t_thread(run, 0);
    t_await("thread");
    OK(pkey_set(key, PKEY_DISABLE_WRITE));
    signal(SIGSEGV, on);
    t_go();
    EQ(pkey_get(key), PKEY_DISABLE_WRITE);
    EQ(memory[5], 'k');
    CHECK(faults(memory + 5)), CHECK(!faults(memory + PAGE));
    OK(pkey_set(key, 0));
    CHECK(!faults(memory + 5));
    int next = OK(pkey_alloc(0, 0));
    CHECK(next != key);
    PT(pthread_join(t, NULL));
    t_pass();
}
