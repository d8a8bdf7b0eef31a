"""What a run remembers, so that it can be stopped at any instant and go on where it was."""

import contextlib
import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np

from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically

KEPT_CHECKPOINTS = 2

# Where a run keeps the models of its table, by their keys in metrics.json.
MODELS = {
    "teacher": "teacher",
    "student_start": "checkpoints/student_start",
    "student": "student",
    "baseline": "checkpoints/baseline_model",
    "baseline_start": "checkpoints/baseline_start_model",
    "baseline_text": "checkpoints/baseline_text_model",
}


class RunDirectory:
    """The folder of a run: its flags, and which stages are done.

    Nothing is made or deleted before `begin`.

    Args:
        path: the folder.
        settings: dict of what decides the result (flag names to values).
        force: delete the run that the folder holds.
        defaults: the same of a run without any flags: what a run that is older than a flag had.

    Raises:
        UserError: the folder holds something else, or a run with other settings.
    """

    def __init__(self, path, settings, force=False, defaults=None):
        self.path = Path(path)
        self._state_file = self.path / "checkpoints" / "state.json"
        self._lock_file = self._state_file.with_name("lock")
        self._lock = contextlib.ExitStack()
        self._state = {"settings": settings, "done": {}}
        self._stale = force and self._is_run()
        if self._is_run() and not force:
            stored = json.loads(self._state_file.read_text())
            if stored["done"]:  # else nothing came of the settings that were tried before
                self._refuse_other({**(defaults or {}), **stored["settings"]}, settings)
                self._state = stored
        elif self._is_foreign():
            raise UserError(f"--output_dir={path} exists and is no run of tfdistill: name another")

    def begin(self):
        """Takes the folder: makes it when missing, deletes the old run when that was asked for.

        Raises:
            UserError: another process has taken it and not ended.
        """
        self._take()
        if self._stale:
            self._delete()
            self._stale = False
            self._take()
        self._save()

    def release(self):
        """Lets other processes take the folder."""
        self._lock.close()

    def _take(self):
        self.release()
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.enter_context(locked(self._lock_file, wait=False))
        except BlockingIOError:
            raise UserError(
                f"--output_dir={self.path}: another process is working on this run: wait for its "
                "end, or name another folder"
            ) from None

    def _delete(self):
        # Renamed first: what is left of an interrupted deletion must not look like a run.
        aside = self.path.with_name(f".{self.path.name}.deleted")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.path, aside)
        shutil.rmtree(aside)

    def _is_run(self):
        return self._state_file.is_file()

    def _is_foreign(self):
        if self._is_run():
            return False
        # A first write that failed leaves folders, one that was killed a part of the file.
        parts = self._lock_file, self._state_file.with_name(self._state_file.name + ".tmp")
        files = (entry for entry in self.path.rglob("*") if not entry.is_dir())
        return self.path.is_file() or any(file not in parts for file in files)

    def _refuse_other(self, stored, settings):
        # Through JSON, as the stored ones went.
        settings = json.loads(json.dumps(settings))
        other = [name for name in settings if stored.get(name) != settings[name]]
        if other:
            named = ", ".join(f"--{name}={stored.get(name)}" for name in other)
            raise UserError(
                f"--output_dir={self.path} holds a run made with {named}: repeat those flags to go "
                "on, name another --output_dir, or start over with --force"
            )

    def done(self, stage):
        """Facts that `finish` stored for a stage, or None while it is not done."""
        return self._state["done"].get(stage)

    def finish(self, stage, facts):
        """Marks a stage as done.

        Args:
            stage: its name.
            facts: dict, stored with it; `seconds` is the time it took.
        """
        self._state["done"][stage] = facts
        self._save()

    def last_checkpoint(self):
        """Where the stage that is not done would go on: (its name, step), or None."""
        done = self._state["done"]
        found = [
            file
            for file in self._state_file.parent.glob("*/step-*.safetensors")
            # A stage of several phases has its checkpoints under their names.
            if file.parent.name not in done and file.parent.name.partition("-")[0] not in done
        ]
        if not found:
            return None
        last = max(found, key=lambda file: file.stat().st_mtime_ns)
        return last.parent.name, int(last.stem.removeprefix("step-"))

    def facts(self, name):
        """One fact by stage, of the stages that are done: `seconds`, for example."""
        return {stage: facts[name] for stage, facts in self._state["done"].items()}

    def _save(self):
        write_atomically(self._state_file, json.dumps(self._state, indent=1))


