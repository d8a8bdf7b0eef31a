"""Schemes that mark where entities begin and end; all are turned into BIO (IOB2).

BIO marks the first word of an entity with B- and its others with I-. In IOB1 an entity begins with
I-, and with B- only right after another entity of its type. IOBES (BILOU) also marks the last word
with E- (L-) and an entity of one word with S- (U-).
"""

import dataclasses
import functools
import re

OUTSIDE = "O"
BIO, IOB1, IOBES, OTHER = "BIO", "IOB1", "IOBES", "other"
_TAG = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
# The prefixes of IOBES and BILOU beyond those of BIO, and what they are in BIO.
_IN_BIO = {"E": "I", "L": "I", "S": "B", "U": "B"}


def find_scheme(sentences):
    """Finds the scheme of tags.

    Args:
        sentences: iterable of sequences of tags.

    Returns:
        `BIO`, `IOB1` or `IOBES`; `OTHER` for tags that mark no entities, such as parts of speech.
        Entities that begin with I- are IOB1 where no B- begins one, else errors in BIO.
    """
    prefixes, begins_with = set(), set()
    for tags in sentences:
        before = None
        for tag in tags:
            prefix, kind = _parts(tag)
            if prefix is None:
                return OTHER
            if prefix != OUTSIDE:
                prefixes.add(prefix)
                if kind != before:
                    begins_with.add(prefix)
            before = kind
    if prefixes & _IN_BIO.keys():
        return IOBES
    return IOB1 if begins_with == {"I"} else BIO


def to_bio(tags, scheme):
    """Writes the tags of a sentence in BIO.

    Args:
        tags: sequence of tags.
        scheme: what `find_scheme` returned.

    Returns:
        tuple of tags.
    """
    if scheme == IOBES:
        parts = map(_parts, tags)
        return tuple(p if k is None else f"{_IN_BIO.get(p, p)}-{k}" for p, k in parts)
    if scheme != IOB1:
        return tuple(tags)
    found, before = [], None
    for tag in tags:
        prefix, kind = _parts(tag)
        found.append(f"B-{kind}" if prefix == "I" and kind != before else tag)
        before = kind
    return tuple(found)


def in_bio(examples):
    """Turns the tags of examples into BIO.

    Args:
        examples: list of lists of `TaggedExample`, of one scheme.

    Returns:
        (the lists with tags in BIO, the scheme that they had, number of entities that begin with I-
        in what was read).
    """
    tags = [example.tags for part in examples for example in part if example.tags is not None]
    scheme = find_scheme(tags)
    orphans = sum(map(_orphans, tags)) if scheme in (BIO, IOB1) else 0
    if scheme in (BIO, OTHER):
        return examples, scheme, orphans
    written = [
        [
            each if each.tags is None else dataclasses.replace(each, tags=to_bio(each.tags, scheme))
            for each in part
        ]
        for part in examples
    ]
    return written, scheme, orphans


def _orphans(tags):
    """Entities that begin with I-."""
    count, before = 0, None
    for tag in tags:
        prefix, kind = _parts(tag)
        count += prefix == "I" and kind != before
        before = kind
    return count


@functools.cache
def _parts(tag):
    """(prefix, type) of a tag: (`OUTSIDE`, None) outside, (None, None) for a tag of no scheme."""
    if tag == OUTSIDE:
        return OUTSIDE, None
    found = _TAG.fullmatch(tag)
    return found.groups() if found else (None, None)
