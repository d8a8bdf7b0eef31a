"""Advice on a new run: models, shape and settings for a task and its budgets, as a flagfile."""

import dataclasses
from pathlib import Path

from tfdistill import recipes
from tfdistill.deployment import operators
from tfdistill.deployment.memory_model import memory_bytes
from tfdistill.deployment.signatures import lengths_of
from tfdistill.run import (
    advice_models,
    advice_sentences,
    advice_settings,
    advice_shapes,
    advice_small,
)
from tfdistill.run.advice_facts import facts_of
from tfdistill.run.advice_recipe import trainable_shapes
from tfdistill.run.advice_settings import Choice
from tfdistill.run.early_plan import DATA_WITH_LABELS
from tfdistill.run.learning_rates import STUDENT, fine_tuning_rate
from tfdistill.run.verdict import QUALITY, SIZE, SPEED
from tfdistill.settings.advice import Advice
from tfdistill.settings.flagfile import as_text, given_flags
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.paths import require_file, require_shards

FIRST_LINE = "# Advised by python -m tfdistill.advise"
ROUNDS = 30  # timed runs of each file


def advise_and_show(config, console):
    """Advises on a new run, or on what to change after a finished one, and prints it.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict for JSON.

    Raises:
        UserError: a setting is wrong, or nothing fits the budgets.
    """
    if config.run:
        from tfdistill.run.finished_advice import advise_on_run

        for name in _beside_run(config):
            console.warn([f"`{name}` changes nothing with `run`: left out"])
        return advise_on_run(config, console)
    require_shards(config.shards_dir)
    if config.write:
        _require_own(config.write)
    found = advise(config, console)
    text = "\n".join([FIRST_LINE, *found["flags"]]) + "\n"
    console.say("\n".join(_lines(found)))
    if config.write:
        write_atomically(config.write, text)
        console.say(f"\npython -m tfdistill.train --flagfile={config.write}")
    else:
        console.say(f"\n{text.rstrip()}")
    return found | {"flagfile": config.write}


def _beside_run(config):
    """Settings that are given beside `run`, which says them all."""
    usual = type(config)()
    asked = "task", "teacher", "length", "text_column", "encoding_errors", "data_dir", "shards_dir"
    names = (*asked, *options_of(Advice), *options_of(LabelledDataSettings))
    return [n for n in names if n != "run" and getattr(config, n) != getattr(usual, n)]


def _require_own(file):
    require_file("write", file)
    path = Path(file)
    if path.is_file() and not path.read_text("utf-8", errors="replace").startswith(FIRST_LINE):
        raise UserError(f"`write`={file} exists and is no flagfile of this command: name another")


def advise(config, console):
    """Chooses the models and settings of a new run.

    Args:
        config, console: as for `advise_and_show`; the console tells what is converted.

    Returns:
        dict: `task`, `rows`; `teachers` and `students`, the recommended ones; `teacher`, `student`
        and `shapes` with their sizes; `choices`, dicts of `setting`, `value` and `reason`; and
        `flags`, the lines of the flagfile.

    Raises:
        UserError: as `advise_and_show`.
    """
    facts = facts_of(config)
    teacher = advice_shapes.size_of_teacher(facts.config, facts.name)
    lengths = lengths_of(config.tflite_lengths, config.length)
    found = advice_shapes.candidates(facts.config, lengths, _head(facts.task))
    given = given_flags(config)
    if "recipe" in given:
        shapes = {each.size.name: each.size.applied_to(facts.config) for each in found}
        names = trainable_shapes(shapes, facts.task, facts.config, config)
        found = [each for each in found if each.size.name in names]
    if config.budget_ms:
        found = _timed(found, facts, config, console)
    small = facts.task.name, teacher, config.budget_mb
    instead = advice_small.instead(*small)
    chosen = advice_shapes.choose(found, config.budget_mb, config.budget_ms, instead)
    models = advice_models.recommended(facts.task.name)
    models["students"] = advice_shapes.smaller(models["students"], teacher)
    choices = [
        *_student_choices(chosen, teacher, facts, lengths),
        *_training_choices(chosen.size, teacher, facts, given),
        *advice_small.remarks(*small),
    ]
    return {
        "task": facts.task.name,
        "rows": facts.rows,
        **models,
        "teacher": {
            "name": facts.name,
            "parameters": teacher.parameters,
            "conversion": advice_models.conversion(facts.name),
        },
        "student": chosen.described(),
        "shapes": [each.described() for each in found],
        "choices": [choice._asdict() for choice in choices],
        "flags": _flags(choices, facts, given, config),
    }


def _head(task):
    if not task.learns_labels:
        return ""  # that of a sentence encoder has no weights
    if not task.kind:
        return operators.VOCABULARY
    return operators.POOLER if task.kind == "text" else ""


def _timed(found, facts, config, console):
    """The candidates that fit `budget_mb`, with the times of files of random weights."""
    from tfdistill.deployment.latency import measure_latency
    from tfdistill.run.benchmarked_files import shape_files

    fitting = [
        each for each in found if not config.budget_mb or each.bytes <= 1e6 * config.budget_mb
    ]
    shapes = {each.size.name: each.size.applied_to(facts.config) for each in fitting}
    times = measure_latency(shape_files(shapes, facts.task, config, console), runs=ROUNDS)
    return [dataclasses.replace(each, milliseconds=times.get(each.size.name)) for each in found]