def stored_machine(path):
    """How the run in a folder began to use the machine.

    Args:
        path: the folder.

    Returns:
        The fields of a `devices.Choice`, a dict; None without a run.
    """
    return _stored_state(path).get("done", {}).get("prepare", {}).get("machine")


def stored_folder(path):
    """The folder that the run's own flags were given in; "" where it is not known.

    Args:
        path: the run's folder.
    """
    return _stored_state(path).get("done", {}).get("prepare", {}).get("folder", "")


def _stored_state(path):
    file = Path(path) / "checkpoints" / "state.json"
    return json.loads(file.read_text()) if file.is_file() else {}


@dataclasses.dataclass
class Unlogged:
    """What was measured since the last logged point.

    Args:
        steps: how many there were.
        losses: list of dicts of numbers, each the sum over one step or a few.
    """

    steps: int = 0
    losses: list = dataclasses.field(default_factory=list)

    def add(self, losses, steps):
        """Adds the sums over a number of steps."""
        self.losses.append(losses)
        self.steps += steps

    def to_json(self):
        """As text, which holds each float32 number exactly."""
        losses = [{name: float(v) for name, v in each.items()} for each in self.losses]
        return json.dumps({"steps": self.steps, "losses": losses})

    @classmethod
    def from_json(cls, text):
        """The opposite of `to_json`."""
        return cls(**json.loads(text))


class StageState:
    """Checkpoints and logged points of one stretch of training.

    Args:
        directory: folder for both.
        name: the stretch's name.

    Attributes:
        rows: the logged points.
        unlogged: an `Unlogged`; a stop between two points keeps it, so that the next point is that
            of a stretch that was never stopped.
    """

    def __init__(self, directory, name):
        self._directory = Path(directory) / name
        self._log_file = self._directory / "curve.jsonl"
        self.rows, self.unlogged = [], Unlogged()

    def save(self, step, variables, seconds):
        """Stores everything that the next step depends on, then deletes older checkpoints.

        Args:
            step: steps done.
            variables: dict of names to Keras variables (weights, moments, counters).
            seconds: training time so far.
        """
        from safetensors.numpy import save

        # A counter's value is a NumPy scalar, which safetensors does not take.
        arrays = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
        facts = {"step": str(step), "seconds": str(seconds), "unlogged": self.unlogged.to_json()}
        self._write_log()
        write_atomically(self._directory / f"step-{step:08d}.safetensors", save(arrays, facts))
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            old.unlink()

    def restore(self, variables):
        """Loads the last checkpoint, if there is one, and forgets points logged after it.

        Args:
            variables: dict of names to Keras variables, as given to `save`.

        Returns:
            (steps done, seconds of training so far).
        """
        from safetensors import safe_open

        found = self._checkpoints()
        if not found:
            return 0, 0.0
        with safe_open(found[-1], framework="np") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
            if stored != {name: tuple(variable.shape) for name, variable in variables.items()}:
                raise UserError(f"{found[-1]} is of another model: start over with --force")
            for name, variable in variables.items():
                variable.assign(file.get_tensor(name))
            facts = file.metadata()
        step, seconds = int(facts["step"]), float(facts["seconds"])
        if "unlogged" in facts:  # older ones were of logged steps alone
            self.unlogged = Unlogged.from_json(facts["unlogged"])
        rows = [json.loads(line) for line in self._log_file.read_text().splitlines()]
        self.rows = [row for row in rows if row["step"] <= step]
        return step, seconds

    def has_checkpoint(self):
        """Whether there is one to `restore`."""
        return bool(self._checkpoints())

    def close(self):
        """Keeps the logged points of a stretch that is at its end."""
        self._write_log()

    def delete_checkpoints(self):
        """Deletes what nobody will go on from, once the result of the stretch is stored."""
        for checkpoint in self._checkpoints():
            checkpoint.unlink()

    def load_rows(self):
        """Points logged by a stretch that is done: list of dicts with `step`."""
        if not self._log_file.exists():
            return []
        return [json.loads(line) for line in self._log_file.read_text().splitlines()]

    def _checkpoints(self):
        return sorted(self._directory.glob("step-*.safetensors"))

    def _write_log(self):
        write_atomically(self._log_file, "".join(json.dumps(row) + "\n" for row in self.rows))
