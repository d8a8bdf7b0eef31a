"""The shapes of a run's models, and where its student starts. Needs no TensorFlow."""

import dataclasses
import math
from typing import NamedTuple

from tfdistill import tasks
from tfdistill.deployment.variants import VARIANTS, require_quantizable, variants_of
from tfdistill.models.configs.config_files import config_file, read_config
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import (
    get_model_type,
    require_pairs_of,
    types_for_text,
)
from tfdistill.run.baselines import RANDOM, TEXT
from tfdistill.run.recipe_parts import keeps_shape
from tfdistill.run.sources import teacher_names
from tfdistill.starts.compatibility import EMBEDDINGS, check_vocabularies, choose_layers
from tfdistill.system.errors import UserError

GIVEN = "given"  # the start of a student that `student` names
TOKENS = "tokens"  # the start of a student without layers: the teacher's vectors of single tokens
WORD_VECTORS = "word_vectors"
WORD_STARTS = EMBEDDINGS, WORD_VECTORS, RANDOM  # of students with words of their own


class Shapes(NamedTuple):
    """The shapes of a run's models.

    Args:
        teacher: `EncoderConfig` of the first teacher; None for a run without one.
        student: `EncoderConfig`.
        student_init: where the student starts.
    """

    teacher: EncoderConfig | None
    student: EncoderConfig
    student_init: str


def plan_shapes(config, reads_teacher, loaded, tokenizers, given=None, pairs=False):
    """Determines the shapes of teacher and student.

    Args:
        config: a `RunConfig`.
        reads_teacher: whether a term of the recipe reads a teacher.
        loaded: `EncoderConfig` of the first teacher to load, or None.
        tokenizers: the `Tokenizers`.
        given: `EncoderConfig` of the model that `student` names, or None.
        pairs: whether the examples are pairs of texts, which a student with words of its own
            compares.

    Returns:
        The `Shapes`.

    Raises:
        UserError: the shapes do not fit together; the message names the setting.
    """
    teacher = _plan_teacher(config, reads_teacher, loaded, tokenizers.teacher)
    if given:
        student, init = _given_student(config, given, tokenizers.student), GIVEN
    else:
        student = _plan_student(config, teacher, tokenizers, pairs)
        init = _plan_start(config, teacher)
    if teacher and init == TEXT:
        check_vocabularies(teacher, student)
    elif init == TOKENS:
        _check_width(teacher, student)
    elif teacher and not given and not get_model_type(student.model_type).own_words:
        # Any layers serve for the check: the result of a search is not known yet.
        choose_layers(teacher, student, init, validation_loss=lambda layers: 0.0)
    _check_shapes(config, teacher, student)
    return Shapes(teacher, student, init)


def _check_shapes(config, teacher, student):
    for model, shape in {"teacher": teacher, "student": student}.items():
        if shape and config.length > shape.max_length:
            raise UserError(
                f"`length`={config.length} is over the {model}'s {shape.max_length} "
                "positions: use a smaller one"
            )
        if shape and config.nsp:
            require_pairs_of(shape, f"the {model}")
    kind = get_model_type(student.model_type)
    kinds = [VARIANTS[name].quantize for name in variants_of(config.tflite_variants)]
    require_quantizable(student.model_type, kinds)
    require_task(config, kind, f"`student`={config.student}")
    if not (tasks.get(config.task).kind or kind.learns_text):
        raise UserError(
            f"`student`: models of type {student.model_type} learn tasks with labels alone: set "
            f"`task`, or use a student of type {' or '.join(types_for_text())}"
        )
    for name, what, there in (
        ("freeze_pos_embs", "position embeddings", student.HAS_POSITIONS),
        ("freeze_token_type_embds", "token types", student.type_vocab_size and student.KNOWS_TYPES),
    ):
        if getattr(config, name) and not there:
            raise UserError(
                f"`{name}` finds nothing to freeze: a {student.model_type} has no {what}; leave it "
                "out"
            )


def require_task(config, kind, setting):
    """Refuses a model type that does not learn the run's task.

    Args:
        config: a `RunConfig`.
        kind: the `ModelType` of the student.
        setting: the setting that names it, with its value.

    Raises:
        UserError: the type learns other tasks alone.
    """
    if kind.tasks and config.task not in kind.tasks:
        raise UserError(
            f"{setting} learns {', '.join(kind.tasks)}, not `task`={config.task}: choose another"
        )


def _check_width(teacher, student):
    if student.hidden_size > teacher.hidden_size:
        raise UserError(
            f"`student_config`: hidden_size is {student.hidden_size} in the student, whose vectors "
            f"are principal components of the teacher's, which have {teacher.hidden_size}: use a "
            "smaller one, or `student_init`=random"
        )


def _given_student(config, given, tokenizer):
    for name in ("student_config", "student_init", "student_type"):
        if getattr(config, name) != getattr(type(config), name):
            raise UserError(f"`{name}` and `student` both say what the student is: leave one out")
    tokenizer.require_table(given.vocab_size, f"`student`={config.student}")
    return given


def read_shape(model, config):
    """Reads the shape that `teacher_config` or `student_config` names.

    Args:
        model: "teacher" or "student".
        config: a `RunConfig`.

    Returns:
        `EncoderConfig`.

    Raises:
        UserError: it does not exist, or is impossible.
    """
    kind = get_model_type(getattr(config, f"{model}_type"), f"{model}_type")
    name = getattr(config, f"{model}_config") or kind.shape_example
    try:
        return read_config(name, kind.name)
    except UserError as error:
        raise UserError(f"`{model}_config`={name}: {error.message}") from None


