//! Programs of the distribution, unmodified, driven by their own clients: three checkpoints and restarts each, the second with all
//! old host ids taken by others, under both ways of realizing names, as root and (where the program allows) unprivileged.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autopod_tests::live::{Live, eventually, free_port};
use autopod_tests::matrix::case::{Names, User};

/// redis: every key after every round, a client blocked in the pod served, its virtual ids the same.
fn redis(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("redis", names, user)?;
    let port = free_port()?.to_string();
    let dir = pod.directory.to_string_lossy().into_owned();
    let server = ["redis-server", "--port", &port, "--save", "", "--dir", &dir, "--logfile", "redis.log", "--io-threads", "2"];
    let id = pod.start(&server)?;
    let cli = |pod: &Live, words: &[&str]| -> Result<String> {
        let mut all = vec!["/usr/bin/redis-cli", "-p", &port];
        all.extend(words);
        Ok(pod.beside(&all)?.trim().to_owned())
    };
    eventually("redis answers", || cli(&pod, &["PING"]).is_ok_and(|a| a == "PONG"))?;
    let fill = "for i=1,20000 do redis.call('set','key'..i,string.rep(i..'x',20)) end return redis.call('dbsize')";
    ensure!(cli(&pod, &["EVAL", fill, "0"])? == "20000");
    let sum = "local s='' for i=1,20000 do local v=redis.call('get','key'..i) if v~=string.rep(i..'x',20) then return 'key'..i end end return 'same'";
    for round in 0..3 {
        let waiter = format!("redis-cli -p {port} BLPOP queue{round} 0 > popped{round}");
        pod.start(&["sh", "-c", &waiter])?;
        eventually("a client is blocked", || cli(&pod, &["INFO", "clients"]).is_ok_and(|i| i.contains("blocked_clients:1")))?;
        pod.round()?;
        eventually("redis answers after the restart", || cli(&pod, &["PING"]).is_ok_and(|a| a == "PONG"))?;
        ensure!(cli(&pod, &["EVAL", sum, "0"])? == "same", "a key changed");
        let info = cli(&pod, &["INFO", "server"])?;
        ensure!(info.lines().any(|l| l.trim() == format!("process_id:{id}")), "redis has another process id than {id}: {info}");
        cli(&pod, &["RPUSH", &format!("queue{round}"), &format!("value{round}")])?;
        eventually("the blocked client gets its value", || {
            pod.read(&format!("popped{round}")).contains(&format!("value{round}"))
        })?;
    }
    Ok(())
}

/// python: eight threads, locks held, a timer thread, an interval timer; the script checks itself without pause.
fn python(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("python", names, user)?;
    let script = pod.write("threads.py", PYTHON)?;
    let id = pod.start(&["python3", &script])?;
    for round in 0..3 {
        eventually("all threads work", || pod.read("state").starts_with(&format!("{id} 8 ")))?;
        pod.round()?;
        std::fs::remove_file(pod.directory.join("state")).ok();
        eventually("all threads work again", || pod.read("state").starts_with(&format!("{id} 8 ")))
            .with_context(|| format!("round {round}: error \"{}\", state \"{}\"", pod.read("error"), pod.read("state")))?;
        ensure!(pod.read("error").is_empty(), "round {round}: {}", pod.read("error"));
    }
    pod.write("stop", "")?;
    eventually("the program ends well", || pod.read("end") == "well").with_context(|| pod.read("error"))
}

const PYTHON: &str = r#"
import os, queue, signal, sys, threading, time, traceback
def fail(text):
    with open("error", "a") as f: f.write(text + "\n")
threading.excepthook = lambda a: fail("".join(traceback.format_exception(a.exc_type, a.exc_value, a.exc_traceback)))
pid, stop, held, rec = os.getpid(), threading.Event(), threading.Lock(), threading.RLock()
counters, ticks, timers, q = [0] * 8, [0], [0], queue.Queue()
held.acquire()
def work(i):
    tid, last = threading.get_native_id(), time.monotonic()
    while not stop.is_set():
        with rec:
            with rec:
                counters[i] += 1
        if os.getpid() != pid or threading.get_native_id() != tid: fail("an id changed")
        now = time.monotonic()
        if now < last: fail("the clock went back")
        last = now
        q.put(i)
        stop.wait(0.002)
def waits():
    with held: q.put("released")
def timer():
    timers[0] += 1
    if not stop.is_set():
        t = threading.Timer(0.02, timer); t.daemon = True; t.start()
signal.signal(signal.SIGALRM, lambda *a: ticks.__setitem__(0, ticks[0] + 1))
signal.setitimer(signal.ITIMER_REAL, 0.03, 0.03)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
waiter = threading.Thread(target=waits)
for t in threads: t.start()
waiter.start(); timer()
while not os.path.exists("stop"):
    before, t, x = list(counters), ticks[0], timers[0]
    end = time.monotonic() + 2
    while time.monotonic() < end and not (all(a > b for a, b in zip(counters, before)) and ticks[0] > t and timers[0] > x): time.sleep(0.005)
    alive = sum(a > b for a, b in zip(counters, before))
    if ticks[0] <= t: fail("the interval timer stopped")
    if timers[0] <= x: fail("the timer thread stopped")
    if not held.locked() or not waiter.is_alive(): fail("the lock was lost")
    with open("state.new", "w") as f: f.write(f"{os.getpid()} {alive} {sum(counters)}")
    os.rename("state.new", "state")