def _student_choices(chosen, teacher, facts, lengths):
    size = chosen.size
    times = teacher.parameters / size.parameters
    config = size.applied_to(facts.config)
    memory = memory_bytes(config, lengths[-1], _head(facts.task), "int8")
    told = [
        f"{chosen.origin}: {size.parameters / 1e6:.1f} million parameters without a head, "
        f"{times:.1f} times fewer than the teacher (the guide has 2 to 4 times)",
        f"int8 file of {chosen.bytes / 1e6:.1f} MB",
        f"{memory / 1e6:.1f} MB of memory for {lengths[-1]} tokens in LiteRT",
    ]
    if chosen.milliseconds is not None:
        told.append(f"{chosen.milliseconds:.2f} ms for {lengths[-1]} tokens here")
    found = [Choice("student_config", size.name, ", ".join(told))]
    found.append(_start_choice(size.width < teacher.width, facts.task))
    if facts.config.model_type != "bert":
        reason = "only a student of the teacher's type starts from its layers"
        found.insert(0, Choice("student_type", facts.config.model_type, reason))
    smaller = chosen.bytes / teacher.int8_bytes(lengths, _head(facts.task))
    faster = teacher.multiply_adds(lengths[-1]) / size.multiply_adds(lengths[-1])
    reason = (
        f"the verdict of the run wants {QUALITY:.0%} of the teacher's quality, {SPEED} times its "
        f"speed (the layers have {faster:.1f} times fewer multiply-adds) and at most {SIZE:.0%} of "
        f"its int8 file (here {smaller:.0%})"
    )
    if smaller > SIZE:
        share = size.vocabulary * size.width / size.parameters
        reason += f": word embeddings are {share:.0%} of the student; a narrower one is smaller"
    return [*found, Choice("", None, reason)]


def _start_choice(narrower, task):
    if not task.learns_labels:
        return advice_sentences.start_choice(narrower)
    if narrower:
        reason = "a narrower student starts from the principal components of the teacher's states"
        return Choice("student_init", "spaced:pca", reason)
    reason = "it starts from the teacher's layers, which matters most (docs/RESULTS.md)"
    return Choice("student_init", "every_other", reason)


def _training_choices(size, teacher, facts, given):
    if not facts.task.learns_labels:
        return advice_sentences.training_choices(facts.task, size.width, facts.rows, given)
    name = facts.task.name
    found = advice_settings.recipe_choices(name, facts.rows, size, teacher)
    recipe = given.get("recipe", found[0].value)
    if recipe != found[0].value:
        found = [Choice("recipe", recipe, "given")]
    if "temperature" in recipes.options_of(recipe):
        found.append(advice_settings.temperature_choice(name, facts.classes))
    if facts.task.kind and size.layers < teacher.layers:
        found.append(advice_settings.layers_remark(name, size, teacher))
    if facts.task.kind:
        why = "the task's rate at BERT-base's width, times 768 / width, at most 3e-4"
        rate = _rounded(fine_tuning_rate(facts.task, size.width, STUDENT))
        found.append(Choice("learning_rate", rate, f"twice {why}"))
        if not facts.tuned:
            rate = _rounded(fine_tuning_rate(facts.task, teacher.width))
            found.append(Choice("teacher_learning_rate", rate, why))
    found += advice_settings.length_choices(name, facts.rows, facts.tuned)
    reason = "the same start without a teacher, without which the verdict shows nothing"
    return [*found, Choice("baseline", "start", reason)]


def _rounded(number):
    return float(f"{number:.4g}")


def _flags(choices, facts, given, config):
    """The lines of the flagfile: settings that are given replace those that are chosen."""
    values = {"task": facts.task.name, "teacher": facts.name, "length": config.length}
    values |= {choice.setting: choice.value for choice in choices if choice.setting}
    values |= {"output_dir": f"runs/{facts.task.name}"} | given
    lines = [f"--{name}={as_text(value)}" for name, value in values.items()]
    if facts.task.kind and not any(getattr(config, name) for name in DATA_WITH_LABELS):
        what = "examples" if facts.task.learns_labels else "sentences"
        lines.insert(1, f"# Name the {what} here or on the command line, by train_data.")
    return lines


def _lines(found):
    """The advice as lines of text."""
    rows = f", {found['rows']:,} examples" if found["rows"] else ""
    lines = [f"task: {found['task']}{rows}"]
    kinds = {"teachers": "", "students": ", instead of a shape: `student`=NAME with `recipe`=kd"}
    for key, use in kinds.items():
        lines += [f"recommended {key}{use}:"] if found[key] else []
        for each in found[key]:
            note = f" ({each['note']})" if each["note"] else ""
            lines.append(f"  {each['role']}: {each['name']}{note}")
            lines += _first(each)
    teacher = found["teacher"]
    lines.append(
        f"teacher: {teacher['name']}, {teacher['parameters'] / 1e6:.1f} million parameters"
    )
    lines += _first(teacher)
    lines.append("shapes of students, int8 file" + _time_header(found["shapes"]))
    for each in found["shapes"]:
        ms = each["milliseconds"]
        time = "" if ms is None else f", {ms:.2f} ms"
        lines.append(
            f"  {each['shape']:<22}{each['int8_bytes'] / 1e6:6.1f} MB{time}  {each['origin']}"
        )
    lines.append("")
    for choice in found["choices"]:
        begin = f"`{choice['setting']}`={as_text(choice['value'])}: " if choice["setting"] else ""
        lines.append(f"{begin}{choice['reason']}.")
    return lines


def _first(model):
    """What to do before a model is named that the hub has as a pickle: a list of lines."""
    if not model["conversion"]:
        return []
    folder = model["name"].rpartition("/")[2]
    why = "the hub has its weights as a pickle, which is not read here"
    return [f"    {why}. This makes the folder {folder}:", f"    {model['conversion']}"]


def _time_header(shapes):
    return ", time" * any(each["milliseconds"] is not None for each in shapes)
