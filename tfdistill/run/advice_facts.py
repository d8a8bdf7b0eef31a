"""What the advice on a new run depends on: task, teacher, and the number of examples."""

from pathlib import Path
from typing import NamedTuple

from tfdistill import tasks
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.task_heads import CLASSIFICATION, SPANS, TOKENS
from tfdistill.run import advice_models, advice_settings
from tfdistill.run.early_plan import DATA_WITH_LABELS, open_task
from tfdistill.run.sources import model_source
from tfdistill.system.errors import UserError

HEADS = {"text": CLASSIFICATION, "tags": TOKENS, "spans": SPANS}  # by `Task.kind`
NOT_GIVEN = "student", "student_config", "student_init", "student_type"  # what is chosen


class Facts(NamedTuple):
    """What the advice depends on.

    Args:
        task: the `Task`.
        name: folder or name of the teacher.
        config: its `EncoderConfig`.
        tuned: whether it has the task's head.
        rows, classes: numbers; 0 where they are not known.
    """

    task: tasks.Task
    name: str
    config: EncoderConfig
    tuned: bool
    rows: int
    classes: int


def facts_of(config):
    """Collects the facts.

    Args:
        config: a `RunConfig`.

    Returns:
        `Facts`.

    Raises:
        UserError: a setting is given that the advice chooses, there is no advice on the task, or
            the teacher or the data cannot be read.
    """
    advice_models.require_task(config.task)
    for name in NOT_GIVEN:
        if getattr(config, name) != getattr(type(config), name):
            raise UserError(f"`{name}` is what the advice chooses: leave it out")
    task = tasks.get(config.task)
    settings = advice_settings
    known = settings.MASKED, settings.TEXTS, settings.NUMBERS, *settings.TEMPERATURES
    if task.name not in (*known, advice_models.VECTORS):
        raise UserError(f"`task`={task.name}: there is no advice on this task yet")
    rows, classes = config.rows, 0
    if task.kind and any(getattr(config, name) for name in DATA_WITH_LABELS):
        task, data = open_task(config)
        rows, classes = rows or len(data.splits.get("train", ())), len(task.labels_names)
    first = advice_models.recommended(task.name)["teachers"][0]["name"]
    name = config.teacher.split(",")[0].strip() or first
    encoder, values = _teacher(name)
    wanted = HEADS.get(task.kind, "ForMaskedLM")
    tuned = any(each.endswith(wanted) for each in values.get("architectures") or ())
    if not task.learns_labels:  # its teacher is used as it is
        tuned = True
    elif tuned and task.kind == "text":
        classes = classes or len(values.get("id2label") or ())
    if config.length > encoder.max_length:
        raise UserError(
            f"`length`={config.length} is over the teacher's {encoder.max_length} "
            "positions: use a smaller one"
        )
    return Facts(task, name, encoder, tuned, rows, classes)


def _teacher(name):
    """(`EncoderConfig`, content of config.json) of a folder or of a known name."""
    file = Path(model_source(name)) / CONFIG
    if file.is_file():
        values = read_json(file)
        return config_of(values, file), values
    config = advice_models.config_of_known(name)
    if config is None:
        known = [each for each in advice_models.KNOWN if advice_models.config_of_known(each)]
        raise UserError(
            f"`teacher`={name} is no folder with a {CONFIG}, and no model whose shape is known "
            f"here: name a folder, or one of {', '.join(known)}"
        )
    return config, {}
