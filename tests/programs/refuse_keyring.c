// needs: any; names: any; expect: keyring; row: "Process: keyrings (refuse)"; profile: none
// A session keyring of the program's own with a key in it.
#include "harness.h"
#include <linux/keyctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "autopod-test"));
    long key = OK(syscall(SYS_add_key, "user", "secret", "payload", 7, KEY_SPEC_SESSION_KEYRING));
    t_go();
    char b[16];
    EQ(OK(syscall(SYS_keyctl, KEYCTL_READ, key, b, sizeof b)), 7);
    MEMEQ(b, "payload", 7);
    t_pass();
}
