"""Principal components of the vectors of tokens."""

import numpy as np


def principal_axes(vectors, width, weights=None):
    """The directions in which vectors vary most.

    Args:
        vectors: float64 (rows, size), whose weighted mean is 0.
        width: int, the number of directions; at most `size` are found.
        weights: float64 (rows,), what each row counts; None: all the same.

    Returns:
        float64 (size, directions), orthonormal columns, those of larger variance first. The sign of
        a column is free: its largest number is positive.
    """
    weighted = vectors if weights is None else vectors * weights[:, None]
    _, axes = np.linalg.eigh(weighted.T @ vectors)  # the largest last
    axes = axes[:, ::-1][:, :width]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.sign(largest)
