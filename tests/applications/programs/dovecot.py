"""dovecot: mail comes in by LMTP and is read by IMAP, by a session that waits (IDLE) for it, all in the pod, across processes with other users."""
import os

from pod import ensure, eventually, free_port
from programs.perl import follow

NEEDS = ["dovecot", "python3"]
# it changes users, and insists
WHERE = [("kernel", "root"), ("shim", "root")]

CLIENT = r"""
import os, socket, sys, time
imap, lmtp = int(sys.argv[1]), int(sys.argv[2])
def fail(text): open('error', 'a').write(text + '\n')
class Lines:
    def __init__(self, port): self.f = socket.create_connection(('127.0.0.1', port), timeout=30).makefile('rwb')
    def line(self): return self.f.readline().decode().strip() or sys.exit(fail('a connection ended') or 1)
    def say(self, text): self.f.write(text.encode() + b'\r\n'); self.f.flush()
    def until(self, begin):
        seen = []
        while True:
            seen.append(self.line())
            if seen[-1].startswith(begin): return seen
def deliver(n, to):
    for text, code in (('MAIL FROM:<a@pod.test>', '250'), ('RCPT TO:<someone@pod.test>', '250'), ('DATA', '354'),
                       ('Subject: message %d\r\n\r\nbody %d of the mail\r\n.' % (n, n), '250')):
        to.say(text); got = to.line()
        if not got.startswith(code): fail('%s: %s' % (text, got))
sender = Lines(lmtp); sender.line(); sender.say('LHLO pod.test')
while not sender.line().startswith('250 '): pass
reader = Lines(imap); reader.line(); reader.say('a LOGIN someone secret'); reader.until('a ')
reader.say('b SELECT INBOX'); reader.until('b ')
idle = Lines(imap); idle.line(); idle.say('a LOGIN someone secret'); idle.until('a '); idle.say('b SELECT INBOX'); idle.until('b '); idle.say('c IDLE'); idle.until('+')
n = 0
while not os.path.exists('stop'):
    n += 1
    deliver(n, sender)
    idle.until('* %d EXISTS' % n)
    reader.say('x NOOP'); reader.until('x ')
    reader.say('y FETCH %d BODY[TEXT]' % n)
    if not any('body %d of the mail' % n in line for line in reader.until('y ')): fail('message %d is not there' % n)
    open('state.new', 'w').write('%d %d .' % (os.getpid(), n)); os.rename('state.new', 'state')
    time.sleep(0.02)
idle.say('DONE'); idle.until('c OK'); reader.say('z SEARCH ALL')
found = reader.until('z ')[0].split()[2:]
open('end', 'w').write('well' if len(found) == n else '%d of %d' % (len(found), n))
"""


def run(pod, _):
    imap, lmtp = free_port(), free_port()
    for name in "mail", "run", "dovecot-state":
        os.mkdir(pod.path(name))
        os.chmod(pod.path(name), 0o755)
    os.chown(pod.path("mail"), 8, 8)
    pod.write("users", "someone:{PLAIN}secret:8:8::" + pod.path("mail") + "::\n")
    os.chmod(pod.path("users"), 0o644)
    pod.write("dovecot.conf", f"""base_dir = {pod.path('run')}
state_dir = {pod.path("dovecot-state")}
log_path = {pod.path('log')}
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{pod.path('mail')}/box
first_valid_uid = 1
first_valid_gid = 1
auth_username_format = %n
passdb {{
  driver = passwd-file
  args = {pod.path('users')}
}}
userdb {{
  driver = passwd-file
  args = {pod.path('users')}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
""")
    pod.start("dovecot", "-F", "-c", pod.path("dovecot.conf"))
    greet = ["python3", "-c", f"import socket; print(socket.create_connection(('127.0.0.1', {imap})).recv(200))"]
    eventually("dovecot greets", lambda: "ready" in pod.run(*greet, check=False))
    try:
        follow(pod, ["python3", pod.write("client.py", CLIENT), str(imap), str(lmtp)], "well", 1)
    except Exception:
        print(pod.read("log")[-2000:])
        raise
    ensure("ready" in pod.run(*greet), "no new connection")
