"""Tasks: what models are trained for, by name.

A new task is a subclass of `Task`, or of `RowClassification`, in a module of its own; `register`
adds it.
"""

from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.tasks.row_classification import RowClassification
from tfdistill.tasks.task import Task

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
        A `Task`.

    Raises:
        UserError: there is no task of that name.
    """
    return get(metrics.get("task") or metrics.get("made_from", {}).get("task", DEFAULT))


register(MaskedLM())

__all__ = ["DEFAULT", "RowClassification", "Task", "get", "names", "register", "task_of"]
