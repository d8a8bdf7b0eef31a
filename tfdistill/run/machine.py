"""The device and precision of a command: those that the run began with, or the best choice."""

import dataclasses
import functools

from tfdistill.run import auto_check
from tfdistill.run.directory import stored_machine
from tfdistill.system import devices
from tfdistill.system.errors import NoGpuError, UserError


def for_training(config, console):
    """Prepares TensorFlow for training; a run that continues keeps its device and precision.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        A `devices.Choice`.

    Raises:
        UserError: the run began on a GPU and none is found; or see `devices.prepare`.
    """
    stored = None if config.force else _stored(config.output_dir)
    problem = functools.partial(auto_check.problem, config, console)
    try:
        return devices.prepare(config.device, config.precision, stored, problem)
    except NoGpuError as error:
        if config.device == "gpu":
            raise
        raise UserError(
            f"`output_dir`={config.output_dir} holds a run that began on a GPU, and no GPU is "
            "found: `device`=cpu continues without it"
        ) from error


def for_plan(config):
    """Prepares TensorFlow for a plan that trains nothing; no way of computing is tried.

    Args:
        config: a `RunConfig`.

    Returns:
        The `devices.Choice` of a run that continues; else the one that needs no trial.

    Raises:
        UserError: see `devices.prepare`.
    """
    stored = None if config.force else _stored(config.output_dir)
    return devices.prepare(
        config.device, config.precision, stored, lambda candidate: "not tried by `dry_run`"
    )


def for_looking(config):
    """Prepares TensorFlow for a command that trains nothing.

    "auto" takes Metal only if the run used it, which means that its results were checked there.
    The precision is float32; only models in training have another.

    Args:
        config: a `RunConfig`.

    Returns:
        A `devices.Choice`.
    """
    stored = _stored(config.output_dir)
    why_not = "" if stored and stored.on_metal else "no run has used it yet"
    return devices.prepare(config.device, "float32", problem=lambda candidate: why_not)


def _stored(path):
    """Returns the `Choice` that the run in a folder began with, or None."""
    facts = stored_machine(path) or {}
    names = {field.name for field in dataclasses.fields(devices.Choice)}
    return devices.Choice(**facts) if facts.keys() == names else None
