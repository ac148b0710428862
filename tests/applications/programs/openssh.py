"""OpenSSH: server, client and a session with a terminal and a forwarded port, all in the pod; the encrypted connection goes on."""
import os

from pod import ensure, eventually, free_port
from programs import EVERYWHERE

NEEDS = ["sshd", "ssh", "ssh-keygen", "python3"]
VARIANTS = ["terminal", "pipes"]


def where(variant):
    # Only root's sshd can give a terminal to the group tty, and it insists.
    return [case for case in EVERYWHERE if variant == "pipes" or case[1] == "root"]


SESSION = """tty >tty; echo $$ >shell; stty size >size; n=0
while read word; do n=$((n+1)); echo "answer $n $word $$ $(tty)"; done
echo ended >ended
"""
DRIVER = """
import os, pty, socket, subprocess, sys, time
command = sys.argv[1:]
terminal = '-tt' in command
if terminal:
    pid, master = pty.fork()
    if pid == 0: os.execvp(command[0], command)
else:
    ours, theirs = socket.socketpair()
    pid, master = subprocess.Popen(command, stdin=theirs, stdout=theirs).pid, ours.fileno()
    theirs.close()
n, seen = 0, b''
while True:
    n += 1
    os.write(master, b'w%d\\n' % n)
    while b'answer %d w%d ' % (n, n) not in seen:
        got = os.read(master, 65536)
        seen = (seen + got)[-20000:]
    with open('count.new', 'w') as f: f.write('%d' % n)
    os.rename('count.new', 'count')
    if os.path.exists('stop'): break
    time.sleep(0.01)
os.write(master, b'\\x04') if terminal else ours.shutdown(socket.SHUT_WR)
print('ssh ended with', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=open('end', 'w'))
"""
ECHO = """
import os, socket, sys, time
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
n = 0
while True:
    n += 1
    s.sendall(b'%08d' % n * 1000)
    got = b''
    while len(got) < 8000:
        more = s.recv(8000)
        if not more: raise SystemExit('closed')
        got += more
    if got != b'%08d' % n * 1000: raise SystemExit('other data')
    with open('echoed.new', 'w') as f: f.write('%d' % n)
    os.rename('echoed.new', 'echoed')
    time.sleep(0.01)
"""
SERVER = """
import socket, sys, threading
l = socket.create_server(('127.0.0.1', int(sys.argv[1])))
def serve(c):
    while data := c.recv(65536): c.sendall(data)
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"""


def run(pod, variant):
    port, far, near = free_port(), free_port(), free_port()
    for key in "hostkey", "userkey":
        pod.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", pod.path(key))
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    account = "root" if pod.user == "root" else pod.account or pod.command("id", "-un").strip()
    pod.write("sshd_config", f"Port {port}\nListenAddress 127.0.0.1\nHostKey {pod.path('hostkey')}\nPidFile {pod.path('sshd.pid')}\n"
              f"AuthorizedKeysFile {pod.path('userkey.pub')}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nAllowTcpForwarding yes\n"
              "Subsystem sftp internal-sftp\nClientAliveInterval 1\n")
    pod.start("/usr/sbin/sshd", "-D", "-e", "-f", pod.path("sshd_config"))
    pod.write("session.sh", f"cd {pod.directory}\n" + SESSION)
    ssh = ["ssh", "-F", "none", "-p", str(port), "-i", pod.path("userkey"), "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={pod.path('known')}",
           "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3", f"{account}@127.0.0.1"]

    def number(name):
        return int(pod.read(name) or 0)

    eventually("sshd answers", lambda: "greeting" in pod.run(*ssh, "echo", "greeting", check=False))
    pod.start("python3", pod.write("server.py", SERVER), str(far))
    driver = pod.write("driver.py", DRIVER)
    pod.start("python3", driver, *ssh[:-1], *(["-tt"] if variant == "terminal" else ["-T"]), "-L", f"{near}:127.0.0.1:{far}", ssh[-1], "sh", pod.path("session.sh"))
    eventually("the session answers", lambda: number("count") > 3)
    echo = pod.start("python3", pod.write("echo.py", ECHO), str(near))
    eventually("the forwarded port carries data", lambda: number("echoed") > 3)
    for _ in range(3):
        pod.round()
        before, echoed = number("count"), number("echoed")
        eventually("the session answers after the restart", lambda: number("count") > before + 20)
        eventually("the forwarded port carries data after the restart", lambda: number("echoed") > echoed + 20)
        ensure("greeting" in pod.run(*ssh, "echo", "greeting"), "no new session")
    pod.autopod("kill", "p", str(echo))
    pod.write("stop", "")
    eventually("the client ends", lambda: pod.read("end"))
    ensure(pod.read("end") == "ssh ended with 0\n" and pod.read("ended"), pod.read("end"))
