// needs: any; names: any; row: "Descriptors: AIO contexts"
// A kernel AIO context with completed events not yet taken, working on afterwards.
#include "harness.h"
#include <linux/aio_abi.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 8192, 1);
    aio_context_t ctx = 0;
    OK(syscall(SYS_io_setup, 16, &ctx));
    static char b[2][512];
    struct iocb cb[3] = {{.aio_data = 11, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uint64_t)b[0], .aio_nbytes = 512},
                         {.aio_data = 22, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uint64_t)b[1], .aio_nbytes = 512, .aio_offset = 512}};
    struct iocb *list[2] = {&cb[0], &cb[1]};
    EQ(OK(syscall(SYS_io_submit, ctx, 2, list)), 2);
    t_ms(50);
    t_go();
    struct io_event e[4];
    struct timespec ts = {2, 0};
    EQ(OK(syscall(SYS_io_getevents, ctx, 2, 4, e, &ts)), 2);
    EQ(e[0].data + e[1].data, 33);
    EQ(e[0].res, 512), EQ(e[1].res, 512);
    for (int i = 0; i < 512; i++) EQ((unsigned char)b[1][i], t_byte(512 + i, 1));
    memset(b, 0, sizeof b);
    EQ(OK(syscall(SYS_io_submit, ctx, 1, list)), 1);
    EQ(OK(syscall(SYS_io_getevents, ctx, 1, 4, e, &ts)), 1);
    EQ(e[0].data, 11);
    t_same(b[0], 512, 1);
    OK(syscall(SYS_io_destroy, ctx));
    t_pass();
}
