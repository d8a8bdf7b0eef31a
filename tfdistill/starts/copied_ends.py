"""A student with its teacher's embeddings and head, and fresh layers between them."""

import numpy as np

from tfdistill.distillation.least_squares import fit_scale
from tfdistill.starts.width.calibration import Text

TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


def copy_ends(teacher, student, calibration):
    """Copies the embeddings and the masked-LM head, whose shapes two models share.

    As MobileBERT's transfers begin (Sun et al., 2020, section 3.4). Where the norm of one is no
    norm of the other's kind, its scale and shift are fitted to what the teacher's gives.

    Args:
        teacher, student: `MaskedLanguageModel` of one family; those without a head keep none.
        calibration: list of training batches (see `Text`).
    """
    theirs, ours = teacher.encoder.embeddings, student.encoder.embeddings
    for name in TABLES:
        table = getattr(ours, name)
        if table is not None:
            table.assign(getattr(theirs, name)[: table.shape[0]])
    for part in theirs.COPIED:
        _copy(getattr(theirs, part), getattr(ours, part))
    if type(theirs.layer_norm) is type(ours.layer_norm):
        _copy(theirs.layer_norm, ours.layer_norm)
    else:
        text = Text(calibration)
        ours.layer_norm.gamma.assign(np.ones(ours.layer_norm.gamma.shape))
        ours.layer_norm.beta.assign(np.zeros(ours.layer_norm.beta.shape))
        fit_scale(ours.layer_norm, text.rows(text.embed(ours)), text.rows(text.embed(theirs)))
    if teacher.head is not None and student.head is not None:
        _copy(teacher.head, student.head)


def _copy(source, target):
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        ours.assign(theirs)
