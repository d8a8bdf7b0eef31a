"""Students: the distilled one, and the baselines that are trained without a teacher."""

import functools
import itertools

from tfdistill.distillation.cached_signals import answers_suffice, signals_to_cache
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet
from tfdistill.run import kept_baseline, plan
from tfdistill.run.baselines import RANDOM, START, baseline_keys
from tfdistill.run.directory import training_names
from tfdistill.run.learning_rates import student_learning_rate
from tfdistill.run.recipe_checks import split_steps
from tfdistill.run.sources import teacher_weights
from tfdistill.run.stages.stage import Stage
from tfdistill.run.student_start import random_student, student_from_text
from tfdistill.run.teacher_cache import open_cache
from tfdistill.run.trainer import TrainingStage
from tfdistill.system import clock
from tfdistill.system.stopping import postponed
from tfdistill.tasks.task_data import STUDENT


class Student(Stage):
    """Trains the student with the phases of the recipe."""

    name = "student"

    def run(self, context):
        """Trains from the start, and saves the result."""
        with context.training():
            teachers = Teachers(context.models.teachers, teacher_weights(context.config))
            phases = context.plan.recipe.phases
            _train(context, self.name, context.models.start, teachers, phases)


class Baselines(Stage):
    """Trains the students without a teacher that `baseline` names."""

    name = "baselines"

    def is_done(self, context):
        """Whether all of them are saved."""
        return all(context.directory.done(key) for key in _baselines(context))

    def run(self, context):
        """Trains each with the labels alone, for as many steps as the student."""
        context.models.release_training()  # the start that was trained is the student now
        with context.training():
            for key, start in _baselines(context).items():
                if not context.directory.done(key):
                    train = functools.partial(_train_baseline, context, key, start)
                    # Text has no labels: its baselines are not kept.
                    keeps = context.task.kind and start == START
                    kept_baseline.train_or_take(context, key, train) if keeps else train()


def _baselines(context):
    return baseline_keys(context.config, context.task)


def _train_baseline(context, key, start):
    model = _start_of_baseline(context, key, start)
    _train(context, key, model, None, context.task.without_teacher().phases)


def _start_of_baseline(context, key, start):
    if start == START:
        return context.models.start
    if start == RANDOM or context.trainer.has_checkpoint(key):
        return random_student(context)
    context.console.say(f"making the start of {key} from the text")
    return student_from_text(context)


@postponed()
def _train(context, key, student, teachers, phases):
    """Trains a model through its phases and saves it."""
    config, trainer = context.config, context.trainer
    if key in (Student.name, context.task.same_start_key):  # fresh numbers must be trained
        plan.freeze(student, config)
    steps = context.student_steps
    shares = split_steps(steps, phases)
    batches = _batches(context, teachers, phases, shares)
    started, before, done, measured = clock.now(), 0.0, 0, False
    stages = training_names(key, phases)
    for stage, phase, share, of_phase in zip(stages, phases, shares, batches, strict=True):
        training = TrainingStage(
            stage,
            phase,
            share,
            student_learning_rate(config, context.plan),
            first_step=done,
            all_steps=sum(shares),
            more_follows=stage != stages[-1],
            measures_start=not measured,
        )
        before += trainer.train(training, student, _teachers(phase, student, teachers), of_phase)
        done, measured = done + share, phase.measured
    context.save(student, context.directory.model(key), config.length)
    if phases[-1].parts is not None:
        phases[-1].parts.write(context.directory.model(key))
    context.finish(key, started, before, stages=stages)


def _teachers(phase, student, teachers):
    """The `Teachers` of a phase; its own is a copy of the student as it is now."""
    if phase.own_teacher:
        return Teachers([extract_subnet(student, PartShape.of(student.config))])
    return teachers


def _batches(context, teachers, phases, shares):
    """The batches of each phase; some bring the teachers' answers or, from a cache, signals."""
    config = context.config
    # The baselines too learn from the same rows and draws.
    draws_per_row = config.cached_mask_epochs if config.teacher_cache else 0
    learns = bool(teachers and teachers.models)
    batches = functools.partial(context.batches, config.seed + 1, STUDENT, draws_per_row, learns)
    if not (config.teacher_cache and learns):
        return [batches(answered=learns and answers_suffice(phase)) for phase in phases]
    batches = batches()
    started = clock.now()
    student, teacher = context.plan.student_config, context.plan.teacher_config
    cache = open_cache(
        config,
        batches,
        teachers,
        student=student,
        folders=context.directory.teachers(len(teachers.models)),
        precision=context.machine.precision,
    )
    signals = signals_to_cache(context.plan.recipe, student, teacher)
    ends = list(itertools.accumulate(shares))
    cache.fill(list(zip(signals, [0, *ends], ends, strict=False)), context.console)
    before = (context.directory.done("cache") or {}).get("seconds", 0.0)
    bytes_per_token = cache.bytes_per_token(set().union(*signals))
    context.finish("cache", started, before, bytes_per_token=bytes_per_token)
    return [cache.batches(of_phase) for of_phase in signals]
