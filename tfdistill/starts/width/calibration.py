"""Runs the parts of a model on calibration text."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# Only the masked tokens, 15 of 100, enter the loss of a masked LM. Counted six times each, they
# have about half of the weight.
PREDICTED_AGAIN = 5


@contextlib.contextmanager
def full_precision():
    """Models that are made inside compute in float32, which means and regressions need."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Text:
    """Calibration text, in the form that the parts of a model take.

    Args:
        batches: list of dicts of arrays: input_ids, optional attention_mask and token_type_ids,
            (batch, length); for a head also masked_positions and masked_weights, (batch, masked).
    """

    def __init__(self, batches):
        self.batches = [
            {name: tf.constant(array) for name, array in batch.items()} for batch in batches
        ]
        self.real = [
            np.asarray(batch.get("attention_mask", np.ones_like(batch["input_ids"]))) > 0
            for batch in batches
        ]
        self._taken = [
            _taken(batch, real) for batch, real in zip(self.batches, self.real, strict=True)
        ]

    def embed(self, embeddings):
        """The stream that enters the first layer: list of (batch, length, hidden)."""
        return [
            embeddings(batch["input_ids"], token_type_ids=batch.get("token_type_ids"))
            for batch in self.batches
        ]

    def rows(self, stream):
        """Yields the real tokens of a stream, with masked tokens repeated.

        Args:
            stream: iterable of (batch, length, size), one per batch.

        Yields:
            float32 (rows, size), one per batch.
        """
        for taken, values in zip(self._taken, stream, strict=True):
            yield np.asarray(values).reshape(-1, values.shape[-1])[taken]

    def contexts(self, attention, stream):
        """The concatenated outputs of the attention heads, before the output kernel.

        Args:
            attention: `SelfAttention`.
            stream: list of (batch, length, hidden).

        Returns:
            list of (batch, length, heads * head size).
        """
        found = []
        for hidden, batch in zip(stream, self.batches, strict=True):
            _, tapped = attention(
                hidden,
                attention_mask=batch.get("attention_mask"),
                taps=frozenset(("attention_probs", "values")),
            )
            context = ops.matmul(tapped["attention_probs"], tapped["values"])
            context = ops.transpose(context, (0, 2, 1, 3))  # (batch, length, heads, head size)
            found.append(ops.reshape(context, (*context.shape[:2], -1)))
        return found

    def predicted(self, model, stream):
        """The rows of a stream at the masked positions: list of (predictions, size)."""
        found = []
        for batch, hidden in zip(self.batches, stream, strict=True):
            rows = model.gather(hidden, batch["masked_positions"])  # (batch, masked, size)
            found.append(rows[batch["masked_weights"] > 0])
        return found


def _taken(batch, real):
    """Flat indices of the tokens that `Text.rows` yields: int (rows,)."""
    indices = np.flatnonzero(real)
    if "masked_positions" not in batch:
        return indices
    starts = np.arange(len(real))[:, None] * real.shape[1]
    flat = starts + np.asarray(batch["masked_positions"])  # (batch, masked)
    masked = flat[np.asarray(batch["masked_weights"]) > 0]
    return np.concatenate([indices, np.tile(masked, PREDICTED_AGAIN)])
