"""What the stages of a run share: settings, plan, folder, data and models."""

import contextlib
import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from tfdistill.data.batches import EvaluationBatches
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.run.directory import RunDirectory
from tfdistill.run.loaded_models import LoadedModels
from tfdistill.run.plan import Plan, student_steps
from tfdistill.run.sources import Tokenizers
from tfdistill.run.trainer import StageTrainer
from tfdistill.system import clock, devices, hardware
from tfdistill.system.sums import write_sums
from tfdistill.tasks import Task


@dataclasses.dataclass(frozen=True)
class RunSplits:
    """The examples of a run, as token ids.

    Args:
        train: source of the training split, such as `Rows`.
        train_ids: int (tokens,), the same text without rows; None for examples with labels.
        validation: list of evaluation batches, a part of the validation split.
        validation_source: their source.
        test: `EvaluationBatches` of the test split.
    """

    train: Any
    train_ids: np.ndarray | None
    validation: list
    validation_source: Any
    test: EvaluationBatches

    @classmethod
    def of(cls, task, sources, train_ids=None):
        """The splits of a task.

        Args:
            task: the `Task`.
            sources: dict of "train", "validation" and "test" to sources.
            train_ids: as above.
        """
        validation = task.evaluation_batches(sources["validation"])
        count = min(len(validation), task.validation_batches or len(validation))
        return cls(
            train=sources["train"],
            train_ids=train_ids,
            validation=[validation.at(index) for index in range(count)],
            validation_source=sources["validation"],
            test=task.evaluation_batches(sources["test"]),
        )


