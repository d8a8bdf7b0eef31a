"""Settings of examples with labels: their files, columns and format."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import PATH, Option


@dataclasses.dataclass(frozen=True)
class LabelledDataSettings(Settings):
    """Examples with labels"""

    group = "data"

    train_data: Annotated[
        str,
        Option(
            "Examples with labels to train on: a file (CSV, TSV, JSON lines, CoNLL for words with "
            "tags, SQuAD's JSON for questions) or 'hf:NAME[:CONFIG]', a data set of the hub; for "
            "sentence_embedding sentences without labels, one a line or a column. docs/TASKS.md "
            "says how files are read.",
            path=PATH,
            source=True,
            first=True,
        ),
    ] = ""
    validation_data: Annotated[
        str,
        Option(
            "Examples that choose the best point of training; empty: cut from `train_data`.",
            path=PATH,
            source=True,
        ),
    ] = ""
    test_data: Annotated[
        str,
        Option(
            "Examples on which models are measured; empty: cut from `train_data`.",
            path=PATH,
            source=True,
            first=True,
        ),
    ] = ""
    task_data: Annotated[
        str,
        Option(
            "A data set by its name: 'sample_authors' (bundled), or 'glue/NAME', a set of GLUE "
            "in `data_dir`: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte or wnli.",
            first=True,
        ),
    ] = ""
    text_pair_column: Annotated[
        str,
        Option(
            "Column of the second text of a pair, or of the context of a question; empty: the one "
            "with a usual name, if any."
        ),
    ] = ""
    label_column: Annotated[
        str,
        Option("Column of the class, the number or the answers; empty: the one with a usual name."),
    ] = ""
    tag_column: Annotated[
        str,
        Option("Column of the words' tags; empty: the last, or the one with a usual name."),
    ] = ""
    data_format: Annotated[
        str,
        Option(
            "Format of examples with labels; empty: found from their content.",
            choices=("", "csv", "tsv", "jsonl", "conll", "squad"),
        ),
    ] = ""
    skip_bad_rows: Annotated[
        bool,
        Option("Leave out rows that cannot be read, and count them, instead of stopping."),
    ] = False
