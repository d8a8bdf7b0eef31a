"""Which column of a table is the text, which the label: as named, or the only one that fits."""

import dataclasses
import re

from tfdistill.data.labelled.tables import is_position
from tfdistill.system.errors import UserError

# Names of columns in common data sets, written as `_plain` does. A name ending with another one,
# such as sentence_B, is in the list itself.
TEXTS = frozenset(
    "text sentence content review tweet utterance query body message comment headline "
    "sentence1 sentencea text1 texta question1 premise question 1string".split()
)
PAIRS = frozenset(
    "sentence2 sentenceb text2 textb question2 hypothesis textpair pair answer 2string".split()
)
LABELS = frozenset(
    "label labels class category intent target goldlabel quality sentiment isduplicate".split()
)
NUMBERS = frozenset("score label labels target rating similarity similarityscore value".split())
WORDS = frozenset("tokens words token word".split())
TAGS = frozenset("tags nertags labels label tag".split())
QUESTIONS, CONTEXTS, ANSWERS = map(frozenset, (["question"], ["context"], ["answers"]))


@dataclasses.dataclass(frozen=True)
class Role:
    """What a column is for.

    Attributes:
        name: in messages.
        setting: that names the column.
        usual: frozenset of the usual names.
        required: whether there must be one.
    """

    name: str
    setting: str
    usual: frozenset
    required: bool = True


TEXT = Role("text", "text_column", TEXTS)
PAIR = Role("second text", "text_pair_column", PAIRS, required=False)
LABEL = Role("label", "label_column", LABELS)
NUMBER = Role("number", "label_column", NUMBERS)
WORD = Role("words", "text_column", WORDS)
TAG = Role("tags", "tag_column", TAGS)
QUESTION = Role("question", "text_column", QUESTIONS)
CONTEXT = Role("context", "text_pair_column", CONTEXTS)
ANSWER = Role("answers", "label_column", ANSWERS)
ROLES = {
    "text": (TEXT, LABEL, PAIR),
    "numbers": (TEXT, NUMBER, PAIR),
    "tags": (WORD, TAG),
    "spans": (QUESTION, CONTEXT, ANSWER),
    # Without labels, to be predicted.
    "texts to label": (TEXT, PAIR),
    "sentences to tag": (TEXT,),
    "words to tag": (WORD,),
    "questions": (QUESTION, CONTEXT),
}


def has_words(table):
    """Whether a usual name of a table's columns is one of words, and none of them of a text."""
    names = set(map(_plain, table.columns))
    return bool(names & WORDS) and not names & TEXTS


def named_columns(reading):
    """Lists the columns that the user names: a tuple of str."""
    text = "" if reading.text == "text" else reading.text  # the default of `text_column`
    return tuple(filter(None, (text, reading.pair, reading.label, reading.tag)))


def choose_columns(table, kind, reading, label=None):
    """Chooses the columns of a table.

    Args:
        table: `Table`.
        kind: a key of `ROLES`.
        reading: `Reading`; a column that it does not name is the only one with a usual name.
        label: for held-out data, which may have no labels: name of the training data's column of
            labels, "" if unknown. It is chosen where no other column fits, even if it is not there.

    Returns:
        (columns in the order of `ROLES[kind]`, None for a second text that is not there; a tuple of
        notes).

    Raises:
        UserError: there is no such column, or several fit.
    """
    named = {
        "text_column": "" if reading.text == "text" else reading.text,
        "text_pair_column": reading.pair,
        "label_column": reading.label,
        "tag_column": reading.tag,
    }
    chosen = {}
    roles = ROLES[kind]
    own = next((role for role in roles if role.setting in ("label_column", "tag_column")), None)
    if own and label is not None:
        chosen[own] = _held_out_label(table, own, named[own.setting], label, roles)
    for role in roles:
        if role not in chosen and (name := named[role.setting]):
            chosen[role] = _position_or_name(table, name, role)
    for role in roles:
        if role not in chosen:
            chosen[role] = _guess(table, role, chosen, roles)
    found = tuple(chosen[role] for role in roles)
    if len(set(found)) < len(found):
        twice = next(column for column in found if found.count(column) > 1)
        raise UserError(f"{table.file}: column {twice!r} cannot have two roles: {_cure(roles[0])}")
    told = [f"{role.name} from {chosen[role]!r}" for role in roles if chosen[role] in table.columns]
    return found, (f"{table.file}: {', '.join(told)}",)


def _held_out_label(table, role, name, label, roles):
    """The name of the label column of held-out data, which may have none.

    Then it is the name of the training data's column, or "" if there are no training data.
    """
    if label in table.columns or (not label and name in table.columns):
        return label or name
    if not label and is_position(name or "-"):
        return _position_or_name(table, name, role)
    if not label and len(table.columns) == 2:
        return _guess(table, role, {}, roles)
    fits = [column for column in table.columns if _plain(column) in role.usual]
    if len(fits) > 1:
        raise UserError(f"{table.file}: {_both(fits)}: {_cure(role)}")
    return fits[0] if fits else label


def _position_or_name(table, name, role):
    if name in table.columns:
        return name
    if is_position(name) and table.columns == tuple(map(str, range(1, len(table.columns) + 1))):
        number = int(name)
        if 0 < -number <= len(table.columns):
            return table.columns[number]
    raise UserError(
        f"{table.file}: no column {name!r}, only {_listed(table)}: {_cure(role)}, by its name, or "
        "by its position where no line has names"
    )


def _guess(table, role, chosen, roles):
    free = [column for column in table.columns if column not in chosen.values()]
    fits = [column for column in free if _plain(column) in role.usual]
    if "text" in fits and role is TEXT:
        fits = ["text"]
    if not fits and role.required and len(table.columns) == 2 and not chosen.get(PAIR):
        # Of two columns, the other role may have a usual name.
        others = [each for each in roles if each.required and each is not role]
        rest = [c for c in free if not any(_plain(c) in other.usual for other in others)]
        fits = rest if len(free) - len(rest) == 1 or len(free) == 1 else []
    if len(fits) == 1:
        return fits[0]
    if not role.required and not fits:
        return None
    if not free:
        raise UserError(
            f"{table.file}: no column is left for the {role.name}: the file has only "
            f"{_listed(table)}: add one, or name another file"
        )
    reason = _both(fits) if fits else "none has a usual name"
    raise UserError(
        f"{table.file}: which column is the {role.name}? Of {_listed(table)}, {reason}: "
        f"{_cure(role)}"
    )


def _both(fits):
    return f"{' and '.join(map(repr, fits))} both fit"


def _cure(role):
    return f"set `{role.setting}`"


def _listed(table):
    columns = [name if len(name) < 40 else f"{name[:40]}..." for name in table.columns[:12]]
    more = ", ..." if len(table.columns) > len(columns) else ""
    return (", ".join(map(repr, columns)) or "no columns") + more


def _plain(column):
    return re.sub(r"[\W_]+", "", column.lower())
