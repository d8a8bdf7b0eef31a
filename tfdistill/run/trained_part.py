"""The best part of a search: trained on by its super-student's recipe, measured, and timed."""

import json
import shlex
import shutil
import signal
import subprocess
import sys

from tfdistill.deployment.latency_model import CPU
from tfdistill.deployment.variants import INT8_FILE, VARIANTS
from tfdistill.reports.front import BYTES, LATENCY, PARAMETERS
from tfdistill.run.directory import RunPaths, read_state, stored_machine
from tfdistill.run.latency_times import time_like_a_table
from tfdistill.run.recipe_parts import trains_parts
from tfdistill.run.stored_flags import stored_flags
from tfdistill.run.stored_metrics import read_metrics
from tfdistill.settings.flagfile import as_text
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.settings import options_of
from tfdistill.system import hardware
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.sums import file_digest

TRAINED, MADE_FROM = "trained", "trained.json"  # in the folder of the search
# Settings of the super-student's run that its part has otherwise, or does not have.
OWN = (
    *("student_config", "student_init", "student_type", "layerdrop_adapt_steps", "stop_after"),
    *("teacher", "teacher_config", "teacher_steps", "baseline", "n_epoch", "device"),
    *("sandwich", "super_layers", "super_width", "super_intermediate", "super_step"),
)
# Those that are the search's: the run's own, unless others were given.
OF_SEARCH = (
    *("length", "tflite_lengths", "doc_stride", "max_answer_length"),
    *("corpus", "data_dir", "text_column", "encoding_errors", "shards_dir"),
    *options_of(LabelledDataSettings),
)


def require_run(config, folder):
    """Makes sure that the part of a super-student can be trained on.

    Args:
        config: a `RunConfig`.
        folder: `Path` of the super-student.

    Raises:
        UserError: it is not the student of a run, or the recipe knows no training without parts.
    """
    stored = stored_flags(folder.parent, options_of(config))
    if not stored:
        raise UserError(
            f"`steps`={config.steps}: {folder.parent} has no flags.txt of a run, whose "
            "recipe would go on: leave it out, and train the best part with tfdistill.train"
        )
    recipe = {"recipe": stored["recipe"], "then": stored["then"], "task": stored["task"]}
    if trains_parts(type(config)(train_parts=False, **recipe)):
        raise UserError(
            f"`steps`={config.steps}: `recipe`={stored['recipe']} has no `train_parts`, so that it "
            "would train parts of the part: leave it out, and train the best part with another "
            "recipe"
        )


def train_on(config, folder, target, best, console):
    """Trains the best part on, in a process of its own, and goes on where it was stopped.

    A training of another part, or with other settings, is started over.

    Args:
        config: a `RunConfig`.
        folder: `Path` of the super-student, the student of a run.
        target: `Path` of the search.
        best: `Path` of the part.
        console: a `Console`.

    Returns:
        `RunPaths` of the training, which is finished.

    Raises:
        UserError: it ended with an error.
    """
    run = RunPaths(target / TRAINED)
    flags = _flags(config, folder, best, run.path)
    made_from = {"flags": flags, "weights": file_digest(best / "model.safetensors")}
    manifest = target / MADE_FROM
    stored = json.dumps(made_from, indent=1) + "\n"
    if not (manifest.is_file() and manifest.read_text() == stored):
        if run.path.exists():
            console.say(f"{run.path} is of another part, or of other settings: starting it over")
        # Deleted before the manifest says otherwise: a search that is killed here comes back here.
        shutil.rmtree(run.path, ignore_errors=True)
    write_atomically(manifest, stored)
    command = ["tfdistill.train", *(f"--{name}={text}" for name, text in flags.items())]
    console.say(f"training the best part on: python -m {shlex.join(command)}")
    code = _run([sys.executable, "-m", *command], sys.stderr if config.json else sys.stdout)
    if "report" not in read_state(run.path)["done"]:
        raise UserError(f"the training of {best} ended with an error (exit code {code}): see above")
    return run


def _flags(config, folder, best, output):
    """The flags of the training, as text: those of the super-student's run, but for the student.

    Lengths are those of the search, so that the file has the one whose latency was bounded, and so
    are the texts: all numbers of a report are of the same ones.
    """
    paths, flags = RunPaths(folder.parent), stored_flags(folder.parent, options_of(config))
    count = len(flags.get("teacher", "").split(","))
    teachers = [str(path.resolve()) for path in paths.teachers(count) if path.is_dir()]
    flags = {name: text for name, text in flags.items() if name not in OWN}
    flags |= {"train_parts": "false", "student": str(best.resolve()), "baseline": "none"}
    flags |= {"teacher": ",".join(teachers), "steps": str(config.steps)}
    flags |= {"output_dir": str(output.resolve()), "device": config.device}
    flags |= {name: as_text(getattr(config, name)) for name in OF_SEARCH}
    if machine := stored_machine(folder.parent):  # what "auto" chose
        flags["precision"] = machine["precision"]
    usual = type(config)(task=flags["task"])
    return {
        name: text
        for name, text in flags.items()
        if name == "task" or text != as_text(getattr(usual, name))
    }


def _run(words, output):
    """Runs a command; a stop is handed on to it: its exit code."""
    output.flush()
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=output, start_new_session=True
    )
    try:
        return process.wait()
    except KeyboardInterrupt as stop:
        process.send_signal(getattr(stop, "signum", signal.SIGINT))
        process.wait()
        raise


def measured(run, opened, latency, metric):
    """What the part is after its training.

    Args:
        run: `RunPaths` of the training.
        opened: the `Searched`, for the validation split of the search.
        latency: `Latency`, or None.
        metric: the `Metric` of the search.

    Returns:
        dict: "steps"; "report", its page seen from the search's folder; "validation" and "test",
        dicts of metrics; "costs", dict of what was measured: parameters, bytes of the int8 file,
        and milliseconds; and "not_timed", a reason, where there are none.
    """
    metrics = read_metrics(run.metrics)
    student = metrics["models"]["student"]
    value = opened.value_of_model(opened.task.load(str(run.student)))
    costs, reason = {PARAMETERS: student["parameters"]}, ""
    if (run.export / INT8_FILE).is_file():
        costs[BYTES] = (run.export / INT8_FILE).stat().st_size
    if latency is not None:
        reason = _why_not_timed(run, latency)
        if not reason:
            file = run.export / VARIANTS[latency.variant].file
            asked = latency.length, latency.threads, latency.model.rounds
            costs[LATENCY] = time_like_a_table(file, *asked)
    found = {
        "steps": metrics["run"]["steps"]["student"],
        "report": f"{run.path.name}/{run.report.name}",
        "validation": {metric.key: value},
        "test": {
            each.key: student[each.key] for each in opened.task.metrics if each.key in student
        },
        "costs": costs,
    }
    return found | ({"not_timed": reason} if reason else {})


def _why_not_timed(run, latency):
    file = run.export / VARIANTS[latency.variant].file
    if not file.is_file():
        return f"{file} was not written, so that its latency is not measured"
    name, chip = latency.model.name, latency.model.chip
    if latency.model.kind != CPU:
        return (
            f"{name} has the times of another device: time {file} there, with "
            "tfdistill.benchmark and `phone`"
        )
    if chip and chip != hardware.chip():
        return (
            f"{name} has the times of another processor ({chip}): time {file} there, with "
            "tfdistill.benchmark"
        )
    return ""
