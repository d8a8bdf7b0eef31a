"""Checks of labels: known, more than one, and the same in all splits."""

import collections

from tfdistill.data.labelled.examples import SpanExample, TaggedExample
from tfdistill.system.errors import UserError

MOST_NAMED = 12  # labels in a message
_HIDDEN = "-1", -1.0, ()  # labels that stand for unknown ones


def labelled_splits(splits):
    """Leaves out held-out splits whose labels are unknown.

    Without a labelled test split, validation examples are the test split.

    Args:
        splits: dict of splits to lists of examples.

    Returns:
        (dict of the others, list of notes).

    Raises:
        UserError: the training data, or the only data, have no labels.
    """
    found, notes = {}, []
    for split, examples in splits.items():
        if not examples or not _are_unknown(examples, splits.get("train")):
            found[split] = examples
        elif split == "train" or len(splits) == 1:
            raise UserError(
                f"{_file(examples[0])}: no row has a label: set `{_setting(examples[0])}`"
                + ", or let the command predict label them" * (split != "train")
            )
        else:
            notes.append(f"{_file(examples[0])}: without labels, left out as {split} split")
    if "test" in splits and "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
        notes.append(f"{_file(found['test'][0])}: is the test split instead")
    return found, notes


def _are_unknown(examples, train):
    """Whether the labels of a split are unknown.

    So they are if all of them are -1, or all questions are without an answer, and no label of the
    training split is: test files of contests hide their labels so.
    """
    label = _label(examples[0])
    if label is None or not train or examples is train:
        return label is None
    same = all(_label(example) == label for example in examples)
    return label in _HIDDEN and same and all(_label(example) != label for example in train)


def require_texts_alike(splits):
    """Refuses pairs of texts in one split, and single texts in another.

    Args:
        splits: dict of splits to lists of examples.

    Raises:
        UserError: a held-out split differs from the training split.
    """
    train = splits.get("train")
    of_train = getattr(train[0], "pair", None) if train else None
    for examples in filter(None, splits.values() if train else ()):
        pair = getattr(examples[0], "pair", None)
        if (pair is None) != (of_train is None):
            kinds = ["single texts", "pairs of texts"]
            here, there = kinds if pair is None else kinds[::-1]
            raise UserError(
                f"{_file(examples[0])}: {here}, and the training data have {there}: correct it, or "
                "set `text_column` and `text_pair_column`"
            )


def checked_labels(kind, splits, order, bad):
    """Lists the labels, and checks that models can learn them.

    Args:
        kind: "text", "numbers", "tags" or "spans".
        splits: dict of splits to lists of examples.
        order: tuple of labels that must come first, in this order; () to sort them.
        bad: `BadRows`, for examples whose class the training split lacks.

    Returns:
        (tuple of labels, the splits without bad rows, list of notes).

    Raises:
        UserError: there is only one class, labels that do not repeat, or a class that the training
            split lacks.
    """
    train = splits.get("train")
    if kind == "spans":
        if train and not any(example.answers for example in train):
            raise UserError(f"{_file(train[0])}: no question has an answer")
        return (), splits, []
    if kind == "numbers":
        if train and len({example.label for example in train}) < 2:
            raise UserError(f"{_file(train[0])}: all labels are {train[0].label:g}")
        return (), splits, []
    if kind == "tags":
        return _checked_tags(splits)
    labels = tuple(order)
    if not labels:
        labels = tuple(sorted({each.label for each in train or splits["test"]}))
    if train:
        _check_classes(train, labels)
        splits = {split: _of_labels(part, labels, bad) for split, part in splits.items()}
        for split, part in splits.items():
            if not part:
                raise UserError(f"{split}: none of its labels is in the training data: correct it")
    return labels, splits, []


def _check_classes(train, labels):
    found = {example.label for example in train}
    if len(found) < 2:
        raise UserError(
            f"{_file(train[0])}: one class only, {min(found)!r}: a second one is needed, or "
            "another `label_column`"
        )
    if len(labels) > max(20, len(train) / 2):
        first = ", ".join(map(repr, labels[:3]))
        raise UserError(
            f"{_file(train[0])}: {len(labels):,} classes for {len(train):,} examples ({first}, "
            "...): set `label_column` to the classes, or `task` to regression for numbers"
        )


def _of_labels(examples, labels, bad):
    """The examples whose class is known."""
    known, kept = set(labels), []
    for example in examples:
        if example.label in known:
            kept.append(example)
            continue
        file, _, place = example.origin.rpartition(":")
        shown = ", ".join(labels[:MOST_NAMED]) + (", ..." if len(labels) > MOST_NAMED else "")
        problem = f"the training data have no label {example.label!r}, only {shown}"
        bad.add(file, place, problem)
    return kept


def _checked_tags(splits):
    counts = {
        split: collections.Counter(tag for example in part for tag in example.tags)
        for split, part in splits.items()
    }
    train = splits.get("train")
    if train and len(counts["train"]) < 2:
        raise UserError(
            f"{_file(train[0])}: one tag only, {min(counts['train'])!r}: set `tag_column` to "
            "another column"
        )
    labels = tuple(sorted(set().union(*counts.values())))
    unknown = [] if not train else [tag for tag in labels if tag not in counts["train"]]
    notes = []
    if unknown:
        rows = sum(counts[split][tag] for split in splits for tag in unknown)
        notes = [f"{rows:,} held-out words have tags that train lacks: {', '.join(unknown)}"]
    return labels, splits, notes


def _label(example):
    if isinstance(example, TaggedExample):
        return example.tags
    if isinstance(example, SpanExample):
        return example.answers
    return example.label


def _setting(example):
    return "tag_column" if isinstance(example, TaggedExample) else "label_column"


def _file(example):
    return example.origin.rpartition(":")[0] or "the data"
