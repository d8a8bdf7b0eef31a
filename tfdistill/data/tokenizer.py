"""BERT's tokenizer: loaded, never retrained, and saved beside the models that use it."""

import dataclasses
import functools
import hashlib
import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import tokenizers

from tfdistill.data.spare_rows import fits
from tfdistill.data.tokenizer_files import CLS, FILES, MASK, PAD, SEP, SPECIAL_TOKENS
from tfdistill.data.tokenizer_reading import read_folder
from tfdistill.data.tokenizer_writing import write_folder
from tfdistill.data.wordpiece import fast_wordpiece
from tfdistill.system.errors import UserError

BUNDLED = Path(__file__).parent.parent / "assets" / "bert-base-uncased"
# Bytes of text from which the fast tokenizer pays: it takes two seconds to start, even if
# TensorFlow is imported already.
WORTH_STARTING = 8_000_000
# transformers writes a longer model_max_length if the length is unknown.
LONGEST = 1_000_000
# In a corpus, these are words of the text. [UNK] keeps its meaning, for words that the corpus
# itself does not know, and so do added tokens.
FRAME = frozenset((PAD, CLS, SEP, MASK))


@dataclasses.dataclass(frozen=True, eq=False)
class TokenIds:
    """The kinds of ids in a vocabulary.

    Attributes:
        pad, unk, cls, sep, mask: ids of the special tokens.
        predictable: bool (vocab,), whether an id may be predicted: special tokens, such as [UNK],
            and ids without a token may not.
        ordinary: int32 (n,), ids of text: neither special nor [unused…], except for added tokens.
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
    """A Hugging Face tokenizer with BERT's five special tokens; `load_tokenizer` makes one.

    Args:
        backend: a `tokenizers.Tokenizer`.
        settings: dict of the `tokenizer_config.json` that came with it.
        notes: lines about files that disagree, and the choice that was made.

    Attributes:
        vocab_size: rows that a model's table needs: the largest id plus one.
        special_ids: sorted ids of all special tokens, the five and the added ones.
        hash: equal for tokenizers that give a corpus the same ids, whatever else their files say.
        max_length: most tokens of a text, [CLS] and [SEP] included; None if no file says it.
        notes: the lines.
        text_state: the content of a tokenizer.json that tokenises the text of a corpus.
    """

    def __init__(self, backend, settings=None, notes=()):
        settings = settings or {}
        self._tokenizer, self.notes = backend, tuple(notes)
        inputs = settings.get("model_input_names", ["token_type_ids"])
        of_distilbert = str(settings.get("tokenizer_class")).startswith("DistilBert")
        self._token_types = "token_type_ids" in inputs and not of_distilbert
        longest = settings.get("model_max_length")
        self.max_length = longest if isinstance(longest, int) and longest < LONGEST else None
        vocabulary = backend.get_vocab()
        self.vocab_size = max(vocabulary.values()) + 1
        ids = [vocabulary[token] for token in SPECIAL_TOKENS]
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = ids
        self._added = backend.get_added_tokens_decoder()
        added = [i for i, token in self._added.items() if token.special]
        self.special_ids = tuple(sorted({*ids, *added}))
        state = json.loads(backend.to_str())
        self.text_state = _state_for_text(state)
        self._template = state["post_processor"]
        self._text_tokenizer = tokenizers.Tokenizer.from_str(json.dumps(self.text_state))
        self.hash = hashlib.sha256(self._text_tokenizer.to_str().encode()).hexdigest()

    def require_table(self, rows, model):
        """Refuses a model whose vocabulary table has the wrong length for this tokenizer.

        Args:
            rows: number of rows of the table; it may have spare rows (see `data.spare_rows`).
            model: name of the model in messages.

        Raises:
            UserError: there are fewer rows than ids, or too many for padding.
        """
        if not fits(rows, self.vocab_size):
            raise UserError(
                f"`tokenizer`: {self.vocab_size} tokens, but {model} has {rows}: their "
                "vocabularies differ; use the tokenizer that the model was trained with"
            )

    def encode_lines(self, lines):
        """Tokenises lines of a corpus.

        Args:
            lines: list of strings; [PAD], [CLS], [SEP] and [MASK] are words of the text.

        Returns:
            A list of lists of ids, without [CLS] and [SEP].
        """
        encodings = self._text_tokenizer.encode_batch_fast(lines, add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_flat(self, lines):
        """Tokenises lines of a corpus, as `encode_lines`.

        Args:
            lines: list of strings; [PAD], [CLS], [SEP] and [MASK] are words of the text.

        Returns:
            (ids int32 (tokens,), lengths int64 (lines,)).
        """
        encoded = self.encode_lines(lines)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        ids = itertools.chain.from_iterable(encoded)
        return np.fromiter(ids, np.int32, lengths.sum()), lengths

    def corpus_encoder(self, size):
        """The fastest function to tokenise a corpus; it may use TensorFlow if that is imported.

        Args:
            size: bytes of its text; None if unknown.

        Returns:
            A function like `encode_flat`, with the same results.
        """
        fast = None
        if "tensorflow" in sys.modules and (size is None or size >= WORTH_STARTING):
            fast = fast_wordpiece(self.text_state)
        return functools.partial(_encode_by_both, fast, self) if fast else self.encode_flat

    def text_pipeline(self):
        """A new `tokenizers.Tokenizer` for texts and pairs of texts.

        It adds the special tokens and token types of the tokenizer's template; in the texts, [PAD],
        [CLS], [SEP] and [MASK] are words. Truncation may be switched on.
        """
        state = {**self.text_state, "post_processor": self._template}
        return tokenizers.Tokenizer.from_str(json.dumps(state))

    def encode(self, text, length):
        """Tokenises one text as input of a model.

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
    def known(self):
        """Which ids have a token: bool (vocab,)."""
        return np.array([bool(self.id_to_token(i)) for i in range(self.vocab_size)])

    @functools.cached_property
    def ids(self):
        """The `TokenIds` that batches and masking need."""
        tokens = [self.id_to_token(i) or "" for i in range(self.vocab_size)]
        predictable = self.known.copy()
        predictable[list(self.special_ids)] = False
        used = np.array([not re.fullmatch(r"\[unused\d+\]", token) for token in tokens])
        used[[i for i in self._added if i < self.vocab_size]] = True
        ordinary = np.flatnonzero(predictable & used).astype(np.int32)
        special = (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)
        continues = predictable & [token.startswith("##") for token in tokens]
        return TokenIds(*special, predictable, ordinary, continues)

    def save(self, directory, model_type=None, max_length=None):
        """Writes files with which transformers gives the same ids.

        Args:
            directory: an existing folder.
            model_type: type of the model beside it ("bert", "distilbert", "mobilebert"), which
                decides whether there are token types; None: as in the files that were loaded.
            max_length: most tokens of a text, [CLS] and [SEP] included; None: as loaded.

        Example:
            import tfdistill

            tfdistill.load_tokenizer("runs/mini/student").save("elsewhere", max_length=64)
        """
        token_types = model_type != "distilbert" if model_type else self._token_types
        length = max_length or self.max_length
        write_folder(self._tokenizer, directory, token_types=token_types, max_length=length)


