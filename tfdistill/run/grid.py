"""Grids of runs: the runs of a file of `grid_reader`, their tables and their order."""

import dataclasses
from pathlib import Path

STOP = "stop_after"  # a flag that says where a run ends; not part of what it computes


@dataclasses.dataclass(frozen=True)
class GridRun:
    """One run of a grid.

    Args:
        name: the values of the axes, separated by slashes; also the path of its folder.
        folder: `pathlib.Path` of the run.
        flags: dict of its flags, as text.
        place: dict of axes to the names of their values.
        needs: tuple of the `GridRun`s whose files it takes.
        counted: those of them whose training is a part of the training of this run's student.
        last_stage: the stage after which it ends; "" for a whole run.
    """

    name: str
    folder: Path
    flags: dict
    place: dict
    needs: tuple = ()
    last_stage: str = ""
    counted: tuple = ()

    def words(self):
        """The command line of tfdistill.train that makes the run: list of str."""
        flags = self.flags | {"output_dir": str(self.folder)}
        if self.last_stage:
            flags[STOP] = self.last_stage
        return [f"--{name}={value}" for name, value in flags.items()]


@dataclasses.dataclass(frozen=True)
class Grid:
    """The runs of a grid.

    Args:
        runs: list of the `GridRun`s of the tables.
        tables: tuple of the axes with a table for each of their values.
        left_out: list of (name, reason) of runs that are not made.
        minutes: an estimate of one run's duration, until one is finished, or a dict of names of
            values and of shared runs to estimates; None if there is none.
        claims: list of the `Claim`s.
        target: dict of axes to names of values; see `target_of`.
        empty: list of (dict of axes to names of values, reason): the cells that `left_out` leaves
            without runs, without the axes of seeds, unless these have tables.
        overview: (axis of the rows, axis of the columns) of a table of all results; None for none.
        seeds: set of the axes whose values set `seed` and nothing else.
    """

    runs: list
    tables: tuple
    left_out: list
    minutes: float | dict | None
    claims: list
    target: dict
    empty: list = dataclasses.field(default_factory=list)
    overview: tuple | None = None
    seeds: frozenset = frozenset()

    def ordered(self):
        """All runs, each after those that it needs: list of `GridRun`s."""
        found = {}
        for run in self.runs:
            for each in (*run.needs, run):
                found.setdefault(each.folder, each)
        return list(found.values())

    def by_table(self):
        """dict of the tables' names to lists of their `GridRun`s; one name is "" without axes."""
        found = {}
        for run in self.runs:
            name = " ".join(run.place[axis] for axis in self.tables)
            found.setdefault(name, []).append(run)
        return found

    def estimate(self, run):
        """The duration of a run that the file gives, in minutes; None if there is none.

        Args:
            run: a `GridRun`; of several values with an estimate, the largest counts.
        """
        if not isinstance(self.minutes, dict):
            return self.minutes
        names = run.name.split("/")  # of its values; of a shared run its own name, too
        return max((self.minutes[name] for name in names if name in self.minutes), default=None)

    def target_of(self, run):
        """The run whose last loss another one has to reach; None where there is none.

        Args:
            run: a `GridRun`; the other has its values, apart from those in `target`.
        """
        place = run.place | self.target
        found = [each for each in self.runs if each.place.items() <= place.items()]
        return next((each for each in found if self.target.items() <= each.place.items()), None)


def runs_by_reason(reasons, shown=3):
    """Lines that name runs and why they have no results, one for each reason.

    Args:
        reasons: dict of the names of runs to the reasons.
        shown: how many names a line has; those of further runs are counted.
    """
    names = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    for reason, found in names.items():
        first, more = ", ".join(found[:shown]), len(found) - shown
        yield f"{first} and {more} more: {reason}" if more > 0 else f"{first}: {reason}"
