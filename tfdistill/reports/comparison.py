"""Runs side by side: groups of runs that differ in their seed, and the numbers of each group.

A run is a dict: `folder`; `flags`, names to text; `metrics`, the content of its metrics.json;
`start_loss`, its student's validation loss before training, or None; `curves`, models to rows as
`join_phases` returns them; `row_sums`, models to `RowSums`, where the run stored them; and perhaps
`target`, the validation loss of its column of steps, where each run has its own, and
`teacher_peak`, the bytes of memory of another run that trained its teacher.
"""

import dataclasses
import math
import statistics
from pathlib import Path

from tfdistill.reports.measures import end_of, numbers
from tfdistill.reports.row_differences import differences_between
from tfdistill.reports.table import ABSENT
from tfdistill.system.errors import UserError
from tfdistill.tasks import Task, task_of

# The spread is over seeds; and a baseline beside the student does not change it.
WITHIN_A_GROUP = frozenset({"seed", "baseline"})

# Models that groups may have in common.
BESIDE = {
    "baseline_start": "no teacher, same start",
    "no_teacher": "no teacher, same start",
    "baseline_text": "no teacher, text start",
    "baseline": "no teacher, random start",
    "teacher": "teacher",
}


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Args:
        name: the flags and values that distinguish the group.
        flags: the flags in which the groups differ, with this group's values.
        runs: list of runs.
    """

    name: str
    flags: dict
    runs: list


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of model, from each run that trained its own.

    Args:
        name: shown in the first column.
        model: key in metrics.json's `models`.
        runs: list of runs.
        values: dict of `Measure.key`s to lists of numbers, None where a run has none.
    """

    name: str
    model: str
    runs: list
    values: dict

    @property
    def folders(self):
        """Folders of the runs: list of str."""
        return [run["folder"] for run in self.runs]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The content of the table and the page.

    Args:
        task: the runs' `Task`.
        groups: list of `Group`s.
        rows: list of `Row`s: the groups' students, then the models beside them.
        differences: dict of `differences_between`.
        target: validation loss; the table shows the first step that reaches it. None where no run
            has a curve.
        target_is_given: whether the user named it.
        target_name: what the run has whose last loss is the target of each run; "" if all have
            one target.
    """

    task: Task

    groups: list
    rows: list
    differences: dict
    target: float | None
    target_is_given: bool
    target_name: str = ""


def compare_runs(runs, without_effect=frozenset(), target_loss=0.0, target_name=""):
    """Puts runs side by side.

    Args:
        runs: list of runs.
        without_effect: names of flags that change no result.
        target_loss: validation loss, nats; 0: the highest that a student ends with.
        target_name: what the runs' own `target` is, for a note; "" if they have none.

    Returns:
        A `Comparison`.

    Raises:
        UserError: the runs were measured on different text.
    """
    for run in runs[1:]:
        _require_same_text(runs[0], run)
    task = task_of(runs[0]["metrics"])
    left_out = WITHIN_A_GROUP | without_effect
    groups = group_runs(runs, left_out)
    target = target_loss or highest_end(runs)
    rows = [_row(group.name, "student", group.runs, target) for group in groups]
    for model in BESIDE:
        rows += _rows_beside(model, groups, left_out, target)
    if task.floor_key in runs[0]["metrics"]["models"]:  # the same in all runs with this text
        rows.append(_row(task.words.floor, task.floor_key, runs[:1], target))
    differences = differences_between(rows, task)
    given = bool(target_loss)
    return Comparison(task, groups, rows, differences, target, given, target_name)


def _require_same_text(run, other):
    """Refuses runs whose losses were measured on different examples."""
    pair = run, other
    task, theirs = task_of(run["metrics"]), task_of(other["metrics"])
    if (task.name, task.primary.key) != (theirs.name, theirs.primary.key):
        raise UserError(
            f"{run['folder']} and {other['folder']} have different tasks: compare runs of one task"
        )
    differ = [
        f"{key} {run['metrics'][key]!r} and {other['metrics'][key]!r}"
        for key in ("corpus", "split")
        if run["metrics"][key] != other["metrics"][key]
    ]
    floors = [each["metrics"]["models"].get(task.floor_key, {}) for each in pair]
    classes = [set(measured.get("per_class", ())) for measured in floors]
    if not differ and classes[0] != classes[1]:  # those of a given model, for example
        raise UserError(
            f"{run['folder']} and {other['folder']} have different classes (only one of them has "
            f"{', '.join(sorted(classes[0] ^ classes[1]))}): their losses cannot be compared; "
            "leave one of them out"
        )
    losses = [measured.get("loss", 0.0) for measured in floors]
    counts = [measured.get("predictions") for measured in floors]
    if not differ and (counts[0] != counts[1] or not math.isclose(*losses, rel_tol=1e-6)):
        # The names are equal, but the text is not.
        values = [(name, *(each["flags"].get(name) for each in pair)) for name in run["flags"]]
        differ = [
            f"`{name}`={one} and `{name}`={two}"
            for name, one, two in values
            if name in ("tokenizer", "length", "teacher") and one != two
        ] or ["the corpus was changed between them"]
    if differ:
        raise UserError(
            f"{run['folder']} and {other['folder']} were measured on different text "
            f"({'; '.join(differ)}): their losses cannot be compared; leave one of them out"
        )


def group_runs(runs, left_out=WITHIN_A_GROUP):
    """Puts runs together whose flags are alike.

    Args:
        runs: list of runs.
        left_out: names of flags that may differ within a group.

    Returns:
        list of `Group`s, in the order of their first runs.
    """
    found = {}
    for run in runs:
        found.setdefault(frozenset(_deciding(run, left_out).items()), []).append(run)
    members = list(found.values())
    flags = _differences(members, left_out)
    names = [_words(own) or _folder_name(group) for own, group in zip(flags, members, strict=True)]
    return [Group(*parts) for parts in zip(names, flags, members, strict=True)]


def _deciding(run, left_out):
    return {name: value for name, value in run["flags"].items() if name not in left_out}


def _differences(sets, left_out):
    """For each set of runs, the flags that are equal within all sets but not between them."""
    sets = [[_deciding(run, left_out) for run in runs] for runs in sets]
    shown = [
        name
        for name in dict.fromkeys(name for runs in sets for flags in runs for name in flags)
        if all(len({flags.get(name) for flags in runs}) == 1 for runs in sets)
        # Not every recipe takes every flag.
        and len({runs[0][name] for runs in sets if name in runs[0]}) > 1
    ]
    shown.sort(key=lambda name: name != "recipe")  # the recipe says the most
    return [{name: runs[0][name] for name in shown if name in runs[0]} for runs in sets]


def _words(flags):
    return " ".join(f"{name}={value or ABSENT}" for name, value in flags.items())


def _folder_name(runs):
    name = Path(runs[0]["folder"]).name or runs[0]["folder"]
    return name if len(runs) == 1 else f"{name} and {len(runs) - 1} more"


def _rows_beside(model, groups, left_out, target):
    """Rows of a model that runs trained beside the student; a shared model has one row.

    Groups share a model when any of their runs measured the same: they trained it in the same way.
    """
    sets = []  # of (dict of identities to the run that measured them, all the runs, their groups)
    for group in groups:
        runs = [run for run in group.runs if "loss" in run["metrics"]["models"].get(model, {})]
        distinct, members = {_identity(run["metrics"], model): run for run in runs}, [group]
        for known in [known for known in sets if known[0].keys() & distinct.keys()]:
            sets.remove(known)
            distinct, runs = distinct | known[0], known[1] + runs
            members = known[2] + members
        if runs:
            sets.append((distinct, runs, members))
    names = list(map(_words, _differences([runs for _, runs, _ in sets], left_out)))
    rows = []
    for (distinct, _, members), name in zip(sets, names, strict=True):
        if not name or names.count(name) > 1:  # no flags tell this set from all others
            name = _group_names(members)
        apart = f": {name}" if len(sets) > 1 else ""
        rows.append(_row(BESIDE[model] + apart, model, list(distinct.values()), target))
    return rows


def _group_names(groups):
    more = f" and {len(groups) - 1} more" if len(groups) > 1 else ""
    return groups[0].name + more


def _identity(metrics, model):
    own = metrics["models"][model]
    return own["loss"], own[task_of(metrics).primary.key], own.get("parameters")


def _row(name, model, runs, target):
    found = [numbers(run, model, target) for run in runs]
    values = {key: [each[key] for each in found] for key in found[0]}
    return Row(name, model, runs, values)


def join_phases(phases, start_loss=None):
    """Puts the curves of a model's phases behind each other.

    Args:
        phases: list of lists of rows, dicts with `step`, which counts from the phase's start.
        start_loss: validation loss before the first step, if it was measured; it is put before
            curves that do not begin with it.

    Returns:
        list of rows whose steps count on.
    """
    if not any(phases):
        return []
    first = next(phase[0] for phase in phases if phase)
    rows = []
    if start_loss is not None and first["step"] > 0:
        rows.append({"step": 0, "validation_loss": start_loss})
    for phase in phases:
        before = rows[-1]["step"] if rows else 0
        rows += [row | {"step": before + row["step"]} for row in phase]
    return rows


def highest_end(runs):
    """The highest validation loss that a run's student ends with; None without any curve."""
    ends = [end_of(run["curves"].get("student", [])) for run in runs]
    return max((end for end in ends if end is not None), default=None)


def mean_and_deviation(values):
    """Mean and standard deviation over several runs.

    Args:
        values: list of numbers, None where a run has none.

    Returns:
        (mean, sample standard deviation). The deviation of one number is None, and so are both
        where one is missing: the mean of the others would flatter.
    """
    if None in values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
