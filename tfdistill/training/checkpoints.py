"""Checkpoints: the state of a training on disk, so that it can stop and resume at any step."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

KEPT_CHECKPOINTS = 2


@dataclasses.dataclass
class Unlogged:
    """Losses since the last logged point.

    Args:
        losses: list of dicts of numbers, each the sum over one or several steps.
        counts: list of these numbers of steps.
    """

    losses: list = dataclasses.field(default_factory=list)
    counts: list = dataclasses.field(default_factory=list)

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
        return json.dumps({"losses": losses, "counts": self.counts})

    @classmethod
    def from_json(cls, text):
        """Makes an `Unlogged` from the text of `to_json`."""
        content = json.loads(text)
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
    """

    def __init__(self, directory, name):
        self.directory = Path(directory) / name
        self.curve = self.directory / "curve.jsonl"
        self._spikes = self.directory / "spikes.jsonl"
        self.rows, self.unlogged, self.best = [], Unlogged(), None
        self.spikes, self.recent = [], []

    def save(self, step, variables, seconds):
        """Stores everything that the next step depends on, then deletes older checkpoints.

        Args:
            step: steps done.
            variables: dict of names to Keras variables (weights, moments, counters).
            seconds: training time so far.
        """
        from safetensors.numpy import save

        # The value of a counter is a NumPy scalar, which safetensors does not accept.
        arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
        facts = {"step": str(step), "seconds": str(seconds), "unlogged": self.unlogged.to_json()}
        facts["recent"] = json.dumps(self.recent)
        self._write_log()
        write_atomically(self.directory / f"step-{step:08d}.safetensors", save(arrays, facts))
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            old.unlink()
        if self.best:
            self.best.tidy()

    def restore(self, variables):
        """Loads the last checkpoint, if there is one, and drops points that were logged after it.

        Args:
            variables: dict of names to Keras variables, as given to `save`.

        Returns:
            (steps done, seconds of training so far).

        Raises:
            UserError: the checkpoint has other variables or shapes.
        """
        from safetensors import safe_open

        found = self._checkpoints()
        if not found:
            self._restore_best()
            return 0, 0.0
        with safe_open(found[-1], framework="np") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
            if stored != {name: tuple(variable.shape) for name, variable in variables.items()}:
                raise UserError(f"{found[-1]} belongs to another model: start over with `force`")
            for name, variable in variables.items():
                variable.assign(file.get_tensor(name))
            facts = file.metadata()
        step, seconds = int(facts["step"]), float(facts["seconds"])
        if "unlogged" in facts:  # old checkpoints were made at logged points only
            self.unlogged = Unlogged.from_json(facts["unlogged"])
        self.recent = json.loads(facts.get("recent", "[]"))
        self.rows = [row for row in _read_lines(self.curve) if row["step"] <= step]
        self.spikes = [spike for spike in _read_lines(self._spikes) if spike["step"] <= step]
        self._restore_best()
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
        for checkpoint in [*self._checkpoints(), *self.directory.glob("best-*.safetensors")]:
            checkpoint.unlink()

    def load_rows(self):
        """Logged points of a finished stage: list of dicts with `step`."""
        return _read_lines(self.curve)

    def _checkpoints(self):
        return sorted(self.directory.glob("step-*.safetensors"))

    def _write_log(self):
        write_atomically(self.curve, "".join(json.dumps(row) + "\n" for row in self.rows))
        if self.spikes or self._spikes.exists():
            lines = "".join(json.dumps(spike) + "\n" for spike in self.spikes)
            write_atomically(self._spikes, lines)


def _read_lines(file):
    """The objects of a file of JSON lines: a list; empty without the file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]
