"""Checks of the settings, before any long work begins."""

import math

from tfdistill import tasks
from tfdistill.data.augmentation.word_tags import load_tagger
from tfdistill.deployment.signatures import lengths_of
from tfdistill.deployment.variants import variants_of
from tfdistill.distillation.schedules import parse_schedules
from tfdistill.run.baselines import RANDOM, START, TEXT, baselines_of
from tfdistill.run.recipe_parts import trains_parts
from tfdistill.settings.augmentation import BILSTM
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError
from tfdistill.system.options import Option


def check_masking(config, tokenizer):
    """Checks that whole words can be masked.

    Args:
        config: a `RunConfig`.
        tokenizer: the `Tokenizer`.

    Raises:
        UserError: no token of the vocabulary continues a word.
    """
    masks = config.whole_word_masking and not tasks.get(config.task).kind
    if masks and not tokenizer.ids.continues.any():
        raise UserError(
            "`whole_word_masking` finds no words to mask: the tokenizer's vocabulary has no pieces "
            "(##…) that continue one; leave it out"
        )


def check_baselines(config, teacher_config):
    """Checks that every baseline differs from the student.

    Args:
        config: a `RunConfig`.
        teacher_config: `EncoderConfig`, or None.

    Raises:
        UserError: a baseline would repeat a student that has no teacher, or the student is a
            super-student.
    """
    if trains_parts(config):
        if config.baseline not in ("none", type(config)(task=config.task).baseline):
            raise UserError(
                f"`baseline`={config.baseline} would train the whole super-student, of which only "
                "parts are used: leave it out, and give it when the best part is trained on"
            )
        return
    fresh, other = (TEXT, RANDOM) if config.student_init == TEXT else (RANDOM, TEXT)
    if teacher_config is None and set(baselines_of(config.baseline)) & {START, fresh}:
        raise UserError(
            f"`baseline`={config.baseline} would train the student a second time: it has no "
            f"teacher, and the same start; leave it out, or give {other}"
        )


def require_even_batches(config, replicas):
    """Checks that each batch can be divided among the GPUs.

    Args:
        config: a `RunConfig`.
        replicas: GPUs that share each batch.

    Raises:
        UserError: `batch_size` is not a multiple of their number, or tokens fill the batches.
    """
    if config.tokens_per_batch and replicas > 1:
        raise UserError(
            f"`tokens_per_batch`={config.tokens_per_batch} makes batches that cannot be split over "
            f"{replicas} GPUs: use `batch_size`, or show one of them with CUDA_VISIBLE_DEVICES"
        )
    if config.batch_size % replicas:
        raise UserError(
            f"`batch_size`={config.batch_size} cannot be split over {replicas} GPUs: take a "
            f"multiple of {replicas}, or show fewer of them with CUDA_VISIBLE_DEVICES"
        )


def check_task(config):
    """Refuses settings that the task does not take.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: there is no such task, or it cannot use a setting.
    """
    task = tasks.get(config.task)
    if not task.learns_labels and config.baseline not in ("none", START):
        raise UserError(
            f"`baseline`={config.baseline}: `task`={task.name} learns from a teacher alone, so "
            "that nothing can be trained without one: leave it out"
        )
    if config.teacher_cache and not task.outputs_are_tokens:
        raise UserError(f"`teacher_cache` stores no signals for `task`={config.task}: leave it out")
    if config.augmentation and not task.has_variants:
        raise UserError(
            f"`augmentation`={config.augmentation} varies texts and sentences, not "
            f"the examples of `task`={task.name}: leave it out"
        )
    if config.augmentation == BILSTM and config.augmentation_tag_probability:
        load_tagger()  # a missing package is found before anything is made
    if not task.kind:
        return
    if config.layerdrop_adapt_steps:
        raise UserError(f"`layerdrop_adapt_steps` is for masked_lm, not `task`={task.name}")


def check_exported_files(config):
    """Refuses wrong lengths and variants of TFLite files.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: `tflite_lengths` or `tflite_variants` has a wrong value.
    """
    lengths_of(config.tflite_lengths, config.length)
    variants_of(config.tflite_variants)


def check_pooling(config):
    """Refuses a pooling for a model that is there already and has its own.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: `pooling` is set, and the models of the task have their own.
    """
    if config.pooling and not tasks.get(config.task).takes_pooling:
        raise UserError(
            f"`pooling`={config.pooling}: models of `task`={config.task} have their own: leave it "
            "out, or set `task`=sentence_embedding"
        )


def check_schedules(config):
    """Refuses schedules that leave the range of the settings that they replace.

    Args:
        config: a `RunConfig`.

    Raises:
        UserError: a schedule begins or ends out of range.
    """
    for name, schedule in parse_schedules(config.schedules).items():
        option = options_of(config).get(name, Option(""))
        least = -math.inf if option.minimum is None else option.minimum
        most = math.inf if option.maximum is None else option.maximum
        for value in (schedule.begin, schedule.end):
            if not (math.isfinite(value) and least <= value <= most):
                raise UserError(
                    f"`schedules`: {name} cannot be {value}: `{name}` goes from {least} to {most}"
                )
