// needs: root; names: any; huge: 8; row: "Memory: hugetlb"
// A memfd and a SysV segment of huge pages: mapped, sealed, with a position, with pages that were never touched.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#define HUGE (2ul << 20)
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(memfd_create("huge file", MFD_HUGETLB | MFD_ALLOW_SEALING));
    OK(ftruncate(fd, 3 * HUGE));
    char *m = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m == MAP_FAILED) FAIL("no huge pages: %s", strerror(errno));
    t_fill(m, HUGE, 1), m[2 * HUGE] = 'm';
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)), OK(lseek(fd, 100, SEEK_SET));
    int id = OK(shmget(IPC_PRIVATE, 2 * HUGE, 0600 | IPC_CREAT | SHM_HUGETLB));
    char *s = shmat(id, NULL, 0), *ro = shmat(id, NULL, SHM_RDONLY);
    CHECK(s != (void *)-1 && ro != (void *)-1);
    t_fill(s + HUGE, HUGE, 2);
    OK(munmap(s, HUGE));
    t_go();
    t_same(m, HUGE, 1), EQ(m[2 * HUGE], 'm'), EQ(m[HUGE], 0);
    EQ(lseek(fd, 0, SEEK_CUR), 100), EQ(OK(fcntl(fd, F_GET_SEALS)), F_SEAL_SHRINK);
    char b;
    EQ(OK(read(fd, &b, 1)), 1), EQ(b, (char)t_byte(100, 1));
    t_same(s + HUGE, HUGE, 2), t_same(ro + HUGE, HUGE, 2), EQ(ro[0], 0);
    s[HUGE] = 'x', EQ(ro[HUGE], 'x');
    char *parts[] = {m, s + HUGE, ro};
    for (int i = 0; i < 3; i++) {
        t_vma v;
        CHECK(t_vma_at(parts[i], &v)), CHECK(strstr(v.flags, " ht"));
    }
    struct shmid_ds d;
    OK(shmctl(id, IPC_STAT, &d)), EQ(d.shm_nattch, 2), EQ(d.shm_segsz, 2 * HUGE);
    OK(shmctl(id, IPC_RMID, NULL));
    t_pass();
}
