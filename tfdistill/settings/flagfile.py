"""Settings as the lines of a flagfile, and back."""

from tfdistill.settings.settings import options_of, types_of

_READ = {str: str, int: int, float: float, bool: "true".__eq__}


def flag_lines(config):
    """Writes settings as the lines of a flagfile that repeats the run.

    Args:
        config: a `RunConfig`.

    Returns:
        list of str, one flag each.
    """
    stored = [name for name, option in options_of(config).items() if option.stored]
    return [f"--{name}={as_text(getattr(config, name))}" for name in stored]


def given_flags(config):
    """Returns the settings in `flag_lines` that differ from their defaults, as text: dict."""
    usual = parse_flag_lines(flag_lines(type(config)(task=config.task)))
    usual["task"] = type(config).task
    given = parse_flag_lines(flag_lines(config))
    return {name: value for name, value in given.items() if value != usual[name]}


def parse_flag_lines(lines):
    """Reads lines that `flag_lines` wrote.

    Args:
        lines: iterable of str; comments and empty lines are skipped.

    Returns:
        dict of names to values, both text.
    """
    found = (line.removeprefix("--").partition("=") for line in lines if line.startswith("--"))
    return {name: value for name, equals, value in found if equals}


def from_texts(texts, config):
    """Reads settings that are text.

    Args:
        texts: dict of names to values as `as_text` writes them; unknown names are left out.
        config: the class `RunConfig`.

    Returns:
        A `RunConfig`.

    Raises:
        UserError: a value is out of range.
        ValueError: a value is no number.
    """
    kinds = types_of(config)
    known = {name: text for name, text in texts.items() if name in kinds}
    return config(**{name: _READ[kinds[name]](text) for name, text in known.items()})


def as_text(value):
    """Writes the value of a setting for a flagfile."""
    return str(value).lower() if isinstance(value, bool) else str(value)
