"""The train steps of all recipes at a tiny size, for an audit of their graphs."""

import functools

import numpy as np
import tensorflow as tf

from tfdistill import recipes
from tfdistill.data.sentence_pairs import LABELS, WEIGHTS
from tfdistill.distillation.cached_signals import signals_to_cache
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.progressive import unfold
from tfdistill.distillation.signals import RowSizes
from tfdistill.distillation.teachers import PREFIX, Teachers
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.heads.classification import POOLER
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.recipes.next_sentence import with_next_sentence
from tfdistill.system import devices
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

# A micro-batch has more tokens, and more masked tokens, than a chunk of the vocabulary loss.
ROWS, LENGTH, MASKED, VOCABULARY = 32, 40, 36, 70
KINDS = ("bert", "distilbert")
DEPTH = 2
# Recipes with a MobileBERT without norms as student, and an inverted-bottleneck teacher.
MOBILEBERT = ("mobilebert_akt", "mobilebert_jkt", "mobilebert_pkt")
PRE_TRAINING = "pre-training with LayerDrop"
OF_VECTORS = "sentence"  # a recipe of models without logits of tokens
OF_LABELS = (OF_VECTORS, "dynabert")  # recipes that masked LM does not have: see `label_steps`
OF_MOBILEBERT = (f"{PRE_TRAINING}/ib_bert", "mobilebert_akt/distil/mobilebert_with_norms")
SHAPES = {
    "mobilebert": "H-8_B-16_A-2_F-2_I-20_E-8_OPT",
    "mobilebert_with_norms": "H-8_B-16_A-2_F-2_I-20_E-8",
    "ib_bert": "H-24_B-16_A-2_F-1_E-8",
}
PAIRS = " with pairs"  # of segments: a recipe with the prediction of the next sentence
# Settings of a recipe that change its graph.
VARIANTS = {
    "autotinybert": {
        "": {},
        " from a teacher": dict(super_regime="kd", sandwich=True),
        " with logits": dict(super_regime="kd", super_terms="logits"),
    },
    "distilbert": {
        "": {},
        " at masked tokens": dict(restrict_ce_to_mask=True, alpha_mse=1),
        " scheduled": dict(schedules="alpha_ce=linear:5:1,temperature=cosine:4:1"),
        PAIRS: {},
    },
    "pkd": {"": {}, " summed": dict(pt_over_width="sum", projection="shared")},
    "tinybert": {"": {}, " per layer": dict(projection="per_layer")},
}
# Settings that change every graph; they are audited for steps that have all parts.
FORMS = {
    "whole batches": {"micro_batches": 1},
    "remat": {"remat": True},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "two teachers": {"teachers": 2},
    "cached": {"cached": True},
    "cached, bfloat16": {"cached": True, "precision": "bfloat16"},
}
OF_TEACHERS = ("two teachers", "cached", "cached, bfloat16")
IN_ALL_FORMS = (PRE_TRAINING, "distilbert/distil/bert", "distilbert at masked tokens/distil/bert")
IN_SIXTEEN_BITS = ("tinybert/general/bert", "minilm/relations/bert", "pkd/distil/bert")
IN_SIXTEEN_BITS += ("mobilebert_akt/distil/mobilebert",)
# The activations of Hugging Face's configs; 16 bits have fewer kernels.
ACTIVATIONS = {
    f"{activation}, bfloat16": {"hidden_act": activation, "precision": "bfloat16"}
    for activation in ("gelu_new", "relu", "silu", "tanh")
}


def names():
    """Names of all train steps: "RECIPE AND VARIANT/PHASE/STUDENT TYPE", and `PRE_TRAINING`.

    By default a step has float32, two micro-batches and gelu; one of `FORMS` or `ACTIVATIONS` may
    follow after a comma. A phase of several recipes (masked LM, the head) has one name.

    Returns:
        list of str.
    """
    found, known = [PRE_TRAINING], []
    for recipe in (name for name in recipes.names() if name not in OF_LABELS):
        for variant, options in VARIANTS.get(recipe, {"": {}}).items():
            kinds = ("mobilebert",) if recipe in MOBILEBERT else KINDS
            kinds = ("bert",) if variant == PAIRS else kinds
            for phase in _phases(recipe, options, variant):
                graph = phase.terms, phase.trainable, phase.parts
                if graph not in known:
                    known.append(graph)
                    found += [f"{recipe}{variant}/{phase.name}/{kind}" for kind in kinds]
    found += [
        f"{name}, {form}" for name in IN_ALL_FORMS for form in FORMS if form not in OF_TEACHERS
    ]
    found += [f"distilbert/distil/bert, {form}" for form in OF_TEACHERS]
    found += ["pkd/distil/bert, cached", *OF_MOBILEBERT]
    found += [f"{name}, {kind}" for name in IN_SIXTEEN_BITS for kind in ("bfloat16", "float16")]
    return found + [f"mlm/mlm/bert, {activation}" for activation in ACTIVATIONS]


