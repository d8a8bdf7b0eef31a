"""Options of recipes: the shared ones, and those of all recipes together.

A recipe declares its options in its signature. Options that several recipes share are defined here,
so that they have one help text and one range.
"""

import dataclasses
import inspect
from typing import Annotated

from tfdistill.system.options import STEP, Option, option_in, type_in

# Parameters of recipes that are no settings: the task of the run gives them.
FROM_THE_TASK = frozenset(("task_losses",))


def weight(of):
    """Returns the `Option` of a weight.

    Args:
        of: what is weighted, such as "the masked-LM loss".
    """
    return Option(f"Weight of {of}.", minimum=0.0, effect=STEP)


AttentionWeight = Annotated[float, weight("the distance of the attention")]
HiddenWeight = Annotated[float, weight("the distance of the hidden states")]
EmbeddingWeight = Annotated[float, weight("the distance of the embeddings")]
RelationsWeight = Annotated[float, weight("the KL of the relations")]
TeacherShare = Annotated[
    float,
    Option(
        "Share of the loss on the teacher's predictions; the loss on the labels, such as the "
        "masked-LM loss, has the rest.",
        minimum=0.0,
        maximum=1.0,
        effect=STEP,
    ),
]
VectorsWeight = Annotated[float, weight("1 - cosine of the vectors of a text")]
VectorsMseWeight = Annotated[float, weight("the squared distance of the vectors of a text")]
SimilaritiesWeight = Annotated[
    float, weight("the squared distance of the cosines between the texts of a batch")
]
Temperature = Annotated[float, Option("Temperature of the KL.", minimum=0.01, first=True)]
RestrictToMask = Annotated[
    bool,
    Option("Compare logits at the masked tokens only, not at all tokens.", effect=STEP),
]
LayerMap = Annotated[
    str,
    Option(
        "Teacher layers that the student's layers are compared with: uniform, skip, first, last, "
        "spaced, distilbert, or a list such as 2,5,8,11.",
        effect=STEP,
    ),
]
Projection = Annotated[
    str,
    Option(
        "Learned map of hidden states to the teacher's width: none, shared by all layers, "
        "per_layer, or fixed (shared, fitted before the first step and not trained, so that a "
        "student cut from the teacher keeps its angles).",
        choices=("none", "shared", "per_layer", "fixed"),
        effect=STEP,
    ),
]
HeadShare = Annotated[
    float,
    Option(
        "Share of the steps at the end in which masked LM trains what the other losses do not "
        "reach: the head and, for MiniLM, the end of the last layer; 0: none.",
        minimum=0.0,
        maximum=0.99,
        scheduled=False,
    ),
]
RelationLayer = Annotated[
    int,
    Option(
        "Teacher layer whose relations are learned, from 0, or from -1 backwards.",
        effect=STEP,
        scheduled=False,
    ),
]
TransferShare = Annotated[
    float,
    Option(
        "Share of the steps in which the layers imitate the teacher's.",
        minimum=0.01,
        maximum=0.99,
        scheduled=False,
    ),
]


def collect_options(recipes):
    """Collects the options of several recipes from their signatures.

    Args:
        recipes: dict of names to functions that return a `Recipe`.

    Returns:
        dict of options to (type, `Option`, default). An option whose default depends on the recipe
        is text, with the default "" for the recipe's own.

    Raises:
        TypeError: recipes describe an option differently.
    """
    found = {}
    for recipe, function in recipes.items():
        for name, parameter in inspect.signature(function).parameters.items():
            if name not in FROM_THE_TASK:
                found.setdefault(name, {})[recipe] = parameter
    return {name: _combined(name, parameters) for name, parameters in found.items()}


def _combined(name, parameters):
    annotations = {recipe: each.annotation for recipe, each in parameters.items()}
    annotation = next(iter(annotations.values()))
    option = option_in(annotation)
    if option is None or any(other != annotation for other in annotations.values()):
        raise TypeError(f"recipes describe the option {name} differently: {annotations}")
    option = dataclasses.replace(option, recipes=tuple(parameters))
    if option.default is not None:
        return type(option.default), option, option.default
    defaults = {recipe: each.default for recipe, each in parameters.items()}
    default = next(iter(defaults.values()))
    if any(other != default for other in defaults.values()):
        option, default = _with_own_defaults(option, defaults), ""
    return type_in(annotation), option, default


def _with_own_defaults(option, defaults):
    """Describes an option whose default depends on the recipe."""
    recipes = {}
    for recipe, default in defaults.items():
        recipes.setdefault(default, []).append(recipe)
    own = "; ".join(f"{default} for {', '.join(names)}" for default, names in recipes.items())
    choices = option.choices and ("", *option.choices)
    return dataclasses.replace(option, help=f"{option.help} Empty: {own}.", choices=choices)
