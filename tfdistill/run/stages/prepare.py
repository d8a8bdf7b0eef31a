"""Prepare: the text becomes shards, and the run takes its folder."""

import dataclasses
import os
import time

from tfdistill.data.shards import prepare
from tfdistill.reports.corpus_files import format_files
from tfdistill.reports.table import format_statistics
from tfdistill.reports.tensorboard import RunWriter, markdown_table
from tfdistill.run import plan
from tfdistill.run.checks import split_steps, without_meaning
from tfdistill.run.context import RunText
from tfdistill.run.stages.stage import Stage
from tfdistill.settings.flagfile import flag_lines, parse_flag_lines
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically

VALIDATION_BATCHES = 16  # enough for a curve; the table uses the whole test split


class Prepare(Stage):
    """Tokenizes the text, and begins the run's folder once there is text."""

    name = "prepare"

    def is_done(self, context):
        """Always False: a run that continues needs its text, and checks that it is the same."""
        return False

    def run(self, context):
        """Opens the text, which is tokenized only once; stores the facts of a new run."""
        config, console = context.config, context.console
        _announce(context)
        started = time.perf_counter()
        corpus = context.corpus
        if files := format_files(corpus):
            console.say(files)
        prepared = prepare(
            corpus,
            context.tokenizer,
            config.shards_dir,
            progress=console.preparation(corpus.size),
        )
        console.say(format_statistics(prepared.statistics))
        console.warn((*context.tokenizer.notes, *prepared.warnings))
        _begin(context, prepared, started)
        context.text = _open_text(context, prepared)
        steps = plan.student_steps(config, len(context.text.train))
        split_steps(steps, context.plan.recipe.phases)


def _announce(context):
    config, machine = context.config, context.machine
    context.console.say(f"computing on {machine.device}: {machine.reason}; {machine.precision}")
    for flag in without_meaning(config):
        context.console.say(f"`{flag}` has no meaning for `recipe`={config.recipe}: left out")
    context.console.say(f"corpus {config.corpus}")


def _begin(context, prepared, started):
    """Takes the folder of the run. Only here, when there is text, an old run is deleted."""
    directory, shards = context.directory, prepared.directory.name
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
        machine = dataclasses.asdict(context.machine)
        context.finish("prepare", started, machine=machine, **facts)


def _write_flags(context):
    lines = flag_lines(context.config)
    write_atomically(context.directory.flags, "\n".join(lines) + "\n")
    writer = RunWriter(context.directory.tensorboard("flags"))
    writer.replay([])  # an earlier start wrote the same panel
    writer.text("flags", 0, markdown_table(["flag", "value"], parse_flag_lines(lines).items()))
    writer.close()


def _open_text(context, prepared):
    task = context.task
    sources = task.read(prepared, context.tokenizer, context.config)
    validation = task.evaluation_batches(sources["validation"])
    count = min(len(validation), VALIDATION_BATCHES)
    return RunText(
        train=sources["train"],
        train_ids=prepared.shard("train").ids,
        validation=[validation.at(index) for index in range(count)],
        test=task.evaluation_batches(sources["test"]),
    )
