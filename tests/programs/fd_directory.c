// needs: any; names: any; row: "Descriptors: directories mid-read"
// A directory read half: the rest comes, every name once, none twice.
#include "harness.h"
#include <dirent.h>
enum { N = 600 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755));
    for (int i = 0; i < N; i++) close(OK(open(t_text("d/entry-with-a-long-name-%d", i), O_CREAT | O_WRONLY, 0600)));
    char seen[N] = {0}, buffer[4096];
    int fd = OK(open("d", O_RDONLY | O_DIRECTORY)), total = 0;
    for (int round = 0;; round++) {
        long n = OK(syscall(SYS_getdents64, fd, buffer, sizeof buffer));
        if (!n) break;
        for (long at = 0; at < n;) {
            struct dirent64 *e = (void *)(buffer + at);
            int i;
            if (sscanf(e->d_name, "entry-with-a-long-name-%d", &i) == 1) {
                if (seen[i]) FAIL("entry %d came twice", i);
                seen[i] = 1;
                total++;
            }
            at += e->d_reclen;
        }
        if (round == 2) {
            CHECK(total > 50 && total < 550);
            t_go();
        }
    }
    EQ(total, N);
    t_pass();
}
