"""The main job: a list of stages, from text to report. Imports no TensorFlow until it runs."""

from tfdistill.run import machine, sources
from tfdistill.run.checks import require_even_batches
from tfdistill.run.directory import STAGES
from tfdistill.run.early_plan import (
    begin_plan,
    check_settings,
    open_directory,
    reads_teacher,
    require_same_data,
)
from tfdistill.run.model_classes import lacking_lines, with_classes_of_heads
from tfdistill.run.recipe_checks import check_tokenizers
from tfdistill.run.stored_metrics import read_metrics
from tfdistill.run.unused_settings import unused_lines
from tfdistill.system import devices
from tfdistill.system.errors import UserError
from tfdistill.system.files import free_bytes

NOTHING_CHANGED = "nothing of the run was changed"


class MainJob:
    """One run. A stage that is done is skipped; a run that is finished only shows its results.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Raises:
        UserError: the settings, the text or a folder make the run impossible.
    """

    def __init__(self, config, console):
        self.config, self.console = config, console
        devices.prepare_import()
        recipe = check_settings(config)
        self.directory = open_directory(config)
        self._early = None
        if not self.is_finished:
            self._early = begin_plan(config, recipe, self.directory)

    @property
    def is_finished(self):
        """Whether every stage is done."""
        return self.directory.is_finished

    def run(self, stop_after=None):
        """Runs the stages that are not done.

        Args:
            stop_after: name of the last stage to run (one of `directory.STAGES`); None: what the
                settings say.

        Returns:
            (metrics, failure): the content of metrics.json, or None when the run ended before its
            report; and the `ParityError` of an int8 file that costs too much quality, or None.

        Raises:
            UserError: there is no such stage, or the settings make the run impossible.
        """
        stop_after = stop_after or self.config.stop_after
        if stop_after and stop_after not in STAGES:
            raise UserError(
                f"`stop_after`={stop_after}: no such stage; the stages are {', '.join(STAGES)}"
            )
        if self.is_finished:
            require_same_data(self.config, self.directory)
            self.console.say(f"{self.directory.path} is finished; `force` would start it over")
        else:
            self._run_stages(stop_after)
        if self.is_finished:
            return self._results()
        self.console.say(f"stopped after {stop_after}, as requested")
        return None, None

    def dry_run(self):
        """Says what the run would read, do and take; trains and writes nothing."""
        if self.is_finished:
            self.console.say(f"{self.directory.path} is finished; `force` would start it over")
            return
        choice = machine.for_plan(self.config)
        from tfdistill.run.data_lines import data_lines, statistics_lines
        from tfdistill.run.dry_run import DryRun
        from tfdistill.run.dry_run_lines import dry_run_lines
        from tfdistill.run.plan import prepared_data
        from tfdistill.run.product_rate import product_rate

        context = self._context(choice, loads=False)
        task, found = context.task, prepared_data(context)
        told = [*unused_lines(self.config, context.tunes_teacher), data_lines(task, context.data)]
        if found:
            told.append(statistics_lines(task, found.statistics))
            self.console.warn(found.warnings)
        rate = product_rate(choice.precision)
        told += dry_run_lines(DryRun(context, found), rate, free_bytes(self.directory.path))
        self.console.say("\n".join(filter(None, told)))

    def _run_stages(self, stop_after):
        choice = machine.for_training(self.config, self.console)  # before TensorFlow is imported
        from tfdistill.run import stages

        context = self._context(choice)
        try:
            self.directory.tidy()
            for stage in stages.ALL:
                if not stage.is_done(context):
                    stage.run(context)
                if stage.name == stop_after:
                    return
        finally:
            self.directory.release()

    def _context(self, choice, loads=True):
        from tfdistill.run import plan
        from tfdistill.run.context import RunContext, training_scope
        from tfdistill.run.loaded_models import LoadedModels

        config, early = self.config, self._early
        require_even_batches(config, choice.replicas)
        names, task = early.teacher_names, early.task
        if names:
            task = task.taught_by(names[0], config.length)
        given = [sources.model_source(config.student)] * bool(config.student)
        task = with_classes_of_heads(task, early.data, [*names, *given])
        self.console.warn(lacking_lines(task, early.data))
        teachers = [task.describe(name) for name in names]
        tokenizers = early.tokenizers or sources.load_tokenizers(config, task, names, early.data)
        if not task.kind or sources.is_cut_from_teacher(config):
            sources.require_same_vocabulary(config, task, names, tokenizers.student)
        check_tokenizers(task, early.recipe, tokenizers)
        shapes = early.shapes or self._shapes(task, teachers, tokenizers)
        made = plan.make_plan(config, early.recipe, teachers, tokenizers.student, shapes)
        models = LoadedModels(self.directory, names, lambda: training_scope(choice), task)
        if loads and names and not self.directory.done("student"):
            models.load_teachers()  # damaged weights are found before the folder is taken
        return RunContext(
            config,
            self.console,
            choice,
            self.directory,
            made,
            tokenizers,
            models,
            early.data,
            task,
        )

    def _shapes(self, task, teachers, tokenizers):
        """The `Shapes` of a run with models that were fetched from the hub."""
        from tfdistill.run.planned_shapes import plan_shapes

        config, early = self.config, self._early
        reads = reads_teacher(config, early.recipe)
        loaded = teachers[0].config if teachers else None
        given = task.describe(config.student).config if config.student else None
        return plan_shapes(config, reads, loaded, tokenizers, given, task.has_pairs)

    def _results(self):
        from tfdistill.deployment.parity import ParityError
        from tfdistill.reports.table import format_table

        metrics = read_metrics(self.directory.metrics)
        self.console.say(format_table(metrics))
        if self.directory.report.is_file():
            self.console.say(f"report: {self.directory.report}")
        failure = self.directory.done("export")["failure"]
        return metrics, ParityError(failure) if failure else None

    def left(self):
        """What a stopped run leaves: one line that says where the same command goes on."""
        done = ", ".join(self.directory.facts("seconds"))
        if not (self.directory.begun and done):
            return NOTHING_CHANGED
        command = "the same command" + " without `force`" * self.config.force
        if last := self.directory.last_checkpoint():
            stage, step = last
            return f"{command} goes on from step {step:,} of {stage}"
        return f"{command} goes on after what is done: {done}"
