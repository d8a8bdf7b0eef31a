"""Settings of tasks with labels: how their models are fine-tuned."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import STEP, Option


@dataclasses.dataclass(frozen=True)
class FineTuning(Settings):
    """Tasks with labels"""

    group = "fine_tuning"

    teacher_epochs: Annotated[
        float,
        Option(
            "Passes over the training split in which a loaded teacher without the task's head is "
            "fine-tuned on the labels.",
            unit="epochs",
            minimum=0.01,
            first=True,
        ),
    ] = 3.0
    teacher_seeds: Annotated[
        int,
        Option(
            "Times that the teacher is fine-tuned, with seeds of their own; the one with the best "
            "primary metric on the validation split is the teacher.",
            unit="seeds",
            minimum=1,
        ),
    ] = 1
    layerwise_decay: Annotated[
        float,
        Option(
            "Factor of the teacher's learning rate from each layer to the one below it (Clark et "
            "al., 2020); 1: the same rate for all layers.",
            minimum=0.1,
            maximum=1.0,
        ),
    ] = 1.0
    pooling: Annotated[
        str,
        Option(
            "What a head for whole texts reads: cls (the first token), mean (the mean of all "
            "tokens) or pooler (BERT's dense layer on the first token); empty: what the checkpoint "
            "was trained with.",
            choices=("", "cls", "mean", "pooler"),
            effect=STEP,
        ),
    ] = ""
    tokens_per_batch: Annotated[
        int,
        Option(
            "Most tokens in a batch, padding included, so that batches of short texts have more "
            "rows; 0: `batch_size` rows in every batch.",
            unit="tokens",
            minimum=0,
            effect=STEP,
        ),
    ] = 0
    patience: Annotated[
        int,
        Option(
            "Points of the validation curve with neither a better primary metric nor a lower loss "
            "after which training stops; 0: never. The model is always that of the best point.",
            unit="points",
            minimum=0,
        ),
    ] = 5
    doc_stride: Annotated[
        int,
        Option(
            "Tokens of the context that two windows share, for question answering; 0: as the "
            "model was trained. In training, 0 means 32, or a quarter of `length` if that is less.",
            unit="tokens",
            minimum=0,
        ),
    ] = 0
    max_answer_length: Annotated[
        int,
        Option(
            "Tokens of the longest answer, for question answering; 0: as the model was trained. In "
            "training, 0 means 30.",
            unit="tokens",
            minimum=0,
        ),
    ] = 0
