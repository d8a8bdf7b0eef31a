"""The list of students without a teacher."""

import pytest

from tfdistill import tasks
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.baselines import baseline_keys, baselines_of, canonical
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


def test_a_super_student_has_none():
    settings = dict(recipe="autotinybert", task="text_classification")
    task = tasks.get("text_classification")
    assert not baseline_keys(RunConfig(**settings), task)
    whole = RunConfig(**settings, train_parts=False)
    assert baseline_keys(whole, task) == {task.same_start_key: "start"}
