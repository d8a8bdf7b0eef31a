"""Variants by rules: hidden words, words of the same part of speech, and n-grams.

The law is that of Tang et al. (2019), arXiv:1903.12136, section 3.4.
"""

import collections
import dataclasses
import re
from typing import NamedTuple

from tfdistill.data.augmentation.texts import texts_of, with_text
from tfdistill.data.augmentation.variants import Law
from tfdistill.data.random_streams import AUGMENTATION, open_stream
from tfdistill.data.text_tokenizer import HIDDEN

LONGEST_NGRAM = 5
KEPT, MASKED = NGRAMS = ("kept", "masked")
_FIRST, _SECOND = (0,), (1,)
_BOTH = (*_FIRST, *_SECOND)
# Words with what stands inside them, such as "don't" and "well-known"; else single signs.
_WORD = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]")


@dataclasses.dataclass(frozen=True)
class Rules(Law):
    """How variants are drawn.

    Args:
        mask: probability that a word is hidden.
        same_tag: probability that it makes place for one of the same part of speech.
        ngram: probability that an n-gram is drawn, of 1 to 5 words alike, as far as the text has
            them, from any place alike.
        ngrams: "kept": the n-gram is all that is left of the text, as in the paper. "masked": its
            words are hidden, and the others stay.
    """

    mask: float = 0.1
    same_tag: float = 0.1
    ngram: float = 0.25
    ngrams: str = KEPT


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        start, end: its characters.
        tag: its part of speech.
    """

    start: int
    end: int
    tag: str = ""


def words_in(text, tags_of=None):
    """Finds the words of a text, punctuation included.

    Args:
        text: str.
        tags_of: function of a list of words to a list of their parts of speech; None: without.

    Returns:
        list of `Word`s.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    tags = tags_of([text[start:end] for start, end in spans]) if tags_of else [""] * len(spans)
    return [Word(*span, tag) for span, tag in zip(spans, tags, strict=True)]


def words_by_tag(words_of):
    """All words of some texts by their part of speech.

    Args:
        words_of: dict of texts to their `Word`s.

    Returns:
        dict of tags to lists of str, each word as often as it occurs.
    """
    found = collections.defaultdict(list)
    for text, words in words_of.items():
        for word in words:
            found[word.tag].append(text[word.start : word.end])
    return dict(found)


def rewrite(text, words, alike, draws, of_ngram, rules):
    """Draws one variant of a text.

    Args:
        text: str.
        words: list of its `Word`s.
        alike: dict of tags to lists of words, as `words_by_tag`.
        draws: (words, 2), uniform in [0, 1). The first column decides what happens to a word:
            below `rules.mask` it is hidden; in the next `rules.same_tag` it is replaced by a word
            that the second column chooses.
        of_ngram: three numbers, uniform in [0, 1): whether there is an n-gram, how long it is, and
            where it begins.
        rules: `Rules`.

    Returns:
        str; hidden words are `text_tokenizer.HIDDEN`.
    """
    if not words:
        return text
    written = []
    for word, (what, which) in zip(words, draws, strict=True):
        own = text[word.start : word.end]
        if what < rules.mask:
            own = HIDDEN
        elif what < rules.mask + rules.same_tag:
            others = alike[word.tag]
            own = others[int(which * len(others))]
        written.append(own)
    whether, how_long, where = of_ngram
    first, behind = 0, len(words)
    if whether < rules.ngram:
        length = min(1 + int(how_long * LONGEST_NGRAM), len(words))
        start = int(where * (len(words) - length + 1))
        if rules.ngrams == MASKED:
            written[start : start + length] = [HIDDEN] * length
        else:
            first, behind = start, start + length
    # The characters between words stay; those around an n-gram do not.
    begin = 0 if first == 0 else words[first].start
    end = len(text) if behind == len(words) else words[behind - 1].end
    parts = []
    for word, own in list(zip(words, written, strict=True))[first:behind]:
        parts += [text[begin : word.start], own]
        begin = word.end
    return "".join([*parts, text[begin:end]])


def drawn_by_rules(words_of, rules):
    """Makes the function that draws the variants of an example, for `vary_examples`.

    Of a pair, the first text is varied and the second stays, then the second alone, then both, and
    so on (section 3.4 of the paper).

    Args:
        words_of: dict of texts to their `Word`s.
        rules: `Rules`.

    Returns:
        A function of (example, row) to (list of changed texts, variant), `rules.variants` times.
    """
    alike = words_by_tag(words_of)

    def draw(example, row):
        texts = texts_of(example)
        streams = [
            open_stream(AUGMENTATION, rules.seed, row, row=side) for side in range(len(texts))
        ]
        turns = (_FIRST, _SECOND, _BOTH) if len(texts) > 1 else (_FIRST,)
        for number in range(rules.variants if texts else 0):
            variant, changed = example, []
            for side in turns[number % len(turns)]:
                text, stream = texts[side], streams[side]
                words = words_of[text]
                draws, of_ngram = stream.random((len(words), 2)), stream.random(3)
                changed.append(rewrite(text, words, alike, draws, of_ngram, rules))
                variant = with_text(variant, side, changed[-1])
            yield changed, variant

    return draw
