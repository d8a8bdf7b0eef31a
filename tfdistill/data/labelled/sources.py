"""Examples with their labels, encoded: the sources of the splits, by the kind of the task."""

import numpy as np

from tfdistill.data.labelled.bucket_lengths import choose_lengths
from tfdistill.data.labelled.encoded import LABELS, WEIGHTS, EncodedExamples
from tfdistill.data.labelled.encoding import encode_texts, encode_windows, encode_words
from tfdistill.data.labelled.span_labels import label_windows
from tfdistill.system.errors import UserError


def encode_splits(encode, splits):
    """Encodes all splits, with the same lengths.

    Args:
        encode: function of a list of examples to `EncodedExamples`, such as `encode_classes` with
            its other arguments bound.
        splits: dict of names to lists of examples.

    Returns:
        dict of the names to `EncodedExamples`.
    """
    sources = {name: encode(examples) for name, examples in splits.items()}
    longest = max(source.length for source in sources.values())
    tokens = np.concatenate([source.tokens for source in sources.values()])
    lengths = choose_lengths(tokens, longest)
    return {name: source.with_lengths(lengths) for name, source in sources.items()}


def encode_classes(examples, tokenizer, length, labels):
    """Encodes texts or pairs that have one of several classes.

    Args:
        examples: list of `TextExample`; those without a label weigh 0.
        tokenizer: the `TextTokenizer`.
        length: most tokens of a row.
        labels: tuple of the classes' names, in the order of the logits.

    Returns:
        `EncodedExamples`; its batches have `labels` int32 and `label_weights` float32 (batch,).

    Raises:
        UserError: the length leaves no room for text, or a label is unknown.
    """
    numbers = _numbers(labels)
    values = [0 if each.label is None else numbers(each.label, each.origin) for each in examples]
    return _texts(examples, tokenizer, length, np.array(values, np.int32))


def encode_numbers(examples, tokenizer, length):
    """Encodes texts or pairs whose labels are numbers.

    Args:
        examples, tokenizer, length: as for `encode_classes`.

    Returns:
        `EncodedExamples`; its batches have `labels` and `label_weights`, float32 (batch,).

    Raises:
        UserError: the length leaves no room for text.
    """
    values = [0.0 if each.label is None else each.label for each in examples]
    return _texts(examples, tokenizer, length, np.array(values, np.float32))


def encode_sentences(examples, tokenizer, length):
    """Encodes texts that are learned from a teacher alone.

    Args:
        examples: list of `TextExample`s of one text.
        tokenizer, length: as for `encode_classes`.

    Returns:
        `EncodedExamples`; its batches have `label_weights`, float32 (batch,), 1 for every text.

    Raises:
        UserError: the length leaves no room for text.
    """
    texts = encode_texts(
        tokenizer, [each.text for each in examples], [None] * len(examples), length
    )
    return EncodedExamples(
        texts,
        examples,
        pad=tokenizer.pad_id,
        longest=length,
        per_row={WEIGHTS: np.ones(len(examples), np.float32)},
        facts=_facts(examples, texts, length),
    )


def encode_pairs(examples, tokenizer, length, scores):
    """Encodes the two texts of each example in a row of their own.

    Args:
        examples: list of `TextExample`s with a second text.
        tokenizer, length: as for `encode_classes`.
        scores: (least, largest) number that labels may be; None for examples without.

    Returns:
        `EncodedExamples`: example i has the rows 2 i and 2 i + 1. Its batches have `labels`, the
        scores from 0 to 1, and `label_weights`, float32 (batch,). Without any score, labels are NaN
        and all rows weigh 1.

    Raises:
        UserError: the length leaves no room for text, or an example has no second text.
    """
    for each in examples:
        if each.pair is None:
            raise UserError(
                f"{each.origin}: one text, and pairs are compared: set `text_pair_column`"
            )
    texts = encode_texts(
        tokenizer,
        [text for each in examples for text in (each.text, each.pair)],
        [None] * (2 * len(examples)),
        length,
    )
    low, high = scores or (0.0, 1.0)
    known = np.array([each.label is not None for each in examples], np.float32)
    values = [low if each.label is None else each.label for each in examples]
    labels = (np.array(values, np.float32) - low) / (high - low)
    if not known.any():
        labels, known = np.full_like(labels, np.nan), np.ones_like(known)
    return EncodedExamples(
        texts,
        examples,
        pad=tokenizer.pad_id,
        longest=length,
        per_row={LABELS: labels.repeat(2), WEIGHTS: known.repeat(2)},
        facts=_facts(examples, texts, length),
    )


