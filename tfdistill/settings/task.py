"""The setting that names the task: what the models are trained for."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import STEP, Option


@dataclasses.dataclass(frozen=True)
class TaskChoice(Settings):
    """Task"""

    group = "task"

    task: Annotated[
        str,
        Option(
            "Task of the models. masked_lm: predict hidden tokens of a text. text_classification: "
            "the class of a text or of a pair of texts. regression: a number for a text or a pair. "
            "token_classification: tags of words, such as entities. question_answering: the "
            "answer's place in a text. sentence_embedding: a vector for a text, "
            "learned from a teacher.",
            effect=STEP,
            first=True,
        ),
    ] = "masked_lm"