held.release(); stop.set()
for t in threads + [waiter]: t.join(5)
if any(t.is_alive() for t in threads + [waiter]): fail("a thread does not end")
seen = []
while not q.empty(): seen.append(q.get())
if seen.count("released") != 1: fail("the waiter did not get the lock")
if any(seen.count(i) != counters[i] for i in range(8)): fail("queue and counters differ")
if not os.path.exists("error"):
    with open("end", "w") as f: f.write("well")
"#;

/// bash: a pipeline that counts, background and stopped jobs; no number is lost, jobs are where they were.
fn bash(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("bash", names, user)?;
    let script = pod.write("jobs.sh", BASH)?;
    let id = pod.start(&["bash", &script])?;
    let numbers = |pod: &Live| pod.read("numbers").lines().filter_map(|l| l.parse::<u64>().ok()).collect::<Vec<_>>();
    for round in 0..3 {
        eventually("the pipeline flows", || numbers(&pod).len() > 10 * (round + 1))?;
        pod.round()?;
        let count = numbers(&pod).len();
        eventually("the pipeline flows again", || numbers(&pod).len() > count + 5)?;
        pod.write(&format!("ask{round}"), "")?;
        eventually("the shell answers", || pod.read(&format!("answer{round}")).ends_with("end\n"))?;
        let answer = pod.read(&format!("answer{round}"));
        ensure!(answer.contains(&format!("shell {id} {id}\n")), "round {round}: another shell: {answer}");
        ensure!(answer.contains("Running") && answer.contains("Stopped"), "round {round}: jobs: {answer}");
    }
    pod.write("stop", "")?;
    eventually("the shell ends", || pod.read("end") == "0 143 7\n").with_context(|| format!("end: {}", pod.read("end")))?;
    let all = numbers(&pod);
    ensure!(all.iter().enumerate().all(|(i, n)| *n == i as u64), "the pipeline lost or doubled a number");
    Ok(())
}

const BASH: &str = r#"set -m
exec 2>>errors
i=0; while [ ! -e stop ]; do echo $i; i=$((i+1)); sleep 0.01; done | cat | while read n; do echo $n >>numbers; done &
sleep 1000 & sleeper=$!
(kill -STOP $BASHPID; exit 7) & stopped=$!
for r in 0 1 2; do
    until [ -e ask$r ]; do sleep 0.02; done
    { echo shell $$ $BASHPID; jobs; kill -0 %1 %2 %3 && echo end; } >answer$r
done
until [ -e stop ]; do sleep 0.02; done
kill -CONT %3; kill %2
wait %1; a=$?; wait $sleeper; b=$?; wait $stopped; c=$?
echo $a $b $c >end
"#;

/// nginx with two workers and four keep-alive clients in the pod, which never see a wrong answer or a broken connection.
fn nginx(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("nginx", names, user)?;
    let port = free_port()?;
    let dir = pod.directory.to_string_lossy().into_owned();
    let page: String = (0..2000).map(|i| format!("line {i} of the page\n")).collect();
    pod.write("page.txt", &page)?;
    let account = if user == User::Root { "user root;" } else { "" };
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|t| format!("{t}_temp_path {dir}/t_{t};")).collect();
    let configuration = format!(
        "{account} worker_processes 2; pid {dir}/pid; error_log {dir}/error.log; events {{ worker_connections 64; }}\n\
         http {{ access_log off; keepalive_requests 100000000; {temporary} server {{ listen 127.0.0.1:{port}; root {dir}; }} }}\n"
    );
    let configuration = pod.write("nginx.conf", &configuration)?;
    pod.start(&["/usr/sbin/nginx", "-c", &configuration, "-e", &pod.path("error.log")])?;
    let get = || -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /page.txt HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    eventually("nginx serves", || get().is_ok_and(|a| a.ends_with(&page)))?;
    let master = pod.read("pid");
    let client = pod.write("client.py", NGINX_CLIENT)?;
    pod.start(&["python3", &client, &port.to_string()])?;
    let served = |pod: &Live| pod.read("served").trim().parse::<u64>().unwrap_or_default();
    for round in 0..3 {
        let before = served(&pod);
        eventually("the clients are served", || served(&pod) > before + 100)?;
        pod.round()?;
        let before = served(&pod);
        eventually("the clients are served after the restart", || served(&pod) > before + 100)
            .with_context(|| format!("round {round}: {}", pod.read("client-errors")))?;
        ensure!(pod.read("client-errors").is_empty(), "round {round}: {}", pod.read("client-errors"));
        ensure!(get()?.ends_with(&page), "round {round}: a new connection got another page");
        ensure!(pod.read("pid") == master);
    }
    pod.autopod(&["kill", "p", master.trim(), "-s", "HUP"])?;
    eventually("nginx serves after a reload", || get().is_ok_and(|a| a.ends_with(&page)))
}

