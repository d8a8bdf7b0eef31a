"""Strangers' files: a few damaged ones of every format; `scripts/chaos/fuzz.py` tries many more."""

import hypothesis
import pytest
from hypothesis import strategies

from scripts.chaos.strange.formats import FORMATS
from scripts.chaos.strange.trial import Fault, check
from scripts.chaos.strange.watch import Forbidden, watched

CASES = 10  # of each format


@pytest.fixture(params=FORMATS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def test_damaged_files_are_refused_in_a_line_or_read(kind, tmp_path):
    files, folder = kind.files(), tmp_path / "case"
    assert check(kind, files, folder) == "read"
    names = sorted(kind.damaged or files)

    @hypothesis.settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategies.randoms(use_true_random=False))
    def damaged(draw):
        name, damage = draw.choice(names), draw.choice(kind.damages)
        check(kind, {**files, name: damage(draw, files[name])}, folder)

    damaged()


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), SystemExit(1), OSError("?")])
def test_other_errors_are_faults(error, tmp_path):
    def read(folder):
        raise error

    kind = FORMATS[0].__class__("broken", dict, read, ())
    with pytest.raises(Fault, match="broken"):
        check(kind, {"file": b""}, tmp_path / "case")


@pytest.mark.parametrize("name", ["../beside", "link/inside"])
def test_writes_outside_are_noticed(name, tmp_path):
    """Also where the reader hides them, and through a link."""
    folder = tmp_path / "case"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Forbidden, match="outside"), watched(folder):
        try:
            (folder / name).write_text("x")
        except BaseException:
            pass
    assert not (folder / name).exists()
    with watched(folder):
        (folder / "inside").write_text("x")


def test_code_is_noticed(tmp_path):
    import pickle
    import subprocess

    content = pickle.dumps(print)
    for run in (
        lambda: pickle.loads(content),
        lambda: subprocess.run(["true"]),
        lambda: eval("1 + 1"),
    ):
        with pytest.raises(Forbidden), watched(tmp_path):
            run()
