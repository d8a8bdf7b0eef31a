"""Progress lines: steps, time left, and the width of the terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import termios

import pytest

from tfdistill.command_line import console
from tfdistill.command_line.console import Console, finish_line


class Clock:
    """Replaces `clock.now`."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("tfdistill.system.clock.now", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """A function of a width to (console, function that returns the terminal's text)."""
    opened = []

    def make(columns):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        stream = os.fdopen(theirs, "w")
        opened.extend([stream, ours])
        monkeypatch.setattr("sys.stdout", stream)
        console = Console()

        def seen():
            stream.flush()
            got = b""
            while select.select([ours], [], [], 0.1)[0]:
                got += os.read(ours, 1 << 16)
            return got.decode()

        return console, seen

    yield make
    finish_line()
    for each in opened:
        os.close(each) if isinstance(each, int) else each.close()


def test_compiling_does_not_count_for_the_time_left(clock, capsys):
    """A minute of compiling, then a second per step."""
    line = Console().progress("student", 100)
    line.note("compiling the step")
    clock.now += 60
    line(1)
    clock.now += 1
    line(2)  # too soon to be shown
    clock.now += 19
    line(21, "loss 3.000")
    shown = capsys.readouterr().out.splitlines()
    assert [re.sub(" +", " ", each.strip()) for each in shown] == [
        "student 0/100 compiling the step",
        "student 1/100",
        "student 21/100 loss 3.000 1 min 19 s left",
    ]


def test_a_continued_run(clock, capsys):
    line = Console().progress("student", 100, first=50)
    line.note("compiling the step")
    clock.now += 60
    line(51)
    clock.now += 20
    line(61, "loss 3.000")
    assert capsys.readouterr().out.splitlines()[-1].endswith("loss 3.000  1 min 18 s left")


def test_notes_between_steps_are_not_printed_to_a_file(clock, capsys):
    line = Console().progress("student", 10)
    for step in range(1, 10):
        line(step)
        line.note("validation")
    line(10, "loss 3.000")
    assert [each.split()[1] for each in capsys.readouterr().out.splitlines()] == ["1/10", "10/10"]


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_a_line_fits_the_terminal(columns, terminal, clock):
    console, seen = terminal(columns)
    line = console.progress("search", 100_000)
    text = f"layers {tuple(range(12))} alone: loss 3.141"
    for step in (1, 50_000):
        line(step, text)
        clock.now += 3600
    states = seen().split("\r")[1:]
    assert len(states) == 2 and {len(state) for state in states} == {columns - 1}
    assert states[-1].split("/")[0].strip() == "search 50,000"
    assert states[-1].rstrip().endswith("1 h 00 min left")
    assert (text in states[-1]) == (columns == 200) and ("…" in states[-1]) == (columns < 200)


@pytest.mark.parametrize(
    "columns, shown",
    [
        (80, "loss 10.123  validation 4.321  9,800 tokens/s"),
        (50, "loss 10.123  validation 4.321"),
        (40, "loss 10.123"),
    ],
)
def test_parts_that_do_not_fit_are_left_out(columns, shown, terminal):
    console, seen = terminal(columns)
    console.progress("student", 9)(1, "loss 10.123  validation 4.321  9,800 tokens/s")
    assert seen().strip() == f"student 1/9  {shown}"


def test_a_line_fits_columns_without_a_terminal(monkeypatch, capsys):
    line = Console().progress("search", None)
    for columns, width in (("", 79), ("120", 119)):
        monkeypatch.setenv("COLUMNS", columns)
        line.note("x" * 300)
        assert len(capsys.readouterr().out.rstrip("\n")) == width


def test_other_text_starts_on_its_own_line(terminal):
    console, seen = terminal(60)
    console.progress("student", 10)(3, "loss 3.000")
    console.say("next")
    finish_line()  # already finished
    head, _, rest = seen().partition("loss 3.000")
    assert rest.replace("\r\n", "\n").lstrip(" ") == "\nnext\n"


def test_the_last_state_of_a_line_remains(terminal):
    console, seen = terminal(60)
    line = console.progress("student", 10)
    line(9, "loss 3.000")
    line(10, "loss 2.000")
    console.say("next")
    shown = [state.strip() for state in seen().replace("\r\n", "\n").split("\r")[-1].split("\n")]
    assert shown == ["student 10/10  loss 2.000  done", "next", ""]


def test_lines_without_a_terminal_are_rare(clock, capsys):
    line = Console().progress("cache", 1000)
    for step in range(1, 101):
        line(step)
        clock.now += 1
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == -(-100 // console.QUIET_SECONDS)


def test_settings_in_backquotes_are_flags_on_the_command_line(capsys):
    text = "`length`=200 is too long; see `other` and `a b`"
    Console().say(text)
    Console(flags=False).say(text)
    Console(json=True).warn([text])
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "--length=200 is too long; see other and `a b`",
        "length=200 is too long; see other and `a b`",
    ]
    assert err == "--length=200 is too long; see other and `a b`\n"
