"""The commands as Python functions: train, evaluate, fill [MASK]."""

import dataclasses
import numbers
from pathlib import Path

from tfdistill import tasks
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.run import machine
from tfdistill.run.evaluation import open_evaluation
from tfdistill.run.held_out import length_of
from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home


def train_model(config, stop_after=None):
    """Runs the main job: text, teacher, student, distillation, evaluation, export and report.

    Like `python -m tfdistill.train`, it prints progress, and the same call continues a stopped run.

    Args:
        config: a `RunConfig`.
        stop_after: name of the last stage to run: "prepare", "augmentation", "teacher",
            "answers", "start", "student", "baselines", "evaluate", "export" or "report"; None: that
            of the `RunConfig`, or all. The same call without it continues.

    Returns:
        dict: the content of the run's metrics.json; `["models"]["student"]` has the student's
        "loss" in nats, "top1" and "top5" as shares. None when the run ended before its report.

    Raises:
        UserError: the settings, the text or a folder make the run impossible; nothing is lost.
        ParityError: the run is complete, but its int8 file loses too much quality.

    Example:
        import tfdistill

        config = tfdistill.RunConfig(
            teacher="runs/mini/teacher", steps=20, length=64, output_dir="runs/twenty_steps"
        )
        metrics = tfdistill.train_model(config)
        metrics["models"]["student"]["loss"]
    """
    if not isinstance(config, RunConfig):
        raise UserError(f"train_model takes a tfdistill.RunConfig, not {type(config).__name__}")
    from tfdistill.run.job import MainJob

    metrics, failure = MainJob(config, Console(flags=False)).run(stop_after)
    if failure:
        raise failure
    return metrics


def evaluate_model(model, teacher=None, tokenizer=None, **settings):
    """Measures a model on the test split of a corpus, with the masks of the main job.

    Args:
        model: a `MaskedLanguageModel` with a head; or a Hugging Face directory or hub name.
        teacher: a second model, measured for comparison; or None.
        tokenizer: a `Tokenizer`, directory or hub name; None: the one of the directory, or the
            bundled one for a model in memory.
        **settings: fields of `RunConfig` for the text and the device: `corpus`, `data_dir`,
            `length` (of a directory of a task with labels: its own, if it is not given),
            `shards_dir`, `device`.

    Returns:
        dict, as `python -m tfdistill.evaluate --json` prints it. "models" has "unigram" (always
        predicts the training split's frequencies), "teacher" and "model", each with "loss" in nats,
        "pseudo_perplexity", "top1" and "top5" as shares, their standard errors, and the model's
        "agreement" with the teacher; "differences" has their differences with standard errors.

    Raises:
        UserError: there is no such model or text, or they do not fit each other.

    Example:
        import tfdistill

        found = tfdistill.evaluate_model(
            "runs/mini/student", teacher="runs/mini/teacher", corpus="my_texts", length=32
        )
        found["models"]["model"]["loss"], found["models"]["model"]["agreement"]
    """
    if model is None:
        raise UserError("there is no model (None): give a MaskedLanguageModel or a directory")
    sources = {"model": model} if teacher is None else {"teacher": teacher, "model": model}
    console, config = Console(json=True, flags=False), RunConfig(**settings)
    if config.task != RunConfig.task and "length" not in settings and not hasattr(model, "config"):
        own = length_of(Path(at_home(str(model))))
        config = dataclasses.replace(config, length=own or config.length)
    return open_evaluation(config, sources, tokenizer or "", console).measure()


def fill_masks(model, text, top_k=5, tokenizer=None, device="auto"):
    """Predicts the words for the [MASK] tokens of a text, independently of each other.

    Args:
        model: a `MaskedLanguageModel` with a head; or a Hugging Face directory, hub name or .tflite
            file.
        text: str with one or more [MASK].
        top_k: number of words to return for each.
        tokenizer: a `Tokenizer`, directory or hub name; None: the tokenizer of the directory or
            file, and for a model in memory the bundled one.
        device: "auto", "cpu" or "gpu".

    Returns:
        For each [MASK], in order, a list of (token, probability), the likeliest first.

    Raises:
        UserError: there is no such model, no [MASK], or more tokens than the model takes.

    Example:
        import tfdistill

        (words,) = tfdistill.fill_masks("runs/mini/student", "The whale [MASK] the ship.")
        words[0]  # the likeliest token and its probability
    """
    if not isinstance(text, str):
        raise UserError(f"fill_masks takes one text, not {type(text).__name__}: call it for each")
    if not isinstance(top_k, numbers.Integral) or top_k < 1:
        raise UserError(f"top_k={top_k!r}: give a whole number of words, 1 or more")
    if model is None:
        raise UserError("there is no model (None): give a MaskedLanguageModel or a path")
    if not str(model).endswith(".tflite"):  # LiteRT runs without TensorFlow
        machine.for_looking(RunConfig(device=device))
    from tfdistill.deployment.predictor import Predictor

    task = tasks.get("masked_lm")
    if hasattr(model, "config"):
        if model.head is None:
            raise UserError("the model has no masked-LM head: give one with a head")
        predictor = Predictor.of_model(model, _tokenizer(tokenizer), task)
        return predictor.predict(text, top_k=top_k)
    predictor = Predictor.open(at_home(str(model)), task, tokenizer)
    Console(flags=False).warn(predictor.notes)
    return predictor.predict(text, top_k=top_k)


def _tokenizer(given):
    """Returns a `Tokenizer`; loads that of a directory or hub name; None: the bundled one."""
    from tfdistill.data.tokenizer import Tokenizer, load_tokenizer

    return given if isinstance(given, Tokenizer) else load_tokenizer(at_home(str(given or "")))
