"""The student's start: a teacher cut to the student's depth and width."""

import dataclasses

import numpy as np

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.models.tables import with_rows
from tfdistill.starts.copied_ends import copy_ends
from tfdistill.starts.start_layers import (
    CALIBRATED_WIDTHS,
    EMBEDDINGS,
    check_vocabularies,
    choose_layers,
    is_narrower,
    split_start,
)
from tfdistill.starts.width.calibration import full_precision
from tfdistill.starts.width.width import narrowed

DEFAULT_WIDTH = "pca"  # the lowest loss before training of all that were measured


def initialize_student(
    teacher,
    config,
    init="every_other",
    validation_loss=None,
    seed=0,
    calibration=None,
    with_head=None,
):
    """Make a student out of some of its teacher's layers, narrowed where it is narrower.

    A student of its teacher's shape copies the layers, the embeddings and the masked-LM head
    whole, positions as far as it has them. Between BERT and DistilBERT the function is kept for
    texts of one segment: a DistilBERT student's positions take the teacher's token type 0 in; a
    BERT student of a DistilBERT gets token types of zero. A narrower student is made from that
    full-width one.

    Args:
        teacher: `MaskedLanguageModel`.
        config: EncoderConfig of the student: no wider than the teacher, of the same vocabulary;
            its table may have other spare rows (see `data.spare_rows`).
        init: DEPTH or DEPTH:WIDTH. DEPTH is a depth map or explicit list (see `depth_map`);
            "random" for fresh weights; "embeddings" for fresh layers between the teacher's
            embeddings and its head (see `copy_ends`); or "search", the teacher layers that alone
            have the lowest validation loss. WIDTH, for a narrower student, is one of `WIDTHS`;
            `DEFAULT_WIDTH` when left out.
        validation_loss: for "search": a function of a tuple of teacher layers, run in this order
            with the others skipped, that returns a float.
        seed: int, of all that is drawn: fresh weights, and the importance without a head.
        calibration: list of training batches, dicts of NumPy arrays (see `data.masking`), which
            "importance" and "pca" measure the teacher on. Used only where width is taken away.
        with_head: whether the student has a masked-LM head; None as the teacher has one, and
            always with "random". Where the teacher has none, it is a fresh one.

    Returns:
        `MaskedLanguageModel`.

    Raises:
        UserError: the student's shape does not allow this start.
        ValueError: calibration text is needed and there is none.

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
        found = initialize_student(
            teacher, as_long, init, validation_loss, seed, calibration, with_head
        )
        return with_rows(found, config)
    layers = choose_layers(teacher.config, config, init, validation_loss)
    if init == EMBEDDINGS:
        student = MaskedLanguageModel(config, with_head=with_head is not False, seed=seed)
        copy_ends(teacher, student, calibration)
        return student
    if layers is None:
        return MaskedLanguageModel(config, with_head=with_head is not False, seed=seed)
    if with_head is None:
        with_head = teacher.head is not None
    width = split_start(init)[1] or DEFAULT_WIDTH
    same_width = not is_narrower(teacher.config, config)
    if not same_width and width in CALIBRATED_WIDTHS and not calibration:
        raise ValueError(f'init="{init}" needs calibration: a list of batches of training text')
    fresh = with_head and teacher.head is None
    student = MaskedLanguageModel(config, with_head=with_head, seed=seed if fresh else None)
    if same_width:
        _copy_layers(teacher, student, layers)
        return student
    # Regressions and importance want float32, whatever the student will compute in.
    with full_precision():
        wide = {name: getattr(teacher.config, name) for name in config.NARROWER}
        cut = MaskedLanguageModel(
            dataclasses.replace(config, **wide), with_head=teacher.head is not None, seed=None
        )
        _copy_layers(teacher, cut, layers)
        narrow = narrowed(cut, config, width, calibration, seed)
    _copy(narrow.encoder, student.encoder)
    if student.head is not None and narrow.head is not None:
        _copy(narrow.head, student.head)
    return student


def _copy_layers(teacher, student, layers):
    """Copies layers of a teacher to a student of its width, with all around them."""
    _copy_embeddings(teacher.encoder.embeddings, student.encoder.embeddings)
    for block, layer in zip(student.encoder.blocks, layers, strict=True):
        _copy(teacher.encoder.blocks[layer], block)
    if teacher.head is not None and student.head is not None:
        _copy(teacher.head, student.head)


def _copy(source, target):
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        ours.assign(theirs)


def _copy_embeddings(source, target):
    target.word_embeddings.assign(source.word_embeddings)
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
    _copy(source.layer_norm, target.layer_norm)
