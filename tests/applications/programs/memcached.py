"""memcached: every value, its deadlines, and a connection of a client in the pod with half a command sent."""
from pod import ensure, eventually, free_port
from programs import EVERYWHERE
from programs.perl import follow

NEEDS = ["memcached", "python3"]
WHERE = EVERYWHERE

CLIENT = r"""
import os, socket, sys, time
def fail(text): open('error', 'a').write(text + '\n')
s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); f = s.makefile('rwb')
def ask(line, data=b''):
    f.write(line + b'\r\n' + (data + b'\r\n' if data else b'')); f.flush(); return f.readline().strip()
def get(key):
    if not ask(b'get ' + key).startswith(b'VALUE'): fail(key.decode() + ' is missing'); return b''
    data = f.readline().strip(); f.readline(); return data
for i in range(5000): ask(b'set key%d 0 0 %d' % (i, len(b'value%d' % i * 20)), b'value%d' % i * 20)
ask(b'set number 0 0 1', b'0'); ask(b'set brief 0 2 1', b'x')
n, begun, expired = 0, time.monotonic(), False
half = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); half.sendall(b'get key4')
while not os.path.exists('stop'):
    n += 1
    if ask(b'incr number 1') != b'%d' % n: fail('the counter is wrong')
    i = n * 7919 % 5000
    if get(b'key%d' % i) != b'value%d' % i * 20: fail('another value')
    half.sendall(b'2\r\n'); got = b''
    while not got.endswith(b'END\r\n'): got += half.recv(1000)
    if b'value42' not in got: fail('the second client got %r' % got)
    half.sendall(b'get key4')
    open('state.new', 'w').write('%d %d .' % (os.getpid(), n)); os.rename('state.new', 'state')
    time.sleep(0.005)
time.sleep(max(0, 4 - (time.monotonic() - begun)))
if ask(b'get brief') != b'END': fail('the brief value is still there')
open('end', 'w').write('well')
"""


def run(pod, _):
    port = free_port()
    server = pod.start("memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", "3", *(["-u", "nobody"] if pod.user == "root" else []))
    stats = r"import socket,sys; s=socket.create_connection(('127.0.0.1',%d)); s.sendall(b'stats\r\n'); t=b''" % port + "\nwhile not t.endswith(b'END\\r\\n'): t+=s.recv(9999)\nprint(t.decode())"
    eventually("memcached answers", lambda: f"STAT pid {server}\r\n" in pod.run("python3", "-c", stats, check=False))
    follow(pod, ["python3", pod.write("client.py", CLIENT), str(port)], "well", 1)
    ensure(f"STAT pid {server}\r\n" in pod.run("python3", "-c", stats), "memcached has another id")
