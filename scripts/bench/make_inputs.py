"""Makes the inputs of all compared steps: models with random weights, and batches of bundled text.

Usage: python make_inputs.py WORK FOLDER BATCHES [DROPOUT]
    DROPOUT: rate of every dropout of the models; 0 by default
"""

import sys
from pathlib import Path

import numpy as np
from settings import LENGTH, VOCABULARY, WORKS

from tfdistill import tasks
from tfdistill.data import shards
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.bucket_order import filled_batches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.labelled.authors import AUTHORS, read_authors
from tfdistill.data.masking import training_masking
from tfdistill.data.rows import Rows
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import MaskedLanguageModel, Model


def authors_task():
    return tasks.get("text_classification").bound(tuple(sorted(AUTHORS.values())))


def make_models(work, folder, dropout):
    """Writes a Hugging Face directory each."""
    layers_of = {"student": work.layers}
    if work.teacher_layers:
        layers_of["teacher"] = work.teacher_layers
    for seed, (name, layers) in enumerate(layers_of.items()):
        config = EncoderConfig(
            vocab_size=VOCABULARY,
            num_hidden_layers=layers,
            hidden_size=work.hidden,
            num_attention_heads=work.heads,
            intermediate_size=4 * work.hidden,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            # Wider than usual: the models' logits differ enough for every loss to count.
            initializer_range=0.05 * (128 / work.hidden) ** 0.5,
        )
        if work.tuned:
            model = Model(Encoder(config), authors_task().fresh_head(config), seed=seed)
        else:
            model = MaskedLanguageModel(config, seed=seed)
        save_model(model, folder / name)


def masked_batches(work, folder, count):
    """Masked rows of the bundled text: a list of dicts."""
    tokenizer = load_tokenizer()
    prepared = shards.prepare(open_corpus("sample"), tokenizer, folder / "shards")
    rows = Rows(prepared.shard("train"), LENGTH, tokenizer)
    batches = TrainingBatches(rows, work.rows, 0, training_masking(rows))
    return [batches.at(step) for step in range(count)]


def sentences(work, folder, count):
    """Bundled sentences and their authors, of more than half of the length: a list of dicts.

    Writes the ids of all tokens of the sentences of any length, as a run knows them.
    """
    source = authors_task().encode(read_authors()["train"], load_tokenizer(), 2 * work.length)
    np.save(folder / "tokens.npy", source.tokens_used())
    source = source.with_lengths((work.length // 2, work.length, 2 * work.length))
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(source.buckets == 1))
    batches = filled_batches(chosen, work.rows)[:count]
    return [source.gather(rows, work.length) for rows in batches]


def make_batches(work, folder, count):
    """Writes `count` batches: each key's arrays of int32 or float32, (count, batch, ...)."""
    make = sentences if work.tuned else masked_batches
    batches = make(work, folder, count)
    stacked = {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}
    np.savez(folder / "batches.npz", **stacked)


def main(work, folder, count, dropout="0"):
    make_models(WORKS[work], Path(folder), float(dropout))
    make_batches(WORKS[work], Path(folder), int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
