"""The train steps of tasks with labels at a tiny size, for an audit of their graphs."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.cached_batches import ANSWERED, PREFIX
from tfdistill.diagnosis.train_steps import LENGTH, OF_VECTORS, ROWS, tiny_shape, tiny_step
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import (
    COMPARE,
    POOLINGS,
    ClassificationHead,
    text_head_of,
)
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import Model
from tfdistill.system import devices
from tfdistill.training.loss_scale import loss_scale_for

CLASSES = ("no", "so", "yes")
ROW, TOKENS = (ROWS,), (ROWS, LENGTH)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of task.

    Args:
        head: function of an `EncoderConfig` to the head.
        labels, weights, logits: shapes of the labels, of their weights and of the logits.
        losses: names of its losses: on the labels, and of `kd_loss` kl and mse.
        dtype: type of the labels.
        recipe: that of its steps.
        options: of the recipe.
        phase: index of the recipe's phase.
    """

    head: Callable
    labels: tuple
    weights: tuple
    logits: tuple
    losses: tuple
    dtype: tf.DType = tf.int32
    recipe: str = "kd"
    options: dict = dataclasses.field(default_factory=dict)
    phase: int = 0


def _head_of_texts(config, **options):
    return text_head_of(config)(config, **options)


_CHOICE = ("cross_entropy", "logits_kl", "logits_mse")
KINDS = {
    f"classes by {pooling}": Kind(
        functools.partial(_head_of_texts, labels=CLASSES, pooling=pooling),
        labels=ROW,
        weights=ROW,
        logits=(*ROW, len(CLASSES)),
        losses=_CHOICE,
    )
    for pooling in POOLINGS
}
KINDS["score"] = Kind(
    functools.partial(ClassificationHead, labels=()),
    labels=ROW,
    weights=ROW,
    logits=(*ROW, 1),
    losses=("squared_error", "logits_mse", "logits_mse"),
    dtype=tf.float32,
)
KINDS["tags"] = Kind(
    functools.partial(TokenHead, labels=CLASSES),
    labels=TOKENS,
    weights=TOKENS,
    logits=(*TOKENS, len(CLASSES)),
    losses=_CHOICE,
)
KINDS["spans"] = Kind(
    SpanHead,
    labels=(*ROW, 2),
    weights=ROW,
    logits=(*TOKENS, 2),
    losses=("span_cross_entropy", "span_kl", "span_mse"),
)
KINDS["vectors"] = Kind(
    EmbeddingHead,
    labels=ROW,
    weights=ROW,
    logits=(*ROW, tiny_shape("bert", "gelu").hidden_size),
    losses=_CHOICE,
    dtype=tf.float32,
    recipe=OF_VECTORS,
)
# Classes of parts: of a super-student, and of DynaBERT's grid, each of whose phases is a kind.
_OF_PARTS = {
    "parts": ("autotinybert", {"super_regime": "kd", "super_terms": "logits", "sandwich": True}, 0),
    "parts by labels": ("autotinybert", {"super_regime": "mlm"}, 0),
    "parts by layers": ("autotinybert", {"super_regime": "kd", "super_terms": "layer"}, 0),
    "a grid by width": ("dynabert", {"final_share": 0.2}, 0),
    "a grid by depth": ("dynabert", {"final_share": 0.2}, 1),
    "a grid by labels": ("dynabert", {"final_share": 0.2}, 2),
}
PARTS = {
    f"classes of {_name}": dataclasses.replace(
        KINDS["classes by pooler"], recipe=_recipe, options=_options, phase=_phase
    )
    for _name, (_recipe, _options, _phase) in _OF_PARTS.items()
}
KINDS |= PARTS
LIVE, CACHED = "", "cached"
FORMS = (LIVE, "mse", CACHED, "cached, mse", "bfloat16", "float16")
# Model types with graphs of their own, which learn tasks with labels alone.
TYPES = ("roberta", "electra", "deberta-v2", "tfdistill_bilstm")
STATIC, PAIRS = "tfdistill_static", f"classes by {COMPARE}"  # the one type that compares texts
OF_TYPES = ("", ", bfloat16", ", float16")


def names():
    """Names of all train steps.

    Returns:
        list of str: "labels/KIND", and the same with one of `FORMS` after a comma; the classes by
        pooler also with one of `TYPES` in place of BERT, in `PARTS`, and what a static model can
        do.
    """
    others = [f"classes by pooler, {model_type}" for model_type in TYPES]
    others += [f"{kind}, {STATIC}" for kind in (PAIRS, "classes by mean", "vectors")]
    others += PARTS
    whole = [kind for kind in KINDS if kind not in (PAIRS, *PARTS)]
    found = [f"labels/{kind}{form and f', {form}'}" for kind in whole for form in FORMS]
    return found + [f"labels/{name}{form}" for name in others for form in OF_TYPES]


def graph(name):
    """Traces a train step as on Metal, with dropout.

    Args:
        name: one of `names`.

    Returns:
        `tf.Graph`.
    """
    name, _, form = name.removeprefix("labels/").partition(", ")
    kind = KINDS[name]
    losses = dict(zip(("labels", "kl", "mse"), kind.losses, strict=True))
    options = {"kd_loss": "mse" if "mse" in form else "kl", "alpha_vectors_mse": "mse" in form}
    recipe = recipes.get(kind.recipe, task_losses=losses, **options, **kind.options)
    last = form.rpartition(", ")[2]
    precision = last if last.endswith("16") else "float32"
    choice = devices.Choice("gpu", precision, False, True, 1, "an audit")
    with devices.numerics(choice):
        named = form.startswith((*TYPES, STATIC))
        config = tiny_shape(form.partition(", ")[0] if named else "bert", "gelu")
        if form.startswith(STATIC):
            config = dataclasses.replace(config, uncounted_ids=(0, 1), sep_token_id=1)
        student, teacher = (Model(Encoder(config), kind.head(config), seed) for seed in (1, 2))
        options = StepOptions(on_metal=True, micro_batches=2)
        distiller = Distiller(student, recipe.phases[kind.phase], teacher, options)
        step = tiny_step(distiller, loss_scale_for(precision))
    batch = {
        name: tf.TensorSpec(TOKENS, tf.int32)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    batch["labels"] = tf.TensorSpec(kind.labels, kind.dtype)
    batch["label_weights"] = tf.TensorSpec(kind.weights)
    if CACHED in form:
        batch[PREFIX + "logits"] = tf.TensorSpec(kind.logits)
    if CACHED in form and kind.logits[:2] == TOKENS:
        batch[ANSWERED] = tf.TensorSpec(TOKENS)
    numbers = tf.TensorSpec((), tf.int32), tf.TensorSpec(())
    return step.function.get_concrete_function(batch, *numbers).graph
