"""The losses a recipe can name: which signals each compares, over which elements it is a mean."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfdistill.distillation.losses import basic, layers
from tfdistill.distillation.losses.top_k import TOP_K_KL, TOP_K_SOFT_CROSS_ENTROPY
from tfdistill.distillation.losses.vocabulary import (
    KL,
    SOFT_CROSS_ENTROPY,
    SQUARED_DISTANCE,
    cross_entropy,
    vocabulary_loss,
)
from tfdistill.distillation.phases import ATTENTION_HEADS
from tfdistill.distillation.signals import MASKED_ROWS, TOKEN_ROWS, decoder_of
from tfdistill.system.errors import UserError

TOKENS, MASKED = "attention_mask", "masked_weights"
RELATIONS = ("queries", "keys", "values")
OF_TOP_K = {KL: TOP_K_KL, SOFT_CROSS_ENTROPY: TOP_K_SOFT_CROSS_ENTROPY}


@dataclasses.dataclass(frozen=True)
class Sides:
    """What a loss compares.

    Args:
        student, teacher: dicts of signals; the teacher's may be None.
        batch: dict of the batch's tensors.
        normalizer: float scalar, the number of valid elements that the mean runs over.
        pairs: (student's layer, teacher's layer) of a loss of layers.
        project: function of a pair's number and a student's hidden states (batch, length, hidden)
            to those in the teacher's width.
        others: dicts of signals of the other teachers, of whom logits are read.
        shares: of all teachers, the first included, which add up to 1.
        words: ids that the tables of all models have, which are compared; None: equal tables.
    """

    student: Mapping
    teacher: Mapping | None
    batch: Mapping
    normalizer: tf.Tensor
    pairs: tuple[tuple[int, int], ...] = ()
    project: Callable | None = None
    others: tuple[Mapping, ...] = ()
    shares: tuple[float, ...] = ()
    words: int | None = None


@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss by name.

    Args:
        compute: (`Sides`, **options) to a scalar.
        signals: options to the names of the signals that both models must show.
        count: (batch, **options) to the number of valid elements, a float32 scalar.
        needs_teacher: whether the teacher's signals are read.
        needs_head: whether the masked-LM heads are read.
        same_heads: whether both must have as many attention heads.
        of_layers: whether layers are compared, those that the term's map names.
        below_top: whether of these the student's last layer is left out.
        hidden: (`Sides`) to a list of the pairs of hidden states (student's, teacher's) that are
            compared, where a projection can stand between them; else None.
        check: (student's config, teacher's config, **options), raises `UserError`.
    """

    compute: Callable
    signals: Callable
    count: Callable
    needs_teacher: bool = True
    needs_head: bool = False
    same_heads: bool = False
    of_layers: bool = False
    below_top: bool = False
    hidden: Callable | None = None
    check: Callable = lambda student, teacher, **options: None


def _masked_lm(sides):
    rows = sides.student[MASKED_ROWS]  # (batch, masked, hidden)
    return cross_entropy(
        student=(tf.reshape(rows, (-1, rows.shape[-1])), *sides.student["decoder"]),
        labels=tf.reshape(sides.batch["masked_labels"], (-1,)),
        weights=tf.reshape(sides.batch["masked_weights"], (-1,)),
        normalizer=sides.normalizer,
    )


def logit_rows(restrict_to_mask):
    """(Rows of the tokens whose logits are compared, the key of their weights in a batch)."""
    return (MASKED_ROWS, MASKED) if restrict_to_mask else (TOKEN_ROWS, TOKENS)


def _between_logits(loss, sides, restrict_to_mask, temperature=1.0):
    rows, valid = logit_rows(restrict_to_mask)

    def projection(signals):
        width = signals[rows].shape[-1]
        return tf.reshape(signals[rows], (-1, width)), *decoder_of(signals, sides.words)

    options = {}
    if "answers" in sides.teacher:  # which are kept at this temperature
        loss = OF_TOP_K[loss]
        said = sides.teacher["answers"][rows, temperature]
        options["targets"] = [tf.reshape(each, (-1, each.shape[-1])) for each in said]
    else:
        options["teachers"] = [projection(each) for each in (sides.teacher, *sides.others)]
        options["shares"] = sides.shares
    return vocabulary_loss(
        loss=loss,
        student=projection(sides.student),
        weights=tf.reshape(sides.batch[valid], (-1,)),
        normalizer=sides.normalizer,
        temperature=temperature,
        **options,
    )


def _kl(sides, temperature=1.0, restrict_to_mask=False):
    value = _between_logits(KL, sides, restrict_to_mask, temperature)
    return temperature**2 * value


def _soft_cross_entropy(sides, temperature=1.0, restrict_to_mask=False):
    return _between_logits(SOFT_CROSS_ENTROPY, sides, restrict_to_mask, temperature)


def _logits_mse(sides, restrict_to_mask=False):
    return _between_logits(SQUARED_DISTANCE, sides, restrict_to_mask)


def _last_hidden(sides):
    return [(sides.student["last_hidden_state"], sides.teacher["last_hidden_state"])]


def _embeddings(sides):
    return [(sides.student["embeddings"], sides.teacher["embeddings"])]


def _layers_hidden(sides):
    student, teacher = sides.student["hidden_states"], sides.teacher["hidden_states"]
    # The embeddings stand before the layers.
    return [(student[ours + 1], teacher[theirs + 1]) for ours, theirs in sides.pairs]


