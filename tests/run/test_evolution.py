"""The evolution of shapes, with a loss that is known."""

import random

import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.part_shapes import PartRanges, PartShape
from tfdistill.run.evolution import Evolution, NothingAllowed, Rules, front, keeps_fast_rule

CONFIG = named_config("L-6_H-256_A-4")
SPACE = PartRanges(whole_heads=False).space(CONFIG)


def score_of(shape):
    """Best at 3 layers, width 192 and 320 neurons, heads of 40."""
    wrong = (shape.layers - 3, (shape.width - 192) / 16, (shape.intermediate - 320) / 32)
    return sum(each**2 for each in (*wrong, (shape.head_size - 40) / 4))


def small(shape):
    return shape.layers * shape.width <= 800


def evolved(seed=1, allowed=small, **rules):
    rules = {"population": 10, "generations": 6, **rules}
    evolution = Evolution(SPACE, allowed, score_of, Rules(**rules), seed)
    evolution.run()
    return evolution.scores


def test_the_seed_decides_what_is_tried():
    first, again, other = (list(evolved(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == len(first) == 70
    assert all(small(shape) for shape in first)
    for shape in first:
        assert PartShape.of(shape.config(CONFIG)) == shape


def test_evolution_beats_as_many_draws():
    """Medians of five searches of 200 shapes."""

    def best(**rules):
        return sorted(min(evolved(seed, fast=False, **rules).values()) for seed in range(5))[2]

    assert best(generations=19) < 0.5 * best(generations=0, population=200)


def test_the_first_generation_keeps_the_fast_rule():
    first = list(evolved())[:10]
    assert all(keeps_fast_rule(shape) for shape in first)
    assert not all(keeps_fast_rule(shape) for shape in list(evolved(fast=False))[:10])
    assert keeps_fast_rule(PartShape(5, 564, 1024, 12, 44))  # the paper's KD-S1, with qkv 528
    assert not keeps_fast_rule(PartShape(5, 564, 1100, 12, 44))
    assert not keeps_fast_rule(PartShape(5, 564, 1024, 12, 30))


def test_a_bound_without_fast_shapes_takes_others():
    found = evolved(allowed=lambda shape: shape.intermediate > 900, generations=0)
    assert len(found) == 10 and not any(map(keeps_fast_rule, found))


def test_offspring_is_near_its_parents():
    evolution = Evolution(SPACE, small, score_of, Rules(mutation=0.5), seed=3)
    start = SPACE.nearest(3, 9, 20, 40)
    steps = []
    for _ in range(500):
        shape = evolution._mutated(SPACE.places(start))
        moved = zip(SPACE.places(shape), SPACE.places(start), strict=True)
        steps.append([after - before for after, before in moved])
    for column, most, rate in zip(
        zip(*steps, strict=True), (1, 1, 2, 2), (0.5, 1, 1, 0.5), strict=True
    ):
        assert set(map(abs, column)) - {0} == set(range(1, most + 1))
        assert sum(each != 0 for each in column) / 500 == pytest.approx(rate, abs=0.1)


def test_parents_are_drawn_by_their_lead():
    evolution = Evolution(SPACE, small, score_of, Rules(population=3), seed=3)
    shapes = [SPACE.nearest(place, 3, 3, 30) for place in range(4)]
    evolution.scores = dict(zip(shapes, (5.0, 4.0, 2.0, 9.0), strict=True))
    drawn = [evolution._parent() for _ in range(600)]
    counts = [drawn.count(shape) for shape in shapes]  # leads of 0, 1 and 3; the fourth is out
    assert counts[0] == counts[3] == 0
    assert counts[2] / 600 == pytest.approx(0.75, abs=0.06)


def test_crossover_mixes_two_parents():
    evolution = Evolution(SPACE, small, score_of, Rules(mutation=0.0, crossover=1.0), seed=3)
    parents = SPACE.nearest(0, 0, 0, 99), SPACE.nearest(5, 0, 99, 0)
    evolution.scores = dict.fromkeys(parents, 1.0)
    child = evolution._offspring()
    assert child not in parents
    assert all(size in both for size, *both in zip(child, *parents, strict=True))


def test_few_allowed_shapes_are_all_found():
    """They are too rare for draws: 4 of 111,150."""
    rare = [SPACE.nearest(0, 5, 20, units) for units in (20, 21, 22)] + [SPACE.whole]
    found = evolved(allowed=lambda shape: shape in rare, fast=False)
    assert sorted(found) == sorted(rare)


def test_bounds_that_nothing_meets_are_refused():
    with pytest.raises(NothingAllowed):
        evolved(allowed=lambda shape: False)


def test_a_small_space_is_tried_once():
    space = PartRanges(layers=6, width=256, intermediate=1008).space(CONFIG)
    tried = []
    Evolution(space, lambda shape: True, lambda shape: tried.append(shape) or 1.0, Rules(), 1).run()
    assert len(tried) == len(space) == 8  # two numbers of neurons, 1 to 4 heads


def test_the_front_is_what_nothing_beats():
    draws = random.Random(0)
    points = [(draws.randrange(50), draws.random(), n) for n in range(300)]
    found = front(points)
    for size, loss, _ in points:
        assert any(a <= size and b <= loss for a, b, _ in found)
    for size, loss, _ in found:
        assert not any(a <= size and b < loss or a < size and b <= loss for a, b, _ in points)
