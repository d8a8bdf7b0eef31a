"""Latencies are medians of runs that take turns."""

import pytest

from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.tflite import LiteModel


@pytest.fixture(scope="module")
def paths(exports, whole_vocabulary):
    """Files that differ much: 120 tokens and width 32, 30522 tokens and width 128."""
    return {
        "small": exports["bert"][1] / "student.tflite",
        "large": whole_vocabulary / "student.tflite",
    }


@pytest.mark.parametrize("held_out", ["a batch", "no batch", "no masks"])
def test_a_larger_model_takes_longer(paths, batches, held_out):
    batch = {**batches[0]} if held_out != "no batch" else None
    if held_out == "no masks":
        batch["masked_weights"] = 0 * batch["masked_weights"]
    latency = measure_latency(paths, runs=30, batch=batch)
    assert set(latency) == set(paths)
    assert 0 < 2 * latency["small"] < latency["large"] < 1000


def test_files_take_turns_on_the_rows_of_the_batch(paths, batches, monkeypatch):
    seen = []
    logits = LiteModel.logits

    def record(self, input_ids, attention_mask, position):
        seen.append((self.vocab_size, int(attention_mask.sum())))
        return logits(self, input_ids, attention_mask, position)

    monkeypatch.setattr(LiteModel, "logits", record)
    measure_latency(paths, runs=4, batch=batches[1])
    timed = seen[-8:]
    assert [vocab_size for vocab_size, _ in timed] == [120, 30522] * 4
    # The row of nothing has no masked position and is not run.
    assert [tokens for _, tokens in timed[::2]] == [16, 16, 6, 16]
