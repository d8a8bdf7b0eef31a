"""The claims of a grid: named in its file before the runs, tested when all their runs are done.

A seed is a teacher with its students. Pairs of runs with a teacher in common are one seed, whose
value is their mean: student seeds of one teacher are no independent evidence.
"""

import dataclasses
import math
import statistics
from pathlib import Path

from tfdistill import tasks
from tfdistill.reports import claims
from tfdistill.reports.comparison import BESIDE
from tfdistill.reports.measures import Measure, all_measures, numbers, progress_measures
from tfdistill.run.baselines import baseline_keys
from tfdistill.run.directory import STAGES
from tfdistill.run.grid_content import GridError

STUDENT, TEACHER = "student", "teacher"
LEAST = 2  # seeds of a claim


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a grid's file says of two cells before their runs are made.

    Args:
        name: its name in the file.
        measured: `claims.Measured`, the claim in words.
        measure: the `Measure` that is compared.
        models: keys in metrics.json of the model that should be better, and of the other.
        seeds: list with, for each seed, the list of its pairs of `GridRun`s.
        table: values of the grid's `tables` that both cells have.
        content: what the file says of it, a dict.
    """

    name: str
    measured: claims.Measured
    measure: Measure
    models: tuple
    seeds: list
    table: str
    content: dict

    def as_kept(self):
        """What it claims, with the number of its seeds and the names of its runs: dict for JSON."""
        usual = {"metric": self.measure.key, "model": self.models[0], "than_model": self.models[1]}
        names = sorted(run.name for run in self.runs())
        return usual | self.content | {"seeds": len(self.seeds), "runs": names}

    def runs(self):
        """All its `GridRun`s, each once."""
        found = (run for pairs in self.seeds for pair in pairs for run in pair)
        return list({run.folder: run for run in found}.values())


def seed_axes(axes):
    """The axes of seeds, whose values set `seed` and nothing else: a frozenset.

    Args:
        axes: dict of the axes to dicts of the names of their values to flags.
    """
    return frozenset(
        axis
        for axis, values in axes.items()
        if all(flags.keys() == {"seed"} for flags in values.values())
    )


class ClaimReader:
    """Turns the `claims` of a grid's file into `Claim`s.

    Args:
        runs: list of the grid's `GridRun`s.
        axes: dict of the axes to dicts of the names of their values to flags.
        tables: tuple of the axes with a table for each of their values.
        command: the `Command` that makes a run.
    """

    def __init__(self, runs, axes, tables, command):
        self._runs, self._axes, self._tables, self._command = runs, axes, tables, command
        self._seeds = seed_axes(axes)

    def read(self, content):
        """Reads one claim.

        Args:
            content: dict with some of `grid_content.CLAIM_KEYS`.

        Returns:
            A `Claim`.

        Raises:
            GridError: a cell or the metric does not exist, or there is nothing to test.
        """
        where = f"claim {content['name']!r}"
        cells = [content[key] for key in ("better", "than")]
        models = content.get("model", STUDENT)
        models = models, content.get("than_model", models)
        if cells[0] == cells[1] and models[0] == models[1]:
            raise GridError(f"{where} compares a cell with itself: `better` and `than` are equal")
        found = [
            self._runs_of(f"{where}: {key!r}", cell)
            for key, cell in zip(("better", "than"), cells, strict=True)
        ]
        table, *others = dict.fromkeys(self._table_of(run) for runs in found for run in runs)
        if others:
            raise GridError(f"{where}: its cells are in the tables {table} and {others[0]}")
        if not (pairs := list(self._pairs(*found))):
            raise GridError(f"{where}: its cells have no seeds in common")
        seeds = _by_teacher(pairs)
        if models == (TEACHER, TEACHER) and all(a == b for a, b in map(_teachers, pairs)):
            raise GridError(f"{where} compares a teacher with itself: both cells have the same")
        if len(seeds) < LEAST:
            raise GridError(
                f"{where} has {len(seeds)} seed: a claim needs {LEAST} or more, and a teacher of "
                "its own for each; put the axis of seeds into the `axes` of the shared teacher"
            )
        measure = self._measure(where, content.get("metric", "loss"), models, pairs[0])
        words = _words(cells, models, measure)
        return Claim(content["name"], words, measure, models, seeds, table, content)

    def _runs_of(self, where, cell):
        for axis, value in cell.items():
            if axis not in self._axes:
                raise GridError(f"{where}: there is no axis {axis!r}")
            if axis in self._seeds:
                raise GridError(f"{where}: a claim is about all seeds; leave {axis!r} out")
            if value not in self._axes[axis]:
                known = ", ".join(self._axes[axis])
                raise GridError(f"{where}: {axis!r} has no value {value!r}; there are {known}")
        runs = [run for run in self._runs if cell.items() <= run.place.items()]
        if not runs:
            raise GridError(f"{where}: the grid has no run with these values")
        for run in runs:
            if missing := [axis for axis in run.place if axis not in cell.keys() | self._seeds]:
                raise GridError(f"{where} is no cell: name a value of {missing[0]!r}, too")
        return runs

    def _table_of(self, run):
        return " ".join(run.place[axis] for axis in self._tables)

    def _pairs(self, first, second):
        """Pairs of runs with the same seeds."""
        by_seeds = {self._seeds_of(run): run for run in second}
        for run in first:
            if other := by_seeds.get(self._seeds_of(run)):
                yield run, other

    def _seeds_of(self, run):
        return tuple((axis, run.place[axis]) for axis in sorted(self._seeds & run.place.keys()))

    def _measure(self, where, name, models, pair):
        """The `Measure` of a name, which both runs of a pair have."""
        for model, run in zip(models, pair, strict=True):
            config = self._command.config(run.words())
            task = tasks.get(config.task)
            known = {each.key: each for each in all_measures(task)}
            if name not in known:
                raise GridError(f"{where}: no metric {name!r}; there are {', '.join(known)}")
            there = [STUDENT, TEACHER, *baseline_keys(config, task)]
            if model not in there:
                raise GridError(
                    f"{where}: its runs have no model {model!r}; there are {', '.join(there)}"
                )
            if model == TEACHER and known[name] in progress_measures(task):
                raise GridError(f"{where}: a teacher has no {name!r}; name a metric of the test")
            of_files = name in ("int8", "latency")
            needed = "start" if name == "start" else "export" if of_files else "evaluate"
            if run.last_stage and STAGES.index(run.last_stage) < STAGES.index(needed):
                raise GridError(f"{where}: {name!r} needs runs that reach the stage {needed}")
        return known[name]


def _by_teacher(pairs):
    """Puts pairs of runs that have a teacher in common together: list of lists of pairs."""
    seeds = []  # of (set of teachers, list of pairs)
    for pair in pairs:
        teachers, members = set().union(*_teachers(pair)), [pair]
        for known in [known for known in seeds if known[0] & teachers]:
            seeds.remove(known)
            teachers, members = teachers | known[0], known[1] + members
        seeds.append((teachers, members))
    return [members for _, members in seeds]


def _teachers(pair):
    """For each run of a pair, the set of its loaded teachers; without any, the run's own name."""
    return [set(filter(None, _named_teachers(run))) or {run.name} for run in pair]


