"""The teachers of a student: their signals, live or from a cache, and the mean of several."""

import math

import tensorflow as tf

from tfdistill.data.cached_batches import PREFIX, answer_name
from tfdistill.data.spare_rows import alike
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.losses.projected_logits import log_mixture
from tfdistill.distillation.signals import (
    HEAD_SIGNALS,
    LOGITS,
    TeacherSignals,
    compute_signals,
)
from tfdistill.system.errors import UserError


class Teachers:
    """One or several teachers of one student.

    Losses of probabilities compare the student with the weighted mean of all teachers' softened
    probabilities; all other losses compare it with the first teacher. Teachers run in inference
    mode, and no gradient flows into them.

    Args:
        models: list of `MaskedLanguageModel`s with one vocabulary; widths and depths may differ.
        weights: weights of the models in the mean, one number above 0 for each; empty: all equal.

    Attributes:
        models: tuple of the models.
        shares: tuple of the weights, scaled to sum to 1.
        vocabulary: number of token ids that all models have; 0 without a model.

    Raises:
        UserError: the weights do not fit (see `shares_of`).

    Example:
        import numpy as np

        import tfdistill
        from tfdistill.distillation.teachers import Teachers

        teachers = Teachers([tfdistill.load_model("runs/mini/teacher")] * 2, weights=(3.0, 1.0))
        teachers.shares  # (0.75, 0.25)
        ids, mask = tfdistill.load_tokenizer("runs/mini/teacher").encode("A [MASK].", length=8)
        logits = teachers({"input_ids": np.array([ids]), "attention_mask": np.array([mask])})
    """

    def __init__(self, models, weights=()):
        self.models = tuple(models)
        self.shares = shares_of(len(self.models), weights) if self.models else ()
        self.vocabulary = min((each.config.vocab_size for each in self.models), default=0)

    @classmethod
    def of(cls, teacher):
        """`Teachers` from what users pass: `Teachers`, a single model, or None."""
        if isinstance(teacher, cls):
            return teacher
        return cls(() if teacher is None else (teacher,))

    @property
    def first(self):
        """The first model, whose layers are compared; None without a model."""
        return self.models[0] if self.models else None

    def freeze(self):
        """Marks the models as not trainable."""
        for model in self.models:
            model.trainable = False

    def signals(self, batch, names):
        """Runs the teachers on a batch.

        Args:
            batch: dict of the batch's tensors.
            names: names of signals (see `compute_signals`).

        Returns:
            `TeacherSignals`.
        """
        found = [compute_signals(self.first, batch, names)]
        if head := HEAD_SIGNALS & set(names):
            found += [compute_signals(model, batch, head) for model in self.models[1:]]
        found = tf.nest.map_structure(tf.stop_gradient, found)
        return TeacherSignals(tuple(found), self.shares, self.vocabulary)

    def require_tokens_of(self, student):
        """Refuses a student with a vocabulary of its own: the teachers read the same token ids.

        Args:
            student: a `Model`.

        Raises:
            UserError: the sizes of the vocabularies differ.
        """
        sizes = self.first.config.vocab_size, student.config.vocab_size
        if not alike(*sizes):
            raise UserError(
                f"`teacher`: its vocabulary has {sizes[0]} tokens and the student's {sizes[1]}, so "
                "that its answers must be computed with its own tokenizer, before the training"
            )

    def cached_signals(self, batch, cached):
        """Takes the teachers' signals from a batch that brings them from a cache.

        Args:
            batch: dict of the batch's tensors, cached arrays under `PREFIX`.
            cached: iterable of `CachedStates`, `CachedTopK` and `CachedLogits`.

        Returns:
            `TeacherSignals`.
        """
        arrays = {
            name.removeprefix(PREFIX): tensor
            for name, tensor in batch.items()
            if name.startswith(PREFIX)
        }
        signals = {}
        for each in cached:
            each.restore(signals, arrays)
        names = [answer_name(number) for number in range(1, len(self.models))]
        others = tuple({LOGITS: batch[name]} for name in names if name in batch)
        shares = self.shares if others else (1.0,)
        return TeacherSignals((signals, *others), shares, self.vocabulary)

    def __call__(self, batch, taps=(), layers=None):
        """Scores a batch with the mean of the models, as an evaluation needs it.

        Args:
            batch: dict of the batch's tensors, with masked_positions.
            taps: (): nothing but the logits is returned.
            layers: indices of the layers to run; None for all.

        Returns:
            dict of `logits`, float32 (batch, masked, vocabulary): logarithms of the mean of the
            models' probabilities.
        """
        logits = [model(batch, taps=taps, layers=layers)["logits"] for model in self.models]
        logits = [tf.cast(each, tf.float32)[..., : self.vocabulary] for each in logits]
        return {"logits": log_mixture(logits, self.shares, axis=-1)}

    def check(self, phase):
        """Checks that a phase can learn from all of these teachers.

        Args:
            phase: a `Phase`.

        Raises:
            UserError: a loss allows one teacher only, or the teachers have no common probabilities.
        """
        if len(self.models) < 2:
            return
        for term in phase.active_terms:
            if reason := LOSSES[term.loss].refuses_several_teachers:
                raise UserError(
                    f"`teacher`: the loss {term.loss!r} {reason}; name one teacher, or give the "
                    "loss a weight of 0"
                )
        for number, model in enumerate(self.models[1:], 2):
            sizes = model.config.vocab_size, self.first.config.vocab_size
            if not alike(*sizes):
                raise UserError(
                    f"`teacher`: the vocabulary of teacher {number} has {sizes[0]} tokens, that of "
                    f"the first {sizes[1]}: several teachers must share one vocabulary; leave one "
                    "of the two out"
                )
            if model.head is None:
                raise UserError(
                    f"`teacher`: teacher {number} has no masked-LM head, and without one it has no "
                    "probabilities; use a checkpoint with the head (…ForMaskedLM)"
                )


def shares_of(teachers, weights=()):
    """Shares of several teachers in their mean.

    Args:
        teachers: number of teachers, at least 1.
        weights: one number for each; empty: all equal.

    Returns:
        tuple of float that sum to 1.

    Raises:
        UserError: there is not one weight for each teacher, or a weight is not above 0.
    """
    weights = tuple(weights) or (1.0,) * teachers
    if len(weights) != teachers or not all(w > 0 and math.isfinite(w) for w in weights):
        raise UserError(
            f"`teacher_weights`={','.join(f'{w:g}' for w in weights)}: give one number above 0 for "
            f"each of {teachers} teachers"
        )
    return tuple(weight / sum(weights) for weight in weights)


def has_cached_signals(batch):
    """Whether a batch brings the teachers' signals from a cache."""
    return any(name.startswith(PREFIX) for name in batch)
