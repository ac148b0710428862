"""Static programs, which no library can be preloaded into: one of Go, with its own threads, timers and sockets, and one of musl."""
from pod import ensure, eventually
from programs.perl import follow

VARIANTS = ["go", "musl"]
NEEDS = ["go", "musl-gcc"]
# nothing can translate their names, so these are the kernel's
WHERE = [("kernel", "root"), ("kernel", "user")]

GO = r"""
package main
import ("bufio"; "fmt"; "net"; "os"; "os/exec"; "sync/atomic"; "syscall"; "time")
func fail(text string) { f, _ := os.OpenFile("error", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0644); fmt.Fprintln(f, text); f.Close() }
func main() {
	var echoed, ticks, allocated int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { fail(err.Error()); return }
	go func() { for { c, err := listener.Accept(); if err != nil { return }; go func() { r := bufio.NewReader(c); for { line, err := r.ReadString('\n'); if err != nil { return }; c.Write([]byte(line)) } }() } }()
	go func() {
		c, err := net.Dial("tcp", listener.Addr().String()); if err != nil { fail(err.Error()); return }
		r := bufio.NewReader(c)
		for n := 0; ; n++ { fmt.Fprintf(c, "%d\n", n); line, err := r.ReadString('\n'); if err != nil || line != fmt.Sprintf("%d\n", n) { fail(fmt.Sprint("echo ", line, err)); return }; atomic.AddInt64(&echoed, 1); time.Sleep(time.Millisecond) }
	}()
	go func() { last := time.Now(); for now := range time.Tick(5 * time.Millisecond) { if now.Before(last) || now.Sub(last) > time.Minute { fail("the clock jumps") }; last = now; atomic.AddInt64(&ticks, 1) } }()
	for i := 0; i < 3; i++ { go func() { m := map[int][]byte{}; for n := 0; ; n++ { m[n%5000] = make([]byte, n%3000); atomic.AddInt64(&allocated, 1); if n%1000 == 0 { time.Sleep(time.Millisecond) } } }() }
	child := exec.Command("sleep", "100000")
	if err := child.Start(); err != nil { fail(err.Error()) }
	pid := os.Getpid()
	for {
		if _, err := os.Stat("stop"); err == nil { break }
		if os.Getpid() != pid || child.Process.Signal(syscall.Signal(0)) != nil { fail("another id, or no child") }
		os.WriteFile("state.new", []byte(fmt.Sprintf("%d %d %d %d .", pid, atomic.LoadInt64(&echoed), atomic.LoadInt64(&ticks), atomic.LoadInt64(&allocated))), 0644)
		os.Rename("state.new", "state"); time.Sleep(10 * time.Millisecond)
	}
	child.Process.Kill()
	os.WriteFile("end", []byte(fmt.Sprint(child.Wait())), 0644)
}
"""
MUSL = r"""
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static volatile long turns[3]; static volatile sig_atomic_t alarms; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static void fail(const char *text) { FILE *f = fopen("error", "a"); fprintf(f, "%s\n", text); fclose(f); }
static void on_alarm(int s) { alarms++; }
static void *work(void *number) {
    static __thread long mine; long k = (long)number;
    for (;;) { mine++; pthread_mutex_lock(&lock); turns[k]++; pthread_cond_broadcast(&turn); if (turns[k] != mine) fail("thread data");
        struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_nsec += 5000000; if (t.tv_nsec >= 1000000000) { t.tv_nsec -= 1000000000; t.tv_sec++; }
        pthread_cond_timedwait(&turn, &lock, &t); pthread_mutex_unlock(&lock); char *m = malloc(100000); memset(m, k, 100000); free(m); }
}
int main(void) {
    pthread_t t; pid_t me = getpid(); struct timespec slice = {0, 10000000};
    signal(SIGALRM, on_alarm); struct itimerspec s = {{0, 5000000}, {0, 5000000}}; timer_t timer; timer_create(CLOCK_MONOTONIC, 0, &timer); timer_settime(timer, 0, &s, 0);
    for (long k = 0; k < 3; k++) pthread_create(&t, 0, work, (void *)k);
    pid_t child = fork(); if (!child) for (;;) pause();
    while (access("stop", F_OK)) {
        if (getpid() != me || kill(child, 0)) fail("another id, or no child");
        FILE *f = fopen("state.new", "w"); fprintf(f, "%d %ld %ld %ld %d .", me, turns[0], turns[1], turns[2], (int)alarms); fclose(f); rename("state.new", "state");
        nanosleep(&slice, 0);
    }
    int status; kill(child, SIGTERM); while (waitpid(child, &status, 0) < 0); FILE *f = fopen("end", "w"); fprintf(f, "%d", WTERMSIG(status)); fclose(f); fflush(0); _exit(0);
}
"""


def run(pod, variant):
    if variant == "go":
        pod.write("main.go", GO)
        go = ["env", "CGO_ENABLED=0", f"GOCACHE={pod.path('cache')}", "GO111MODULE=off", "go"]
        pod.command(*go, "build", "-o", pod.path("program"), pod.path("main.go"), seconds=280)
        follow(pod, [pod.path("program")], "signal: killed", 3)
    else:
        pod.command("musl-gcc", "-static", "-O1", "-o", pod.path("program"), pod.write("main.c", MUSL))
        follow(pod, [pod.path("program")], "15", 4)
    ensure(pod.tree().count("\n") <= 2, "something is left: " + pod.tree())
    eventually("nothing is left", lambda: "program" not in pod.tree())
