"""The help of a command: its flags in groups, with units, defaults and bounds."""

import textwrap

from tfdistill.command_line.console import as_flags
from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.flagfile import as_text
from tfdistill.settings.settings import bounds_of, groups_of, options_of, types_of
from tfdistill.system.errors import UserError

WIDTH = 100
SHORT = ("-h", "-help", "--help", "--helpshort")
FULL = ("-helpfull", "--helpfull")
VERSION = ("-version", "--version")
MANY = 30  # flags of a command; above, `--help` shows those that a new user needs
COMMON = """\
Common to all commands:
  --flagfile
      File of flags, one per line, or the name of a bundled one (python -m tfdistill lists them). A
      later flag overrides an earlier one.
  --help, --help=GROUP, --helpfull, --version
      This help, the flags of a group, the flags of all commands, the version."""


def requested_help(words, command):
    """Returns the text that a command line requests instead of the command, or None.

    Args:
        words: list of str, the words of the command line.
        command: the `cli.Command`.

    Raises:
        UserError: there is no such group.
    """
    for word in words[: words.index("--")] if "--" in words else words:
        name, _, group = word.partition("=")
        if name in SHORT and word != name:
            return group_help(group, command)
        if word in SHORT:
            return short_help(command)
        if word in FULL:
            return full_help(command)
    return None


def short_help(command):
    """Writes the command's own flags; of many, those that a new user needs."""
    options = options_of(RunConfig)
    shown = command.setting_names()
    if len(shown) > MANY:
        shown = [name for name in shown if options[name].first]
    groups = ", ".join(groups_of(RunConfig))
    more = f"More flags: --helpfull, or --help=GROUP with one of\n{groups}."
    return "\n\n".join([command.doc.strip(), *_groups(shown, command.help), COMMON, more])


def group_help(group, command):
    """Writes the flags of a group."""
    groups = groups_of(RunConfig)
    if group not in groups:
        raise UserError(f"--help={group}: there is no such group: one of {', '.join(groups)}")
    return "\n".join(_groups(options_of(groups[group]), command.help))


def full_help(command):
    """Writes the flags of all commands."""
    return "\n\n".join([command.doc.strip(), *_groups(options_of(RunConfig), {}), COMMON])


def _groups(names, own_help):
    """Writes the flags of each group that has some of the names: list of str."""
    options, written = options_of(RunConfig), []
    for group in groups_of(RunConfig).values():
        lines = [
            _flag(name, options[name], own_help) for name in options_of(group) if name in names
        ]
        if lines:
            written.append("\n".join([f"{group.__doc__}:", *lines]))
    return written


def _flag(name, option, own_help):
    default, dashes = getattr(RunConfig, name), "  --"
    if types_of(RunConfig)[name] is bool:
        dashes = "  --[no]"
    facts = [option.unit, f"default {as_text(default)}" if default != "" else ""]
    if option.fine_tuning is not None:
        facts[1] += f" for masked_lm, else {as_text(option.fine_tuning)}"
    for task, own in option.of_task:
        facts[1] += f", {as_text(own)} for {task}"
    facts += [f"one of {', '.join(filter(None, option.choices))}" if option.choices else ""]
    facts += [bounds_of(option)]
    facts += [f"also --{option.alias}" if option.alias else ""]
    facts += [f"recipes {', '.join(option.recipes)}" if option.recipes else ""]
    facts = "; ".join(filter(None, facts))
    head = f"{dashes}{name}" + (f"  ({facts})" if facts else "")
    text = as_flags(own_help.get(name, option.help))
    indent = " " * 6
    head = textwrap.fill(head, WIDTH, subsequent_indent=indent)
    return f"{head}\n{textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)}"
