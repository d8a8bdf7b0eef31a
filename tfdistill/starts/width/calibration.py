"""What a model computes on calibration text, part by part."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# Tokens to predict are 15 of 100, and a masked-LM's loss looks at nothing else: six times each,
# they weigh about half.
PREDICTED_AGAIN = 5


@contextlib.contextmanager
def full_precision():
    """Models made inside compute in float32, which means and regressions need."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Text:
    """Calibration text, as the parts of a model take it.

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
        """The real tokens of a stream, batch by batch, those to predict several times.

        Args:
            stream: iterable of (batch, length, size).

        Yields:
            float32 (rows, size).
        """
        for taken, values in zip(self._taken, stream, strict=True):
            yield np.asarray(values).reshape(-1, values.shape[-1])[taken]

    def contexts(self, attention, stream):
        """What the heads of a `SelfAttention` bring together, before its output kernel.

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
            found.append(ops.reshape(context, hidden.shape))
        return found

    def predicted(self, model, stream):
        """The rows of a stream at the masked positions: list of (predictions, size)."""
        found = []
        for batch, hidden in zip(self.batches, stream, strict=True):
            rows = model.gather(hidden, batch["masked_positions"])  # (batch, masked, size)
            found.append(rows[batch["masked_weights"] > 0])
        return found


def _taken(batch, real):
    """Flat indices of the tokens that `Text.rows` takes: int (rows,)."""
    indices = np.flatnonzero(real)
    if "masked_positions" not in batch:
        return indices
    starts = np.arange(len(real))[:, None] * real.shape[1]
    flat = starts + np.asarray(batch["masked_positions"])  # (batch, masked)
    asked = flat[np.asarray(batch["masked_weights"]) > 0]
    return np.concatenate([indices, np.tile(asked, PREDICTED_AGAIN)])
