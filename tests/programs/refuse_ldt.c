// needs: any; names: any; expect: descriptor table; row: "Memory: segments of a local descriptor table (refuse)"
// A segment of the program's own.
#include "harness.h"
#include <asm/ldt.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct user_desc d = {.entry_number = 3, .base_addr = 0x10000, .limit = 0xfff, .seg_32bit = 1, .useable = 1};
    OK(syscall(SYS_modify_ldt, 1, &d, sizeof d));
    t_go();
    char table[4 * 8];
    EQ(syscall(SYS_modify_ldt, 0, table, sizeof table), (long)sizeof table);
    t_pass();
}
