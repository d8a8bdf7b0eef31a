"""Maps of vectors to another width that keep angles: orthonormal columns or rows.

The map W of student's vectors s to the teacher's width is fitted once, and not trained. For a
narrower student its columns span the first principal components of the teacher's vectors t
(through the origin, as cosines are), so that W' t keeps as much of their cosines as so many
dimensions can. In this space, W is turned so that W s is as close to t as possible for the student
before its first step (orthogonal Procrustes: Schönemann, 1966). A student that is cut from its
teacher so keeps what it has.
"""

import numpy as np
import tensorflow as tf

from tfdistill.distillation.signals import LOGITS, compute_signals


def random_map(widths, seed):
    """A map from a seed alone.

    Args:
        widths: (student's width, teacher's width).
        seed: int.

    Returns:
        float32 (student's width, teacher's width); the rows are orthonormal, or the columns if the
        student is wider.
    """
    rows, columns = max(widths), min(widths)
    square, triangle = np.linalg.qr(np.random.default_rng(seed).standard_normal((rows, columns)))
    found = square * np.sign(np.diag(triangle))
    return (found if widths[0] == rows else found.T).astype(np.float32)


def fitted_map(student, teacher):
    """A map that suits two models.

    Args:
        student, teacher: float (texts, width), their vectors of the same texts.

    Returns:
        float32 (student's width, teacher's width), as of `random_map`.
    """
    student, teacher = (np.asarray(each, np.float64) for each in (student, teacher))
    width = min(student.shape[1], teacher.shape[1])
    basis = np.linalg.eigh(teacher.T @ teacher)[1][:, ::-1][:, :width]  # (teacher's width, width)
    left, _, right = np.linalg.svd(student.T @ (teacher @ basis), full_matrices=False)
    return (left @ right @ basis.T).astype(np.float32)


def fit_orthogonal_maps(terms, student, teacher_of, batches):
    """Fits the orthogonal projections of several terms to the vectors of two models.

    Args:
        terms: list of `BoundTerm`.
        student: a `Model`.
        teacher_of: function of a batch to the teacher's signals.
        batches: iterable of dicts of the batch's tensors.
    """
    layers = [term.projections.orthogonal for term in terms if term.projections.orthogonal]
    if not layers:
        return
    run = tf.function(lambda batch: compute_signals(student, batch, {LOGITS})[LOGITS])
    found = [], []
    for batch in batches:
        real = np.asarray(batch["label_weights"]) > 0
        for vectors, each in zip(found, (run(batch), teacher_of(batch)[LOGITS]), strict=True):
            vectors.append(np.asarray(tf.cast(each, tf.float32))[real])
    kernel = fitted_map(*map(np.concatenate, found))
    for layer in layers:
        layer.kernel.assign(kernel)
