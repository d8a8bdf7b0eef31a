"""Splits of examples: cut from the training data, and compared."""

import collections
import hashlib

from tfdistill.data.labelled.examples import SpanExample, TaggedExample
from tfdistill.system.errors import UserError

SHARE = 0.1  # of the training data, for each split that is cut
MOST = {"validation": 1000, "test": 2000}  # examples of a split that is cut
FILLED = 0.5  # of a split that is cut, at least; else questions stay together by context only
STRATA = 5  # ranges of equal size, of numbers


def cut_splits(splits, missing):
    """Cuts missing splits from the training examples.

    Examples that share a text, a context or a group stay together. Groups are taken in the order of
    their hashes, whatever the order of the rows, and as many of each class as its share. The last
    example of a class always stays in the training split.

    Args:
        splits: dict of splits to lists of examples, with "train".
        missing: list of the names of the splits to cut.

    Returns:
        dict of all splits to lists of examples, in the order that they had.

    Raises:
        UserError: there are too few examples that share nothing.
    """
    train = splits["train"]
    cut, least = _cut(train, missing, _groups(train, articles=True))
    if least < FILLED and isinstance(train[0], SpanExample):  # few articles
        cut, _ = _cut(train, missing, _groups(train, articles=False))
    for split in missing:
        if not cut[split]:
            raise UserError(
                f"{len(train):,} training examples are too few to cut a {split} split from, or too "
                f"many of them share texts: give `{split}_data`"
            )
    return {**splits, **cut}


def _cut(train, missing, groups):
    """({split: examples} with "train", the share of the least filled split that is filled)."""
    strata = _strata(train)
    left = collections.Counter(stratum for each in strata for stratum in each)
    counts = collections.Counter(each[0] for each in strata)
    taken = {}
    for split in missing:
        share = min(SHARE, MOST[split] / len(train))
        quota = {stratum: share * count for stratum, count in counts.items()}
        for key, members in groups:
            if key not in taken and _fits(members, strata, quota, left):
                taken[key] = split
                for member in members:
                    quota[strata[member][0]] -= 1
                    left.subtract(strata[member])
    found = {}
    for split in ("train", *missing):
        members = [m for key, part in groups if taken.get(key, "train") == split for m in part]
        found[split] = [train[member] for member in sorted(members)]
    wanted = {split: min(SHARE * len(train), MOST[split]) for split in missing}
    return found, min(len(found[split]) / wanted[split] for split in missing)


def _fits(members, strata, quota, left):
    """Whether a group is in proportion, and leaves an example of each class."""
    wanted = collections.Counter(strata[member][0] for member in members)
    # Rounds to the nearest whole number of examples.
    if any(count > quota[stratum] + 0.5 for stratum, count in wanted.items()):
        return False
    lost = collections.Counter(stratum for member in members for stratum in strata[member])
    return all(left[stratum] > count for stratum, count in lost.items())


def _strata(examples):
    """The stratum of each example, and what else must not vanish from the training split: tuples.

    The stratum is the class, one for all rare classes, or the range of the number.
    """
    if isinstance(examples[0], SpanExample):
        return [("",)] * len(examples)
    if isinstance(examples[0], TaggedExample):
        return [("", *sorted(set(example.tags))) for example in examples]
    if isinstance(examples[0].label, float):
        ranked = sorted(range(len(examples)), key=lambda i: examples[i].label)
        strata = [None] * len(examples)
        for rank, place in enumerate(ranked):
            strata[place] = (rank * STRATA // len(examples),)
        return strata
    counts = collections.Counter(example.label for example in examples)
    rare = {label for label, count in counts.items() if count * SHARE < 0.5}
    return [("" if e.label in rare else e.label, e.label) for e in examples]


def _groups(examples, articles):
    """Groups of examples that stay together: list of (key, list of indices), by their hashes."""
    keys = [_keys(example, articles) for example in examples]
    parents = {}

    def root(key):
        parents.setdefault(key, key)
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    for first, *others in keys:
        for other in others:
            a, b = sorted((root(first), root(other)))
            parents[b] = a
    groups = collections.defaultdict(list)
    for place, (first, *_) in enumerate(keys):
        groups[root(first)].append(place)
    return sorted(groups.items(), key=lambda item: hashlib.sha256(item[0].encode()).digest())


def _keys(example, articles):
    """What an example shares with those of its group: a list of str."""
    if isinstance(example, SpanExample):
        return [f"article {example.group}" if articles else f"context {example.context}"]
    if isinstance(example, TaggedExample):
        return [" ".join(example.words)]
    texts = [example.text] if example.pair is None else [example.text, example.pair]
    return texts if example.group is None else [*texts, f"group {example.group}"]


def count_duplicates(splits):
    """Counts the examples of held-out splits that are also in the training split.

    Args:
        splits: dict of splits to lists of examples.

    Returns:
        dict of the other splits to numbers; labels are not compared.
    """
    known = {_content(example) for example in splits["train"]}
    return {
        split: sum(_content(example) in known for example in examples)
        for split, examples in splits.items()
        if split != "train"
    }


def count_repeated(splits):
    """Counts the examples of each split that repeat an earlier one of it.

    Args:
        splits: dict of splits to lists of examples.

    Returns:
        dict of the splits to numbers; labels are not compared.
    """
    return {split: len(part) - len(set(map(_content, part))) for split, part in splits.items()}


def _content(example):
    if isinstance(example, SpanExample):
        return example.question, example.context
    return example.words if isinstance(example, TaggedExample) else (example.text, example.pair)
