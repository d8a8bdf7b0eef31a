"""Compares Metal, or bfloat16 on a CPU, with float32 on the CPU, for the run with these flags.

    python -m tfdistill.command_line.auto_check --flagfile=mini --device=cpu --precision=bfloat16

Prints one JSON object: {"problem": ""}, or the reason against the candidate. `run.auto_check`
starts it in another process, because a GPU driver may crash.
"""

import dataclasses
import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.user_recipe import require_on_command_line
from tfdistill.settings.fine_tuning import FineTuning
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.models import Student, Teacher
from tfdistill.settings.optimizer import Optimizer
from tfdistill.settings.task import TaskChoice
from tfdistill.settings.text import Corpus
from tfdistill.system import devices, hardware

SPEED_STEPS = 6
LEAST_SPEEDUP = 1.1  # half of a smaller one may be chance


def main():
    """Runs the command."""
    groups = TaskChoice, LabelledDataSettings, Corpus, Teacher, Student, FineTuning, Optimizer
    Command(__doc__, groups).run(_check)


def _check(config):
    require_on_command_line(config.recipe)
    choice = devices.prepare(config.device, config.precision)
    print(json.dumps({"problem": find_problem(config, choice)}))


def find_problem(config, choice, train=None):
    """Compares training steps of a candidate with float32 steps on the CPU.

    Args:
        config: a `RunConfig`.
        choice: the candidate, a `devices.Choice`.
        train: takes the steps, as `training_check.train`; None: that function.

    Returns:
        The problem with the candidate, in a few words; "" if it is correct and fast enough.
    """
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.diagnosis import training_check, workloads
    from tfdistill.diagnosis.training_check import STEPS, Way, compare, ways

    candidate, train = ways(choice)[-1], train or training_check.train
    instead = Way("cpu", devices.choose(hardware.this_platform(), [], "cpu", "float32"))
    mini = workloads.batches(workloads.MINI, load_tokenizer())
    trials = [(*_this_run(config), SPEED_STEPS), (workloads.MINI, mini, STEPS)]
    if choice.on_metal:  # there correctness is checked first; elsewhere speed
        trials = [(workloads.without_draws(each), *rest) for each, *rest in reversed(trials)]
    for workload, batches, steps in trials:
        usual, other = (train(workload, batches, w, steps) for w in (instead, candidate))
        wrong = compare(usual, other, choice.precision).problem
        if not wrong and steps == SPEED_STEPS:
            wrong = _too_slow(choice, usual.tokens_per_second, other.tokens_per_second)
        if wrong:
            return wrong
    return ""


def _this_run(config):
    """(`Workload`, batches) of the run with the first of its teachers."""
    from tfdistill import tasks
    from tfdistill.diagnosis import workloads
    from tfdistill.run import early_plan, plan, sources
    from tfdistill.run.planned_shapes import plan_shapes

    config = dataclasses.replace(config, teacher_weights="")
    names, task, data = sources.teacher_names(config)[:1], tasks.get(config.task), None
    if task.kind:
        task, data = early_plan.open_task(config, training=True)
    recipe = early_plan.check_settings(config)
    teachers = [task.describe(name) for name in names]
    tokenizers = sources.load_tokenizers(config, task, names, data)
    loaded = teachers[0].config if teachers else None
    given = task.describe(config.student).config if config.student else None
    reads = early_plan.reads_teacher(config, recipe)
    shapes = plan_shapes(config, reads, loaded, tokenizers, given, task.has_pairs)
    made = plan.make_plan(config, recipe, teachers, tokenizers.student, shapes)
    run = workloads.of_run(config, made, task if task.kind else None)
    if not task.kind:
        return run, workloads.batches(run, tokenizers.student)
    return run, workloads.labelled_batches(config, task, data, tokenizers.student, made)


def _too_slow(choice, usual, other):
    """Returns why a candidate is not fast enough; "" if it is."""
    against = f"at this size, {other:,.0f} tokens/s against {usual:,.0f}"
    if choice.on_metal:
        return "" if other >= usual else f"slower than the CPU {against}"
    return "" if other >= LEAST_SPEEDUP * usual else f"not clearly faster than float32 {against}"


if __name__ == "__main__":
    main()
