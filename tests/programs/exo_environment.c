// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// What libc keeps: environment changed and grown, buffered output not yet written, atexit handlers, locale, open directory and file streams.
#include "harness.h"
#include <dirent.h>
#include <locale.h>
static void at_end(void) { t_mark("at-end"); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int i = 0; i < 200; i++) setenv(t_text("VARIABLE_%d", i), t_text("value %d", i), 1);
    unsetenv("VARIABLE_7");
    FILE *f = fopen("stream", "w+");
    setvbuf(f, NULL, _IOFBF, 8192), fprintf(f, "buffered %d", 1);
    FILE *line = popen("read x; echo got $x >popened", "w");
    CHECK(line);
    setlocale(LC_ALL, "C.UTF-8");
    srand(42), rand();
    int expected;
    {
        srand(42), rand(), rand();
        expected = rand();
        srand(42), rand(), rand();
    }
    pid_t pid = t_fork();
    if (!pid) {
        atexit(at_end);
        t_mark("child");
        t_await("checked"); // what is buffered here is written at its end, too
        exit(0);
    }
    t_await("child");
    t_go();
    STREQ(getenv("VARIABLE_199"), "value 199"), CHECK(!getenv("VARIABLE_7"));
    struct stat st;
    OK(stat("stream", &st)), EQ(st.st_size, 0);
    fprintf(f, " more"), fflush(f), OK(stat("stream", &st)), EQ(st.st_size, 15);
    EQ(rand(), expected);
    fprintf(line, "input\n"), EQ(pclose(line), 0), CHECK(t_exists("popened"));
    t_mark("checked");
    t_reap(pid), CHECK(t_exists("at-end"));
    STREQ(setlocale(LC_CTYPE, NULL), "C.UTF-8");
    t_pass();
}
