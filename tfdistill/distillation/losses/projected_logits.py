"""Projections to the vocabulary: the logits of students and teachers, for a chunk of tokens.

A projection is a tuple (rows, kernel, bias) with the shapes (tokens, hidden), (vocab, hidden) and
(vocab,). Its logits are rows · kernelᵀ + bias, laid out as (vocab, tokens).
"""

import functools

import tensorflow as tf


class Target:
    """What the student's logits are compared with; this one is empty, for a loss without a target.

    Attributes:
        tensors: list of tensors (tokens, any), which are cut into chunks.
    """

    tensors = ()

    def softened(self, temperature):
        """The target with all logits divided by the temperature."""
        return self

    def largest_logits(self):
        """Upper bounds of the size of the logits, a list of float32 scalars."""
        return []

    def cast(self, dtype):
        """The target with the operands of its products in another type."""
        return self

    def of_chunk(self, parts):
        """What `TokenLoss.compute` gets for a chunk.

        Args:
            parts: list of chunks of `tensors`.
        """
        return None


NO_TARGET = Target()


class TeacherLogits(Target):
    """Logits of one teacher, or of the mean of several teachers' softened probabilities.

    Args:
        projections: list with one (rows, kernel, bias) for each teacher; the logits are
            rows · kernelᵀ + bias. No gradient flows into them. Widths may differ.
        shares: weights of several teachers in the mean, floats that sum to 1.
    """

    def __init__(self, projections, shares=()):
        self._projections, self._shares = list(projections), shares

    @property
    def tensors(self):
        return [rows for rows, *_ in self._projections]

    def softened(self, temperature):
        projections = [softened(each, temperature) for each in self._projections]
        projections = [tuple(map(tf.stop_gradient, each)) for each in projections]
        return TeacherLogits(projections, self._shares)

    def largest_logits(self):
        return [largest_logit(*each) for each in self._projections]

    def cast(self, dtype):
        return TeacherLogits(
            [cast_products(each, dtype) for each in self._projections], self._shares
        )

    def of_chunk(self, parts):
        """The logits (vocab, tokens) of the teacher, or logarithms of the mean of probabilities."""
        logits = [
            logits_of(rows, kernel, bias)
            for rows, (_, kernel, bias) in zip(parts, self._projections, strict=True)
        ]
        return logits[0] if len(logits) == 1 else log_mixture(logits, self._shares)


def softened(model, temperature):
    """(rows, kernel, bias) as float32, for logits that are divided by the temperature."""
    rows, kernel, bias = (tf.cast(part, tf.float32) for part in model)
    return rows / temperature, kernel, bias / temperature


def product_type_of(rows):
    """Type of the operands of a projection to the vocabulary (float16 would overflow)."""
    return tf.bfloat16 if rows.dtype == tf.bfloat16 else tf.float32


def cast_products(projection, dtype):
    """The projection with the operands of its product in another type; the bias stays float32."""
    rows, kernel, bias = projection
    return tf.cast(rows, dtype), tf.cast(kernel, dtype), bias


def logits_of(rows, kernel, bias):
    """Logits of a projection: float32 (vocab, tokens)."""
    return product(kernel, rows, transpose_b=True) + bias[:, None]


def product(a, b, **transposed):
    """Matrix product as float32, so that later operations do not round further."""
    return tf.cast(tf.matmul(a, b, **transposed), tf.float32)


def largest_logit(rows, kernel, bias):
    """An upper bound of the size of rows · kernelᵀ + bias (Cauchy and Schwarz), to rounding.

    The bias is added, not made part of the product: log-frequencies of rare words are large.
    """
    products = _largest_norm(rows) * _largest_norm(kernel)
    return products + tf.reduce_max(tf.abs(bias))


def _largest_norm(matrix):
    """Largest norm of a row; by a product, because XLA's sums along rows are slow on CPUs."""
    squares = tf.matmul(tf.square(matrix), tf.ones((matrix.shape[1], 1)))  # (rows, 1)
    return tf.sqrt(tf.reduce_max(squares))


def log_mixture(logits, shares, axis=0):
    """Logarithm of the mean of several models' probabilities.

    Args:
        logits: list with one float32 tensor for each model, such as (vocab, tokens).
        shares: weights of the models, floats that sum to 1.
        axis: axis of the vocabulary.

    Returns:
        float32, in the shape of one of `logits`.
    """
    # In logarithms: a probability that is 0 in float32 still has a logarithm.
    parts = []
    for each, share in zip(logits, shares, strict=True):
        each -= tf.reduce_max(each, axis=axis, keepdims=True)
        total = tf.reduce_sum(tf.exp(each), axis=axis, keepdims=True)
        parts.append(each - tf.math.log(total / share))
    largest = functools.reduce(tf.maximum, parts)
    return largest + tf.math.log(tf.add_n([tf.exp(part - largest) for part in parts]))
