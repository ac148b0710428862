"""OpenJDK: threads that allocate, lock, time and talk over sockets, under each garbage collector; the program checks itself.

It ends its child by kill(1): Process.destroy() compares the start time that /proc tells, which nobody can set (docs/limitations.md).
"""
from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["java", "javac"]
WHERE = EVERYWHERE
VARIANTS = ["default", "UseSerialGC", "UseParallelGC", "UseZGC", "UseShenandoahGC", "Xint"]

SOURCE = r"""
import java.io.*; import java.net.*; import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*;
public class Busy {
    static final ConcurrentHashMap<Integer, byte[]> map = new ConcurrentHashMap<>();
    static final AtomicLongArray counts = new AtomicLongArray(8);
    static volatile boolean stop;
    static synchronized void fail(String text) {
        try { Files.writeString(Path.of("error"), text + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND); } catch (IOException e) { }
    }
    static byte[] value(int k) { byte[] v = new byte[200 + k % 1000]; Arrays.fill(v, (byte) k); return v; }
    static void churn(int i) {
        Random random = new Random(i); long last = System.nanoTime();
        while (!stop) {
            int k = random.nextInt(20000);
            byte[] v = map.get(k);
            if (v == null) map.put(k, value(k));
            else if (!Arrays.equals(v, value(k))) fail("value " + k + " changed");
            long now = System.nanoTime();
            if (now < last) fail("nanoTime went back");
            last = now;
            if (counts.incrementAndGet(i) % 1000 == 0) LockSupport(i);
        }
    }
    static void LockSupport(int i) { java.util.concurrent.locks.LockSupport.parkNanos(500_000); }
    static void client(int port, int i) {
        try (Socket s = new Socket("127.0.0.1", port)) {
            var out = new DataOutputStream(s.getOutputStream()); var in = new DataInputStream(s.getInputStream());
            for (long n = 0; !stop; n++) { out.writeLong(n); out.flush(); if (in.readLong() != n + 1) fail("the echo is wrong"); counts.incrementAndGet(i); Thread.sleep(1); }
        } catch (Exception e) { if (!stop) fail("client: " + e); }
    }
    static void serve(Socket s) {
        try (s) { var out = new DataOutputStream(s.getOutputStream()); var in = new DataInputStream(s.getInputStream());
            while (true) { out.writeLong(in.readLong() + 1); out.flush(); } } catch (IOException e) { if (!stop && !(e instanceof EOFException)) fail("server: " + e); }
    }
    public static void main(String[] a) throws Exception {
        var server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        long pid = ProcessHandle.current().pid();
        Thread acceptor = new Thread(() -> { try { while (true) { var s = server.accept(); var t = new Thread(() -> serve(s)); t.setDaemon(true); t.start(); } } catch (IOException e) { } });
        acceptor.setDaemon(true); acceptor.start();
        for (int i = 0; i < 4; i++) { int n = i; new Thread(() -> churn(n)).start(); }
        for (int i = 4; i < 6; i++) { int n = i; new Thread(() -> client(server.getLocalPort(), n)).start(); }
        var timer = Executors.newScheduledThreadPool(2);
        timer.scheduleAtFixedRate(() -> counts.incrementAndGet(6), 5, 5, TimeUnit.MILLISECONDS);
        timer.scheduleWithFixedDelay(() -> { System.gc(); counts.incrementAndGet(7); }, 50, 200, TimeUnit.MILLISECONDS);
        Process child = new ProcessBuilder("sleep", "100000").start();
        while (!Files.exists(Path.of("stop"))) {
            var text = new StringBuilder(pid + " " + ProcessHandle.current().pid() + " " + child.pid() + " " + child.isAlive());
            for (int i = 0; i < 8; i++) text.append(" ").append(counts.get(i));
            Files.writeString(Path.of("state.new"), text + " .");
            Files.move(Path.of("state.new"), Path.of("state"), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            Thread.sleep(50);
        }
        stop = true; new ProcessBuilder("kill", "" + child.pid()).start().waitFor(); int status = child.waitFor();
        timer.shutdown(); Thread.sleep(300);
        for (var e : map.entrySet()) if (!Arrays.equals(e.getValue(), value(e.getKey()))) fail("value " + e.getKey() + " is wrong in the end");
        Files.writeString(Path.of("end"), "child " + status);
        System.exit(0);
    }
}
"""


def run(pod, variant):
    pod.write("Busy.java", SOURCE)
    pod.command("javac", "-d", pod.directory, pod.path("Busy.java"))
    options = {"default": [], "Xint": ["-Xint"], "UseZGC": ["-XX:+UseZGC"]}.get(variant, ["-XX:+" + variant])
    pod.start("java", "-Xmx256m", *options, "-cp", pod.directory, "Busy")

    def state():
        words = pod.read("state").split()
        ensure(len(words) == 13 and words[12] == ".", f"no state; {pod.read('error')}")
        return words[:4], [int(word) for word in words[4:12]]

    def all_work(before):
        return all(now > then for now, then in zip(state()[1], before))

    eventually("all threads work", lambda: all_work([0] * 8))
    ids = state()[0]
    ensure(ids[0] == ids[1] and ids[3] == "true", f"ids {ids}")
    for _ in range(3):
        pod.round()
        before = state()[1]
        eventually("all threads work after the restart", lambda: all_work(before))
        ensure(state()[0] == ids, f"ids were {ids}, are {state()[0]}")
        ensure(not pod.read("error"), pod.read("error"))
    pod.write("stop", "")
    eventually("the program ends", lambda: pod.read("end"))
    ensure(pod.read("end") == "child 143" and not pod.read("error"), pod.read("end") + pod.read("error"))
