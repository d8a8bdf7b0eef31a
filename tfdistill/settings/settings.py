"""The base of all settings: frozen dataclasses whose fields carry an `Option`."""

import dataclasses
import functools
import math
import numbers
import os
from types import MappingProxyType
from typing import Annotated

from tfdistill.system.errors import UserError
from tfdistill.system.options import option_in, type_in
from tfdistill.system.paths import at_home

TYPES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one concern. A subclass names its group and documents it in its first line.

    Raises:
        UserError: a value is out of range or of another type; the message names the setting.
    """

    def __post_init__(self):
        for name, option in options_of(self).items():
            value = _checked(name, option, types_of(self)[name], getattr(self, name))
            object.__setattr__(self, name, value)


def recipe_settings(options):
    """Makes the settings of the recipes from the options in their signatures.

    Args:
        options: dict of names to (type, `Option`, default).

    Returns:
        A `Settings` class, the group "recipe".
    """
    fields = [
        (name, Annotated[kind, option], dataclasses.field(default=default))
        for name, (kind, option, default) in options.items()
    ]
    namespace = {"group": "recipe", "__doc__": "Options of recipes"}
    return dataclasses.make_dataclass(
        "RecipeOptions", fields, bases=(Settings,), namespace=namespace, frozen=True
    )


def options_of(settings):
    """Describes the fields of settings.

    Args:
        settings: a `Settings` object or class.

    Returns:
        Read-only dict of names to `Option`s, in the order of the fields.
    """
    return _annotations(settings if isinstance(settings, type) else type(settings))[0]


def defaults_of(settings, fine_tuning=False, task=""):
    """Collects the defaults of settings.

    Args:
        settings: a `Settings` class.
        fine_tuning: whether the task is another than masked LM.
        task: its name; "": none that has defaults of its own.

    Returns:
        dict of names to values.
    """
    found = {name: getattr(settings, name) for name in options_of(settings)}
    if fine_tuning:
        options = options_of(settings).items()
        own = {name: option.fine_tuning for name, option in options}
        found |= {name: value for name, value in own.items() if value is not None}
        of_task = {name: dict(option.of_task) for name, option in options}
        found |= {name: values[task] for name, values in of_task.items() if task in values}
    return found


def types_of(settings):
    """Returns the types of the fields of settings: read-only dict of names to types."""
    return _annotations(settings if isinstance(settings, type) else type(settings))[1]


def groups_of(settings):
    """Lists the concerns that a settings class is composed of.

    Args:
        settings: a `Settings` class.

    Returns:
        dict of names of groups to classes, in the order of the fields.
    """
    parts = [part for part in reversed(settings.__mro__) if "group" in vars(part)]
    return {part.group: part for part in parts}


@functools.cache
def _annotations(settings):
    fields = {field.name: field.type for field in dataclasses.fields(settings)}
    options = {name: option_in(annotation) for name, annotation in fields.items()}
    types = {name: type_in(annotation) for name, annotation in fields.items()}
    return MappingProxyType(options), MappingProxyType(types)


def _checked(name, option, kind, value):
    """Returns a value in its type, with `~` replaced by the home folder."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    number = {int: numbers.Integral, float: numbers.Real}.get(kind, ())
    if isinstance(value, number) and not isinstance(value, bool):  # NumPy's, for example
        fits, value = True, kind(value)
    if not fits:
        raise UserError(f"`{name}`={value!r} is a {type(value).__name__}: give {TYPES[kind]}")
    if isinstance(value, str) and not value.isascii():
        _require_unicode(name, value, option)
    if option.choices and value not in option.choices:
        known = ", ".join(filter(None, option.choices))
        raise UserError(f"`{name}`={value}: choose one of {known}")
    _require_in_range(name, value, option)
    return at_home(value, option.separator) if option.path else value


def _require_in_range(name, value, option):
    bounds = []
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"`{name}`={value} is no finite number: give another")
    if option.minimum is not None and not value >= option.minimum:
        bounds = [f"at least {option.minimum}"]
    if option.maximum is not None and not value <= option.maximum:
        bounds = [f"at most {option.maximum}"]
    if bounds:
        raise UserError(f"`{name}`={value} is out of range: give {bounds_of(option)}")


def bounds_of(option):
    """Writes the bounds of an option, such as "at least 0 and at most 1"; "" for none."""
    bounds = [f"at least {option.minimum}"] if option.minimum is not None else []
    bounds += [f"at most {option.maximum}"] if option.maximum is not None else []
    return " and ".join(bounds)


def _require_unicode(name, value, option):
    """Refuses text that no file of a run could hold, such as a path in an old encoding."""
    try:
        value.encode()
    except UnicodeEncodeError:
        cure = "rename the file, or name the folder that holds it" if option.path else "convert it"
        raise UserError(f"`{name}`={ascii(value)} is not UTF-8: {cure}") from None
