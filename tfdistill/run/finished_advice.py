"""Advice after a run: the problems that it shows, and the settings to change."""

import shlex
from typing import Any, NamedTuple

from tfdistill.run.compared_runs import other_form, read_run
from tfdistill.run.directory import RunPaths
from tfdistill.run.run_problems import NARROWER, problems_of
from tfdistill.settings.flagfile import as_text, from_texts
from tfdistill.system.errors import UserError
from tfdistill.tasks import task_of


class Finished(NamedTuple):
    """A finished run.

    Args:
        paths: its `RunPaths`.
        metrics: content of metrics.json.
        task: its `Task`.
        settings: a `RunConfig` with the run's settings.
        curves: dict of models to their logged points.
    """

    paths: RunPaths
    metrics: dict
    task: Any
    settings: Any
    curves: dict


def advise_on_run(config, console):
    """Says what to change after the run in the folder `run`.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        dict for JSON: `folder` and `problems`, dicts of `name`, `finding`, `change` and `why`.

    Raises:
        UserError: the folder holds no finished run.
    """
    run = finished(config.run, type(config))
    with other_form(config.run):
        problems = problems_of(run)
    change = _together(problems, run.settings.recipe)
    for each in problems:
        console.say(f"{each.name}: {each.finding}.")
        settings = ", ".join(f"`{name}`={as_text(value)}" for name, value in each.change.items())
        console.say(f"    {settings}{': ' * bool(settings)}{each.why}.")
    if change:
        change = {"output_dir": f"{config.run.rstrip('/')}_2", **change}
        flags = [f"`{name}`={shlex.quote(as_text(value))}" for name, value in change.items()]
        file = shlex.quote(str(run.paths.flags))
        console.say(f"\npython -m tfdistill.train --flagfile={file} {' '.join(flags)}")
    elif not problems:
        console.say("nothing to change: no usual problem is found in this run")
    return {"folder": config.run, "problems": [each._asdict() for each in problems]}


def _together(problems, recipe):
    """The changes of all problems; of two values, that of the first one counts."""
    change = {}
    for each in reversed(problems):
        change |= each.change
    narrower = change.get("student_init") == NARROWER
    if narrower and change.get("recipe", recipe) == "pkd":
        change["projection"] = "shared"
    return change


def finished(folder, config):
    """Reads a finished run.

    Args:
        folder: its folder.
        config: the class `RunConfig`.

    Returns:
        A `Finished`.

    Raises:
        UserError: there is none.
    """
    run = read_run(folder, config(), "run")
    if not RunPaths(folder).metrics.is_file():
        raise UserError(
            f"`run`={folder} is not finished (no metrics.json): give its train command again"
        )
    with other_form(folder):
        task, settings = task_of(run["metrics"]), from_texts(run["flags"], config)
    return Finished(RunPaths(folder), run["metrics"], task, settings, run["curves"])
