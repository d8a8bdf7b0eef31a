"""Usual problems of a run: how each is found in metrics.json, and the settings that change it."""

import dataclasses
import math

from tfdistill.deployment.kept_quality import ALLOWED, is_lost
from tfdistill.deployment.variants import INT8_FILE
from tfdistill.distillation.phases import SHARED
from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.recipes.kd import KL, MSE
from tfdistill.run import advice_shapes
from tfdistill.run.advice_recipe import trainable_shapes
from tfdistill.run.slow_runs import slow
from tfdistill.run.teacher_problems import (
    LATE,
    Problem,
    at_the_floor,
    difference_of,
    floor_teacher,
    trained_briefly,
)
from tfdistill.run.verdict import QUALITY, SIZE, SPEED, outcome, same_start
from tfdistill.settings.augmentation import BILSTM, TINYBERT
from tfdistill.system.errors import UserError
from tfdistill.training.best import best_point

# Recipes that are published with variants of the texts, and their law.
AUGMENTATIONS = {"bilstm": BILSTM, "tinybert_task": TINYBERT, "dynabert": TINYBERT}
CUT_SHARE = 0.01
HARDLY_FELL = 0.5  # of the distillation loss at the beginning
MORE = 0.9  # share of the loss on the teacher's predictions, where it should be larger
NARROWER = "spaced:pca"  # start of a narrower student


def problems_of(run):
    """The problems of a run: a list of `Problem`s.

    Args:
        run: a `finished_advice.Finished`.
    """
    checks = (floor_teacher, trained_briefly, _gain, _distillation_loss, _quality, _cut, _int8)
    return list(filter(None, (check(run) for check in (*checks, _size_or_speed, slow))))


def _gain(run):
    made_from = run.metrics["made_from"]
    if not made_from.get("reads_teacher", True) or _is_super(run) or at_the_floor(run):
        return None
    key = same_start(run.metrics["differences"], made_from)
    difference = difference_of(run, f"student-{key}")
    if difference is None:
        finding = "the same start was not trained without a teacher"
        why = "without it nobody knows what the teacher adds"
        return Problem("gain not measured", finding, {"baseline": "start"}, why)
    if outcome(difference, run.task.primary) == "better":
        return None
    if not run.task.learns_labels:
        return _untrained(run, difference)
    finding = (
        f"{run.task.primary.difference_sentence(difference)}: the student minus the same start "
        "without a teacher, which is not above zero by two standard errors"
    )
    change, why = _with_layers(run)
    if not change:
        why = "take more text that the teacher answers, or the cheaper student without a teacher"
    return Problem("no teacher is as good", finding, change, why)


def _is_super(run):
    """Whether only parts of the student are used, so that nothing is said of the whole."""
    return run.metrics["made_from"].get("trains_parts", False)


def _untrained(run, difference):
    """The problem of a student that learns from its teacher alone, and is no better for it."""
    finding = (
        f"{run.task.primary.difference_sentence(difference)}: the student minus its start, which "
        "is not above zero by two standard errors"
    )
    change, why = {}, "take more sentences, or another `learning_rate`"
    if not run.settings.steps:
        change["n_epoch"] = 2 * run.settings.n_epoch
        why = "the student trains longer; or take more sentences, or another `learning_rate`"
    return Problem("the start is as good", finding, change, why)


def _with_layers(run):
    """(dict, reason) of a recipe that compares layers, too; empty for a run that has one."""
    if run.settings.recipe != "kd" or run.settings.student:  # which may have its own tokenizer
        return {}, ""
    student = get_model_type(run.settings.student_type)
    if student.own_words or not student.has_layers:  # tokens differ, or nothing can be compared
        return {}, ""
    change = {"recipe": "pkd"}
    shapes = _shapes(run)
    if shapes and shapes["student"].layers < 2:  # pkd leaves the last layer out
        return {}, ""
    if shapes and shapes["student"].width < shapes["teacher"].width:
        change["projection"] = "shared"
    return change, "compares the states of layers, too"


