"""Rows for a masked LM that proposes words: a text with one hidden word, and the text as it is.

The masked LM may have WordPieces, or bytes or pieces that begin with a blank (RoBERTa, XLM-R).
"""

import re
from typing import NamedTuple

import numpy as np

SECOND = 1  # token type of the second text
WORD_PIECE = "WordPiece"  # whose tokens are whole words but for a sign
BLANKS = "Ġ", "▁"  # how a token that has the blank before a word begins
_LETTERS = re.compile(r"[^\W\d_]+")


class HiddenWord(NamedTuple):
    """A word to be hidden.

    Attributes:
        tokens: list of int, the ids of its text, without [CLS] and [SEP].
        place: its index in `tokens`.
    """

    tokens: list
    place: int


def hidden_words(texts, places, tokenizer):
    """Finds the words that are one token each.

    Args:
        texts: list of str.
        places: list of lists of `Place`s, those of each text.
        tokenizer: the `Tokenizer` of the masked LM.

    Returns:
        list of lists: for each place a `HiddenWord`, or None for a word of several tokens.
    """
    encodings = tokenizer.text_pipeline().encode_batch(list(texts), add_special_tokens=False)
    found = []
    for text, encoding, of_text in zip(texts, encodings, places, strict=True):
        spans = {
            (end - len(text[begin:end].lstrip()), end): index
            for index, (begin, end) in enumerate(encoding.offsets)
        }
        indices = [spans.get((place.start, place.end)) for place in of_text]
        known = [i is not None and encoding.ids[i] != tokenizer.unk_id for i in indices]
        found.append(
            [
                HiddenWord(encoding.ids, index) if is_known else None
                for index, is_known in zip(indices, known, strict=True)
            ]
        )
    return found


def masked_batch(words, tokenizer, longest, multiple=16):
    """Makes a batch of rows [CLS] masked text [SEP] text [SEP], as in TinyBERT's code.

    A text that does not fit twice is cut around its word.

    Args:
        words: list of `HiddenWord`s.
        tokenizer: the `Tokenizer`, which says how many separators two texts have between them.
        longest: most tokens of a row.
        multiple: the length of the rows is a multiple of it, or `longest`.

    Returns:
        dict of `input_ids`, `attention_mask`, `token_type_ids`, int32 (words, length), and of
        `masked_positions` and `own`, the id of the word, int32 (words, 1).
    """
    between = [tokenizer.sep_id] * (tokenizer.added_to_pairs - 2)
    room = (longest - tokenizer.added_to_pairs) // 2
    rows = [_cut(word, room) for word in words]
    lengths = [2 * len(tokens) + tokenizer.added_to_pairs for tokens, _ in rows]
    length = min(-(-max(lengths) // multiple) * multiple, longest)
    ids = np.full((len(rows), length), tokenizer.pad_id, np.int32)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    positions = np.array([[place + 1] for _, place in rows], np.int32)
    own = np.array([[tokens[place]] for tokens, place in rows], np.int32)
    for row, ((tokens, place), size) in enumerate(zip(rows, lengths, strict=True)):
        masked = [*tokens[:place], tokenizer.mask_id, *tokens[place + 1 :]]
        ids[row, :size] = [tokenizer.cls_id, *masked, *between, *tokens, tokenizer.sep_id]
        types[row, len(tokens) + 1 + len(between) : size] = SECOND
        mask[row, :size] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return inputs | {"masked_positions": positions, "own": own}


def words_of(tokenizer):
    """The words of letters among the tokens of a vocabulary.

    Args:
        tokenizer: the `Tokenizer` of the masked LM.

    Returns:
        (list of str, the word of each id, "" for others; bool (vocabulary,), whether it may be
        proposed: whether the token is a whole word, with the blank before it where the vocabulary
        has such tokens).
    """
    tokens = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.vocab_size)]
    words, whole = tokens, np.ones(len(tokens), bool)
    if tokenizer.state["model"]["type"] != WORD_PIECE:
        words = [tokenizer.decode([i]).strip() for i in range(len(tokens))]
        whole = np.array([token.startswith(BLANKS) for token in tokens])
    words = [word if _LETTERS.fullmatch(word) else "" for word in words]
    proposed = whole & [bool(word) for word in words]
    proposed[list(tokenizer.special_ids)] = False
    return words, proposed


def _cut(word, room):
    tokens, place = word
    if len(tokens) <= room:
        return tokens, place
    start = min(max(place - room // 2, 0), len(tokens) - room)
    return tokens[start : start + room], place - start