def encode_tags(examples, tokenizer, length, tags):
    """Encodes sentences whose words have tags.

    The first piece of a word has its tag; other pieces weigh 0.

    Args:
        examples: list of `TaggedExample`; those without tags weigh 0.
        tokenizer, length: as for `encode_classes`.
        tags: tuple of the tags' names, in the order of the logits.

    Returns:
        `EncodedExamples`; its batches have `labels` int32 and `label_weights` float32 (batch,
        length). Words that are cut off are counted in its facts, with words that have no token,
        such as control characters.

    Raises:
        UserError: the length leaves no room for text, or a tag is unknown.
    """
    numbers = _numbers(tags)
    texts = encode_words(tokenizer, [each.words for each in examples], length)
    labels, weights = np.zeros(len(texts.ids), np.int32), np.zeros(len(texts.ids), np.float32)
    words = 0
    for row, example in enumerate(examples):
        words += len(example.words)
        if example.tags is None:
            continue
        tokens = slice(texts.bounds[row], texts.bounds[row + 1])
        first = np.flatnonzero(texts.words[tokens] >= 0)
        known = np.array([numbers(tag, example.origin) for tag in example.tags], np.int32)
        labels[tokens][first] = known[texts.words[tokens][first]]
        weights[tokens][first] = 1.0
    facts = _facts(examples, texts, length) | {
        "words": words,
        "words_cut": words - int((texts.words >= 0).sum()),
    }
    per_token = {LABELS: labels, WEIGHTS: weights}
    return EncodedExamples(
        texts, examples, pad=tokenizer.pad_id, longest=length, per_token=per_token, facts=facts
    )


def encode_spans(examples, tokenizer, length, stride):
    """Encodes questions whose answers are spans of their contexts.

    Args:
        examples: list of `SpanExample`.
        tokenizer, length: as for `encode_classes`.
        stride: tokens that two windows of a context share.

    Returns:
        `EncodedExamples` whose rows are windows; `texts.examples` has the example of each. Its
        batches have `labels` int32 (batch, 2), the first and the last token of the answer, (0, 0)
        for no answer in this window, and `label_weights` float32 (batch,). Examples whose answers
        lie in no window are counted in its facts as `answers_lost`, and their windows weigh 0.

    Raises:
        UserError: the length leaves no room for text, or the stride is too large.
    """
    questions = [each.question for each in examples]
    contexts = [each.context for each in examples]
    texts = encode_windows(tokenizer, questions, contexts, length, stride)
    labels, lost = label_windows(texts, examples)
    facts = _facts(examples, texts, length) | {
        "windows": len(labels),
        "answers_lost": int(lost.sum()),
        # Of a question with its context, the context is never cut.
        "cut": len(np.unique(texts.examples[texts.cut])),
    }
    facts["cut_share"] = facts["cut"] / max(1, len(examples))
    per_row = {LABELS: labels, WEIGHTS: np.where(lost[texts.examples], 0, 1).astype(np.float32)}
    return EncodedExamples(
        texts, examples, pad=tokenizer.pad_id, longest=length, per_row=per_row, facts=facts
    )


def _texts(examples, tokenizer, length, labels):
    texts = encode_texts(
        tokenizer, [each.text for each in examples], [each.pair for each in examples], length
    )
    weights = np.array([each.label is not None for each in examples], np.float32)
    return EncodedExamples(
        texts,
        examples,
        pad=tokenizer.pad_id,
        longest=length,
        per_row={LABELS: labels, WEIGHTS: weights},
        facts=_facts(examples, texts, length),
    )


def _facts(examples, texts, length):
    tokens = texts.tokens
    return {
        "examples": len(examples),
        "length": length,
        "cut": int(texts.cut.sum()),
        "cut_share": float(texts.cut.mean()) if len(tokens) else 0.0,
        "tokens_mean": float(tokens.mean()) if len(tokens) else 0.0,
        "tokens_max": int(tokens.max(initial=0)),
    }


def _numbers(labels):
    """A function of a label and its origin to the label's number."""
    numbers = {label: number for number, label in enumerate(labels)}

    def number(label, origin):
        if label not in numbers:
            raise UserError(
                f"{origin}: the label {label!r} is none of the model's: {', '.join(labels)}"
            )
        return numbers[label]

    return number
