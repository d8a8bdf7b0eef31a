"""Reads the JSON file of a grid: axes, flags and seeds."""

import hashlib
import itertools
import json
import re
from pathlib import PurePosixPath

from tfdistill.run.grid import STOP, Grid, GridRun
from tfdistill.run.grid_claims import ClaimReader, seed_axes
from tfdistill.run.grid_content import REASON, GridError, names_in, read_content, require_stage
from tfdistill.settings.flagfile import as_text
from tfdistill.system.errors import UserError

INDEPENDENT = "independent_of"  # in the flags of a value: axes that do not concern it
PLACEHOLDERS = "data_dir", "teacher"
RESERVED = frozenset({"output_dir", "force", "json"})
_NAME = re.compile(r"(?!\.+$)[\w.+-]+( [\w.+-]+)*")


def read_grid(path, folder, config, command):
    """Reads a grid.

    Args:
        path: its JSON file.
        folder: `pathlib.Path` of all its runs.
        config: a `RunConfig`: its `data_dir` and `teacher` replace {data_dir} and {teacher} in the
            values of flags.
        command: the `Command` that makes a run: its flags are those that there are.

    Returns:
        A `Grid`.

    Raises:
        UserError: the file cannot be read, or describes no runs.
    """
    try:
        grid = _Reader(read_content(path), folder, config, command).grid()
        for run in grid.ordered():
            _require_values(run, command)
    except GridError as error:
        raise UserError(f"`grid`={path}: {error}") from None
    return grid


def _require_values(run, command):
    """Refuses a wrong value of a flag before the first run begins."""
    require_stage(run.name, run.last_stage)
    try:
        command.config(run.words())
    except UserError as error:
        raise GridError(f"{run.name}: {error.message}") from None


