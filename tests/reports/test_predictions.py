"""Predictions as text for the terminal."""

import pytest

from tfdistill.reports.predictions import format_labels

SHARES = {"low": 0.2, "high": 0.7996, "none": 0.0004}


@pytest.mark.parametrize(
    "prediction, lines",
    [
        ({"probabilities": SHARES}, ["    80.0%  high", "    20.0%  low"]),
        ({"value": 2.34567}, ["2.346"]),
        ({"embedding": [0.5, -1.0]}, ["[0.5, -1.0]"]),
        ({"cosine": 0.0}, ["0.0000"]),
        ({"entities": []}, ["no entities"]),
    ],
)
def test_a_text_that_was_cut_says_so_whatever_is_predicted(prediction, lines):
    assert format_labels(prediction, 2, 32).split("\n") == lines
    found = format_labels(prediction | {"cut": True}, 2, 32).split("\n")
    assert found == [*lines, "the text was cut at 32 tokens, as many as the model takes"]
