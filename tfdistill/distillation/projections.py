"""Projections: learned maps of hidden states from the student's width to the teacher's."""

import keras
import numpy as np
import tensorflow as tf

from tfdistill.distillation.least_squares import Regression
from tfdistill.distillation.orthogonal_maps import random_map
from tfdistill.distillation.phases import FIXED, NONE, ORTHOGONAL, PER_LAYER
from tfdistill.distillation.signals import compute_signals
from tfdistill.models.dense import dense

STDDEV = 0.02  # of fresh kernels, as in the models' own matrices
SHRINKAGE = 1e-3  # of the least-squares fit: little text must not give large weights


class Projections:
    """The projections of one term: one for all its pairs of layers, or one for each pair.

    Args:
        kind: one of `phases.PROJECTIONS`.
        pairs: number of pairs of layers; 0 for a loss that compares no layers.
        widths: (student's hidden size, teacher's hidden size).
        name: name of the term; the layers are called `<name>_<number>`.
        seed: int, seed of the fresh kernels.

    Attributes:
        layers: list of `keras.layers.Dense`; [] if nothing is projected.
        orthogonal: the one of them that keeps angles; None without.
    """

    def __init__(self, kind, pairs, widths, name, seed):
        count = 0 if kind == NONE else pairs if kind == PER_LAYER and pairs else 1
        if kind == ORTHOGONAL and widths[0] == widths[1]:
            count = 0
        self.layers, self.orthogonal = [], None
        for number in range(count):
            layer = dense(
                widths[1],
                f"{name}_{number}",
                kernel_initializer=keras.initializers.RandomNormal(
                    stddev=STDDEV, seed=seed + number
                ),
                dtype="float32",  # whatever precision the models have
            )
            layer.build((None, None, widths[0]))
            layer.trainable = kind not in (FIXED, ORTHOGONAL)
            self.layers.append(layer)
        if kind == ORTHOGONAL and self.layers:
            (self.orthogonal,) = self.layers
            self.orthogonal.kernel.assign(random_map(widths, seed))

    def __call__(self, number, hidden):
        """Projects the student's hidden states.

        Args:
            number: index of the pair of layers; 0 for a loss that compares no layers.
            hidden: float (batch, length, student's hidden size).

        Returns:
            float (batch, length, teacher's hidden size); `hidden` itself without projections.
        """
        return self.layers[self.layer_index(number)](hidden) if self.layers else hidden

    def layer_index(self, number):
        """Index of the layer that serves a pair; one layer may serve all pairs."""
        return min(number, len(self.layers) - 1)

    def set_to(self, regressions):
        """Sets the layers to least-squares solutions.

        Args:
            regressions: list of `Regression`, one for each layer; a layer stays as it is where
                fewer than two tokens were added.
        """
        for layer, regression in zip(self.layers, regressions, strict=True):
            if regression.count >= 2:
                kernel, bias = regression.solve(np.zeros(layer.kernel.shape), SHRINKAGE)
                layer.kernel.assign(kernel)
                layer.bias.assign(bias)


def fit_projections(terms, student, teacher, batches, rows_at_once):
    """Fits the projections of several terms to the hidden states of two models.

    Args:
        terms: list of `BoundTerm`.
        student, teacher: `MaskedLanguageModel`s.
        batches: iterable of dicts of the batch's tensors.
        rows_at_once: rows that the models run on at a time.
    """
    fits = {
        term: [Regression() for _ in term.projections.layers]
        for term in terms
        if term.projections.layers and not term.projections.orthogonal
    }
    if not fits:
        return
    names = set().union(*(term.signals() for term in fits))
    for batch in batches:
        for row in range(0, len(batch["input_ids"]), rows_at_once):
            part = {name: rows[row : row + rows_at_once] for name, rows in batch.items()}
            signals = [compute_signals(model, part, names) for model in (student, teacher)]
            real = np.asarray(part["attention_mask"]) > 0  # (batch, length)
            for term, regressions in fits.items():
                for number, pair in enumerate(term.hidden_pairs(*signals, part)):
                    tokens = (np.asarray(tf.cast(hidden, tf.float32))[real] for hidden in pair)
                    regressions[term.projections.layer_index(number)].add(*tokens)
    for term, regressions in fits.items():
        term.projections.set_to(regressions)