class _Reader:
    """Turns the content of a file into a `Grid`."""

    def __init__(self, content, folder, config, command):
        self._folder, self._config, self._command = folder, config, command
        self._known = set(command.setting_names()) - RESERVED
        self._content = content
        self._flags = self._texts("flags", content.get("flags", {}))
        self._axes = {axis: self._axis(axis, values) for axis, values in self._given_axes()}
        self._shared = content.get("shared", {})
        for name, shared in self._shared.items():
            _require_name(name)
            self._require_axes(f"shared {name!r}", shared.get("axes", []))
            self._texts(f"gives of {name}", shared.get("gives", {}))
            self._require_known(f"shared {name!r}", shared.get("only", {}))
        for key in ("only", "leave_out"):
            for rule in content.get(key, ()):
                self._require_known(key, rule)
        self._require_known("target", content.get("target", {}))
        self._require_estimated(content.get("minutes"))

    def grid(self):
        tables = tuple(self._content.get("tables", ()))
        self._require_axes("tables", tables)
        places, left_out = self._places(), {}
        places = {name: place for name, place in places.items() if self._is_taken(place)}
        for name, place in places.items():
            if missing := [axis for axis in tables if axis not in place]:
                raise GridError(f"{name} is independent of {missing[0]!r}, an axis of `tables`")
            if reason := self._reason(place):
                left_out[name] = reason
        runs = [self._run(name, places[name]) for name in places if name not in left_out]
        if not runs:
            raise GridError("no run is left")
        reader = ClaimReader(runs, self._axes, tables, self._command)
        claims = [reader.read(claim) for claim in self._content.get("claims", ())]
        minutes, target = self._content.get("minutes"), self._content.get("target", {})
        seeds, overview = seed_axes(self._axes), self._content.get("overview")
        empty = [(places[name], left_out[name]) for name in left_out]
        empty = _empty_cells(empty, runs, seeds - set(tables))
        if overview is not None:
            overview = overview["rows"], overview["columns"]
            self._require_axes("overview", overview)
            if overview[0] == overview[1]:
                raise GridError(f"overview: its rows and columns are one axis, {overview[0]!r}")
            _require_all_axes(overview, runs, seeds)
        left_out = list(left_out.items())
        return Grid(runs, tables, left_out, minutes, claims, target, empty, overview, seeds)

    def _places(self):
        """dict of the names of all runs, which are paths of folders, to their places."""
        found = {}
        for values in itertools.product(*self._axes.values()):
            place = self._place(dict(zip(self._axes, values, strict=True)))
            name = "/".join(place.values())
            if not name or found.setdefault(name, place) != place:
                raise GridError(f"{INDEPENDENT!r} gives two runs the name {name!r}")
        for name in found:
            for above in PurePosixPath(name).parents:
                if str(above) in found:
                    raise GridError(f"the run {name} would lie in the folder of {above}")
        return found

    def _given_axes(self):
        axes = self._content.get("axes")
        if not axes or not all(axes.values()):
            raise GridError('"axes" is needed: names of axes with their values')
        return axes.items()

    def _axis(self, axis, values):
        """dict of the names of an axis's values to their flags."""
        if isinstance(values, list):  # of one flag
            named = {f"{axis}-{as_text(value)}": {axis: value} for value in values}
            if len(named) < len(values):
                raise GridError(f"axis {axis!r}: a value comes twice in {values}")
            values = named
        if not isinstance(values, dict):
            raise GridError(f"axis {axis!r}: a list, or names with flags, is needed")
        found = {}
        for name, flags in values.items():
            _require_name(name)
            found[name] = self._texts(name, flags, axis)
        return found

    def _texts(self, where, flags, axis=None):
        """Flags with their values as text; {data_dir} and {teacher} are replaced.

        Args:
            where: what has these flags, for a message.
            flags: dict.
            axis: the axis of which they are a value; None: of none.
        """
        if not isinstance(flags, dict):
            raise GridError(f"{where!r}: names of flags with values are needed")
        found = {}
        for name, value in flags.items():
            if name == INDEPENDENT and axis is not None:
                self._require_independent(where, value, axis)
                found[name] = value
                continue
            if name not in self._known:
                raise GridError(f"{where!r}: there is no flag {name!r} for the runs of a grid")
            if not isinstance(value, str | bool | int | float):
                raise GridError(f"{where!r}: {name!r} is {value!r}: give a text, a number or true")
            found[name] = self._filled(as_text(value))
        return found

    def _filled(self, text):
        for name in PLACEHOLDERS:
            if (mark := f"{{{name}}}") in text:
                if not (value := getattr(self._config, name)):
                    raise UserError(f"`{name}` is needed: the grid's file refers to it")
                text = text.replace(mark, value)
        return text

    def _require_independent(self, where, axes, own):
        others = [axis for axis in self._content["axes"] if axis != own]
        if not isinstance(axes, list) or not all(axis in others for axis in axes):
            raise GridError(f"{where!r}: {INDEPENDENT!r} is a list of other axes")

    def _require_known(self, where, rule):
        """Refuses values that no run has."""
        self._require_axes(where, rule.keys() - {REASON})
        for axis, values in rule.items():
            for value in names_in(values) if axis != REASON else ():
                if value not in self._axes[axis]:
                    known = ", ".join(self._axes[axis])
                    raise GridError(f"{where}: {axis!r} has no value {value!r}; there are {known}")

    def _require_estimated(self, minutes):
        names = set(self._shared).union(*self._axes.values())
        if isinstance(minutes, dict) and (unknown := sorted(minutes.keys() - names)):
            raise GridError(f"minutes: there is no value and no shared run {unknown[0]!r}")

    def _require_axes(self, where, axes):
        for axis in axes:
            if axis not in self._axes:
                raise GridError(f"{where}: there is no axis {axis!r}")

    def _place(self, values):
        """The values of a run, without the axes that do not concern it."""
        unconcerned = set()
        for axis, value in values.items():
            unconcerned |= set(self._axes[axis][value].get(INDEPENDENT, ()))
        return {axis: value for axis, value in values.items() if axis not in unconcerned}

    def _is_taken(self, place):
        rules = self._content.get("only")
        return rules is None or any(_fits(rule, place) for rule in rules)

    def _reason(self, place):
        for rule in self._content.get("leave_out", ()):
            if _fits(rule, place):
                return rule.get(REASON) or "left out"
        return None

    def _run(self, name, place):
        own = self._flags_of(place)
        needs, counted, given = [], [], {}
        for shared_name, shared in self._shared.items():
            gives, only = shared.get("gives", {}), shared.get("only", {})
            if not all(place.get(axis) in values for axis, values in only.items()):
                continue
            if set(shared.get("axes", ())) <= place.keys() and not gives.keys() <= own.keys():
                made = self._shared_run(shared_name, shared, place)
                needs.append(made)
                counted += [made] * shared.get("counted", False)
                given |= {flag: str(made.folder / file) for flag, file in gives.items()}
        flags = self._flags | given | own
        last_stage = flags.pop(STOP, "")
        folder = self._folder / "runs" / name
        return GridRun(name, folder, flags, place, tuple(needs), last_stage, tuple(counted))

    def _flags_of(self, place):
        """The flags that the values of axes bring."""
        found = {}
        for axis, value in place.items():
            found |= self._axes[axis][value]
        found.pop(INDEPENDENT, None)
        return found

    def _shared_run(self, name, shared, place):
        """The run whose files several others take; its folder has the digest of its flags."""
        place = {axis: place[axis] for axis in shared.get("axes", ())}
        flags = self._flags | self._flags_of(place)
        flags |= self._texts(f"shared {name}", shared.get("flags", {}))
        own_stop = flags.pop(STOP, "")
        last_stage = shared.get("last_stage", own_stop)
        words = json.dumps([flags, last_stage], sort_keys=True)
        digest = hashlib.sha256(words.encode()).hexdigest()[:8]
        full = "/".join([name, *place.values()])
        folder = self._folder / "shared" / f"{full.replace('/', '-')}-{digest}"
        return GridRun(full, folder, flags, place, last_stage=last_stage)


def _fits(rule, place):
    """Whether a rule of `only` or `leave_out` holds for the values of a run."""
    return all(place.get(axis) in names_in(rule[axis]) for axis in rule.keys() - {REASON})


def _empty_cells(left_out, runs, seeds):
    """The cells all of whose runs are left out, each once, with the reason of the first.

    Args:
        left_out: list of (place, reason) of runs.
        runs: list of the `GridRun`s that are made.
        seeds: set of the axes that cells do not have.
    """

    def cell(place):
        return {axis: value for axis, value in place.items() if axis not in seeds}

    made, found = [cell(run.place) for run in runs], []
    for place, reason in left_out:
        if cell(place) not in [*made, *(known for known, _ in found)]:
            found.append((cell(place), reason))
    return found


def _require_all_axes(overview, runs, seeds):
    others = {axis for run in runs for axis in run.place} - {*overview, *seeds}
    if others:
        raise GridError(f"overview: {others.pop()!r} is an axis beside seeds: name it, too")


def _require_name(name):
    if not _NAME.fullmatch(name):
        raise GridError(f"{name!r} names a folder: use letters, digits and . + - _")
