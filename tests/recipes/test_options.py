"""Options collected from the signatures of recipes."""

from typing import Annotated

import pytest

from tfdistill import recipes
from tfdistill.command_line.run_config import RunConfig
from tfdistill.recipes.options import collect_options
from tfdistill.settings.settings import options_of
from tfdistill.system.options import Option

Rate = Annotated[float, Option("Rate.", minimum=0.0)]
Mode = Annotated[str, Option("Mode.", choices=("a", "b"))]


def one(rate: Rate = 1.0, mode: Mode = "a"):
    pass


def two(rate: Rate = 1.0, mode: Mode = "b"):
    pass


def test_shared_options_and_own_defaults():
    options = collect_options({"one": one, "two": two})
    kind, option, default = options["rate"]
    assert (kind, default, option.minimum, option.recipes) == (float, 1.0, 0.0, ("one", "two"))
    kind, option, default = options["mode"]
    assert (kind, default, option.choices) == (str, "", ("", "a", "b"))
    assert option.help == "Mode. Empty: a for one; b for two."


def test_an_option_has_one_description():
    def other(rate: Annotated[float, Option("Another rate.")] = 1.0):
        pass

    def undescribed(rate=1.0):
        pass

    for recipe in (other, undescribed):
        with pytest.raises(TypeError, match="option rate differently"):
            collect_options({"one": one, "other": recipe})


def test_settings_name_the_recipes_that_take_them():
    options = options_of(RunConfig)
    for name in recipes.names():
        own = recipes.options_of(name, then="mlm") if name == "hybrid" else recipes.options_of(name)
        assert {key for key, option in options.items() if name in option.recipes} == own
