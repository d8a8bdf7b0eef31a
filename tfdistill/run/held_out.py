"""Held-out text for the commands that measure a model which is there already."""

import os
from pathlib import Path

from tfdistill.run import machine
from tfdistill.settings.flags import FIELDS, separator_of
from tfdistill.system.errors import UserError
from tfdistill.system.paths import seen_from

# Flags that say which text it is.
OF_RUN = ("corpus", "data_dir", "text_column", "length", "shards_dir")
# What flags mean for these commands, where that is not what they mean for the main job.
HELP = machine.HELP | {
    "tokenizer": "WordPiece tokenizer: a directory or hub name; empty: the model's own.",
    **{
        name: f"{FIELDS[name].metadata['help']} Without --model and this: the run's own."
        for name in OF_RUN
    },
}


def as_meant_in(name, text, folder):
    """A flag's value that was given in another folder, for use in this one.

    Args:
        name: the flag.
        text: its value as text.
        folder: where it was given; "" for who knows where.

    Returns:
        str: paths that are relative to `folder` are absolute.
    """
    from tfdistill.data.corpus import is_named

    kind = FIELDS[name].metadata["kind"]
    if not kind or not os.path.isdir(folder) or os.path.samefile(folder, os.curdir):
        return text
    if name == "shards_dir":  # which is made when it is missing
        return os.path.join(folder, text)
    if name == "corpus" and is_named(text):
        return text
    return seen_from(text, folder, separator_of(kind))


def student_of(config):
    """Folder of the student of the run in `--output_dir`.

    Args:
        config: a `RunConfig`.

    Returns:
        `Path`.

    Raises:
        UserError: there is none.
    """
    run = Path(config.output_dir)
    if not (run / "student").is_dir():
        raise UserError(f"--output_dir={run} has no student/: train first, or name a --model")
    return run / "student"


def require_fit(config, tokenizer, flag, model):
    """Makes sure that a model can read the held-out rows.

    Args:
        config: a `RunConfig`.
        tokenizer: the `Tokenizer` of the rows.
        flag: what names the model.
        model: a `MaskedLanguageModel`.

    Raises:
        UserError: the tokenizer is another's, or the rows are too long.
    """
    tokenizer.require_table(model.config.vocab_size, flag)
    positions = model.config.max_position_embeddings
    if config.length > positions:
        raise UserError(
            f"--length={config.length} is over the {positions} positions of {flag}: use a smaller "
            "one"
        )


def open_held_out(config, tokenizer, corpus, console):
    """Opens the test split of a corpus, which is prepared if that was not done before.

    Args:
        config: a `RunConfig`.
        tokenizer: the `Tokenizer`.
        corpus: the `Corpus` that `--corpus` names.
        console: a `Console`, which says what there is to say of the tokenizer and of the text.

    Returns:
        (int64 (vocab,), `Rows.counts` of the training split; `EvaluationBatches` of the test split:
        those of the main job's table).
    """
    from tfdistill.data.batches import EvaluationBatches, Rows, evaluation_rows
    from tfdistill.data.shards import prepare

    prepared = prepare(corpus, tokenizer, config.shards_dir)
    console.warn((*tokenizer.notes, *prepared.warnings))
    train, test = (
        Rows(prepared.shard(split), config.length, tokenizer) for split in ("train", "test")
    )
    return train.counts, EvaluationBatches(test, evaluation_rows(config.length))
