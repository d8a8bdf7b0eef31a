"""The frame of the scripts in scripts/chaos/, and that docs/RELIABILITY.md has each of them."""

import re
import sys
from pathlib import Path

import pytest

from scripts.chaos.parts import promise

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "RELIABILITY.md").read_text("utf-8")


def test_each_script_is_in_the_doc_and_each_command_is_there():
    scripts = {path.stem for path in (ROOT / "scripts" / "chaos").glob("*.py")}
    assert scripts == set(re.findall(r"run\.sh (?:--\S+ )?([a-z_]+)`", DOC))
    for path in re.findall(r"`(?:python -m pytest )?((?:scripts|tests)/[\w/.]+\.(?:py|sh))", DOC):
        assert (ROOT / path).is_file(), path


def _verdict(check, monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["x", *words])
    monkeypatch.setattr(sys, "path", sys.path[:])
    with pytest.raises(SystemExit) as end:
        promise.check_promise("x", check)
    return end.value.code, capsys.readouterr().out


@pytest.mark.parametrize(
    "held, words, code, told",
    [
        ([True], [], 0, "kept   x: 1 of them"),
        ([True, False], [], 1, "BROKEN x: 2 of them"),
        ([], [], 1, "nothing was checked"),
        ([True], ["part"], 1, "no parts"),
    ],
)
def test_verdicts(held, words, code, told, monkeypatch, capsys):
    def check(state):
        for each in held:
            state.expect(each, "a fault")
        return f"{len(held)} of them"

    found = _verdict(check, monkeypatch, capsys, *words)
    assert found[0] == code and told in found[1]
    assert ("a fault" in found[1]) == (False in held)


def test_parts_are_chosen_by_name(monkeypatch, capsys):
    def check(state):
        return str(state.expect(True, "") and state.chosen(["one", "two", "three"]))

    found = _verdict(check, monkeypatch, capsys, "three=4", "one")
    assert found[0] == 0 and "['one', 'three']" in found[1]
    found = _verdict(check, monkeypatch, capsys, "four")
    assert "four" in found[0] and "kept" not in found[1]
