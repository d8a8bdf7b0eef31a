"""JSON that every reader takes."""

import json
import math

import pytest

from tfdistill.system import strict_json
from tfdistill.system.errors import UserError


def test_numbers_that_are_not_finite_are_null():
    value = {"a": [math.nan, 1.5, (math.inf, "x")], "b": {"c": -math.inf, "d": None, "e": True}}
    written = strict_json.dumps(value)
    assert json.loads(written, parse_constant=lambda name: 1 / 0) == {
        "a": [None, 1.5, [None, "x"]],
        "b": {"c": None, "d": None, "e": True},
    }


def test_a_sealed_object_that_changed_is_damaged(tmp_path):
    value = {"a": [math.nan, 1 / 3, 1e300, "é"], "b": {"c": (1, 2)}}
    file = tmp_path / "value.json"
    file.write_text(strict_json.dumps(value, indent=1, seal=True))
    found = strict_json.read_object(file, {"a": list}, "make it again")
    assert found == {"a": [None, 1 / 3, 1e300, "é"], "b": {"c": [1, 2]}}
    file.write_text(file.read_text().replace("1e+300", "2e+300"))
    with pytest.raises(UserError, match="value.json is damaged, .*: make it again"):
        strict_json.read_object(file, {"a": list}, "make it again")
    file.write_text('{"a": [2]}')  # of an earlier version
    assert strict_json.read_object(file, {"a": list}, "") == {"a": [2]}


@pytest.mark.parametrize(
    "text", [b'"\\ud800"', '"\\uD800"', b'{"\\ud800": 1}', '["\\udfff"]'], ids=ascii
)
def test_halves_of_surrogate_pairs_become_a_sign_that_can_be_written(text):
    assert "\ufffd" in json.dumps(strict_json.parse(text), ensure_ascii=False)


def test_bytes_are_utf8():
    assert strict_json.parse(b'\xef\xbb\xbf"\xc3\xa9"') == "é"
    for text in (b'"\xed\xa0\x80"', b'"\xff"', '"é"'.encode("utf-16")):
        with pytest.raises(ValueError):
            strict_json.parse(text)
