// tries: read and clear the kernel's log, and silence it: syslog(2)
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    char log[128];
    gain("SYSLOG_ACTION_READ_ALL", sc(__NR_syslog, 3, log, 128));
    gain("SYSLOG_ACTION_CONSOLE_ON", sc(__NR_syslog, 7, 0, 0));
    gain("SYSLOG_ACTION_READ_CLEAR", sc(__NR_syslog, 4, log, 1));
}
