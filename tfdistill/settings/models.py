"""Settings of the two models: where the teacher and the student come from."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import PATH, PATHS, STEP, Option


@dataclasses.dataclass(frozen=True)
class Teacher(Settings):
    """Teacher"""

    group = "teacher"

    teacher: Annotated[
        str,
        Option(
            "Hugging Face directory or hub name of a BERT, DistilBERT or MobileBERT, and for tasks "
            "with labels also of a RoBERTa, XLM-R, ELECTRA or DeBERTa-v3; empty: pre-train a "
            "teacher. With several, separated by commas, the student learns the mean of their "
            "softened probabilities, or of their numbers; it starts from the first, and its layers "
            "are compared with that one.",
            path=PATHS,
            source=True,
            effect=STEP,
            first=True,
            alias="teacher_name",
        ),
    ] = ""
    teacher_weights: Annotated[
        str,
        Option(
            "Weights of several teachers in the mean, separated by commas; empty: equal weights."
        ),
    ] = ""
    teacher_cache: Annotated[
        str,
        Option(
            "Folder that stores the outputs of the teachers for each row, for later epochs, seeds "
            "and students: the probabilities of the likeliest words, and hidden states if the "
            "recipe reads them; empty: run the teachers in every step.",
            path=PATH,
            source=True,
        ),
    ] = ""
    cached_mask_epochs: Annotated[
        int,
        Option(
            "With `teacher_cache`, the number of different masks of each row: after so many epochs "
            "masks repeat, and the teachers run no longer.",
            unit="epochs",
            minimum=1,
        ),
    ] = 1
    teacher_type: Annotated[
        str,
        Option(
            "Model type of a teacher that is pre-trained here: bert, distilbert or mobilebert. For "
            "the inverted-bottleneck BERT, choose mobilebert with a wide bottleneck.",
            effect=STEP,
        ),
    ] = "bert"
    teacher_config: Annotated[
        str,
        Option(
            "Shape of a teacher that is pre-trained here: a Hugging Face JSON file, a size (tiny, "
            "mini, small, medium, base) or a shape such as L-4_H-128_A-2; for mobilebert, "
            "ib_bert_large or a shape such as L-6_H-256_B-128_A-4_F-1.",
            path=PATH,
            source=True,
            effect=STEP,
            first=True,
        ),
    ] = "medium"
    teacher_steps: Annotated[
        int,
        Option(
            "Training steps of a teacher that is pre-trained here.",
            unit="steps",
            minimum=1,
            first=True,
        ),
    ] = 10_000
    teacher_learning_rate: Annotated[
        float,
        Option(
            "Peak learning rate of the teacher; 0: 1e-3 for one pre-trained here, 1e-4 for a "
            "loaded one, and for one that is fine-tuned on labels 5e-5, or 1e-4 for tags, times "
            "768 / width if it is narrower than 768, and at most 3e-4.",
            minimum=0.0,
        ),
    ] = 0.0
    layerdrop: Annotated[
        float,
        Option(
            "Probability that a teacher layer is skipped in a training step (Fan et al., 2019).",
            minimum=0.0,
            maximum=0.95,
            first=True,
        ),
    ] = 0.2
    layerdrop_adapt_steps: Annotated[
        int,
        Option(
            "Steps of further training with LayerDrop for a loaded teacher, before the student is "
            "cut from it.",
            unit="steps",
            minimum=0,
        ),
    ] = 0
    head_steps: Annotated[
        int,
        Option(
            "Steps in which a loaded model without a masked-LM head gets one, on `corpus`: a "
            "teacher whose predictions are needed, or a model that proposes words. Its encoder "
            "stays as it is.",
            unit="steps",
            minimum=1,
        ),
    ] = 2000


@dataclasses.dataclass(frozen=True)
class Student(Settings):
    """Student"""

    group = "student"

    student: Annotated[
        str,
        Option(
            "Hugging Face directory or hub name of the student before its training, such as one "
            "that was distilled for masked LM; empty: `student_config` and `student_init` make it.",
            path=PATH,
            source=True,
            effect=STEP,
            first=True,
        ),
    ] = ""
    student_type: Annotated[
        str,
        Option(
            "Model type of the student: bert, distilbert or mobilebert; for tasks with labels also "
            "roberta, xlm-roberta, electra or deberta-v2, and bilstm, an LSTM with a vocabulary of "
            "its own; for whole texts also static, a table of vectors of tokens without layers.",
            effect=STEP,
            first=True,
        ),
    ] = "bert"
    student_config: Annotated[
        str,
        Option(
            "Shape of the student: a Hugging Face JSON file, a size, or a shape such as "
            "L-2_H-128_A-2; for mobilebert, one of mobilebert and mobilebert_tiny, or a shape such "
            "as L-6_H-64_B-128_A-4_F-4_OPT; for static, a width (empty: H-256); for bilstm, units "
            "(empty: H-150_F-200); for others, empty: the teacher's shape with half its layers.",
            path=PATH,
            source=True,
            effect=STEP,
            first=True,
        ),
    ] = ""
    student_init: Annotated[
        str,
        Option(
            "Initial weights of the student: the teacher's layers every_other, first, last, "
            "spaced, distilbert, search (tries subsets on held-out text) or a list such as 0,2,4; "
            "embeddings (the teacher's embeddings and head, fresh layers); text (counts of the "
            "corpus, as a teacher that is pre-trained here); or random. For a narrower student add "
            ":slice, :importance, :pca (the default) or :pca_sorted, such as spaced:pca. A static "
            "student has tokens (the teacher's vectors of single tokens) or random; a bilstm "
            "embeddings (principal components of the teacher's; the default), word_vectors (those "
            "of the setting `word_vectors`) or random.",
            first=True,
        ),
    ] = "every_other"
    vocabulary_size: Annotated[
        int,
        Option(
            "WordPieces of a bilstm: those that the training texts have most often, beside single "
            "characters and special tokens.",
            unit="pieces",
            minimum=1,
        ),
    ] = 8000
    embedding_size: Annotated[
        int,
        Option("Width of the word embeddings of a bilstm.", unit="numbers", minimum=1, effect=STEP),
    ] = 128
    dropout: Annotated[
        float,
        Option(
            "Dropout of hidden states and attention, for models whose shape is given by name. A "
            "JSON file, a loaded teacher, and a student shaped after it keep their own.",
            minimum=0.0,
            maximum=0.9,
            effect=STEP,
            of_task=(("sentence_embedding", 0.0),),
        ),
    ] = 0.1
