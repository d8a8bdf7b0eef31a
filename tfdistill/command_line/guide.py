"""Fine-tuning in a few lines of Python: a config of the usual names, and data in memory."""

import contextlib
import dataclasses
import numbers
from pathlib import Path

from tfdistill import tasks
from tfdistill.command_line.api import train_model
from tfdistill.command_line.console import Console
from tfdistill.command_line.examples import json_lines, require_same
from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import defaults_of
from tfdistill.system.errors import UserError, write_settings
from tfdistill.system.files import write_atomically

_USUAL = defaults_of(RunConfig, fine_tuning=True)
_LATER = ("summarization", "translation")
# Settings of a run that have other names here; messages use the names here.
_NAMES = {
    "student": "model_name",
    "student_config": "model_name",
    "task": "task_type",
    "teacher": "teacher_model_name",
    "alpha": "distillation_alpha",
    "layer_map": "teacher_layers_to_distill",
    "n_epoch": "num_epochs",
    "train_data": "train_dataset",
    "test_data": "eval_dataset",
}
# Settings that change nothing where another one is False.
_NEEDS = {
    "use_distillation": (
        *("teacher_model_name", "distillation_alpha", "temperature", "distill_logits"),
        *("distill_hidden_states", "teacher_layers_to_distill"),
    ),
    "distill_logits": ("distillation_alpha",),
}


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """How a student is fine-tuned on labels, with a teacher or without.

    Args:
        model_name: the student before its training, a Hugging Face directory or hub name.
        task_type: "text_classification" (a text or a pair), "regression", "token_classification"
            or "question_answering".
        use_distillation: whether the student learns from a teacher, too. Without it, settings of
            teacher and distillation change nothing: `FineTunePipeline.train` names those that are
            given.
        teacher_model_name: the teacher, a directory or hub name. One without a head for the task is
            fine-tuned first.
        distillation_alpha: share of the comparison with the teacher's predictions in the loss; the
            labels have the rest.
        temperature: softens the probabilities that are compared.
        distill_logits: whether predictions are compared.
        distill_hidden_states: whether hidden states are compared, as in patient knowledge
            distillation: those of [CLS], of all layers but the last (recipe "pkd").
        teacher_layers_to_distill: for each layer of the student, the teacher's layer that it is
            compared with, from 0; None: evenly spaced ones. Such a list turns
            `distill_hidden_states` on.
        batch_size: examples in a batch.
        learning_rate: the student's highest; 0: one that suits its width.
        num_epochs: passes of the student over the training data.
        use_mixed_precision: whether matrix products have a lower precision where that is faster.
        use_dynamic_batching: whether batches of short texts have more examples, up to the tokens of
            `batch_size` texts of the greatest length.
        output_dir: folder of the run.

    Raises:
        UserError: a value is out of range or of another type, or there is no such task.

    Example:
        import tfdistill

        config = tfdistill.FineTuneConfig(
            model_name="runs/mini/student",
            task_type="text_classification",
            use_distillation=True,
            teacher_model_name="runs/mini/teacher",
            distillation_alpha=0.7,
            temperature=3.0,
        )
    """

    model_name: str
    task_type: str
    use_distillation: bool = False
    teacher_model_name: str = ""
    distillation_alpha: float = _USUAL["alpha"]
    temperature: float = _USUAL["temperature"]
    distill_logits: bool = True
    distill_hidden_states: bool = False
    teacher_layers_to_distill: tuple | None = None
    batch_size: int = _USUAL["batch_size"]
    learning_rate: float = _USUAL["learning_rate"]
    num_epochs: float = _USUAL["n_epoch"]
    use_mixed_precision: bool = False
    use_dynamic_batching: bool = False
    output_dir: str = "runs/fine_tuned"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is bool and not isinstance(value, bool):
                raise UserError(f"{field.name}={value!r}: give True or False")
        _check_task(self.task_type)
        if not self.model_name:
            raise UserError("model_name is empty: name the directory of the student")
        layers = _layers(self.teacher_layers_to_distill)
        object.__setattr__(self, "teacher_layers_to_distill", layers)
        if self.use_distillation:
            _check_distillation(self)
        self.run_config()

    def run_config(self, **settings):
        """The same as settings of a run.

        Args:
            **settings: fields of `RunConfig`, which go before.

        Returns:
            `RunConfig`.

        Raises:
            UserError: a value is out of range or of another type.
        """
        length = settings.get("length", RunConfig.length)
        own = {
            "task": self.task_type,
            "student": self.model_name,
            "output_dir": self.output_dir,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "n_epoch": self.num_epochs,
            "precision": "auto" if self.use_mixed_precision else "float32",
        }
        own |= self._distillation() if self.use_distillation else {"alpha": 0.0, "baseline": "none"}
        with _names_of_the_guide():
            found = RunConfig(**(own | settings))
        if self.use_dynamic_batching and "tokens_per_batch" not in settings:
            return dataclasses.replace(found, tokens_per_batch=found.batch_size * length)
        return found

    def _distillation(self):
        chosen = {
            "teacher": self.teacher_model_name,
            "alpha": self.distillation_alpha if self.distill_logits else 0.0,
            "temperature": self.temperature,
        }
        layers = self.teacher_layers_to_distill
        if layers or self.distill_hidden_states:
            chosen["recipe"] = "pkd"
        if layers:
            chosen["layer_map"] = ",".join(map(str, layers))
        return chosen


