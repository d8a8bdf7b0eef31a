"""The texts of an example, and the example with another text."""

import dataclasses

from tfdistill.data.labelled.examples import TaggedExample


def texts_of(example):
    """The texts that may be varied, each alone.

    Args:
        example: a `TextExample`, or a `TaggedExample`, whose words stand between blanks.

    Returns:
        list of str; empty for a sentence with a word that has a blank inside.
    """
    if isinstance(example, TaggedExample):
        whole = any(" " in word or not word for word in example.words)
        return [] if whole else [" ".join(example.words)]
    return [example.text] if example.pair is None else [example.text, example.pair]


def with_text(example, side, text):
    """The example with another text and without a label.

    Args:
        example: a `TextExample` or a `TaggedExample`.
        side: index of the text in `texts_of`.
        text: str; of a sentence, with as many words.

    Returns:
        An example of the same kind.
    """
    if isinstance(example, TaggedExample):
        return dataclasses.replace(example, words=tuple(text.split(" ")), tags=None)
    return dataclasses.replace(example, label=None, **{"pair" if side else "text": text})
