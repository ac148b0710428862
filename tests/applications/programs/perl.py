"""Perl: forked workers over pipes and a socket pair, signals and alarms, tied files; the script checks itself."""
from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["perl"]
WHERE = EVERYWHERE

SOURCE = r"""
use strict; use warnings; use Socket; use POSIX ':sys_wait_h'; use IO::Handle; use IO::Select; use Time::HiRes qw(time sleep setitimer ITIMER_REAL);
sub fail { open(my $f, '>>', 'error'); print $f "@_\n"; }
$SIG{__DIE__} = sub { fail(@_) }; $SIG{__WARN__} = sub { fail(@_) };
my ($alarms, $usr) = (0, 0);
$SIG{ALRM} = sub { $alarms++ }; $SIG{USR1} = sub { $usr++ };
my (@workers, %sum);
for my $i (0 .. 3) {
    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
    my $pid = fork // die $!;
    if (!$pid) {
        close $ours; $theirs->autoflush(1); my $own = $$; my $parent = getppid;
        while (my $line = <$theirs>) {
            chomp $line; fail("a worker's id changed") if $$ != $own || getppid != $parent;
            print $theirs join(' ', $own, scalar reverse($line), length $line), "\n"; kill 'USR1', $parent;
        }
        POSIX::_exit(40 + $i);
    }
    close $theirs; $ours->autoflush(1); push @workers, {pid => $pid, io => $ours};
}
open(my $data, '+>', 'data') or die $!; unlink 'data';
setitimer(ITIMER_REAL, 0.05, 0.05);
my ($n, $own) = (0, $$);
until (-e 'stop') {
    $n++;
    for my $w (@workers) {
        my $text = "text-$n-" . ('x' x ($n % 500));
        $w->{io}->print("$text\n"); my $got;
        { local $! = 0; $got = readline $w->{io}; redo if !defined $got && $!{EINTR}; }
        chomp $got;
        fail("answer $got") if $got ne join(' ', $w->{pid}, scalar reverse($text), length $text);
    }
    seek $data, 0, 1; print $data pack('N', $n); $data->flush;
    fail('another id') if $$ != $own;
    if ($n % 5 == 0) { open(my $f, '>', 'state.new'); print $f "$own $n $alarms $usr ."; close $f; rename 'state.new', 'state'; }
    sleep 0.002;
}
my @status;
for my $w (@workers) { shutdown $w->{io}, 1; while (waitpid($w->{pid}, 0) < 0) { last unless $!{EINTR} } push @status, $? >> 8; }
seek $data, 0, 0; my $i = 0; while (read $data, my $four, 4) { $i++; fail("record $i") if unpack('N', $four) != $i; }
fail("$i records, not $n") if $i != $n;
open(my $f, '>', 'end'); print $f "@status"; close $f;
"""


def run(pod, _):
    follow(pod, ["perl", pod.write("busy.pl", SOURCE)], "40 41 42 43", 3)


def follow(pod, command, end, counters):
    """A script that writes "id counters... ." to `state`, faults to `error`, and, when there is `stop`, `end`."""
    pid = pod.start(*command)

    def state():
        words = pod.read("state").split()
        ensure(len(words) == counters + 2 and words[-1] == "." and int(words[0]) == pid, f"state {words}; {pod.read('error')}")
        return [int(word) for word in words[1:-1]]

    def all_work(before):
        return all(now > then for now, then in zip(state(), before))

    eventually("all of it works", lambda: all_work([0] * counters))
    for _ in range(3):
        pod.round()
        before = state()
        eventually("all of it works after the restart", lambda: all_work(before))
        ensure(not pod.read("error"), pod.read("error"))
    pod.write("stop", "")
    eventually("the program ends", lambda: pod.read("end"))
    ensure(pod.read("end").strip() == end and not pod.read("error"), pod.read("end") + pod.read("error"))
