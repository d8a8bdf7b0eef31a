"""Texts of a file, for which labels are predicted; labels that it has are ignored."""

import re
from pathlib import Path

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.columns import TEXTS, choose_columns, has_words, named_columns
from tfdistill.data.labelled.conll import ENTITY_TAG, HEADER_WORDS, read_words
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.files import CONLL, JSONL, find_format, is_squad, read_checked
from tfdistill.data.labelled.rows import listed, require_sentences
from tfdistill.data.labelled.squad import read_questions
from tfdistill.data.labelled.tables import TAB, read_json, read_separated
from tfdistill.deployment.label_predictor import SPANS, TAGS
from tfdistill.system.errors import UserError

WORDS = "words"  # the column of the sentences of a CoNLL file without a header
_KINDS = {TAGS: "sentences to tag", SPANS: "questions"}  # of columns, by task


def rows_of_file(config, task, console):
    """Reads the file that `input` names; prints which columns the texts come from.

    Args:
        config: a `RunConfig`.
        task: name of the model's task.
        console: a `Console`.

    Returns:
        Three lists: the rows, dicts; their texts, str, or for tags perhaps tuples of words; and
        their second texts, or None.

    Raises:
        UserError: the file or a row cannot be read.
    """
    reading = Reading(text=config.text_column, pair=config.text_pair_column)
    bad = BadRows(config.skip_bad_rows, config.encoding_errors)
    content = read_checked(config.input, "input", bad)
    if task == TAGS and _is_conll(content, config.input, reading):
        _refuse_running_text(content, config.input, reading)
        sentences, notes, name = read_words(config.input, content, reading, bad)
        found = [({name or WORDS: list(words)}, words, None) for words in sentences]
    elif task == SPANS and is_squad(content):
        rows, notes = read_questions(config.input, content, bad), ()
        found = [(row, row["question"], row["context"]) for row in rows]
    else:
        found, notes = _rows_of_table(config.input, content, task, reading, bad)
    if not found:
        raise UserError(f"`input`={config.input} holds no rows: give a file with texts")
    console.warn((*notes, *bad.notes()))
    return tuple(map(list, zip(*found, strict=True)))


def _is_conll(content, path, reading):
    """Whether a file for a tagger has a word in each line, and not a text."""
    first = content.lstrip("\n").split("\n")[0]
    named = {name.strip('" \r').lower() for name in re.split("[,;\t]", first)}
    has_tag = any(ENTITY_TAG.fullmatch(field) for field in first.split())
    of_words = len(named) == 1 and bool(named & HEADER_WORDS - TEXTS)
    of_texts = not has_tag and not of_words and named & (TEXTS | set(named_columns(reading)))
    return not of_texts and find_format(content, Path(path), "tags") == CONLL


def _refuse_running_text(content, path, reading):
    """Refuses lines of text, which would be read as a word and its columns."""
    lines = content.strip().split("\n")
    tagged = all(any(map(ENTITY_TAG.fullmatch, line.split())) for line in lines)
    one_each = not any(" " in line.strip() for line in lines)
    ended = content.endswith("\n\n") or any(not line.strip() for line in lines)
    if not (tagged or one_each or ended or TAB in content or named_columns(reading)):
        raise UserError(
            f"`input`={path}: is it running text? Give it as .csv or .jsonl with a column 'text'; "
            "in a file of words with their tags, an empty line follows each sentence"
        )


def _rows_of_table(path, content, task, reading, bad):
    """(list of (row, text, second text or None), notes) of CSV, TSV or JSON lines."""
    if find_format(content, Path(path), "text") == JSONL:
        table = read_json(path, content, bad)
    else:
        table = read_separated(path, content, bad, named=named_columns(reading))
    kind = _KINDS.get(task, "texts to label")
    if task == TAGS and has_words(table):
        kind = "words to tag"
    chosen, told = choose_columns(table, kind, reading)
    text, other = (*chosen, None)[:2]
    found = []
    for place, row in table.rows:
        texts = [None if name is None else row.get(name) for name in (text, other)]
        if kind == "words to tag" or (task == TAGS and isinstance(texts[0], list)):
            texts[0] = _words(texts[0])
        second = str if task == SPANS else str | None  # a text may come without a second one
        if not isinstance(texts[0], str | tuple):
            missing = "words, or an empty one," if kind == "words to tag" else "text"
            bad.add(path, place, f"no {missing} in the column {text}")
        elif not isinstance(texts[1], second):
            bad.add(path, place, f"no text in the column {other}")
        else:
            found.append((row, *texts))
    if kind == "words to tag" and all(isinstance(row.get(text), str) for row, *_ in found):
        require_sentences(path, [words for _, words, _ in found])
    return found, (*table.notes, *told)


def _words(cell):
    """The words in a cell, a tuple; None for a cell without, or with an empty one."""
    try:
        words = listed(cell, "words")
    except ValueError:
        return None
    return words if words and all(map(str.strip, words)) else None
