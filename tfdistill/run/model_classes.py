"""Which classes a task has: those of its data, or those of a model, of which the data lack some."""

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
        UserError: a head lacks a class of the data.
    """
    for model in models if task.labels_of(data) else ():
        if task.head_of(model) is not None:
            found = with_classes_of(task, data, model)
            if found is not task:
                return found
    return task


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
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    shown = ", ".join(missing[:MOST_NAMED]) + more
    return [f"the data have no example of {shown}: classes of a given model, which the student has"]
