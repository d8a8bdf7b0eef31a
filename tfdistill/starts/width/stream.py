"""The stream of hidden states of a model, and a basis for a narrower stream."""

import numpy as np

from tfdistill.distillation.least_squares import Regression
from tfdistill.starts.width.selection import largest


def add_up(dense, inputs, stream):
    """The input of a norm: a residual stream plus the output of a Dense layer.

    Args:
        dense: the Dense layer.
        inputs: list of (batch, length, in).
        stream: list of (batch, length, hidden).

    Returns:
        list of (batch, length, hidden).
    """
    return [hidden + dense(part) for hidden, part in zip(stream, inputs, strict=True)]


def fire(block, stream):
    """Activations of a layer's neurons: list of (batch, length, intermediate)."""
    return [block.activation(block.intermediate(hidden)) for hidden in stream]


def moments(parts):
    """A `Regression` without targets, which has the mean and covariance of its inputs.

    Args:
        parts: iterable of float32 (rows, size).
    """
    found = Regression()
    for rows in parts:
        found.add(rows, rows[:, :0])
    return found


def stream_moments(encoder, text):
    """Means and covariance of the stream, measured on calibration text.

    Args:
        encoder: `Encoder`.
        text: `Text`.

    Returns:
        (float32 (2 layers + 1, hidden), the mean after each norm; float64 (hidden, hidden), the sum
        of the covariances after the norms).
    """
    places = []

    def after(norm, sums):
        stream = [norm(part) for part in sums]
        places.append(moments(text.rows(stream)))
        return stream

    hidden = text.embed(encoder.embeddings)
    places.append(moments(text.rows(hidden)))
    for block in encoder.blocks:
        contexts = text.contexts(block.attention, hidden)
        sums = add_up(block.attention.output_dense, contexts, hidden)
        hidden = after(block.attention_norm, sums)
        sums = add_up(block.output_dense, fire(block, hidden), hidden)
        hidden = after(block.output_norm, sums)
    means = np.array([place.mean for place in places], np.float32)
    return means, sum(place.covariance for place in places)


def residual_basis(covariance, size):
    """Principal components, rotated within their span towards some of the wide dimensions.

    A norm scales every dimension separately. In the narrow stream this has the same effect only if
    a narrow dimension is close to a wide one. Of all rotations R with R 1 = 0, this one brings
    P = Q R closest to the k wide dimensions that lie most within the span, minus their mean: with
    U S V the singular value decomposition of Q^T times these dimensions, R = U V (orthogonal
    Procrustes problem, Schoenemann, 1966).

    Args:
        covariance: float64 (wide, wide).
        size: int, k < wide.

    Returns:
        float32 (wide, k): P of rank k - 1, with P 1 = 0 and P^T x the new coordinates of x.
    """
    _, vectors = np.linalg.eigh(covariance)  # the largest last
    components = vectors[:, ::-1][:, : size - 1]  # (wide, k - 1), Q
    inside = np.sum(components**2, axis=1)
    dimensions = np.eye(len(covariance))[:, largest(inside, size)]
    dimensions -= dimensions.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(components.T @ dimensions, full_matrices=False)
    return (components @ left @ right).astype(np.float32)
