"""The clock leaves out the time in which the process was stopped."""

import signal
import subprocess
import sys
import time

PROGRAM = """
import time
from tfdistill.system import clock
from tfdistill.system.clock import INTERVAL

clock.INTERVAL, clock.PAUSE = 0.05, 0.5
began, real = clock.now(), time.monotonic()
print("ready", flush=True)
while time.monotonic() < real + 0.4:
    sum(range(10_000))
input()
print(clock.now() - began, time.monotonic() - real)
"""


def test_a_stopped_process_gains_no_time():
    words = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        process.stdin.write("\n")
        process.stdin.flush()
        counted, passed = map(float, process.stdout.readline().split())
    assert passed > 1.5 and counted < passed - 1.2
