"""Settings of the text: the corpus, its tokenizer, and the rows cut from it."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, PATHS, STEP, Option


@dataclasses.dataclass(frozen=True)
class Corpus(Settings):
    """Text"""

    group = "corpus"

    corpus: Annotated[
        str,
        Option(
            "Text: 'sample' (bundled), 'wikitext-2', 'wikitext-103', 'hf:NAME[:CONFIG]' (a data "
            "set of the Hugging Face hub), or files, folders and globs of text, separated by "
            "commas: .txt, .tokens, .raw, .md, .jsonl, .json and WikiExtractor's output, each also "
            "packed as .gz, .bz2 or .xz. docs/CORPORA.md says how text is split.",
            path=PATHS,
            source=True,
            first=True,
        ),
    ] = "sample"
    text_column: Annotated[
        str,
        Option(
            "Column that holds the text in .json and .jsonl files and in data sets of the hub. Of "
            "examples with labels: the text, the words or the question; where no column is called "
            "text, the one with a usual name."
        ),
    ] = "text"
    encoding_errors: Annotated[
        str,
        Option(
            "What is done about text in files that is not UTF-8, or holds NUL bytes: strict (an "
            "error), replace (each such place becomes U+FFFD), skip (the line of a corpus, or the "
            "row, sentence or question of examples with labels, is left out). They are counted.",
            choices=("strict", "replace", "skip"),
        ),
    ] = "strict"
    data_dir: Annotated[
        str,
        Option(
            "Folder with the files of wikitext-2 or wikitext-103 (empty: download from the hub), "
            "or with those of GLUE for `task_data`.",
            path=PATH,
            source=True,
            effect=NOTHING,
        ),
    ] = ""
    tokenizer: Annotated[
        str,
        Option(
            "Tokenizer, BERT's WordPiece or for tasks with labels any other: a directory or hub "
            "name; empty: the tokenizer of `teacher` if it has one, else the bundled "
            "bert-base-uncased.",
            path=PATH,
            source=True,
            effect=STEP,
            first=True,
        ),
    ] = ""
    shards_dir: Annotated[
        str,
        Option(
            "Folder that keeps tokenised corpora between runs, and for tasks with labels the "
            "teacher's logits and TFLite files.",
            path=PATH,
            source=True,
            effect=NOTHING,
        ),
    ] = "shards"


@dataclasses.dataclass(frozen=True)
class Rows(Settings):
    """Rows and masks"""

    group = "rows"

    length: Annotated[
        int,
        Option(
            "Tokens in a row, [CLS] and [SEP] included.",
            unit="tokens",
            minimum=3,
            effect=STEP,
            first=True,
        ),
    ] = 128
    masked_lm_prob: Annotated[
        float, Option("Share of a row's tokens that are predicted.", minimum=0.01, maximum=0.9)
    ] = 0.15
    whole_word_masking: Annotated[
        bool, Option("In training, mask all WordPieces of a word together, or none.")
    ] = False
    nsp: Annotated[
        bool,
        Option(
            "Also predict the next sentence, as BERT's pre-training does: rows of training are "
            "pairs of segments, of which the second follows the first or is from another document "
            "(half and half).",
            effect=STEP,
        ),
    ] = False
