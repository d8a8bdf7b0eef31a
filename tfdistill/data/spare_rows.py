"""Spare rows: rows of a model's vocabulary table beyond the ids of its tokenizer.

Many checkpoints have tables that are padded to a multiple of 8, 64 or 128 rows. As in transformers
the spare rows take part in the softmax; no text has their ids, so they are never targets.
"""

ALWAYS = 127  # spare rows of a table, however small it is
MOST = 1023
SHARE = 1 / 8  # of the tokens


def fits(rows, tokens):
    """Whether a table has the right length for a tokenizer.

    Args:
        rows: number of rows of the table.
        tokens: number of ids of the tokenizer, its largest id plus one.

    Returns:
        bool: whether the table has a row for each id, and at most as many more as padding adds.
    """
    return tokens <= rows <= tokens + max(ALWAYS, min(MOST, int(SHARE * tokens)))


def alike(one, other):
    """Whether two tables, by their numbers of rows, can belong to one tokenizer: bool."""
    return fits(max(one, other), min(one, other))
