"""Prepare: the data are tokenised, and the run takes its folder."""

import dataclasses
import os

from tfdistill.reports.tensorboard import RunWriter, markdown_table
from tfdistill.run.context import RunSplits
from tfdistill.run.data_lines import data_lines, statistics_lines
from tfdistill.run.recipe_checks import split_steps
from tfdistill.run.stages.stage import Stage
from tfdistill.run.unused_settings import unused_lines
from tfdistill.settings.flagfile import flag_lines, parse_flag_lines
from tfdistill.system import clock
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically


class Prepare(Stage):
    """Tokenizes the data, and begins the run's folder once there are some."""

    name = "prepare"

    def is_done(self, context):
        """Always False: a run that continues needs its data, and checks that they are the same."""
        return False

    def run(self, context):
        """Tokenizes the data, a corpus only once; stores the facts of a new run."""
        config, console = context.config, context.console
        _announce(context)
        started = clock.now()
        task, tokenizers = context.task, context.tokenizers
        if lines := data_lines(task, context.data):
            console.say(lines)
        prepared = task.prepare(context.data, tokenizers.student, config, console.preparation)
        console.say(statistics_lines(task, prepared.statistics))
        console.warn((*tokenizers.student.notes, *prepared.warnings))
        _begin(context, prepared, started)
        splits = RunSplits.of(task, prepared.sources, prepared.train_ids)
        context.splits = context.teacher_splits = splits
        if tokenizers.teacher is not tokenizers.student:
            console.warn(tokenizers.teacher.notes)
            prepared = task.prepare(context.data, tokenizers.teacher, config)
            context.teacher_splits = RunSplits.of(task, prepared.sources, prepared.train_ids)
        if not config.augmentation:  # else there are more examples, and so more steps
            split_steps(context.student_steps, context.plan.recipe.phases)


def _announce(context):
    config, machine = context.config, context.machine
    context.console.say(f"computing on {machine.device}: {machine.reason}; {machine.precision}")
    for line in unused_lines(config, context.tunes_teacher):
        context.console.say(line)
    if not context.task.kind:
        context.console.say(f"corpus {config.corpus}")


def _begin(context, prepared, started):
    """Takes the folder of the run. Only here, when there are data, an old run is deleted."""
    directory, shards = context.directory, prepared.identity
    done = directory.done("prepare")
    if done and done["shards"] != shards:
        raise UserError(
            f"`output_dir`={directory.path} holds a run that began with other text "
            f"({done['shards']}, now {shards}): name another `output_dir`, or start over with "
            "`force`"
        )
    directory.begin()
    _write_flags(context)
    if not done:
        facts = {"shards": shards, "statistics": prepared.statistics, "folder": os.getcwd()}
        facts["data"] = context.data.fingerprint
        machine = dataclasses.asdict(context.machine)
        context.finish("prepare", started, machine=machine, **facts)


def _write_flags(context):
    lines = flag_lines(context.config)
    write_atomically(context.directory.flags, "\n".join(lines) + "\n")
    writer = RunWriter(context.directory.tensorboard("flags"))
    writer.replay([])  # an earlier start wrote the same panel
    writer.text("flags", 0, markdown_table(["flag", "value"], parse_flag_lines(lines).items()))
    writer.close()
