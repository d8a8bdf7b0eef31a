"""The real train steps of every recipe, at a tiny size, whose graphs can be looked at."""

import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller
from tfdistill.models.config import EncoderConfig
from tfdistill.models.heads import MaskedLanguageModel
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.step import TrainStep

ROWS, LENGTH, MASKED, VOCABULARY = 8, 12, 5, 70
KINDS = ("bert", "distilbert")
METAL = {"micro_batches": 2, "on_metal": True}
# Settings of a recipe that change its graph.
VARIANTS = {
    "distilbert": {"": {}, " at masked tokens": dict(restrict_ce_to_mask=True, alpha_mse=1)}
}


def names():
    """All steps: "RECIPE AND VARIANT/PHASE/STUDENT TYPE", and the teacher's own, with LayerDrop."""
    found = ["pre-training with LayerDrop"]
    for recipe in recipes.names():
        for variant in VARIANTS.get(recipe, {"": {}}):
            for phase in recipes.get(recipe).phases:
                found += [f"{recipe}{variant}/{phase.name}/{kind}" for kind in KINDS]
    return found


def build(name):
    """Makes one of `names` as it is on Metal, with dropout and two micro-batches.

    Args:
        name: see `names`.

    Returns:
        A `TrainStep`.
    """
    if name == "pre-training with LayerDrop":
        (phase,) = recipes.get("mlm").phases
        return _step(Distiller(_model("bert", 2), phase, layerdrop=0.5, **METAL))
    variant, phase_name, kind = name.split("/")
    recipe, space, rest = variant.partition(" ")
    options = VARIANTS.get(recipe, {}).get(space + rest, {})
    phases = recipes.get(recipe, **options).phases
    (phase,) = (phase for phase in phases if phase.name == phase_name)
    return _step(Distiller(_model(kind, 1), phase, _model("bert", 2), **METAL))


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


def _step(distiller):
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
    return TrainStep(distiller, optimizer, jit_compile=False)
