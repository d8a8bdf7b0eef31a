"""`RunConfig` as absl flags: declared, parsed and read."""

import re

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import TYPES, bounds_of, options_of, types_of

_WRONG = re.compile(r"flag --(?P<name>\w+)=(?P<value>.*?): [^\n]*", re.DOTALL)


def declare(flag_values):
    """Declares every field of `RunConfig` as an absl flag.

    Every command declares all flags, so that one flagfile serves all commands.

    Args:
        flag_values: the `absl.flags.FlagValues` to declare in.
    """
    from absl import flags

    types = types_of(RunConfig)
    for name, option in options_of(RunConfig).items():
        arguments = [name, getattr(RunConfig, name)]
        if option.choices:
            flags.DEFINE_enum(*arguments, option.choices, option.help, flag_values=flag_values)
        elif types[name] is bool:
            flags.DEFINE_boolean(*arguments, option.help, flag_values=flag_values)
        elif types[name] is str:
            flags.DEFINE_string(*arguments, option.help, flag_values=flag_values)
        else:
            define = flags.DEFINE_integer if types[name] is int else flags.DEFINE_float
            arguments += [option.help, option.minimum, option.maximum]
            define(*arguments, flag_values=flag_values)
        if option.alias:
            flags.DEFINE_alias(option.alias, name, flag_values=flag_values)


def config_from(flag_values):
    """Reads parsed flags.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.

    Returns:
        A `RunConfig`.
    """
    found = {name: flag_values[name] for name in options_of(RunConfig)}
    # Some defaults depend on the task, so the others are left to `RunConfig`.
    given = {n: f.value for n, f in found.items() if f.present or f.value != f.default}
    return RunConfig(**given)


def explained(error):
    """Says what is wrong with a command line, and what to do.

    Args:
        error: an `absl.flags.Error`.

    Returns:
        str, one line; absl's own for other errors than a wrong value.
    """
    found = _WRONG.fullmatch(str(error))
    options = options_of(RunConfig)
    if not found or found["name"] not in options:
        return " ".join(str(error).split())
    name, value = found["name"], found["value"]
    option, kind = options[name], types_of(RunConfig)[name]
    if option.choices:
        return f"`{name}`={value}: choose one of {', '.join(filter(None, option.choices))}"
    try:
        kind(value)
    except ValueError:
        wrong = f"is not {TYPES[kind]}"
    else:
        wrong = f"is not {TYPES[kind]}" if kind is bool else "is out of range"
    bounds = bounds_of(option)
    return f"`{name}`={value} {wrong}: give {TYPES[kind]}{', ' * bool(bounds)}{bounds}"
