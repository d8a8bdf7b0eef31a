"""Start: the student before its first step, measured on validation text."""

from tfdistill.run.stages.stage import Stage
from tfdistill.run.student_start import make_start
from tfdistill.system import clock


class Start(Stage):
    """Cuts the student from the first teacher, or makes it of random numbers."""

    name = "start"

    def run(self, context):
        """Makes the start, measures it and saves it."""
        with context.training():
            started = clock.now()
            teachers = context.models.teachers
            start, facts = make_start(context, teachers[0] if teachers else None)
            context.save(start, context.directory.start, context.config.length)
            context.models.start = start
            layers = context.plan.student_config.num_hidden_layers
            context.finish(self.name, started, layers=layers, **facts)