def _plan_teacher(config, reads_teacher, loaded, tokenizer):
    if loaded is None:
        if not reads_teacher:
            return None
        if config.layerdrop_adapt_steps:
            raise UserError(
                "`layerdrop_adapt_steps` is for a loaded teacher: name one with `teacher`, or use "
                "`teacher_steps`"
            )
        shape = read_shape("teacher", config)
        return _complete("teacher", shape, config, tokenizer, tokenizer.vocab_size)
    tokenizer.require_table(loaded.vocab_size, f"`teacher`={first_teacher(config)}")
    return loaded


def first_teacher(config):
    """The first name in `teacher`; "" without one."""
    return teacher_names(config)[0] if config.teacher else ""


def _plan_start(config, teacher_config):
    init = config.student_init
    if get_model_type(config.student_type).own_words:
        return _plan_word_start(config, teacher_config)
    if not get_model_type(config.student_type).has_layers:
        if init not in (TOKENS, "random", type(config).student_init):
            raise UserError(
                f"`student_init`={init}: a {config.student_type} student has no layers: leave "
                f"`student_init` out, or use {TOKENS} or random"
            )
        return TOKENS if teacher_config and init != "random" else "random"
    if init == TEXT:
        if tasks.get(config.task).kind:
            raise UserError(
                f"`student_init`={TEXT} counts the words of a corpus, and `task`={config.task} "
                "learns from examples: name another start"
            )
        return init
    if teacher_config is None:
        if init not in ("random", type(config).student_init):
            raise UserError(
                f"`student_init`={init}: there is no teacher to start from; name one with "
                "`teacher`, or leave `student_init` out"
            )
        init = "random"
    if init == "random":
        for name in ("freeze_pos_embs", "freeze_token_type_embds"):
            if getattr(config, name):
                raise UserError(
                    f"`{name}` would keep random numbers: the student starts at random; leave one "
                    "of the two out"
                )
    return init


def _plan_word_start(config, teacher_config):
    """The start of a student with words of its own: one of `WORD_STARTS`."""
    usual = EMBEDDINGS if teacher_config else RANDOM
    init = usual if config.student_init == type(config).student_init else config.student_init
    if init not in WORD_STARTS:
        raise UserError(
            f"`student_init`={init} is no start of a {config.student_type}: choose one of "
            f"{', '.join(WORD_STARTS)}"
        )
    if init == EMBEDDINGS and not teacher_config:
        raise UserError(f"`student_init`={init}: there is no teacher to start from; leave it out")
    if init == WORD_VECTORS and not config.word_vectors:
        raise UserError(f"`student_init`={init}: name a file with `word_vectors`")
    return init


def _plan_student(config, teacher_config, tokenizers, pairs):
    tokenizer = tokenizers.student
    kind = get_model_type(config.student_type, "student_type")
    if kind.own_words:
        return _plan_own_words(config, tokenizer, pairs)
    if not kind.has_layers:
        shape = read_shape("student", config)
        return _complete("student", shape, config, tokenizer, tokenizer.vocab_size)
    if config.student_config:
        shape = read_shape("student", config)
        if teacher_config and not config_file(config.student_config):
            shape = _inherited(shape, teacher_config)
        same = teacher_config and tokenizer is tokenizers.teacher
        rows = teacher_config.vocab_size if same else tokenizer.vocab_size
        return _complete("student", shape, config, tokenizer, rows)
    if teacher_config is None:
        raise UserError("`student_config` is empty, and there is no teacher to take a shape from")
    family = get_model_type(config.student_type, "student_type").family
    if family != get_model_type(teacher_config.model_type).family:
        raise UserError(
            f"`student_config` is empty, and `student_type`={config.student_type} takes no shape "
            f"from a teacher of type {teacher_config.model_type}: name one"
        )
    halves = 1 if keeps_shape(config) else 2
    layers = math.ceil(teacher_config.num_hidden_layers / halves)
    return dataclasses.replace(
        teacher_config.as_type(config.student_type), num_hidden_layers=layers
    )


def _plan_own_words(config, tokenizer, pairs):
    """The shape of a student with words of its own, which takes nothing from a teacher's."""
    kind = get_model_type(config.student_type)
    own = {"embedding_size": config.embedding_size, "compares_pairs": pairs}
    if not config.student_config:
        shape = kind.named_shape(kind.shape_names[0], kind.name, tokenizer.vocab_size)
    elif config_file(config.student_config):
        shape, own = read_shape("student", config), {}
    else:
        shape = read_shape("student", config)
    shape = dataclasses.replace(shape, **own)
    return _complete("student", shape, config, tokenizer, tokenizer.vocab_size)


def _inherited(shape, teacher):
    """A shape that a name defines, with what it takes from the teacher."""
    kinds = [get_model_type(each.model_type) for each in (shape, teacher)]
    if kinds[0].family != kinds[1].family and not all(kind.learns_text for kind in kinds):
        return shape  # their positions are counted in other ways
    fields = list(kinds[0].starts.inherited)
    if shape.model_type == teacher.model_type:
        fields.append("layer_norm_eps")
    return dataclasses.replace(shape, **{field: getattr(teacher, field) for field in fields})


def _complete(model, shape, config, tokenizer, rows):
    """Fills in the vocabulary and the dropout of a shape that is given by name."""
    name = getattr(config, f"{model}_config")
    if config_file(name):
        tokenizer.require_table(shape.vocab_size, f"`{model}_config`={name}")
    else:
        shape = dataclasses.replace(shape, vocab_size=rows)
        shape = shape.with_dropout(config.dropout)
    return shape.for_tokenizer(tokenizer)
