"""The export command: the files of a run's student, or of another model, outside a run."""

from pathlib import Path

from tfdistill.deployment.signatures import lengths_of
from tfdistill.deployment.variants import variants_of
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.part_grid import named_shape
from tfdistill.run import machine
from tfdistill.run.checks import check_exported_files, check_pooling
from tfdistill.run.directory import RunPaths
from tfdistill.run.held_out import open_held_out, require_fit, student_of
from tfdistill.run.model_classes import with_classes_of
from tfdistill.run.stored_metrics import read_metrics
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_folder, require_shards

PARTS = "parts"  # in `output_dir`; in it a folder like that of a run for each exported part


def export_model(config, console):
    """Writes the folder that ships, checks its files on held-out text and prints their facts.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        (facts, failure): "directory", "files" and "mediapipe" for JSON; and the `ParityError` of a
        file that loses too much, or None.

    Raises:
        UserError: there is no such model or text, or files of a run would be replaced.
    """
    source = _source(config)
    check_pooling(config)
    check_exported_files(config)
    from tfdistill.run.early_plan import open_task

    task, data = open_task(config)
    machine.for_looking(config)  # before anything imports TensorFlow
    from tfdistill.deployment.bundle import export_bundle, warnings_of
    from tfdistill.deployment.model_card import write_model_card
    from tfdistill.deployment.string_signatures import warnings
    from tfdistill.models.hugging_face.checkpoint import resolve_directory, save_model
    from tfdistill.models.subnet import extract_subnet
    from tfdistill.reports.evaluation import format_exported_files
    from tfdistill.run.data_lines import data_lines
    from tfdistill.run.sources import tokenizer_of

    run, source = _target(config), resolve_directory(source)
    task = with_classes_of(task, data, source)
    model = task.load(source)
    if model.head is None:
        raise UserError(
            f"`model`={source} has no head for `task`={task.name}: train it with one first, "
            "or export an encoder of sentences with `task`=sentence_embedding"
        )
    if config.part:
        model = extract_subnet(model, named_shape(source, config.part, model.config))
    task = task.of_model(model.head.answer_rules)
    task.mark(model.head)
    tokenizer = tokenizer_of(task, config.tokenizer or str(source))
    require_fit(config, tokenizer, f"`model`={source}", model)
    train, batches = open_held_out(task, config, tokenizer, data, console)
    if config.part:
        save_model(model, run.student)
        tokenizer.save(run.student, model.config.model_type, model.config.max_length)
    options = bundle_options(config, task, train)
    line = console.progress("export", None)
    files, failure = export_bundle(task, model, run.export, options, tokenizer, batches, line.note)
    facts = {"directory": str(run.export), "files": files}
    if config.mediapipe:
        written = model, tokenizer, run.export, batches, console
        facts["mediapipe"] = export_mediapipe(task, *written)
    measured = run.metrics.is_file() and not config.model
    metrics = read_metrics(run.metrics) if measured else None
    write_model_card(task, run.model_card, model.config, files, metrics)
    if lines := data_lines(task, data):
        console.say(lines)
    console.say(f"{run.export}\n{format_exported_files(task, files)}")
    console.warn([*warnings_of(task, files), *warnings(tokenizer, model.head)])
    return facts, failure


def bundle_options(config, task, train):
    """The `BundleOptions` of settings.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        train: the source of the training split; None without.

    Raises:
        UserError: a setting has a wrong value.
    """
    from tfdistill.deployment.bundle import BundleOptions

    lengths = lengths_of(config.tflite_lengths, config.length)
    variants = variants_of(config.tflite_variants)
    calibration = None
    if "full_int8" in variants:
        if train is None:
            raise UserError(
                "`tflite_variants`=full_int8 takes ranges from training examples: set `train_data`"
            )
        calibration = task.evaluation_batches(train)
    return BundleOptions(lengths, config.allow_loss, variants, calibration)


def export_mediapipe(task, model, tokenizer, directory, batches, console):
    """Writes the file for MediaPipe and measures it; prints its facts, or why it was not written.

    Args:
        task: the model's `Task`.
        model: the `Model` whose files lie in the folder.
        tokenizer, directory: as for `write_mediapipe`.
        batches: what `Task.evaluation_batches` returned; not read for tasks without a file.
        console: a `Console`.

    Returns:
        The facts of `write_mediapipe` and of `measure_mediapipe`, or None.
    """
    from tfdistill.deployment.mediapipe import CLASSES, MEDIAPIPE_FILE, write_mediapipe

    if model.head.task not in CLASSES:
        return None
    facts, reason = write_mediapipe(model.head, tokenizer, directory, batches.source.examples)
    if facts is None:
        console.warn([f"{MEDIAPIPE_FILE} was not written: {reason}"])
        return None
    from tfdistill.deployment.mediapipe_check import measure_mediapipe

    facts |= measure_mediapipe(task, model, directory / MEDIAPIPE_FILE, batches)
    console.say(
        f"{MEDIAPIPE_FILE}: MediaPipe's tokenizer gives other ids to {facts['other_ids']:.1%} of "
        f"{facts['texts']:,} held-out texts"
    )
    metric = task.primary
    value = metric.text({metric.key: facts[f"{metric.key}_lite"]})
    console.say(f"{MEDIAPIPE_FILE}: {metric.name} {value} {metric.unit}".rstrip())
    return facts


def _target(config):
    """`RunPaths` of the folder that is written: `output_dir`, or one in it for a part."""
    run = RunPaths(config.output_dir)
    return RunPaths(run.path / PARTS / config.part) if config.part else run


def _source(config):
    """Returns the directory or hub name of the model to export."""
    require_folder("output_dir", config.output_dir)
    require_shards(config.shards_dir)
    run = RunPaths(config.output_dir)
    if config.model and not config.part and run.state.exists() and not config.force:
        raise UserError(
            f"`output_dir`={run.path} is a run, and the files of `model` would replace those of "
            "its student: name another `output_dir`, or set `force`"
        )
    source = config.model or student_of(config)
    if config.part and (file := Path(source) / CONFIG).is_file():  # before TensorFlow is loaded
        named_shape(source, config.part, config_of(read_json(file), file))
    return source
