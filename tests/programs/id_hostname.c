// needs: any; names: any; row: "Names: hostname, domainname"
// Host name, domain name, uname and boot id related facts are the same afterwards.
#include "harness.h"
#include <sys/utsname.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct utsname a, b;
    OK(uname(&a));
    char h[128], h2[128];
    OK(gethostname(h, 128));
    STREQ(h, a.nodename);
    t_go();
    OK(uname(&b)), OK(gethostname(h2, 128));
    STREQ(b.nodename, a.nodename), STREQ(b.domainname, a.domainname), STREQ(b.sysname, a.sysname), STREQ(b.machine, a.machine), STREQ(h2, h);
    t_pass();
}
