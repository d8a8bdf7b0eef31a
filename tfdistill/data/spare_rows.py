"""How many rows a model's vocabulary table may have beyond the ids of its tokenizer.

Many checkpoints have tables that are padded to a multiple of 8, 64 or 128 rows. As in transformers
the spare rows take part in the softmax; no text has their ids, so they are never targets.
"""

ALWAYS = 127  # spare rows of a table, however small it is
MOST = 1023
SHARE = 1 / 8  # of the tokens


def fits(rows, tokens):
    """Whether a table can be that of a tokenizer, and not that of another.

    Args:
        rows: of the table.
        tokens: of the tokenizer, its largest id and one.

    Returns:
        bool: it has a row for each, and few enough beyond them to be padding.
    """
    return tokens <= rows <= tokens + max(ALWAYS, min(MOST, int(SHARE * tokens)))


def alike(one, other):
    """Whether two tables can be those of one tokenizer, by their numbers of rows: bool."""
    return fits(max(one, other), min(one, other))
