"""Checkpoints: the state of a training on disk, so that it can stop and resume at any step."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from tfdistill.system import strict_json
from tfdistill.system.checked_tensors import DamagedFileError, open_tensors, write_tensors
from tfdistill.system.errors import UserError
from tfdistill.system.files import FolderInRun, write_atomically
from tfdistill.system.sums import SUMS, check_sums, forget_sums, write_sums

KEPT_CHECKPOINTS = 2


@dataclasses.dataclass
class Unlogged:
    """Losses since the last logged point.

    Args:
        losses: list of dicts of numbers, each the sum over one or several steps.
        counts: list of these numbers of steps.
        pace: tokens per second of these steps, once a point of the curve is due.
    """

    losses: list = dataclasses.field(default_factory=list)
    counts: list = dataclasses.field(default_factory=list)
    pace: float = 0.0

    @property
    def steps(self):
        """Number of steps."""
        return sum(self.counts)

    def add(self, losses, steps):
        """Adds the sums of losses over a number of steps."""
        self.losses.append(losses)
        self.counts.append(steps)

    def to_json(self):
        """Returns JSON text, which stores float32 numbers exactly."""
        losses = [{name: float(v) for name, v in each.items()} for each in self.losses]
        return json.dumps({"losses": losses, "counts": self.counts, "pace": self.pace})

    @classmethod
    def from_json(cls, text):
        """Makes an `Unlogged` from the text of `to_json`."""
        content = strict_json.parse(text)
        if "steps" in content:  # old checkpoints have the number of all steps
            calls = max(1, len(content["losses"]))
            content["counts"] = [content.pop("steps") / calls] * len(content["losses"])
        return cls(**content)


class StageState:
    """Checkpoints and logged points of one stage of training.

    Args:
        directory: folder that holds a folder for each stage.
        name: name of the stage.

    Attributes:
        directory: `Path` of the stage's folder.
        curve: `Path` of the file of its logged points.
        rows: list of the logged points, dicts with `step`.
        spikes: list of dicts with `step`, the steps whose loss was unusually high; they are in
            spikes.jsonl, beside the curve.
        recent: list of the losses of the last steps, which spikes are compared with.
        unlogged: `Unlogged`. Checkpoints hold it, so that a stop between two logged points does not
            change the next point.
        best: `BestWeights` of the curve; None for a training that ends with its last step.
        damaged: list of `Path`s of files that `restore` found damaged.
    """

    def __init__(self, directory, name):
        self.directory = Path(directory) / name
        self.curve = self.directory / "curve.jsonl"
        self._spikes = self.directory / "spikes.jsonl"
        self.rows, self.unlogged, self.best = [], Unlogged(), None
        self.spikes, self.recent = [], []
        self.damaged, self._folder = [], FolderInRun(self.directory)

    def save(self, step, variables, seconds):
        """Stores everything that the next step depends on, then deletes older checkpoints.

        Args:
            step: steps done.
            variables: dict of names to Keras variables (weights, moments, counters).
            seconds: training time so far.

        Raises:
            OSError: it cannot be written; the checkpoints before it stay.
        """
        # The value of a counter is a NumPy scalar, which safetensors does not accept.
        arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
        facts = {"step": str(step), "seconds": str(seconds), "unlogged": self.unlogged.to_json()}
        facts["recent"] = json.dumps(self.recent)
        facts["curve"] = _digest_of_lines(map(json.dumps, self.rows))
        facts["spikes"] = _digest_of_lines(map(json.dumps, self.spikes))
        self._folder.make()
        forget_sums(self.directory)
        self._write_log()
        write_tensors(self.directory / f"step-{step:08d}.safetensors", arrays, facts)
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            old.unlink()
        if self.best:
            self.best.tidy()

    def restore(self, variables):
        """Loads the last checkpoint, if there is one, and drops points that were logged after it.

        A damaged checkpoint is renamed, and the one before it is loaded.

        Args:
            variables: dict of names to Keras variables, as given to `save`.

        Returns:
            (steps done, seconds of training so far).

        Raises:
            UserError: the checkpoint has other variables or shapes, or all are damaged.
        """
        found = self._checkpoints()
        for file in reversed(found):
            try:
                restored = self._load(file, variables)
            except DamagedFileError as error:
                self.damaged.append(error.path)
                continue
            except (KeyError, TypeError, ValueError, AttributeError):  # facts of another form
                self.damaged.append(file)
                continue
            for damaged in set(self.damaged) & set(found):
                os.replace(damaged, damaged.with_name(f"{damaged.name}.damaged"))
            return restored
        if found:
            named = ", ".join(map(str, dict.fromkeys(self.damaged)))
            raise UserError(
                f"{named}: damaged, not what was written: restore one, or delete {self.directory}: "
                "this training begins again then"
            )
        self._restore_best()
        return 0, 0.0

    def _load(self, file, variables):
        """Loads a checkpoint with its points and best weights; raises `DamagedFileError`."""
        with open_tensors(file) as (tensors, facts):
            names = tensors.keys()
            stored = {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
            if stored != {name: tuple(variable.shape) for name, variable in variables.items()}:
                raise UserError(f"{file} belongs to another model: start over with `force`")
            step, seconds = int(facts["step"]), float(facts["seconds"])
            self.rows = _lines_up_to(step, self.curve, facts.get("curve"))
            self.spikes = _lines_up_to(step, self._spikes, facts.get("spikes"))
            self._restore_best()
            for name, variable in variables.items():
                variable.assign(tensors.get_tensor(name))
        if "unlogged" in facts:  # old checkpoints were made at logged points only
            self.unlogged = Unlogged.from_json(facts["unlogged"])
        self.recent = strict_json.parse(facts.get("recent", "[]"))
        return step, seconds

    def _restore_best(self):
        if self.best:
            self.best.restore(self.rows)

    def has_checkpoint(self):
        """Whether there is a checkpoint to `restore`."""
        return bool(self._checkpoints())

    def close(self):
        """Stores the logged points at the end of the stage."""
        self._write_log()

    def delete_checkpoints(self):
        """Deletes the checkpoints; call it when the result of the stage is stored."""
        for weights in self._weights():
            weights.unlink()
        if self.curve.exists():
            write_sums(self.directory)

    def tidy(self):
        """Ends a `delete_checkpoints` that a kill interrupted, or kept from its beginning."""
        if self._weights() or (self.curve.exists() and not (self.directory / SUMS).exists()):
            self.delete_checkpoints()

    def _weights(self):
        return [*self._checkpoints(), *self.directory.glob("best-*.safetensors")]

    def load_rows(self):
        """Logged points of a finished stage: list of dicts with `step`.

        Raises:
            UserError: they are not what was stored.
        """
        check_sums(self.curve)
        try:
            rows = _read_lines(self.curve)
            if all(isinstance(v, int | float) for row in rows for v in row.values()):
                return rows
        except ValueError:
            pass
        raise UserError(f"{self.curve} is damaged: restore it, or start over with `force`")

    def _checkpoints(self):
        return sorted(self.directory.glob("step-*.safetensors"))

    def _write_log(self):
        self._folder.make()
        _write_lines(self.curve, self.rows)
        if self.spikes or self._spikes.exists():
            _write_lines(self._spikes, self.spikes)


def _write_lines(file, rows):
    write_atomically(file, "".join(json.dumps(row) + "\n" for row in rows), parents=False)


def _read_lines(file):
    """The objects of a file of JSON lines: a list; empty without the file."""
    if not file.exists():
        return []
    rows = [strict_json.parse(line) for line in file.read_bytes().splitlines()]
    if not all(isinstance(row, dict) and type(row.get("step")) is int for row in rows):
        raise ValueError("no step")
    return rows


def _lines_up_to(step, file, digest):
    """The objects up to a step, whose checksum a checkpoint holds (None: an old one): a list."""
    try:
        rows = [row for row in _read_lines(file) if row["step"] <= step]
    except (ValueError, TypeError, KeyError):
        raise DamagedFileError(file) from None
    if digest not in (None, _digest_of_lines(map(json.dumps, rows))):
        raise DamagedFileError(file)
    return rows


def _digest_of_lines(lines):
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
