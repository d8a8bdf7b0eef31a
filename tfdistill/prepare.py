"""Tokenises a corpus into shards, once per corpus and tokenizer, and tells what is in it.

    python -m tfdistill.prepare --corpus=wikitext-2 --data_dir=DIR

Training does the same when it finds no shards. It shows which files each split is read from and
which are left out. With --json: {"directory", "splits", "files", "left_out"}.
"""

import contextlib
import json

from tfdistill.command_line.cli import Command
from tfdistill.settings.text import Corpus
from tfdistill.system import devices
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_shards

COMMAND = Command(
    __doc__,
    (Corpus, "json"),
    help={
        "tokenizer": "WordPiece tokenizer: a directory or hub name; empty: the bundled "
        "bert-base-uncased."
    },
)
WORTH_TENSORFLOW = 25_000_000  # bytes of text, whose faster tokenizing makes up for its import


def main():
    """Runs the command."""
    COMMAND.run(_prepare)


def _prepare(config):
    require_shards(config.shards_dir)
    from tfdistill.command_line.console import Console
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.reports.corpus_files import files_json, format_files
    from tfdistill.reports.table import format_statistics

    console = Console(json=config.json)
    corpus = open_corpus(config.corpus, config.data_dir, config.text_column)
    if files := format_files(corpus):
        console.say(files)

    def begin():
        if corpus.size is None or corpus.size >= WORTH_TENSORFLOW:
            # The faster tokenizer needs it; where it cannot be imported there is the other.
            with contextlib.suppress(UserError):
                devices.prepare("cpu")

    tokenizer = load_tokenizer(config.tokenizer)
    prepared = prepare(
        corpus,
        tokenizer,
        config.shards_dir,
        progress=console.preparation(corpus.size),
        begin=begin,
    )
    console.say(f"{prepared.directory}\n{format_statistics(prepared.statistics)}")
    console.warn((*tokenizer.notes, *prepared.warnings))
    if config.json:
        result = {"directory": str(prepared.directory), "splits": prepared.statistics}
        print(json.dumps({**result, **files_json(corpus)}))


if __name__ == "__main__":
    main()
