"""The folder of a run: where each of its files lies, which stages are done, and who works on it."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import link_out, taken, write_atomically
from tfdistill.training.checkpoints import StageState

# Folders of the models in a run's table, by their keys in metrics.json.
MODELS = {
    "teacher": "teacher",
    "student_start": "checkpoints/student_start",
    "student": "student",
    "baseline": "checkpoints/baseline_model",
    "baseline_start": "checkpoints/baseline_start_model",
    "baseline_text": "checkpoints/baseline_text_model",
    "no_teacher": "checkpoints/no_teacher_model",
}

OF_SEED = "teacher_of_seed_"  # begins the names of folders among the checkpoints

# What a run does, in this order; `stop_after` takes one of these names.
STAGES = (
    "prepare augmentation teacher answers start student baselines evaluate export report".split()
)


class RunPaths:
    """Where a run keeps its files. Nothing is read or made here.

    Args:
        path: the run's folder.

    Attributes:
        flags, metrics, results, report: files for people and programs.
        teacher, student, export: folders of the results.
        checkpoints: folder of everything that only the run itself needs.
        start: folder of the student before its first step.
        augmented: file of the variants of training examples.
        row_sums: file of what each model scored in each held-out row.
        state: file that says which stages are done.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.flags = self.path / "flags.txt"
        self.metrics = self.path / "metrics.json"
        self.results = self.path / "results.md"
        self.report = self.path / "report.html"
        self.teacher = self.model("teacher")
        self.student = self.model("student")
        self.export = self.path / "export"
        self.model_card = self.export / "model_card.md"
        self.checkpoints = self.path / "checkpoints"
        self.start = self.model("student_start")
        self.augmented = self.checkpoints / "augmented.jsonl"
        self.row_sums = self.checkpoints / "row_sums.safetensors"
        self.state = self.checkpoints / "state.json"

    def model(self, key):
        """The folder of a model, by its key in metrics.json."""
        return self.path / MODELS[key]

    def models(self):
        """Keys in metrics.json of the models that the run has: a list."""
        return [key for key in MODELS if self.model(key).is_dir()]

    def teachers(self, count):
        """Folders of a run's teachers: a list. Only the first is of use outside the run."""
        others = [self.checkpoints / f"teacher_{number}" for number in range(2, count + 1)]
        return [self.teacher, *others]

    def teacher_of_seed(self, seed):
        """The folder of a teacher of one seed, until the best of several is chosen."""
        return self.checkpoints / f"{OF_SEED}{seed}"

    def tensorboard(self, name):
        """The folder of the TensorBoard events of a stretch of training or of a text panel."""
        return self.path / "tensorboard" / name

    def training_state(self, name):
        """The `StageState` of a stretch of training: its checkpoints and logged points."""
        return StageState(self.checkpoints, name)


