"""Searches a super-student for its best part within bounds, by the weights the part inherits.

    python -m tfdistill.search --output_dir=runs/autotinybert --size_mb=4
    python -m tfdistill.search --super=DIR --parameters_m=3 --corpus=wikitext-2 --length=64

It tries parts on the validation split, evolves the best of them, and writes search/ beside the
super-student: best/ is the best part, a Hugging Face directory to train on (--student); front.json
and front.svg show loss against size. The same seed tries the same parts; a stopped search goes on.
With --json: {"best", "front", "trials", "bounds", "folder"}.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_text import HELP
from tfdistill.settings.search import Search
from tfdistill.settings.text import Corpus
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (Search, Corpus, "length", "tflite_lengths", "seed", "output_dir", "device", "json"),
    help=HELP
    | {
        "output_dir": "Run whose student is the super-student if `super` is empty.",
        "seed": "Seed of the shapes that are tried.",
    },
    reads_run=True,
)


def main():
    """Runs the command."""
    COMMAND.run(_search)


def _search(config):
    from tfdistill.run.search import search_and_show

    result = search_and_show(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(result))


if __name__ == "__main__":
    main()
