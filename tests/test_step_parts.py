"""The matrix products that scripts/bench/step_parts.py times are those of a step."""

from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "scripts" / "bench"


@pytest.fixture
def bench(monkeypatch):
    """The modules (settings, step_parts)."""
    monkeypatch.syspath_prepend(str(BENCH))
    for name in "TF_CPP_MIN_LOG_LEVEL", "TF_CPU_ALLOCATOR_USE_BFC":  # which the script sets
        monkeypatch.setenv(name, "1")
    import settings
    import step_parts

    return settings, step_parts


@pytest.mark.parametrize(
    "name, masked, of_all", [("masked_lm", 608, 0), ("distil", 608, 4108), ("base", 152, 1024)]
)
def test_logits_are_counted_once(name, masked, of_all, bench):
    """Chunks have one size, of at most 320 tokens: 4,096 tokens are 13 of 316."""
    settings, step_parts = bench
    counted = [
        shape[-1]
        for shape, *turned in step_parts.products(settings.WORKS[name])
        if shape[1] == settings.VOCABULARY and shape[-1] <= 320 and turned == [False, False]
    ]
    assert sum(counted) == masked + 2 * of_all  # of the student's two losses, and the teacher's
