"""BERT's WordPiece at the speed of tensorflow-text, with the ids of `tokenizers`.

The two differ in some characters (tensorflow-text folds look-alike characters) and in very long
words. Nearly all lines have neither and go to tensorflow-text; the others go to `tokenizers`.
"""

import contextlib
import importlib.metadata
import json
from pathlib import Path

import numpy as np

from tfdistill.data.documents import UNKNOWN
from tfdistill.system.quiet import quiet_native_output

TABLES = Path(__file__).parents[1] / "assets" / "wordpiece" / "characters.json"
# Longer words are [UNK]: one library counts characters, the other bytes.
LONGEST_WORD = 100
LONGEST_CHARACTER = 4  # bytes
IDEOGRAPHS = frozenset(map(chr, range(0x4E00, 0xA000)))


class FastWordPiece:
    """Tokenises lines with tensorflow-text, if it gives the same ids as `tokenizers`.

    Args:
        tokens: list of the vocabulary's tokens, by id.
        lowercase: whether text is lowercased and loses its accents.
    """

    def __init__(self, tokens, lowercase):
        with quiet_native_output():
            import tensorflow as tf
            import tensorflow_text

            self._tokenizer = tensorflow_text.FastBertTokenizer(
                vocab=tokens, lower_case_nfd_strip_accents=lowercase, token_out_type=tf.int32
            )
        self._alike, self._separators = map(_table, character_ranges(lowercase))
        known = set(tokens)
        # A character that is a word by itself, and is not in the vocabulary.
        self._stand_in = min(c for c in IDEOGRAPHS - known if self._separators[ord(c)])

    def encode(self, lines):
        """Tokenises lines.

        Args:
            lines: list of strings for which `alike` is True.

        Returns:
            (ids int32 (tokens,), lengths int64 (lines,)).
        """
        import tensorflow as tf

        lines = [line.replace(UNKNOWN, self._stand_in) for line in lines]
        ragged = self._tokenizer.tokenize(tf.constant(lines, tf.string))
        return ragged.flat_values.numpy(), np.diff(ragged.row_splits.numpy())

    def alike(self, lines):
        """Finds the lines to which both libraries give the same ids.

        Args:
            lines: list of strings.

        Returns:
            bool (lines,).
        """
        ascii_ = np.fromiter(map(str.isascii, lines), bool, len(lines))
        found = np.ones(len(lines), bool)
        for kind in (True, False):
            some = np.flatnonzero(ascii_ == kind)
            found[some] = self._alike_of_a_kind([lines[i] for i in some], kind)
        return found

    def _alike_of_a_kind(self, lines, ascii_):
        text = "".join(f"{line}\n" for line in lines)
        if ascii_:
            codes, longest = np.frombuffer(text.encode("ascii"), np.uint8), LONGEST_WORD
        else:
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
            longest = LONGEST_WORD // LONGEST_CHARACTER
        breaks = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64) - 1
        alike = self._alike[codes]
        alike[breaks] = True
        others = np.flatnonzero(~alike)
        separators = self._separators[codes]
        separators[breaks] = True
        ends = np.flatnonzero(separators)
        long = ends[np.diff(ends, prepend=-1) - 1 > longest]
        found = np.ones(len(lines), bool)
        found[np.searchsorted(breaks, np.concatenate([others, long]))] = False
        return found


def fast_wordpiece(state):
    """Makes a `FastWordPiece` for a tokenizer, if that is possible.

    Args:
        state: the content of a `tokenizer.json` whose only added token is [UNK].

    Returns:
        `FastWordPiece`; None if tensorflow-text is missing, does not load, or was never compared
        with the installed `tokenizers`, and for tokenizers that do not split text like BERT's.
    """
    if not (compared(installed_versions()) and splits_like_bert(state)):
        return None
    vocabulary = state["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    try:
        return FastWordPiece(tokens, lowercase=state["normalizer"]["lowercase"])
    except Exception:  # raised by a library that was built for another TensorFlow
        return None


def character_ranges(lowercase):
    """The characters that both libraries treat alike, and those of them that end a word.

    Args:
        lowercase: as for `FastWordPiece`.

    Returns:
        Two lists of [first, last] code points, ascending.
    """
    tables = json.loads(TABLES.read_text())["uncased" if lowercase else "cased"]
    return tables["alike"], tables["separators"]


def compared(versions):
    """Whether the ids of these versions were compared.

    Args:
        versions: dict of package names to versions.
    """
    return versions in json.loads(TABLES.read_text())["made_with"]


def installed_versions():
    """Installed versions of the packages that the table compares: a dict."""
    found = {}
    for name in ("tensorflow-text", "tokenizers"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def splits_like_bert(state):
    """Whether a tokenizer splits text like BERT's, so that tensorflow-text can replace it.

    Args:
        state: as for `fast_wordpiece`.
    """
    model, normalizer = state["model"], state["normalizer"] or {}
    wanted = {
        "type": "WordPiece",
        "unk_token": UNKNOWN,
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": LONGEST_WORD,
    }
    lowercase = normalizer.get("lowercase")
    return (
        {name: model.get(name) for name in wanted} == wanted
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("clean_text") is True
        and normalizer.get("handle_chinese_chars") is True
        and normalizer.get("strip_accents") in (None, lowercase)
        and (state["pre_tokenizer"] or {}).get("type") == "BertPreTokenizer"
        and [token["content"] for token in state["added_tokens"]] == [UNKNOWN]
        and all(map(is_plain, state["added_tokens"]))
        and sorted(model["vocab"].values()) == list(range(len(model["vocab"])))
        and not IDEOGRAPHS <= set(model["vocab"])
        and not any(map(_is_strange, model["vocab"]))
    )


def _is_strange(token):
    """Whether a token is empty or holds a space: only one of the libraries can find it."""
    return len(token.split()) != 1 or token != token.strip()


def is_plain(token):
    """Whether an added token of a `tokenizer.json` matches anywhere, in unchanged text."""
    return not any(token[option] for option in ("single_word", "lstrip", "rstrip", "normalized"))


def _table(ranges):
    """bool (all characters,), true in the ranges."""
    table = np.zeros(0x110000, bool)
    for first, last in ranges:
        table[first : last + 1] = True
    return table
