"""What was run, and what from: the facts that stand beside the numbers in metrics.json."""

import dataclasses
import datetime
import os
import shlex

from tfdistill import tasks
from tfdistill.run.baselines import baseline_keys
from tfdistill.run.learning_rates import student_learning_rate, teacher_learning_rate
from tfdistill.settings.flagfile import given_flags
from tfdistill.system import hardware

SHAPE = (
    "model_type",
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
)


def corpus_name(context):
    """The name of a run's text or data set.

    Args:
        context: the `RunContext`.
    """
    return context.data.name if context.task.kind else context.config.corpus


def describe_run(config, made, *, steps, teacher_steps, corpus, machine):
    """Describes a run: command, settings, shapes, text and machine.

    Args:
        config: a `RunConfig`.
        made: its `Plan`.
        steps, teacher_steps: optimizer steps of the student, and of the teacher in this run.
        corpus: dict of `name` and `splits`, the facts of `PreparedData`.
        machine: the `devices.Choice`.

    Returns:
        dict for metrics.json; its date is the present moment.
    """
    flags = given_flags(config)
    words = ["python", "-m", "tfdistill.train", *(f"--{name}={flags[name]}" for name in flags)]
    trained = {"student": (steps, student_learning_rate(config, made))}
    if teacher_steps:
        trained["teacher"] = teacher_steps, teacher_learning_rate(config, made)
    baselines = baseline_keys(config, tasks.get(config.task))
    trained |= dict.fromkeys(baselines, trained["student"])
    shapes = {"teacher": made.teacher_config, "student": made.student_config}
    return {
        "command": shlex.join(words),
        "flags": flags,
        "recipe": config.recipe,
        "student_init": made.student_init,
        "seed": config.seed,
        "steps": {name: count for name, (count, _) in trained.items()},
        "learning_rates": {name: rate for name, (_, rate) in trained.items()},
        "rows_in_a_step": config.batch_size * config.gradient_accumulation_steps,
        "tokens_in_a_row": config.length,
        "shapes": {
            name: {field: getattr(shape, field) for field in SHAPE}
            for name, shape in shapes.items()
            if shape
        },
        "corpus": corpus,
        "machine": dataclasses.asdict(machine) | _processor(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def describe_sources(config, made):
    """Describes what the student was made from, which decides what the results can show.

    Args:
        config: a `RunConfig`.
        made: its `Plan`.

    Returns:
        dict for metrics.json (see `verdict.verdict`).
    """
    return {
        "task": config.task,
        **({"task_data": config.task_data} if tasks.get(config.task).kind else {}),
        "recipe": config.recipe,
        "teacher": config.teacher,
        "student_init": made.student_init,
        "reads_teacher": reads_teacher(made.recipe, made.teacher_config),
        "trains_parts": made.recipe.phases[-1].parts is not None,
    }


def _processor():
    return {
        "processor": hardware.chip(),
        "cores": os.cpu_count(),
        "memory_bytes": hardware.memory_bytes(),
    }


def reads_teacher(recipe, teacher_config):
    """Whether a loss of the recipe compares with a teacher.

    Args:
        recipe: the `Recipe`.
        teacher_config: `EncoderConfig`, or None without a teacher.

    Returns:
        bool.
    """
    from tfdistill.distillation.losses import LOSSES

    losses = [LOSSES[term.loss] for phase in recipe.phases for term in phase.active_terms]
    return teacher_config is not None and any(loss.needs_teacher for loss in losses)
