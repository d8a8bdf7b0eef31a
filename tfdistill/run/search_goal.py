"""What a search looks for: the best part within bounds, or the cheapest that is good enough."""

import dataclasses
import math

from tfdistill.reports.front import COSTS
from tfdistill.run.part_costs import BYTES, FLAGS, LATENCY, bounds_of, share_of_bounds
from tfdistill.system.errors import UserError
from tfdistill.tasks.metrics import LOSS, Metric

FEWEST = 0.85  # of a bound: where quality is looked for, smaller parts are not tried
WORST = 1e9
QUALITY, LATENCY_GOAL, SIZE_GOAL = GOALS = ("quality", "latency", "size")
CHEAP = {LATENCY_GOAL: LATENCY, SIZE_GOAL: BYTES}


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a search looks for.

    Args:
        objective: one of `GOALS`.
        metric: the `Metric` of the parts: the loss, or the task's primary one.
        bounds: dict of names of costs to the largest number.
        asked: for the cheapest part, the quality that it must have.
        whole: dict of the costs of the whole super-student.
    """

    objective: str
    metric: Metric
    bounds: dict
    asked: float = 0.0
    whole: dict = dataclasses.field(default_factory=dict)

    def allows(self, costs):
        """Whether parts of some costs are tried.

        Args:
            costs: dict of a part.
        """
        share = share_of_bounds(costs, self.bounds)
        if math.isnan(share):
            return True
        return (FEWEST if self.objective == QUALITY else 0.0) <= share <= 1.0

    def score(self, row):
        """What the search makes small.

        Args:
            row: dict of a part's costs, with its value of the metric.

        Returns:
            float. For the cheapest part: its share of the whole super-student's cost, at most 1,
            where it is good enough, and otherwise 1 and what it lacks.
        """
        if self.objective == QUALITY:
            return self.badness(row[self.metric.key])
        lacks = self.badness(row[self.metric.key]) - self.badness(self.asked)
        cost = CHEAP[self.objective]
        # A narrower part may be slower by the latency model: its columns do not fill registers.
        return min(1.0, row[cost] / self.whole[cost]) if lacks <= 0 else 1.0 + lacks

    def rank(self, row):
        """The score of a part, and its costs, which decide between equal scores."""
        return self.score(row), row.get(LATENCY, 0.0), row[BYTES]

    def badness(self, value):
        """A value of the metric as a number of which less is better; `WORST` for nan and inf."""
        if not math.isfinite(value):  # such as a correlation of predictions that are all the same
            return WORST
        return -value if self.metric.higher_is_better else value

    def is_met(self, row):
        """Whether a part has the quality that was asked for."""
        asked_for = self.objective != QUALITY
        return not asked_for or self.badness(row[self.metric.key]) <= self.badness(self.asked)

    def described(self):
        """dict for JSON."""
        found = {"objective": self.objective, "metric": self.metric.key, "bounds": self.bounds}
        return found | ({} if self.objective == QUALITY else {"quality": self.asked})


def metric_of(task):
    """The `Metric` by which parts are compared: the loss of masked LM, else the primary one."""
    return task.primary if task.kind else LOSS


def check_goal(config):
    """Refuses settings of a goal that do not fit together.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: the quality is missing, or means nothing.
    """
    if config.objective == QUALITY and config.quality:
        raise UserError(
            f"`quality`={config.quality:g} is for `objective`=latency or size: leave it out, or "
            "set one of them"
        )
    if config.objective != QUALITY and not config.quality:
        raise UserError(
            f"`objective`={config.objective} needs the `quality` that a part must have: the "
            "task's primary metric (0.9 for 90 %), or of masked LM the largest loss"
        )


def goal_of(config, task, costs, whole):
    """The goal that the settings name.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        costs: the `PartCosts`.
        whole: the `PartShape` of the whole super-student.

    Returns:
        `Goal`.

    Raises:
        UserError: the whole super-student is so far within the bounds that no part is tried, or
            the quality is over what there can be.
    """
    bounds, most, metric = bounds_of(config), costs(whole), metric_of(task)
    if metric.higher_is_better and config.quality > 1:
        raise UserError(
            f"`quality`={config.quality:g}: {metric.name} is at most 1: write 90 % as 0.9"
        )
    share = share_of_bounds(most, bounds)
    if config.objective == QUALITY and share < FEWEST:
        raise UserError(
            f"{_given(config, bounds)}: the whole super-student takes {share:.0%} of that, so "
            "that there is nothing to search: use it as it is, give less, or train a larger one"
        )
    return Goal(config.objective, metric, bounds, config.quality, most)


def nothing_within(config, goal, costs, space):
    """The error of a search that found no part within the bounds.

    Args:
        config: a `RunConfig`.
        goal: the `Goal`.
        costs: the `PartCosts`.
        space: `PartSpace` of the super-student.

    Returns:
        `UserError`, which says what the next larger part takes.
    """
    shares = ((share_of_bounds(each, goal.bounds), each) for each in map(costs, space.shapes()))
    _, nearest = min((each for each in shares if each[0] > 1.0), key=lambda each: each[0])
    takes = (f"{nearest[name] / COSTS[name][2]:.4g} {COSTS[name][1]}" for name in goal.bounds)
    least = f"{FEWEST:.0%} to 100%" if goal.objective == QUALITY else "100% or less"
    return UserError(
        f"{_given(config, goal.bounds)}: no part of the super-student takes {least} of that; the "
        f"next larger one takes {', '.join(takes)}: give more"
    )


def _given(config, bounds):
    return ", ".join(f"`{FLAGS[name]}`={getattr(config, FLAGS[name]):g}" for name in bounds)
