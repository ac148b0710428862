// A process that others must not touch. It blocks all signals, so that each that arrives stays pending for all to see, and holds a
// secret in its memory, environment, an open file, a key, and in System V and POSIX objects. It prints where, and waits for ever.
#include "attacks/attack.h"

static char canary[64];

ATTACK
{
    sc(__NR_alarm, 0);
    unsigned long all = ~0UL;
    sc(__NR_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
    sc(__NR_setsid);
    const char *secret = text("secret"), *posix = text("posix");
    long size = (long)length(secret), key = number("ipc_key");
    memcpy(canary, secret, size);

    long file = sc(__NR_memfd_create, "secret", 0);
    sc(__NR_write, file, secret, size);
    sc(__NR_dup3, file, 4, 0);

    long shm = sc(__NR_shmget, key, 4096, 01600);
    char *shared = (char *)sc(__NR_shmat, shm, 0x20000000, 0);
    if ((long)shared == 0x20000000) memcpy(shared, secret, size);
    long sem = sc(__NR_semget, key, 1, 01600);
    sc(__NR_semctl, sem, 0, 16 /* SETVAL */, 5);
    long msg = sc(__NR_msgget, key, 01600);
    struct { long type; char text[64]; } message = {1, {0}};
    memcpy(message.text, secret, size);
    sc(__NR_msgsnd, msg, &message, size, 04000);

    char path[300];
    format(path, sizeof path, "/dev/shm/%s", posix);
    long object = sc(__NR_openat, AT(path), O_RDWR | O_CREAT, 0600);
    sc(__NR_write, object, secret, size);
    long attributes[8] = {0, 4, 128, 0};
    long queue = sc(__NR_mq_open, posix, O_RDWR | O_CREAT | O_NONBLOCK, 0600, attributes);
    sc(__NR_mq_timedsend, queue, secret, size, 1, 0);

    // Users may have two hundred keys only, and nobody else can take this one away again.
    long kept = 0;
    if (text_or("key_name", NULL)) {
        kept = sc(__NR_add_key, "user", text("key_name"), secret, size, -4);
        sc(__NR_keyctl, 15 /* KEYCTL_SET_TIMEOUT */, kept, 120);
    }

    say("address=%d shm=%d sem=%d msg=%d key_id=%d object=%d queue=%d.", (long)canary, shm, sem, msg, kept, object, queue);
    for (;;) sc(__NR_pause);
}
