"""Settings of the exported files."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, Option


@dataclasses.dataclass(frozen=True)
class Export(Settings):
    """Exported files"""

    group = "export"

    tflite_lengths: Annotated[
        str,
        Option(
            "Lengths of rows that the student's TFLite files take, separated by commas; a text "
            "takes the shortest that holds it, which is faster, and the weights are stored once. "
            "`length` is always one of them; empty: also 16, 32, 64 and 128, as far as they are "
            "below it.",
            unit="tokens",
        ),
    ] = ""
    tflite_variants: Annotated[
        str,
        Option(
            "Variants of the student's TFLite files, separated by commas: float32 (always there), "
            "float16, int8 (int8 weights, the one that ships) and full_int8 (int8 activations, "
            "too, whose ranges come from training examples; of one length, `length`).",
        ),
    ] = "float32,int8"
    allow_loss: Annotated[
        bool,
        Option(
            "Keep exported files that lose more than 1 % of the student's value in the loss of "
            "masked LM, or in the primary metric of a task with labels. Without it such a file is "
            "left out, and the command ends with an error.",
            effect=NOTHING,
        ),
    ] = False
    mediapipe: Annotated[
        bool,
        Option(
            "Also write student_mediapipe.tflite, which MediaPipe's TextClassifier or TextEmbedder "
            "takes as it is: for text classification of single texts and for sentence embedding, "
            "with an uncased WordPiece vocabulary.",
            effect=NOTHING,
        ),
    ] = True
