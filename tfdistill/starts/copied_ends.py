"""A student with its teacher's embeddings and head, and fresh layers between them."""

import numpy as np

from tfdistill.distillation.least_squares import fit_scale
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.starts.width.calibration import Text

TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


def copy_ends(teacher, student, calibration):
    """Copies the embeddings and the masked-LM head of a teacher of the same family.

    MobileBERT's transfers begin like this (Sun et al., 2020, section 3.4). If only one of the two
    models has NoNorm in place of layer normalization, the scale and shift of the student's norm
    are fitted to the output of the teacher's.

    Args:
        teacher, student: `MaskedLanguageModel`; the head is copied if both have one.
        calibration: list of training batches (see `Text`).
    """
    source, target = teacher.encoder.embeddings, student.encoder.embeddings
    for name in TABLES:
        table = getattr(target, name)
        if table is not None:
            table.assign(getattr(source, name)[: table.shape[0]])
    for part in get_model_type(student.config.model_type).starts.embedding_layers:
        if getattr(target, part) is not None:
            copy_weights(getattr(source, part), getattr(target, part))
    if type(source.layer_norm) is type(target.layer_norm):
        copy_weights(source.layer_norm, target.layer_norm)
    else:
        text = Text(calibration)
        target.layer_norm.gamma.assign(np.ones(target.layer_norm.gamma.shape))
        target.layer_norm.beta.assign(np.zeros(target.layer_norm.beta.shape))
        inputs, outputs = text.rows(text.embed(target)), text.rows(text.embed(source))
        fit_scale(target.layer_norm, inputs, outputs)
    if teacher.head is not None and student.head is not None:
        copy_weights(teacher.head, student.head)


def copy_weights(source, target):
    """Copies all weights of a layer to a layer of the same shapes.

    Args:
        source, target: Keras layers.
    """
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        ours.assign(theirs)
