"""Names of settings in error messages: plain in Python, flags on the command line."""

import pickle

import pytest

from tfdistill.system.errors import LONGEST, NoGpuError, UserError, write_settings

MESSAGE = "`length`=200 is over the 128 positions of `teacher`=x: use a smaller one"


def test_the_text_of_an_error_has_plain_names():
    plain = "length=200 is over the 128 positions of teacher=x: use a smaller one"
    assert str(UserError(MESSAGE)) == plain
    assert f"{NoGpuError(MESSAGE)}" == plain
    assert UserError(MESSAGE).message == MESSAGE


def test_an_error_survives_another_process():
    copy = pickle.loads(pickle.dumps(UserError(MESSAGE)))
    assert (type(copy), copy.message) == (UserError, MESSAGE)


@pytest.mark.parametrize(
    "message, written",
    [
        ("`adam_beta1`=1 is too large", "<adam_beta1>=1 is too large"),
        ("run `tool --help` first", "run `tool --help` first"),
        ("a`b and c", "a`b and c"),
        ("`corpus`, `text_column`", "<corpus>, <text_column>"),
    ],
)
def test_only_names_in_backquotes_are_replaced(message, written):
    assert write_settings(message, "<{}>".format) == written


def test_a_long_message_loses_its_middle():
    error = UserError(f"`length`={'9' * 100_000} is too large: use a smaller one")
    assert len(str(error)) < LONGEST + 10
    assert str(error).startswith("length=999") and str(error).endswith("use a smaller one")
    assert " … " in str(error)