@dataclasses.dataclass
class RunContext:
    """One run, handed from stage to stage.

    Args:
        config: a `RunConfig`.
        console: a `Console`.
        machine: a `devices.Choice`.
        directory: the `RunDirectory`.
        plan: the `Plan`.
        tokenizers: the `Tokenizers`.
        models: the `LoadedModels`.
        data: what `Task.open_data` returned.
        task: the `Task` that the models learn.
        splits: the `RunSplits`, once the data are prepared.
        teacher_splits: those for the teacher's tokenizer; the same object if it is the student's.
        augmented: (source of the training split with its variants, the same of the teacher's
            tokenizer), once they are made; None for a run without.
        answered: source of the training split with the teacher's logits, for phases that need no
            more of it.
    """

    config: Any
    console: Any
    machine: devices.Choice
    directory: RunDirectory
    plan: Plan
    tokenizers: Tokenizers
    models: LoadedModels
    data: Any
    task: Task
    splits: RunSplits | None = None
    teacher_splits: RunSplits | None = None
    augmented: tuple | None = None
    answered: Any = None

    @property
    def tokenizer(self):
        """The student's `Tokenizer`."""
        return self.tokenizers.student

    @property
    def tunes_teacher(self):
        """Whether the run fine-tunes its teacher, or has done so: then the teacher has its head."""
        return self.plan.fine_tunes_teacher or self.directory.done("teacher") is not None

    @functools.cached_property
    def trainer(self):
        """The `StageTrainer` of the run's students."""
        # The splits of the moment: a teacher may label them later.
        return self._trainer(
            lambda model, parts: self.curve_validator(model, parts, self.splits),
            self.config,
            self.tokenizers.student,
        )

    def trainer_on(self, splits, config):
        """A `StageTrainer` of the run.

        Args:
            splits: the `RunSplits` of the teacher, whose validation split its curves have.
            config: a `RunConfig`.
        """
        validator = functools.partial(self.curve_validator, splits=splits)
        return self._trainer(validator, config, self.tokenizers.teacher)

    def _trainer(self, validator, config, tokenizer):
        return StageTrainer(
            config,
            self.directory.path,
            self.console,
            validator=validator,
            machine=self.machine,
            best_by=self.task.primary if self.task.kind else None,
            beside=[metric for metric in self.task.curve_metrics if metric.in_summaries],
            tokenizer=tokenizer,
        )

    def tell_wait(self, what):
        """A function without arguments that tells of a wait for another run.

        Args:
            what: the name of what both runs need, such as a model.
        """
        return lambda: self.console.say(f"{what}: another run makes the same; waiting for it")

    def training(self):
        """A context: models made inside train on the run's devices, in its precision."""
        return training_scope(self.machine)

    @property
    def student_steps(self):
        """Optimizer steps of the student, and of the students without a teacher."""
        facts = self.directory.done("augmentation") or {}
        return facts.get("steps") or student_steps(self.config, self.task, self.splits.train)

    def student_sources(self):
        """The examples that the student learns from a teacher with, variants included.

        Returns:
            (source of the student's tokenizer, source of the teacher's).
        """
        return self.augmented or (self.splits.train, self.teacher_splits.train)

    def batches(self, seed, use, draws_per_row=0, learns=False, answered=False):
        """Training batches of the run's data; see `Task.training_batches`.

        Args:
            seed, use, draws_per_row: as there.
            learns: whether they are for the student of a teacher, which has variants of the
                examples, too.
            answered: whether they bring the teacher's logits, if there are any.
        """
        train = self.splits.train
        if learns:
            train = self.student_sources()[0]
        if answered and self.answered is not None:
            train = self.answered
        return self.task.training_batches(train, use, seed, self.config, draws_per_row)

    def validator(self, model, layers=None):
        """Compiles a model for the validation split.

        Args:
            model: a `Model`.
            layers: indices of the encoder layers to run; None for all.

        Returns:
            A function without arguments that returns the loss on the validation split.
        """
        task, score, splits = self.task, self.task.scorer(model, layers), self.splits
        validation = splits.validation, splits.validation_source
        return lambda: task.evaluate(score, *validation).metrics["loss"]

    def curve_validator(self, model, parts, splits):
        """Compiles a model for the points of its validation curve.

        Args:
            model: a `Model`.
            parts: `PartRanges` or `PartGrid` of a student whose parts are trained; None.
            splits: the `RunSplits` for its tokenizer.

        Returns:
            A function without arguments that returns a dict: `validation_loss`, for a task with
            labels the primary metric, the task's `curve_metrics`, and for parts
            `validation_loss_smallest` and `validation_loss_middle`, of these shapes (see
            `PartSpace`); with labels also the primary metric of both.
        """
        task, score = self.task, self.task.scorer(model)
        keys = {"loss": "validation_loss"}
        if task.kind:
            keys[task.primary.key] = task.primary.curve_key
        keys |= {metric.key: metric.curve_key for metric in task.curve_metrics}
        space = parts and parts.space(model.config)
        shapes = {"smallest": space.smallest, "middle": space.middle} if space else {}
        of_parts = {name: task.scorer(model, shape=shape) for name, shape in shapes.items()}

        def validate():
            split = splits.validation, splits.validation_source
            metrics = task.evaluate(score, *split).metrics
            found = {name: metrics[key] for key, name in keys.items()}
            for name, of_part in of_parts.items():
                own = task.evaluate(of_part, *split).metrics
                found[f"validation_loss_{name}"] = own["loss"]
                if task.kind:
                    found[f"{task.primary.curve_key}_{name}"] = own[task.primary.key]
            return found

        return validate

    def save(self, model, folder, length, tokenizer=None):
        """Writes a model, its tokenizer, and the checksums of their files.

        Args:
            model: a `Model`.
            folder: where to.
            length: positions it was trained on; None: all that it has.
            tokenizer: its `Tokenizer`; None: the student's.
        """
        self.directory.require_there()
        if model.head is not None:
            self.task.mark(model.head)
        save_model(model, folder)
        tokenizer, positions = tokenizer or self.tokenizer, model.config.max_length
        longest = length or min(tokenizer.max_length or positions, positions)
        tokenizer.save(folder, model.config.model_type, longest)
        write_sums(Path(folder))

    def finish(self, stage, started, before=0.0, **facts):
        """Marks a stage as done.

        Args:
            stage: its name.
            started: `clock.now()` at its start.
            before: seconds that it took before the run was last stopped.
            **facts: stored with it, beside `seconds` and `peak_memory_bytes`.
        """
        seconds = before + clock.now() - started
        peak = hardware.peak_memory_bytes()
        self.directory.finish(stage, {"seconds": seconds, "peak_memory_bytes": peak, **facts})


@contextlib.contextmanager
def training_scope(machine):
    """A context: models made inside train on a machine's devices, in its precision.

    Args:
        machine: a `devices.Choice`.
    """
    with devices.strategy(machine).scope(), devices.numerics(machine):
        yield
