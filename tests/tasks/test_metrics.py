"""Metrics as text: numbers, units and errors."""

import pytest

from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.tasks.metrics import LOSS, share

TOP1 = MaskedLM().primary


def test_numbers_and_errors():
    model = {"loss": 4.1876, "top1": 0.2954, "standard_errors": {"top1": 0.0061}}
    assert LOSS.text(model) == "4.188"
    assert TOP1.text(model) == "29.5" and TOP1.text(model, error=True) == "29.5 ± 0.6"
    assert LOSS.text(model, error=True) == "4.188"  # without an error that was measured
    with pytest.raises(KeyError):
        share("f1", "F1").text(model)


def test_differences():
    assert TOP1.difference_text({"value": 0.005, "standard_error": 0.004}) == "+0.5 ± 0.4"
    alone = {"value": -0.0123, "standard_error": None}
    assert TOP1.difference_sentence(alone) == "−1.2 points of top-1"
    assert LOSS.difference_sentence({"value": -1.0, "standard_error": 0.5}) == "−1.000 ± 0.500 nats"


@pytest.mark.parametrize("loss, shown", [(1.0, "2.7"), (10.0, "22026.5"), (20.0, "4.9e+08")])
def test_pseudo_perplexity(loss, shown):
    perplexity = MaskedLM().metrics[1]
    assert perplexity.text({"loss": loss}) == shown