def _named_teachers(run):
    """The teachers of a run's flags; the folder of a shared run may have a comma."""
    text = run.flags.get("teacher", "")
    if any(Path(text).is_relative_to(shared.folder) for shared in run.needs):
        return [text]
    return text.split(",")


def _words(cells, models, measure):
    """`claims.Measured` of two cells: what differs names them, the rest is what they share."""
    shared = dict(cells[0].items() & cells[1].items())
    names = []
    for cell, model in zip(cells, models, strict=True):
        own = " ".join(f"{axis}={value}" for axis, value in cell.items() if axis not in shared)
        if model != STUDENT or models[0] != models[1]:
            words = BESIDE | {STUDENT: "the student", TEACHER: "the teacher"}
            own = words[model] + (f" of {own}" if own else "")
        names.append(own)
    where = " ".join(f"{axis}={value}" for axis, value in cells[0].items() if axis in shared)
    digits = int(measure.digits.strip(".,f"))
    return claims.Measured(*names, where, measure.phrase, digits, measure.higher_is_better)


def claim_results(found, runs):
    """Tests the claims of a grid.

    Args:
        found: list of all its `Claim`s.
        runs: dict of the folders of finished runs to runs, see `reports.comparison`.

    Returns:
        list of dicts for JSON: `name`, `table`, `state`, `sentence`, `metric`, `gain`,
        `half_width`, `p` (corrected), `p_uncorrected` and `gains`, one for each seed.
    """
    tests = [_test(claim, runs) for claim in found]
    corrected = claims.holm([test.p for test in tests])
    return [
        {
            "name": claim.name,
            "table": claim.table,
            "state": claims.state(test, p),
            "sentence": claims.sentence(claim.measured, test, p),
            "metric": claim.measure.key,
            "gain": test.gain,
            "half_width": test.half_width,
            "p": p,
            "p_uncorrected": test.p,
            "gains": list(test.gains),
        }
        for claim, test, p in zip(found, tests, corrected, strict=True)
    ]


def _test(claim, runs):
    """The `claims.PairedTest` of a claim; none before all its runs are there."""
    needed = claim.runs()
    if missing := sum(run.folder not in runs for run in needed):
        return claims.PairedTest((), reason=f"{missing} of its {len(needed)} runs are missing")
    sides = []
    for side, model in enumerate(claim.models):
        values = [
            [_value(runs[pair[side].folder], model, claim.measure.key) for pair in pairs]
            for pairs in claim.seeds
        ]
        if any(value is None for seed in values for value in seed):
            return claims.PairedTest((), reason=f"not all runs have {claim.measure.phrase}")
        sides.append([statistics.fmean(seed) for seed in values])
    return claims.paired_test(*sides, claim.measure.higher_is_better)


def _value(run, model, key):
    if "metrics" not in run:  # it ended before its models were measured
        return run.get("start_loss") if key == "start" else None
    if model not in run["metrics"]["models"]:
        return None
    value = numbers(run, model, None)[key]
    if value is None or not math.isfinite(value):  # such as a correlation that does not exist
        return None
    return value
