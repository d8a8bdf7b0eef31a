"""The masked-LM head of a narrow model whose word embeddings are a projection of the teacher's."""

import numpy as np
import tensorflow as tf

from tfdistill.distillation.least_squares import Regression, fit_norm

# (mean, standard deviation) of inputs for which an activation is almost linear: the identity, or
# close to it for silu; tanh is linear around 0 only.
STRAIGHT, STRAIGHT_TANH = (4.0, 1.0), (0.0, 0.1)

# Of the map between the vocabulary tables, and of the dense kernel.
SHRINKAGE_OF_MAP, SHRINKAGE = 1e-6, 1e-3


def fit_head(wide, narrow, text, hidden, narrow_hidden):
    """Fits a head so that its logits come close to the wide model's.

    The decoder of the narrow head is its word embeddings E. The row v that the wide head multiplies
    by its decoder W becomes the z that minimizes the mean of |E z - W v|^2, where each token has
    its mean probability as weight. The dense kernel is the ridge regression of z on the narrow
    model's hidden states at the masked positions. A shift moves its output to where the activation
    is almost linear; the norm that follows removes the shift with the mean.

    Args:
        wide, narrow: `MaskedLanguageModel`, the narrow one's encoder filled.
        text: `Text`.
        hidden, narrow_hidden: lists of (batch, length, size), the last hidden states of both.
    """
    rows = [np.asarray(wide.head.transform(part)) for part in text.predicted(wide, hidden)]
    kernel, narrow_kernel = np.asarray(wide.decoder_kernel), np.asarray(narrow.decoder_kernel)
    frequencies = _mean_probabilities(rows, kernel, np.asarray(wide.head.bias))
    to_narrow = _between(kernel, narrow_kernel, frequencies)
    targets = [part @ to_narrow for part in rows]
    inputs = [np.asarray(part) for part in text.predicted(narrow, narrow_hidden)]
    _fit_dense(narrow.head, inputs, targets)
    activated = (np.asarray(narrow.head.activation(narrow.head.dense(part))) for part in inputs)
    fit_norm(narrow.head.layer_norm, activated, targets)
    # The mean difference of the logits goes into the bias.
    ours = [np.asarray(narrow.head.transform(part)) for part in inputs]
    missing = kernel @ np.concatenate(rows).mean(axis=0)
    missing -= narrow_kernel @ np.concatenate(ours).mean(axis=0)
    narrow.head.bias.assign(np.asarray(wide.head.bias) + missing)


def _between(kernel, narrow_kernel, weights):
    """Linear map of rows whose narrow logits approximate the wide ones: (wide, narrow)."""
    narrow_kernel = narrow_kernel.astype(np.float64)
    weighted = (narrow_kernel * weights[:, None]).T  # (narrow, vocab)
    gram = weighted @ narrow_kernel
    # The rows of the narrow table sum to zero, so that the matrix is singular in one direction.
    gram += SHRINKAGE_OF_MAP * np.trace(gram) / len(gram) * np.eye(len(gram))
    between = np.linalg.solve(gram, weighted @ kernel).T
    return (between - between.mean(axis=1, keepdims=True)).astype(np.float32)


def _fit_dense(head, inputs, targets):
    regression = Regression()
    for part, target in zip(inputs, targets, strict=True):
        regression.add(part, target)
    size = inputs[0].shape[1]
    kernel, bias = regression.solve(np.zeros((size, size)), SHRINKAGE)
    centre, spread = STRAIGHT_TANH if head.config.hidden_act == "tanh" else STRAIGHT
    outputs = np.concatenate([part @ kernel + bias for part in inputs])
    scale = spread / np.sqrt(np.mean(outputs**2))
    head.dense.kernel.assign(kernel * scale)
    head.dense.bias.assign(bias * scale + centre)


def _mean_probabilities(rows, kernel, bias):
    total = 0.0
    for part in rows:
        logits = tf.matmul(part, kernel, transpose_b=True) + bias
        total = total + tf.reduce_sum(tf.nn.softmax(logits), axis=0).numpy()
    # A small constant, so that no token has weight 0.
    return (total / total.sum() + 1e-6).astype(np.float32)
