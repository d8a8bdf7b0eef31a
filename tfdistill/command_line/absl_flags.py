"""`RunConfig` as absl flags: declared, parsed and read."""

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import options_of, types_of


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
