"""Tokenises a corpus into shards, once per corpus and tokenizer.

    python -m tfdistill.prepare --corpus=wikitext-2 --data_dir=DIR

Training does the same if it finds no shards. The command shows the files that each split is read
from, the files that are left out, and the number of documents and tokens. With --json:
{"directory", "splits", "files", "left_out"}.
"""

import json

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.settings.text import Corpus

COMMAND = Command(
    __doc__,
    (Corpus, "nsp", "json"),
    help={
        "nsp": "For runs with this flag: find where sentences start, too.",
        "tokenizer": "WordPiece tokenizer: a directory or hub name; empty: the bundled "
        "bert-base-uncased.",
    },
)


def main():
    """Runs the command."""
    COMMAND.run(_prepare)


def _prepare(config):
    from tfdistill.reports.corpus_files import files_json
    from tfdistill.run.tokenized_corpus import tokenize_corpus

    corpus, prepared = tokenize_corpus(config, Console(json=config.json))
    if config.json:
        result = {"directory": str(prepared.directory), "splits": prepared.statistics}
        print(json.dumps({**result, **files_json(corpus)}))


if __name__ == "__main__":
    main()
