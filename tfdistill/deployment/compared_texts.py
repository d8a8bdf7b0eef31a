"""Held-out texts on which a file is compared with its model: rows of one length, in parts.

The rows of such tasks are full. A file of several lengths would only be asked for the longest, so
each text is a part of a row, and every length has its turn.
"""

import dataclasses
import itertools
import tempfile

import numpy as np

from tfdistill.deployment.signatures import usual_lengths

ROWS = 32  # that the model runs on at once
IN_ALL_LENGTHS = 50  # texts that run through every length that holds them
CALIBRATION = 200  # texts that give the ranges of activations


@dataclasses.dataclass(frozen=True)
class ComparedText:
    """A prediction on which files are compared with their model.

    Attributes:
        inputs: dict of int arrays, the inputs of a text; see `Task.single_inputs`.
        label: int, what is to be predicted.
        of_one: index of the prediction in the logits of these inputs.
        row: number of the row that the text is a part of.
        logits: float32 (outputs,), what the model predicts; None before it was asked.
    """

    inputs: dict
    label: int
    of_one: tuple
    row: int
    logits: np.ndarray | None = None


def compared_texts(task, batches, limit, lengths):
    """Chooses predictions: the first of every row, then the second of every row, and so on.

    Args:
        task: the `Task`.
        batches: iterable of its evaluation batches.
        limit: most predictions.
        lengths: tuple of the lengths of a file's rows, ascending. Of several, the texts are cut to
            as many tokens as each of them holds, in turn; the number is random, with a fixed seed.

    Returns:
        list of `ComparedText`s; the inputs are those of a part without padding.
    """
    rows = []
    for batch in batches:
        of_row = {}
        for inputs, index, of_one in task.single_inputs(batch):
            found = inputs, batch[task.labels][index], of_one
            of_row.setdefault(index[0], []).append(found)
        rows += [
            [ComparedText(*each, row=row) for each in own]
            for row, own in enumerate(of_row.values(), len(rows))
        ]
        if len(rows) >= limit:
            break
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*rows))
    chosen = list(itertools.islice(filter(None, in_turn), limit))
    if len(lengths) == 1:
        return chosen
    tokens = _tokens(lengths, len(chosen))
    return [
        dataclasses.replace(each, inputs=task.part(each.inputs, n))
        for each, n in zip(chosen, tokens, strict=True)
    ]


def _tokens(lengths, count):
    """Numbers of tokens, each length in turn; one that the length below cannot hold."""
    generator = np.random.default_rng(0)
    below = (2, *lengths[:-1])  # a text has three tokens or more
    turns = itertools.islice(itertools.cycle(zip(below, lengths, strict=True)), count)
    return [int(generator.integers(low + 1, high + 1)) for low, high in turns]


def with_model_logits(model, texts, lengths):
    """Adds the model's logits to texts.

    Args:
        model: the `Model`.
        texts: list of `ComparedText`s without padding.
        lengths: tuple of the lengths of the files' rows, ascending.

    Returns:
        list of `ComparedText`s, a length after the other, with padding to the longest row. Their
        logits lie in a temporary file, as those of a large vocabulary take much memory.
    """
    names, pad = ("input_ids", "attention_mask", *model.head.extra_inputs), lengths[-1]
    texts = sorted(texts, key=lambda each: _fitting(each, lengths))
    kept, found = None, []
    for length, group in itertools.groupby(texts, lambda each: _fitting(each, lengths)):
        for part in _parts(list(group), ROWS):
            padded = [_padded(each.inputs, pad, model.config.pad_token_id) for each in part]
            stacked = {name: np.stack([inputs[name] for inputs in padded]) for name in names}
            for name in ("input_ids", "attention_mask"):
                stacked[name] = stacked[name][:, :length]
            logits = np.asarray(model(stacked)["logits"])
            for each, inputs, own in zip(part, padded, logits, strict=True):
                own = own[each.of_one]
                if kept is None:
                    shape = len(texts), *own.shape
                    kept = np.memmap(tempfile.TemporaryFile(), np.float32, "w+", shape=shape)
                kept[len(found)] = own
                found.append(dataclasses.replace(each, inputs=inputs, logits=kept[len(found)]))
    return found


def _fitting(text, lengths):
    tokens = len(text.inputs["input_ids"])
    return next(length for length in lengths if length >= tokens)


def _parts(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def _padded(inputs, length, pad_id):
    fills = {"input_ids": pad_id, "attention_mask": 0}
    return inputs | {
        name: np.pad(inputs[name], (0, length - len(inputs[name])), constant_values=fill)
        for name, fill in fills.items()
    }


def calibration_texts(task, batches, length, pad_id):
    """Real texts of mixed lengths, which give the ranges of a full int8 file's activations.

    Args:
        task: the `Task`.
        batches: what `Task.evaluation_batches` returned for training examples.
        length: tokens in a row.
        pad_id: id of the padding.

    Returns:
        list of inputs with padding (see `export_tflite`).
    """
    batches = task.fixed_batches(batches, length, CALIBRATION)
    if task.kind:
        return [inputs for batch in batches for inputs, *_ in task.single_inputs(batch)]
    texts = compared_texts(task, batches, CALIBRATION, usual_lengths(length))
    return [_padded(each.inputs, length, pad_id) for each in texts]


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
