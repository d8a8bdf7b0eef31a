"""Settings of the optimizer, of both models."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, SPEED, STEP, Option


@dataclasses.dataclass(frozen=True)
class Optimizer(Settings):
    """Optimizer"""

    group = "optimizer"

    batch_size: Annotated[
        int, Option("Rows in a batch.", unit="rows", minimum=1, effect=STEP, first=True)
    ] = 32
    gradient_accumulation_steps: Annotated[
        int,
        Option(
            "Batches whose gradients make one step, weighted by their tokens.",
            unit="batches",
            minimum=1,
        ),
    ] = 1
    learning_rate: Annotated[
        float,
        Option(
            "Peak learning rate of the student. For other tasks than masked_lm, 0: 1e-4, or 2e-4 "
            "for tags, times 768 / width if it is narrower than 768, and at most 3e-4.",
            minimum=0.0,
            first=True,
            fine_tuning=0.0,
        ),
    ] = 5e-4
    warmup_prop: Annotated[
        float,
        Option(
            "Share of the steps in which the learning rate rises; after them it falls linearly to "
            "0.",
            minimum=0.0,
            maximum=1.0,
            fine_tuning=0.1,
        ),
    ] = 0.05
    adam_beta1: Annotated[float, Option("AdamW's beta 1.", minimum=0.0, maximum=0.999999)] = 0.9
    adam_beta2: Annotated[float, Option("AdamW's beta 2.", minimum=0.0, maximum=0.999999)] = 0.98
    adam_epsilon: Annotated[float, Option("AdamW's epsilon.", minimum=0.0)] = 1e-6
    weight_decay: Annotated[
        float,
        Option(
            "AdamW's weight decay; biases and norms are not decayed.", minimum=0.0, fine_tuning=0.01
        ),
    ] = 0.0
    max_grad_norm: Annotated[
        float, Option("The global norm of the gradients is clipped to this.", minimum=1e-6)
    ] = 5.0
    remat: Annotated[
        bool,
        Option(
            "Recompute each layer in the backward pass. Training then needs less memory and more "
            "time: for models or batches that do not fit.",
            effect=SPEED,
        ),
    ] = False
    steps_per_execution: Annotated[
        int,
        Option(
            "Steps in one call of TensorFlow. More are faster if a step takes a few milliseconds; "
            "Ctrl-C waits until the call ends.",
            unit="steps",
            minimum=1,
            effect=NOTHING,
        ),
    ] = 1
    seed: Annotated[
        int, Option("Seed of every random draw.", minimum=0, maximum=2**31 - 1, first=True)
    ] = 0
