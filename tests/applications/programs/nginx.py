"""nginx: two workers, TLS, and clients in the pod: one with a request after another on a kept connection, one with half a request sent."""
import hashlib
import os

from pod import ensure, eventually, free_port
from programs import EVERYWHERE
from programs.perl import follow

NEEDS = ["nginx", "openssl", "python3"]
WHERE = EVERYWHERE

CLIENT = r"""
import hashlib, http.client, os, socket, ssl, sys, time
port, digest = int(sys.argv[1]), sys.argv[2]
def fail(text): open('error', 'a').write(text + '\n')
context = ssl.create_default_context(cafile='cert.pem')
kept = http.client.HTTPSConnection('localhost', port, context=context, timeout=30); kept.connect(); first = kept.sock
half = context.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost'); half.settimeout(30)
half.sendall(b'GET /small HTTP/1.1\r\nHo')
n = 0
while not os.path.exists('stop'):
    n += 1
    kept.request('GET', '/big'); answer = kept.getresponse(); body = answer.read()
    if answer.status != 200 or hashlib.sha256(body).hexdigest() != digest: fail('another body')
    if kept.sock is not first: fail('the connection was not kept')
    half.sendall(b'st: localhost\r\n\r\n'); got = b''
    while b'small text' not in got: got += half.recv(1000) or sys.exit(fail('the second connection ended') or 1)
    half.sendall(b'GET /small HTTP/1.1\r\nHo')
    open('state.new', 'w').write('%d %d .' % (os.getpid(), n)); os.rename('state.new', 'state')
    time.sleep(0.005)
session = first.cipher()[0] + ' ' + first.version()
open('end', 'w').write('well' if session else 'no session')
"""


def run(pod, _):
    port = free_port()
    pod.write("small", "small text")
    body = os.urandom(300_000)
    with open(pod.path("big"), "wb") as file:
        file.write(body)
    pod.command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost", "-keyout", pod.path("key.pem"), "-out", pod.path("cert.pem"))
    temporary = "".join(f"{kind}_temp_path {pod.directory}/tmp-{kind}; " for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    user = "user root;" if pod.user == "root" else ""
    pod.write("nginx.conf", f"""{user} worker_processes 2; daemon on; pid {pod.directory}/pid; error_log {pod.directory}/log info;
        events {{ worker_connections 64; }}
        http {{ access_log {pod.directory}/access; {temporary} keepalive_requests 1000000; keepalive_timeout 1h; client_header_timeout 1h;
            server {{ listen 127.0.0.1:{port} ssl; server_name localhost; ssl_certificate cert.pem; ssl_certificate_key key.pem;
                ssl_session_cache shared:s:1m; root {pod.directory}; }} }}\n""")
    pod.start("nginx", "-p", pod.directory, "-c", pod.path("nginx.conf"))
    new = ["python3", "-c", f"import ssl, urllib.request as u; print(u.urlopen('https://localhost:{port}/small', context=ssl.create_default_context("
           "cafile='cert.pem')).read().decode())"]
    eventually("nginx answers", lambda: "small text" in pod.run(*new, check=False))
    workers = [line for line in pod.tree().splitlines() if "nginx" in line]
    ensure(len(workers) == 3, pod.tree())
    follow(pod, ["python3", pod.write("client.py", CLIENT), str(port), hashlib.sha256(body).hexdigest()], "well", 1)
    ensure("small text" in pod.run(*new), "no new connection")
    # a reload: the master makes new workers, which it could not with other ids
    before = [line.split()[0] for line in workers]
    pod.autopod("kill", "p", pod.read("pid").strip(), "-s", "HUP")
    eventually("there are other workers", lambda: len([line for line in pod.tree().splitlines() if "nginx" in line and line.split()[0] not in before]) == 2)
    ensure("small text" in pod.run(*new), "no answer of the new workers")
