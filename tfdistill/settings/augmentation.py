"""Settings of augmentation: variants of the training texts that the student learns from, too."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import PATH, Option

TINYBERT = "tinybert"


@dataclasses.dataclass(frozen=True)
class Augmentation(Settings):
    """Augmentation"""

    group = "augmentation"

    augmentation: Annotated[
        str,
        Option(
            "Variants of the training texts that the student learns from, too, with the teacher's "
            "predictions in place of labels: tinybert (words are replaced by those that a masked "
            "LM proposes, and by words with near vectors); empty: none.",
            choices=("", TINYBERT),
            first=True,
        ),
    ] = ""
    augmentation_model: Annotated[
        str,
        Option(
            "Hugging Face directory or hub name of the masked LM that proposes words; empty: the "
            "first `teacher`, before it is fine-tuned.",
            path=PATH,
            source=True,
        ),
    ] = ""
    head_steps: Annotated[
        int,
        Option(
            "Steps in which a model that proposes words and has no masked-LM head gets one, on "
            "`corpus`; its encoder stays as it is.",
            unit="steps",
            minimum=1,
        ),
    ] = 2000
    word_vectors: Annotated[
        str,
        Option(
            "File of word vectors for words of several tokens: GloVe's text, word2vec's text or "
            "binary format, or .npy with the words beside it in a .txt file; empty: such words "
            "stay.",
            path=PATH,
            source=True,
        ),
    ] = ""
    augmentation_probability: Annotated[
        float,
        Option("Probability that a word is replaced.", minimum=0.0, maximum=1.0),
    ] = 0.4
    augmentation_variants: Annotated[
        int,
        Option(
            "Variants drawn of each text; equal ones count once. The paper has 10 for large sets "
            "(MNLI, QQP), 20 for SST-2 and QNLI and 30 for small sets.",
            unit="variants",
            minimum=1,
        ),
    ] = 20
    augmentation_candidates: Annotated[
        int,
        Option("Words of which a replacement is drawn.", unit="words", minimum=1),
    ] = 15
    augmentation_rows: Annotated[
        int,
        Option(
            "Most examples that the student learns from, those of the data included; 0: no bound.",
            unit="rows",
            minimum=0,
        ),
    ] = 0
