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
            first=True,
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
        _option(
            "Most megabytes of a part's int8 file; 0: no bound.",
            unit="MB",
            minimum=0.0,
            first=True,
        ),
    ] = 0.0
    parameters_m: Annotated[
        float,
        _option(
            "Most millions of parameters of a part, embeddings and head included; 0: no bound.",
            unit="million",
            minimum=0.0,
        ),
    ] = 0.0
    latency_ms: Annotated[
        float,
        _option(
            "Most milliseconds that a part's file takes for a text, by `latency_table`; 0: no "
            "bound.",
            unit="ms",
            minimum=0.0,
            first=True,
        ),
    ] = 0.0
    latency_table: Annotated[
        str,
        _option(
            "File with the latencies that tfdistill.benchmark measured, here or on a phone; empty: "
            "latencies are not looked at.",
            path=PATH,
            first=True,
        ),
    ] = ""
    latency_length: Annotated[
        int,
        _option(
            "Tokens in the row whose latency is bounded; 0: as many as `length`.",
            unit="tokens",
            minimum=0,
            first=True,
        ),
    ] = 0
    latency_variant: Annotated[
        str,
        _option("Weights of the part whose latency is bounded.", choices=("int8", "float32")),
    ] = "int8"
    latency_threads: Annotated[
        int, _option("CPU threads of the bounded latency.", unit="threads", minimum=1)
    ] = 1
    objective: Annotated[
        str,
        _option(
            "What is looked for: quality (the best part within the bounds), or latency or size "
            "(the fastest or the smallest part that has at least `quality`).",
            choices=("quality", "latency", "size"),
            first=True,
        ),
    ] = "quality"
    quality: Annotated[
        float,
        _option(
            "Quality that a part must have with the weights it inherits, for `objective`=latency "
            "or size: the task's primary metric as in metrics.json (0.9 is 90 %), or of masked LM "
            "the largest loss, in nats; 0: none.",
            minimum=0.0,
            first=True,
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
