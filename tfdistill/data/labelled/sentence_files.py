"""Files of sentences: a sentence a line, or the texts of a table."""

import re
from pathlib import Path

from tfdistill.data.hub_sets import PREFIX
from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.columns import choose_columns
from tfdistill.data.labelled.files import read_checked, read_table
from tfdistill.data.labelled.hub import hub_tables
from tfdistill.data.labelled.rows import filled, read_number
from tfdistill.system.errors import UserError

SETTING = "train_data"
_TABLES = {".csv", ".tsv", ".jsonl", ".json"}
_ROWS = re.compile(r'\s*(\[\s*)?\{\s*"')


def read_sentences(named, reading, bad):
    """Reads sentences.

    Args:
        named: a file, or "hf:NAME[:CONFIG]". Files named .csv, .tsv, .jsonl or .json, JSON lines,
            and files whose format is named are tables; others have a sentence a line.
        reading: `Reading`.
        bad: `BadRows`.

    Returns:
        (list of str; list of notes). A row of a table gives its text, and the second one if there
        is a column of such.

    Raises:
        UserError: there is no such file or column, or a row cannot be read.
    """
    if not _is_table(named, reading):
        lines = (line.strip() for line in read_checked(named, SETTING, bad).split("\n"))
        found = [line for line in lines if line and not bad.leaves_out(named, line)]
        return found, [f"{named}: a sentence a line"]
    table = _table(named, reading, bad)
    (text, pair), notes = choose_columns(table, "texts to label", reading)
    found = []
    for place, row in table.rows:
        try:
            texts = [filled(row.get(text), "text")]
            texts += [filled(row.get(pair), "second text")] if pair else []
        except ValueError as problem:
            bad.add(table.file, place, str(problem))
        else:
            found += texts
    if not found:
        raise UserError(f"`{SETTING}`={named}: no sentences in it: name another file")
    return found, [*table.notes, *notes]


def has_scores(named, reading):
    """Whether training data are pairs of texts with a number.

    Args:
        named, reading: as for `read_sentences`.

    Returns:
        bool; True also where some of the numbers are missing or wrong.
    """
    if not _is_table(named, reading):
        return False
    table = _table(named, reading, _uncounted(reading))
    try:
        (_, number, pair), _ = choose_columns(table, "numbers", reading)
    except UserError:
        return False
    return pair is not None and any(_is_number(row.get(number)) for _, row in table.rows)


def _is_number(cell):
    try:
        read_number(cell)
    except ValueError:
        return False
    return True


def _uncounted(reading):
    """`BadRows` of a look at a file; what it finds is left to the reading that counts."""
    return BadRows(True, reading.encoding_errors)


def _is_table(named, reading):
    if named.startswith(PREFIX) or reading.format:
        return True
    suffixes = {suffix.lower() for suffix in Path(named).suffixes}
    if suffixes & _TABLES:
        return True
    return bool(_ROWS.match(read_checked(named, SETTING, _uncounted(reading))[:4096]))


def _table(named, reading, bad):
    if named.startswith(PREFIX):
        tables = hub_tables(named, SETTING)
        return tables.get("train") or next(iter(tables.values()))
    return read_table(named, SETTING, "text", reading, bad)
