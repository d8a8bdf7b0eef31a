"""Students that start from their teacher: its layers, cut to the student's depth and width."""

import dataclasses

import numpy as np

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.models.tables import with_rows
from tfdistill.starts.compatibility import (
    CALIBRATED_WIDTHS,
    EMBEDDINGS,
    check_vocabularies,
    choose_layers,
    is_narrower,
    split_start,
)
from tfdistill.starts.copied_ends import copy_ends, copy_weights
from tfdistill.starts.width.calibration import full_precision
from tfdistill.starts.width.width import narrowed

SORTED = "importance"  # the method that sorts units where none is left out
DEFAULT_WIDTH = "pca"  # the method with the lowest measured loss before training


def initialize_student(
    teacher,
    config,
    init="every_other",
    validation_loss=None,
    seed=0,
    calibration=None,
    with_head=None,
):
    """Makes a student of some of its teacher's layers, narrowed if the student is narrower.

    A student as wide as its teacher copies whole layers, the embeddings and the masked-LM head,
    and as many positions as it has. Between BERT and DistilBERT the start computes the same
    function for texts of one segment: a DistilBERT student adds the teacher's token type 0 to its
    positions, and the token types of a BERT student of a DistilBERT are zero. A narrower student
    is made from a copy of the teacher's width.

    Args:
        teacher: `MaskedLanguageModel`.
        config: EncoderConfig of the student: no wider than the teacher, and of the same
            vocabulary; its table may have another number of spare rows (see `data.spare_rows`).
        init: DEPTH or DEPTH:WIDTH. DEPTH is a depth map or an explicit list (see `depth_map`);
            "random" for fresh weights; "embeddings" for fresh layers between the teacher's
            embeddings and its head (see `copy_ends`); or "search" for the teacher layers with the
            lowest validation loss when the others are skipped. WIDTH, for a narrower student, is
            one of `WIDTHS`; `DEFAULT_WIDTH` if it is left out. "importance" also sorts the units of
            a student of the teacher's width, whose parts are then the best of their size.
        validation_loss: for "search": a function of a tuple of teacher layers, to be run in this
            order with the others skipped, to a float.
        seed: int, of the fresh weights, and of the random directions that measure importance in
            a model without head.
        calibration: list of training batches, dicts of NumPy arrays (see `data.masking`), on
            which "importance" and "pca" measure the teacher. Needed only for a narrower student,
            and by "embeddings" between different kinds of norms.
        with_head: whether the student has a masked-LM head, which is fresh if the teacher has
            none. None: if the teacher has one; with "random" and "embeddings", always.

    Returns:
        `MaskedLanguageModel`.

    Raises:
        UserError: the student's config does not allow this start.
        ValueError: `calibration` or `validation_loss` is needed, but missing.

    Example:
        import dataclasses

        import tfdistill

        teacher = tfdistill.load_model("runs/mini/teacher")
        shape = dataclasses.replace(teacher.config, num_hidden_layers=1)
        student = tfdistill.initialize_student(teacher, shape, init="last")
    """
    if init != "random" and config.vocab_size != teacher.config.vocab_size:
        check_vocabularies(teacher.config, config)
        as_long = dataclasses.replace(config, vocab_size=teacher.config.vocab_size)
        student = initialize_student(
            teacher, as_long, init, validation_loss, seed, calibration, with_head
        )
        return with_rows(student, config)
    layers = choose_layers(teacher.config, config, init, validation_loss)
    if layers is None:
        student = MaskedLanguageModel(config, with_head=with_head is not False, seed=seed)
        if init == EMBEDDINGS:
            copy_ends(teacher, student, calibration)
        return student
    if with_head is None:
        with_head = teacher.head is not None
    fresh = with_head and teacher.head is None
    student = MaskedLanguageModel(config, with_head=with_head, seed=seed if fresh else None)
    if is_narrower(teacher.config, config) or split_start(init)[1] == SORTED:
        narrow = _narrow_copy(teacher, config, layers, init, calibration, seed)
        copy_weights(narrow.encoder, student.encoder)
        _copy_head(narrow, student)
    else:
        _copy_layers(teacher, student, layers)
    return student


def _narrow_copy(teacher, config, layers, init, calibration, seed):
    """Some of the teacher's layers, narrowed: a model in float32."""
    width = split_start(init)[1] or DEFAULT_WIDTH
    if width in CALIBRATED_WIDTHS and not calibration:
        raise ValueError(f'init="{init}" needs calibration: a list of batches of training text')
    # Regressions and importance need float32, whatever the precision of training.
    with full_precision():
        fields = get_model_type(config.model_type).starts.narrower
        fields = (*fields, "attention_head_size")
        wide = {name: getattr(teacher.config, name) for name in fields}
        cut = MaskedLanguageModel(
            dataclasses.replace(config, **wide), with_head=teacher.head is not None, seed=None
        )
        _copy_layers(teacher, cut, layers)
        return narrowed(cut, config, width, calibration, seed)


def _copy_layers(teacher, student, layers):
    """Copies layers, embeddings and head of a teacher to a student of its width."""
    _copy_embeddings(teacher.encoder.embeddings, student.encoder.embeddings)
    for block, layer in zip(student.encoder.blocks, layers, strict=True):
        copy_weights(teacher.encoder.blocks[layer], block)
    _copy_head(teacher, student)


def _copy_head(source, target):
    if source.head is not None and target.head is not None:
        copy_weights(source.head, target.head)


def _copy_embeddings(source, target):
    target.word_embeddings.assign(source.word_embeddings)
    if target.position_embeddings is not None:
        _copy_positions(source, target)
    for part in ("layer_norm", *get_model_type(target.config.model_type).starts.embedding_layers):
        if getattr(target, part) is not None:
            copy_weights(getattr(source, part), getattr(target, part))


def _copy_positions(source, target):
    positions = source.position_embeddings[: target.position_embeddings.shape[0]]
    types = source.token_type_embeddings
    if target.token_type_embeddings is None:
        if types is not None:
            positions = positions + types[:1]
    elif types is not None:
        target.token_type_embeddings.assign(types[: target.token_type_embeddings.shape[0]])
    else:
        target.token_type_embeddings.assign(np.zeros(target.token_type_embeddings.shape))
    target.position_embeddings.assign(positions)
