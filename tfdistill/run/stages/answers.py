"""Answers: what the teachers of a task with labels say of the training examples, computed once."""

import time

from tfdistill.data.labelled.answers import with_answers
from tfdistill.distillation.cached_signals import answers_suffice
from tfdistill.run.kept_answers import answers_of
from tfdistill.run.stages.stage import Stage


class Answers(Stage):
    """Puts the teachers' logits beside the training examples.

    They are kept in `shards_dir`, so that a further student of the same teacher and data needs no
    pass of the teacher.
    """

    name = "answers"

    def is_done(self, context):
        """Whether no student is left that learns from them."""
        learns = any(map(answers_suffice, context.plan.recipe.phases))
        return not learns or context.directory.done("student") is not None

    def run(self, context):
        """Reads the answers, or computes them where there are none."""
        started, source = time.perf_counter(), context.teacher_splits.train

        def answers(number):
            precision = context.machine.precision
            return answers_of(
                context, source, lambda: context.models.teachers[number], precision, number
            )

        numbers = range(max(1, len(context.plan.teacher_names)))
        context.answered = with_answers(context.splits.train, source, *map(answers, numbers))
        if not context.directory.done(self.name):
            context.finish(self.name, started)
