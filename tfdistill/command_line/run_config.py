"""`RunConfig`: the settings of all concerns, and the options of all recipes, in one object."""

import dataclasses
from typing import Annotated

from tfdistill import recipes
from tfdistill.settings.advice import Advice
from tfdistill.settings.augmentation import Augmentation
from tfdistill.settings.benchmark import Benchmark
from tfdistill.settings.distillation import Distillation
from tfdistill.settings.export import Export
from tfdistill.settings.fine_tuning import FineTuning
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.models import Student, Teacher
from tfdistill.settings.optimizer import Optimizer
from tfdistill.settings.run import Run
from tfdistill.settings.search import Search
from tfdistill.settings.settings import defaults_of, options_of, recipe_settings
from tfdistill.settings.task import TaskChoice
from tfdistill.settings.text import Corpus, Rows
from tfdistill.settings.tools import Compare, Doctor, Experiment, Model, Prediction, WebPage

RecipeOptions = recipe_settings(recipes.OPTIONS)
_RECIPE = options_of(Distillation)["recipe"]
_RECIPE = dataclasses.replace(_RECIPE, help=_RECIPE.help.format(recipes=", ".join(recipes.names())))


# Fields are in the order of the bases, the last one first.
@dataclasses.dataclass(frozen=True, init=False)
class RunConfig(
    *(
        Advice,
        Benchmark,
        Compare,
        Search,
        Experiment,
        Doctor,
        WebPage,
        Prediction,
        Model,
        Run,
        Export,
        Optimizer,
    ),
    *(RecipeOptions, Augmentation),
    *(FineTuning, Distillation, Student, Teacher, Rows, Corpus, LabelledDataSettings, TaskChoice),
):
    """All settings of a command; the names of the fields are those of the flags.

    `python -m tfdistill.train --helpfull` lists the fields with their units, defaults and bounds.
    Some defaults depend on `task`. Paths may be `pathlib.Path`s, and `~` is the home folder.

    Raises:
        UserError: a value is out of range or of another type; the message names the setting.

    Example:
        import tfdistill

        config = tfdistill.RunConfig(corpus="my_texts", recipe="minilm", steps=300, length=64)
    """

    recipe: Annotated[str, _RECIPE] = Distillation.recipe

    def __init__(self, **settings):
        task = settings.get("task", RunConfig.task)
        defaults = defaults_of(RunConfig, task != RunConfig.task, task)
        if unknown := settings.keys() - defaults.keys():
            raise TypeError(f"RunConfig has no setting {', '.join(sorted(unknown))}")
        for name, value in (defaults | settings).items():
            object.__setattr__(self, name, value)
        self.__post_init__()
