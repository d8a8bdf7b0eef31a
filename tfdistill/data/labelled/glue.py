"""GLUE's data sets in its own folders: files, columns, names of the classes, metrics.

Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
Understanding", 2018. The labels of its test files are not published: the development file is the
test split, and a validation split is cut from the training file.
"""

import dataclasses
import re
from pathlib import Path

from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.rows import table_examples
from tfdistill.data.labelled.tables import read_separated
from tfdistill.system.errors import UserError

PREFIX = "glue/"


@dataclasses.dataclass(frozen=True)
class GlueSet:
    """A data set of GLUE.

    Attributes:
        folder: name of its folder.
        columns: names of the columns of the text, the second text ("" without) and the label.
        labels: tuple of the classes' names in the order of GLUE's numbers; () for a number.
        values: tuple of the labels in the file, in the same order.
        metrics: tuple of the metrics' keys; the first is the primary one.
        positions: tuple of the columns' names where the files have no header; () with one.
        test: name of the file of the test split.
    """

    folder: str
    columns: tuple
    labels: tuple = ()
    values: tuple = ("0", "1")
    metrics: tuple = ("accuracy",)
    positions: tuple = ()
    test: str = "dev.tsv"

    @property
    def kind(self):
        """ "text" or "numbers"."""
        return "text" if self.labels else "numbers"


_ENTAILED = ("entailment", "not_entailment")
_INFERRED = ("entailment", "neutral", "contradiction")
_PAIR = ("sentence1", "sentence2", "label")
_MNLI = GlueSet(
    "MNLI", ("sentence1", "sentence2", "gold_label"), _INFERRED, _INFERRED, test="dev_matched.tsv"
)
SETS = {
    "cola": GlueSet(
        "CoLA",
        ("sentence", "", "label"),
        ("unacceptable", "acceptable"),
        metrics=("matthews", "accuracy"),
        positions=("source", "label", "mark", "sentence"),
    ),
    "sst2": GlueSet("SST-2", ("sentence", "", "label"), ("negative", "positive")),
    "mrpc": GlueSet(
        "MRPC",
        ("#1 String", "#2 String", "Quality"),
        ("not_equivalent", "equivalent"),
        metrics=("f1", "accuracy"),
    ),
    "stsb": GlueSet(
        "STS-B", ("sentence1", "sentence2", "score"), values=(), metrics=("pearson", "spearman")
    ),
    "qqp": GlueSet(
        "QQP",
        ("question1", "question2", "is_duplicate"),
        ("not_duplicate", "duplicate"),
        metrics=("f1", "accuracy"),
    ),
    "mnli": _MNLI,
    "mnlimismatched": dataclasses.replace(_MNLI, test="dev_mismatched.tsv"),
    "qnli": GlueSet("QNLI", ("question", "sentence", "label"), _ENTAILED, _ENTAILED),
    "rte": GlueSet("RTE", _PAIR, _ENTAILED, _ENTAILED),
    "wnli": GlueSet("WNLI", _PAIR, ("not_entailment", "entailment")),
}


def glue_set(task_data):
    """Finds a data set of GLUE.

    Args:
        task_data: the setting, such as "glue/sst2" or "glue/STS-B".

    Returns:
        `GlueSet`; None if the setting names no set of GLUE's.

    Raises:
        UserError: GLUE has no such set.
    """
    if not task_data.lower().startswith(PREFIX):
        return None
    name = _plain(task_data[len(PREFIX) :])
    if name not in SETS:
        known = ", ".join(f"{PREFIX}{each}" for each in SETS)
        raise UserError(f"`task_data`={task_data}: GLUE has {known}")
    return SETS[name]


def glue_files(task_data, data_dir):
    """Finds the files of a data set of GLUE.

    Args:
        task_data: the setting.
        data_dir: GLUE's folder, or that of the data set.

    Returns:
        dict of "train" and "test" to `Path`s.

    Raises:
        UserError: there are no such files.
    """
    found, folder = glue_set(task_data), Path(data_dir)
    if not data_dir:
        raise UserError(
            f"`task_data`={task_data} needs `data_dir`: the folder of GLUE, or of {found.folder} "
            "in it"
        )
    if not folder.is_dir():
        raise UserError(f"`data_dir`={data_dir}: no such folder")
    inside = [f for f in sorted(folder.iterdir()) if _plain(f.name) == _plain(found.folder)]
    folder = next((each for each in inside if each.is_dir()), folder)
    files = {"train": folder / "train.tsv", "test": folder / found.test}
    for path in files.values():
        if not path.is_file():
            raise UserError(
                f"{path}: no such file: `data_dir` is the folder of GLUE, or of "
                f"{found.folder} in it"
            )
    return files


def read_glue(found, file, text, bad):
    """Reads a file of GLUE. Quotes are text.

    Args:
        found: its `GlueSet`.
        file: its name in messages.
        text: its content.
        bad: `BadRows`.

    Returns:
        list of `TextExample`; classes have GLUE's names.

    Raises:
        UserError: a row or the header is not as in GLUE.
    """
    table = read_separated(file, text, bad, names=found.positions, quoted=False)
    reading = Reading(*found.columns)
    examples, *_ = table_examples(table, found.kind, reading, bad)
    if not found.labels:
        return examples
    names, renamed = dict(zip(found.values, found.labels, strict=True)), []
    for example in examples:
        if example.label in names:
            renamed.append(dataclasses.replace(example, label=names[example.label]))
        else:
            line = example.origin.removeprefix(f"{file}:")
            bad.add(file, line, f"the label {example.label!r} is none of {', '.join(names)}")
    return renamed


def _plain(name):
    return re.sub(r"[\W_]+", "", name.lower())
