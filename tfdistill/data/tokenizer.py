"""BERT's tokenizer: loaded, never retrained, and saved beside the models that use it."""

import dataclasses
import functools
import hashlib
import itertools
import json
import re
import sys

import numpy as np
import tokenizers

from tfdistill.data.text_tokenizer import TextTokenizer, find_folder
from tfdistill.data.tokenizer_reading import read_folder
from tfdistill.data.tokenizer_roles import BERT
from tfdistill.data.wordpiece import fast_wordpiece
from tfdistill.system.errors import UserError

# Bytes of text from which the fast tokenizer pays: it takes two seconds to start, even if
# TensorFlow is imported already.
WORTH_STARTING = 8_000_000


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


class Tokenizer(TextTokenizer):
    """A Hugging Face tokenizer with five special tokens, those of BERT; `load_tokenizer` makes one.

    One of `load_mask_tokenizer` may have other names of them, and lack that of unknown words.

    Args:
        backend, settings, notes, roles: as for `TextTokenizer`.

    Attributes:
        unk_id, sep_id, pad_id, cls_id, mask_id: ids of the special tokens.
        special_ids: sorted ids of all special tokens, the five and the added ones.
        hash: equal for tokenizers that give a corpus the same ids, whatever else their files say.
    """

    def __init__(self, backend, settings, notes, roles):
        super().__init__(backend, settings, notes, roles)
        self.unk_id, self.sep_id, self.pad_id, self.cls_id, self.mask_id = ids = [
            backend.token_to_id(token) for token in roles
        ]
        self._added = backend.get_added_tokens_decoder()
        added = [i for i, token in self._added.items() if token.special]
        self.special_ids = tuple(sorted({*ids, *added} - {None}))
        self._text_tokenizer = tokenizers.Tokenizer.from_str(json.dumps(self.text_state))
        self.hash = hashlib.sha256(self._text_tokenizer.to_str().encode()).hexdigest()

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

    def word(self, i):
        """The text of one id: a piece of BERT's as it is (##ing), any other with its blank."""
        return self.id_to_token(i) if self.roles == BERT else self.decode([i])

    @functools.cached_property
    def added_to_pairs(self):
        """Number of special tokens of a pair of texts: 3 of BERT, 4 of RoBERTa."""
        return self.text_pipeline().num_special_tokens_to_add(is_pair=True)

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
    return Tokenizer(*read_folder(*find_folder(source)))


def load_mask_tokenizer(source):
    """Loads a tokenizer of any vocabulary, to fill masks.

    Args:
        source: as for `load_tokenizer`.

    Returns:
        A `Tokenizer`; its special tokens may have any name.

    Raises:
        UserError: as `load_text_tokenizer`, or no token hides words.
    """
    directory, name = find_folder(source)
    found = read_folder(directory, name, by_role=True)
    tokenizer = Tokenizer(*found)
    if tokenizer.mask_id is None:
        raise UserError(
            f"tokenizer {name}: no file names its mask_token: write it into tokenizer_config.json"
        )
    return tokenizer


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
