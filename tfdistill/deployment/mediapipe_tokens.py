"""The ids that MediaPipe's tokenizer gives a text, and for how many texts they are others.

MediaPipe's BertTokenizer (mediapipe/tasks/cc/text/tokenizers/bert_tokenizer.cc) lower-cases the
letters A to Z alone, keeps accents and control characters, and knows no added tokens.
"""

import functools

from tokenizers import Regex, models, pre_tokenizers

from tfdistill.data.labelled.encoding import encode_texts
from tfdistill.data.tokenizer_files import CLS, SEP, UNK

MOST_TEXTS = 10_000  # that are compared
LONGEST_WORD = 100  # bytes; longer ones are [UNK]
_CAPITALS = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_BLANKS = r"[\t\n\f\r ]+"
_OWN_WORDS = (  # characters that are words: punctuation, ASCII symbols, and ideographs
    "[!-/:-@\\[-`{-~]|\\p{P}|[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df"
    "\U0002a700-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f]"
)


class MediaPipeTokenizer:
    """Gives texts the ids that MediaPipe gives them.

    Args:
        vocabulary: list of the tokens, by id.
    """

    def __init__(self, vocabulary):
        ids = {token: number for number, token in enumerate(vocabulary)}
        self._cls, self._sep, self._unk = (ids[token] for token in (CLS, SEP, UNK))
        self._pieces = models.WordPiece(ids, unk_token=UNK, max_input_chars_per_word=LONGEST_WORD)
        self._words = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_BLANKS), "removed"),
                pre_tokenizers.Split(Regex(_OWN_WORDS), "isolated"),
            ]
        )
        self._word = functools.lru_cache(100_000)(self._ids_of_word)

    def encode(self, text, length):
        """Tokenises a text.

        Args:
            text: str.
            length: most tokens, [CLS] and [SEP] included; longer texts are cut.

        Returns:
            list of ids, without padding.
        """
        words = self._words.pre_tokenize_str(text.translate(_CAPITALS))
        found = [id_ for word, _ in words for id_ in self._word(word)]
        return [self._cls, *found[: length - 2], self._sep]

    def _ids_of_word(self, word):
        if len(word.encode()) > LONGEST_WORD:
            return [self._unk]
        return [token.id for token in self._pieces.tokenize(word)]


def share_of_other_ids(tokenizer, vocabulary, texts, length):
    """Compares MediaPipe's ids with those that a model was trained with.

    Args:
        tokenizer: the model's `TextTokenizer`.
        vocabulary: list of its tokens, by id.
        texts: list of str; of more than 10,000, so many are compared, spread over them.
        length: most tokens of a row.

    Returns:
        (share of the texts whose ids differ, number of texts that were compared).
    """
    texts = texts[:: -(-len(texts) // MOST_TEXTS) or 1]
    theirs = MediaPipeTokenizer(vocabulary)
    own = encode_texts(tokenizer, texts, [None] * len(texts), length)
    other = sum(
        own.ids[own.bounds[row] : own.bounds[row + 1]].tolist() != theirs.encode(text, length)
        for row, text in enumerate(texts)
    )
    return other / max(len(texts), 1), len(texts)
