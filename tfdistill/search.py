"""Searches a super-student for its best part within bounds, by the weights the part inherits.

    python -m tfdistill.search --output_dir=runs/autotinybert --size_mb=4
    python -m tfdistill.search --output_dir=runs/autotinybert --latency_ms=0.8 \\
        --latency_length=32 --latency_table=latency.json --steps=1000
    python -m tfdistill.search --super=DIR --objective=size --quality=0.9 --task=text_classification

It tries parts on the validation split, evolves the best of them, and writes search/ beside the
super-student: best/ is the best part, a Hugging Face directory; report.html, front.json and the
plots show quality against size and latency. With --steps, the best part is trained on in trained/
by the recipe of the super-student, and its file is measured and timed. The same seed tries the same
parts; a stopped search goes on. With --json: the content of front.json.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_text import help_without
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.search import Search
from tfdistill.settings.text import Corpus
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (
        *("task", Search, "steps", Corpus, LabelledDataSettings, "length", "tflite_lengths"),
        *("doc_stride", "max_answer_length", "seed", "output_dir", "device", "json"),
    ),
    help=help_without("this")
    | {
        "output_dir": "Run whose student is the super-student if `super` is empty.",
        "seed": "Seed of the shapes that are tried.",
        "steps": "Steps for which the best part is trained on; 0: it is not.",
    },
    reads_run=True,
)


def main():
    """Runs the command."""
    COMMAND.run(_search, lambda: "the same command goes on")


def _search(config):
    from tfdistill.run.search import search_and_show

    result = search_and_show(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(result))


if __name__ == "__main__":
    main()
