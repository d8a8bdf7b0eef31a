"""Settings of a run: where its files lie, how it is logged, and where it computes."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, STEP, Option


@dataclasses.dataclass(frozen=True)
class Run(Settings):
    """Run and machine"""

    group = "run"

    output_dir: Annotated[
        str, Option("Folder of the run.", path=PATH, effect=NOTHING, first=True)
    ] = "runs/mini"
    force: Annotated[
        bool,
        Option(
            "Start over: delete the run in `output_dir`.", effect=NOTHING, stored=False, first=True
        ),
    ] = False
    stop_after: Annotated[
        str,
        Option(
            "Stage after which the run ends, such as teacher or student; empty: all. The same "
            "command without it goes on.",
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    log_interval: Annotated[
        int,
        Option("Steps between two logged points.", unit="steps", minimum=1, effect=NOTHING),
    ] = 20
    checkpoint_interval: Annotated[
        int,
        Option(
            "Steps between two checkpoints. A run that was killed continues from the last one; "
            "Ctrl-C and SIGTERM write a further one.",
            unit="steps",
            minimum=1,
            effect=NOTHING,
        ),
    ] = 200
    validation_interval: Annotated[
        int,
        Option(
            "Most steps between two points of the validation curve. The curve has at least ten, "
            "and one before the first step. The model of a task with labels is that of its best "
            "point.",
            unit="steps",
            minimum=1,
        ),
    ] = 200
    dump_bad_batch: Annotated[
        bool,
        Option(
            "Write the batches of steps whose loss is unusually high, and the batch of a step that "
            "ends the run because a number is NaN or infinite, to bad_batches/ of `output_dir`: "
            "rows, ids and texts, at most 20 files of each training.",
            effect=NOTHING,
        ),
    ] = False
    device: Annotated[
        str,
        Option(
            "Device: auto (CUDA, then Metal, then the CPU; a continued run keeps its device), cpu "
            "or gpu.",
            choices=("auto", "cpu", "gpu"),
            effect=NOTHING,
            first=True,
        ),
    ] = "auto"
    precision: Annotated[
        str,
        Option(
            "Precision of matrix products in training: auto, float32, bfloat16 or float16 (with a "
            "loss scale). auto takes bfloat16 on CUDA cards with units for it, and on Linux CPUs "
            "with such units if it is measured to be faster; else float32. Losses, weights, and "
            "everything measured or exported at the end are float32.",
            choices=("auto", "float32", "bfloat16", "float16"),
            effect=STEP,
            first=True,
        ),
    ] = "auto"
    json: Annotated[
        bool,
        Option(
            "Print one JSON object on standard output; tables go to standard error.",
            effect=NOTHING,
            stored=False,
            first=True,
        ),
    ] = False
