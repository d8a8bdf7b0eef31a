"""Runs an exported file in LiteRT against the Keras model that it was made from."""

import dataclasses

import numpy as np

from tfdistill.deployment.tflite import DYNAMIC_INT8, LiteModel
from tfdistill.system.errors import UserError

FLOAT32 = "float32"
FLOAT32_TOLERANCE = 1e-4  # of the largest logit
INT8_LOSS_TOLERANCE = 0.01  # of the masked-LM loss


class ParityError(UserError):
    """An exported file that does not say what its model says."""


@dataclasses.dataclass(frozen=True)
class ParityResult:
    """What an exported file and its model predicted at the same masked positions.

    Attributes:
        max_abs_difference: largest distance between two logits.
        largest_logit: largest absolute logit of the Keras model.
        loss_keras, loss_lite: mean cross-entropy of the true token, nats.
        top1_keras, top1_lite: share of positions whose likeliest token is the true one.
        agreement: share of positions at which both think the same token likeliest.
        positions: how many masked positions were compared.
    """

    max_abs_difference: float
    largest_logit: float
    loss_keras: float
    loss_lite: float
    top1_keras: float
    top1_lite: float
    agreement: float
    positions: int


def check_parity(model, tflite_path, batches, limit, kind=FLOAT32):
    """Compares an exported file with its model on held-out text.

    Args:
        model: the `MaskedLanguageModel` that was exported.
        tflite_path: the file.
        batches: iterable of evaluation batches: dicts of NumPy arrays with `input_ids` and
            `attention_mask` (batch, length), `masked_positions`, `masked_labels` and
            `masked_weights` (batch, masked).
        limit: most masked positions to compare.
        kind: "float32": no logit may differ by more than 1e-4 of the largest one.
            "dynamic_int8": the masked-LM loss may rise by no more than 1 %.

    Returns:
        A `ParityResult`.

    Raises:
        ParityError: the file differs by more than that, or gives numbers that are none.
        UserError: the file cannot be run, its length is not the batches', or the batches hold no
            masked position.
    """
    if kind not in (FLOAT32, DYNAMIC_INT8):
        raise ValueError(f"kind must be {FLOAT32!r} or {DYNAMIC_INT8!r}, not {kind!r}")
    lite = LiteModel(tflite_path)
    compared = []
    for batch in batches:
        compared += _compare_batch(model, lite, batch, limit - len(compared))
        if len(compared) >= limit:
            break
    if not compared:
        raise UserError("--corpus: the held-out text has no token to predict; use more text")
    result = _summarise(compared)
    _require_parity(result, lite.path, kind)
    return result


def _compare_batch(model, lite, batch, limit):
    """One tuple for each of the first `limit` masked positions: see `_compare`."""
    if batch["input_ids"].shape[1] != lite.length:
        raise UserError(
            f"{lite.path} takes rows of {lite.length} tokens, the text has rows of "
            f"{batch['input_ids'].shape[1]}: repeat with --length={lite.length}"
        )
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "masked_positions")}
    logits = np.asarray(model(inputs)["logits"])  # (batch, masked, vocab)
    compared = []
    for row, k in np.argwhere(batch["masked_weights"] > 0)[:limit]:
        position = inputs["masked_positions"][row, k]
        logits_lite = lite.logits(inputs["input_ids"][row], inputs["attention_mask"][row], position)
        compared.append(_compare(logits[row, k], logits_lite, batch["masked_labels"][row, k]))
    return compared


def _compare(keras, lite, label):
    """What is averaged, of the logits (vocab,) of one position and its true token."""
    best_keras, best_lite = keras.argmax(), lite.argmax()
    return (
        np.abs(keras - lite).max(),
        np.abs(keras).max(),
        _cross_entropy(keras, label),
        _cross_entropy(lite, label),
        best_keras == label,
        best_lite == label,
        best_keras == best_lite,
    )


def _cross_entropy(logits, label):
    logits = logits.astype(np.float64)  # (vocab,)
    top = logits.max()
    return top + np.log(np.exp(logits - top).sum()) - logits[label]


def _summarise(compared):
    columns = np.asarray(compared, np.float64).T  # (7, positions)
    largest = [float(column.max()) for column in columns[:2]]
    means = [float(column.mean()) for column in columns[2:]]
    return ParityResult(*largest, *means, positions=len(compared))


def _require_parity(result, path, kind):
    # Written so that NaN fails.
    if kind == FLOAT32:
        difference = result.max_abs_difference / result.largest_logit
        if not difference <= FLOAT32_TOLERANCE:
            raise ParityError(
                f"{path.name} differs from its model by {difference:.2g} of the largest logit "
                f"(allowed: {FLOAT32_TOLERANCE:g}): do not ship it, export again"
            )
    elif not result.loss_lite <= result.loss_keras * (1 + INT8_LOSS_TOLERANCE):
        raise ParityError(
            f"{path.name}: int8 raises the masked-LM loss from {result.loss_keras:.4f} to "
            f"{result.loss_lite:.4f} (allowed: {INT8_LOSS_TOLERANCE:.0%}), agreement "
            f"{result.agreement:.1%}: it was not kept, ship the float32 file"
        )
