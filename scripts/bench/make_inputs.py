"""Makes the inputs of all compared steps: models with random weights, and batches of bundled text.

Usage: python make_inputs.py WORK FOLDER BATCHES
"""

import sys
from pathlib import Path

import numpy as np
from settings import LENGTH, VOCABULARY, WORKS

from tfdistill.data import shards
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.masking import training_masking
from tfdistill.data.rows import Rows
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import MaskedLanguageModel


def make_models(work, folder):
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
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            # Wider than usual: the models' logits differ enough for every loss to count.
            initializer_range=0.05 * (128 / work.hidden) ** 0.5,
        )
        save_model(MaskedLanguageModel(config, seed=seed), folder / name)


def make_batches(work, folder, count):
    """Writes `count` masked batches: each key's arrays of int32 or float32, (count, batch, ...)."""
    tokenizer = load_tokenizer()
    prepared = shards.prepare(open_corpus("sample"), tokenizer, folder / "shards")
    rows = Rows(prepared.shard("train"), LENGTH, tokenizer)
    batches = TrainingBatches(rows, work.rows, 0, training_masking(rows))
    batches = [batches.at(step) for step in range(count)]
    stacked = {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}
    np.savez(folder / "batches.npz", **stacked)


def main(work, folder, count):
    make_models(WORKS[work], Path(folder))
    make_batches(WORKS[work], Path(folder), int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
