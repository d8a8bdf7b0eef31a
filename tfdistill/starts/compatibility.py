"""Which starts the configs of a teacher and a student allow. Imports no TensorFlow."""

from tfdistill.data.spare_rows import alike
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.starts.depth_maps import depth_map
from tfdistill.starts.layer_search import search_layers
from tfdistill.system.errors import UserError

EMBEDDINGS = "embeddings"
WIDTHS = ("slice", "importance", "pca", "pca_sorted")
CALIBRATED_WIDTHS = ("importance", "pca", "pca_sorted")


def choose_layers(teacher_config, config, init, validation_loss=None):
    """Chooses the teacher layers that a student copies.

    Args:
        teacher_config, config: EncoderConfig of the teacher and of the student.
        init, validation_loss: as for `from_teacher.initialize_student`.

    Returns:
        tuple of layer indices, or None for "random" and "embeddings", which copy no layers.

    Raises:
        UserError: the configs do not allow this start, or `init` is not the name of one.
    """
    depth, width = split_start(init)
    if width is not None:
        _check_width(depth, width)
    check_vocabularies(teacher_config, config)
    if depth == "random":
        return None
    _check_families(teacher_config, config)
    rules = get_model_type(config.model_type).starts
    if depth == EMBEDDINGS:
        for name in rules.same_embeddings:
            _check_equal(teacher_config, config, name, "random")
        return None
    _check_shapes(teacher_config, config, rules)
    depths = teacher_config.num_hidden_layers, config.num_hidden_layers
    # Every map refuses a student that is deeper than its teacher, before a search begins.
    layers = depth_map("first" if depth == "search" else depth, *depths)
    if depth == "search":
        return search_layers(*depths, validation_loss)
    return layers


def split_start(init):
    """Splits the setting `student_init`, DEPTH:WIDTH.

    Args:
        init: str.

    Returns:
        (depth, width); width is None if it is left out.
    """
    depth, colon, width = init.partition(":")
    return depth, width if colon else None


def is_narrower(teacher, student):
    """Whether a student that copies its teacher's layers must be made narrower.

    Args:
        teacher, student: EncoderConfig.

    Returns:
        bool.
    """
    fields = get_model_type(student.model_type).starts.narrower
    sizes = (*fields, "head_size") if fields else ()
    return any(getattr(student, name) < getattr(teacher, name) for name in sizes)


def check_vocabularies(teacher, student):
    """Refuses models of two vocabularies.

    Args:
        teacher, student: EncoderConfig; a few spare rows more or fewer are accepted.

    Raises:
        UserError: their sizes differ by more.
    """
    if not alike(student.vocab_size, teacher.vocab_size):
        raise UserError(
            "`student_config`: the vocabularies differ: the student has "
            f"{student.vocab_size} tokens, the teacher {teacher.vocab_size}: both must use one "
            "tokenizer"
        )


def _check_width(depth, width):
    if width not in WIDTHS:
        raise UserError(
            f"`student_init`: unknown width method {width!r} after {depth!r}: use one of "
            f"{', '.join(WIDTHS)}"
        )
    if depth in ("random", EMBEDDINGS):
        raise UserError(
            f"`student_init`={depth}:{width} copies no layers of the teacher: use {depth}, or a "
            f"depth map with a width method, such as every_other:{width}"
        )


def _check_families(teacher, student):
    families = (get_model_type(config.model_type).family for config in (teacher, student))
    if len(set(families)) > 1:
        raise UserError(
            f"`student_type`={student.model_type} has no layers in common with a teacher of type "
            f"{teacher.model_type}: use `student_init`=random"
        )


def _check_equal(teacher, student, name, alternatives):
    ours, theirs = getattr(student, name), getattr(teacher, name)
    if ours != theirs:
        raise UserError(
            f"`student_config`: {name} is {ours} in the student and {theirs} in the teacher: make "
            f"them equal, or use `student_init`={alternatives}"
        )


def _check_shapes(teacher, student, rules):
    for name in (*rules.narrower, "max_position_embeddings"):
        _check_at_most(teacher, student, name)
    _check_at_most(teacher, student, "head_size", "use more heads")
    for name in rules.same_layers:
        copies = "random" if name in rules.same_embeddings else f"{EMBEDDINGS} or random"
        _check_equal(teacher, student, name, copies)
    if teacher.type_vocab_size:  # A teacher without token types leaves the student's at zero.
        _check_at_most(teacher, student, "type_vocab_size")


def _check_at_most(teacher, student, name, remedy="use a smaller one"):
    ours, theirs = getattr(student, name), getattr(teacher, name)
    if ours > theirs:
        raise UserError(
            f"`student_config`: {name} is {ours} in the student and {theirs} in the teacher: "
            f"{remedy}, or `student_init`=random"
        )
