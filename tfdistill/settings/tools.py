"""Settings of single commands other than training."""

import dataclasses
from typing import Annotated

from tfdistill.settings.settings import Settings
from tfdistill.system.options import NOTHING, PATH, PATHS, Option


@dataclasses.dataclass(frozen=True)
class Model(Settings):
    """Model"""

    group = "model"

    model: Annotated[
        str,
        Option(
            "Hugging Face directory, hub name, or .tflite file.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    text: Annotated[
        str,
        Option("Text with one or more [MASK] tokens.", effect=NOTHING, stored=False),
    ] = ""
    top_k: Annotated[
        int,
        Option(
            "Tokens to show for each [MASK].",
            unit="tokens",
            minimum=1,
            effect=NOTHING,
            stored=False,
        ),
    ] = 5


@dataclasses.dataclass(frozen=True)
class Prediction(Settings):
    """Prediction"""

    group = "prediction"

    second_text: Annotated[
        str,
        Option("Second text of a pair.", effect=NOTHING, stored=False),
    ] = ""
    question: Annotated[
        str,
        Option(
            "Question that `context` answers, for a model of question answering.",
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    context: Annotated[
        str,
        Option("Text that holds the answer to `question`.", effect=NOTHING, stored=False),
    ] = ""
    input: Annotated[
        str,
        Option(
            "File of texts to predict for: CSV, TSV or JSON lines; of words to tag also CoNLL, of "
            "questions also SQuAD's JSON.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    output: Annotated[
        str,
        Option(
            "File to write: the rows of `input` with their predictions, in .csv, .tsv or .jsonl, "
            "words with their tags also in .conll; empty: they are printed as JSON.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    part: Annotated[
        str,
        Option(
            "Part of a student of `recipe`=dynabert that answers, such as w50d75; `model` names "
            "the student, or one of its exported student_parts. Empty: the whole student.",
            effect=NOTHING,
            stored=False,
        ),
    ] = ""


@dataclasses.dataclass(frozen=True)
class WebPage(Settings):
    """Page"""

    group = "web"

    web: Annotated[
        str,
        Option(
            "Folder to write: a page that runs the student in the browser, for any web server. It "
            "takes the int8 file that is in export/ of `output_dir`, or the .tflite file `model`; "
            "a model without files is exported first. A page that is there gets one more tab.",
            path=PATH,
            effect=NOTHING,
            stored=False,
            first=True,
        ),
    ] = ""
    web_runtime: Annotated[
        str,
        Option(
            "Folder in which `npm ci` installed the packages of the page; empty: npm fetches them.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""


@dataclasses.dataclass(frozen=True)
class Doctor(Settings):
    """Checks"""

    group = "doctor"

    metal_audit: Annotated[
        bool,
        Option(
            "Search the train steps for operators that Apple's Metal plugin lacks.",
            effect=NOTHING,
            stored=False,
            alias="metal-audit",
        ),
    ] = False
    metal_kernels: Annotated[
        str,
        Option(
            "File to write: the kernels that this TensorFlow and its GPU plugin register, in the "
            "format of the bundled inventory. Differences from it are shown.",
            path=PATH,
            effect=NOTHING,
            stored=False,
            alias="metal-kernels",
        ),
    ] = ""


@dataclasses.dataclass(frozen=True)
class Experiment(Settings):
    """Grid of runs"""

    group = "experiment"

    grid: Annotated[
        str,
        Option(
            "JSON file that describes the runs; or give it as a plain argument.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    dry_run: Annotated[
        bool,
        Option(
            "Only say what would be done: of `train` the plan with its steps, memory, disk and "
            "time; of `experiment` the runs, the time left, and files that are missing.",
            effect=NOTHING,
            stored=False,
        ),
    ] = False
    retry: Annotated[bool, Option("Make failed runs again.", effect=NOTHING, stored=False)] = False
    results_only: Annotated[
        bool,
        Option(
            "Only write the tables and pages of the runs that are finished, also while another "
            "process makes the others.",
            effect=NOTHING,
            stored=False,
        ),
    ] = False


@dataclasses.dataclass(frozen=True)
class Compare(Settings):
    """Comparison"""

    group = "compare"

    runs: Annotated[
        str,
        Option(
            "Folders of the runs, separated by commas; or give them as plain arguments.",
            path=PATHS,
            effect=NOTHING,
            stored=False,
        ),
    ] = ""
    page: Annotated[
        str,
        Option(
            "HTML file to write; an earlier comparison is replaced.",
            path=PATH,
            effect=NOTHING,
            stored=False,
        ),
    ] = "comparison.html"
    target_loss: Annotated[
        float,
        Option(
            "Validation loss: the first step that reaches it is shown; 0: the highest final loss "
            "of the students, so that all of them reach it.",
            unit="nats",
            minimum=0.0,
            effect=NOTHING,
            stored=False,
        ),
    ] = 0.0
