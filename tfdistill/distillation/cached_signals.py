"""What of a teacher can be kept on the disk for a recipe, and read in the teacher's place."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.losses.top_k import top_k_of
from tfdistill.distillation.losses.vocabulary import chunk_for
from tfdistill.distillation.schedules import Schedule
from tfdistill.distillation.signals import MASKED_ROWS, compute_signals, decoder_of
from tfdistill.distillation.terms import logit_rows
from tfdistill.system.errors import UserError

TOP_K = 64  # words of an answer that are kept; docs/PERFORMANCE.md tells what the others weigh
PREFIX = "cached/"  # of their names in a batch
KEPT_LOSSES = ("ce", "soft_ce")  # of logits
CANNOT = {
    "mse": "it needs every logit, and only the likeliest are kept",
    "attention_scores": "attention is not kept: it would take as many numbers as a row has pairs",
    "attention_maps": "attention is not kept: it would take as many numbers as a row has pairs",
    "relations": "queries, keys and values are not kept",
}


@dataclasses.dataclass(frozen=True, order=True)
class Kept:
    """One thing of the teacher's that is kept for every row.

    Args:
        kind: "answers", "hidden_states", "embeddings" or "last_hidden_state".
        rows: of answers, the tokens that answer: `TOKEN_ROWS` or `MASKED_ROWS`.
        temperature: of answers.
        index: of hidden states; those before the first layer have 0.
    """

    kind: str
    rows: str = ""
    temperature: float = 1.0
    index: int = 0

    @property
    def name(self):
        """Of its file."""
        if self.kind == "answers":
            return f"{self.rows}-{self.temperature}"
        return f"{self.kind}-{self.index}" if self.kind == "hidden_states" else self.kind


def kept_for(recipe, student, teacher):
    """What a recipe reads of its teacher.

    Args:
        recipe: a `Recipe`, its phases unfolded.
        student, teacher: EncoderConfig.

    Returns:
        list, by phase, of sorted lists of `Kept`.

    Raises:
        UserError: it reads what is not kept.
    """
    found = []
    for phase in recipe.phases:
        terms = check_phase(phase, student, teacher)
        kept = [_kept_for_term(term, phase) for term in terms if term.loss.needs_teacher]
        found.append(sorted(set().union(*kept)))
    if not any(found):
        raise UserError(
            f"--teacher_cache: nothing of a teacher is asked for by --recipe={recipe.name}; leave "
            "the flag out"
        )
    return found


def _kept_for_term(term, phase):
    name, options = term.loss_name, term.options
    if name in KEPT_LOSSES:
        temperature = options.get("temperature", 1.0)
        if isinstance(temperature, Schedule):
            raise UserError(
                "--teacher_cache cannot serve a temperature that changes (--schedules): answers "
                "are kept at one temperature; leave one of the two flags out"
            )
        rows = logit_rows(options.get("restrict_to_mask", False))[0]
        return [Kept("answers", rows, float(temperature))]
    if name == "cos":
        return [Kept("last_hidden_state")]
    if name == "embedding":
        return [Kept("embeddings")]
    if term.loss.hidden:
        return [Kept("hidden_states", index=theirs + 1) for _, theirs in term.pairs]
    why = CANNOT.get(name, "nothing that it reads is kept")
    raise UserError(
        f"--teacher_cache cannot serve the loss {name!r} of the phase {phase.name!r}: {why}; leave "
        "the flag out, or give the loss a weight of 0"
    )


def arrays_of(kept, length, masked, width, vocabulary):
    """The arrays that hold it.

    Args:
        kept: a `Kept`.
        length, masked: tokens and masked tokens in a row.
        width: of the teacher.
        vocabulary: ids that are compared.

    Returns:
        dict of names to (shape of a row's entry, dtype of NumPy).
    """
    if kept.kind != "answers":
        return {kept.name: ((length, width), np.float16)}
    tokens, k = masked if kept.rows == MASKED_ROWS else length, min(TOP_K, vocabulary - 1)
    ids = np.uint16 if vocabulary <= 2**16 else np.int32
    return {
        f"{kept.name}-ids": ((tokens, k), ids),
        f"{kept.name}-logs": ((tokens, k + 1), np.float16),
    }


class Answering:
    """Teachers that say of a batch what is kept.

    Args:
        teachers: list of `MaskedLanguageModel`; layers are those of the first.
        shares: float each, which add up to 1.
        kept: list of `Kept`.
        words: ids that the student and all of them have; None: all tables are equally long.
    """

    def __init__(self, teachers, shares, kept, words=None):
        self._teachers, self._shares, self._kept = teachers, shares, kept
        self._words = words
        self._compiled = tf.function(self._answer, autograph=False)

    def __call__(self, batch):
        """Answers a batch of NumPy arrays: a dict of those of `arrays_of`, one entry per row."""
        found = self._compiled({name: tf.constant(array) for name, array in batch.items()})
        return {name: tensor.numpy() for name, tensor in found.items()}

    def _answer(self, batch):
        rows = {each.rows for each in self._kept if each.rows}
        states = {each.kind for each in self._kept if each.kind in ("hidden_states", "embeddings")}
        first, *others = self._teachers
        shown = [compute_signals(first, batch, rows | states)]
        if rows:
            shown += [compute_signals(other, batch, rows) for other in others]
        found = {}
        for each in self._kept:
            if each.kind == "answers":
                found |= self._top_k(each, shown)
            else:
                states = shown[0][each.kind]
                found[each.name] = states[each.index] if each.kind == "hidden_states" else states
        return {name: _in_float32(tensor) for name, tensor in found.items()}

    def _top_k(self, kept, shown):
        batch, tokens, _ = shown[0][kept.rows].shape
        models = [
            (
                tf.reshape(each[kept.rows], (-1, each[kept.rows].shape[-1])),
                *decoder_of(each, self._words),
            )
            for each in shown
        ]
        vocabulary = models[0][1].shape[0]
        k, chunk = min(TOP_K, vocabulary - 1), chunk_for(vocabulary)
        ids, logs = top_k_of(models, self._shares, kept.temperature, k, chunk)
        return {
            f"{kept.name}-ids": tf.reshape(ids, (batch, tokens, k)),
            f"{kept.name}-logs": tf.reshape(logs, (batch, tokens, k + 1)),
        }


def _in_float32(tensor):
    return tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor


def cached_signals(batch):
    """The teacher's signals as a batch brings them.

    Args:
        batch: dict of the batch's tensors, those of `arrays_of` under `PREFIX`.

    Returns:
        A dict as `compute_signals` returns, but for the rows of logits: instead "answers", a dict
        of (rows, temperature) to (ids, logarithms); None when the batch brings nothing.
    """
    cached = {n.removeprefix(PREFIX): t for n, t in batch.items() if n.startswith(PREFIX)}
    if not cached:
        return None
    signals = {"answers": {}, "hidden_states": {}}
    for name, tensor in cached.items():
        kind, _, rest = name.partition("-")
        if rest.endswith("-ids"):
            temperature = rest.removesuffix("-ids")
            logs = cached[f"{kind}-{temperature}-logs"]
            signals["answers"][kind, float(temperature)] = tensor, logs
        elif kind == "hidden_states":
            signals[kind][int(rest)] = tensor
        elif not rest:
            signals[kind] = tensor
    return signals
