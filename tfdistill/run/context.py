"""What the stages of a run share: settings, plan, folder, text and models."""

import contextlib
import dataclasses
import functools
import time
from typing import Any

import numpy as np

from tfdistill.data.batches import EvaluationBatches, Rows, TrainingBatches
from tfdistill.data.corpus import Corpus
from tfdistill.data.tokenizer import Tokenizer
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.run.directory import RunDirectory
from tfdistill.run.loaded_models import LoadedModels
from tfdistill.run.plan import Plan
from tfdistill.run.trainer import StageTrainer
from tfdistill.system import devices, hardware
from tfdistill.training.evaluation import evaluate


@dataclasses.dataclass(frozen=True)
class RunText:
    """The text of a run, as rows of token ids.

    Args:
        train: `Rows` of the training split.
        train_ids: int (tokens,), the same text without rows.
        validation: list of evaluation batches, a part of the validation split.
        test: `EvaluationBatches` of the test split.
    """

    train: Rows
    train_ids: np.ndarray
    validation: list
    test: EvaluationBatches


@dataclasses.dataclass
class RunContext:
    """One run, handed from stage to stage.

    Args:
        config: a `RunConfig`.
        console: a `Console`.
        machine: a `devices.Choice`.
        directory: the `RunDirectory`.
        plan: the `Plan`.
        tokenizer: the `Tokenizer`.
        models: the `LoadedModels`.
        corpus: the `Corpus`.
        task: the task that the models learn.
        text: the `RunText`, once it is prepared.
    """

    config: Any
    console: Any
    machine: devices.Choice
    directory: RunDirectory
    plan: Plan
    tokenizer: Tokenizer
    models: LoadedModels
    corpus: Corpus
    task: Any = None
    text: RunText | None = None

    @functools.cached_property
    def trainer(self):
        """The `StageTrainer` of the run."""
        return StageTrainer(
            self.config,
            self.directory.path,
            self.console,
            validation_loss=self.validation_loss,
            machine=self.machine,
        )

    def training(self):
        """A context: models made inside train on the run's devices, in its precision."""
        return training_scope(self.machine)

    def batches(self, seed, smoothing, mask_epochs=0):
        """The `TrainingBatches` of the run's text (see there for the arguments)."""
        config = self.config
        return TrainingBatches(
            self.text.train,
            config.batch_size * config.gradient_accumulation_steps,
            seed,
            masked_lm_prob=config.masked_lm_prob,
            mlm_smoothing=smoothing,
            whole_words=config.whole_word_masking,
            mask_epochs=mask_epochs,
        )

    def validation_loss(self, score):
        """The loss on the validation text, in nats; `score` is a scorer of `evaluation`."""
        return evaluate(score, self.text.validation)[0]["loss"]

    def save(self, model, folder, length):
        """Writes a model and its tokenizer.

        Args:
            model: a `MaskedLanguageModel`.
            folder: where to.
            length: positions it was trained on; None: all that it has.
        """
        save_model(model, folder)
        positions = model.config.max_position_embeddings
        longest = length or min(self.tokenizer.max_length or positions, positions)
        self.tokenizer.save(folder, model.config.model_type, longest)

    def finish(self, stage, started, before=0.0, **facts):
        """Marks a stage as done.

        Args:
            stage: its name.
            started: `time.perf_counter()` at its start.
            before: seconds that it took before the run was last stopped.
            **facts: stored with it, beside `seconds` and `peak_memory_bytes`.
        """
        seconds = before + time.perf_counter() - started
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
