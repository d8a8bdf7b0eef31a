"""BERT's tokenizer as TensorFlow operators: strings in a graph become rows of ids.

tensorflow-text reads some texts otherwise than `tokenizers` (see `wordpiece`). The graph finds such
texts by the same table, and refuses them.
"""

import importlib
import importlib.util

import numpy as np

from tfdistill.data.documents import UNKNOWN
from tfdistill.data.wordpiece import (
    IDEOGRAPHS,
    LONGEST_CHARACTER,
    LONGEST_WORD,
    character_ranges,
    compared,
    installed_versions,
    is_plain,
    splits_like_bert,
)
from tfdistill.system.errors import UserError
from tfdistill.system.quiet import quiet_native_output

REFUSED = (
    "tensorflow-text may give other ids for this text than the tokenizer of the model: make its "
    "ids with the package tokenizers, and use the signature serving_default"
)
ENDS_OF_LINES = "[\\n\\r]"  # blanks for both packages


class GraphTokenizer:
    """Makes rows of ids from string tensors, as `tokenizers` makes them.

    Each special token is replaced by a character of its own before the text is split.

    Args:
        tokenizer: a `TextTokenizer` with BERT's WordPiece.
        keeps_special: whether special tokens such as [MASK] are recognized in texts. If not, they
            are split like other words; only [UNK] is always recognized.

    Attributes:
        mask_id: id of [MASK]; None if texts have no special tokens.

    Raises:
        UserError: the tokenizer cannot be written as operators, or tensorflow-text is missing.
    """

    def __init__(self, tokenizer, keeps_special):
        import tensorflow as tf

        state = tokenizer.state if keeps_special else tokenizer.text_state
        self._special = _special_tokens(state)
        self._frame, self.mask_id = _frame(tokenizer), self._special.get(tokenizer.roles.mask)
        self._pad = tokenizer.pad_id
        lowercase = state["normalizer"]["lowercase"]
        alike, separators = character_ranges(lowercase)
        self._alike, self._separators = _bounds(alike), _bounds(separators)
        words = sorted(state["model"]["vocab"], key=state["model"]["vocab"].get)
        split = {chr(code) for first, last in separators for code in range(first, last + 1)}
        free = sorted(split & IDEOGRAPHS - set(words))[: len(self._special)]
        self._stand_ins = dict(zip(self._special, free, strict=True))
        self._ids = np.array([*range(len(words)), *self._special.values()], np.int32)
        self._tokenizer = _library().FastBertTokenizer(
            vocab=[*words, *self._stand_ins.values()],
            lower_case_nfd_strip_accents=lowercase,
            token_out_type=tf.int32,
        )

    def rows(self, texts, others=None, *, length):
        """Makes the inputs of a model.

        Texts over the length are cut at their end; of a pair, the longer one is cut until both are
        equally long, then both.

        Args:
            texts: string tensor (batch,).
            others: second texts, string (batch,); None for single texts.
            length: tokens in a row.

        Returns:
            dict of `input_ids`, `attention_mask` and `token_type_ids`, int32 (batch, length).
        """
        import tensorflow as tf

        parts = [self._tokens(each) for each in (texts, others) if each is not None]
        sizes = _cut_sizes([part.row_lengths() for part in parts], length - 1 - len(parts))
        start, end = (tf.fill([tf.shape(texts)[0], 1], each) for each in self._frame)
        row, types = [start], [tf.zeros_like(start)]
        for number, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            place = tf.ragged.range(part.row_lengths())
            kept = tf.ragged.boolean_mask(part, place < size[:, None])
            row += [kept, end]
            types += [tf.ones_like(each) * number for each in row[-2:]]
        ids, shape = tf.concat(row, axis=1), [None, length]
        padded = {
            "input_ids": ids.to_tensor(self._pad, shape=shape),
            "attention_mask": tf.ones_like(ids).to_tensor(0, shape=shape),
            "token_type_ids": tf.concat(types, axis=1).to_tensor(0, shape=shape),
        }
        return {name: tf.ensure_shape(each, shape) for name, each in padded.items()}

    def _tokens(self, texts):
        """Ids of texts, without the frame: ragged int32 (batch, any)."""
        import tensorflow as tf

        texts = tf.strings.regex_replace(texts, ENDS_OF_LINES, " ")
        marked = texts
        for token, character in self._stand_ins.items():
            marked = tf.strings.regex_replace(marked, _literal(token), character)
        with tf.control_dependencies([self._check(texts, marked)]):
            found = self._tokenizer.tokenize(tf.identity(marked))
        return found.with_values(tf.gather(self._ids, found.values))

    def _check(self, texts, marked):
        """Refuses texts that tensorflow-text may read otherwise: as `FastWordPiece.alike`."""
        import tensorflow as tf

        plain = tf.strings.length(texts) == tf.strings.length(texts, "UTF8_CHAR")
        longest = tf.where(plain, LONGEST_WORD, LONGEST_WORD // LONGEST_CHARACTER)
        own = f"[{''.join(self._stand_ins.values())}]"
        bare = tf.strings.regex_replace(texts, own, "\u0001")  # a character that is refused
        codes, rows = _codes(bare)
        refused = tf.boolean_mask(rows, ~_inside(self._alike, codes))
        codes, rows = _codes(marked)
        ends = tf.where(_inside(self._separators, codes))[:, 0]
        gaps = ends - tf.concat([[-1], ends[:-1]], 0) - 1
        rows = tf.gather(rows, ends)
        long = tf.boolean_mask(rows, gaps > tf.cast(tf.gather(longest, rows), tf.int64))
        refused = tf.concat([refused, long], 0)
        return tf.debugging.Assert(
            tf.equal(tf.size(refused), 0), [REFUSED, tf.gather(texts, refused[:1])]
        )


def refusal(tokenizer, keeps_special):
    """Why a tokenizer cannot be written as operators; arguments as of `GraphTokenizer`.

    Returns:
        str; "" if it can.
    """
    try:
        _special_tokens(tokenizer.state if keeps_special else tokenizer.text_state)
        _frame(tokenizer)
        _library()
    except UserError as error:
        return error.message
    return ""


def _library():
    """The module tensorflow_text."""
    if not importlib.util.find_spec("tensorflow_text"):
        raise UserError("tensorflow-text is not installed")
    versions = installed_versions()
    if not compared(versions):
        named = " and ".join(f"{name} {version}" for name, version in versions.items())
        raise UserError(f"the ids of {named} were not compared")
    try:
        with quiet_native_output():
            return importlib.import_module("tensorflow_text")
    except Exception as error:  # of a library that was built for another TensorFlow
        raise UserError("tensorflow-text does not load") from error


def _special_tokens(state):
    """dict of the tokens that are found in a text before it is split, to their ids."""
    added = {token["content"]: token for token in state["added_tokens"]}
    words = [token for token in state["added_tokens"] if token["content"] == UNKNOWN]
    if not splits_like_bert({**state, "added_tokens": words}):
        raise UserError(
            "its tokenizer is not BERT's WordPiece with clean_text, handle_chinese_chars and "
            "strip_accents as lowercase"
        )
    inside = [a for a in added for b in added if a != b and a in b]
    if inside or not all(map(is_plain, added.values())):
        raise UserError("its tokenizer has added tokens with blanks around, or within others")
    return {name: token["id"] for name, token in added.items()}


def _frame(tokenizer):
    """The ids of [CLS] and [SEP]."""
    pipeline = tokenizer.text_pipeline()
    single, pair = pipeline.encode(""), pipeline.encode("", "")
    first, last = [*single.ids, None, None][:2]
    if single.ids != [first, last] or pair.ids != [first, last, last] or pair.type_ids[2] != 1:
        raise UserError("its tokenizer does not frame a text as BERT's does")
    return first, last


def _cut_sizes(sizes, room):
    """Tokens that are kept of one or two texts, as by `longest_first` of `tokenizers`.

    Args:
        sizes: list of int64 (batch,), the tokens of the texts.
        room: tokens that fit.

    Returns:
        list of int64 (batch,).
    """
    import tensorflow as tf

    room = tf.constant(room, tf.int64)
    if len(sizes) == 1:
        return [tf.minimum(sizes[0], room)]
    first, second = sizes
    short, long = tf.minimum(first, second), tf.maximum(first, second)
    long = tf.where(short > room, short, tf.minimum(long, tf.maximum(short, room - short)))
    over = short + long > room
    short = tf.where(over, room // 2, short)
    long = tf.where(over, room - room // 2, long)
    swapped = first > second
    return [tf.where(swapped, long, short), tf.where(swapped, short, long)]


def _codes(texts):
    """Characters of texts, each with a line end behind it, and their rows: two tensors."""
    import tensorflow as tf

    found = tf.strings.unicode_decode(tf.strings.join([texts, "\n"]), "UTF-8", errors="strict")
    return found.values, found.value_rowids()


def _literal(token):
    """A regular expression of RE2 for a token."""
    return "".join(f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in token)


def _bounds(ranges):
    """The ends of ranges, of a range for the line end too, as `_inside` searches them.

    Returns:
        int32 (any,), ascending: the first code of a range, the code after its last one, and so on.
    """
    ends = np.array(sorted([*ranges, [ord("\n"), ord("\n")]]), np.int32)
    return (ends + np.array([0, 1], np.int32)).ravel()


def _inside(bounds, codes):
    """Whether characters lie in the ranges of `_bounds`: bool, of the shape of the codes."""
    import tensorflow as tf

    return tf.searchsorted(bounds, codes, side="right") % 2 == 1
