"""The description of a setting: help, unit, bounds, and what the setting changes.

A setting is a parameter or a dataclass field whose annotation holds an `Option`:

    length: Annotated[int, Option("Tokens in a row.", unit="tokens", minimum=3)] = 128
"""

import dataclasses
import typing

# What a setting changes.
RESULT = "result"  # the models that a run makes, or its metrics
STEP = "step"  # what a training step computes, and so the result too
SPEED = "speed"  # how fast a training step is computed, or in how much memory; not the result
NOTHING = "none"  # where files lie, and what is shown

# The values of settings that name files or folders: one path, or several separated by commas.
PATH, PATHS = "path", "paths"


@dataclasses.dataclass(frozen=True)
class Option:
    """Describes a setting.

    Args:
        help: what the setting is, in one or two sentences. Names of other settings stand in
            backquotes.
        unit: unit of the value, such as "steps"; "" for none.
        minimum, maximum: bounds of a number, both included; None for no bound.
        choices: the values that a text may have; empty for any text.
        path: `PATH` or `PATHS` for names of files or folders; "" for other values.
        source: a path that a run reads from, so that it must not lie in a folder to be deleted.
        effect: `RESULT`, `STEP`, `SPEED` or `NOTHING`.
        first: a new user needs it: `--help` of a command with many settings shows it.
        stored: the flagfile of a run repeats it.
        alias: second name of the flag; "" for none.
        scheduled: for a number of a recipe, whether it may change during a phase.
        default: for a parameter without a default, the default of the setting that fills it in.
        fine_tuning: default of the setting for tasks other than masked LM; None: the same.
        of_task: (task, default) for tasks that have one of their own.
        recipes: names of the recipes that take the setting; empty for settings of every run.
    """

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple = ()
    path: str = ""
    source: bool = False
    effect: str = RESULT
    first: bool = False
    stored: bool = True
    alias: str = ""
    scheduled: bool = True
    default: object = None
    fine_tuning: object = None
    of_task: tuple = ()
    recipes: tuple = ()

    @property
    def separator(self):
        """Text between two paths of a value; None for settings of one path."""
        return "," if self.path == PATHS else None


def option_in(annotation):
    """Returns the `Option` that an annotation holds, or None.

    Args:
        annotation: the type of a parameter or a field, such as `Annotated[int, Option("Rows.")]`.
    """
    if typing.get_origin(annotation) is not typing.Annotated:
        return None
    return next((each for each in annotation.__metadata__ if isinstance(each, Option)), None)


def type_in(annotation):
    """Returns the plain type of an annotation: int for `Annotated[int, Option("Rows.")]`."""
    is_annotated = typing.get_origin(annotation) is typing.Annotated
    return annotation.__origin__ if is_annotated else annotation
