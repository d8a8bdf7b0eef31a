"""Labelled data: from the settings that name them to the examples of the three splits."""

import re
from pathlib import Path

from tfdistill.data.documents import SPLITS
from tfdistill.data.hub_sets import PREFIX
from tfdistill.data.labelled import authors
from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.checks import (
    checked_labels,
    labelled_splits,
    require_texts_alike,
)
from tfdistill.data.labelled.examples import LabelledData, Reading
from tfdistill.data.labelled.files import read_checked, read_file
from tfdistill.data.labelled.glue import glue_files, glue_set, read_glue
from tfdistill.data.labelled.hub import hub_tables
from tfdistill.data.labelled.rows import table_examples
from tfdistill.data.labelled.splits import count_duplicates, count_repeated, cut_splits
from tfdistill.data.labelled.statistics import describe, facts_of, repeats
from tfdistill.data.labelled.tag_schemes import BIO, IOB1, OTHER, in_bio
from tfdistill.system.errors import UserError

KINDS = {"text": "classes", "numbers": "numbers", "tags": "tags of words", "spans": "questions"}


def open_labelled(
    kind,
    *,
    train_data="",
    validation_data="",
    test_data="",
    task_data="",
    data_dir="",
    reading=None,
):
    """Reads examples with labels.

    Missing splits are cut from the training data (see `cut_splits`).

    Args:
        kind: "text" (texts or pairs with a class), "numbers" (the same with a number), "tags" or
            "spans".
        train_data, validation_data, test_data: a file each, or "hf:NAME[:CONFIG]". A data set of
            the hub for training also has the other splits; of two splits, the second is the test
            split. Test data alone are allowed.
        task_data: "glue/NAME" or "sample_authors" instead.
        data_dir: GLUE's folder.
        reading: `Reading`.

    Returns:
        `LabelledData`.

    Raises:
        UserError: there are no such data, or a row cannot be read; the message names its line.

    Example:
        data = open_labelled("text", train_data="reviews.csv")
        data.labels  # ("negative", "positive")
    """
    reading = reading or Reading()
    bad = BadRows(reading.skip_bad_rows, reading.encoding_errors)
    files = {"train": train_data, "validation": validation_data, "test": test_data}
    files = {split: named for split, named in files.items() if named}
    if task_data:
        if files:
            names = " and ".join(f"`{split}_data`" for split in files)
            raise UserError(
                f"`task_data`={task_data} has its own files: leave out {names}, or empty it for "
                "them: `task_data`="
            )
        name, splits, notes, order = _known(kind, task_data, data_dir, bad)
    elif "train" in files or list(files) == ["test"]:
        name, order = data_name(files.get("train") or files["test"]), ()
        splits, notes = read_named(kind, files, reading, bad)
    else:
        raise UserError("name the data with labels: `train_data`, a file, or `task_data`")
    return _complete(kind, (name, splits, notes, order), bad)


def _complete(kind, found, bad):
    """Cuts missing splits, checks, and collects facts: `LabelledData`."""
    name, splits, notes, order = found
    splits, more = labelled_splits(splits)
    notes = [*notes, *more]
    require_texts_alike(splits)
    cut = [] if "train" not in splits else [each for each in SPLITS if each not in splits]
    if kind == "tags":
        written, scheme, orphans = in_bio(list(splits.values()))
        splits = dict(zip(splits, written, strict=True))
        notes += _scheme_notes(scheme, orphans)
    labels, splits, more = checked_labels(kind, splits, order, bad)
    if cut:
        splits = cut_splits(splits, cut)
    splits = {split: splits[split] for split in SPLITS if split in splits}
    facts = {"name": name, "kind": kind} | facts_of(splits, labels)
    notes += [*more, *bad.notes(), *describe(facts, cut)]
    facts["repeated"] = count_repeated(splits)
    if "train" in splits:
        facts["duplicates"] = count_duplicates(splits)
    notes += repeats(facts)
    facts |= bad.facts() | {"cut_from_train": cut}
    return LabelledData(name, splits, labels, tuple(notes), facts)


def _known(kind, task_data, data_dir, bad):
    """Reads a data set by its name: (name, splits, notes, labels in their order)."""
    found = glue_set(task_data)
    if not found and task_data != authors.NAME:
        raise UserError(
            f"`task_data`={task_data}: no such data set: name {authors.NAME} or glue/NAME, or give "
            "a file as `train_data`"
        )
    its_kind = found.kind if found else "text"
    if kind != its_kind:
        raise UserError(
            f"`task_data`={task_data} has {KINDS[its_kind]}, and this task needs {KINDS[kind]}: "
            "set `task` to another one"
        )
    if not found:
        return task_data, authors.read_authors(), (), ()
    splits = {
        split: read_glue(found, str(path), read_checked(path, "data_dir", bad), bad)
        for split, path in glue_files(task_data, data_dir).items()
    }
    notes = ("the development file of GLUE is the test split",)
    return f"glue-{found.folder}", splits, notes, found.labels


def read_named(kind, files, reading, bad):
    """Reads the files or data sets of the hub that settings name.

    Args:
        kind: as for `open_labelled`.
        files: dict of splits to a file or "hf:NAME[:CONFIG]", the training split first.
        reading: `Reading`.
        bad: `BadRows`.

    Returns:
        (dict of splits to lists of examples, tuple of notes).

    Raises:
        UserError: there are no such data, or a row cannot be read.
    """
    splits, notes, label = {}, [], ""
    for split, named in files.items():
        setting = f"{split}_data"
        if not named.startswith(PREFIX):
            given = None if split == "train" else label
            splits[split], more, column = read_file(named, setting, kind, reading, bad, given)
            notes, label = [*notes, *more], label or column
            continue
        for part, table in _wanted(hub_tables(named, setting), split, files).items():
            given = None if part == "train" else label
            splits[part], more, column = table_examples(table, kind, reading, bad, given)
            notes, label = [*notes, *more], label or column
    return splits, tuple(dict.fromkeys(notes))


def _wanted(tables, split, files):
    """The splits of a data set of the hub that one setting stands for."""
    if split == "train" and "train" in tables:
        found = {part: t for part, t in tables.items() if part == split or part not in files}
        if "validation" in found and "test" not in found and "test" not in files:
            found["test"] = found.pop("validation")  # as data sets with two splits are used
        return found
    # Validation examples rather than training examples, which come first.
    return {split: tables.get(split) or tables.get("validation") or next(iter(tables.values()))}


def _scheme_notes(scheme, orphans):
    if scheme == OTHER:
        return ["tags that mark no entities (BIO, IOB1, IOBES), kept as they are"]
    if scheme == BIO:
        return [f"{orphans:,} entities begin with I-, kept as they are"] if orphans else []
    begun = f": {orphans:,} entities that began with I- begin with B-" if scheme == IOB1 else ""
    return [f"tags in {scheme}, turned into BIO{begun}"]


def data_name(named):
    """A short name, fit for a file name, of what a setting names.

    Args:
        named: a file, or "hf:NAME[:CONFIG]".
    """
    if named.startswith(PREFIX):
        return _file_name(named.removeprefix(PREFIX))
    path = Path(named).resolve()
    stem = path.name.split(".")[0]
    return _file_name(path.parent.name if stem in ("train", "test") else stem)


def _file_name(text):
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:40] or "data"
