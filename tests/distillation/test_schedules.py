"""Numbers that change over a phase."""

import math

import pytest
import tensorflow as tf

from tfdistill.distillation.schedules import Schedule, parse_schedules, value_at
from tfdistill.system.errors import UserError


@pytest.mark.parametrize(
    ("shape", "progress", "expected"),
    [
        ("linear", 0.0, 5.0),
        ("linear", 0.25, 4.0),
        ("linear", 1.0, 1.0),
        ("cosine", 0.0, 5.0),
        ("cosine", 0.25, 1.0 + 4.0 * 0.5 * (1 + math.cos(math.pi / 4))),
        ("cosine", 0.5, 3.0),
        ("cosine", 1.0, 1.0),
    ],
)
def test_values(shape, progress, expected):
    schedule = Schedule(5.0, 1.0, shape)
    assert float(value_at(schedule, tf.constant(progress))) == pytest.approx(expected, abs=1e-6)


def test_a_float_is_constant():
    assert value_at(2.5, tf.constant(0.3)) == 2.5


def test_one_minus_a_schedule():
    assert 1.0 - Schedule(0.25, 1.0, "cosine") == Schedule(0.75, 0.0, "cosine")


@pytest.mark.parametrize(
    "function",
    [
        lambda alpha: 2 * alpha,
        lambda alpha: alpha * 0.5,
        lambda alpha: alpha / 4,
        lambda alpha: alpha + 1,
        lambda alpha: 1 + alpha,
        lambda alpha: alpha - 0.25,
        lambda alpha: 3 - 2 * alpha,
        lambda alpha: -alpha,
    ],
)
@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_arithmetic_of_recipes(function, shape):
    alpha = Schedule(0.25, 1.5, shape)
    for progress in (0.0, 0.3, 1.0):
        expected = function(float(alpha.at(progress)))
        assert float(function(alpha).at(progress)) == pytest.approx(expected, abs=1e-6)


def test_nonlinear_arithmetic_is_refused():
    alpha = Schedule(0.25, 1.5)
    for function in (lambda: alpha * alpha, lambda: 1 / alpha, lambda: alpha**2):
        with pytest.raises(TypeError, match="Schedule"):
            function()


def test_an_unknown_shape():
    with pytest.raises(ValueError, match="linear or cosine"):
        Schedule(0.0, 1.0, "square")


def test_parse():
    assert parse_schedules("") == {}
    assert parse_schedules("alpha_ce=linear:5:1, temperature=cosine:4:1.5") == {
        "alpha_ce": Schedule(5.0, 1.0, "linear"),
        "temperature": Schedule(4.0, 1.5, "cosine"),
    }


@pytest.mark.parametrize(
    "text", ["alpha_ce", "alpha_ce=5", "alpha_ce=linear:5", "alpha_ce=square:5:1", "a=linear:x:1"]
)
def test_invalid_schedules(text):
    with pytest.raises(UserError, match="schedules: .* is not NAME=SHAPE:BEGIN:END"):
        parse_schedules(text)


def test_a_number_has_one_schedule():
    with pytest.raises(UserError, match="schedules names alpha twice"):
        parse_schedules("alpha=linear:0:1,alpha=linear:1:0")
