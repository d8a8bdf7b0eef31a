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
    build_latency_table: Annotated[
        str,
        Option(
            "File to write: a model of the latency of BERTs of any shape, for `tokens`, fitted to "
            "timed files of random weights, and its error on shapes that it was not fitted to. "
            "With `phone`, the folder has these files; with `read`, the times come from there.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    table_shapes: Annotated[
        int,
        Option(
            "Shapes that `build_latency_table` fits.",
            unit="shapes",
            minimum=20,
            effect=NOTHING,
            stored=False,
        ),
    ] = 72
    table_unseen: Annotated[
        int,
        Option(
            "Further shapes, on which the error of `build_latency_table` is measured.",
            unit="shapes",
            minimum=5,
            effect=NOTHING,
            stored=False,
        ),
    ] = 20
    table_largest: Annotated[
        str,
        Option(
            "Largest shape of `build_latency_table`: a name such as L-6_H-384_A-12, or the folder "
            "of a model, such as a super-student, with its vocabulary.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = "L-6_H-384_A-12"
