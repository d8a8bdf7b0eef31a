"""Export: the student's files, checked, and timed beside the teacher's."""

from tfdistill.deployment.bundle import export_bundle, warnings_of
from tfdistill.deployment.string_signatures import warnings
from tfdistill.run.exported_model import bundle_options, export_mediapipe
from tfdistill.run.part_results import export_run_parts, parts_of_run
from tfdistill.run.stages.stage import Stage
from tfdistill.run.teacher_files import teacher_files
from tfdistill.system import clock


class Export(Stage):
    """Writes the folder that ships; the teacher's files are for the comparison alone."""

    name = "export"

    def is_done(self, context):
        """Whether the files are written, and still there."""
        return super().is_done(context) and context.directory.export.is_dir()

    def run(self, context):
        """Exports, checks and times; a file that loses too much is left out.

        Raises:
            ParityError: the float32 file does not predict what the student predicts.
        """
        started = clock.now()
        line = context.console.progress(self.name, None)
        with teacher_files(context, line.note) as beside:
            files, failure = export_bundle(
                context.task,
                context.models.saved("student"),
                context.directory.export,
                bundle_options(context.config, context.task, context.splits.train),
                context.tokenizer,
                context.splits.test,
                line.note,
                beside,
            )
        shapes = parts_of_run(context)
        parts = export_run_parts(context, shapes, line.note) if shapes else {}
        for name, facts in files.items():
            if "agreement" in facts:
                context.console.say(
                    f"{name} beside its model: {context.task.words.agreement} "
                    f"{facts['agreement']:.1%}, {facts['positions']:,} "
                    f"{context.task.words.predictions}"
                )
        head = context.models.saved("student").head
        mediapipe = None
        if context.config.mediapipe:
            mediapipe = export_mediapipe(
                context.task,
                context.models.saved("student"),
                context.tokenizer,
                context.directory.export,
                context.splits.test,
                context.console,
            )
        notes = [head.note, *warnings(context.tokenizer, head), *warnings_of(context.task, files)]
        context.console.warn(filter(None, notes))
        failure = str(failure) if failure else ""
        results = dict(files=files, failure=failure, mediapipe=mediapipe, parts=parts)
        context.finish(self.name, started, **results)
