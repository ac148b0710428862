"""Node.js: a server with keep-alive clients, worker threads with shared memory, a child over IPC, timers and file watching, in the pod."""
from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["node"]
WHERE = EVERYWHERE

SOURCE = r"""
const http = require('http'), fs = require('fs'), crypto = require('crypto'), cp = require('child_process');
const {Worker, isMainThread, workerData} = require('worker_threads');
const fail = text => fs.appendFileSync('error', text + '\n');
process.on('uncaughtException', e => fail(String(e.stack)));
if (process.argv[2] === 'child') {
    process.on('message', m => process.send({n: m.n + 1, pid: process.pid}));
} else if (!isMainThread) {
    const shared = new Int32Array(workerData);
    for (;;) { crypto.createHash('sha256').update('x'.repeat(1000)).digest(); Atomics.add(shared, 0, 1); Atomics.wait(shared, 1, 0, 2); }
} else {
    const pid = process.pid, counts = {http: 0, ipc: 0, timer: 0, watch: 0, pool: 0};
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(__filename, {workerData: shared.buffer});
    worker.on('error', e => fail('worker ' + e));
    const child = cp.fork(__filename, ['child']);
    child.on('exit', code => fail('the child ended: ' + code));
    child.on('message', m => { if (m.pid !== child.pid) fail('the child is ' + m.pid); counts.ipc++; setTimeout(() => child.connected && !fs.existsSync('stop') && child.send({n: m.n}), 2); });
    child.send({n: 0});
    const body = crypto.createHash('sha512').update('page').digest('hex').repeat(200);
    const server = http.createServer((q, a) => a.end(body));
    server.keepAliveTimeout = 0;
    server.listen(0, '127.0.0.1', () => {
        const agent = new http.Agent({keepAlive: true, maxSockets: 4}), ports = new Set();
        const ask = () => http.get({port: server.address().port, host: '127.0.0.1', agent}, a => {
            let text = ''; ports.add(a.socket.localPort);
            a.on('data', d => text += d);
            a.on('end', () => { if (text !== body) fail('another page'); if (ports.size > 4) fail('a connection was made anew'); counts.http++; setTimeout(ask, 1); });
        }).on('error', e => fail('client: ' + e));
        for (let i = 0; i < 4; i++) ask();
    });
    fs.writeFileSync('watched', '');
    fs.watch('watched', () => counts.watch++);
    let last = process.hrtime.bigint();
    setInterval(() => { counts.timer++; const now = process.hrtime.bigint(); if (now < last) fail('the clock went back'); last = now; fs.appendFile('watched', 'x', () => {}); }, 5);
    const pool = () => crypto.pbkdf2('a', 'b', 500, 32, 'sha512', (e, k) => { if (k[0] !== 0xd3 && pool.first === undefined) pool.first = k[0]; if (pool.first !== undefined && k[0] !== pool.first) fail('pbkdf2'); counts.pool++; setTimeout(pool, 1); });
    pool();
    setInterval(() => {
        fs.writeFileSync('state.new', [pid, process.pid, child.pid, counts.http, counts.ipc, counts.timer, counts.watch, counts.pool, shared[0], '.'].join(' '));
        fs.renameSync('state.new', 'state');
        if (fs.existsSync('stop')) { child.removeAllListeners('exit'); child.on('exit', (c, s) => { fs.writeFileSync('end', 'child ' + s); process.exit(0); }); child.kill(); }
    }, 50);
}
"""


def run(pod, _):
    pod.start("node", pod.write("busy.js", SOURCE))

    def state():
        words = pod.read("state").split()
        ensure(len(words) == 10 and words[9] == ".", f"no state; {pod.read('error')}")
        return words[:3], [int(word) for word in words[3:9]]

    def all_work(before):
        return all(now > then for now, then in zip(state()[1], before))

    eventually("all of it works", lambda: all_work([0] * 6))
    ids = state()[0]
    for _ in range(3):
        pod.round()
        before = state()[1]
        try:
            eventually("all of it works after the restart", lambda: all_work(before))
        finally:
            ensure(not pod.read("error"), pod.read("error"))
        ensure(state()[0] == ids and ids[0] == ids[1], f"ids were {ids}, are {state()[0]}")
    pod.write("stop", "")
    eventually("the program ends", lambda: pod.read("end"))
    ensure(pod.read("end") == "child SIGTERM" and not pod.read("error"), pod.read("end") + pod.read("error"))
