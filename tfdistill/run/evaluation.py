"""Models measured on the test split of a corpus, by the evaluate command and the Python API."""

import dataclasses

from tfdistill import tasks
from tfdistill.run import machine
from tfdistill.run.checks import check_pooling
from tfdistill.run.held_out import student_of
from tfdistill.run.model_classes import with_classes_of
from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home, require_shards
from tfdistill.tasks import Task

OF_FILES = "bytes", "latency_ms", "file", "files"  # facts of files, which the run has measured


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Models and the held-out text to measure them on; made by `open_evaluation`.

    Args:
        config: a `RunConfig`.
        data: what `Task.open_data` returned.
        task: the `Task`.
        models: dict of keys to `Model`s, the teacher first.
        train: the source of the training split.
        batches: `EvaluationBatches` of the test split.
        teacher_batches: those for the teacher, whose tokenizer may be another one.
    """

    config: object
    data: object
    task: Task
    models: dict
    train: object
    batches: object
    teacher_batches: object

    def measure(self, progress=lambda key, done: None):
        """Measures the models.

        Args:
            progress: called with the key of a model and the batches done, over all models.

        Returns:
            dict: "task", and "corpus", "split", "models" and "differences" as in metrics.json.
        """
        from tfdistill.run.measure import add_errors, evaluate_models

        task, models = self.task, self.models.items()
        own = self.train, self.batches, progress, (None, self.teacher_batches)
        found, sums = evaluate_models(task, models, *own)
        differences = add_errors(task, found, sums)
        name = self.data.name if task.kind else self.config.corpus
        facts = {"task": task.name, "corpus": name, "split": "test"}
        if task.kind:
            facts["task_data"] = self.config.task_data
        return facts | {"models": found, "differences": differences}


def open_evaluation(config, sources, tokenizer, console):
    """Opens the held-out text and loads the models.

    Args:
        config: a `RunConfig`: text, row length and device.
        sources: dict of keys to models: a `Model`, a directory or a hub name. The teacher is
            first; "model" or "student" must have a head for the task.
        tokenizer: a `Tokenizer`, directory or hub name; "" for the one of the model's directory,
            or the bundled one for a model in memory.
        console: a `Console`.

    Returns:
        An `Evaluation`.

    Raises:
        UserError: there is no such text or model, or they do not fit each other.
    """
    from tfdistill.run.data_lines import statistics_lines
    from tfdistill.run.early_plan import open_task

    task, data = open_task(config)
    require_shards(config.shards_dir)
    machine.for_looking(config)  # before anything imports TensorFlow
    from tfdistill.run.held_out import open_held_out, require_fit

    measured = "model" if "model" in sources else "student"
    named = sources[measured]
    named = named if hasattr(named, "config") else at_home(str(named))
    task = with_classes_of(task, data, named)
    directories, models = _load(task, sources)
    if models[measured].head is None:
        name = _name(measured, sources)
        raise UserError(f"{name} has no head for `task`={config.task}: name a model with one")
    task = task.of_model(models[measured].head.answer_rules)
    own = directories.get(measured) or next(iter(directories.values()), "")
    tokenizer = _tokenizer(task, tokenizer or own)
    of_teacher = _teacher_tokenizer(task, directories, tokenizer)
    for key, model in models.items():
        require_fit(
            config, of_teacher if key == "teacher" else tokenizer, _name(key, sources), model
        )
    train, batches = open_held_out(task, config, tokenizer, data, console)
    if task.kind:
        console.say(statistics_lines(task, {"test": batches.source.facts}))
    teacher_batches = batches
    if of_teacher is not tokenizer:
        _, teacher_batches = open_held_out(task, config, of_teacher, data, console)
    return Evaluation(config, data, task, models, train, batches, teacher_batches)


def _tokenizer(task, given):
    from tfdistill.data.text_tokenizer import TextTokenizer
    from tfdistill.run.sources import tokenizer_of

    return given if isinstance(given, TextTokenizer) else tokenizer_of(task, at_home(str(given)))


def _teacher_tokenizer(task, directories, tokenizer):
    """The teacher's own tokenizer; that of the models, unless the task reads raw text."""
    if not task.kind or "teacher" not in directories:
        return tokenizer
    own = _tokenizer(task, directories["teacher"])
    return tokenizer if own.text_hash == tokenizer.text_hash else own


