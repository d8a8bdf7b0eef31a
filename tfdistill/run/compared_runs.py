"""Finished runs, read from their folders for a comparison."""

import contextlib
from pathlib import Path

from tfdistill.settings.flagfile import as_text, flag_lines, from_texts, parse_flag_lines
from tfdistill.settings.settings import options_of
from tfdistill.system.errors import UserError
from tfdistill.system.options import NOTHING, SPEED
from tfdistill.system.paths import require_file

# What a file that was changed by hand leads to.
_OTHER_FORM = (KeyError, TypeError, AttributeError, IndexError, ValueError, ArithmeticError)


def compare_folders(config, console):
    """Compares the runs that `runs` names, prints their table and writes the page.

    Args:
        config: a `RunConfig`: `runs`, `page` and `target_loss`.
        console: a `Console`.

    Returns:
        dict for JSON.

    Raises:
        UserError: a folder holds no finished run, or the page would replace another file.
    """
    from tfdistill.reports import comparison_page
    from tfdistill.reports.comparison import compare_runs
    from tfdistill.system.files import write_atomically

    page = Path(config.page)
    require_file("page", config.page)
    if page.is_file() and not comparison_page.is_comparison_page(page.read_text(errors="replace")):
        raise UserError(f"`page`={page} exists and is no comparison of runs: name another file")
    folders = [folder for folder in config.runs.split(",") if folder]
    if not folders:
        raise UserError("no runs: name their folders, such as runs/a runs/b")
    once = {Path(folder).resolve(): folder for folder in folders}
    runs = [read_run(folder, type(config)()) for folder in once.values()]
    options = options_of(config).items()
    without_effect = {name for name, option in options if option.effect in (NOTHING, SPEED)}
    with other_form(*once.values()):
        counted = _counted(runs, type(config))
        comparison = compare_runs(counted, without_effect, config.target_loss)
        content = comparison_page.comparison_page(comparison)
        table = comparison_page.format_comparison(comparison)
        found = {**comparison_page.comparison_json(comparison), "page": str(page)}
    write_atomically(page, content)
    console.say(table)
    console.say(f"page: {page}")
    return found


def read_run(folder, defaults, setting="runs"):
    """Reads a finished run as `reports.comparison` takes it.

    Args:
        folder: its folder, a str.
        defaults: a `RunConfig`, for settings that an older run lacks.
        setting: the setting that names it, for messages.

    Returns:
        dict, see `reports.comparison`.

    Raises:
        UserError: the folder holds no finished run, or a broken file.
    """
    from tfdistill.run.directory import RunPaths

    run = RunPaths(folder)
    if not run.flags.is_file():
        raise UserError(
            f"`{setting}`={folder} is no run of tfdistill (no flags.txt): name the folder of one"
        )
    if not run.metrics.is_file() and "corpus" not in _evaluated(folder):
        raise UserError(
            f"`{setting}`={folder} is not finished (no metrics.json): give its train command "
            "again, or leave it out"
        )
    try:
        with other_form(folder):
            return _content(run, folder, defaults)
    except UserError as error:
        raise UserError(f"{folder} holds a broken file ({error}): leave it out") from None


def read_training(folder, model):
    """How a run trained one of its models; the run may have ended after it.

    Args:
        folder: `pathlib.Path` of the run.
        model: key in `directory.MODELS`.

    Returns:
        dict of `seconds`; `steps`, 0 for a teacher that was only loaded; `peak`, the most bytes of
        memory until the model was done, or None; and `curve`, rows as `join_phases` returns them.
    """
    from tfdistill.reports.comparison import join_phases
    from tfdistill.run.directory import RunPaths, read_state

    done = read_state(folder)["done"]
    facts, of_student = done.get(model, {}), model == "student"
    start_loss = done.get("start", {}).get("validation_loss") if of_student else None
    cache = done.get("cache", {}).get("seconds", 0.0) if of_student else 0.0
    return {
        "seconds": facts.get("seconds", 0.0) + cache,
        "steps": facts.get("steps", 0),
        "peak": facts.get("peak_memory_bytes"),
        "curve": join_phases(_phases(RunPaths(folder), model, facts), start_loss),
    }


