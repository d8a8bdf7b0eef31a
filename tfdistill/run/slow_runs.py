"""The `Problem` of a slow run: what takes its time, and the settings that take less of it.

Each function of `_ANSWERS` takes a `finished_advice.Finished` and returns (dict of settings to
values, reason); without settings, the reason says why they would not help, or is "".
"""

import dataclasses

from tfdistill import recipes
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.reports.units import duration
from tfdistill.run.baselines import baseline_keys
from tfdistill.run.teacher_checks import check_cache
from tfdistill.run.teacher_problems import (
    Problem,
    at_the_floor,
    difference_of,
    trained_briefly,
    trains_teacher,
)
from tfdistill.run.verdict import outcome, same_start
from tfdistill.system import hardware
from tfdistill.system.devices import import_quietly
from tfdistill.system.errors import UserError

SLOW_SECONDS = 600  # shorter runs are not called slow
LARGE_SHARE = 0.1  # of a run's time, from which a part of it is worth leaving out
CACHE_PASSES = 4  # over the text, from which a cache saved time in docs/PERFORMANCE.md


def slow(run):
    """The `Problem` of a run that took long; None for another."""
    seconds = run.metrics.get("seconds", {})
    total = sum(seconds.values())
    if total < SLOW_SECONDS:
        return None
    stages = sorted(seconds, key=lambda name: -seconds[name])[:3]
    parts = ", ".join(f"{name} {duration(seconds[name])}" for name in stages)
    finding = f"{duration(total)} in all: {parts}"
    change, reasons = {}, []
    for answer in _ANSWERS:
        settings, why = answer(run)
        change |= settings
        reasons += [why] * bool(why)
    reasons.append("`remat` (gradient checkpointing) saves memory, not time")
    return Problem("slow", finding, change, "; ".join(reasons))


def _same_teacher(run):
    if not trains_teacher(run) or at_the_floor(run) or trained_briefly(run):
        return {}, ""
    return {"teacher": str(run.paths.teacher)}, "the teacher of this run is taken as it is"


def _precision(run):
    """bfloat16, if the run computed in float32 because that was asked for."""
    machine, asked = run.metrics["run"].get("machine", {}), run.settings.precision == "float32"
    if machine.get("precision") != "float32" or machine["on_metal"]:
        return {}, ""
    if machine["device"] == "gpu":
        why = "auto takes bfloat16 on cards with units for it"
        return ({"precision": "auto"}, why) if asked else ({}, "")
    if not hardware.has_bfloat16_units():
        return {}, "bfloat16 would be no faster: this processor has no units for it"
    if asked:
        return {"precision": "bfloat16"}, "this processor has units for bfloat16"
    measured = machine["reason"].partition("bfloat16: ")[2]
    return {}, f"bfloat16 was not taken: {measured}" if measured else ""


def _teacher_in_steps(run):
    """Layers are compared with a teacher that runs; answers to examples are stored."""
    learns = run.task.kind and run.task.learns_labels and run.settings.recipe != "kd"
    reads = run.metrics["made_from"].get("reads_teacher", True)
    if not learns or not reads or "answers" in run.metrics["seconds"]:
        return {}, ""
    return {}, (
        "the teacher runs in every step, and fewer compared layers would not change that: "
        "`recipe`=kd reads its answers, which are stored once"
    )


def _length(run):
    splits = run.metrics.get("data", {}).get("splits", {}).values()
    longest = max((split.get("tokens_max", 0) for split in splits), default=0)
    if not 0 < longest < run.settings.length:
        return {}, ""
    return {}, (
        f"a smaller `length` would not be faster: batches are as long as their texts, at most "
        f"{longest} tokens"
    )


def _baselines(run):
    seconds = run.metrics["seconds"]
    taken = sum(seconds.get(key, 0.0) for key in baseline_keys(run.settings, run.task))
    if taken < LARGE_SHARE * sum(seconds.values()):
        return {}, ""
    told = f"students without a teacher took {duration(taken)}"
    key = same_start(run.metrics["differences"], run.metrics["made_from"])
    difference = difference_of(run, f"student-{key}")
    if outcome(difference, run.task.primary) == "better":
        return {"baseline": "none"}, f"{told}, and the gain over them is shown by this run"
    return {}, f"{told}: `baseline`=none leaves them out, once a gain over them is shown"


def _cache(run):
    """The teacher's outputs for each row of a text."""
    reads = run.metrics["made_from"].get("reads_teacher", True)
    if run.task.kind or run.settings.teacher_cache or not reads or at_the_floor(run):
        return {}, ""
    folder = f"{run.paths.path}_teacher_cache"
    try:
        _check_cache(run, folder)
    except UserError as error:
        return {}, error.message.partition(";")[0]
    passes = _passes(run)
    if passes < CACHE_PASSES:
        return {}, (
            f"a `teacher_cache` serves further students of one teacher; over {passes:.1f} passes "
            "of one student it saves nothing"
        )
    why = f"the teacher runs in the first of {passes:.0f} passes over the text alone"
    return {"teacher_cache": folder}, f"{why} (docs/RECIPES.md says what is stored)"


def _check_cache(run, folder):
    """Raises the `UserError` of a run whose losses a cache cannot serve."""
    import_quietly("tfdistill.distillation.losses")  # TensorFlow comes with it
    from tfdistill.distillation.progressive import unfold

    config = dataclasses.replace(run.settings, teacher_cache=folder)
    files = [path / CONFIG for path in (run.paths.student, run.paths.teacher)]
    student, teacher = (config_of(read_json(file), file) for file in files)
    losses = run.task.distillation_losses
    recipe = recipes.get(config.recipe, task_losses=losses, **dataclasses.asdict(config))
    layers = student.num_hidden_layers, teacher.num_hidden_layers
    check_cache(config, unfold(recipe, *layers), student, teacher)


def _passes(run):
    """How often the student saw the training text."""
    facts = run.metrics["run"]
    tokens = facts["steps"]["student"] * facts["rows_in_a_step"] * facts["tokens_in_a_row"]
    return tokens / facts["corpus"]["splits"]["train"]["tokens"]


_ANSWERS = _same_teacher, _precision, _teacher_in_steps, _length, _baselines, _cache
