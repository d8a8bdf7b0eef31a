"""Makes what both steps start from: two models of random weights, and batches of the sample.

Usage: python make_inputs.py FOLDER BATCHES
"""

import sys
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

from tfdistill.data import shards
from tfdistill.data.batches import Rows, TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.tokenizer import load_tokenizer

BATCH_SIZE, LENGTH = 32, 128
LAYERS = {"teacher": 8, "student": 4}


def make_models(folder):
    """Writes a Hugging Face directory each, width 128, random weights."""
    torch.manual_seed(0)
    for name, layers in LAYERS.items():
        config = BertConfig(
            num_hidden_layers=layers,
            hidden_size=128,
            num_attention_heads=2,
            intermediate_size=512,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            # Wider than usual: the two models' logits differ enough for every loss to count.
            initializer_range=0.05,
        )
        BertForMaskedLM(config).save_pretrained(folder / name)


def make_batches(folder, count):
    """Writes `count` masked batches: each key's arrays of int32 or float32, (count, batch, ...)."""
    tokenizer = load_tokenizer()
    prepared = shards.prepare(open_corpus("sample"), tokenizer, folder / "shards")
    rows = Rows(prepared.shard("train"), LENGTH, tokenizer)
    batches = TrainingBatches(rows, BATCH_SIZE, seed=0)
    batches = [batches.at(step) for step in range(count)]
    stacked = {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}
    np.savez(folder / "batches.npz", **stacked)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
    make_batches(Path(sys.argv[1]), int(sys.argv[2]))
