"""Settings of augmentation: variants of the training texts that the student learns from, too."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import PATH, Option

TINYBERT, BILSTM = "tinybert", "bilstm"


@dataclasses.dataclass(frozen=True)
class Augmentation(Settings):
    """Augmentation"""

    group = "augmentation"

    augmentation: Annotated[
        str,
        Option(
            "Variants of the training texts that the student learns from, too, with the teacher's "
            "predictions in place of labels: tinybert (words are replaced by those that a masked "
            "LM proposes, and by words with near vectors), bilstm (words are hidden or replaced by "
            "those of the same part of speech, and texts cut to n-grams); empty: none.",
            choices=("", TINYBERT, BILSTM),
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
    word_vectors: Annotated[
        str,
        Option(
            "File of word vectors, of tinybert for words of several tokens, or of a student that "
            "starts from them: GloVe's text, word2vec's text or binary format, or .npy with the "
            "words beside it in a .txt file; empty: such words stay.",
            path=PATH,
            source=True,
        ),
    ] = ""
    augmentation_probability: Annotated[
        float,
        Option("Of tinybert, the probability that a word is replaced.", minimum=0.0, maximum=1.0),
    ] = 0.4
    augmentation_mask_probability: Annotated[
        float,
        Option("Of bilstm, the probability that a word is hidden.", minimum=0.0, maximum=1.0),
    ] = 0.1
    augmentation_tag_probability: Annotated[
        float,
        Option(
            "Of bilstm, the probability that a word makes place for one of the training texts with "
            "the same part of speech (English, by the package textblob).",
            minimum=0.0,
            maximum=1.0,
        ),
    ] = 0.1
    augmentation_ngram_probability: Annotated[
        float,
        Option(
            "Of bilstm, the probability that an n-gram of 1 to 5 words is drawn.",
            minimum=0.0,
            maximum=1.0,
        ),
    ] = 0.25
    augmentation_ngrams: Annotated[
        str,
        Option(
            "What becomes of an n-gram that bilstm draws: kept (it is all that is left of the "
            "text, as in the paper) or masked (its words are hidden).",
            choices=("kept", "masked"),
        ),
    ] = "kept"
    augmentation_variants: Annotated[
        int,
        Option(
            "Variants drawn of each text, or with bilstm of each text or pair; equal ones count "
            "once. TinyBERT has 10 for large sets (MNLI, QQP), 20 for SST-2 and QNLI and 30 for "
            "small sets; the distilled BiLSTM has 20, and 10 for pairs.",
            unit="variants",
            minimum=1,
        ),
    ] = 20
    augmentation_candidates: Annotated[
        int,
        Option("Words of which tinybert draws a replacement.", unit="words", minimum=1),
    ] = 15
    augmentation_rows: Annotated[
        int,
        Option(
            "Most examples that the student learns from, those of the data included; 0: no bound.",
            unit="rows",
            minimum=0,
        ),
    ] = 0