def _between_hidden(loss, hidden, sides, **options):
    """A list of the loss of each pair of hidden states."""
    return [
        loss(
            student_hidden=sides.project(number, student),
            teacher_hidden=teacher,
            normalizer=sides.normalizer,
            **options,
        )
        for number, (student, teacher) in enumerate(hidden(sides))
    ]


def _cosine(sides):
    weights = sides.batch[TOKENS]
    return _between_hidden(basic.cosine_distance, _last_hidden, sides, weights=weights)[0]


def _sum_between(loss, hidden, sides):
    return tf.add_n(_between_hidden(loss, hidden, sides, mask=sides.batch[TOKENS]))


def _patient(sides, over_width="mean"):
    options = {"mask": sides.batch[TOKENS], "over_width": over_width}
    values = _between_hidden(layers.patient_distance, _layers_hidden, sides, **options)
    return tf.add_n(values) / len(values)


def _attention(loss, sides):
    return tf.add_n(
        [
            loss(
                student_scores=sides.student["attention_scores"][student],
                teacher_scores=sides.teacher["attention_scores"][teacher],
                mask=sides.batch[TOKENS],
                normalizer=sides.normalizer,
            )
            for student, teacher in sides.pairs
        ]
    )


def _relations(sides, relations, relation_heads=0):
    return tf.add_n(
        [
            layers.relation_kl(
                student_vectors=sides.student[name][student],
                teacher_vectors=sides.teacher[name][teacher],
                mask=sides.batch[TOKENS],
                relation_heads=_relation_heads(sides, name, relation_heads),
                normalizer=sides.normalizer,
            )
            for student, teacher in sides.pairs
            for name in relations
        ]
    )


def _relation_heads(sides, name, asked):
    student, teacher = (signals[name][0].shape for signals in (sides.student, sides.teacher))
    if asked == ATTENTION_HEADS:
        return student[1]
    return asked or layers.relation_heads_for(student[1] * student[3], teacher[1] * teacher[3])


def _check_patient(student, teacher, over_width="mean"):
    if over_width not in ("mean", "sum"):
        raise UserError(f"--recipe: the loss 'patient': over_width is mean or sum: {over_width!r}")


def _check_relations(student, teacher, relations, relation_heads=0):
    if isinstance(relations, str) or not set(relations) <= set(RELATIONS) or not relations:
        raise UserError(
            f"--recipe: the loss 'relations' takes some of {RELATIONS}, not {relations!r}"
        )
    if relation_heads == ATTENTION_HEADS:
        heads = student.num_attention_heads, teacher.num_attention_heads
        if heads[0] != heads[1]:
            raise UserError(
                f"--student_config: relations of attention heads need as many as the teacher's "
                f"{heads[1]}, the student has {heads[0]}; --recipe=minilm compares any"
            )
        return
    for model, config in {"student": student, "teacher": teacher}.items():
        if relation_heads and config.hidden_size % relation_heads:
            raise UserError(
                f"--relation_heads={relation_heads} does not divide the {model}'s width of "
                f"{config.hidden_size}: 0 takes the largest that divides both widths"
            )


def _row_signals(restrict_to_mask=False, **_):
    return (logit_rows(restrict_to_mask)[0],)


def _count_logits(batch, restrict_to_mask=False, **_):
    return _total(batch[logit_rows(restrict_to_mask)[1]])


def _count_tokens(batch, **_):
    return _total(batch[TOKENS])


def _total(weights):
    return tf.reduce_sum(tf.cast(weights, tf.float32))


def _logits(compute):
    return Loss(compute, signals=_row_signals, count=_count_logits, needs_head=True)


def _of_hidden(loss):
    return Loss(
        lambda sides: _sum_between(loss, _layers_hidden, sides),
        signals=lambda: ("hidden_states",),
        count=_count_tokens,
        hidden=_layers_hidden,
        of_layers=True,
    )


def _of_attention(loss):
    return Loss(
        lambda sides: _attention(loss, sides),
        signals=lambda: ("attention_scores",),
        count=(
            _count_tokens
            if loss is layers.attention_kl
            else lambda batch: layers.token_pairs(batch[TOKENS])
        ),
        same_heads=True,
        of_layers=True,
    )


LOSSES = {
    "mlm": Loss(
        _masked_lm,
        signals=lambda: (MASKED_ROWS,),
        count=lambda batch: _total(batch[MASKED]),
        needs_teacher=False,
        needs_head=True,
    ),
    "ce": _logits(_kl),
    "soft_ce": _logits(_soft_cross_entropy),
    "mse": _logits(_logits_mse),
    "cos": Loss(_cosine, signals=lambda: (), count=_count_tokens, hidden=_last_hidden),
    "embedding": Loss(
        lambda sides: _sum_between(layers.hidden_mse, _embeddings, sides),
        signals=lambda: ("embeddings",),
        count=_count_tokens,
        hidden=_embeddings,
    ),
    "hidden": _of_hidden(layers.hidden_mse),
    "feature_map": _of_hidden(layers.feature_map_mse),
    "feature_mean": _of_hidden(layers.feature_mean_mse),
    "feature_variance": _of_hidden(layers.feature_variance_distance),
    "patient": Loss(
        _patient,
        signals=lambda **_: ("hidden_states",),
        count=lambda batch, **_: _total(layers.real_rows(batch[TOKENS])),
        hidden=_layers_hidden,
        of_layers=True,
        below_top=True,
        check=_check_patient,
    ),
    "attention_scores": _of_attention(layers.attention_scores_mse),
    "attention_maps": _of_attention(layers.attention_kl),
    "relations": Loss(
        _relations,
        signals=lambda relations, **_: relations,
        count=_count_tokens,
        of_layers=True,
        check=_check_relations,
    ),
}
