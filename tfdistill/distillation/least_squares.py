"""Least squares on calibration text, from sums over batches: no hidden states are stored."""

import numpy as np

# Relative to the mean variance of the inputs: directions without variance keep their prior.
SMALLEST_VARIANCE = 1e-7


class Regression:
    """Ridge regression of rows on rows, towards a given kernel (Hoerl & Kennard, 1970).

    Minimises the mean of |x K + b - y|^2 + s |K - K0|^2, whose solution is
    K = K0 + (C_xx + s I)^-1 (C_xy - C_xx K0), b = mean(y) - mean(x) K, with covariances C.
    """

    def __init__(self):
        self.count = 0
        self._origins = None
        self._sums = [0.0] * 4

    def add(self, inputs, targets):
        """Adds rows.

        Args:
            inputs: float32 (rows, in).
            targets: float32 (rows, out).
        """
        if not self.count:
            # Shifts the rows to near their means, so that sums of float32 products do not cancel.
            self._origins = inputs.mean(axis=0), targets.mean(axis=0)
        self.count += len(inputs)
        inputs, targets = inputs - self._origins[0], targets - self._origins[1]
        new = (
            inputs.sum(axis=0, dtype=np.float64),
            targets.sum(axis=0, dtype=np.float64),
            inputs.T @ inputs,
            inputs.T @ targets,
        )
        self._sums = [total + more for total, more in zip(self._sums, new, strict=True)]

    @property
    def mean(self):
        """Mean of the inputs: float64 (in,)."""
        return self._origins[0] + self._sums[0] / self.count

    @property
    def covariance(self):
        """Covariance of the inputs: float64 (in, in)."""
        shift = self._sums[0] / self.count
        return self._sums[2] / self.count - np.outer(shift, shift)

    def solve(self, prior, shrinkage):
        """Computes the kernel and bias of least squares.

        Args:
            prior: (in, out), K0.
            shrinkage: s as a share of the inputs' mean variance; infinity gives K = K0.

        Returns:
            (float64 (in, out), float64 (out,)).
        """
        shift, target_shift = self._sums[0] / self.count, self._sums[1] / self.count
        kernel = np.asarray(prior, np.float64)
        if not np.isinf(shrinkage):
            covariance = self.covariance
            strength = (shrinkage + SMALLEST_VARIANCE) * np.trace(covariance) / len(covariance)
            cross = self._sums[3] / self.count - np.outer(shift, target_shift)
            ridge = covariance + strength * np.eye(len(covariance))
            kernel = kernel + np.linalg.solve(ridge, cross - covariance @ kernel)
        return kernel, self._origins[1] + target_shift - self.mean @ kernel


def fit_norm(norm, inputs, targets):
    """Sets scale and shift of a norm to the least squares of each dimension.

    Args:
        norm: `LayerNormalization`.
        inputs: iterable of float32 (rows, size), inputs of the norm.
        targets: iterable of float32 (rows, size), wanted outputs.
    """

    def normal(rows):
        rows = rows - rows.mean(axis=1, keepdims=True)
        return rows / np.sqrt(np.mean(rows**2, axis=1, keepdims=True) + norm.epsilon)

    fit_scale(norm, map(normal, inputs), targets)


def fit_scale(norm, inputs, targets):
    """Sets a scale and a shift to the least squares of each dimension.

    Args:
        norm: layer with the variables gamma and beta.
        inputs: iterable of float32 (rows, size), inputs of the scale.
        targets: iterable of float32 (rows, size), wanted outputs.
    """
    sums, count = [0.0] * 4, 0
    for rows, wanted in zip(inputs, targets, strict=True):
        new = (rows, wanted, rows**2, rows * wanted)
        new = (more.sum(axis=0, dtype=np.float64) for more in new)
        sums = [total + more for total, more in zip(sums, new, strict=True)]
        count += len(rows)
    mean, target_mean, square, product = (total / count for total in sums)
    variance = square - mean**2
    # Dimensions without variance get a finite scale.
    variance = np.maximum(variance, SMALLEST_VARIANCE * max(variance.mean(), SMALLEST_VARIANCE))
    scale = (product - mean * target_mean) / variance
    norm.gamma.assign(scale)
    norm.beta.assign(target_mean - mean * scale)
