"""Settings of the student's training: the recipe, its length, and what is compared with it."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import PATH, STEP, Option


@dataclasses.dataclass(frozen=True)
class Distillation(Settings):
    """Distillation"""

    group = "distillation"

    recipe: Annotated[
        str,
        Option(
            "Losses and phases of the student's training: {recipes}; or your own, FILE.py:NAME, "
            "which no flagfile may name.",
            path=PATH,
            effect=STEP,
            first=True,
            fine_tuning="kd",
            of_task=(("sentence_embedding", "sentence"),),
        ),
    ] = "distilbert"
    schedules: Annotated[
        str,
        Option(
            "Weights and temperatures of the recipe that change during a phase: NAME=SHAPE:BEGIN:"
            "END, separated by commas, with the shape linear or cosine; for example "
            "alpha_ce=linear:5:1,temperature=cosine:4:1.",
            effect=STEP,
        ),
    ] = ""
    steps: Annotated[
        int,
        Option(
            "Training steps of the student; 0: as many as `n_epoch` needs.",
            unit="steps",
            minimum=0,
            first=True,
        ),
    ] = 0
    n_epoch: Annotated[
        float,
        Option(
            "Passes of the student over the training split.",
            unit="epochs",
            minimum=0.0,
            first=True,
            fine_tuning=6.0,
        ),
    ] = 3.0
    baseline: Annotated[
        str,
        Option(
            "Students trained without a teacher, on the same batches and steps, for comparison: "
            "none, or a list of random (a random start), start (the same start as the student) and "
            "text (a start from counts of the text); both means random,start. The verdict needs "
            "start.",
            first=True,
            fine_tuning="start",
        ),
    ] = "none"
    mlm_smoothing: Annotated[
        float,
        Option(
            "Exponent s of the student's masking: a token is drawn with weight count^-s, so that "
            "rare tokens are masked more often; 0: all tokens alike.",
            minimum=0.0,
        ),
    ] = 0.7
    alpha_nsp: Annotated[
        float,
        Option(
            "With `nsp`: weight of the KL to the teacher's two logits of a pair of segments, at "
            "the recipe's temperature; 0: none.",
            minimum=0.0,
        ),
    ] = 0.0
    freeze_pos_embs: Annotated[
        bool, Option("Do not train the position embeddings of the student.")
    ] = False
    freeze_token_type_embds: Annotated[
        bool, Option("Do not train the token-type embeddings of the student.")
    ] = False
