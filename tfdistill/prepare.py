"""Tokenises a corpus into shards, once per corpus and tokenizer, and tells what is in it.

    python -m tfdistill.prepare --corpus=wikitext-2 --data_dir=DIR

Training does the same when it finds no shards. With --json: {"directory", "splits"}.
"""

import json

from tfdistill import cli, flags


def main():
    """Runs the command."""
    cli.run(_prepare, __doc__, [flags.CORPUS])


def _prepare(config):
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.progress import Console

    console = Console(json=config.json)
    corpus = open_corpus(config.corpus, config.data_dir)
    line = console.progress("prepare", corpus.size) if corpus.size else None
    prepared = prepare(
        corpus,
        load_tokenizer(config.tokenizer),
        config.shards_dir,
        progress=lambda done, _: line and line(done, "bytes"),
    )
    console.say(f"{prepared.directory}\n{_table(prepared.statistics)}")
    if config.json:
        print(json.dumps({"directory": str(prepared.directory), "splits": prepared.statistics}))


def _table(statistics):
    lines = [f"{'split':<12}{'documents':>12}{'tokens':>16}{'bytes':>16}{'[UNK]':>10}"]
    for split, facts in statistics.items():
        lines.append(
            f"{split:<12}{facts['documents']:>12,}{facts['tokens']:>16,}{facts['bytes']:>16,}"
            f"{facts['unk_share']:>10.2%}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
