"""Teachers: loaded, given a head, adapted to LayerDrop, or pre-trained from the run's text."""

from tfdistill.models.hugging_face.checkpoint import resolve_directory
from tfdistill.run.fine_tuning import (
    fine_tuned_name,
    fine_tuned_teacher,
    fine_tuning_steps,
    require_above_floor,
)
from tfdistill.run.learning_rates import teacher_learning_rate
from tfdistill.run.stages.stage import Stage
from tfdistill.run.trained_head import folder_with_head
from tfdistill.run.trainer import TrainingStage
from tfdistill.system import clock
from tfdistill.system.stopping import postponed
from tfdistill.tasks.task_data import TEACHER


class Teachers(Stage):
    """Makes the teachers and saves them in the run's folder."""

    name = "teacher"

    def is_done(self, context):
        """Whether they are saved, or the recipe works without one."""
        return context.plan.teacher_config is None or super().is_done(context)

    @postponed()
    def run(self, context):
        """Trains the first teacher where the plan says so; saves all."""
        with context.training():
            started, before = clock.now(), 0.0
            teachers = context.models.teachers or [_fresh_teacher(context)]
            if context.plan.fine_tunes_teacher:
                teachers.clear()  # it is read again, with a fresh head
                teacher, before = fine_tuned_teacher(context)
                teachers.append(teacher)
            elif context.plan.gets_head:
                teachers = [_with_head(context, teachers[0])]
            if context.plan.teacher_steps and not context.plan.fine_tunes_teacher:
                before = _train(context, teachers[0])
            folders = context.directory.teachers(len(teachers))
            for number, (teacher, folder) in enumerate(zip(teachers, folders, strict=True)):
                trained = number == 0 and context.plan.trains_teacher
                length = context.config.length if trained else None
                context.save(teacher, folder, length, context.tokenizers.teacher)
            context.models.teachers = teachers
        if context.task.kind and not context.task.lacks_labels(context.splits.validation_source):
            require_above_floor(context)
        facts = dict(steps=_steps(context), stages=[fine_tuned_name(context)])
        context.finish(self.name, started, before, **facts)


def _steps(context):
    """Optimizer steps that the teacher was trained in this run."""
    if context.plan.fine_tunes_teacher:
        return fine_tuning_steps(context)
    return context.plan.teacher_steps


def _with_head(context, encoder):
    """The loaded teacher with the masked-LM head that it gets here, in the run's precision."""
    source = resolve_directory(context.plan.teacher_names[0])
    folder = folder_with_head(context, source, encoder, context.tokenizers.teacher)
    return context.task.load(folder)


def _train(context, teacher):
    """Trains with the labels alone; returns the seconds of training before the last stop."""
    config = context.config
    training = TrainingStage(
        Teachers.name,
        context.task.without_teacher().phases[0],
        context.plan.teacher_steps,
        teacher_learning_rate(config, context.plan),
        layerdrop=config.layerdrop,
    )
    batches = context.batches(config.seed, TEACHER)
    return context.trainer.train(training, teacher, None, batches)


def _fresh_teacher(context):
    task, seed, splits = context.task, context.config.seed, context.splits
    teacher = task.model(context.plan.teacher_config, seed)
    if not context.trainer.has_checkpoint(Teachers.name):  # it would replace these weights
        context.console.say("making the teacher's start from the text")
        task.start_from_text(teacher, splits.train_ids, splits.train, context.tokenizer, seed)
    return teacher