def load_tokenizer(source=""):
    """Loads a tokenizer, with the same ids as transformers 5.

    Args:
        source: a directory with tokenizer.json or vocab.txt, and perhaps tokenizer_config.json,
            added_tokens.json and special_tokens_map.json; a hub name; or "" for the bundled
            bert-base-uncased.

    Returns:
        A `Tokenizer`.

    Raises:
        UserError: it is missing, damaged or not BERT's WordPiece, or lacks one of BERT's special
            tokens.

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
    return Tokenizer(*read_folder(directory, name))


def _encode_by_both(fast, slow, lines):
    """Tokenises with the `FastWordPiece` where it gives the same ids, else with the `Tokenizer`."""
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


def _state_for_text(state):
    """The content of a `tokenizer.json`, without the tokens that only frame a text."""
    added = [token for token in state["added_tokens"] if token["content"] not in FRAME]
    words = state["model"]["vocab"]
    if isinstance(words, dict):  # ids of added tokens start at its length
        framing = [token for token in state["added_tokens"] if token["content"] in FRAME]
        words = words | {token["content"]: token["id"] for token in framing}
    state = {**state, "added_tokens": added, "post_processor": None}
    return {**state, "model": {**state["model"], "vocab": words}}


def _download(name):
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # the hub's, the HTTP library's or the system's
        reason = " ".join(str(error).split())
        raise UserError(
            f"tokenizer {name}: no such folder, and it could not be downloaded from the hub "
            f"({reason})"
        ) from None
