"""Chatter on file descriptor 2 disappears, errors do not."""

import os

import pytest

from tfdistill.quiet import quiet_native_output

CHATTER = b"I0000 00:00:1 a.cc:1] hello\nW0000 00:00:1 a.cc:1] careful\nINFO: created\n"


def test_chatter_is_dropped_and_errors_pass(capfd):
    with quiet_native_output():
        os.write(2, CHATTER + b"E0000 00:00:1 b.cc:2] broken\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 00:00:1 b.cc:2] broken\nafter\n"


def test_a_failure_carries_everything_that_was_said(capfd):
    with pytest.raises(ValueError, match="no") as raised:
        with quiet_native_output():
            os.write(2, CHATTER)
            raise ValueError("no")
    assert "careful" in "".join(raised.value.__notes__)
    assert capfd.readouterr().err == ""
