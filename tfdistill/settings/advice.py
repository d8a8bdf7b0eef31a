"""Settings of the command that advises on a run."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, Option


@dataclasses.dataclass(frozen=True)
class Advice(Settings):
    """Advice"""

    group = "advice"

    budget_ms: Annotated[
        float,
        Option(
            "Most time that the student's int8 file may take for a text of `length` tokens, on one "
            "thread of this machine; 0: any, and nothing is timed. Otherwise files with random "
            "weights are made, in minutes, and kept in `shards_dir`.",
            unit="ms",
            minimum=0.0,
            effect=NOTHING,
            stored=False,
        ),
    ] = 0.0
    budget_mb: Annotated[
        float,
        Option(
            "Largest size of the student's int8 file, in millions of bytes; 0: any.",
            unit="MB",
            minimum=0.0,
            effect=NOTHING,
            stored=False,
        ),
    ] = 0.0
    rows: Annotated[
        int,
        Option(
            "Examples with labels, or sentences, to train on; 0: those of the data that are named, "
            "if any.",
            unit="examples",
            minimum=0,
            effect=NOTHING,
            stored=False,
        ),
    ] = 0
    run: Annotated[
        str,
        Option(
            "Folder of a finished run: what went wrong in it, and which flags to change.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    write: Annotated[
        str,
        Option(
            "Flagfile to write; an earlier one of this command is replaced. Empty: it is printed.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
