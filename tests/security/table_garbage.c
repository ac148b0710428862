// Spoils the namespace table of its own pod, which every process of a pod has mapped: `variant=` says how. What supervisor, init and
// engine make of it, the runner looks at (src/security/tables.rs). Layout: namespace/src/layout.rs.
#include "attacks/attack.h"

enum { IDS = 1 << 22, HEADER = 4096, USED = HEADER, HOST = USED + IDS / 8, VIRTUAL = HOST + 4 * IDS, IPC = VIRTUAL + 4 * IDS };

ATTACK
{
    const char *variant = text("variant"), *path = text("table");
    long fd = sc(__NR_openat, AT(path), O_RDWR);
    if (fd < 0) { attempt("opening the table", fd); return; }
    long size = sc(__NR_lseek, fd, 0, 2);
    if (equal(variant, "cut")) { attempt("truncating", sc(__NR_ftruncate, fd, 0)); return; }
    if (equal(variant, "cut-short")) { attempt("truncating", sc(__NR_ftruncate, fd, HEADER)); return; }
    if (equal(variant, "replaced")) {
        attempt("unlinking", sc(__NR_unlink, path));
        attempt("symlinking", sc(__NR_symlink, text("root_file"), path));
        return;
    }
    long at = sc(__NR_mmap, 0, size, 3, 1, fd, 0);
    if (at < 0 && at > -4096) { attempt("mapping", at); return; }
    unsigned char *table = (unsigned char *)at;
    unsigned *host = (unsigned *)(table + HOST), *of = (unsigned *)(table + VIRTUAL);
    long victim = number("victim");
    if (equal(variant, "zeros")) memset(table, 0, IPC);
    else if (equal(variant, "ones")) memset(table + 8, 0xff, IPC - 8);
    else if (equal(variant, "full")) memset(table + USED, 0xff, IDS / 8);
    else if (equal(variant, "giants")) {
        // The numbers of the header, but not the magic and version.
        memset(table + 12, 0x7f, 4);
        memset(table + 32, 0xff, 48);
    } else if (equal(variant, "header")) memset(table, 0xee, HEADER);
    else if (equal(variant, "victims")) {
        // Every id of the pod is that of somebody outside.
        const long outside[] = {victim, number("neighbour"), number("supervisor"), number("neighbour_init"), 1};
        for (int id = 1; id < 400; id++) {
            long pid = outside[id % 5];
            table[USED + id / 8] |= 1 << id % 8;
            host[id] = (unsigned)pid;
            of[pid] = (unsigned)id;
        }
    } else if (equal(variant, "objects")) {
        // System V objects of others are the pod's, and end with it.
        static const char *const keys[] = {"shm", "sem", "msg", "neighbour_shm", "neighbour_sem", "neighbour_msg"};
        for (int i = 0; i < 6; i++) {
            unsigned long id = (unsigned long)number(keys[i]), entry = 1UL << 63 | id << 32 | id;
            unsigned long *maps = (unsigned long *)(table + IPC) + i % 3 * 2 * 32768;
            maps[id % 32768] = maps[32768 + id % 32768] = entry;
        }
    } else if (equal(variant, "path")) {
        // What a pod's table says of where it lies must not be believed by those who have more rights.
        const char *file = text("root_file");
        for (int i = 0; i + (long)length(file) < HEADER; i++)
            if (table[i] == '/' && begins((char *)table + i, path)) {
                memcpy(table + i, file, length(file) + 1);
                attempts++, carried_out++;
                return;
            }
        cannot("no path in the table", 0);
    } else cannot(variant, 0);
    attempt("spoiling", 0);
}
