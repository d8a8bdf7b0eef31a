"""The model card tells what it should, and its example runs as it stands."""

import re
import subprocess
import sys

import pytest

from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.predictor import Predictor

METRICS = {
    "corpus": "novels",
    "split": "test",
    "models": {
        "unigram": {"loss": 6.5, "top1": 0.0581, "top5": 0.15},
        "teacher": {"loss": 3.123, "top1": 0.412, "top5": 0.61},
        "student": {
            "loss": 3.456,
            "top1": 0.387,
            "top5": 0.58,
            "agreement": 0.712,
            "standard_errors": {"top1": 0.0051, "loss": 0.03},
        },
        "baseline_start": {"loss": 3.5, "top1": 0.381, "top5": 0.57, "agreement": 0.612},
    },
    "teacher_answers": {"text": "+0.6 ± 0.4 points of top-1 (not shown)"},
}
EXPORT = {
    "student.tflite": {
        "agreement": 1.0,
        "positions": 512,
        "latency_ms": 1.234,
        "bytes": 123_456,
    },
    "student_int8.tflite": {
        "agreement": 0.987,
        "positions": 512,
        "latency_ms": 0.567,
        "bytes": 45_678,
    },
}


@pytest.fixture
def folder(exported):
    model, folder = exported
    write_model_card(folder / "model_card.md", model.config, EXPORT, METRICS)
    return folder


def test_the_example_runs(folder):
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "model_card.md").read_text(), re.S)
    assert len(code.splitlines()) <= 12
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (filled,) = Predictor.open(str(folder / "student_int8.tflite")).fill(
        "The whale [MASK] the ship."
    )
    assert done.stdout.strip() == str([token for token, _ in filled])


def test_what_it_says(folder):
    card = (folder / "model_card.md").read_text()
    for fact in (
        "novels",
        "2 layers",
        "3.456",
        "38.7% ± 0.5%",
        "| the same start without a teacher | 3.500 | 38.1% |",
        "Worth of the teacher's answers: +0.6 ± 0.4 points of top-1 (not shown).",
        "71.2%",
        "98.7% of 512",
        "0.57",
        "0.05",
        "| `logits` |",
    ):
        assert fact in card
    assert "To be filled in by whoever publishes" in card
    named = set(re.findall(r"\| input \| `(\w+)` \| int32 \|", card))
    is_bert = card.startswith("# bert")
    assert named == {"input_ids", "attention_mask", "masked_positions"} | (
        {"token_type_ids"} if is_bert else set()
    )


def test_a_model_without_a_run(folder, bert):
    write_model_card(folder / "card.md", bert.config, EXPORT)
    assert "Not measured." in (folder / "card.md").read_text()
