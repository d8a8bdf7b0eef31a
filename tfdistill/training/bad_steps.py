"""A step with a number that is NaN or infinite: which one was the first, and what can be done."""

import numpy as np
import tensorflow as tf

from tfdistill.system.errors import UserError

MODEL, CACHED = "model/", "cached/"  # begin names of weights, and of stored arrays in a batch
MOST_TRIES = 64  # parts of a batch that are computed again, to find the rows
MOST_NAMES = 8


def require_good_state(variables, stage):
    """Refuses weights or moments that are not finite.

    Args:
        variables: dict of names to Keras variables (see `TrainStep.variables`).
        stage: name of the stage.

    Raises:
        UserError: one of them has such a number; it is named.
    """
    for name, variable in variables.items():
        if not _is_finite(variable):
            kind = "weight" if name.startswith(MODEL) else "state of the optimizer"
            raise UserError(
                f"{stage}: the {kind} {name.removeprefix(MODEL)} is {_worst(variable)}; nothing of "
                "it was stored. If the model was read from a folder, take another; else lower "
                "`learning_rate` (or `teacher_learning_rate`)"
            )


def bad_step_error(step, batch, number, rows, stage, told=""):
    """Says what was wrong in a step that changed nothing.

    The step is computed again without a compiler, part by part.

    Args:
        step: the `TrainStep`, in the state before the bad step.
        batch: its batch, a dict of tensors.
        number: its number, from 0.
        rows: list of int, the training examples in the batch; None if unknown.
        stage: name of the stage.
        told: what else to tell about the batch.

    Returns:
        A `UserError`. It names the term of the loss, the first place that is bad, and the rows.
    """
    value, term, place, cure = _cause(step, batch, number)
    bad = _bad_rows(step, batch, number)
    which = "" if bad is None else f" (of them {_listed(bad, rows)} alone)"
    every = "unknown" if rows is None else _listed(range(len(rows)), rows)
    kept = f"step {number:,} is kept" if number else "nothing was trained before it"
    return UserError(
        f"{stage}, step {number + 1:,}: {term} is {value}, first in {place}; batch: rows {every}"
        f"{which}. The step was not taken; {kept}. {cure}{told}"
    )


def _cause(step, batch, number):
    """(value, term, place, cure) as words."""
    distiller = step.distiller
    losses, gradients = _computed(step, batch, number)
    bad = [name for name, loss in losses.items() if not _is_finite(loss)]
    term = next((name for name in bad if name != "loss"), "loss" if bad else None)
    lower = (
        "Try a lower `learning_rate` (or `teacher_learning_rate`), a larger `warmup_prop` or a "
        "smaller `max_grad_norm`"
    )
    if step.loss_scale:
        lower = "Try `precision`=float32, or else a lower `learning_rate`"
    given = [name for name, tensor in batch.items() if not _is_finite(tensor)]
    if given:
        cure = "Correct the training data"
        if given[0].startswith(CACHED):
            cure = "Delete the stored answers of the teacher: they are made again"
        return _worst(batch[given[0]]), term or "the loss", f"the batch's {given[0]}", cure
    if place := _bad_teacher(distiller, batch):
        return "not finite", term or "the loss", place, "Take another `teacher`"
    if term:
        place = _bad_layer(distiller.student, batch) or "the loss itself"
        return _worst(losses[term]), term, place, lower
    pairs = zip(distiller.trained_variables, gradients, strict=True)
    # The gradient comes from the loss: the last variable is the first that it reaches.
    wrong = [(variable.path, gradient) for variable, gradient in pairs if not _is_finite(gradient)]
    if wrong:
        name, gradient = wrong[-1]
        return _worst(gradient), "the gradient", f"that of {name}", lower
    return "not finite", "a loss or gradient of the compiled step", "an unknown place", lower


def _computed(step, batch, number, row=0):
    """(dict of losses, gradients) of a step, or of a part of its rows from `row` on."""
    scale = 1.0 if step.loss_scale is None else float(step.loss_scale.value)
    gradients, losses = step.distiller.gradients(
        batch, tf.constant(number, tf.int32), row=row, loss_scale=scale
    )
    return losses, gradients


def _bad_teacher(distiller, batch):
    """The teacher's signal that is not finite, in words; None if there is none."""
    found = distiller.teacher_signals(batch)
    for number, signals in enumerate(found.signals if found else (), 1):
        for name, signal in signals.items():
            if not all(_is_finite(tensor) for tensor in tf.nest.flatten(signal)):
                return f"{name} of teacher {number}"
    return None


def _bad_layer(student, batch):
    """The first layer of the student whose output is not finite, in words; None."""
    states = student.encode(batch, taps={"hidden_states"})["hidden_states"]
    for layer, state in enumerate(states):
        if not _is_finite(state):
            return f"the output of encoder/layer_{layer - 1}" if layer else "the embeddings"
    return None


def _bad_rows(step, batch, number):
    """Places in the batch of the rows that are bad alone: a list; None if it is no single rows."""
    count = batch["input_ids"].shape[0]
    found, parts, tries = [], [(0, count)], 0
    while parts and tries < MOST_TRIES:
        begin, end = parts.pop()
        tries += 1
        part = {name: tensor[begin:end] for name, tensor in batch.items()}
        losses, gradients = _computed(step, part, number, begin)
        if all(map(_is_finite, (losses["loss"], *gradients))):
            continue
        if end - begin == 1:
            found.append(begin)
        else:
            middle = (begin + end) // 2
            parts += [(middle, end), (begin, middle)]
    return found if found and len(found) < count else None


def _listed(places, rows):
    """Some of the rows at places of a batch, as words."""
    named = [f"{rows[place] if rows is not None else place:,}" for place in places]
    more = f" and {len(named) - MOST_NAMES} more" if len(named) > MOST_NAMES else ""
    return ", ".join(named[:MOST_NAMES]) + more


def _is_finite(tensor):
    """Whether no number of a tensor or variable is NaN or infinite."""
    array = np.asarray(tensor)
    if array.dtype.kind in "iub":
        return True
    # A sum is a fast test; where it is not finite, large numbers may be the reason.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array.astype(np.float32)).all())


def _worst(tensor):
    """The worst number of a tensor, as a word."""
    array = np.asarray(tensor).astype(np.float32)
    return "nan" if np.isnan(array).any() else "infinite"
