"""Heads and neurons in the order of their importance to the loss on the labels."""

import numpy as np
import pytest

from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.model import Model
from tfdistill.starts.width.rewiring import label_loss, rewire


@pytest.fixture
def model(tiny_model):
    config = tiny_model(num_attention_heads=3).config
    return Model(Encoder(config), ClassificationHead(config, ("a", "b", "c")), seed=3)


@pytest.fixture
def batches(tiny_batch):
    def make(seed):
        rows = tiny_batch([10, 7, 4, 2], seed=seed)
        labels = np.random.default_rng(seed).integers(0, 3, 4).astype(np.int32)
        inputs = {name: rows[name] for name in ("input_ids", "attention_mask")}
        return inputs | {"labels": labels, "label_weights": np.array([1, 1, 1, 0], np.float32)}

    return [make(seed) for seed in (1, 2)]


def loss_of(model, batch):
    """Cross-entropy of the labels that count, in NumPy."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    logits = model(inputs)["logits"].numpy().astype(np.float64)
    truth = np.take_along_axis(logits, batch["labels"][:, None], axis=-1)[:, 0]
    losses = np.log(np.exp(logits).sum(axis=-1)) - truth
    return (losses * batch["label_weights"]).sum() / batch["label_weights"].sum()


def importance(model, batches, kernel, rows, step=1e-2):
    """sum over batches of |dL/dg| for a gate g = 1 on rows of a kernel: central differences."""
    before, total = kernel.numpy(), 0.0
    for batch in batches:
        values = []
        for gate in (1 + step, 1 - step):
            changed = before.copy()
            changed[rows] *= gate
            kernel.assign(changed)
            values.append(loss_of(model, batch))
        total += abs(values[0] - values[1]) / (2 * step)
    kernel.assign(before)
    return total


def test_units_are_sorted_and_the_model_computes_the_same(model, batches):
    before = [loss_of(model, batch) for batch in batches]
    found = [label_loss("cross_entropy")(model, batch).numpy() for batch in batches]
    np.testing.assert_allclose(found, before, rtol=1e-5)
    untouched = model.encoder.blocks[0].intermediate.kernel.numpy()
    logits = model({name: batches[0][name] for name in ("input_ids", "attention_mask")})["logits"]
    rewire(model, batches, "cross_entropy")
    again = model({name: batches[0][name] for name in ("input_ids", "attention_mask")})["logits"]
    np.testing.assert_allclose(again, logits, atol=1e-5)
    changed = model.encoder.blocks[0].intermediate.kernel.numpy()
    assert (changed != untouched).any()
    np.testing.assert_array_equal(np.sort(changed, axis=1), np.sort(untouched, axis=1))
    for block in model.encoder.blocks:
        heads = [
            importance(model, batches, block.attention.output_dense.kernel, slice(i, i + 4))
            for i in (0, 4, 8)
        ]
        neurons = [
            importance(model, batches, block.output_dense.kernel, slice(i, i + 1))
            for i in (0, 3, 8, 19)
        ]
        for scores in (heads, neurons):
            assert max(scores) > 0
            for first, second in zip(scores, scores[1:], strict=False):
                assert second <= first + 1e-4 + 0.02 * first
