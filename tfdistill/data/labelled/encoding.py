"""Token ids of texts, pairs, words, and windows of a question and its context."""

import dataclasses
import itertools

import numpy as np

from tfdistill.system.errors import UserError

# Texts that are tokenised at once. A text comes with all its windows, and a pair with all pairs of
# their windows, so that a batch of long texts takes much memory.
CHUNK = 256
MOST_OF_QUESTION = 64  # tokens, as in BERT's published code for SQuAD
SPECIAL, FIRST, SECOND = -1, 0, 1  # the text that a token belongs to; SPECIAL: to none


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Token ids of texts, one after the other.

    Attributes:
        ids: int32 (tokens,).
        types: int32 (tokens,), token types.
        bounds: int64 (rows + 1,); row i has the tokens bounds[i] to bounds[i + 1] - 1.
        cut: bool (rows,), whether tokens of the text were left out.
        sides: int8 (tokens,), the text of each token: `SPECIAL`, `FIRST` or `SECOND`.
        words: int32 (tokens,), the index of the word that begins with each token, -1 for other
            tokens; None unless words were encoded.
        characters: int32 (tokens, 2), where each token begins and ends in its own text; None unless
            windows were encoded.
        examples: int64 (rows,), the example that each row is a window of.
    """

    ids: np.ndarray
    types: np.ndarray
    bounds: np.ndarray
    cut: np.ndarray
    sides: np.ndarray
    words: np.ndarray | None
    characters: np.ndarray | None
    examples: np.ndarray

    @property
    def tokens(self):
        """Tokens of each row: int64 (rows,)."""
        return np.diff(self.bounds)

    def characters_of(self, row, span):
        """Where a span of a window's tokens begins and ends in the context.

        Args:
            row: int, the window.
            span: (first token, last token) of the row.

        Returns:
            (start, end): int.
        """
        first, last = self.bounds[row] + np.asarray(span)
        return int(self.characters[first, 0]), int(self.characters[last, 1])


def encode_texts(tokenizer, texts, pairs, length):
    """Encodes texts, or pairs of texts.

    A text over the length is cut at its end. Of a pair, the longer text is cut until both are
    equally long, then both (`longest_first` of the package `tokenizers`).

    Args:
        tokenizer: the `TextTokenizer`.
        texts: list of str.
        pairs: list of the second texts, or of None for examples without.
        length: most tokens of a row, with the special ones.

    Returns:
        `EncodedTexts`.

    Raises:
        UserError: the length leaves no room for text.
    """
    pipeline = tokenizer.text_pipeline()
    _room(pipeline, length, pair=any(pair is not None for pair in pairs))
    pipeline.enable_truncation(length)

    def encode(start):
        part = slice(start, start + CHUNK)
        rows = _without_long_ends(tokenizer, texts[part], pairs[part], length)
        return pipeline.encode_batch([a if b is None else (a, b) for a, b in rows])

    return _collect(encode, len(texts))


def encode_words(tokenizer, sentences, length):
    """Encodes sentences that are split into words.

    Args:
        tokenizer: the `TextTokenizer`.
        sentences: list of sequences of str.
        length: as for `encode_texts`.

    Returns:
        `EncodedTexts` with `words`.

    Raises:
        UserError: the length leaves no room for text.
    """
    pipeline = tokenizer.text_pipeline()
    _room(pipeline, length, pair=False)
    pipeline.enable_truncation(length)

    def encode(start):
        part = [list(words) for words in sentences[start : start + CHUNK]]
        return pipeline.encode_batch(part, is_pretokenized=True)

    return _collect(encode, len(sentences), _first_pieces)


def encode_windows(tokenizer, questions, contexts, length, stride):
    """Encodes questions, each with its context in overlapping windows.

    Args:
        tokenizer: the `TextTokenizer`.
        questions: list of str; a question over 64 tokens, or over half of the length, is cut.
        contexts: list of str.
        length: most tokens of a row: of a question, a window and the special tokens.
        stride: tokens that two windows share.

    Returns:
        `EncodedTexts` with `characters`; a row is a window, and `cut` tells whether its question
        was cut.

    Raises:
        UserError: the length leaves no room for text, or the stride is too large.
    """
    pipeline = tokenizer.text_pipeline()
    room = _room(pipeline, length, pair=True)
    most = min(MOST_OF_QUESTION, room // 2)
    largest = 3 * (room - most) // 4
    if not 0 <= stride <= largest:
        raise UserError(
            f"`doc_stride`={stride}: windows of `length`={length} tokens can share 0 to {largest}: "
            "give a smaller `doc_stride` or a larger `length`"
        )
    short = _cut(tokenizer, questions, most)
    pipeline.enable_truncation(length, stride=stride, strategy="only_second")

    def encode(start):
        part = slice(start, start + CHUNK)
        return pipeline.encode_batch(list(zip(short[part], contexts[part], strict=True)))

    found = _collect(encode, len(questions), _characters, windows=True)
    _leave_blanks_out(found, questions, contexts)
    cut = np.array([a != b for a, b in zip(short, questions, strict=True)], bool)
    return dataclasses.replace(found, cut=cut[found.examples])


def _room(pipeline, length, pair):
    """Tokens of text that fit into a row."""
    special = pipeline.num_special_tokens_to_add(pair)
    if length < special + 2:
        raise UserError(f"`length`={length} leaves no room for text: give at least {special + 2}")
    return length - special


def _without_long_ends(tokenizer, texts, pairs, length):
    """Pairs without what truncation drops anyhow: [(text, second text or None)].

    `tokenizers` makes an encoding of each dropped part of one text with each part of the other. A
    text keeps twice the length and a hundred tokens, so that the cut is no part of the row.
    """
    rows = list(zip(texts, pairs, strict=True))
    long = [i for i, (a, b) in enumerate(rows) if b is not None and len(a + b) > 16 * length]
    for side in (0, 1) if long else ():
        short = _cut(tokenizer, [rows[i][side] for i in long], 2 * length + 100)
        for i, text in zip(long, short, strict=True):
            rows[i] = (text, rows[i][1]) if side == 0 else (rows[i][0], text)
    return rows


def _cut(tokenizer, texts, tokens):
    """The beginnings of texts that have at most so many tokens: a list of str."""
    pipeline = tokenizer.text_pipeline()
    pipeline.enable_truncation(tokens)
    encodings = pipeline.encode_batch(list(texts), add_special_tokens=False)
    return [
        text[: encoding.offsets[-1][1]] if encoding.overflowing else text
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def _first_pieces(encoding):
    """The word that each token begins, or -1."""
    before, found = None, []
    for word in encoding.word_ids:
        found.append(-1 if word is None or word == before else word)
        before = word
    return np.array(found, np.int32)


def _characters(encoding):
    return np.array(encoding.offsets, np.int32).reshape(-1, 2)


def _leave_blanks_out(texts, questions, contexts):
    """Moves the characters of tokens, in place, off blanks at their beginnings and ends.

    Vocabularies of bytes and of Unigram have words with the blank before them.
    """
    example, blanks = None, {}
    for row, number in enumerate(texts.examples):
        if number != example:
            example, words = number, {FIRST: questions[number], SECOND: contexts[number]}
            blanks = {
                side: np.array([*map(str.isspace, text)], bool) for side, text in words.items()
            }
        tokens = np.arange(texts.bounds[row], texts.bounds[row + 1])
        for side, blank in blanks.items():
            mine = tokens[texts.sides[tokens] == side]
            begins, ends = texts.characters[mine].T
            filled = begins < ends
            mine, begins, ends = mine[filled], begins[filled], ends[filled]
            for token in mine[blank[begins] | blank[ends - 1]]:
                begin, end = texts.characters[token]
                piece = words[side][begin:end]
                if piece.strip():
                    begin += len(piece) - len(piece.lstrip())
                    texts.characters[token] = begin, end - len(piece) + len(piece.rstrip())


def _collect(encode, count, extra=None, windows=False):
    """Joins the encodings of chunks: `EncodedTexts`.

    Args:
        encode: function of a chunk's first row to its encodings.
        count: number of texts.
        extra: `_first_pieces` or `_characters`, for arrays that only some tasks need.
        windows: whether the parts that truncation drops are rows, too.
    """
    parts = {name: [] for name in ("ids", "types", "sides", "extra", "tokens", "cut", "examples")}
    for start in range(0, count, CHUNK):
        for example, whole in enumerate(encode(start), start):
            rows = [whole, *whole.overflowing] if windows else [whole]
            for each in rows:
                parts["ids"].append(np.array(each.ids, np.int32))
                parts["types"].append(np.array(each.type_ids, np.int32))
                sides = [SPECIAL if side is None else side for side in each.sequence_ids]
                parts["sides"].append(np.array(sides, np.int8))
                parts["tokens"].append(len(each))
                if extra:
                    parts["extra"].append(extra(each))
            parts["cut"] += [bool(whole.overflowing)] * len(rows)
            parts["examples"] += [example] * len(rows)
    found = _joined(parts["extra"], np.int32) if extra else None
    return EncodedTexts(
        ids=_joined(parts["ids"], np.int32),
        types=_joined(parts["types"], np.int32),
        bounds=np.array([0, *itertools.accumulate(parts["tokens"])], np.int64),
        cut=np.array(parts["cut"], bool),
        sides=_joined(parts["sides"], np.int8),
        words=found if extra is _first_pieces else None,
        characters=found.reshape(-1, 2) if extra is _characters else None,
        examples=np.array(parts["examples"], np.int64),
    )


def _joined(arrays, dtype):
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)
