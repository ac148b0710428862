// needs: any; names: any; row: "Descriptors: AIO contexts"
// Contexts of asynchronous I/O: one empty, one with completed events not yet collected; both work afterwards.
#include "harness.h"
#include <linux/aio_abi.h>
static void submit(aio_context_t ctx, int fd, const char *text, uint64_t data) {
    struct iocb cb = {.aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (uintptr_t)text, .aio_nbytes = strlen(text), .aio_data = data};
    struct iocb *list[] = {&cb};
    EQ(OK(syscall(SYS_io_submit, ctx, 1, list)), 1);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    aio_context_t empty = 0, full = 0;
    OK(syscall(SYS_io_setup, 10, &empty)), OK(syscall(SYS_io_setup, 1000, &full));
    int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
    struct io_event e[8];
    submit(full, fd, "first", 1), submit(full, fd, "second", 2), submit(full, fd, "third!!", 3);
    EQ(OK(syscall(SYS_io_getevents, full, 1, 1, e, NULL)), 1);
    EQ(e[0].data, 1);
    t_go();
    EQ(OK(syscall(SYS_io_getevents, full, 0, 8, e, &(struct timespec){0})), 2);
    EQ(e[0].data, 2);
    EQ(e[0].res, 6);
    EQ(e[1].data, 3);
    EQ(e[1].res, 7);
    for (int i = 0; i < 300; i++) {
        aio_context_t ctx = i % 2 ? empty : full;
        submit(ctx, fd, "again", 100 + i);
        EQ(OK(syscall(SYS_io_getevents, ctx, 1, 8, e, NULL)), 1);
        EQ(e[0].data, 100 + i);
    }
    OK(syscall(SYS_io_destroy, empty)), OK(syscall(SYS_io_destroy, full));
    FAILS(syscall(SYS_io_destroy, full), EINVAL);
    t_pass();
}
