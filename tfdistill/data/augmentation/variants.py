"""Variants of texts: which are kept, and the law of TinyBERT.

Of that law, each word that has candidates is replaced with a fixed probability (Jiao et al., 2020,
arXiv:1909.10351, algorithm 1).
"""

import dataclasses
from typing import NamedTuple

from tfdistill.data.augmentation.places import in_case_of
from tfdistill.data.augmentation.texts import texts_of, with_text
from tfdistill.data.random_streams import AUGMENTATION, open_stream


@dataclasses.dataclass(frozen=True)
class Law:
    """How many variants are drawn.

    Args:
        variants: drawn of each text; equal ones count once.
        most_rows: the most examples, those of the data included; 0 for no bound.
        seed: int >= 0.
    """

    variants: int = 20
    most_rows: int = 0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Replacement(Law):
    """TinyBERT's law.

    Args:
        probability: of each word with candidates to be replaced.
    """

    probability: float = 0.4


class Augmented(NamedTuple):
    """Examples beside those of the data.

    Attributes:
        examples: list of examples without a label.
        rows: list of int, the example of the data that each is a variant of.
        repeated: number of draws that an example of the data or an earlier draw equals.
        held_out: number of draws that were left out because held-out data have the text.
        beyond: number of variants that `Law.most_rows` left out.
    """

    examples: list
    rows: list
    repeated: int
    held_out: int
    beyond: int


def vary(text, places, draws, probability):
    """Replaces words of a text.

    Args:
        text: str.
        places: list of `Place`s with candidates, in the order of the text.
        draws: (places, 2), uniform in [0, 1): below `probability` in the first column, the word is
            replaced; the second column chooses among its candidates, all of them alike.
        probability: float.

    Returns:
        str.
    """
    parts, end = [], 0
    for place, (whether, which) in zip(places, draws, strict=True):
        if whether < probability:
            candidate = place.candidates[int(which * len(place.candidates))]
            parts += [text[end : place.start], in_case_of(text[place.start : place.end], candidate)]
            end = place.end
    return "".join([*parts, text[end:]])


def vary_examples(examples, draw, held_out, law):
    """Draws variants of examples. A draw depends on the seed and the number of the example alone.

    If there are too many variants, each example keeps equally many, the first ones that were drawn.

    Args:
        examples: list of `TextExample` or `TaggedExample`.
        draw: function of (example, row) to the (list of changed texts, example without its label)
            of all draws.
        held_out: the examples of other splits: a variant with a new text that is one of theirs is
            left out. Capitals and spaces do not count in this, nor for equal variants.
        law: the `Law`.

    Returns:
        `Augmented`.
    """
    known = {_content(example) for example in examples}
    forbidden = {_plain(text) for example in held_out for text in texts_of(example)}
    kept, repeated, leaks = [], 0, 0
    for row, example in enumerate(examples):
        found = []
        for changed, variant in draw(example, row):
            content = _content(variant)
            if content in known:
                repeated += 1
            elif forbidden.intersection(map(_plain, changed)):
                leaks += 1
            else:
                known.add(content)
                found.append(variant)
        kept.append(found)
    chosen = _chosen([len(found) for found in kept], law.most_rows - len(examples), law)
    total = sum(map(len, kept))
    varied = [(kept[row][number], row) for row, number in chosen]
    rows = [row for _, row in varied]
    return Augmented([each for each, _ in varied], rows, repeated, leaks, total - len(rows))


def drawn_by_replacement(places_of, law):
    """Makes the function that draws the variants of an example, for `vary_examples`.

    Of a pair, either text is varied and the other stays.

    Args:
        places_of: function of a text to its `Place`s with candidates.
        law: `Replacement`.

    Returns:
        A function of (example, row).
    """

    def draw(example, row):
        for side, text in enumerate(texts_of(example)):
            places = [place for place in places_of(text) if place.candidates]
            stream = open_stream(AUGMENTATION, law.seed, row, row=side)
            for draws in stream.random((law.variants, len(places), 2)):
                changed = vary(text, places, draws, law.probability)
                yield [changed], with_text(example, side, changed)

    return draw


def _chosen(counts, room, law):
    """The variants that are taken: list of (row, number), the rows in their order."""
    numbers = [(row, number) for row, count in enumerate(counts) for number in range(count)]
    if not law.most_rows or len(numbers) <= room:
        return numbers
    # The first variant of every row, then the second ones; the last round is a random choice.
    turns = open_stream(AUGMENTATION, law.seed, 0, row=2).permutation(len(counts))
    numbers.sort(key=lambda place: (place[1], turns[place[0]]))
    return sorted(numbers[: max(0, room)])


def _plain(text):
    return " ".join(text.casefold().split())


def _content(example):
    return tuple(map(_plain, texts_of(example)))
