"""Settings of the benchmark command."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, Option


@dataclasses.dataclass(frozen=True)
class Benchmark(Settings):
    """Benchmark"""

    group = "benchmark"

    tokens: Annotated[
        str,
        Option(
            "Lengths of the timed texts, separated by commas; those that are longer than a model "
            "takes are left out.",
            unit="tokens",
            effect=NOTHING,
            stored=False,
        ),
    ] = "16,32,64,128"
    rounds: Annotated[
        int,
        Option(
            "Timed runs of each file, in turn, for each length and number of threads.",
            unit="runs",
            minimum=5,
            effect=NOTHING,
            stored=False,
        ),
    ] = 30
    references: Annotated[
        bool,
        Option(
            "Also time BERT-base, DistilBERT, MobileBERT and TinyBERT-4 with random weights. They "
            "are made once, in minutes, and kept in `shards_dir`.",
            effect=NOTHING,
            stored=False,
        ),
    ] = False
    plot: Annotated[
        str,
        Option(
            "SVG file to write: times by length of the text; empty: none.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    phone: Annotated[
        str,
        Option(
            "Folder to write for a phone, instead of timing here: the files, inputs, and a script "
            "that runs LiteRT's benchmark tool through adb.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    read: Annotated[
        str,
        Option(
            "File with what LiteRT's benchmark tool printed, to show as a table; `plot` draws it.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
