"""Held-out data for the commands that measure a model which is there already."""

from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.run.directory import RunPaths
from tfdistill.system.errors import UserError

# Files beside config.json with the most tokens of a text, special tokens included.
LENGTHS = (
    ("tokenizer_config.json", "model_max_length"),
    ("sentence_bert_config.json", "max_seq_length"),
)


def student_of(config, other="model"):
    """Returns the folder of the student of the run in `output_dir`.

    Args:
        config: a `RunConfig`.
        other: the setting that names a model in another place.

    Returns:
        `Path`.

    Raises:
        UserError: there is none.
    """
    run = RunPaths(config.output_dir)
    if not run.student.is_dir():
        raise UserError(
            f"`output_dir`={run.path} has no student/: train first, or name a `{other}`"
        )
    return run.student


def length_of(folder):
    """Most tokens of a text that a saved model reads, by the files of the model.

    Args:
        folder: `Path` of the model.

    Returns:
        int; None if no file says it.
    """
    files = [(folder / name, key) for name, key in LENGTHS if (folder / name).is_file()]
    found = [read_json(file).get(key) for file, key in files]
    path = folder / CONFIG
    if path.is_file():
        found.append(config_of(read_json(path), path).max_length)
    return min((each for each in found if isinstance(each, int)), default=None)


def require_fit(config, tokenizer, flag, model):
    """Makes sure that a model can read the held-out rows.

    Args:
        config: a `RunConfig`.
        tokenizer: the `Tokenizer` of the rows.
        flag: what names the model.
        model: a `MaskedLanguageModel`.

    Raises:
        UserError: the tokenizer is another's, or the rows are too long.
    """
    tokenizer.require_table(model.config.vocab_size, flag)
    positions = model.config.max_length
    if config.length > positions:
        raise UserError(
            f"`length`={config.length} is over the {positions} positions of {flag}: use a smaller "
            "one"
        )


def open_held_out(task, config, tokenizer, data, console):
    """Opens the test split of data, which are prepared if that was not done before.

    Args:
        task: the `Task`.
        config: a `RunConfig`.
        tokenizer: the `Tokenizer`.
        data: what `Task.open_data` returned.
        console: a `Console`, for warnings about the tokenizer and the data.

    Returns:
        (source of the training split, None where there is none; `EvaluationBatches` of the test
        split: those of the main job's table).
    """
    prepared = task.prepare(data, tokenizer, config)
    console.warn((*tokenizer.notes, *prepared.warnings))
    return prepared.sources.get("train"), task.evaluation_batches(prepared.sources["test"])
