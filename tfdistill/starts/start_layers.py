"""Which of its teacher's layers a student starts from: decided by the shapes alone."""

import itertools
import math

from tfdistill.data.spare_rows import alike
from tfdistill.distillation.layer_maps import depth_map
from tfdistill.system.errors import UserError

EMBEDDINGS = "embeddings"
WIDTHS = ("slice", "importance", "pca")
CALIBRATED_WIDTHS = ("importance", "pca")

# Subsets that "search" tries one by one; beyond, it removes layers greedily.
EXHAUSTIVE_SUBSETS = 100


def choose_layers(teacher_config, config, init, validation_loss=None):
    """The teacher layers that a student starts from.

    Args:
        teacher_config, config: EncoderConfig of the teacher and of the student.
        init, validation_loss: as for `initialization.initialize_student`.

    Returns:
        tuple of layer indices, or None for "random" and "embeddings".

    Raises:
        UserError: the student's shape does not allow this start, or `init` names no start.
    """
    depth, width = split_start(init)
    if width is not None:
        _check_width(depth, width)
    check_vocabularies(teacher_config, config)
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


def split_start(init):
    """(depth, width) of DEPTH:WIDTH, what `--student_init` takes; width None when left out."""
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


def is_narrower(teacher, student):
    """Whether a student of this shape has less width than its teacher.

    Args:
        teacher, student: EncoderConfig.
    """
    return any(getattr(student, name) < getattr(teacher, name) for name in student.NARROWER)


def check_vocabularies(teacher, student):
    """Refuses tables of two vocabularies.

    Args:
        teacher, student: EncoderConfig; a few spare rows more or fewer are no difference.

    Raises:
        UserError: their lengths differ by more.
    """
    if not alike(student.vocab_size, teacher.vocab_size):
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
