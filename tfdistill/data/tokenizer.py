"""BERT's tokenizer as it is: loaded, never retrained, and saved beside the models that use it."""

import dataclasses
import functools
import hashlib
import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np

from tfdistill.data.wordpiece import fast_wordpiece
from tfdistill.errors import UserError

BUNDLED = Path(__file__).parent.parent / "assets" / "bert-base-uncased"
PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
# Bytes of text: of less, the slower tokenizer is done before the other has started, which takes
# two seconds where TensorFlow is there already.
WORTH_STARTING = 8_000_000
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
VOCABULARY, SERIALISED, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"


@dataclasses.dataclass(frozen=True, eq=False)
class TokenIds:
    """What the ids of a vocabulary are good for.

    Attributes:
        pad, unk, cls, sep, mask: ids of the special tokens.
        predictable: bool (vocab,), whether an id may be a masked-LM target: not the special ones,
            [UNK] among them.
        ordinary: int32 (n,), the ids that stand for text: neither special nor [unused...].
        continues: bool (vocab,), whether an id is a piece (##…) that continues a word.
    """

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    predictable: np.ndarray
    ordinary: np.ndarray
    continues: np.ndarray


class Tokenizer:
    """A Hugging Face tokenizer with BERT's five special tokens.

    Args:
        serialised: the content of a `tokenizer.json`.
        name: where it comes from, for messages.

    Raises:
        UserError: when it cannot be read or lacks a special token.
    """

    def __init__(self, serialised, name):
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(serialised)
        except Exception as error:  # the type that tokenizers raises
            raise UserError(
                f"tokenizer {name}: damaged ({error}): name another with --tokenizer"
            ) from None
        # A sentence encoder's file may ask to cut and pad every text.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        state = json.loads(self._tokenizer.to_str())
        self._state = state
        vocabulary = self._tokenizer.get_vocab()
        _check_special_tokens(vocabulary, name)
        self.vocab_size = len(vocabulary)
        if sorted(vocabulary.values()) != list(range(self.vocab_size)):
            raise UserError(f"tokenizer {name}: its ids are not 0 to {self.vocab_size - 1}")
        ids = [vocabulary[token] for token in SPECIAL_TOKENS]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = ids
        added = [token["id"] for token in state["added_tokens"] if token["special"]]
        self.special_ids = tuple(sorted({*ids, *added}))
        # In a corpus "[MASK]" and the like are words of the text. Only [UNK] keeps its meaning,
        # for words that the corpus itself does not know.
        unknown = [token for token in state["added_tokens"] if token["content"] == UNK]
        self._text_state = {**state, "added_tokens": unknown, "post_processor": None}
        self._text_tokenizer = tokenizers.Tokenizer.from_str(json.dumps(self._text_state))
        # Equal for tokenizers that give equal ids, whatever else their files say.
        self.hash = hashlib.sha256(self._text_tokenizer.to_str().encode()).hexdigest()

    def encode_lines(self, lines):
        """Tokenises lines of a corpus.

        Args:
            lines: list of strings; of the special tokens only [UNK] is understood.

        Returns:
            A list of lists of ids, without [CLS] and [SEP].
        """
        encodings = self._text_tokenizer.encode_batch_fast(lines, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_flat(self, lines):
        """Tokenises lines of a corpus, as `encode_lines`.

        Args:
            lines: list of strings; of the special tokens only [UNK] is understood.

        Returns:
            (ids int32 (tokens,), lengths int64 (lines,)).
        """
        encoded = self.encode_lines(lines)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        ids = itertools.chain.from_iterable(encoded)
        return np.fromiter(ids, np.int32, lengths.sum()), lengths

    def corpus_encoder(self, size):
        """What tokenises a corpus of some size soonest, with TensorFlow where that is imported.

        Args:
            size: bytes of its text; None where that is not known.

        Returns:
            A function like `encode_flat`, which gives the same.
        """
        fast = None
        if "tensorflow" in sys.modules and (size is None or size >= WORTH_STARTING):
            fast = fast_wordpiece(self._text_state)
        return functools.partial(_encode_by_both, fast, self) if fast else self.encode_flat

    def encode(self, text, length):
        """Tokenises one text as a model's input.

        Args:
            text: a string, which may hold special tokens such as [MASK].
            length: length of the input in tokens, [CLS] and [SEP] included; longer texts are cut.

        Returns:
            `input_ids` and `attention_mask`, int32 (length,).
        """
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids[: length - 2]
        ids = [self.cls_id, *ids, self.sep_id]
        input_ids = np.full(length, self.pad_id, np.int32)
        input_ids[: len(ids)] = ids
        attention_mask = (np.arange(length) < len(ids)).astype(np.int32)
        return input_ids, attention_mask

    def id_to_token(self, i):
        """Returns the token of an id, or None."""
        return self._tokenizer.id_to_token(int(i))

    def decode(self, ids):
        """Returns the text of ids, special tokens included."""
        return self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)

    @functools.cached_property
    def ids(self):
        """The `TokenIds` that batches and masking need."""
        predictable = np.ones(self.vocab_size, bool)
        predictable[list(self.special_ids)] = False
        tokens = [self.id_to_token(i) for i in range(self.vocab_size)]
        used = np.array([not re.fullmatch(r"\[unused\d+\]", token) for token in tokens])
        ordinary = np.flatnonzero(predictable & used).astype(np.int32)
        special = (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)
        continues = predictable & [token.startswith("##") for token in tokens]
        return TokenIds(*special, predictable, ordinary, continues)

    def save(self, directory):
        """Writes vocab.txt, tokenizer.json and tokenizer_config.json, as transformers reads them.

        Args:
            directory: an existing folder.
        """
        directory = Path(directory)
        tokens = [self.id_to_token(i) for i in range(self.vocab_size)]
        (directory / VOCABULARY).write_text("".join(f"{t}\n" for t in tokens), "utf-8")
        # Not by its own save, whose exception for a full disk is no OSError.
        (directory / SERIALISED).write_text(self._tokenizer.to_str(pretty=True), "utf-8")
        settings = json.loads((BUNDLED / SETTINGS).read_text("utf-8"))
        normalizer = self._state["normalizer"] or {}
        settings["do_lower_case"] = normalizer.get("lowercase", False)
        settings["strip_accents"] = normalizer.get("strip_accents")
        settings["tokenize_chinese_chars"] = normalizer.get("handle_chinese_chars", True)
        (directory / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", "utf-8")


def load_tokenizer(source=""):
    """Loads a tokenizer.

    Args:
        source: a directory with tokenizer.json, or with vocab.txt and perhaps
            tokenizer_config.json; a hub name; or "" for the bundled bert-base-uncased.

    Returns:
        A `Tokenizer`.

    Raises:
        UserError: when there is none, it is damaged, or it lacks one of BERT's special tokens.

    Example:
        import tfdistill

        tokenizer = tfdistill.load_tokenizer("runs/mini/student")
        ids, mask = tokenizer.encode("The whale [MASK] the ship.", length=16)
        tokenizer.decode(ids[: mask.sum()])
    """
    directory = Path(source) if source else BUNDLED
    name = source or BUNDLED.name
    if not directory.is_dir():
        directory = _download(source)
    try:
        if (directory / SERIALISED).is_file():
            return Tokenizer((directory / SERIALISED).read_text("utf-8"), name)
        if (directory / VOCABULARY).is_file():
            return Tokenizer(_from_vocabulary(directory, name), name)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(
            f"tokenizer {name}: damaged ({error}): name another with --tokenizer"
        ) from None
    raise UserError(f"tokenizer {name}: neither {SERIALISED} nor {VOCABULARY} there")


def _encode_by_both(fast, slow, lines):
    """Every line by the `FastWordPiece` that may go there, the others by the `Tokenizer`."""
    alike = fast.alike(lines)
    if alike.all():
        return fast.encode(lines)
    parts = {}
    for which, encode in {True: fast.encode, False: slow.encode_flat}.items():
        parts[which] = encode([lines[i] for i in np.flatnonzero(alike == which)])
    lengths = np.empty(len(lines), np.int64)
    for which, (_, part_lengths) in parts.items():
        lengths[alike == which] = part_lengths
    of_line = np.repeat(alike, lengths)
    ids = np.empty(len(of_line), np.int32)
    for which, (part_ids, _) in parts.items():
        ids[of_line == which] = part_ids
    return ids, lengths


def _check_special_tokens(vocabulary, name):
    lost = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if lost:
        raise UserError(
            f"tokenizer {name}: no {', '.join(lost)}, which BERT needs: choose another --tokenizer"
        )


def _from_vocabulary(directory, name):
    """Builds BERT's tokenizer around a vocab.txt and returns it serialised."""
    from tokenizers.implementations import BertWordPieceTokenizer

    with open(directory / VOCABULARY, encoding="utf-8") as lines:
        tokens = [line.rstrip("\n") for line in lines]
    _check_special_tokens(tokens, name)
    settings = {}
    if (directory / SETTINGS).is_file():
        settings = json.loads((directory / SETTINGS).read_text("utf-8"))
    # A vocabulary with capitals is one of a cased model, whatever the missing settings' default.
    cased = any(token != token.lower() for token in tokens if not token.startswith("["))
    return BertWordPieceTokenizer(
        {token: i for i, token in enumerate(tokens)},
        lowercase=settings.get("do_lower_case", not cased),
        strip_accents=settings.get("strip_accents"),
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
    ).to_str()


def _download(name):
    import huggingface_hub

    files = [VOCABULARY, SERIALISED, SETTINGS]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=files))
    except Exception as error:  # its own errors, its HTTP library's, and the system's
        reason = " ".join(str(error).split())
        raise UserError(
            f"tokenizer {name}: no such folder, and not to be had from the hub ({reason})"
        ) from None
