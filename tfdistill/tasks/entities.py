"""Entities in tagged sentences: reading them from tags, and counting those that are right.

An entity is right if its type, its first word and its last word are (Tjong Kim Sang and De Meulder,
2003, section 3). Tags are BIO: "B-TYPE" begins an entity, "I-TYPE" continues it, "O" is outside.
Predictions may hold an "I-TYPE" that continues nothing; there are two rules for it:

- lenient, the default, as in the script conlleval: it begins an entity;
- strict (IOB2): it is ignored.

A tag of no such scheme, such as a part of speech, is an entity of one word.
"""

import numpy as np

OUTSIDE, BEGIN, INSIDE = "O", "B", "I"
NO_TYPE = "_"  # of the tags "B" and "I" alone
COUNTS = "right", "predicted", "gold"


def entity_type(tag):
    """The type in a tag: "PER" of "B-PER", "" of "O"; another tag, such as "NOUN", is a type."""
    prefix, _, kind = tag.partition("-")
    if tag == OUTSIDE:
        return ""
    return kind or NO_TYPE if prefix in (BEGIN, INSIDE) else tag


def find_entities(tags, strict=False):
    """Reads the entities of a sentence.

    Args:
        tags: sequence of str, one for each word.
        strict: whether an entity must begin with "B-"; else "I-" after another type or after "O"
            begins one, too.

    Returns:
        list of (type, first word, last word), in order.

    Example:
        find_entities(["B-PER", "I-PER", "O", "I-LOC"])  # [("PER", 0, 1), ("LOC", 3, 3)]
    """
    found, kind, first = [], "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        own, inside = entity_type(tag), tag.partition("-")[0] == INSIDE
        if inside and own == kind:
            continue
        if kind:
            found.append((kind, first, place - 1))
        begins = own and not (inside and strict)
        kind, first = (own, place) if begins else ("", 0)
    return found


def repair(tags):
    """Writes an "I-" that continues nothing as "B-", by the lenient rule.

    Args:
        tags: sequence of str.

    Returns:
        list of str. Tags of no scheme, such as parts of speech, stay.

    Example:
        repair(["O", "I-LOC", "I-LOC"])  # ["O", "B-LOC", "I-LOC"]
    """
    fixed = list(tags)
    for _, first, _ in find_entities(tags):
        prefix, dash, kind = fixed[first].partition("-")
        if prefix == INSIDE:
            fixed[first] = BEGIN + dash + kind
    return fixed


def entity_types(tags):
    """The types of a set of tags: a sorted tuple."""
    return tuple(sorted({entity_type(tag) for tag in tags} - {""}))


def count_entities(gold, predicted, types, strict=False):
    """Counts entities, sentence by sentence.

    Args:
        gold: list of sentences, each a sequence of true tags.
        predicted: the same with predicted tags, as many in each sentence.
        types: sequence of the entities' types; entities of others are not counted.
        strict: as for `find_entities`; it concerns both kinds of tags.

    Returns:
        int64 (sentences, types, 3): entities that are right, predicted, and true (`COUNTS`).

    Raises:
        ValueError: a sentence has another number of predicted tags than of true ones.
    """
    place = {kind: index for index, kind in enumerate(types)}
    counts = np.zeros((len(gold), len(place), len(COUNTS)), np.int64)
    for sentence, (true, guessed) in enumerate(zip(gold, predicted, strict=True)):
        if len(true) != len(guessed):
            raise ValueError(f"sentence {sentence}: {len(guessed)} tags for {len(true)} words")
        entities, guesses = (set(find_entities(tags, strict)) for tags in (true, guessed))
        for column, group in enumerate((entities & guesses, guesses, entities)):
            for kind, _, _ in group:
                if kind in place:
                    counts[sentence, place[kind], column] += 1
    return counts


def f1_of_counts(counts):
    """F1 = 2 right / (predicted + gold), 0 where there are no entities of either kind.

    Args:
        counts: (…, 3): right, predicted, gold.

    Returns:
        float64 (…).
    """
    counts = np.asarray(counts, np.float64)
    both = counts[..., 1] + counts[..., 2]
    return np.divide(2 * counts[..., 0], both, out=np.zeros(both.shape), where=both > 0)


def scores_by_type(counts, types):
    """Precision, recall and F1 of each type over all sentences.

    Args:
        counts: of `count_entities`.
        types: as for `count_entities`.

    Returns:
        dict of types to dicts of "precision", "recall", "f1" and "support", the number of true
        entities; a ratio of nothing is 0.
    """
    found = {}
    for kind, (right, predicted, gold) in zip(types, counts.sum(axis=0).tolist(), strict=True):
        found[kind] = {
            "precision": right / predicted if predicted else 0.0,
            "recall": right / gold if gold else 0.0,
            "f1": 2 * right / (predicted + gold) if predicted + gold else 0.0,
            "support": gold,
        }
    return found
