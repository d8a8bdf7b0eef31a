"""Tasks: what models are trained for, by name.

A new task is a subclass of `Task`, of `RowClassification` for rows of a corpus, or of
`LabelledTask` for examples with labels, in a module of its own; `register` adds it.
"""

from tfdistill.system.errors import UserError
from tfdistill.tasks.labelled import LabelledTask
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.tasks.question_answering import QuestionAnswering
from tfdistill.tasks.regression import Regression
from tfdistill.tasks.row_classification import RowClassification
from tfdistill.tasks.sentence_embedding import SentenceEmbedding
from tfdistill.tasks.task import Task
from tfdistill.tasks.text_classification import TextClassification
from tfdistill.tasks.token_classification import TokenClassification

DEFAULT = "masked_lm"
_TASKS = {}


def register(task):
    """Adds a task to those that `task` can name.

    Args:
        task: a `Task`.

    Returns:
        The task.

    Raises:
        ValueError: it has no name, or a task of another class has it.
    """
    known = _TASKS.get(task.name, task)
    if not task.name or type(known).__qualname__ != type(task).__qualname__:
        raise ValueError(f"a task needs a name of its own, not {task.name!r}")
    _TASKS[task.name] = task
    return task


def get(name):
    """Finds a task.

    Args:
        name: str.

    Returns:
        A `Task`.

    Raises:
        UserError: there is no task of that name.

    Example:
        from tfdistill import tasks

        tasks.get("masked_lm").primary.name  # "top-1"
    """
    if name not in _TASKS:
        raise UserError(f"`task`={name}: no such task; there are {', '.join(names())}")
    return _TASKS[name]


def names():
    """Names of all tasks: a sorted list."""
    return sorted(_TASKS)


def task_of(metrics):
    """The task of a run or of an evaluation.

    Args:
        metrics: dict, the content of a run's metrics.json, or the result of an evaluation.

    Returns:
        A `Task`, with the primary metric of the data set.

    Raises:
        UserError: there is no task of that name.
    """
    made_from = metrics.get("made_from", {})
    task = get(metrics.get("task") or made_from.get("task", DEFAULT))
    name = metrics.get("task_data") or made_from.get("task_data", "")
    return task.of_set(name) if task.kind else task.of_models(metrics.get("models", {}))


register(MaskedLM())
register(TextClassification())
register(Regression())
register(TokenClassification())
register(QuestionAnswering())
register(SentenceEmbedding())

__all__ = ["DEFAULT", "LabelledTask", "RowClassification", "Task"]
__all__ += ["get", "names", "register", "task_of"]
