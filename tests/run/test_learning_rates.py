"""Peak learning rates of teacher and student, by task and width."""

import types

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.models.configs.config_files import read_config
from tfdistill.run.description import describe_run
from tfdistill.run.learning_rates import student_learning_rate, teacher_learning_rate
from tfdistill.system import devices


def plan(width):
    shape = read_config(f"L-2_H-{width}_A-2", "bert")
    return types.SimpleNamespace(teacher_config=shape, student_config=shape, student_init="first")


@pytest.mark.parametrize(
    ("teacher", "rate", "expected"), [("", 0.0, 1e-3), ("hub/name", 0.0, 1e-4), ("dir", 5e-4, 5e-4)]
)
def test_masked_lm_does_not_depend_on_the_width(teacher, rate, expected):
    config = RunConfig(teacher=teacher, teacher_learning_rate=rate)
    for width in (128, 768):
        assert teacher_learning_rate(config, plan(width)) == expected
        assert student_learning_rate(config, plan(width)) == 5e-4
        assert student_learning_rate(RunConfig(learning_rate=0.0), plan(width)) == 0.0


@pytest.mark.parametrize(
    ("task", "width", "of_teacher", "of_student"),
    [
        ("text_classification", 1024, 5e-5, 1e-4),
        ("text_classification", 768, 5e-5, 1e-4),
        ("regression", 384, 1e-4, 2e-4),
        ("question_answering", 256, 1.5e-4, 3e-4),
        ("text_classification", 64, 3e-4, 3e-4),
        ("token_classification", 768, 1e-4, 2e-4),
        ("token_classification", 384, 2e-4, 3e-4),
    ],
)
def test_narrow_models_learn_labels_at_higher_rates(task, width, of_teacher, of_student):
    config = RunConfig(task=task, teacher="dir")
    assert teacher_learning_rate(config, plan(width)) == pytest.approx(of_teacher)
    assert student_learning_rate(config, plan(width)) == pytest.approx(of_student)


def test_a_given_rate_counts():
    config = RunConfig(task="regression", teacher_learning_rate=7e-4, learning_rate=8e-4)
    assert teacher_learning_rate(config, plan(128)) == 7e-4
    assert student_learning_rate(config, plan(128)) == 8e-4


def test_the_run_tells_what_was_used():
    config = RunConfig(task="token_classification", teacher="dir")
    machine = devices.Choice("cpu", "float32", True, False, 1, "")
    facts = dict(steps=7, corpus={}, machine=machine)
    found = describe_run(config, plan(512), teacher_steps=5, **facts)["learning_rates"]
    assert found == pytest.approx({"student": 3e-4, "teacher": 1.5e-4, "no_teacher": 3e-4})
    assert (
        "teacher" not in describe_run(config, plan(512), teacher_steps=0, **facts)["learning_rates"]
    )