def build(name, on_metal=True):
    """Makes a train step as on Metal, with dropout.

    Args:
        name: one of `names`.
        on_metal: whether to use only operators that Metal has.

    Returns:
        A `TrainStep`.
    """
    name, _, form = name.partition(", ")
    settings = _settings(form)
    choice = devices.Choice("gpu", settings["precision"], False, True, 1, "an audit")
    metal = dict(
        on_metal=on_metal, micro_batches=settings["micro_batches"], remat=settings["remat"]
    )
    pooling = POOLER if PAIRS in name else ""
    model = functools.partial(_model, hidden_act=settings["hidden_act"], next_sentence=pooling)
    with devices.numerics(choice):
        if name.startswith(PRE_TRAINING):
            (phase,), kind = recipes.get("mlm").phases, name.partition("/")[2] or "bert"
            distiller = Distiller(model(kind), phase, options=StepOptions(layerdrop=0.5, **metal))
        else:
            variant, phase_name, kind = name.split("/")
            recipe, space, rest = variant.partition(" ")
            options = VARIANTS.get(recipe, {}).get(space + rest, {})
            phases = _phases(recipe, options, space + rest)
            (phase,) = (phase for phase in phases if phase.name == phase_name)
            teacher = model("ib_bert" if kind.startswith("mobilebert") else "bert")
            others = [model("bert") for _ in range(1, settings["teachers"])]
            teachers = Teachers([teacher, *others])
            options = StepOptions(steps=10, **metal)
            distiller = Distiller(model(kind), phase, teachers, options)
        return tiny_step(distiller, loss_scale_for(choice.precision))


def trace(name, step):
    """Traces a train step.

    Args:
        name: one of `names`.
        step: the result of `build`.

    Returns:
        `tf.Graph`.
    """
    row, masked = (ROWS, LENGTH), (ROWS, MASKED)
    batch = {
        "input_ids": tf.TensorSpec(row, tf.int32),
        "attention_mask": tf.TensorSpec(row, tf.int32),
        "masked_positions": tf.TensorSpec(masked, tf.int32),
        "masked_labels": tf.TensorSpec(masked, tf.int32),
        "masked_weights": tf.TensorSpec(masked, tf.float32),
    }
    if PAIRS in name:
        batch |= {
            "token_type_ids": tf.TensorSpec(row, tf.int32),
            LABELS: tf.TensorSpec(ROWS, tf.int32),
            WEIGHTS: tf.TensorSpec(ROWS, tf.float32),
        }
    if _settings(name.partition(", ")[2])["cached"]:
        batch |= _cached(name)
    numbers = tf.TensorSpec((), tf.int32), tf.TensorSpec(())
    return step.function.get_concrete_function(batch, *numbers).graph


def _settings(form):
    usual = dict(micro_batches=2, precision="float32", hidden_act="gelu", remat=False)
    usual |= dict(teachers=1, cached=False)
    return usual | {**FORMS, **ACTIVATIONS}.get(form, {})


def _cached(name):
    """Specifications of the cached signals in a batch: dict of names to `tf.TensorSpec`."""
    recipe, phase, _ = name.split("/")
    recipe, shape = recipes.get(recipe), tiny_shape("bert", "gelu")
    number = [each.name for each in recipe.phases].index(phase)
    sizes = RowSizes(LENGTH, MASKED, shape.hidden_size, VOCABULARY)
    found = {}
    for cached in signals_to_cache(recipe, shape, shape)[number]:
        for key, (entry, dtype) in cached.arrays(sizes).items():
            dtype = tf.float32 if np.dtype(dtype).kind == "f" else tf.int32
            found[PREFIX + key] = tf.TensorSpec((ROWS, *entry), dtype)
    return found


def _phases(recipe, options, variant):
    made = recipes.get(recipe, **options)
    made = with_next_sentence(made, alpha=1.0) if variant == PAIRS else made
    return unfold(made, DEPTH, DEPTH).phases


def _model(kind, hidden_act, next_sentence):
    if kind in SHAPES:
        config = named_config(f"L-{DEPTH}_{SHAPES[kind]}", "mobilebert", VOCABULARY)
        return MaskedLanguageModel(config.with_dropout(0.1))
    return MaskedLanguageModel(tiny_shape(kind, hidden_act), next_sentence=next_sentence)


def tiny_shape(kind, hidden_act):
    """The `EncoderConfig` of a tiny model.

    Args:
        kind: its model type.
        hidden_act: its activation.
    """
    shape = dict(hidden_size=16, num_hidden_layers=DEPTH, num_attention_heads=2)
    # Two positions of a RoBERTa belong to no token.
    sizes = dict(vocab_size=VOCABULARY, intermediate_size=20, max_position_embeddings=LENGTH + 2)
    dropout = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    own = {"position_buckets": 8} if kind == "deberta-v2" else {}
    own |= {"compares_pairs": True} if kind == "tfdistill_bilstm" else {}
    own |= get_model_type(kind).hugging_face.constants
    values = {**shape, **sizes, **dropout, **own}
    return get_model_type(kind).config(model_type=kind, hidden_act=hidden_act, **values)


def tiny_step(distiller, loss_scale):
    """A `TrainStep` that is not compiled.

    Args:
        distiller: a `Distiller`.
        loss_scale: see `TrainStep`.
    """
    optimizer = build_optimizer(
        distiller.trained_variables,
        OptimizerSettings(
            learning_rate=1e-3,
            steps=10,
            warmup_prop=0.1,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.01,
            max_grad_norm=1.0,
        ),
    )
    return TrainStep(distiller, optimizer, jit_compile=False, loss_scale=loss_scale)
