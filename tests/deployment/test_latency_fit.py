"""The costs of operators are found again from the times that they make."""

import numpy as np
import pytest

from tfdistill.deployment.latency_fit import error_of, fit_costs, predicted, shares_of
from tfdistill.deployment.operators import POOLER, work_of
from tfdistill.deployment.timed_shapes import template_of, timed_shapes
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.system.errors import UserError

LARGEST = EncoderConfig(
    hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
)
FILES = 32, "int8"


@pytest.fixture(scope="module")
def shapes():
    return timed_shapes(LARGEST, 40, 20)


def test_costs_are_found_again(shapes):
    names = work_of(LARGEST, 32, POOLER, "int8")
    costs = {name: 10.0 ** (number % 3 - 6) for number, name in enumerate(names)}
    seen, unseen = shapes[:40], shapes[40:]
    found = fit_costs(seen, predicted(costs, seen, *FILES), *FILES)
    error = error_of(predicted(found, unseen, *FILES), predicted(costs, unseen, *FILES))
    assert error["shapes"] == 20 and error["worst"] < 1e-6
    assert sum(shares_of(found, unseen, *FILES).values()) == pytest.approx(1)


def test_costs_are_the_best_ones_that_are_not_negative(shapes):
    """Of relative errors: a cost of zero would only become worse, another has no slope."""
    times = np.random.default_rng(0).uniform(1, 9, len(shapes))
    costs = fit_costs(shapes, times, *FILES)
    work = [work_of(each.config, 32, each.head, "int8") for each in shapes]
    errors = np.array(predicted(costs, shapes, *FILES)) / times - 1
    assert min(costs.values()) > 0 and 0 < len(costs) < len(work[0])
    for name in work[0]:
        relative = np.array([each[name] for each in work]) / times
        slope = relative @ errors / max(np.linalg.norm(relative), 1e-300)
        assert slope > -1e-8 and (name not in costs or slope < 1e-8), name


def test_errors_are_relative():
    found = error_of([1.1, 1.6, 4.0], [1.0, 2.0, 4.0])
    assert found == {
        "shapes": 3,
        "median": pytest.approx(0.1),
        "worst": pytest.approx(0.2),
        "mean": pytest.approx(-0.1 / 3),
    }


def test_shapes_are_always_the_same_and_spread(shapes):
    assert shapes == timed_shapes(LARGEST, 40, 20)
    assert [each.unseen for each in shapes] == [False] * 40 + [True] * 20
    configs = [each.config for each in shapes]
    assert len({each.name for each in shapes}) == 60
    assert configs[0] == LARGEST
    assert min(each.hidden_size for each in configs) == configs[1].hidden_size == 64
    assert {each.num_hidden_layers for each in configs[:40]} == set(range(1, 7))
    assert any(each.hidden_size % 16 for each in configs)
    assert 20 < sum(each.vocab_size == 30522 for each in configs) < 55
    assert {each.head for each in shapes[:40]} == {each.head for each in shapes[40:]}


def test_templates_have_no_number_twice(shapes):
    for lengths in ((32,), (70, 90)):
        for shape in shapes:
            template, sizes = template_of(shape, lengths)
            heads = shape.config.num_attention_heads
            assert len(sizes) == (6 if heads > 1 else 5) and not sizes.keys() & {*lengths, 2, 3, 4}
            assert template.config.num_hidden_layers == shape.config.num_hidden_layers
    with pytest.raises(UserError, match="leave out"):
        template_of(shapes[0], (70, 98, 162))
