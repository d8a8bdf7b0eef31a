"""The examples of a run, tokenised: what `Task.prepare` returns, and how corpora are prepared."""

import dataclasses
import math

import numpy as np

SPLITS = "train", "validation", "test"


@dataclasses.dataclass(frozen=True)
class PreparedData:
    """The examples of every split, ready for batches.

    Args:
        identity: str; a run continues only with data of the same identity.
        sources: dict of "train", "validation" and "test" to sources (see `data.batches`).
        statistics: dict of splits to dicts of facts, for people and for metrics.json.
        warnings: lines about data that make a run useless.
        train_ids: int (tokens,), the text of the training split without rows; None for examples
            that are no running text.
    """

    identity: str
    sources: dict
    statistics: dict
    warnings: tuple = ()
    train_ids: np.ndarray | None = None


def open_text(settings):
    """Opens the corpus that the settings name; text on the hub is not downloaded yet.

    Args:
        settings: object with `corpus`, `data_dir`, `text_column` and `encoding_errors`.

    Returns:
        The `Corpus`.

    Raises:
        UserError: it does not exist, or holds no text.
    """
    from tfdistill.data.corpus import open_corpus
    from tfdistill.system.errors import UserError

    corpus = open_corpus(
        settings.corpus, settings.data_dir, settings.text_column, settings.encoding_errors
    )
    if corpus.size is not None and next(iter(corpus.splits["train"]()), None) is None:
        raise UserError(
            f"corpus {corpus.name}: no text in `corpus`={settings.corpus}: give it more, or name "
            "another"
        )
    return corpus


def prepare_text(task, corpus, tokenizer, settings, progress=None, sentences=False):
    """Tokenises a corpus into shards, unless they exist, and cuts it into rows.

    Args:
        task: the `Task`, which reads the shards.
        corpus: the `Corpus`.
        tokenizer: the `Tokenizer`.
        settings: object with `shards_dir` and what `Task.read` needs.
        progress: function of the text's size in bytes (None if unknown) to the `progress` of
            `shards.prepare`; None to show nothing.
        sentences: whether the task reads where sentences start.

    Returns:
        `PreparedData`.
    """
    from tfdistill.data.shards import prepare

    show = progress(corpus.size) if progress else None
    prepared = prepare(corpus, tokenizer, settings.shards_dir, progress=show, sentences=sentences)
    return PreparedData(
        prepared.directory.name,
        task.read(prepared, tokenizer, settings),
        prepared.statistics,
        tuple(prepared.warnings),
        prepared.shard("train").ids,
    )


def steps_for(rows, settings):
    """Optimizer steps that `n_epoch` passes over a number of rows take, at least 1."""
    per_step = settings.batch_size * settings.gradient_accumulation_steps
    return max(1, math.ceil(settings.n_epoch * rows / per_step))
