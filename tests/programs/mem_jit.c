// needs: any; names: any; row: "Memory: private anonymous"
// Code that the program wrote itself runs in a thread all the time; other code is in a mapping for execution only.
#include "harness.h"
static volatile long stop, rounds;
static void *run(void *code) {
    while (!stop) {
        EQ(((long (*)(long))code)(1000), 3000);
        rounds++;
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    // mov rcx, rdi; xor eax, eax; loop: add rax, 3; dec rcx; jnz loop; ret
    static const unsigned char body[] = {0x48, 0x89, 0xf9, 0x31, 0xc0, 0x48, 0x83, 0xc0, 0x03, 0x48, 0xff, 0xc9, 0x75, 0xf7, 0xc3};
    char *rwx = t_map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    char *xo = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    int fd = OK(memfd_create("dual", 0));
    OK(ftruncate(fd, PAGE));
    char *w = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), *x = OK(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
    memcpy(rwx, body, sizeof body), memcpy(xo + 100, body, sizeof body), memcpy(w + 50, body, sizeof body);
    OK(mprotect(xo, PAGE, PROT_EXEC));
    pthread_t a = t_thread(run, rwx), b = t_thread(run, xo + 100), c = t_thread(run, x + 50);
    t_go();
    long now = rounds;
    t_ms(50);
    CHECK(rounds > now);
    stop = 1;
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL)), PT(pthread_join(c, NULL));
    rwx[8] = 5, w[58] = 7;
    EQ(((long (*)(long))rwx)(10), 50);
    EQ(((long (*)(long))(x + 50))(10), 70);
    t_vma v;
    CHECK(t_vma_at(xo, &v)), STREQ(v.perms, "--xp");
    t_pass();
}
