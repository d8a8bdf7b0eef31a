"""JSON that every reader takes."""

import json
import math

from tfdistill.system import strict_json


def test_numbers_that_are_not_finite_are_null():
    value = {"a": [math.nan, 1.5, (math.inf, "x")], "b": {"c": -math.inf, "d": None, "e": True}}
    written = strict_json.dumps(value)
    assert json.loads(written, parse_constant=lambda name: 1 / 0) == {
        "a": [None, 1.5, [None, "x"]],
        "b": {"c": None, "d": None, "e": True},
    }
