"""How the commands use the machine: as their run began, or as was found to be best."""

import dataclasses
import functools

from tfdistill.run import auto_check
from tfdistill.run.directory import stored_machine
from tfdistill.system import devices
from tfdistill.system.errors import NoGpuError, UserError


def for_training(config, console):
    """Readies TensorFlow for a run; one that goes on keeps what it began with.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        A `devices.Choice`.

    Raises:
        UserError: it began on a GPU and there is none; or see `devices.prepare`.
    """
    stored = None if config.force else _stored(config.output_dir)
    problem = functools.partial(auto_check.problem, config, console)
    try:
        return devices.prepare(config.device, config.precision, stored, problem)
    except NoGpuError as error:
        if config.device == "gpu":
            raise
        raise UserError(
            f"`output_dir`={config.output_dir} holds a run begun on a GPU, and there is none: "
            "`device`=cpu goes on without it"
        ) from error


def for_looking(config):
    """Readies TensorFlow for a command that trains nothing.

    "auto" takes Metal only where a run has: else nobody has looked whether it is right there. The
    precision is float32, since only models in training have another.

    Args:
        config: a `RunConfig`.

    Returns:
        A `devices.Choice`.
    """
    stored = _stored(config.output_dir)
    why_not = "" if stored and stored.on_metal else "no run has used it yet"
    return devices.prepare(config.device, "float32", problem=lambda candidate: why_not)


def _stored(path):
    """The `Choice` that the run in a folder began with; None without one."""
    facts = stored_machine(path) or {}
    names = {field.name for field in dataclasses.fields(devices.Choice)}
    return devices.Choice(**facts) if facts.keys() == names else None