class RunDirectory(RunPaths):
    """The folder of a run with what it remembers: its settings, and which stages are done.

    Nothing is made or deleted before `begin`.

    Args:
        path: the folder.
        settings: dict of everything that decides the result (setting names to values).
        force: delete the run that the folder holds.
        defaults: the same dict of a run without any settings, for a run that is older than a
            setting.

    Attributes:
        begun: whether `begin` has been called.

    Raises:
        UserError: the folder holds something else, or a run with other settings.
    """

    def __init__(self, path, settings, force=False, defaults=None):
        super().__init__(path)
        self.begun = False
        self._lock_file = self.checkpoints / "lock"
        self._lock = contextlib.ExitStack()
        self._state = {"settings": settings, "done": {}}
        self._stale = force and self._is_run()
        if self._is_run() and not force:
            stored = read_state(path)
            if stored["done"]:  # else the earlier settings led to nothing
                self._refuse_other({**(defaults or {}), **stored["settings"]}, settings)
                self._state = stored
        elif self._is_foreign():
            raise UserError(f"`output_dir`={path} exists and is no run of tfdistill: name another")
        if link := link_out(path):
            raise UserError(
                f"`output_dir`={path}: {link} leads out of the folder, to {link.resolve()}, where "
                "the run would write: replace it by what it leads to"
            )

    def begin(self):
        """Takes the folder: makes it when missing, and deletes the old run with `force`.

        Raises:
            UserError: another process works on this run.
        """
        self._take()
        if self._stale:
            self._delete()
            self._stale = False
            self._take()
        self._save()
        self.begun = True

    def release(self):
        """Lets other processes take the folder."""
        self._lock.close()

    def _take(self):
        self.release()
        refusal = (
            f"`output_dir`={self.path}: another process is working on this run: wait for its end, "
            "or name another folder"
        )
        self._lock.enter_context(taken(self._lock_file, refusal))

    def _delete(self):
        # Renamed first, because the rest of an interrupted deletion must not look like a run.
        aside = self.path.with_name(f".{self.path.name}.deleted")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(self.path, aside)
        shutil.rmtree(aside)

    def _is_run(self):
        return self.state.is_file()

    def _is_foreign(self):
        if self._is_run():
            return False
        # A failed first write leaves folders; a killed one leaves a part of the file.
        parts = self._lock_file, self.state.with_name(self.state.name + ".tmp")
        files = (entry for entry in self.path.rglob("*") if not entry.is_dir())
        return self.path.is_file() or any(file not in parts for file in files)

    def _refuse_other(self, stored, settings):
        settings = json.loads(json.dumps(settings))  # tuples become lists, as in the stored ones
        other = [name for name in settings if stored.get(name) != settings[name]]
        if other:
            named = ", ".join(f"`{name}`={stored.get(name)}" for name in other)
            raise UserError(
                f"`output_dir`={self.path} holds a run made with {named}: repeat these settings to "
                "go on, name another `output_dir`, or start over with `force`"
            )

    def done(self, stage):
        """The facts that `finish` stored for a stage, or None while it is not done."""
        return self._state["done"].get(stage)

    def finish(self, stage, facts):
        """Marks a stage as done, and deletes what only its repetition would need.

        Args:
            stage: its name.
            facts: dict, stored with it; `seconds` is the time it took.
        """
        self.require_there()
        self._state["done"][stage] = facts
        self._save()
        self.tidy()

    def _is_trained(self, name):
        """Whether a stretch of training is finished; that of a phase begins with its model's."""
        done = self._state["done"]
        return name in done or name.partition("-")[0] in done

    def tidy(self):
        """Deletes checkpoints of finished trainings, and the teachers that one was chosen from."""
        for folder in self.checkpoints.glob("*"):  # the folder may not be there yet
            if folder.is_dir() and self._is_trained(folder.name):
                self.training_state(folder.name).tidy()
        if self.done("teacher"):
            for folder in self.checkpoints.glob(f"{OF_SEED}*"):
                shutil.rmtree(folder)

    @property
    def is_finished(self):
        """Whether every stage is done, and its results are there."""
        return self.done("report") is not None and self.metrics.is_file()

    def require_models(self, teachers):
        """Refuses to go on without a model that a finished stage has left.

        Args:
            teachers: how many the run has.

        Raises:
            UserError: the folder of one was deleted or renamed.
        """
        folders = {key: [self.model(key)] for key in MODELS}
        folders |= {"teacher": self.teachers(teachers), "start": [self.start]}
        for stage in self._state["done"]:
            for folder in folders.get(stage, ()):
                if not folder.is_dir():
                    raise UserError(
                        f"{folder} has vanished, a model that this run has finished: bring it back "
                        "and repeat the command, or start over with `force`"
                    )

    def last_checkpoint(self):
        """The newest checkpoint of a training that is not finished: (its name, step), or None."""
        files = self.checkpoints.glob("*/step-*.safetensors")
        found = [file for file in files if not self._is_trained(file.parent.name)]
        if not found:
            return None
        last = max(found, key=lambda file: file.stat().st_mtime_ns)
        return last.parent.name, int(last.stem.removeprefix("step-"))

    def facts(self, name):
        """One fact, `seconds` for example, of every stage that is done: dict by stage."""
        return {stage: facts[name] for stage, facts in self._state["done"].items()}

    def require_there(self):
        """Refuses to go on without the folder that `begin` has taken: nothing is made anew.

        Raises:
            UserError: it was deleted, renamed, or its disk is gone.
        """
        if not self._lock_file.is_file():
            raise UserError(
                f"`output_dir`={self.path} has vanished: bring it back, then the same command goes "
                "on"
            )

    def _save(self):
        write_atomically(self.state, json.dumps(strict_json.sealed(self._state), indent=1))


def training_names(key, phases):
    """Names of a model's stretches of training, one for each phase.

    Args:
        key: the model's key in metrics.json.
        phases: the recipe's `Phase`s.

    Returns:
        list of str.
    """
    return [key] if len(phases) == 1 else [f"{key}-{phase.name}" for phase in phases]


def read_state(path):
    """What a run has stored about itself.

    Args:
        path: the run's folder.

    Returns:
        dict of `settings` and `done`, both empty without a run.

    Raises:
        UserError: the file is damaged.
    """
    file = RunPaths(path).state
    if not file.is_file():
        return {"settings": {}, "done": {}}
    cure = f"restore it, or delete {path}: the run begins again then"
    found = strict_json.read_object(file, {"settings": dict, "done": dict}, cure)
    if not all(isinstance(facts, dict) for facts in found["done"].values()):
        raise UserError(f"{file} is damaged: {cure}")
    return found


def stored_machine(path):
    """How the run in a folder began to use the machine.

    Args:
        path: the run's folder.

    Returns:
        The fields of a `devices.Choice`, a dict; None without a run.
    """
    return read_state(path)["done"].get("prepare", {}).get("machine")


def stored_folder(path):
    """The folder that a run's command was given in; "" where it is not known.

    Args:
        path: the run's folder.
    """
    return read_state(path)["done"].get("prepare", {}).get("folder", "")
