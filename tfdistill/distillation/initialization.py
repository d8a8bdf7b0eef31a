"""The student's start: a teacher cut to the student's depth and width."""

import dataclasses
import itertools
import math

import numpy as np

from tfdistill.distillation.copied_ends import copy_ends
from tfdistill.distillation.layer_maps import depth_map
from tfdistill.distillation.width import CALIBRATED_WIDTHS, WIDTHS, narrowed
from tfdistill.distillation.width_calibration import full_precision
from tfdistill.errors import UserError
from tfdistill.models.heads import MaskedLanguageModel

EMBEDDINGS = "embeddings"
DEFAULT_WIDTH = "pca"  # the lowest loss before training of all that were measured

# Subsets that "search" tries one by one; beyond, it removes layers greedily.
EXHAUSTIVE_SUBSETS = 100


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
        config: EncoderConfig of the student: no wider than the teacher, of the same vocabulary.
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
    """
    layers = choose_layers(teacher.config, config, init, validation_loss)
    if init == EMBEDDINGS:
        student = MaskedLanguageModel(config, with_head=with_head is not False, seed=seed)
        copy_ends(teacher, student, calibration)
        return student
    if layers is None:
        return MaskedLanguageModel(config, with_head=with_head is not False, seed=seed)
    if with_head is None:
        with_head = teacher.head is not None
    width = _split(init)[1] or DEFAULT_WIDTH
    same_width = not _narrower(teacher.config, config)
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


def choose_layers(teacher_config, config, init, validation_loss=None):
    """The teacher layers that a student starts from.

    Args:
        teacher_config, config: EncoderConfig of the teacher and of the student.
        init, validation_loss: as `initialize_student`.

    Returns:
        tuple of layer indices, or None for "random" and "embeddings".

    Raises:
        UserError: the student's shape does not allow this start, or `init` names no start.
    """
    depth, width = _split(init)
    if width is not None:
        _check_width(depth, width)
    _check_vocabularies(teacher_config, config)
    if depth == "random":
        return None
    _check_families(teacher_config, config)
    if depth == EMBEDDINGS:
        _check_equal(teacher_config, config, config.OF_EMBEDDINGS, "random")
        return None
    _check_shapes(teacher_config, config)
    depths = teacher_config.num_hidden_layers, config.num_hidden_layers
    # A student deeper than its teacher is refused by any map.
    layers = depth_map("first" if depth == "search" else depth, *depths)
    if depth == "search":
        return search_layers(*depths, validation_loss)
    return layers


def search_layers(teacher_layers, student_layers, validation_loss):
    """The subset of the teacher's layers with the lowest loss when the rest are skipped.

    Tries every subset where there are at most `EXHAUSTIVE_SUBSETS`; otherwise takes layers out
    one at a time, each time the one whose absence costs least (as Fan et al., 2019, section 3.2,
    prune by validation, here backwards). Of equal losses the first subset wins.

    Args:
        teacher_layers: int, N.
        student_layers: int, r <= N.
        validation_loss: function of a tuple of layer indices that returns a float.

    Returns:
        tuple of r rising layer indices.
    """
    if validation_loss is None:
        raise ValueError('init="search" needs a validation_loss')
    chosen = tuple(range(teacher_layers))
    if math.comb(teacher_layers, student_layers) <= EXHAUSTIVE_SUBSETS:
        return min(itertools.combinations(chosen, student_layers), key=validation_loss)
    while len(chosen) > student_layers:
        shorter = [chosen[:index] + chosen[index + 1 :] for index in range(len(chosen))]
        chosen = min(shorter, key=validation_loss)
    return chosen


def search_size(teacher_layers, student_layers):
    """How many subsets `search_layers` tries: int."""
    subsets = math.comb(teacher_layers, student_layers)
    if subsets <= EXHAUSTIVE_SUBSETS:
        return subsets
    return sum(range(student_layers + 1, teacher_layers + 1))


def _split(init):
    """(depth, width) of DEPTH:WIDTH; width None when left out."""
    depth, colon, width = init.partition(":")
    return depth, width if colon else None


def _check_width(depth, width):
    if width not in WIDTHS:
        raise UserError(
            f"--student_init: unknown width method {width!r} after {depth!r}; use one of "
            f"{', '.join(WIDTHS)}"
        )
    if depth in ("random", EMBEDDINGS):
        raise UserError(
            f"--student_init={depth}:{width} takes no layers from the teacher; use {depth}, or a "
            f"depth map like every_other:{width}"
        )


def _narrower(teacher, student):
    return any(getattr(student, name) < getattr(teacher, name) for name in student.NARROWER)


def _check_vocabularies(teacher, student):
    if student.vocab_size != teacher.vocab_size:
        raise UserError(
            "--student_config: the vocabularies differ: the student has "
            f"{student.vocab_size} tokens, the teacher {teacher.vocab_size}; both must use one "
            "tokenizer"
        )


def _check_families(teacher, student):
    if student.TYPES != teacher.TYPES:
        raise UserError(
            f"--student_type={student.model_type} has no layers in common with a teacher of type "
            f"{teacher.model_type}: use --student_init=random"
        )


def _check_equal(teacher, student, names, cure):
    for name in names:
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours != theirs:
            raise UserError(
                f"--student_config: the student's {name} is {ours} and the teacher's {theirs}; "
                f"they must be equal, or use --student_init={cure}"
            )


def _check_shapes(teacher, student):
    flag = "--student_config"
    for name in student.NARROWER:
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours > theirs:
            raise UserError(
                f"{flag}: the student's {name} is {ours} and the teacher's {theirs}; use at most "
                f"{theirs}, or --student_init=random"
            )
    if student.head_size > teacher.head_size:
        raise UserError(
            f"{flag}: the student's head size is {student.head_size} and the teacher's "
            f"{teacher.head_size}; use more heads, or --student_init=random"
        )
    others = EMBEDDINGS + " or random" if student.OF_EMBEDDINGS != ("hidden_size",) else "random"
    _check_equal(teacher, student, student.OF_LAYERS, others)
    if student.max_position_embeddings > teacher.max_position_embeddings:
        raise UserError(
            f"{flag}: the student has {student.max_position_embeddings} positions and the teacher "
            f"{teacher.max_position_embeddings}; use at most as many, or --student_init=random"
        )
    if 0 < teacher.type_vocab_size < student.type_vocab_size:
        raise UserError(
            f"{flag}: the student has {student.type_vocab_size} token types and the teacher "
            f"{teacher.type_vocab_size}; use at most as many, or --student_init=random"
        )


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
