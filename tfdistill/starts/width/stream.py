"""The stream of hidden states of a model, and the basis that a narrower one takes for it."""

import numpy as np

from tfdistill.distillation.least_squares import Regression
from tfdistill.starts.width.selection import largest


def add_up(dense, inputs, stream):
    """What a norm gets: a stream with what a kernel writes to it.

    Args:
        dense: the Dense layer that writes.
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
    """A `Regression` without targets, for the mean and covariance of its inputs.

    Args:
        parts: iterable of float32 (rows, size).
    """
    found = Regression()
    for rows in parts:
        found.add(rows, rows[:, :0])
    return found


def stream_moments(encoder, text):
    """Means and covariance of the stream on calibration text.

    Args:
        encoder: `Encoder`.
        text: `Text`.

    Returns:
        (float32 (2 layers + 1, hidden), the means after every norm; float64 (hidden, hidden), the
        sum of the covariances there).
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
    """Principal components, turned within their span towards some of the wide dimensions.

    A norm scales every dimension by itself, which in the narrow stream is the same kind of scale
    only where a narrow dimension is close to a wide one. Of all turns R with R 1 = 0, this one
    brings P = Q R closest to the k wide dimensions that lie most within the span, less their mean:
    with U S V the singular value decomposition of Q^T times them, R = U V (orthogonal Procrustes,
    Schoenemann, 1966).

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