class FineTunePipeline:
    """Fine-tunes a student on data in memory: a front of `train_model`.

    Args:
        config: `FineTuneConfig`.
        **settings: further fields of `RunConfig`, such as `length`, `label_column` or `device`.

    Raises:
        UserError: a value is out of range or of another type.

    Example:
        import tfdistill

        words = {"animal": ["whale", "horse", "bird"], "person": ["he", "she", "captain"]}
        numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
        examples = [
            {"text": f"{word} {word} {number}", "label": label}
            for label in words
            for word in words[label]
            for number in numbers
        ]
        config = tfdistill.FineTuneConfig(
            model_name="runs/mini/student",
            task_type="text_classification",
            use_distillation=True,
            teacher_model_name="runs/mini/teacher",
            batch_size=8,
            output_dir="runs/words",
        )
        pipeline = tfdistill.FineTunePipeline(config, length=16, teacher_learning_rate=1e-2)
        metrics = pipeline.train(examples)
        metrics["models"]["student"]["accuracy"]
    """

    def __init__(self, config, **settings):
        if not isinstance(config, FineTuneConfig):
            raise UserError(
                f"FineTunePipeline takes a tfdistill.FineTuneConfig, not {type(config).__name__}"
            )
        for name in ("train_data", "test_data", "task_data", "data_format"):
            if name in settings:
                raise UserError(f"{name} is for train_model: give the data to train()")
        config.run_config(**settings)
        self.config, self._settings = config, settings

    def train(self, train_dataset, eval_dataset=None):
        """Trains, measures and exports the student; the same call continues a stopped run.

        The examples are written as JSON lines into a folder beside the run, its name followed by
        `_examples`. The columns have their usual names: `text` (and `text_pair`) and `label`;
        `tokens` and `tags`; or `question`, `context` and SQuAD's `answers`. Others are named by
        `text_column`, `text_pair_column`, `label_column` and `tag_column`.

        Args:
            train_dataset: list of dicts, `datasets.Dataset`, or `tf.data.Dataset` of dicts, one
                example each. A tenth of it chooses the best point of training.
            eval_dataset: the same; the models are measured on it. None: a tenth of the training
                data.

        Returns:
            dict: the content of the run's metrics.json.

        Raises:
            UserError: the data, the models or the folder make the run impossible.
            ParityError: the run is complete, but its int8 file loses too much quality.
        """
        for line in _unused_lines(self.config):
            Console(flags=False).say(line)
        started = self.config.run_config(**self._settings)
        folder = Path(f"{started.output_dir}_examples")
        given = {"train": train_dataset}
        given |= {} if eval_dataset is None else {"test": eval_dataset}
        content, files = {}, {}
        for split, dataset in given.items():
            name = "train_dataset" if split == "train" else "eval_dataset"
            files[f"{split}_data"] = path = folder / f"{split}.jsonl"
            content[path] = json_lines(dataset, name)
            if not started.force:
                require_same(started.output_dir, path, content[path], name)
        for path, lines in content.items():
            write_atomically(path, lines)
        with _names_of_the_guide():
            run = self.config.run_config(**self._settings, **files, data_format="jsonl")
            return train_model(run)


def _check_task(name):
    every = map(tasks.get, tasks.names())
    known = [task.name for task in every if task.kind and task.learns_labels]
    if name in _LATER:
        raise UserError(f"task_type={name} is not supported yet: give one of {', '.join(known)}")
    if name not in known:
        raise UserError(f"task_type={name!r} is unknown: give one of {', '.join(known)}")


def _check_distillation(config):
    if not config.teacher_model_name:
        raise UserError(
            "teacher_model_name is empty: name the directory of a teacher, or set "
            "use_distillation=False"
        )
    if not (
        config.distill_logits or config.distill_hidden_states or config.teacher_layers_to_distill
    ):
        raise UserError(
            "distill_logits and distill_hidden_states are both False: set one of them, or "
            "use_distillation=False"
        )


def _unused_lines(config):
    """Writes which settings are given and change nothing, as a run does for its own."""
    off = next((name for name in _NEEDS if not getattr(config, name)), None)
    return [
        f"`{name}` changes nothing here, only with {off}=True: left out"
        for name in _NEEDS.get(off, ())
        if getattr(config, name) != getattr(FineTuneConfig, name)
    ]


def _layers(given):
    """A tuple of int; None for none."""
    if given is None:
        return None
    found = tuple(given) if isinstance(given, (list, tuple)) else ()
    numbered = all(isinstance(each, numbers.Integral) and each >= 0 for each in found)
    if not found or not numbered:
        raise UserError(
            f"teacher_layers_to_distill={given!r}: give a list of the teacher's layers, counted "
            "from 0, such as [2, 5, 8, 11]"
        )
    return tuple(map(int, found))


@contextlib.contextmanager
def _names_of_the_guide():
    """Messages name settings as `FineTuneConfig` does."""
    try:
        yield
    except UserError as error:
        error.args = (write_settings(error.message, lambda name: f"`{_NAMES.get(name, name)}`"),)
        raise
