"""SQLite: a write transaction open over every round, with a log (WAL) and with a journal, a reader with its snapshot, locks kept."""
from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["sqlite3", "mkfifo"]
WHERE = EVERYWHERE
VARIANTS = ["wal", "delete"]


def run(pod, variant):
    pod.run("sqlite3", "data.db", f"pragma journal_mode={variant}; create table t(n integer primary key, text); insert into t values(0, 'begun');")
    for name in "writer", "reader":
        pod.run("mkfifo", name)
        # the shell holds the fifo, so that lines come one by one
        pod.start("sh", "-c", f"exec 3<>{name}; exec sqlite3 -batch data.db <{name} >{name}.out 2>&1")

    def tell(name, line, answer):
        pod.run("sh", "-c", f'printf "%s\\n" "$1" "select \'{answer}\';" >{name}', "sh", line)
        eventually(f"the {name} answers", lambda: pod.read(name + ".out").endswith(answer + "\n"))

    tell("writer", "pragma synchronous=full; begin immediate; insert into t values(1, 'held');", "started")
    if variant == "wal":
        tell("reader", "begin; select count(*) from t;", "reading")
    for n in range(3):
        pod.round()
        tell("writer", f"insert into t select max(n) + 1, hex(randomblob(500)) from t; insert into t select n + 1000 * ({n} + 1), text from t where n < 1000;", f"round{n}")
        busy = pod.run("sh", "-c", "sqlite3 data.db 'begin immediate;' 2>&1 || true")
        ensure("locked" in busy, f"another program could write: {busy!r}")
        ensure(pod.run("sqlite3", "data.db", "select count(*) from t").strip() == "1", "what is not committed is seen")
        if variant == "wal":
            tell("reader", "select 'count', count(*) from t;", f"read{n}")
    tell("writer", "commit;", "committed")
    ensure("rror" not in pod.read("writer.out"), pod.read("writer.out"))
    if variant == "wal":
        tell("reader", "select 'last', count(*) from t; commit; select 'new', count(*) from t;", "done")
        text = pod.read("reader.out")
        ensure(text.count("count|1\n") == 3 and "last|1\n" in text and "rror" not in text, f"the reader's snapshot: {text}")
        ensure("new|14\n" in text, text)
    ensure(pod.run("sqlite3", "data.db", "pragma integrity_check; select count(*) from t").split() == ["ok", "14"], pod.run("sqlite3", "data.db", "select count(*) from t"))
