"""Labelled data sets of the Hugging Face hub as tables."""

import re

from tfdistill.data.corpus_files import SPLIT_WORDS
from tfdistill.data.documents import SPLITS
from tfdistill.data.hub_sets import PREFIX, load_hub_set
from tfdistill.data.labelled.tables import Table
from tfdistill.system.errors import UserError

BATCH = 1000  # rows that are read at once


def hub_tables(spec, setting):
    """Loads the splits of a data set.

    Classes that the data set stores as numbers have their names, and None for -1, which stands for
    an unknown class.

    Args:
        spec: "hf:NAME[:CONFIG]"; the name may be a folder that `datasets` reads.
        setting: the setting that names it, for messages.

    Returns:
        dict of its splits among `SPLITS` to `Table`s. A split whose name begins with such a word,
        as dev or validation_matched, counts too, if it is the first.

    Raises:
        UserError: it cannot be loaded, or has none of these splits.
    """
    name, _, config = spec.removeprefix(PREFIX).partition(":")
    named, cure = f"`{setting}`={spec}", "check the name and the network, or name files"
    loaded = load_hub_set(name, config, named, cure)
    found = {}
    for split in SPLITS:
        fits = [each for each in loaded if SPLIT_WORDS.get(re.match("[a-z]*", each)[0]) == split]
        if fits:
            chosen = split if split in fits else fits[0]
            found[split] = table_of(f"{spec}, {chosen}", loaded[chosen])
    if not found:
        raise UserError(f"{named}: no split {', '.join(SPLITS)}, only {', '.join(loaded)}")
    return found


def table_of(file, rows):
    """Reads a split in memory.

    Args:
        file: its name in messages.
        rows: `datasets.Dataset`.

    Returns:
        `Table`; classes that are stored as numbers have their names.
    """
    names = {column: _class_names(feature) for column, feature in rows.features.items()}
    names = {column: found for column, found in names.items() if found}

    def read():
        number = 0
        for batch in rows.iter(batch_size=BATCH):
            for values in zip(*batch.values(), strict=True):
                number += 1
                row = dict(zip(batch, values, strict=True))
                row |= {column: _named(row[column], names[column]) for column in names}
                yield number, row

    return Table(file, tuple(rows.features), read())


def _class_names(feature):
    """Names of the classes of a column of numbers, or of lists of numbers; None for others."""
    inner = getattr(feature, "feature", feature)
    inner = inner[0] if isinstance(inner, list) else inner
    return getattr(inner, "names", None)


def _named(value, names):
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    return None if value is None or value < 0 else names[value]
