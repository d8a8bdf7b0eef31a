"""Which of the teachers' signals a cache stores for a recipe, and the model runs that make them."""

import tensorflow as tf

from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.losses.small_logits import SmallLogitsLoss
from tfdistill.distillation.losses.top_k import top_k_of
from tfdistill.distillation.losses.vocabulary import chunk_for
from tfdistill.distillation.signals import CachedTopK, decoder_of
from tfdistill.system.errors import UserError


def signals_to_cache(recipe, student, teacher):
    """Lists the signals that a recipe reads from its teachers.

    Args:
        recipe: a `Recipe`, its phases unfolded.
        student, teacher: `EncoderConfig`.

    Returns:
        list with one list of `CachedStates` and `CachedTopK` for each phase, sorted by name.

    Raises:
        UserError: the recipe has no teacher, or a loss that a cache cannot serve.
    """
    found = []
    for phase in recipe.phases:
        terms = [term for term in check_phase(phase, student, teacher) if term.loss.needs_teacher]
        for term in terms:
            if term.loss.not_cached:
                raise UserError(
                    f"`teacher_cache` cannot serve the loss {term.loss.name!r} of the phase "
                    f"{phase.name!r}: {term.loss.not_cached}; leave `teacher_cache` out, or give "
                    "the loss a weight of 0"
                )
        needed = {cached for term in terms for cached in term.cached_signals()}
        found.append(sorted(needed, key=lambda cached: cached.name))
    if not any(found):
        raise UserError(
            f"`teacher_cache`: `recipe`={recipe.name} does not read a teacher; leave "
            "`teacher_cache` out"
        )
    return found


def answers_suffice(*phases):
    """Whether phases read nothing of their teachers but the logits of small heads.

    Such phases need no teacher in their steps, if these logits come with the batches (see
    `data.labelled.answers`).

    Args:
        *phases: `Phase`s.

    Returns:
        bool; False for phases without a teacher, and for those that have their own.
    """
    if any(phase.own_teacher for phase in phases):
        return False
    terms = [term for phase in phases for term in phase.active_terms]
    asking = [LOSSES[term.loss] for term in terms if LOSSES[term.loss].needs_teacher]
    return bool(asking) and all(isinstance(loss, SmallLogitsLoss) for loss in asking)


class CacheableSignals:
    """Runs teachers and returns the arrays that a cache stores.

    Args:
        teachers: `Teachers`.
        cached: list of `CachedStates` and `CachedTopK`.
        vocabulary: number of token ids that the student and the teachers have.
    """

    def __init__(self, teachers, cached, vocabulary):
        self._teachers, self._cached, self._vocabulary = teachers, cached, vocabulary
        self._compiled = tf.function(self._compute, autograph=False)

    def __call__(self, batch):
        """Computes the arrays of a batch.

        Args:
            batch: dict of NumPy arrays.

        Returns:
            dict of names to NumPy arrays, int32 or float32, one entry per row (see `signals`).
        """
        found = self._compiled({name: tf.constant(array) for name, array in batch.items()})
        return {name: tensor.numpy() for name, tensor in found.items()}

    def _compute(self, batch):
        top_k = [each for each in self._cached if isinstance(each, CachedTopK)]
        states = [each for each in self._cached if not isinstance(each, CachedTopK)]
        names = {each.rows for each in top_k} | {each.signal for each in states}
        teachers = self._teachers.signals(batch, names)
        found = {}
        for each in states:
            tensor = teachers.signals[0][each.signal]
            found[each.name] = tensor[each.layer] if each.signal == "hidden_states" else tensor
        for each in top_k:
            found |= zip(each.array_names, self._top_k(each, teachers), strict=True)
        return {name: _in_float32(tensor) for name, tensor in found.items()}

    def _top_k(self, cached, teachers):
        batch, tokens, _ = teachers.signals[0][cached.rows].shape
        models = []
        for signals in teachers.signals:
            rows = tf.reshape(signals[cached.rows], (-1, signals[cached.rows].shape[-1]))
            models.append((rows, *decoder_of(signals, self._vocabulary)))
        k, chunk = cached.k(self._vocabulary), chunk_for(self._vocabulary)
        ids, logs = top_k_of(models, teachers.shares, cached.temperature, k, chunk)
        return tf.reshape(ids, (batch, tokens, k)), tf.reshape(logs, (batch, tokens, k + 1))


def _in_float32(tensor):
    return tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor
