"""What a run will do, decided and checked before any of the long work begins."""

import dataclasses
import math

from tfdistill.baselines import BOTH, baselines_of, canonical
from tfdistill.distillation.cached_signals import kept_for
from tfdistill.distillation.ensemble import LEARN_THE_MEAN, check_teachers, shares_of
from tfdistill.distillation.initialization import choose_layers
from tfdistill.distillation.phases import Recipe
from tfdistill.distillation.progressive import unfold
from tfdistill.distillation.terms import LOSSES
from tfdistill.errors import UserError
from tfdistill.flags import FIELDS, WITHOUT_EFFECT
from tfdistill.models.config import EncoderConfig
from tfdistill.models.config_files import config_file, read_config
from tfdistill.recipe_checks import check_recipe, check_terms, split_steps
from tfdistill.recipe_file import fingerprint
from tfdistill.sources import teacher_names, teacher_weights


@dataclasses.dataclass(frozen=True)
class Plan:
    """The shapes and the teacher's training.

    Args:
        teacher_config: `EncoderConfig`, or None for a run without a teacher.
        teacher_steps: steps that the teacher is trained here.
        student_config: `EncoderConfig`.
        student_init: where the student starts.
        recipe: the `Recipe`, its phases unfolded for these depths.
    """

    teacher_config: EncoderConfig | None
    teacher_steps: int
    student_config: EncoderConfig
    student_init: str
    recipe: Recipe


def make_plan(config, recipe, teachers, tokenizer):
    """Works out what a run will do.

    Args:
        config: a `RunConfig`.
        recipe: the `Recipe`.
        teachers: list of the `MaskedLanguageModel`s that `--teacher` names.
        tokenizer: the `Tokenizer`.

    Returns:
        A `Plan`.

    Raises:
        UserError: something of it cannot be done; the message names the flag.
    """
    if config.whole_word_masking and not tokenizer.ids.continues.any():
        raise UserError(
            "--whole_word_masking finds no words to mask: the tokenizer's vocabulary has no pieces "
            "(##…) that continue one; leave the flag out"
        )
    check_terms(recipe)
    teacher = teachers[0] if teachers else None
    teacher_config, teacher_steps = _plan_teacher(config, recipe, teacher, tokenizer)
    again = set(baselines_of(config.baseline)) & set(BOTH)
    if teacher_config is None and again:
        raise UserError(
            f"--baseline={config.baseline} would train the student a second time: it has no "
            "teacher, and starts at random; leave the flag out, or give text"
        )
    student_config = _plan_student(config, teacher_config, tokenizer)
    init = _plan_start(config, teacher_config)
    if teacher_config:
        # Any choice will do here: what a search finds is not known yet.
        choose_layers(teacher_config, student_config, init, validation_loss=lambda layers: 0.0)
    if teacher_config:
        depths = student_config.num_hidden_layers, teacher_config.num_hidden_layers
        recipe = unfold(recipe, *depths)
    check_recipe(recipe, student_config, teacher_config, lambda student: freeze(student, config))
    _check_teachers(config, recipe, teachers, student_config, teacher_config)
    if config.steps:
        split_steps(config.steps, recipe.phases)
    for flag, shape in {"teacher": teacher_config, "student": student_config}.items():
        if shape and config.length > shape.max_position_embeddings:
            raise UserError(
                f"--length={config.length} is over the {flag}'s {shape.max_position_embeddings} "
                "positions: use a smaller one"
            )
    if config.freeze_token_type_embds and not student_config.type_vocab_size:
        raise UserError(
            "--freeze_token_type_embds finds nothing to freeze: a DistilBERT student has no "
            "token types; leave the flag out"
        )
    return Plan(teacher_config, teacher_steps, student_config, init, recipe)


def _check_teachers(config, recipe, teachers, student_config, teacher_config):
    weights = teacher_weights(config)
    if weights and len(teachers) < 2:
        raise UserError("--teacher_weights is for several teachers (--teacher=a,b): leave it out")
    shares_of(max(len(teachers), 1), weights)
    for phase in recipe.phases:
        check_teachers(phase, teachers)
    losses = {term.loss for phase in recipe.phases for term in phase.active_terms}
    if len(teachers) > 1 and not losses & LEARN_THE_MEAN:
        raise UserError(
            f"--teacher: no loss of --recipe={config.recipe} reads the mean of several teachers, "
            "and layers are compared with the first alone; name one teacher"
        )
    for name, each in zip(teacher_names(config)[1:], teachers[1:], strict=False):
        if config.length > each.config.max_position_embeddings:
            raise UserError(
                f"--length={config.length} is over the {each.config.max_position_embeddings} "
                f"positions of --teacher={name}: use a smaller one"
            )
    if config.teacher_cache:
        kept_for(recipe, student_config, teacher_config)
    elif config.cached_mask_epochs != FIELDS["cached_mask_epochs"].default:
        raise UserError("--cached_mask_epochs is for --teacher_cache: name a folder, or neither")


def _plan_start(config, teacher_config):
    init = config.student_init
    if teacher_config is None:
        if init not in ("random", FIELDS["student_init"].default):
            raise UserError(
                f"--student_init={init}: there is no teacher to start from; name one with "
                "--teacher, or leave the flag out"
            )
        init = "random"
    if init == "random":
        for flag in ("freeze_pos_embs", "freeze_token_type_embds"):
            if getattr(config, flag):
                raise UserError(
                    f"--{flag} would keep random numbers: the student starts at random; leave one "
                    "of the two out"
                )
    return init


def _plan_teacher(config, recipe, teacher, tokenizer):
    losses = [LOSSES[term.loss] for phase in recipe.phases for term in phase.active_terms]
    if teacher is None:
        if not any(loss.needs_teacher for loss in losses):
            return None, 0
        if config.layerdrop_adapt_steps:
            raise UserError(
                "--layerdrop_adapt_steps is for a loaded teacher: name one with --teacher, or use "
                "--teacher_steps"
            )
        shape = read_config(config.teacher_config, config.teacher_type)
        return _at_home(shape, "--teacher_config", config, tokenizer), config.teacher_steps
    if teacher.config.vocab_size != tokenizer.vocab_size:
        raise UserError(
            f"--tokenizer has {tokenizer.vocab_size} tokens and --teacher={_first_name(config)} "
            f"{teacher.config.vocab_size}: their vocabularies differ; name the teacher's tokenizer"
        )
    if teacher.head is None:
        _require_no_head(config, losses)
    return teacher.config, config.layerdrop_adapt_steps


def _first_name(config):
    return teacher_names(config)[0] if config.teacher else ""


def _require_no_head(config, losses):
    """Refuses a teacher without masked-LM head where one is needed."""
    needs = {
        f"--recipe={config.recipe} needs its logits": any(
            loss.needs_head and loss.needs_teacher for loss in losses
        ),
        f"--student_init={config.student_init} measures it": "search" in config.student_init,
        "--layerdrop_adapt_steps trains it": config.layerdrop_adapt_steps > 0,
    }
    for need, there in needs.items():
        if there:
            raise UserError(
                f"--teacher={_first_name(config)} has no masked-LM head, and {need}: take a "
                "checkpoint with the head (…ForMaskedLM)"
            )


def _plan_student(config, teacher_config, tokenizer):
    if config.student_config:
        shape = read_config(config.student_config, config.student_type)
        if teacher_config and not config_file(config.student_config):
            # A name says nothing of these.
            fields = list(shape.INHERITED)
            if shape.model_type == teacher_config.model_type:
                fields.append("layer_norm_eps")
            theirs = {field: getattr(teacher_config, field) for field in fields}
            shape = dataclasses.replace(shape, **theirs)
        return _at_home(shape, "--student_config", config, tokenizer)
    if teacher_config is None:
        raise UserError("--student_config is empty, and there is no teacher to take a shape from")
    if config.student_type not in teacher_config.TYPES:
        raise UserError(
            f"--student_config is empty, and --student_type={config.student_type} takes no shape "
            f"from a teacher of type {teacher_config.model_type}: name one"
        )
    # Half the teacher's layers; what the types do not share takes the type's own value.
    own = dict(model_type=config.student_type, type_vocab_size=None, layer_norm_eps=1e-12)
    if config.student_type == teacher_config.model_type:
        own = {}
    layers = math.ceil(teacher_config.num_hidden_layers / 2)
    return dataclasses.replace(teacher_config, num_hidden_layers=layers, **own)


def _at_home(shape, flag, config, tokenizer):
    """A shape that is made here; a name says nothing of the vocabulary and the dropout."""
    name = config.student_config if flag == "--student_config" else config.teacher_config
    in_file = config_file(name)
    if in_file and shape.vocab_size != tokenizer.vocab_size:
        raise UserError(
            f"{flag}={name} has a vocabulary of {shape.vocab_size} tokens, the tokenizer has "
            f"{tokenizer.vocab_size}: teacher, student and tokenizer must share one"
        )
    if not in_file:
        shape = dataclasses.replace(shape, vocab_size=tokenizer.vocab_size)
        shape = shape.with_dropout(config.dropout)
    return dataclasses.replace(shape, pad_token_id=tokenizer.pad_id)


def require_even_batches(config, replicas):
    """Refuses a batch that cannot be split over the GPUs.

    Args:
        config: a `RunConfig`.
        replicas: GPUs that share each batch.

    Raises:
        UserError: --batch_size is no multiple of their number.
    """
    if config.batch_size % replicas:
        raise UserError(
            f"--batch_size={config.batch_size} cannot be split over {replicas} GPUs: take a "
            f"multiple of {replicas}, or show fewer of them with CUDA_VISIBLE_DEVICES"
        )


def settings(config):
    """The flags that decide what comes out of a run: dict of names to values.

    Raises:
        UserError: --recipe names a file that is not there.
    """
    values = dataclasses.asdict(config) | {"recipe": fingerprint(config.recipe)}
    values["baseline"] = canonical(config.baseline)
    values["teacher_cache"] = "A_FOLDER" * bool(config.teacher_cache)  # wherever it lies
    return {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}


def teacher_learning_rate(config):
    """Peak learning rate of the teacher: `--teacher_learning_rate`, or what suits its start."""
    return config.teacher_learning_rate or (1e-4 if config.teacher else 1e-3)


def student_steps(config, rows):
    """Optimizer steps of the student.

    Args:
        config: a `RunConfig`.
        rows: rows of the training split.

    Returns:
        `--steps`, or as many as `--n_epoch` passes over the rows take.
    """
    per_step = config.batch_size * config.gradient_accumulation_steps
    return config.steps or max(1, math.ceil(config.n_epoch * rows / per_step))


def freeze(student, config):
    """Keeps the embeddings that the flags name from being trained.

    Args:
        student: a `MaskedLanguageModel`.
        config: a `RunConfig`.
    """
    embeddings = student.encoder.embeddings
    embeddings.position_embeddings.trainable = not config.freeze_pos_embs
    if embeddings.token_type_embeddings is not None:
        embeddings.token_type_embeddings.trainable = not config.freeze_token_type_embds
