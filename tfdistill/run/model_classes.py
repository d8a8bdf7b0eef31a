"""Which classes a task has: those of its data, or those of a model, of which the data lack some."""

from tfdistill.models.heads.label_names import known_names
from tfdistill.system.errors import UserError

MOST_NAMED = 5  # classes in a line


def keeps_classes(known, found, data):
    """Whether a task keeps the classes of its data, in their order, beside a model's.

    Args:
        known: tuple of the classes of the data.
        found: tuple of the model's, under the names of the data.
        data: what `Task.open_data` returned.

    Returns:
        bool; False without training data, whose order would count.
    """
    return "train" in data.splits and set(known) == set(found)


def with_classes_of(task, data, model):
    """The task with the classes of a model, of which the data may lack some.

    Args:
        task: the `Task`, bound to the classes of the data.
        data: what `Task.open_data` returned.
        model: a `Model`; or a Hugging Face directory or hub name.

    Returns:
        A `Task`; the same one where nothing changes, and for tasks without classes.

    Raises:
        UserError: the model has no head of this task, or lacks a class of the data.
    """
    known = task.labels_of(data)
    if not known:
        return task
    found = task.bound_to(model, known).labels_names
    return task if keeps_classes(known, found, data) else task.bound(found, task.pooling)


def with_classes_of_heads(task, data, models):
    """The task of a run, with the classes of the first of its models that has more than the data.

    Args:
        task, data: as for `with_classes_of`.
        models: list of Hugging Face directories or hub names; those without a head of this task
            get one for its classes.

    Returns:
        A `Task`.

    Raises:
        UserError: a head lacks a class of the data, or two heads have other classes.
    """
    known = task.labels_of(data)
    for model in models if known else ():
        if task.head_of(model) is not None:
            found = with_classes_of(task, data, model)
            if found is not task:
                _require_same_classes(task, found.labels_names, model, models)
                return found
    return task


def _require_same_classes(task, names, model, models):
    """Refuses another model than that of the names whose head has other classes."""
    for other in models:
        head = task.head_of(other)
        differ = set(names) ^ set(known_names(head.labels, names)) if head is not None else ()
        if differ:
            raise UserError(
                f"{model} and {other} differ in {_shown(sorted(differ))}, and a run has the "
                "classes of one model: name models of the same classes, or their encoders"
            )


def lacking_lines(task, data):
    """Says which classes of a task the data lack.

    Args:
        task, data: as for `with_classes_of`.

    Returns:
        list of at most one line.
    """
    known = task.labels_of(data)
    missing = [name for name in task.labels_names if name not in known]
    if not missing:
        return []
    shown = _shown(missing)
    return [f"the data have no example of {shown}: classes of a given model, which the student has"]


def _shown(names):
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
