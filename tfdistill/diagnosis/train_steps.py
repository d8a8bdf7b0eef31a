"""The real train steps of every recipe, at a tiny size, whose graphs can be looked at."""

import tensorflow as tf

from tfdistill import devices, recipes
from tfdistill.distillation.distiller import Distiller
from tfdistill.models.config import EncoderConfig
from tfdistill.models.heads import MaskedLanguageModel
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.step import TrainStep

# A micro-batch has more tokens, and more masked ones, than the vocabulary loss takes at once.
ROWS, LENGTH, MASKED, VOCABULARY = 8, 140, 130, 70
KINDS = ("bert", "distilbert")
PRE_TRAINING = "pre-training with LayerDrop"
# Settings of a recipe that change its graph.
VARIANTS = {
    "distilbert": {"": {}, " at masked tokens": dict(restrict_ce_to_mask=True, alpha_mse=1)}
}
# Settings that change every graph, and which are looked at for two steps that have all parts.
FORMS = {
    "whole batches": dict(micro_batches=1, precision="float32"),
    "bfloat16": dict(micro_batches=2, precision="bfloat16"),
    "float16": dict(micro_batches=2, precision="float16"),
}
IN_ALL_FORMS = (PRE_TRAINING, "distilbert/distil/bert")


def names():
    """All steps: "RECIPE AND VARIANT/PHASE/STUDENT TYPE", and the teacher's own, with LayerDrop.

    In float32 and micro-batches; some with another of `FORMS` after a comma.
    """
    found = [PRE_TRAINING]
    for recipe in recipes.names():
        for variant in VARIANTS.get(recipe, {"": {}}):
            for phase in recipes.get(recipe).phases:
                found += [f"{recipe}{variant}/{phase.name}/{kind}" for kind in KINDS]
    return found + [f"{name}, {form}" for name in IN_ALL_FORMS for form in FORMS]


def build(name):
    """Makes one of `names` as it is on Metal, with dropout.

    Args:
        name: see `names`.

    Returns:
        A `TrainStep`.
    """
    name, _, form = name.partition(", ")
    settings = FORMS.get(form, dict(micro_batches=2, precision="float32"))
    choice = devices.Choice("gpu", settings["precision"], False, True, 1, "an audit")
    metal = dict(on_metal=True, micro_batches=settings["micro_batches"])
    with devices.numerics(choice):
        if name == PRE_TRAINING:
            (phase,) = recipes.get("mlm").phases
            distiller = Distiller(_model("bert", 2), phase, layerdrop=0.5, **metal)
        else:
            variant, phase_name, kind = name.split("/")
            recipe, space, rest = variant.partition(" ")
            options = VARIANTS.get(recipe, {}).get(space + rest, {})
            phases = recipes.get(recipe, **options).phases
            (phase,) = (phase for phase in phases if phase.name == phase_name)
            distiller = Distiller(_model(kind, 1), phase, _model("bert", 2), **metal)
        return _step(distiller, loss_scale_for(choice.precision))


def trace(step):
    """The graph of a `TrainStep`: a `tf.Graph`."""
    row, masked = (ROWS, LENGTH), (ROWS, MASKED)
    batch = {
        "input_ids": tf.TensorSpec(row, tf.int32),
        "attention_mask": tf.TensorSpec(row, tf.int32),
        "masked_positions": tf.TensorSpec(masked, tf.int32),
        "masked_labels": tf.TensorSpec(masked, tf.int32),
        "masked_weights": tf.TensorSpec(masked, tf.float32),
    }
    return step.function.get_concrete_function(batch, tf.TensorSpec((), tf.int32)).graph


def _model(kind, layers):
    shape = dict(hidden_size=16, num_hidden_layers=layers, num_attention_heads=2)
    sizes = dict(vocab_size=VOCABULARY, intermediate_size=20, max_position_embeddings=LENGTH)
    dropout = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    return MaskedLanguageModel(EncoderConfig(model_type=kind, **shape, **sizes, **dropout))


def _step(distiller, loss_scale):
    optimizer = build_optimizer(
        distiller.student.trainable_variables,
        learning_rate=1e-3,
        steps=10,
        warmup_prop=0.1,
        betas=(0.9, 0.98),
        epsilon=1e-6,
        weight_decay=0.01,
        max_grad_norm=1.0,
    )
    return TrainStep(distiller, optimizer, jit_compile=False, loss_scale=loss_scale)