def _counted(runs, config):
    """The runs without the settings that change nothing in them, which name no run."""
    from tfdistill.run.unused_settings import without_use  # reads tokenizers

    settings = [_known_settings(run["flags"], config) for run in runs]
    known, counted = [each for each in settings if each], []
    for run, own in zip(runs, settings, strict=True):
        unused = without_use(own, known) if own else ()
        flags = {name: text for name, text in run["flags"].items() if name not in unused}
        counted.append(run | {"flags": flags})
    return counted


def _known_settings(texts, config):
    """A `RunConfig`; None of a run with values that there are no longer."""
    try:
        return from_texts(texts, config)
    except (UserError, ValueError):
        return None


@contextlib.contextmanager
def other_form(*folders):
    """Names the runs whose files may be of another form, where reading them fails in the body.

    Args:
        *folders: of the runs.

    Raises:
        UserError: the body failed as on a file whose values are of other types.
    """
    try:
        yield
    except _OTHER_FORM as error:
        raise UserError(
            f"{', '.join(folders)}: metrics.json, flags.txt or checkpoints/state.json has another "
            f"form than tfdistill writes ({type(error).__name__}: {error}): restore it"
        ) from error


def _content(run, folder, defaults):
    from tfdistill.run.directory import read_state
    from tfdistill.run.stored_metrics import read_metrics
    from tfdistill.training.paired_bootstrap import load_row_sums

    state = read_state(folder)
    start_loss = state["done"].get("start", {}).get("validation_loss")
    teacher, student = (state["done"].get(stage, {}) for stage in ("teacher", "student"))
    metrics = read_metrics(run.metrics) if run.metrics.is_file() else _metrics(folder)
    if not {"corpus", "split"} <= metrics.keys() or "student" not in metrics["models"]:
        raise ValueError("metrics.json is not that of a run")
    return {
        "folder": folder,
        "flags": _settings(run, state["settings"], defaults),
        "metrics": metrics,
        "start_loss": start_loss,
        "peak": student.get("peak_memory_bytes"),
        "curves": _curves(run, teacher, student, start_loss),
        "row_sums": load_row_sums(run.row_sums),
    }


def _evaluated(folder):
    from tfdistill.run.directory import read_state

    return read_state(folder)["done"].get("evaluate", {})


def _metrics(folder):
    """What metrics.json would hold of the models, of a run that ended before its report."""
    from tfdistill.run.directory import read_state

    state, evaluated = read_state(folder), _evaluated(folder)
    done = state["done"].items()
    return {
        **{"corpus": evaluated["corpus"], "split": "test"},
        **{"models": evaluated["models"], "differences": evaluated["differences"]},
        "seconds": {stage: facts["seconds"] for stage, facts in done if "seconds" in facts},
        "made_from": {name: state["settings"][name] for name in ("task", "task_data")},
    }


def _settings(run, used, defaults):
    """Returns a run's settings as text; settings that an older run lacks have their defaults."""
    stored = parse_flag_lines(run.flags.read_text().splitlines())
    # `used` says more than the flag if that names a file.
    known = parse_flag_lines(flag_lines(defaults)) | stored
    return known | {name: as_text(value) for name, value in used.items()}


def _curves(run, teacher, student, start_loss):
    """The logged points of each model, by its key in metrics.json.

    Args:
        run: its `RunPaths`.
        teacher, student: dicts of the facts about these stages; `stages` names their trainings.
        start_loss: validation loss of the student's start.
    """
    from tfdistill.reports.comparison import join_phases

    facts = {"teacher": teacher, "student": student}
    first = dict.fromkeys(("student", "baseline_start", "no_teacher"), start_loss)
    models = "student", "baseline_start", "no_teacher", "baseline_text", "baseline", "teacher"
    return {
        name: join_phases(_phases(run, name, facts.get(name, {})), first.get(name))
        for name in models
    }


def _phases(run, name, facts):
    """The logged points of a model's trainings: list of lists of rows."""
    return [run.training_state(stage).load_rows() for stage in facts.get("stages", [name])]