def _load(task, sources):
    """Returns the directories of models that are not in memory, and all models, by key."""
    from tfdistill.models.hugging_face.checkpoint import resolve_directory

    directories, models = {}, {}
    for key, source in sources.items():
        if hasattr(source, "config"):
            models[key] = source
            if task.kind and source.head is not None:
                task.require_order(source)
        else:
            directories[key] = str(resolve_directory(at_home(str(source))))
            models[key] = task.load(directories[key])
    return directories, models


def _name(key, sources):
    """Names a model in a message."""
    if hasattr(sources[key], "config"):
        return f"the {key}"
    return f"`{key}`={sources[key]}" if "model" in sources else str(sources[key])


def evaluation_sources(config):
    """Chooses the models that the evaluate command measures.

    Args:
        config: a `RunConfig`.

    Returns:
        dict of keys to directories or hub names, the teacher first: `model` and `teacher`, or every
        model of the run in `output_dir`.

    Raises:
        UserError: there is no such run, or `teacher` names several.
    """
    from tfdistill.run.directory import RunPaths
    from tfdistill.run.sources import teacher_names

    if not config.model:
        student_of(config)
        run = RunPaths(config.output_dir)
        return {key: str(run.model(key)) for key in run.models()}
    if len(teacher_names(config)) > 1:
        raise UserError(f"`teacher`={config.teacher}: name one, to compare the model with")
    teacher = {"teacher": config.teacher} if config.teacher else {}
    return teacher | {"model": config.model}


def judge_again(config, result):
    """Adds the verdict on the run in `output_dir` to its newly measured models.

    Sizes and latencies of files are those that the run measured.

    Args:
        config: a `RunConfig`.
        result: what `Evaluation.measure` returned; its models get the facts of their files.

    Returns:
        dict: `result` with "verdict", "conclusion" and "teacher_answers" as in metrics.json.
    """
    from tfdistill.run.directory import RunPaths
    from tfdistill.run.metrics import judge
    from tfdistill.run.stored_metrics import read_metrics
    from tfdistill.run.verdict import NOT_SHOWN

    file, models = RunPaths(config.output_dir).metrics, result["models"]
    metrics = read_metrics(file) if file.is_file() else {"models": {}}
    for key, model in models.items():
        facts = metrics["models"].get(key, {})
        model.update({name: facts[name] for name in OF_FILES if name in facts})
    primary = tasks.task_of(result).primary.key
    judged = judge(models, result["differences"], metrics.get("made_from", {}))
    if not judged["verdict"] and primary in models.get("teacher", {}):
        what = "is not finished (no metrics.json)"
        if file.is_file():
            what = "knows no sizes and latencies of both models' files"
        judged["conclusion"] = {"state": NOT_SHOWN, "text": f"{NOT_SHOWN}: the run {what}"}
    return result | judged


def evaluate_and_show(config, console):
    """Measures the models that the settings name, and prints the tables.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict: what `Evaluation.measure` returns; for a run with its verdict.

    Raises:
        UserError: there is no such text or model, or they do not fit each other.
    """
    check_pooling(config)
    sources = evaluation_sources(config)
    if config.model.endswith(".tflite"):
        return _evaluate_and_show_file(config, console, sources)
    opened = open_evaluation(config, sources, config.tokenizer, console)
    from tfdistill.reports.evaluation import format_evaluation
    from tfdistill.run.data_lines import data_lines

    line = console.progress("evaluate", len(sources) * len(opened.batches))
    line.note("tracing the models")
    result = opened.measure(lambda key, done: line(done, f"batches: {key}"))
    if not config.model:
        result = judge_again(config, result)
    if lines := data_lines(opened.task, opened.data):
        console.say(lines)
    console.say(format_evaluation(opened.task, result, sources))
    return result


def _evaluate_and_show_file(config, console, sources):
    machine.for_looking(config)  # before anything imports TensorFlow
    from tfdistill.reports.evaluation import format_evaluation
    from tfdistill.run.evaluated_file import evaluate_file

    result = evaluate_file(config, console)
    console.say(format_evaluation(tasks.task_of(result), result, sources))
    return result
