"""Held-out texts on which a file is compared with its model: rows of one length, in parts.

The rows of such tasks are full. A file of several lengths would only be asked for the longest, so
each text is a part of a row, and every length has its turn.
"""

import itertools

import numpy as np

ROWS = 32  # that the model runs on at once
IN_ALL_LENGTHS = 50  # texts that run through every length that holds them


def compared_texts(task, batches, limit, lengths):
    """Chooses predictions: the first of every row, then the second of every row, and so on.

    Args:
        task: the `Task`.
        batches: iterable of its evaluation batches.
        limit: most predictions.
        lengths: tuple of the lengths of a file's rows, ascending. Of several, the texts are cut to
            as many tokens as each of them holds, in turn; the number is random, with a fixed seed.

    Returns:
        list of (inputs, label, index of the prediction in the logits of these inputs); the inputs
        are those of `Task.single_inputs`, of a part without padding.
    """
    rows = []
    for batch in batches:
        of_row = {}
        for inputs, index, of_one in task.single_inputs(batch):
            label = batch[task.labels][index]
            of_row.setdefault(index[0], []).append((inputs, label, of_one))
        rows += of_row.values()
        if len(rows) >= limit:
            break
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*rows))
    chosen = list(itertools.islice(filter(None, in_turn), limit))
    if len(lengths) == 1:
        return chosen
    tokens = _tokens(lengths, len(chosen))
    return [(task.part(each[0], n), *each[1:]) for each, n in zip(chosen, tokens, strict=True)]


def _tokens(lengths, count):
    """Numbers of tokens, each length in turn; one that the length below cannot hold."""
    generator = np.random.default_rng(0)
    below = (2, *lengths[:-1])  # a text has three tokens or more
    turns = itertools.islice(itertools.cycle(zip(below, lengths, strict=True)), count)
    return [int(generator.integers(low + 1, high + 1)) for low, high in turns]


def with_model_logits(model, texts, lite):
    """The texts with what their model says, a length after the other.

    Args:
        model: the `Model`.
        texts: of `compared_texts`.
        lite: the `LiteModel` of the file.

    Yields:
        (inputs with padding to the file's longest row, label, logits of the model, float32, and the
        index of the prediction in the file's logits).
    """
    names = ("input_ids", "attention_mask", *model.head.extra_inputs)
    padded = [
        (_padded(inputs, lite.length, model.config.pad_token_id), *rest) for inputs, *rest in texts
    ]
    for length in lite.lengths:
        own = [each for each in padded if lite.length_for(each[0]["attention_mask"]) == length]
        for start in range(0, len(own), ROWS):
            part = own[start : start + ROWS]
            stacked = {name: np.stack([inputs[name] for inputs, *_ in part]) for name in names}
            for name in ("input_ids", "attention_mask"):
                stacked[name] = stacked[name][:, :length]
            found = np.asarray(model(stacked)["logits"])
            for (inputs, label, of_one), logits in zip(part, found, strict=True):
                yield inputs, label, logits[of_one], of_one


def _padded(inputs, length, pad_id):
    fills = {"input_ids": pad_id, "attention_mask": 0}
    return inputs | {
        name: np.pad(inputs[name], (0, length - len(inputs[name])), constant_values=fill)
        for name, fill in fills.items()
    }


def distance_of_lengths(lite, texts):
    """Runs texts through every length of a file that holds them.

    Args:
        lite: the `LiteModel`.
        texts: list of inputs with padding to its longest row; at most 50 are run, spread over it.

    Returns:
        Largest distance between two logits of a text; None for a file of one length.
    """
    if len(lite.lengths) == 1:
        return None
    largest = 0.0
    for inputs in texts[:: max(1, len(texts) // IN_ALL_LENGTHS)][:IN_ALL_LENGTHS]:
        shortest = lite.length_for(inputs["attention_mask"])
        found = [lite.logits(inputs, each) for each in lite.lengths if each >= shortest]
        if found[0].ndim > 1:  # logits of padding are read by nobody
            found = [each[inputs["attention_mask"][: len(each)] > 0] for each in found]
        largest = max(largest, *(np.abs(each - found[0]).max() for each in found))
    return float(largest)
