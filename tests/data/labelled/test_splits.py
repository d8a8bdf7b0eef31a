"""Splits that are cut: what stays together, proportions, the same whatever the order."""

import collections
import random

import pytest

from tfdistill.data.labelled.examples import SpanExample, TaggedExample, TextExample
from tfdistill.data.labelled.splits import MOST, count_duplicates, cut_splits
from tfdistill.system.errors import UserError

BOTH = ["validation", "test"]


def texts(count, classes=("no", "yes", "perhaps"), seed=0):
    generator = random.Random(seed)
    weights = [2**-i for i in range(len(classes))]
    labels = generator.choices(classes, weights, k=count)
    return [TextExample(f"text {i}", None, label) for i, label in enumerate(labels)]


def test_each_class_has_its_share():
    examples = texts(1000)
    splits = cut_splits({"train": examples}, BOTH)
    counts = {k: collections.Counter(e.label for e in part) for k, part in splits.items()}
    whole = collections.Counter(e.label for e in examples)
    for label, count in whole.items():
        for split in BOTH:
            assert abs(counts[split][label] - 0.1 * count) <= 1
    assert sum(map(len, splits.values())) == 1000
    assert splits["train"] == [each for each in examples if each in splits["train"]]


def test_the_order_of_the_rows_does_not_matter():
    examples = texts(300)
    shuffled = random.Random(1).sample(examples, len(examples))
    one, other = (cut_splits({"train": each}, BOTH) for each in (examples, shuffled))
    for split in BOTH:
        assert set(one[split]) == set(other[split])


def test_large_data_have_smaller_shares():
    splits = cut_splits({"train": texts(21_000)}, BOTH)
    assert abs(len(splits["validation"]) - MOST["validation"]) <= 3
    assert abs(len(splits["test"]) - MOST["test"]) <= 3


def test_examples_that_share_a_text_stay_together():
    generator = random.Random(2)
    examples = [
        TextExample(
            f"a {generator.randrange(400)}",
            f"b {generator.randrange(400)}",
            "no yes".split()[i % 2],
        )
        for i in range(300)
    ]
    splits = cut_splits({"train": examples}, BOTH)
    seen = {}
    for split, part in splits.items():
        assert part
        for example in part:
            assert seen.setdefault(example.text, split) == split
            assert seen.setdefault(example.pair, split) == split


def test_questions_of_an_article_stay_together():
    examples = [
        SpanExample(str(i), f"q {i}", f"c {i // 2}", (), f"article {i // 10}") for i in range(200)
    ]
    splits = cut_splits({"train": examples}, BOTH)
    articles = [{e.group for e in splits[split]} for split in ("train", *BOTH)]
    assert [len(each) for each in articles] == [16, 2, 2]
    assert not articles[0] & articles[1] | articles[0] & articles[2] | articles[1] & articles[2]
    # Of few articles, the questions about a context stay together.
    splits = cut_splits({"train": examples[:40]}, BOTH)
    contexts = [{e.context for e in splits[split]} for split in ("train", *BOTH)]
    assert [len(each) for each in contexts] == [16, 2, 2]


def test_a_class_never_vanishes_from_the_training_split():
    examples = [TextExample(f"t {i}", None, "rare" if i < 2 else "usual") for i in range(100)]
    assert "rare" in {e.label for e in cut_splits({"train": examples}, BOTH)["train"]}
    tagged = [TaggedExample((f"w{i}",), ("B-rare" if i % 50 == 0 else "O",)) for i in range(100)]
    for _ in range(5):
        assert ("B-rare",) in {e.tags for e in cut_splits({"train": tagged}, BOTH)["train"]}


def test_many_rare_classes():
    examples = [TextExample(f"t {i}", None, f"class {i % 100}") for i in range(300)]
    splits = cut_splits({"train": examples}, BOTH)
    assert [len(splits[split]) for split in ("train", *BOTH)] == [240, 30, 30]
    assert len({e.label for e in splits["train"]}) == 100


def test_numbers_of_all_sizes_are_in_each_split():
    examples = [TextExample(f"t {i}", None, i / 100) for i in range(500)]
    for split in BOTH:
        found = [e.label for e in cut_splits({"train": examples}, BOTH)[split]]
        assert [sum(low <= each < low + 1 for each in found) for low in range(5)] == [10] * 5


def test_too_few_examples():
    with pytest.raises(UserError, match="3 training examples are too few.*validation_data"):
        cut_splits({"train": texts(3)}, BOTH)
    same = [TextExample("same", f"b {i}", "no yes".split()[i % 2]) for i in range(50)]
    with pytest.raises(UserError, match="share texts: give test_data"):
        cut_splits({"train": same}, ["test"])


def test_duplicates():
    train = [TextExample("a", None, "x"), TextExample("a", "b", "x")]
    splits = {"train": train, "test": [TextExample("a", None, "y"), TextExample("b", "a", "x")]}
    assert count_duplicates(splits) == {"test": 1}
    words = TaggedExample(("a", "b"), ("O", "O"))
    assert count_duplicates({"train": [words], "test": [words, words]}) == {"test": 2}
