/* Ids that belong to descriptors: owners, locks, credentials, terminals. */
#include "check.h"
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

int main(void) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK_EQ(fcntl(ends[0], F_SETOWN, getpid()), 0);
    CHECK_EQ(fcntl(ends[0], F_GETOWN), getpid());
    CHECK_EQ(fcntl(ends[0], F_SETOWN, -getpgrp()), 0);
    CHECK_EQ(fcntl(ends[0], F_GETOWN), -getpgrp());
    struct f_owner_ex owner = {F_OWNER_TID, gettid()}, got;
    CHECK_EQ(fcntl(ends[0], F_SETOWN_EX, &owner), 0);
    CHECK_EQ(fcntl(ends[0], F_GETOWN_EX, &got), 0);
    CHECK(got.type == F_OWNER_TID && got.pid == gettid());
    CHECK(fcntl(ends[0], F_SETOWN, 4194303) == -1 && errno == ESRCH);
    int id = getpid();
    CHECK_EQ(ioctl(ends[0], SIOCSPGRP, &id), 0);
    id = 0;
    CHECK_EQ(ioctl(ends[0], SIOCGPGRP, &id), 0);
    CHECK_EQ(id, getpid());
    CHECK_EQ(fcntl(ends[0], F_GETFD), 0);
    CHECK(fcntl(-1, F_GETOWN) == -1 && errno == EBADF);

    int on = 1;
    CHECK_EQ(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    pid_t child = fork();
    if (child == 0) {
        char control[CMSG_SPACE(sizeof(struct ucred))] = {0};
        struct iovec part = {"x", 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_CREDENTIALS;
        header->cmsg_len = CMSG_LEN(sizeof(struct ucred));
        struct ucred own = {getpid(), getuid(), getgid()};
        memcpy(CMSG_DATA(header), &own, sizeof own);
        CHECK_EQ(sendmsg(ends[0], &message, 0), 1);
        CHECK(memcmp(CMSG_DATA(header), &own, sizeof own) == 0);
        struct mmsghdr several = {.msg_hdr = message};
        CHECK_EQ(sendmmsg(ends[0], &several, 1, 0), 1);
        CHECK_EQ(send(ends[0], "y", 1, 0), 1);
        _exit(0);
    }
    for (int round = 0; round < 3; round++) {
        char control[CMSG_SPACE(sizeof(struct ucred))], byte;
        struct iovec part = {&byte, 1};
        struct mmsghdr several = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control}};
        if (round == 1) CHECK_EQ(recvmmsg(ends[1], &several, 1, 0, NULL), 1);
        else CHECK_EQ(recvmsg(ends[1], &several.msg_hdr, 0), 1);
        struct cmsghdr *header = CMSG_FIRSTHDR(&several.msg_hdr);
        CHECK(header && header->cmsg_type == SCM_CREDENTIALS);
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(header), sizeof sender);
        CHECK_EQ(sender.pid, child);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    struct ucred peer;
    socklen_t len = sizeof peer;
    CHECK_EQ(getsockopt(ends[0], SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    CHECK_EQ(peer.pid, getpid());

    char path[] = "/tmp/names-files-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    unlink(path);
    int gate[2];
    CHECK(pipe(gate) == 0);
    child = fork();
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
        CHECK_EQ(fcntl(file, F_SETLKW, &lock), 0);
        write(gate[1], "x", 1);
        pause();
    }
    char byte;
    CHECK_EQ(read(gate[0], &byte, 1), 1);
    struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
    CHECK_EQ(fcntl(file, F_GETLK, &lock), 0);
    CHECK_EQ(lock.l_type, F_WRLCK);
    CHECK_EQ(lock.l_pid, child);
    FILE *locks = fopen("/proc/locks", "r");
    char line[256], wanted[32];
    int found = 0;
    snprintf(wanted, sizeof wanted, "WRITE %d ", child);
    while (fgets(line, sizeof line, locks)) found |= strstr(line, wanted) != NULL;
    CHECK(found);
    fclose(locks);
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(fcntl(file, F_GETLK, &lock), 0);
    CHECK_EQ(lock.l_type, F_UNLCK);

    int controller;
    child = forkpty(&controller, NULL, NULL, NULL);
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(getsid(0), getpid());
        CHECK_EQ(tcgetsid(0), getpid());
        CHECK_EQ(tcgetpgrp(0), getpid());
        pid_t job = fork();
        if (job == 0) { pause(); _exit(0); }
        CHECK_EQ(setpgid(job, job), 0);
        signal(SIGTTOU, SIG_IGN);
        CHECK_EQ(tcsetpgrp(0, job), 0);
        CHECK_EQ(tcgetpgrp(0), job);
        pid_t asked = 0;
        CHECK_EQ(ioctl(0, TIOCGPGRP, &asked), 0);
        CHECK_EQ(asked, job);
        CHECK_EQ(tcsetpgrp(0, getpgrp()), 0);
        CHECK(tcsetpgrp(0, 4194303) == -1 && errno == ESRCH);
        kill(job, SIGKILL);
        CHECK_EQ(waitpid(job, NULL, 0), job);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    return 0;
}