const NGINX_CLIENT: &str = r#"
import http.client, os, sys, threading, time
page = open("page.txt", "rb").read()
counts = [0] * 4
def run(i):
    try:
        c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
        c.connect(); mine = c.sock.getsockname()
        while True:
            c.request("GET", "/page.txt")
            if c.getresponse().read() != page: raise Exception("another page")
            if c.sock.getsockname() != mine: raise Exception("another connection")
            counts[i] += 1
    except Exception as e:
        with open("client-errors", "a") as f: f.write(f"client {i} after {counts[i]}: {e!r}\n")
for i in range(4): threading.Thread(target=run, args=(i,), daemon=True).start()
while True:
    with open("served.new", "w") as f: f.write(str(sum(counts)))
    os.rename("served.new", "served")
    time.sleep(0.02)
"#;

/// exim4: mail submitted into the pod waits in the queue over a restart and is then delivered to a local mailbox.
fn exim(names: Names, user: User) -> Result<()> {
    let mut pod = Live::walled("exim", names, user)?;
    let dir = pod.directory.to_string_lossy().into_owned();
    let port = free_port()?;
    let configuration = pod.write(
        "exim.conf",
        &format!(
            "primary_hostname = pod.test\ndomainlist local = pod.test\nspool_directory = {dir}/spool\nlog_file_path = {dir}/spool/log-%s\n\
             pid_file_path = {dir}/pid\ndaemon_smtp_ports = {port}\nlocal_interfaces = 127.0.0.1\nqueue_only = true\nkeep_environment =\n\
             never_users =\nacl_smtp_rcpt = accept_all\ntls_advertise_hosts =\nbegin acl\naccept_all:\n  accept\nbegin routers\nlocal:\n  driver = accept\n  \
             domains = +local\n  transport = box\nbegin transports\nbox:\n  driver = appendfile\n  file = {dir}/mail/box\n  \
             create_file = anywhere\n  user = mail\n  group = mail\nbegin retry\n* * F,1h,1m\nbegin rewrite\n"
        ),
    )?;
    // exim delivers to mailboxes as a user of its own, never as root.
    std::fs::create_dir(pod.directory.join("mail"))?;
    std::fs::set_permissions(pod.directory.join("mail"), std::fs::Permissions::from_mode(0o777))?;
    let exim = "/usr/sbin/exim4";
    pod.start(&[exim, "-C", &configuration, "-bdf"])?;
    eventually("exim listens", || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    for round in 0..3 {
        for message in 0..3 {
            let text = format!("Subject: message {round}.{message}\n\nbody {round}.{message} of the mail\n");
            let file = pod.write(&format!("m{round}{message}"), &text)?;
            pod.start(&["sh", "-c", &format!("{exim} -C {configuration} -odq someone@pod.test <{file}")])?;
        }
        let queued = |pod: &Live| {
            std::fs::read_dir(pod.directory.join("spool/input"))
                .into_iter()
                .flatten()
                .flatten()
                .filter(|e| e.file_name().to_string_lossy().ends_with("-H"))
                .count()
        };
        eventually("three messages wait", || queued(&pod) == 3)?;
        pod.round()?;
        ensure!(queued(&pod) == 3, "round {round}: the queue changed");
        let mut smtp = TcpStream::connect(("127.0.0.1", port)).context("the daemon does not listen any more")?;
        smtp.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut greeting = [0; 8];
        smtp.read_exact(&mut greeting)?;
        ensure!(greeting.starts_with(b"220 pod."), "the daemon does not greet");
        drop(smtp);
        pod.start(&[exim, "-C", &configuration, "-qff"])?;
        for message in 0..3 {
            eventually("the mail is in the mailbox", || {
                pod.read("mail/box").contains(&format!("body {round}.{message} of the mail"))
            })
            .with_context(|| pod.read("spool/log-main"))?;
        }
        eventually("the queue is empty", || queued(&pod) == 0)?;
    }
    Ok(())
}

macro_rules! everywhere {
    ($($program:ident: $($test:ident $names:ident $user:ident),*;)*) => {
        $($(
            #[test]
            fn $test() {
                if let Err(error) = $program(Names::$names, User::$user) {
                    panic!("{error:#}");
                }
            }
        )*)*
    };
}

// exim4 is set-user-id root and insists on it: it runs as root only.
everywhere! {
    redis: redis_kernel_root Kernel Root, redis_shim_root Shim Root, redis_kernel_user Kernel Unprivileged, redis_shim_user Shim Unprivileged;
    python: python_kernel_root Kernel Root, python_shim_root Shim Root, python_kernel_user Kernel Unprivileged, python_shim_user Shim Unprivileged;
    bash: bash_kernel_root Kernel Root, bash_shim_root Shim Root, bash_kernel_user Kernel Unprivileged, bash_shim_user Shim Unprivileged;
    nginx: nginx_kernel_root Kernel Root, nginx_shim_root Shim Root, nginx_kernel_user Kernel Unprivileged, nginx_shim_user Shim Unprivileged;
    exim: exim_kernel_root Kernel Root, exim_shim_root Shim Root;
}
