// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A process that denies itself memory which can be written and executed, before and after a checkpoint.
#include "harness.h"
#include <sys/prctl.h>
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_MDWE, 1, 0, 0, 0)); // PR_MDWE_REFUSE_EXEC_GAIN
    t_go();
    EQ(prctl(PR_GET_MDWE, 0, 0, 0, 0), 1);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    EQ(errno, EACCES);
    char *p = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    FAILS(mprotect(p, PAGE, PROT_READ | PROT_EXEC), EACCES);
    t_pass();
}
