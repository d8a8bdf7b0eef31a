"""The list of students without a teacher."""

import pytest

from tfdistill.run.baselines import baselines_of, canonical
from tfdistill.system.errors import UserError


@pytest.mark.parametrize(
    "value, words, written",
    [
        ("none", (), "none"),
        ("", (), "none"),
        ("both", ("random", "start"), "both"),
        ("start,random", ("random", "start"), "both"),
        ("text", ("text",), "text"),
        ("text, start,random,text", ("random", "start", "text"), "random,start,text"),
    ],
)
def test_lists(value, words, written):
    assert baselines_of(value) == words
    assert canonical(value) == written and baselines_of(written) == words


@pytest.mark.parametrize("value", ["all", "none,start", "both,text", "start;text"])
def test_other_words(value):
    with pytest.raises(UserError, match="baseline=.*random, start, text"):
        baselines_of(value)
