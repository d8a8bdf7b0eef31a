"""Entities and their counts against seqeval."""

import numpy as np
import pytest

from tfdistill.tasks.entities import (
    count_entities,
    entity_types,
    f1_of_counts,
    find_entities,
    repair,
    scores_by_type,
)

TAGS = ["O", "B-A", "I-A", "B-B", "I-B", "B-C-D", "I-C-D"]
TYPES = ("A", "B", "C-D")
# Right, predicted and gold entities of each type in the random sentences.
LENIENT = [[10580, 14979, 15052], [10681, 15021, 15106], [10740, 15204, 15146]]
STRICT = [[5820, 8380, 8455], [5937, 8588, 8643], [6011, 8709, 8608]]


@pytest.fixture(scope="module")
def sentences():
    """10,000 random sentences of 0 to 12 words: (gold, predicted), with many orphans."""
    generator = np.random.default_rng(0)
    gold, predicted = [], []
    for length in generator.integers(0, 13, 10_000):
        tags = generator.choice(TAGS, length)
        guesses = np.where(generator.random(length) < 0.7, tags, generator.choice(TAGS, length))
        gold.append(tags.tolist())
        predicted.append(guesses.tolist())
    return gold, predicted


def test_entities_are_seqevals(sentences):
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")
    scheme = pytest.importorskip("seqeval.scheme")
    for tags in sentences[0][:2000]:
        assert find_entities(tags) == seqeval.get_entities(tags)
        strict = scheme.Entities([tags], scheme.IOB2).entities[0]
        expected = [(each.tag, each.start, each.end - 1) for each in strict]
        assert find_entities(tags, strict=True) == expected


@pytest.mark.parametrize("strict", [False, True])
def test_scores_are_seqevals(sentences, strict):
    metrics = pytest.importorskip("seqeval.metrics")
    scheme = pytest.importorskip("seqeval.scheme")
    gold, predicted = sentences
    # Each of the two alone would be ignored.
    options = {"mode": "strict", "scheme": scheme.IOB2} if strict else {}
    counts = count_entities(gold, predicted, TYPES, strict)
    total = counts.sum(axis=(0, 1))
    assert f1_of_counts(total) == pytest.approx(metrics.f1_score(gold, predicted, **options))
    report = metrics.classification_report(gold, predicted, output_dict=True, **options)
    for kind, scores in scores_by_type(counts, TYPES).items():
        found = report[kind]
        assert scores["support"] == found["support"]
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert scores[ours] == pytest.approx(found[theirs], abs=1e-12)


def test_counts_of_the_random_sentences(sentences):
    """The numbers that were equal to seqeval's, for where it is not installed."""
    for strict, expected in ((False, LENIENT), (True, STRICT)):
        assert count_entities(*sentences, TYPES, strict).sum(axis=0).tolist() == expected


def test_orphans():
    tags = ["I-A", "I-A", "O", "B-A", "I-B", "I-B"]
    assert find_entities(tags) == [("A", 0, 1), ("A", 3, 3), ("B", 4, 5)]
    assert find_entities(tags, strict=True) == [("A", 3, 3)]
    assert repair(tags) == ["B-A", "I-A", "O", "B-A", "B-B", "I-B"]
    assert find_entities(repair(tags), strict=True) == find_entities(tags)


def test_edges():
    assert find_entities([]) == [] and repair([]) == []
    assert find_entities(["B", "I", "O"]) == [("_", 0, 1)] and repair(["I", "I"]) == ["B", "I"]
    assert repair(["NOUN", "O", "I-A"]) == ["NOUN", "O", "B-A"]
    assert find_entities(["NOUN", "IN", "NOUN", "NOUN"]) == [
        ("NOUN", 0, 0),
        ("IN", 1, 1),
        ("NOUN", 2, 2),
        ("NOUN", 3, 3),
    ]
    assert entity_types(["O", "B-X", "I-X", "B-A-B"]) == ("A-B", "X")
    counts = count_entities([["O"], ["B-A"]], [["O"], ["O"]], ("A",))
    assert counts.tolist() == [[[0, 0, 0]], [[0, 0, 1]]]
    assert f1_of_counts(counts.sum(axis=(0, 1))) == 0.0
    assert scores_by_type(counts, ("A",))["A"]["precision"] == 0.0
    with pytest.raises(ValueError, match="sentence 0: 2 tags for 1 words"):
        count_entities([["O"]], [["O", "O"]], ())
