"""The teacher of a task with labels: fine-tuned here if it has no head for it, and measured."""

import dataclasses

import numpy as np

from tfdistill.run.kept_answers import answered_batches
from tfdistill.run.learning_rates import teacher_learning_rate
from tfdistill.run.sources import teacher_names
from tfdistill.run.trainer import TrainingStage
from tfdistill.system import clock
from tfdistill.system.errors import UserError
from tfdistill.tasks.task_data import TEACHER

NAME = "teacher"  # of the stage


def require_above_floor(context):
    """Measures each saved teacher on the validation split, by logits that are kept between runs.

    Args:
        context: the `RunContext`.

    Raises:
        UserError: one of them is not better than a model that does not read the text, or predicts
            the same for all examples and is wrong in some, such as "no answer" to all questions.
    """
    task, splits, metric = context.task, context.teacher_splits, context.task.primary
    source, tuned = splits.validation_source, context.plan.fine_tunes_teacher
    level = task.floor(splits.train, splits.validation, source).metrics[metric.key]
    how = "fine-tuned here" if tuned else "as it is"
    names = teacher_names(context.config)
    for number, name in enumerate(names):
        batches = answered_batches(context, source, first=number)
        found = task.evaluate(*batches, source)
        value = found.metrics[metric.key]
        which = f"teacher {name}" if len(names) > 1 else "teacher"
        context.console.say(f"{which}, {how}: validation {_shown(metric, value)}")
        if not _signed(metric, value) > _signed(metric, level):
            why = f"the floor ({task.words.floor}) has {_shown(metric, level)}"
            raise _ignorant(context, name, value, why)
        if value < 1.0 and _is_constant(found.predictions):
            why = f"the same for all {len(found.predictions):,} {task.words.predictions}"
            raise _ignorant(context, name, value, f"it predicts {why}")


def _is_constant(predictions):
    return len(predictions) > 1 and bool(np.all(predictions == predictions[0]))


def _ignorant(context, name, value, why):
    """The `UserError` about a teacher; `value`: its primary metric."""
    shown = _shown(context.task.primary, value)
    if context.plan.fine_tunes_teacher:
        rate = teacher_learning_rate(context.config, context.plan)
        cure = f"take another `teacher_learning_rate` than {rate:g}, or more `teacher_epochs`"
    else:
        cure = "fine-tune it first, or name its encoder, which is then fine-tuned here"
        if len(context.plan.teacher_names) > 1:
            cure = "fine-tune it first, or leave it out"
    return UserError(
        f"`teacher`={name} does not know the task: {shown} on the validation split, and {why}: "
        f"{cure}"
    )


def fine_tuned_teacher(context):
    """Fine-tunes the teacher on the labels, with each of its seeds.

    Args:
        context: the `RunContext`.

    Returns:
        (`Model`, seconds of training before the last stop): the best on the validation split.
    """
    config, console, metric = context.config, context.console, context.task.primary
    if config.teacher_seeds == 1:
        return _fine_tune(context, NAME, config.seed)
    values, before, folders = {}, 0.0, {}
    for number in range(1, config.teacher_seeds + 1):
        name, seed = f"{NAME}-{number}", config.seed + number - 1
        folders[number] = context.directory.teacher_of_seed(seed)
        done, began = context.directory.done(name), clock.now()
        if done:
            before += done.get("trained", 0.0)
        else:
            model, earlier = _fine_tune(context, name, seed)
            before += earlier
            # The stage of the teacher has the seconds of all; here they are for a later start.
            done = {"seconds": 0.0, "peak_memory_bytes": 0, "value": _measure(context, model)}
            done["trained"] = earlier + clock.now() - began
            context.save(model, folders[number], config.length, context.tokenizers.teacher)
            context.directory.finish(name, done)
        values[number] = done["value"]
        console.say(f"{name} (seed {seed}): validation {_shown(metric, values[number])}")
    best = max(values, key=lambda number: _signed(metric, values[number]))
    console.say(f"the teacher is {NAME}-{best}, the best of {len(values)} on the validation split")
    return context.task.load(folders[best]), before


def fine_tuned_name(context):
    """The stretch of training whose weights the teacher has: of several seeds, that of the best.

    Args:
        context: the `RunContext`.
    """
    names = [f"{NAME}-{number}" for number in range(1, context.config.teacher_seeds + 1)]
    done = {name: context.directory.done(name) for name in names}
    values = {name: each["value"] for name, each in done.items() if each}
    metric = context.task.primary
    return max(values, key=lambda name: _signed(metric, values[name]), default=NAME)


def fine_tuning_steps(context):
    """Optimizer steps in which the teacher is fine-tuned.

    Args:
        context: the `RunContext`.
    """
    passes = dataclasses.replace(context.config, n_epoch=context.config.teacher_epochs)
    return context.task.training_steps(context.teacher_splits.train, passes)


def _fine_tune(context, name, seed):
    """Trains the encoder with a fresh head: (`Model`, seconds before the last stop)."""
    config, task = dataclasses.replace(context.config, seed=seed), context.task
    train = context.teacher_splits.train
    model = task.load_for_training(context.plan.teacher_names[0], seed)
    stage = TrainingStage(
        name,
        _labels_phase(task, model.config.num_hidden_layers, config.layerwise_decay),
        fine_tuning_steps(context),
        teacher_learning_rate(config, context.plan),
    )
    batches = task.training_batches(train, TEACHER, seed, config)
    trainer = context.trainer_on(context.teacher_splits, config)
    return model, trainer.train(stage, model, None, batches)


def _labels_phase(task, depth, decay):
    """The phase that trains with the labels alone, with lower rates for lower layers."""
    (phase,) = task.without_teacher().phases
    if decay == 1.0:
        return phase
    # The layer below the head has the full rate; the embeddings lie below the first layer.
    parts = {f"encoder/layer_{layer}": decay ** (depth - 1 - layer) for layer in range(depth)}
    parts["encoder/embeddings"] = decay**depth
    return dataclasses.replace(phase, rates=tuple(parts.items()))


def _measure(context, model):
    """The primary metric on the validation split."""
    metric = context.task.primary
    return context.curve_validator(model, None, context.teacher_splits)()[metric.curve_key]


def _signed(metric, value):
    """A value of which more is better; nan, of constant predictions, is the worst."""
    signed = value if metric.higher_is_better else -value
    return signed if signed == signed else float("-inf")


def _shown(metric, value):
    return f"{metric.name} {metric.text({metric.key: value})}{metric.unit and ' ' + metric.unit}"
