"""The student's start: a teacher cut to the student's depth."""

import itertools
import math

from tfdistill.distillation.layer_maps import depth_map
from tfdistill.errors import UserError
from tfdistill.models.heads import MaskedLanguageModel

# Subsets that "search" tries one by one; beyond, it removes layers greedily.
EXHAUSTIVE_SUBSETS = 100


def initialize_student(teacher, config, init="every_other", validation_loss=None, seed=0):
    """Make a student whose layers are copies of some of its teacher's.

    The embeddings and the masked-LM head are copied whole, positions as far as the student has
    them. Between BERT and DistilBERT the function is kept for texts of one segment: a DistilBERT
    student's positions take the teacher's token type 0 in; a BERT student of a DistilBERT gets
    token types of zero.

    Args:
        teacher: `MaskedLanguageModel`.
        config: EncoderConfig of the student: as wide as the teacher, with the same vocabulary.
        init: a depth map or explicit list (see `depth_map`); "random" for fresh weights; or
            "search", the teacher layers that alone have the lowest validation loss.
        validation_loss: for "search": a function of a tuple of teacher layers, run in this order
            with the others skipped, that returns a float.
        seed: int, of the weights of "random".

    Returns:
        `MaskedLanguageModel`, with a head where the teacher has one, or always with "random".

    Raises:
        UserError: the student's shape does not allow this start.
    """
    layers = choose_layers(teacher.config, config, init, validation_loss)
    if layers is None:
        return MaskedLanguageModel(config, seed=seed)
    student = MaskedLanguageModel(config, with_head=teacher.head is not None, seed=None)
    _copy_embeddings(teacher.encoder.embeddings, student.encoder.embeddings)
    for block, layer in zip(student.encoder.blocks, layers, strict=True):
        _copy(teacher.encoder.blocks[layer], block)
    if teacher.head is not None:
        _copy(teacher.head, student.head)
    return student


def choose_layers(teacher_config, config, init, validation_loss=None):
    """The teacher layers that a student starts from.

    Args:
        teacher_config, config: EncoderConfig of the teacher and of the student.
        init, validation_loss: as `initialize_student`.

    Returns:
        tuple of layer indices, or None for "random".

    Raises:
        UserError: the student's shape does not allow this start.
    """
    _check_shapes(teacher_config, config, copies=init != "random")
    depths = teacher_config.num_hidden_layers, config.num_hidden_layers
    # Whatever the start, a student deeper than its teacher is refused, which any map does.
    layers = depth_map("first" if init in ("random", "search") else init, *depths)
    if init == "random":
        return None
    if init == "search":
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


def _check_shapes(teacher, student, copies):
    flag = "--student_config"
    same = ["hidden_size"]
    if copies:
        same += ["num_attention_heads", "intermediate_size", "hidden_act"]
    for name in same:
        ours, theirs = getattr(student, name), getattr(teacher, name)
        if ours != theirs:
            raise UserError(
                f"{flag}: the student's {name} is {ours} and the teacher's {theirs}; they must be "
                "equal"
            )
    if student.vocab_size != teacher.vocab_size:
        raise UserError(
            f"{flag}: the vocabularies differ: the student has {student.vocab_size} tokens, the "
            f"teacher {teacher.vocab_size}; both must use one tokenizer"
        )
    if copies and student.max_position_embeddings > teacher.max_position_embeddings:
        raise UserError(
            f"{flag}: the student has {student.max_position_embeddings} positions and the teacher "
            f"{teacher.max_position_embeddings}; use at most as many, or --student_init=random"
        )
    if copies and 0 < teacher.type_vocab_size < student.type_vocab_size:
        raise UserError(
            f"{flag}: the student has {student.type_vocab_size} token types and the teacher "
            f"{teacher.type_vocab_size}; use at most as many, or --student_init=random"
        )


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
    elif types is not None:  # Without types in the teacher, the student's stay zero.
        target.token_type_embeddings.assign(types[: target.token_type_embeddings.shape[0]])
    target.position_embeddings.assign(positions)
    _copy(source.layer_norm, target.layer_norm)
