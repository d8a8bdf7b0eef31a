"""What examples with labels consist of: facts for programs, and lines for people."""

import collections

from tfdistill.data.labelled.examples import SpanExample, TaggedExample
from tfdistill.data.repeats import FLATTERED

MOST_NAMED = 8  # classes in a line
OUTSIDE = "O"


def facts_of(splits, labels):
    """Collects facts.

    Args:
        splits: dict of splits to lists of examples.
        labels: tuple of the names of classes or tags.

    Returns:
        dict of `examples` by split; `words_mean` and `words_max` of a text, with its pair or
        context; and of the training split, or the only one: `classes`, dict of names to shares of
        the examples; `entities`, dict of types to numbers; `mean`, `low` and `high` of numbers; or
        `unanswerable`, the share of such questions.
    """
    examples = splits.get("train") or next(iter(splits.values()))
    words = [_words(example) for example in examples]
    facts = {
        "examples": {split: len(part) for split, part in splits.items()},
        "words_mean": sum(words) / len(words),
        "words_max": max(words),
    }
    if isinstance(examples[0], SpanExample):
        return facts | {"unanswerable": sum(not e.answers for e in examples) / len(examples)}
    if isinstance(examples[0], TaggedExample):
        tags = collections.Counter(t for e in examples if e.tags is not None for t in e.tags)
        begun = {tag[2:]: tags[tag] for tag in labels if tag.startswith("B-")}
        return facts | {"entities": begun} if begun else facts | {"tags": dict(tags)}
    found = [example.label for example in examples if example.label is not None]
    if not found:
        return facts
    if not labels:
        return facts | {"mean": sum(found) / len(found), "low": min(found), "high": max(found)}
    counts = collections.Counter(found)
    return facts | {"classes": {label: counts[label] / len(found) for label in labels}}


def describe(facts, cut):
    """Writes facts.

    Args:
        facts: what `facts_of` returned.
        cut: list of the splits that were cut from the training data.

    Yields:
        Lines.
    """
    sizes = [
        f"{split} {count:,}" + (" (cut from train)" if split in cut else "")
        for split, count in facts["examples"].items()
    ]
    words = f"{facts['words_mean']:.1f} words in the mean, {facts['words_max']:,} at most"
    yield f"examples: {', '.join(sizes)}; {words}"
    if "classes" in facts:
        yield _listed("classes", facts["classes"], lambda share: f"{100 * share:.1f} %")
    for name in ("entities", "tags"):
        if name in facts:
            yield _listed(name, facts[name], lambda count: f"{count:,}")
    if "mean" in facts:
        yield f"labels: {facts['low']:g} to {facts['high']:g}, {facts['mean']:.2f} in the mean"
    if facts.get("unanswerable"):
        yield f"questions without an answer: {100 * facts['unanswerable']:.1f} %"


def repeats(facts):
    """Says which examples are there twice: in a split, and in a held-out one and in train.

    Args:
        facts: what `facts_of` returned, with `repeated` and `duplicates`, dicts of splits to
            numbers.

    Yields:
        Lines.
    """
    for split, count in facts.get("repeated", {}).items():
        if count:
            yield f"{count:,} of {facts['examples'][split]:,} {split} examples repeat others"
    yield from overlaps(facts)


def overlaps(facts):
    """Says which held-out examples are also in train.

    Args:
        facts: as for `repeats`.

    Yields:
        Sentences without an end.
    """
    pairs = facts.get("kind") == "sentences"  # of which each text counts
    for split, count in facts.get("duplicates", {}).items():
        if count:
            total = (1 + pairs) * facts["examples"][split]
            what = "texts" if pairs else "examples"
            yield f"{count:,} of {total:,} {split} {what} are also in train: {FLATTERED}"


def _listed(name, values, write):
    ranked = sorted(values.items(), key=lambda item: -item[1])
    shown = [f"{key} {write(value)}" for key, value in ranked[:MOST_NAMED]]
    more = len(ranked) - len(shown)
    return f"{name}: {', '.join(shown)}" + (f", {more} more" if more else "")


def _words(example):
    if isinstance(example, TaggedExample):
        return len(example.words)
    if isinstance(example, SpanExample):
        return len(example.question.split()) + len(example.context.split())
    return len(example.text.split()) + len((example.pair or "").split())
