"""PostgreSQL under pgbench, both in the pod: no transaction lost or doubled, every server process with its id."""
import glob

from pod import ensure, eventually
from programs import EVERYWHERE

BIN = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or ["/usr/lib/postgresql/15/bin"])[-1]
NEEDS = [BIN + "/postgres", BIN + "/initdb", BIN + "/pgbench", "psql"]
WHERE = EVERYWHERE


def run(pod, _):
    # the server refuses to run as root
    account = "postgres" if pod.user == "root" else None
    data, sockets = pod.path("data/db"), pod.path("data")
    pod.run("sh", "-c", f"mkdir {sockets}; chmod 700 {sockets}" + (f"; chown postgres {sockets}" if account else ""))
    pod.run(BIN + "/initdb", "-D", data, "-A", "trust", "-U", "bench", "--no-sync", user=account)
    server = pod.start(BIN + "/postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "autovacuum_naptime=1s",
                       "-c", f"log_directory={sockets}", "-c", "shared_buffers=64MB", user=account)

    def sql(text):
        return pod.run("psql", "-h", sockets, "-U", "bench", "-d", "postgres", "-qAtX", "-c", text, user=account).strip()

    eventually("the server answers", lambda: sql("select 1") == "1")
    pod.run(BIN + "/pgbench", "-h", sockets, "-U", "bench", "-i", "-s", "2", "-q", "postgres", user=account)
    backends = "select string_agg(pid || backend_type, ' ' order by pid) from pg_stat_activity where pid <> pg_backend_pid() " \
               "and backend_type in ('client backend','checkpointer','background writer','walwriter','logical replication launcher')"
    count = "select count(*) from pgbench_history"
    sums = "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) and " \
           "(select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history) and " \
           "(select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history)"
    bench = pod.start("sh", "-c", f"exec {BIN}/pgbench -h {sockets} -U bench -c 4 -j 2 -T 100000 -P 1 postgres >{sockets}/bench 2>&1", user=account)
    # a session of its own with state that is in the backend only: a temporary table, an open transaction, a lock
    pod.start("sh", "-c", f"(echo 'create temp table t as select 42 as x; begin; lock pgbench_history in access share mode;'; "
              f"while [ ! -e {sockets}/ask ]; do sleep 0.1; done; echo 'select x, pg_backend_pid() from t; commit;'; cat {sockets}/ask) "
              f"| psql -h {sockets} -U bench -d postgres -qAtX >{sockets}/held 2>&1; echo ended >>{sockets}/held", user=account)
    for _ in range(3):
        before = int(sql(count))
        eventually("transactions are made", lambda: int(sql(count)) > before + 50)
        ids, pids = sql(backends), pod.read("data/db/postmaster.pid").splitlines()[0]
        pod.round()
        ensure(sql(backends) == ids, f"other server processes: {ids} before, {sql(backends)} after")
        ensure(int(pids) == server, f"the server is {server}, its pid file says {pids}")
        before = int(sql(count))
        eventually("transactions are made after the restart", lambda: int(sql(count)) > before + 50)
        ensure(sql(sums) == "t", "the balances do not agree with the history")
        pod.run("psql", "-h", sockets, "-U", "bench", "-d", "postgres", "-qAtX", "-c", "checkpoint", user=account)
        log = pod.read("data/bench")
        ensure("aborted" not in log and "FATAL" not in log and "error" not in log, f"pgbench: {log[-400:]}")
    pod.autopod("kill", "p", str(bench), "-s", "INT")
    pod.run("sh", "-c", f"touch {sockets}/ask", user=account)
    eventually("the open transaction ends", lambda: "ended" in pod.read("data/held"))
    ensure(pod.read("data/held").startswith("42|"), f"the session lost its table: {pod.read('data/held')}")
    ensure(sql("select count(*) from pg_class where relname = 'pgbench_accounts'") == "1", "the catalog changed")
    pod.run(BIN + "/pg_ctl", "stop", "-D", data, "-m", "fast", "-t", "30", user=account)
