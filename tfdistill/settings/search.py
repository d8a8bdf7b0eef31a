"""Settings of the search command."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, Option


def _option(text, **fields):
    return Option(text, effect=NOTHING, stored=False, **fields)


@dataclasses.dataclass(frozen=True)
class Search(Settings):
    """Search"""

    group = "search"

    super: Annotated[
        str,
        _option(
            "Folder of the super-student, trained with `recipe`=autotinybert; empty: the student "
            "of the run in `output_dir`.",
            path=PATH,
        ),
    ] = ""
    search_dir: Annotated[
        str,
        _option(
            "Folder to write: the shapes that were tried, the front and the best part; empty: "
            "search/ beside the super-student's folder.",
            path=PATH,
        ),
    ] = ""
    size_mb: Annotated[
        float,
        _option("Most megabytes of a part's int8 file; 0: no bound.", unit="MB", minimum=0.0),
    ] = 0.0
    parameters_m: Annotated[
        float,
        _option(
            "Most millions of parameters of a part, embeddings and head included; 0: no bound.",
            unit="million",
            minimum=0.0,
        ),
    ] = 0.0
    population: Annotated[
        int, _option("Parts tried in each generation.", unit="parts", minimum=2)
    ] = 25
    generations: Annotated[
        int, _option("Generations after the first.", unit="generations", minimum=0)
    ] = 3
    mutation: Annotated[
        float,
        _option(
            "Probability that the depth of a part changes, and its attention; twice that its "
            "widths do.",
            minimum=0.0,
            maximum=0.5,
        ),
    ] = 0.25
    crossover: Annotated[
        float,
        _option(
            "Probability that a part takes each of its sizes from one of two good ones.",
            minimum=0.0,
            maximum=1.0,
        ),
    ] = 0.0
    fast_rule: Annotated[
        bool,
        _option(
            "Begin with parts that keep to AutoTinyBERT's fast rule: 1.6 to 1.9 times as many "
            "neurons as the width, and attention of at least 0.7 times the width."
        ),
    ] = True
