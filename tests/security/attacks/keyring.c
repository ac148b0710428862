// tries: read a key of the host's user keyring, and leave one there
// wall: seccomp
// control: both
#include "attack.h"
ATTACK
{
    char data[128] = {0};
    static const int rings[] = {-4 /* user */, -5 /* user session */, -3 /* session */};
    for (int i = 0; i < 3; i++) {
        long key = sc(__NR_keyctl, 10 /* KEYCTL_SEARCH */, rings[i], "user", text("key_name"), 0);
        if (!attempt("KEYCTL_SEARCH", key)) continue;
        if (attempt("KEYCTL_READ", sc(__NR_keyctl, 11, key, data, sizeof data - 1))) say("%s", data);
    }
    long key = number("key_id");
    if (attempt("KEYCTL_READ", sc(__NR_keyctl, 11, key, data, sizeof data - 1))) say("%s", data);
    key = sc(__NR_add_key, "user", "autopod-attack", "x", 1, -4);
    if (gain("add_key", key)) sc(__NR_keyctl, 15 /* KEYCTL_SET_TIMEOUT */, key, 1);
    gain("request_key", sc(__NR_request_key, "user", text("key_name"), 0, 0));
}