def _shapes(run):
    """dict of "teacher" and "student" to their `Size`s; None for models of other blocks."""
    found = {}
    for name, folder in {"teacher": run.paths.teacher, "student": run.paths.student}.items():
        file = folder / CONFIG
        config = config_of(read_json(file), file) if file.is_file() else None
        if config is None or not advice_shapes.is_counted(config):
            return None
        found[name] = advice_shapes.Size.of(config)
    return found


def _distillation_loss(run):
    """The distance of the predictions, which should fall; and the agreement that it comes to."""
    losses = run.task.distillation_losses  # empty of a task without labels
    names = {kind: f"loss_{losses[kind]}" for kind in (KL, MSE) if kind in losses}
    for name in names.values():
        values = [row[name] for row in run.curves["student"] if name in row]
        tenth = max(1, len(values) // 10)
        first, last = (sum(part) / tenth for part in (values[:tenth], values[-tenth:]))
        if values and last > HARDLY_FELL * first:
            break
    else:
        return None
    agreement = run.metrics["models"]["student"].get("agreement")
    if agreement is None or agreement >= QUALITY:
        return None
    finding = (
        f"the distance of the predictions, {name}, went from {first:.3g} to {last:.3g}; student "
        f"and teacher agree on {agreement:.1%} of the test split"
    )
    change, why = _with_layers(run)[0], "the teacher's layers are compared, too"
    if run.settings.recipe in ("kd", "pkd", "static") and float(run.settings.alpha or 0) < MORE:
        change["alpha"] = MORE
        why = "the teacher has a larger share of the loss"
    elif not run.settings.steps:
        change["n_epoch"], why = 2 * run.settings.n_epoch, "the student trains longer"
    else:
        change["steps"], why = 2 * run.settings.steps, "the student trains longer"
    if name == names.get(KL):  # which has a temperature
        why += ". A higher `temperature` changes the loss itself: judge it by the agreement"
    return Problem("high distillation loss", finding, change, why)


def _quality(run):
    criterion = run.metrics["verdict"].get("quality")
    low = criterion and criterion["value"] is not None and criterion["value"] < QUALITY
    if not low or _is_super(run) or at_the_floor(run):
        return None
    finding = f"{criterion['value']:.0%} where {QUALITY:.0%} is wanted: {criterion['definition']}"
    best = best_point(run.curves["student"], run.task.primary)
    shapes, change = _shapes(run), _with_layers(run)[0]
    deeper = shapes and min(shapes["teacher"].layers, math.ceil(1.5 * shapes["student"].layers))
    if shapes and deeper > shapes["student"].layers and not run.settings.student:
        change["student_config"] = shapes["student"]._replace(layers=deeper).name
    law = AUGMENTATIONS.get(run.settings.recipe)
    if law and run.task.has_variants and not run.settings.augmentation:
        change["augmentation"] = law
        return Problem(
            "poor student", finding, change, "its published recipe has variants of texts"
        )
    if best is None:
        return Problem("poor student", finding, change, "a larger student")
    best, last = best["step"], run.curves["student"][-1]["step"]
    lowest = _lowest_loss(run.curves["student"]) or best
    where = f"the best point of training is step {best:,} of {last:,}"
    if lowest > LATE * last >= best:
        where += f", and the validation loss is lowest at step {lowest:,}"
    if max(best, lowest) > LATE * last:
        length = "steps" if run.settings.steps else "n_epoch"
        change[length] = 2 * getattr(run.settings, length)
        why = f"{where}, so longer training helps, too"
    else:
        why = f"{where}, so longer training does not help: a larger student, or more examples"
    return Problem("poor student", finding, change, why)


def _lowest_loss(curve):
    """The step with the lowest validation loss; None if no loss was measured."""
    points = [row for row in curve if row["step"] and "validation_loss" in row]
    return min(points, key=lambda row: row["validation_loss"], default={}).get("step")


def _cut(run):
    """Texts that are longer than a row. Questions have windows instead."""
    data = run.metrics.get("data", {})
    if data.get("kind") == "spans":
        return None
    splits = data.get("splits", {}).values()
    share = max((split.get("cut_share", 0) for split in splits), default=0)
    if share <= CUT_SHARE:
        return None
    learned = run.paths.teacher.is_dir()
    file = (run.paths.teacher if learned else run.paths.student) / CONFIG
    most = config_of(read_json(file), file).max_length
    length = min(2 * run.settings.length, most)
    finding = f"{share:.0%} of the examples of a split are cut at {run.settings.length} tokens"
    if length <= run.settings.length:
        model = "teacher" if learned else "student"
        why = f"the {model} has no more positions: split the texts, or take their important part"
        return Problem("cut examples", finding, {}, why)
    return Problem("cut examples", finding, {"length": length}, "longer rows cut fewer")


def _int8(run):
    metric, facts = run.task.file_metric, run.metrics["export"].get(INT8_FILE)
    variants = run.settings.tflite_variants.split(",")
    if facts is None:
        if "int8" not in variants:
            return None
        finding = f"there is no int8 file: it lost more than {ALLOWED:.0%}"
    else:
        values = [facts.get(f"{metric.key}_{kind}") for kind in ("keras", "lite")]
        if None in values or not is_lost(metric, *values, None):
            return None
        model, file = (metric.text({metric.key: value}) for value in values)
        finding = f"the {metric.name} of the int8 file is {file}, that of the model {model}"
    change = {"tflite_variants": ",".join(dict.fromkeys([*variants, "float16"]))}
    why = "half the size of float32, without loss; or keep the file with `allow_loss`"
    return Problem("int8 loses", finding, change, why)


def _size_or_speed(run):
    states = {name: run.metrics["verdict"].get(name) for name in ("size", "speed")}
    failed = {name: each for name, each in states.items() if each and not each["passed"]}
    if not failed or _is_super(run):
        return None
    wanted = {"size": f"at most {SIZE}", "speed": f"at least {SPEED}"}
    finding = "; ".join(
        f"{name} {each['value']:.2f}, {wanted[name]} is wanted" for name, each in failed.items()
    )
    why = "no smaller shape that the recipe trains is enough: the vocabulary takes too much"
    change = {}
    if _quality(run):
        why = "a smaller student, but first one that is good enough"
    elif smaller := _smaller_shape(run):
        change = {"student_config": smaller.size.name}
        narrower = smaller.size.width < _shapes(run)["teacher"].width
        change["student_init"] = NARROWER if narrower else "every_other"
        why = f"{smaller.origin}: {smaller.bytes / 1e6:.1f} MB"
    return Problem("student too large", finding, change, why)


def _smaller_shape(run):
    """The largest `Candidate` that is small and fast enough, and fits the recipe; None for none."""
    shapes = _shapes(run)
    if not shapes or run.settings.student:
        return None
    lengths = (run.settings.length,)
    file = run.paths.teacher / CONFIG
    whole, least = shapes["teacher"].int8_bytes(lengths), shapes["student"].multiply_adds(*lengths)
    teacher = config_of(read_json(file), file)
    for each in advice_shapes.candidates(teacher, lengths):
        fits = each.bytes <= SIZE * whole and each.size.multiply_adds(*lengths) < least
        if fits and _is_trainable(run, each.size, teacher):
            return each
    return None


def _is_trainable(run, size, teacher):
    """Whether the run's recipe can train a student of a shape: not if attention differs, say."""
    config, shapes = run.settings, {size.name: size.applied_to(teacher)}
    if config.recipe == "pkd" and size.width < teacher.hidden_size:
        config = dataclasses.replace(config, projection=SHARED)  # which is advised with it
    try:
        return bool(trainable_shapes(shapes, run.task, teacher, config))
    except UserError:
        return False
