"""Ruby: threads, queues, a condition variable, fibers, children over pipes and a TCP connection; the script checks itself."""
from programs import EVERYWHERE
from programs.perl import follow

NEEDS = ["ruby"]
WHERE = EVERYWHERE

SOURCE = r"""
require 'socket'; require 'digest'; require 'open3'; require 'timeout'
def fault(text) File.open('error', 'a') { |f| f.puts text } end
Thread.report_on_exception = false
$counts = [0] * 6
$stop = false
def watch; Thread.new { begin; yield; rescue Exception => e; fault(e.full_message) unless $stop; end } end
queue, lock, cond, turn = Queue.new, Mutex.new, ConditionVariable.new, 0
watch { n = 0; loop { queue << (n += 1); sleep 0.002 } }
watch { n = 0; loop { got = queue.pop; n += 1; fault("popped #{got}, not #{n}") if got != n; $counts[0] += 1 } }
2.times { |me| watch { loop { lock.synchronize { cond.wait(lock) until turn % 2 == me; turn += 1; cond.signal; $counts[1] += 1 }; sleep 0.001 } } }
server = TCPServer.new('127.0.0.1', 0)
watch { loop { c = server.accept; Thread.new { while (l = c.gets); c.puts Digest::SHA256.hexdigest(l); end } } }
watch { s = TCPSocket.new('127.0.0.1', server.addr[1]); n = 0
  loop { n += 1; s.puts n; fault('another digest') if s.gets.chomp != Digest::SHA256.hexdigest("#{n}\n"); $counts[2] += 1; sleep 0.002 } }
child_in, child_out, child = Open3.popen2('cat')
watch { n = 0; loop { n += 1; child_in.puts n; child_in.flush; fault('cat gave something else') if child_out.gets.to_i != n; $counts[3] += 1; sleep 0.002 } }
fiber = Fiber.new { n = 0; loop { Fiber.yield(n += 1) } }
trap('USR2') { $counts[4] += 1 }
last = Process.clock_gettime(Process::CLOCK_MONOTONIC); pid = $$
until File.exist?('stop')
  now = Process.clock_gettime(Process::CLOCK_MONOTONIC); fault('the clock went back') if now < last; last = now
  $counts[5] = fiber.resume
  Process.kill('USR2', $$)
  begin; Timeout.timeout(0.01) { sleep 1 }; fault('no timeout'); rescue Timeout::Error; end
  fault('another id') if $$ != pid || Process.getpgid(0) != Process.getpgrp
  GC.start if rand < 0.1
  File.write('state.new', "#{$$} #{$counts.join(' ')} ."); File.rename('state.new', 'state')
end
$stop = true
Process.kill('TERM', child.pid)
File.write('end', "child #{child.value.termsig}")
exit!(0)
"""


def run(pod, _):
    follow(pod, ["ruby", pod.write("busy.rb", SOURCE)], "child 15", 6)
