"""Names of classes in config.json, and the classes of two models matched by name."""

import re

from tfdistill.system.errors import UserError

# Hugging Face's name of a class that nobody named.
_UNNAMED = re.compile(r"LABEL_(\d+)")
_SHOWN = 5


def labels_of(values):
    """The names of the classes.

    Args:
        values: dict, the content of config.json.

    Returns:
        tuple of str in the order of the logits; Hugging Face's "LABEL_0" and so on where the file
        has none.

    Raises:
        UserError: `id2label` does not number its names from 0.
    """
    named = values.get("id2label")
    if not named:
        return tuple(f"LABEL_{number}" for number in range(values.get("num_labels") or 2))
    try:
        numbered = {int(number): str(name) for number, name in named.items()}
    except (AttributeError, ValueError):
        numbered = {}
    names = tuple(numbered[number] for number in sorted(numbered))
    if sorted(numbered) != list(range(len(named))) or len(set(names)) != len(names):
        raise UserError(
            "id2label of config.json is not a name for each of the numbers 0, 1, …: correct it"
        )
    return names


def label_values(labels):
    """The entries of config.json that name the classes.

    Args:
        labels: tuple of str in the order of the logits.

    Returns:
        dict of `id2label` and `label2id`.
    """
    return {
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
    }


def match_labels(found, wanted):
    """Matches the classes of a model with those of a task, by name.

    A class without a name of its own, "LABEL_3", is the task's class "3" where there is one.

    Args:
        found: tuple of str, the classes of the model.
        wanted: tuple of str, the classes of the task.

    Returns:
        tuple of the task's names in the order of the model's logits.

    Raises:
        UserError: the names differ.
    """
    names = known_names(found, wanted)
    if sorted(names) == sorted(wanted):
        return names
    if all(_UNNAMED.fullmatch(name) for name in names):
        raise UserError(
            f"its {len(names)} classes have no names, so that they cannot be matched with those "
            f"of the data ({_shown(wanted)}): name them in id2label of its config.json"
        )
    missing, other = set(wanted) - set(names), set(names) - set(wanted)
    parts = [f"lacks {_shown(sorted(missing))}"] if missing else []
    parts += [f"has {_shown(sorted(other))} beside them"] if other else []
    raise UserError(
        f"its classes are not those of the data: it {' and '.join(parts)}; use a model that was "
        "trained on these classes, or correct id2label of its config.json"
    )


def with_names_of(data, found, model):
    """The classes of a model under the names of data that may lack some of them.

    Args:
        data: tuple of str, the classes of the data.
        found: tuple of str, the classes of the model.
        model: what names the model, for a message.

    Returns:
        tuple of str in the order of the model's logits.

    Raises:
        UserError: the data have a class that the model lacks.
    """
    names = known_names(found, data)
    if set(data) <= set(names):
        return names
    try:
        return match_labels(found, data)
    except UserError as error:
        raise UserError(f"{model}: {error.message}") from None


def known_names(found, known):
    """The classes of a model, "LABEL_3" as "3" if there is such a name.

    Args:
        found: tuple of str, the classes of the model.
        known: collection of str.

    Returns:
        tuple of str.
    """
    return tuple(_known_as(name, known) for name in found)


def _known_as(name, wanted):
    unnamed = _UNNAMED.fullmatch(name)
    return unnamed[1] if unnamed and name not in wanted and unnamed[1] in wanted else name


def _shown(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
