"""Answers: what the teachers of a task with labels say of the examples, computed once."""

from tfdistill.data.labelled.answers import with_answers
from tfdistill.distillation.cached_signals import answers_suffice
from tfdistill.run.context import RunSplits
from tfdistill.run.kept_answers import answers_of
from tfdistill.run.stages.stage import Stage
from tfdistill.system import clock


class Answers(Stage):
    """Puts the teachers' logits beside the training examples, and labels examples without labels.

    They are kept in `shards_dir`, so that a further student of the same teacher and data needs no
    pass of the teacher.
    """

    name = "answers"

    def is_done(self, context):
        """Whether no student is left that learns from them, and held-out examples have labels."""
        return not (_learns(context) or _unlabelled(context))

    def run(self, context):
        """Reads the answers, or computes them where there are none."""
        started = clock.now()
        if splits := _unlabelled(context):
            _label(context, splits)
        if _learns(context):
            student, teacher = context.student_sources()
            precision = context.machine.precision

            def answers(number):
                return answers_of(
                    context, teacher, lambda: context.models.teachers[number], precision, number
                )

            numbers = range(max(1, len(context.plan.teacher_names)))
            context.answered = with_answers(student, teacher, *map(answers, numbers))
        if not context.directory.done(self.name):
            context.finish(self.name, started)


def _learns(context):
    """Whether a student is left that learns from them."""
    learns = context.task.kind and any(map(answers_suffice, context.plan.recipe.phases))
    return learns and context.directory.done("student") is None


def _unlabelled(context):
    """The held-out splits without labels: a list of names."""
    sources = _sources(context.teacher_splits)
    return [
        name
        for name in ("validation", "test")
        if context.task.kind and context.task.lacks_labels(sources[name])
    ]


def _sources(splits):
    return {
        "train": splits.train,
        "validation": splits.validation_source,
        "test": splits.test.source,
    }


def _label(context, names):
    """Labels held-out splits by the first teacher."""
    task, teacher = context.task, lambda: context.models.saved_teacher(0)
    answers = {
        name: answers_of(context, _sources(context.teacher_splits)[name], teacher, "float32")
        for name in names
    }

    def labelled(splits):
        found = _sources(splits)
        found |= {name: task.labelled_by(found[name], answers[name]) for name in names}
        return RunSplits.of(task, found, splits.train_ids)

    same = context.teacher_splits is context.splits
    context.splits = labelled(context.splits)
    context.teacher_splits = context.splits if same else labelled(context.teacher_splits)
