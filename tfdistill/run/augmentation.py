"""Variants of the training examples of a run: made, written and read."""

import collections
import json
from typing import NamedTuple

import numpy as np

from tfdistill.data.augmentation.masked_words import hidden_words
from tfdistill.data.augmentation.places import places_in
from tfdistill.data.augmentation.texts import texts_of, with_text
from tfdistill.data.augmentation.variants import (
    Replacement,
    drawn_by_replacement,
    vary_examples,
)
from tfdistill.data.augmentation.word_rules import Rules, drawn_by_rules, words_in
from tfdistill.data.augmentation.word_tags import load_tagger
from tfdistill.data.augmentation.word_vectors import load_word_vectors
from tfdistill.data.text_tokenizer import HIDDEN
from tfdistill.run.proposed_words import WordProposer
from tfdistill.run.proposing_model import proposing_model
from tfdistill.settings.augmentation import BILSTM
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

TEXTS = 256  # whose words are stored together
SHOWN, WIDTH = 8, 300  # examples of the report, and their characters


class Candidates(NamedTuple):
    """What may replace the words of texts.

    Attributes:
        places: dict of texts to lists of `Place`s with candidates.
        of_model, of_vectors, without: numbers of words by where their candidates come from.
    """

    places: dict
    of_model: int
    of_vectors: int
    without: int


def make_variants(context):
    """Makes variants of the training examples.

    Args:
        context: the `RunContext`.

    Returns:
        (`Augmented`, dict of facts for metrics.json).

    Raises:
        UserError: the model or the word vectors cannot be read.
    """
    config, splits = context.config, context.data.splits
    examples = splits["train"]
    texts = list(dict.fromkeys(text for each in examples for text in texts_of(each)))
    bounds = {
        "variants": config.augmentation_variants,
        "most_rows": config.augmentation_rows,
        "seed": config.seed,
    }
    draws = _rules if config.augmentation == BILSTM else _replacements
    draw, law, words = draws(context, texts, bounds)
    context.console.say(words)
    held_out = [example for name in splits if name != "train" for example in splits[name]]
    augmented = vary_examples(examples, draw, held_out, law)
    return augmented, _facts(examples, augmented, words)


def write_variants(file, augmented):
    """Writes variants as JSON lines of `row`, the example of the data, and `texts`.

    Args:
        file: its `Path`.
        augmented: `Augmented`.
    """
    pairs = zip(augmented.rows, augmented.examples, strict=True)
    lines = ({"row": row, "texts": texts_of(each)} for row, each in pairs)
    write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines))


def read_variants(file, examples):
    """Reads what `write_variants` wrote.

    Args:
        file: its `Path`.
        examples: list of the examples of the data.

    Returns:
        list of examples without labels.

    Raises:
        UserError: the file is damaged.
    """
    try:
        lines = [strict_json.parse(line) for line in file.read_bytes().splitlines()]
        return [_variant(examples, line["row"], line["texts"]) for line in lines]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{file} is damaged ({type(error).__name__}): start over with `force`"
        ) from None


def _variant(examples, row, texts):
    if row < 0 or not all(isinstance(text, str) for text in texts):
        raise ValueError("no variant")
    variant = examples[row]
    for side, text in enumerate(texts):
        variant = with_text(variant, side, text)
    return variant


def _rules(context, texts, bounds):
    """The law of the distilled BiLSTM: (function that draws, `Rules`, line about the words)."""
    config, console = context.config, context.console
    law = Rules(
        **bounds,
        mask=config.augmentation_mask_probability,
        same_tag=config.augmentation_tag_probability,
        ngram=config.augmentation_ngram_probability,
        ngrams=config.augmentation_ngrams,
    )
    tags_of = load_tagger() if law.same_tag else None
    line, words_of = console.progress("augmentation", len(texts)), {}
    for number, text in enumerate(texts, 1):
        words_of[text] = words_in(text, tags_of)
        if number % TEXTS == 0 or number == len(texts):
            line(number, "texts")
    counts = collections.Counter(word.tag for words in words_of.values() for word in words)
    kinds = f", of {len(counts)} parts of speech" if tags_of else ""
    return drawn_by_rules(words_of, law), law, f"words: {counts.total():,}{kinds}."


def _replacements(context, texts, bounds):
    """TinyBERT's law: (function that draws, `Replacement`, line about the words)."""
    law = Replacement(**bounds, probability=context.config.augmentation_probability)
    found = _candidates(context, texts)
    words = (
        f"words to replace: {found.of_model:,} by the masked LM, {found.of_vectors:,} by word "
        f"vectors; {found.without:,} stay."
    )
    return drawn_by_replacement(found.places.__getitem__, law), law, words


def _candidates(context, texts):
    """Finds `Candidates`: of a masked LM for words of one token, near words for others."""
    config = context.config
    vectors = load_word_vectors(config.word_vectors) if config.word_vectors else None
    proposer = WordProposer(*proposing_model(context), config.augmentation_candidates)
    places = list(map(places_in, texts))
    hidden = hidden_words(texts, places, proposer.tokenizer)
    proposed = iter(_proposed(context, proposer, texts, hidden))
    others = [
        text[place.start : place.end].lower()
        for text, *of_text in zip(texts, places, hidden, strict=True)
        for place, word in zip(*of_text, strict=True)
        if word is None
    ]
    near = vectors.nearest(others, config.augmentation_candidates) if vectors else {}
    found, used = {}, {"model": 0, "vectors": 0, "without": 0}
    for text, *of_text in zip(texts, places, hidden, strict=True):
        found[text] = []
        for place, word in zip(*of_text, strict=True):
            if word is None:
                candidates = near.get(text[place.start : place.end].lower(), ())
            else:
                candidates = tuple(proposer.words[i] for i in next(proposed))
            source = "without" if not candidates else "vectors" if word is None else "model"
            used[source] += 1
            found[text].append(place._replace(candidates=candidates))
    return Candidates(found, *used.values())


def _proposed(context, proposer, texts, hidden):
    """Yields the proposed ids of each hidden word, in the order of the texts."""
    line = context.console.progress("augmentation", len(texts))
    told = context.tell_wait("words for augmentation")
    for start in range(0, len(texts), TEXTS):
        part = slice(start, start + TEXTS)
        words = [word for of_text in hidden[part] for word in of_text if word is not None]
        yield from proposer.kept(context.config.shards_dir, texts[part], words, told)
        line(min(start + TEXTS, len(texts)), "texts")


def _facts(examples, augmented, words):
    rows = augmented.rows
    spread = np.unique(np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(np.int64))
    shown = [(examples[rows[place]], augmented.examples[place]) for place in spread]
    return {
        "examples": len(examples),
        "variants": len(rows),
        "repeated": augmented.repeated,
        "held_out": augmented.held_out,
        "beyond": augmented.beyond,
        "words": words,
        "shown": [{"text": _shown(one), "variant": _shown(other)} for one, other in shown],
    }


def _shown(example):
    return " — ".join(texts_of(example)).replace(HIDDEN, "[MASK]")[:WIDTH]
