"""A corpus tokenised into shards, without a run."""

import contextlib

from tfdistill.data.corpus import open_corpus
from tfdistill.reports.corpus_files import format_files
from tfdistill.reports.table import format_statistics
from tfdistill.system import devices
from tfdistill.system.errors import UserError
from tfdistill.system.paths import require_shards

LARGE = 25_000_000  # bytes of text; below, importing TensorFlow takes longer than it saves


def tokenize_corpus(config, console):
    """Tokenises a corpus, unless its shards exist, and prints what it consists of.

    Args:
        config: a `RunConfig`.
        console: a `Console`.

    Returns:
        (the `Corpus`, the prepared shards as `shards.prepare` returns them).

    Raises:
        UserError: there is no such text or tokenizer, or the shards cannot be written.
    """
    require_shards(config.shards_dir)
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer

    corpus = open_corpus(config.corpus, config.data_dir, config.text_column, config.encoding_errors)
    if files := format_files(corpus):
        console.say(files)

    def begin():
        if corpus.size is None or corpus.size >= LARGE:
            # The faster tokenizer needs TensorFlow; without it there is a slower one.
            with contextlib.suppress(UserError):
                devices.prepare("cpu")

    tokenizer = load_tokenizer(config.tokenizer)
    progress = console.preparation(corpus.size)
    how = {"progress": progress, "begin": begin, "sentences": config.nsp}
    prepared = prepare(corpus, tokenizer, config.shards_dir, **how)
    console.say(f"{prepared.directory}\n{format_statistics(prepared.statistics)}")
    console.warn((*tokenizer.notes, *prepared.warnings))
    return corpus, prepared
