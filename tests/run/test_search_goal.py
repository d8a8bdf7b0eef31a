"""Goals of a search, and the trials that it stores."""

import math

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.models.part_shapes import PartShape
from tfdistill.run.part_costs import bounds_of
from tfdistill.run.search_goal import Goal, goal_of, metric_of
from tfdistill.run.trials import Trials
from tfdistill.system.errors import UserError
from tfdistill.tasks import get

LOSS, ACCURACY = metric_of(get("masked_lm")), metric_of(get("text_classification"))
WHOLE = {"int8_bytes": 4000, "latency_ms": 2.0, "parameters": 900}


def test_parts_near_a_bound_are_tried():
    bounds = {"latency_ms": 1.0, "int8_bytes": 1000}
    best, cheapest = (Goal(each, LOSS, bounds, 5.0, WHOLE) for each in ("quality", "size"))
    for milliseconds, size, near, inside in (
        (0.9, 100, True, True),
        (0.1, 999, True, True),
        (1.1, 999, False, False),
        (0.9, 1001, False, False),
        (0.8, 800, False, True),
    ):
        costs = {"latency_ms": milliseconds, "int8_bytes": size, "parameters": 5}
        assert best.allows(costs) == near and cheapest.allows(costs) == inside
    assert Goal("quality", LOSS, {}).allows(WHOLE)


def test_good_parts_are_ordered_by_cost_and_others_by_what_they_lack():
    rows = [
        {"accuracy": 0.90, "latency_ms": 1.0},
        {"accuracy": 0.99, "latency_ms": 1.9},
        {"accuracy": 0.89, "latency_ms": 0.1},
        {"accuracy": 0.10, "latency_ms": 0.1},
        {"accuracy": math.nan, "latency_ms": 0.1},
    ]
    goal = Goal("latency", ACCURACY, {}, 0.9, WHOLE)
    scores = [goal.score(row) for row in rows]
    assert scores == sorted(scores) and scores[1] <= 1 < scores[2]
    slow = {"accuracy": 0.90, "latency_ms": 2.1}  # slower than the whole, but good enough
    assert scores[1] < goal.score(slow) < goal.score({"accuracy": 0.899, "latency_ms": 0.1})
    assert [goal.is_met(row) for row in rows] == [True, True, False, False, False]
    best = Goal("quality", ACCURACY, {})
    equal = [{"accuracy": 0.9, "int8_bytes": size} for size in (30, 20, 40)]
    assert min(equal, key=best.rank)["int8_bytes"] == 20
    assert min(rows, key=best.score)["accuracy"] == 0.99 and best.is_met(rows[3])
    assert Goal("quality", LOSS, {}).badness(math.inf) == best.badness(math.nan) < math.inf
    loss = Goal("size", LOSS, {}, 6.0, WHOLE)
    assert loss.score({"loss": 5.9, "int8_bytes": 1000}) == 0.25
    assert loss.score({"loss": 6.5, "int8_bytes": 1000}) == 1.5


def test_bounds_that_no_part_can_meet_are_refused():
    asked = RunConfig(objective="size", quality=90.0)
    with pytest.raises(UserError, match="quality=90: accuracy is at most 1: write 90 % as"):
        goal_of(asked, get("text_classification"), lambda shape: WHOLE, None)
    assert goal_of(asked, get("masked_lm"), lambda shape: WHOLE, None).asked == 90.0  # nats
    assert bounds_of(RunConfig(size_mb=1e-7, parameters_m=0.0)) == {"int8_bytes": 1}


def test_stored_values_are_used_for_the_same_model_alone(tmp_path):
    """Also for other bounds; and a value that is no number is one again."""
    file, shapes, measured = (
        tmp_path / "search.json",
        [PartShape(n, 4, 4, 1, 4) for n in (1, 2)],
        [],
    )

    def trials(identity, objective="quality"):
        def measure(shape):
            measured.append(shape)
            return math.nan if shape.layers == 1 else 0.5

        goal, costs = Goal(objective, ACCURACY, {}, 0.4, WHOLE), lambda shape: WHOLE
        return Trials(file, identity, measure, costs, goal, lambda count, line: None)

    first = trials({"model": "a"})
    scores = [first.score(shape) for shape in shapes]
    assert scores == [1e9, -0.5] and measured == shapes
    again = trials({"model": "a"}, "size")
    assert [again.score(shape) for shape in shapes] == [1e9 + 1.4, 1.0] and len(measured) == 2
    assert math.isnan(again.rows[0]["accuracy"]) and again.rows[1]["accuracy"] == 0.5
    assert trials({"model": "b"}).score(shapes[1]) == -0.5 and len(measured) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", '{"identity": {}}', '{"identity": {}, "values": [[1, 2]]}']
)
def test_a_damaged_file_of_trials_is_refused(text, tmp_path):
    file = tmp_path / "search.json"
    file.write_text(text)
    with pytest.raises(UserError, match="search.json is damaged: delete it"):
        Trials(file, {}, None, None, None, None)
