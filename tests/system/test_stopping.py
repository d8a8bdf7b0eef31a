"""Ctrl-C and SIGTERM: when a process ends, its messages and its exit code."""

import signal
import subprocess
import sys
import time

import pytest

# A command with one stage; `busy` keeps the main thread in a call that cannot be interrupted.
COMMAND = """
import hashlib, sys, time
from tfdistill.command_line import cli
from tfdistill.system import stopping
from tfdistill.command_line.console import Console
from tfdistill.system.quiet import quiet_native_output

def busy():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

def ready():
    print("ready", flush=True)

def main(config):
    {body}
    print("through", flush=True)

cli.Command("", ()).run(main, left=lambda: "what is left")
"""
PLAIN = "ready(); time.sleep(60)"
COMPILING = "ready(); busy()"
CAPTURED = "\n    with quiet_native_output(): ready(); busy()"
STEPS = """
    with stopping.postponed() as stop:
        stop.unsaved = True
        ready()
        time.sleep({seconds})
        print("stored", flush=True)
        stop.unsaved = False
        {end}"""
STORING = STEPS.format(seconds=1.0, end="stop.check()")
AT_THE_END = STEPS.format(seconds=1.0, end="pass")
LONG = STEPS.format(seconds=60.0, end="pass")
COMPILING_FIRST = "\n    with stopping.postponed(): ready(); busy()"
TRANSLATED = """
    try:
        ready(); time.sleep(60)
    except KeyboardInterrupt as error:
        raise RuntimeError("in a library") from error"""
WAITS = "stopping after the checkpoint is written; a second Ctrl-C stops at once\n"
FAREWELL = "stopped; what is left\n"


def stop(body, *signals, pause=0.5):
    """Sends signals to a command that is ready: (exit code, output, errors, seconds)."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        began = time.monotonic()
        for number, signum in enumerate(signals):
            time.sleep(pause * bool(number))
            process.send_signal(signum)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, out, err, time.monotonic() - began


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("signum", CODES)
@pytest.mark.parametrize("body", [PLAIN, COMPILING, CAPTURED, COMPILING_FIRST, TRANSLATED])
def test_one_signal_ends_a_command_without_state(body, signum):
    """Also during a call that Python cannot interrupt."""
    code, out, err, seconds = stop(body, signum)
    assert (code, out, err) == (CODES[signum], "", FAREWELL)
    assert seconds < 10


@pytest.mark.parametrize("signum", CODES)
def test_state_is_stored_first(signum):
    code, out, err, _ = stop(STORING, signum)
    assert (code, out, err) == (CODES[signum], "stored\n", WAITS + FAREWELL)


def test_the_end_of_a_stage_is_stored():
    code, out, err, _ = stop(AT_THE_END, signal.SIGINT)
    assert (code, out, err) == (130, "stored\n", WAITS + FAREWELL)


@pytest.mark.parametrize("signum", CODES)
def test_a_second_signal_ends_at_once(signum):
    code, out, err, seconds = stop(LONG, signal.SIGINT, signum)
    assert (code, out, err) == (130, "", WAITS + FAREWELL)
    assert seconds < 10


def test_a_doubled_signal_counts_once():
    """`timeout` signals the process and its group."""
    code, out, err, _ = stop(STORING, signal.SIGTERM, signal.SIGTERM, pause=0.01)
    assert (code, out, err) == (143, "stored\n", WAITS + FAREWELL)


def test_an_ignored_signal_stays_ignored():
    """As in a command that a script runs in the background."""
    body = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    program = COMMAND.format(body="ready(); time.sleep(1)").replace(
        "cli.Command", f"{body}; cli.Command"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal\n{program}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "through\n" and process.returncode == 0


NOTEBOOK = """
import os, signal, time
from tfdistill.system import stopping
def press():
    os.kill(os.getpid(), signal.SIGINT)
for presses in (1, 2):
    try:
        with stopping.postponed() as stop:
            for _ in range(presses):
                press()
                time.sleep(0.3)
            print("stored")
    except KeyboardInterrupt:
        print("interrupted")
    assert stop.signum is None
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_without_a_command():
    """In Python, the first Ctrl-C waits and the second does not."""
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("stored\ninterrupted\ninterrupted\n", "")
