"""Latencies are medians of runs that take turns."""

import pytest

from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.tasks.masked_lm import MaskedLM


@pytest.fixture(scope="module")
def paths(exports, whole_vocabulary):
    """Files that differ much: 120 tokens and width 32, 30522 tokens and width 128."""
    return {
        "small": exports["bert"][1] / "student.tflite",
        "large": whole_vocabulary / "student.tflite",
    }


def test_a_larger_model_takes_longer(paths, batches):
    for rows in ((), MaskedLM().rows_to_time(batches[0])):
        latency = measure_latency(paths, rows, runs=30)
        assert set(latency) == set(paths)
        assert 0 < 2 * latency["small"] < latency["large"] < 1000


def test_rows_to_time_are_those_with_something_to_predict(batches):
    rows = MaskedLM().rows_to_time(batches[1])
    assert [int(row["attention_mask"].sum()) for row in rows] == [16, 16, 6]
    assert [row["masked_positions"].tolist() for row in rows] == [[1], [1], [1]]


def test_files_take_turns_on_the_rows(paths, batches):
    seen = []

    class Recorder(LiteModel):
        def logits(self, inputs, length=None):
            seen.append((self.outputs, int(inputs["attention_mask"].sum())))
            return super().logits(inputs, length)

    rows = MaskedLM().rows_to_time(batches[1])
    # Of another vocabulary and with more token types, as a student's may be.
    rows = [
        row | {"input_ids": row["input_ids"] + 40_000, "token_type_ids": row["attention_mask"] * 9}
        for row in rows
    ]
    measure_latency(paths, rows, runs=4, open_file=Recorder)
    timed = seen[-8:]
    assert [outputs for outputs, _ in timed] == [120, 30522] * 4
    assert [tokens for _, tokens in timed[::2]] == [16, 16, 6, 16]
